//! The end of a coroutine: how its result gets to the holder of its handle, and who waits for that.
//!
//! The protocol is that of three bits of `completion` in the header, each set once:
//!
//! - `FINISHED`, by the home worker in [`finish`](TaskRef::finish): the result is there. From then on it belongs
//!   to the holder of the handle.
//! - `DETACHED`, by the holder of the handle in [`detach`](TaskRef::detach): nobody will ask for the result. Of this
//!   and `FINISHED`, whoever comes second sees to the result.
//! - `AWAITED`, by whoever waits in [`add_joiner`](TaskRef::add_joiner): `finish` has to look into `joiners`.

#![allow(unsafe_code)]

use std::sync::atomic::Ordering;

use super::cell::{AWAITED, DETACHED, FINISHED, Output, TaskRef, Waiter};
use super::unjoined_panics;

impl TaskRef {
    /// Adds a waiter for the end of the coroutine. `false`: it has ended.
    pub(crate) fn add_joiner(&self, waiter: Waiter) -> bool {
        let mut joiners = self.header().joiners.lock();
        // Acquire pairs with the Release of `finish`. Under the lock: a `finish` that sees
        // `AWAITED` finds the waiter in the list.
        if self.header().completion.fetch_or(AWAITED, Ordering::Acquire) & FINISHED != 0 {
            return false;
        }
        let replaced = joiners.add(waiter);
        drop(joiners);
        drop(replaced);
        true
    }

    pub(crate) fn remove_joiner(&self, waiter: &Waiter) {
        // Dropped without the lock.
        let _removed = self.header().joiners.lock().remove(waiter);
    }

    /// Takes the result. For the holder of the handle, which is used up by it.
    ///
    /// # Safety
    ///
    /// `T` must be the coroutine's result type; it must have finished; to be called once, and
    /// `detach` not at all.
    pub(crate) unsafe fn output<T>(&self) -> Output<T> {
        debug_assert!(self.is_finished());
        // SAFETY: the caller's promise.
        let output = unsafe { self.take_output() };
        if output.is_err() {
            unjoined_panics::forget(self.id());
        }
        output
    }

    /// Drops the handle without asking for the result.
    ///
    /// # Safety
    ///
    /// To be called once, by the holder of the handle, and `output` not at all.
    pub(crate) unsafe fn detach(&self) {
        // Release and Acquire pair with those of `finish`: whoever comes second drops the result.
        if self.header().completion.fetch_or(DETACHED, Ordering::AcqRel) & FINISHED != 0 {
            // SAFETY: it has finished, and the handle is gone by the caller's promise.
            unsafe { self.drop_output() }
        }
    }

    /// Publishes the result and wakes those who wait for it. Returns the result if nobody will ask for it
    /// and its destructor is user code.
    #[inline]
    pub(super) fn finish(&self) -> Option<UnclaimedResult> {
        let header = self.header();
        let before = header.completion.fetch_or(FINISHED, Ordering::AcqRel);
        // SAFETY: finished, and nobody holds the handle.
        let is_unclaimed = before & DETACHED != 0 && unsafe { self.has_user_output() };
        if before & AWAITED != 0 {
            let joiners = std::mem::take(&mut *header.joiners.lock());
            joiners.wake_all();
        }
        is_unclaimed.then(|| UnclaimedResult(self.clone()))
    }
}

/// A result that nobody will ask for. It has to be dropped where its destructor may block.
pub(crate) struct UnclaimedResult(TaskRef);

impl Drop for UnclaimedResult {
    fn drop(&mut self) {
        // SAFETY: made by `finish`, when the coroutine had finished and its handle was gone.
        unsafe { self.0.drop_output() }
    }
}
