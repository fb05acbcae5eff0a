//! Poisoning: a lock remembers that a panic has left what it guards half done.
//!
//! std decides it by whether the thread began to panic while the lock was held. Here it is the
//! coroutine: a neighbour on the same thread may be suspended in the middle of a panic, and a cancel
//! unwinds without anything being wrong.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};

use crate::task::cancel::unwinds_by_panic;

/// Whether a lock is poisoned. Relaxed everywhere: it is written before the lock is given back, and
/// read after it was taken, or by somebody who asks out of turn.
pub(super) struct Flag(AtomicBool);

impl Flag {
    pub(super) const fn new() -> Flag {
        Flag(AtomicBool::new(false))
    }

    #[inline]
    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// By one that has just taken the lock.
    #[inline]
    pub(super) fn held(&self) -> Held {
        Held { panicking: unwinds_by_panic() }
    }

    /// By the same, before it gives the lock back.
    #[inline]
    pub(super) fn done(&self, held: Held) {
        if !held.panicking && unwinds_by_panic() {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// What was taken, as std returns it.
    #[inline]
    pub(super) fn result<G>(&self, guard: G) -> LockResult<G> {
        if self.is_set() { Err(PoisonError::new(guard)) } else { Ok(guard) }
    }

    /// As `result`, where not to have got it is another error.
    pub(super) fn try_result<G>(&self, guard: Option<G>) -> TryLockResult<G> {
        let guard = guard.ok_or(TryLockError::WouldBlock)?;
        self.result(guard).map_err(TryLockError::Poisoned)
    }
}

/// What was so when the lock was taken.
#[derive(Clone, Copy)]
pub(super) struct Held {
    /// Its holder unwound already, so what it does is no sign of a new fault.
    panicking: bool,
}
