//! Whoever waits: a coroutine or a thread, for which every blocking operation works alike, or the task of
//! a future, which is polled by whoever runs it.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::mem;
use std::ptr::NonNull;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::header::Header;
use super::task_waiter::TaskWaiter;
use super::{TaskRef, current, stack_check};
use crate::clock::Timestamp;
use crate::shrinking;

/// A blocked coroutine or thread, or the task of a future, to be woken once or more.
///
/// To drop and to wake that of a task runs user code: not under a lock.
#[derive(Clone)]
pub(crate) enum Waiter {
    Coroutine(TaskRef),
    Thread(Arc<ThreadParker>),
    Task(TaskWaiter),
}

impl Waiter {
    /// The calling coroutine or thread.
    pub(crate) fn current() -> Waiter {
        match current::task() {
            Some(task) => Waiter::Coroutine(task),
            None => Waiter::Thread(ThreadParker::current()),
        }
    }

    /// Makes the waiter look again at what it waits for.
    pub(crate) fn wake(&self) {
        match self {
            Waiter::Coroutine(task) => task.wake(),
            Waiter::Thread(parker) => parker.unpark(),
            Waiter::Task(task) => task.wake(),
        }
    }

    /// Whether one stands for the other. All tasks do for each other, since of those that poll the same
    /// object the last one counts.
    fn is(&self, other: &Waiter) -> bool {
        match (self, other) {
            (Waiter::Coroutine(a), Waiter::Coroutine(b)) => a.as_raw() == b.as_raw(),
            (Waiter::Thread(a), Waiter::Thread(b)) => Arc::ptr_eq(a, b),
            (Waiter::Task(_), Waiter::Task(_)) => true,
            _ => false,
        }
    }
}

/// The coroutine or thread that is blocked at a place in its own frame. Unlike a [`Waiter`] it does
/// not keep a coroutine alive: that the frame is there does.
pub(crate) enum Blocked {
    Coroutine(NonNull<Header>),
    Thread(Arc<ThreadParker>),
}

impl Blocked {
    /// The calling coroutine or thread.
    #[inline]
    pub(crate) fn current() -> Blocked {
        match current::running() {
            Some(running) => Blocked::Coroutine(running.as_raw()),
            None => Blocked::Thread(ThreadParker::current()),
        }
    }

    /// Marks it as notified. It goes on with the wake-up at the latest.
    ///
    /// # Safety
    ///
    /// The frame must be there, and stay during the call.
    #[inline]
    pub(crate) unsafe fn notify(&self) -> Wakeup {
        match self {
            Blocked::Coroutine(header) => {
                // SAFETY: the caller's promise: a coroutine is alive while its frames are.
                let notified = unsafe { header.as_ref() }.notify();
                Wakeup(notified.map(Woken::Coroutine))
            }
            Blocked::Thread(parker) => Wakeup(Some(Woken::Thread(parker.clone()))),
        }
    }
}

/// Lets one go on that has been notified. Separate from the notification, so that it can be done after
/// a lock is free.
#[must_use = "whoever was notified waits for it"]
pub(crate) struct Wakeup(Option<Woken>);

enum Woken {
    Coroutine(TaskRef),
    Thread(Arc<ThreadParker>),
}

impl Wakeup {
    /// Where nobody waits.
    pub(crate) fn of_nobody() -> Wakeup {
        Wakeup(None)
    }

    /// For one that runs, on another thread, and spins on it.
    pub(crate) fn unneeded() -> Wakeup {
        current::note_remote_wake();
        Wakeup(None)
    }

    #[inline]
    pub(crate) fn wake(self) {
        match self.0 {
            None => {}
            Some(Woken::Coroutine(task)) => task.schedule(),
            Some(Woken::Thread(parker)) => parker.unpark(),
        }
    }
}

/// What a thread parks on. Not `std::thread::park`: the permit of that belongs to the user.
pub(crate) struct ThreadParker {
    permit: Mutex<bool>,
    changed: Condvar,
}

impl ThreadParker {
    pub(crate) fn current() -> Arc<ThreadParker> {
        thread_local! {
            static OF_THREAD: Arc<ThreadParker> = ThreadParker::new();
        }
        OF_THREAD.try_with(Arc::clone).unwrap_or_else(|_| ThreadParker::of_ending_thread())
    }

    fn new() -> Arc<ThreadParker> {
        Arc::new(ThreadParker { permit: Mutex::new(false), changed: Condvar::new() })
    }

