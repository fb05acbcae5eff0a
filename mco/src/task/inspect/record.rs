//! What a blocked coroutine waits for. It writes the record before it suspends, and dumps read it.
//!
//! A coroutine that waits leaves a [`WaitInfo`] in the frame from which it parks, and the address of that in its
//! [`WaitRecord`], which lies in the coroutine's header. The frame, and what it borrows, stays as it is while
//! the coroutine is parked; so one who [freezes](super::super::state::State::freeze) it there may follow the
//! address, on any thread, even while the coroutine's own worker is stuck.

#![allow(unsafe_code)]

use std::panic::Location;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::reason::Reason;
use super::target::WaitTarget;
use crate::clock::Timestamp;
use crate::trace;

/// What the frame of a parked coroutine says of its wait.
#[derive(Clone, Copy)]
pub(crate) struct WaitInfo {
    /// Stays where it is as long as the coroutine parks with this.
    pub(crate) what: Option<NonNull<dyn WaitTarget>>,
    /// The address of what it waits for, if that is all that is known.
    pub(crate) address: usize,
    /// When the wait ends by itself.
    pub(crate) until: Option<Timestamp>,
}

// SAFETY: what it points to is `Sync`, so it may be used on any thread.
unsafe impl Send for WaitInfo {}

/// A source location that other threads may read at any time.
pub(crate) struct AtomicSite(AtomicPtr<Location<'static>>);

impl AtomicSite {
    pub(crate) const fn new() -> AtomicSite {
        AtomicSite(AtomicPtr::new(ptr::null_mut()))
    }

    #[inline(always)]
    pub(crate) fn set(&self, site: &'static Location<'static>) {
        self.0.store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or from a reference to something constant that lives for ever.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

/// For a reader that may come at any time the fields are independent statistics, so their order does not matter. For
/// one that has frozen the parked coroutine they belong together.
pub(in crate::task) struct WaitRecord {
    reason: AtomicU8,
    /// Counts the waits.
    number: AtomicU32,
    site: AtomicSite,
    /// The worker's coarse clock when the wait began.
    since: AtomicU64,
    /// Points into the frame from which the coroutine parks. Dangles when it is not parked.
    info: AtomicPtr<()>,
}

impl WaitRecord {
    pub(in crate::task) fn new() -> WaitRecord {
        WaitRecord {
            reason: AtomicU8::new(Reason::None as u8),
            number: AtomicU32::new(0),
            site: AtomicSite::new(),
            since: AtomicU64::new(0),
            info: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// By the coroutine, before it parks. `info` must stay as long as it is parked.
    #[inline]
    pub(in crate::task) fn set(
        &self,
        reason: Reason,
        site: &'static Location<'static>,
        since: u64,
        info: &WaitInfo,
    ) {
        self.reason.store(reason as u8, Ordering::Relaxed);
        // Nobody else writes.
        let number = self.number.load(Ordering::Relaxed).wrapping_add(1);
        self.number.store(number, Ordering::Relaxed);
        self.site.set(site);
        self.since.store(since, Ordering::Relaxed);
        self.info.store(ptr::from_ref(info).cast_mut().cast(), Ordering::Relaxed);
    }

    #[inline]
    pub(in crate::task) fn clear(&self) {
        self.reason.store(Reason::None as u8, Ordering::Relaxed);
    }

    pub(in crate::task) fn reason(&self) -> Reason {
        Reason::of_code(self.reason.load(Ordering::Relaxed))
    }

    /// Of a coroutine that is blocked, for a trace.
    #[inline(always)]
    pub(in crate::task) fn as_end(&self) -> trace::SliceEnd {
        trace::SliceEnd::blocked(self.reason.load(Ordering::Relaxed), self.site.get())
    }

    /// Where the wait was called from, if the coroutine is blocked.
    pub(in crate::task) fn site(&self) -> Option<&'static Location<'static>> {
        self.site.get().filter(|_| self.reason() != Reason::None)
    }

    pub(in crate::task) fn since(&self) -> Timestamp {
        Timestamp::from_nanos(self.since.load(Ordering::Relaxed))
    }

    pub(in crate::task) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    /// What it waits for.
    ///
    /// # Safety
    ///
    /// The coroutine must be parked, and be kept so as long as the answer is used.
    pub(in crate::task) unsafe fn info(&self) -> Option<&WaitInfo> {
        // SAFETY: the frame is there, by the caller's promise.
        unsafe { self.info.load(Ordering::Relaxed).cast::<WaitInfo>().as_ref() }
    }
}
