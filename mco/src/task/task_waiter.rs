//! The task of a future that waits, and whether it waits for something outside.
//!
//! As long as a coroutine waits for a socket, a virtual clock stands still, and nothing is a deadlock. A coroutine in
//! `block_on` waits for a socket if its future does. That may consist of several futures, each with a waker of its own,
//! of which only some are polled at a time. So the entries in the sockets' lists are counted:
//!
//! ```text
//!   block_on:  begins a count (Polling); after each pending poll: is it above zero? then it is an external wait
//!   a poll:    enters its task with the count of the coroutine that polls: + 1
//!   an event:  takes the task out, wakes it, then drops it: - 1
//! ```
//!
//! The wake comes before the count falls, so a coroutine that finds zero has been woken, and will not wait. A task
//! that stays in a list after its future was dropped counts for too long, until its socket is dropped or ready. That
//! may hide a deadlock, but never claims one.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{RawWakerVTable, Waker};

use super::cell::{TaskWaiter, WakerEntry};
use super::current;
use super::user_code::run_user_code;

/// Counts the entries of futures that are polled outside of mco's `block_on`. Whom they wake is not known.
static UNOWNED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// Whether a future that is polled outside of mco's `block_on` waits for something outside. It may wake anybody.
pub(crate) fn has_unowned_external_waits() -> bool {
    UNOWNED.load(Ordering::Acquire) > 0
}

impl TaskWaiter {
    /// For a wait for something of mco's.
    pub(crate) fn new(waker: &Waker) -> TaskWaiter {
        TaskWaiter(Arc::new(WakerEntry { waker: Some(waker.clone()), outside: None }))
    }

    /// For a wait for something outside.
    #[cfg(feature = "_bridge")]
    pub(crate) fn for_external_wait(waker: &Waker) -> TaskWaiter {
        let running = current::running();
        let count = running.and_then(|running| running.with_home_only(|own| own.polling.clone()));
        let count = count.unwrap_or_else(|| UNOWNED.clone());
        count.fetch_add(1, Ordering::Relaxed);
        TaskWaiter(Arc::new(WakerEntry { waker: Some(waker.clone()), outside: Some(count) }))
    }

    pub(crate) fn wake(&self) {
        let Some(waker) = &self.0.waker else { return };
        if is_own(waker) {
            waker.wake_by_ref();
        } else {
            let entry = self.0.clone();
            run_user_code(move || {
                entry.waker.as_ref().into_iter().for_each(Waker::wake_by_ref);
            });
        }
    }
}

impl Drop for WakerEntry {
    fn drop(&mut self) {
        if let Some(count) = &self.outside {
            // Release: see `has_external_waits`.
            count.fetch_sub(1, Ordering::Release);
        }
        if let Some(waker) = self.waker.take()
            && !is_own(&waker)
        {
            run_user_code(move || drop(waker));
        }
    }
}

/// Wakes the task of a future, and drops the waker.
pub(crate) fn wake_task(waker: Waker) {
    if is_own(&waker) {
        waker.wake();
    } else {
        run_user_code(move || waker.wake());
    }
}

/// The table of functions of `block_on`'s wakers, once there has been one.
static OWN: AtomicPtr<RawWakerVTable> = AtomicPtr::new(ptr::null_mut());

/// Remembers the kind of this waker as mco's own, which may be woken and dropped anywhere.
pub(crate) fn note_own_waker(waker: &Waker) {
    let vtable = ptr::from_ref(waker.vtable()).cast_mut();
    if OWN.load(Ordering::Relaxed) != vtable {
        OWN.store(vtable, Ordering::Relaxed);
    }
}

/// Whether the waker is one of `block_on`'s. For one that is not recognised all takes longer.
fn is_own(waker: &Waker) -> bool {
    ptr::eq(waker.vtable(), OWN.load(Ordering::Relaxed))
}

/// While it lives, the calling coroutine is in a `block_on`. It stays in the frame of that.
pub(crate) struct Polling {
    count: Arc<AtomicUsize>,
    /// That of the `block_on` around this one.
    outer: Option<Arc<AtomicUsize>>,
}

impl Polling {
    pub(crate) fn begin() -> Polling {
        let count = Arc::new(AtomicUsize::new(0));
        Polling { outer: replace(Some(count.clone())), count }
    }

    /// Whether the future waits for something outside.
    pub(crate) fn has_external_waits(&self) -> bool {
        // Acquire: one that is not counted any more has been woken before, which is seen then.
        self.count.load(Ordering::Acquire) > 0
    }
}

impl Drop for Polling {
    fn drop(&mut self) {
        replace(self.outer.take());
    }
}

fn replace(count: Option<Arc<AtomicUsize>>) -> Option<Arc<AtomicUsize>> {
    let running = current::running()?;
    running.with_home_only(|own| std::mem::replace(&mut own.polling, count))
}