    /// For the destructor of a thread-local value that outlives the thread's parker. Nobody tells when the
    /// last one has run, so this one is never freed.
    #[cold]
    fn of_ending_thread() -> Arc<ThreadParker> {
        thread_local! {
            /// No destructor, so it is there to the end.
            static LATE: Cell<Option<&'static Arc<ThreadParker>>> = const { Cell::new(None) };
        }
        let parker = LATE.get().unwrap_or_else(|| Box::leak(Box::new(ThreadParker::new())));
        LATE.set(Some(parker));
        parker.clone()
    }

    fn unpark(&self) {
        *self.permit.lock() = true;
        self.changed.notify_one();
    }

    /// Waits for a permit and takes it, or for the deadline: `false`. May return early.
    pub(crate) fn park(&self, deadline: Option<Timestamp>) -> bool {
        if stack_check::is_exiting() {
            return ThreadParker::park_while_exiting(deadline);
        }
        let mut permit = self.permit.lock();
        while !*permit {
            match deadline {
                None => self.changed.wait(&mut permit),
                Some(at) => {
                    if self.changed.wait_until(&mut permit, at.to_std()).timed_out() {
                        break;
                    }
                }
            }
        }
        mem::take(&mut *permit)
    }

    /// By a thread that was a worker's until it began to end the process. Where it waits, somebody may
    /// know it as the coroutine that it was, and notify that one.
    #[cold]
    fn park_while_exiting(deadline: Option<Timestamp>) -> bool {
        const POLL_INTERVAL: Duration = Duration::from_millis(1);
        let left = deadline.map_or(POLL_INTERVAL, |at| at.since(Timestamp::now()));
        thread::sleep(left.min(POLL_INTERVAL));
        left > POLL_INTERVAL || deadline.is_none()
    }
}

/// Those who wait for an event that concerns all of them, such as the end of a coroutine or the
/// readiness of a socket. Usually one, so one needs no allocation.
///
/// There is one task among them at most: that of the future that was polled last.
#[derive(Default)]
pub(crate) enum WaiterList {
    #[default]
    Empty,
    One(Waiter),
    #[expect(clippy::box_collection, reason = "a list is two words, since most hold one or none")]
    Many(Box<Vec<Waiter>>),
}

impl WaiterList {
    pub(crate) const fn new() -> WaiterList {
        WaiterList::Empty
    }

    /// Adds a waiter. Returns the one that it stands for, if that is in the list. If it may be a task,
    /// it is to be dropped without the list's lock.
    pub(crate) fn add(&mut self, waiter: Waiter) -> Option<Waiter> {
        let replaced;
        (*self, replaced) = match mem::take(self) {
            WaiterList::Empty => (WaiterList::One(waiter), None),
            WaiterList::One(first) if first.is(&waiter) => (WaiterList::One(waiter), Some(first)),
            WaiterList::One(first) => (WaiterList::Many(Box::new(vec![first, waiter])), None),
            WaiterList::Many(mut all) => {
                let replaced = match all.iter_mut().find(|w| w.is(&waiter)) {
                    Some(known) => Some(mem::replace(known, waiter)),
                    None => {
                        all.push(waiter);
                        None
                    }
                };
                (WaiterList::Many(all), replaced)
            }
        };
        replaced
    }

    /// Removes a waiter that gives up, if it is in the list. What is returned is to be dropped as that
    /// of `add`.
    pub(crate) fn remove(&mut self, waiter: &Waiter) -> Option<Waiter> {
        match self {
            WaiterList::One(first) if first.is(waiter) => match mem::take(self) {
                WaiterList::One(first) => Some(first),
                _ => None,
            },
            WaiterList::Many(all) => {
                let at = all.iter().position(|w| w.is(waiter))?;
                let removed = all.remove(at);
                if all.is_empty() {
                    *self = WaiterList::Empty;
                } else {
                    shrinking::trim_list(all);
                }
                Some(removed)
            }
            _ => None,
        }
    }

    /// Wakes everyone and forgets them. To be called on a list taken out from under its lock.
    pub(crate) fn wake_all(self) {
        match self {
            WaiterList::Empty => {}
            WaiterList::One(waiter) => waiter.wake(),
            WaiterList::Many(all) => all.iter().for_each(Waiter::wake),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, WaiterList::Empty)
    }

    /// Has the processor fetch what waking them touches first.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let WaiterList::One(Waiter::Coroutine(task)) = self {
            task.prefetch_header();
        }
    }
}
