//! Looking at a coroutine from outside: what it waits for, and where in its code it is.
//!
//! Who may call: for what it waits for, anyone, on any thread. The coroutine is
//! [frozen](crate::task::state::State::freeze) for the moment, so that the frame from which it has parked stays,
//! and with it what its [record](super::record) points to. For its [`backtrace`], its home worker
//! between two turns.

#![allow(unsafe_code)]

use std::panic::Location;

#[cfg(feature = "dump")]
use super::backtrace::{self, Frames};
use super::reason::Reason;
use super::target::{ArmWait, BlockedOn, WaitTarget};
use crate::clock::Timestamp;
use crate::task::cell::TaskRef;
#[cfg(feature = "dump")]
use crate::task::{current, switch};

/// The end of a coroutine.
impl WaitTarget for TaskRef {
    fn address(&self) -> usize {
        self.as_raw().addr().get()
    }

    fn blocked_on(&self) -> BlockedOn {
        BlockedOn::Each(vec![self.id()])
    }
}

/// The wait of a parked coroutine, as it was while it was frozen.
#[derive(Clone, Debug)]
pub(crate) struct Inspection {
    pub(crate) reason: Reason,
    pub(crate) site: Option<&'static Location<'static>>,
    /// About when it began.
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Timestamp>,
    /// Of what it waits for; 0 if that is not known.
    pub(crate) address: usize,
    pub(crate) blocked_on: BlockedOn,
    /// If it is for the first of several things. Then these are those of each.
    pub(crate) arms: Vec<ArmWait>,
    /// Which of the coroutine's waits it is.
    pub(crate) number: u32,
}

impl TaskRef {
    /// Whether it has been woken, or has yielded, and waits for its turn, or has it. As of a moment.
    pub(crate) fn is_ready(&self) -> bool {
        self.header().state.is_ready() && !self.is_finished()
    }

    /// Inspects what the coroutine waits for. `None`: it is not parked. Callable from any thread.
    ///
    /// The coroutine does not go on meanwhile. A wake takes effect at the end of the call.
    pub(crate) fn inspect(&self) -> Option<Inspection> {
        let frozen = self.freeze()?;
        let record = &self.header().record;
        // SAFETY: it is parked, and frozen. So the frame from which it parked is there, with what it
        // borrows, and what was written there is visible.
        let info = unsafe { record.info() }?;
        // SAFETY: as above: it is borrowed by the frame.
        let what = info.what.map(|what| unsafe { what.as_ref() });
        let inspection = Inspection {
            reason: record.reason(),
            site: record.site(),
            since: record.since(),
            until: info.until,
            address: what.map_or(info.address, WaitTarget::address),
            blocked_on: what.map_or(BlockedOn::Unknown, WaitTarget::blocked_on),
            arms: what.map_or_else(Vec::new, WaitTarget::arms),
            number: record.number(),
        };
        drop(frozen);
        Some(inspection)
    }

    /// Whether it is still parked in the same wait.
    pub(crate) fn is_still_in(&self, wait: &Inspection) -> bool {
        self.freeze().is_some_and(|_frozen| self.header().record.number() == wait.number)
    }

    /// Keeps a parked coroutine from going on until what this returns is dropped. The caller must neither block nor
    /// wait for others meanwhile.
    fn freeze(&self) -> Option<Frozen<'_>> {
        self.header().state.freeze().then(|| Frozen(self))
    }
}

/// See [`TaskRef::freeze`].
struct Frozen<'a>(&'a TaskRef);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.0.header().state.unfreeze() {
            // SAFETY: it was woken while it was frozen, so the reference that it held on itself, and
            // the duty to queue it, are this one's.
            unsafe { TaskRef::from_raw(self.0.as_raw()) }.schedule();
        }
    }
}

#[cfg(feature = "dump")]
impl TaskRef {
    /// The frames of the coroutine's stack, if this is its home worker's thread, outside any coroutine,
    /// and it has started and not ended.
    pub(crate) fn capture(&self) -> Option<Frames> {
        let header = self.header();
        if current::home().is_none() || !current::is_home_of(header) || current::running().is_some()
        {
            return None;
        }
        // SAFETY: the home worker is here, outside any coroutine.
        unsafe { header.fiber() }.as_ref()?;
        // SAFETY: as above; and since it has a stack, it has run: a worker that starts one runs it
        // next. It has not ended. So it is suspended, which is in `switch`.
        Some(backtrace::request(|| unsafe { switch::resume_to_capture(self) }))
    }
}
