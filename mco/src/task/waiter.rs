//! Who waits: a coroutine or a thread, for which every blocking operation works alike, or the task of a future.

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

/// A coroutine, thread or task that waits, for whoever is to wake it, once or more often.
///
/// To drop or to wake that of a task runs user code, so it must not happen under a lock.
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

    /// Wakes it, so that it checks again what it waits for.
    pub(crate) fn wake(&self) {
        match self {
            Waiter::Coroutine(task) => task.wake(),
            Waiter::Thread(parker) => parker.unpark(),
            Waiter::Task(task) => task.wake(),
        }
    }

    /// Whether both are the same. All tasks count as the same, since only the task that polled an object last is
    /// woken.
    fn is(&self, other: &Waiter) -> bool {
        match (self, other) {
            (Waiter::Coroutine(a), Waiter::Coroutine(b)) => a.as_raw() == b.as_raw(),
            (Waiter::Thread(a), Waiter::Thread(b)) => Arc::ptr_eq(a, b),
            (Waiter::Task(_), Waiter::Task(_)) => true,
            _ => false,
        }
    }
}

/// The coroutine or thread that waits at a node in its own frame. Unlike a [`Waiter`] it does not keep the coroutine
/// alive: the frame does.
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

    /// Notifies it. It goes on when the returned wake-up is carried out, or before.
    ///
    /// # Safety
    ///
    /// The frame must exist, and stay during the call.
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

/// Queues or unparks a waiter that has been notified. Separate from the notification, so that it can be done after
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

    /// For a waiter that spins on another thread, and needs no wake-up.
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

/// What a thread parks on. `std::thread::park` is no replacement, since its permit belongs to the user.
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

    /// For the destructor of a thread-local value that outlives the thread's parker. It is not known when the last such
    /// destructor has run, so this parker is never freed.
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

    /// By a thread that was a worker's until it began to end the process. A notification may go to the coroutine that
    /// it ran, so it does not rely on one and polls.
    #[cold]
    fn park_while_exiting(deadline: Option<Timestamp>) -> bool {
        const POLL_INTERVAL: Duration = Duration::from_millis(1);
        let left = deadline.map_or(POLL_INTERVAL, |at| at.since(Timestamp::now()));
        thread::sleep(left.min(POLL_INTERVAL));
        left > POLL_INTERVAL || deadline.is_none()
    }
}

/// The waiters for an event that wakes all of them, such as the end of a coroutine or the readiness of a socket. One
/// waiter, the usual number, needs no allocation.
///
/// There is at most one task among them, that of the future that was polled last.
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

    /// Adds a waiter. Returns the entry that it replaces, if any. If that may be a task, it has to be dropped without
    /// the list's lock.
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

    /// Removes a waiter that gives up, if it is in the list. What is returned has to be dropped as that of `add`.
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
