//! Waking: makes a coroutine or a thread look again at what it waits for.
//!
//! Who may call: anyone, on any thread, any number of times. [`state`](super::state) decides which call queues the
//! coroutine; that one goes on to its [`Home`].

#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::{Header, Home, TaskRef};
use super::current;
use super::thread_parker::ThreadParker;
use super::unwind::payload::require_unwinding;
use crate::trace;

impl Header {
    /// Notifies the coroutine. If it was parked, returns the reference with which the caller has to
    /// queue it.
    #[must_use]
    pub(super) fn notify(&self) -> Option<TaskRef> {
        let here = self.home.get().is_some_and(current::is_home);
        let parked = if here { self.state.notify_at_home() } else { self.state.notify() };
        // SAFETY: the state passes on the reference that the parked coroutine held on itself, to
        // this call alone.
        parked.then(|| unsafe { TaskRef::from_raw(NonNull::from(self)) })
    }
}

impl TaskRef {
    /// Wakes the coroutine, if it is parked, so that it checks again what it waits for.
    pub(crate) fn wake(&self) {
        if let Some(task) = self.header().notify() {
            task.schedule();
        }
    }

    /// Queues a coroutine that `notify` has returned.
    pub(super) fn schedule(self) {
        let home = self.header().home.get().expect("it was parked at home");
        let here = current::is_home(home);
        trace::wake(self.id(), here, || current::running().is_some());
        if here {
            let home: *const dyn Home = &**home;
            // SAFETY: this is the home's own thread, which holds a reference to it.
            unsafe { &*home }.schedule_here(self);
        } else {
            // Of its own, since the coroutine may be gone before this returns.
            let home = home.clone();
            home.schedule_from_elsewhere(self);
        }
    }

    /// Leaves the permit for the coroutine's `park`.
    pub(crate) fn unpark(&self) {
        self.header().permit.store(true, Ordering::Release);
        self.wake();
    }

    /// Takes the permit that [`TaskRef::unpark`] leaves.
    pub(crate) fn take_permit(&self) -> bool {
        self.header().permit.swap(false, Ordering::Acquire)
    }

    /// Asks the coroutine to stop.
    ///
    /// # Panics
    ///
    /// As [`require_unwinding`], if it has not ended.
    pub(crate) fn cancel(&self) {
        if !self.is_finished() {
            require_unwinding();
        }
        self.header().cancelled.store(true, Ordering::Relaxed);
        // Its Release publishes the flag to the coroutine.
        self.wake();
    }
}

/// The coroutine or thread that waits at a node in its own frame. Unlike a [`Waiter`](super::cell::Waiter) it does not
/// keep the coroutine alive: the frame does.
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
