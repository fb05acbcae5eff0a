//! Waking: makes a coroutine or a thread look again at what it waits for.
//!
//! Who may call: anyone, on any thread, any number of times. [`state`](super::state) decides which call queues the
//! coroutine; that one goes on to its [`Home`](super::cell::Home).

#![allow(unsafe_code)]

use std::mem::ManuallyDrop;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::cell::{Header, TaskRef};
use super::current;
use super::ready;
use super::thread_parker::ThreadParker;
use super::unwind::cause::CancelCause;
use super::unwind::payload::require_unwinding;
use crate::trace;

impl Header {
    /// Notifies the coroutine. If it was parked, returns the reference with which the caller has to
    /// queue it.
    #[must_use]
    #[inline(always)]
    pub(super) fn notify(&self) -> Option<TaskRef> {
        let parked = if current::is_home_of(self) {
            self.state.notify_at_home()
        } else {
            self.state.notify()
        };
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
    #[inline(always)]
    pub(super) fn schedule(self) {
        let here = current::is_home_of(self.header());
        trace::wake(self.id(), here, || current::running().is_some());
        if here {
            ready::push(self);
        } else {
            self.schedule_from_elsewhere();
        }
    }

    #[cold]
    fn schedule_from_elsewhere(self) {
        // SAFETY: the caller has the duty to queue it.
        let home = unsafe { self.header().home.get() }.expect("it was parked at home");
        // A reference of its own, since the coroutine, and its worker, may be gone before this returns.
        home.clone().schedule_from_elsewhere(self);
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

    /// Asks the coroutine to stop, for this reason, unless it was for another one before.
    ///
    /// # Panics
    ///
    /// As [`require_unwinding`], if it has not ended.
    pub(crate) fn cancel(&self, cause: &Arc<CancelCause>) {
        if !self.is_finished() {
            require_unwinding();
        }
        if self.header().cause.set(cause.clone()).is_ok() {
            trace::cancelled(self.id(), &**cause);
        }
        // Release: whoever sees the flag finds the cause.
        self.header().cancelled.store(true, Ordering::Release);
        // Its Release publishes the flag to the coroutine.
        self.wake();
    }
}

/// The coroutine or thread that waits at a node in its own frame. Unlike a [`Waiter`](super::cell::Waiter) it does not
/// keep the coroutine alive: the frame does.
///
/// One word: the address of the coroutine's header, or that of the thread's parker, to which it holds a reference, with
/// [`THREAD`] added.
pub(crate) struct Blocked(NonNull<()>);

/// Distinguishes the addresses of threads' parkers from those of headers. Both are aligned to more.
const THREAD: usize = 1;

impl Blocked {
    /// The calling coroutine or thread.
    #[inline(always)]
    pub(crate) fn current() -> Blocked {
        match current::running() {
            Some(running) => Blocked(running.as_raw().cast()),
            None => Blocked(of_thread(ThreadParker::current())),
        }
    }

    #[inline(always)]
    fn is_thread(&self) -> bool {
        self.0.addr().get() & THREAD != 0
    }

    /// Notifies it. It goes on when the returned wake-up is carried out, or before.
    ///
    /// # Safety
    ///
    /// The frame must exist, and stay during the call.
    #[inline(always)]
    pub(crate) unsafe fn notify(&self) -> Wakeup {
        if self.is_thread() {
            return self.notify_thread();
        }
        // SAFETY: it is the address of a header, and by the caller's promise a coroutine is alive while its frames are.
        let notified = unsafe { self.0.cast::<Header>().as_ref() }.notify();
        Wakeup(notified.map(|task| task.into_raw().cast()))
    }

    #[cold]
    fn notify_thread(&self) -> Wakeup {
        // SAFETY: `self` holds a reference, which is left alone.
        let parker = ManuallyDrop::new(unsafe { to_thread(self.0) });
        Wakeup(Some(of_thread(Arc::clone(&parker))))
    }
}

impl Drop for Blocked {
    #[inline(always)]
    fn drop(&mut self) {
        if self.is_thread() {
            // SAFETY: the reference was its own.
            drop(unsafe { to_thread(self.0) });
        }
    }
}

#[cold]
fn of_thread(parker: Arc<ThreadParker>) -> NonNull<()> {
    const { assert!(align_of::<ThreadParker>() > THREAD && align_of::<Header>() > THREAD) };
    let address = Arc::into_raw(parker).cast_mut().cast::<()>();
    let address = address.map_addr(|address| address | THREAD);
    NonNull::new(address).expect("an `Arc` has an address")
}

/// # Safety
///
/// The address must come from `of_thread`, with its reference, which becomes the caller's.
#[cold]
unsafe fn to_thread(address: NonNull<()>) -> Arc<ThreadParker> {
    let address = address.as_ptr().map_addr(|address| address & !THREAD);
    // SAFETY: the caller's promise.
    unsafe { Arc::from_raw(address.cast()) }
}

/// Queues or unparks a waiter that has been notified. Separate from the notification, so that it can be done after
/// a lock is free.
///
/// Nobody, a coroutine, or a thread, as in [`Blocked`]; each with a reference, which [`wake`](Wakeup::wake) passes on.
#[must_use = "whoever was notified waits for it"]
pub(crate) struct Wakeup(Option<NonNull<()>>);

// SAFETY: a reference to a coroutine or to a parker may go to any thread.
unsafe impl Send for Wakeup {}

impl Wakeup {
    /// Where nobody waits.
    #[inline(always)]
    pub(crate) fn of_nobody() -> Wakeup {
        Wakeup(None)
    }

    /// For a waiter that spins on another thread, and needs no wake-up.
    pub(crate) fn unneeded() -> Wakeup {
        current::note_remote_wake();
        Wakeup(None)
    }

    #[inline(always)]
    pub(crate) fn wake(self) {
        let Some(address) = self.0 else { return };
        if address.addr().get() & THREAD != 0 {
            // SAFETY: it comes from `of_thread`, and this uses it up.
            unsafe { to_thread(address) }.unpark();
        } else {
            // SAFETY: it comes from `into_raw`, and this uses it up.
            unsafe { TaskRef::from_raw(address.cast()) }.schedule();
        }
    }
}
