//! The wake protocol: one atomic per coroutine that says whether a wake must queue it.
//!
//! ```text
//!                 park, by the coroutine
//!      RUNNING ────────────────────────────> PARKED
//!       │  ^ ^                                  │
//! notify│  │ └─ park finds it: does not park    │ notify: the caller must queue it
//!       v  │                                    v
//!      NOTIFIED <───────────────────────────────┘
//!          └── begin, by the home worker, before it resumes the coroutine ──> RUNNING
//! ```
//!
//! A notification by the home worker's own thread takes the short way from `PARKED` to `RUNNING`.
//!
//! Whoever wants to look at what a parked coroutine waits for, which lies in its frames and in what
//! they borrow, [freezes](State::freeze) it meanwhile, so that it does not go on:
//!
//! ```text
//!      PARKED ── freeze, by anyone ─> FROZEN ─ unfreeze ─> PARKED
//!                                      │ notify: leaves the queueing to the one who froze it
//!                                      v
//!                                   NOTIFIED ── unfreeze: that one must queue it
//! ```
//!
//! `RUNNING` covers everything from the first queueing on: an unstarted coroutine, one that yielded and
//! sits in a run queue, and one that executes. Who may do what:
//!
//! - [`park`](State::park) is called by the coroutine itself, [`begin`](State::begin) by its home
//!   worker; both are the same thread.
//! - [`notify`](State::notify) is called by anyone, any number of times.
//!
//! Exactly one `notify` between two `park`s sees `PARKED`, and that caller alone puts the coroutine
//! into a queue; so it is in one queue at most. It also takes over the reference that the parked
//! coroutine held on itself. Nothing needs to be done after the switch away from the coroutine:
//! only its home worker resumes it, and that is busy with the switch.
//!
//! A notification may be consumed by a `park` that has nothing to do with it: every blocking
//! operation checks its condition in a loop. What is never lost is the last one: each of the three
//! is a read-modify-write, so a `notify` either precedes the `begin` or `park` that reads it, and
//! then all that happened before it is visible there, or it follows, and then it marks the state.

use super::atomic::{AtomicU8, Ordering, relax};

const RUNNING: u8 = 0;
const PARKED: u8 = 1;
const NOTIFIED: u8 = 2;
const FROZEN: u8 = 3;

/// The state of one coroutine. See the module.
pub(crate) struct State(AtomicU8);

impl State {
    pub(crate) fn new() -> State {
        State(AtomicU8::new(RUNNING))
    }

    /// By the coroutine: it is about to switch away until it is notified. `false`: it has been
    /// notified already and must not switch.
    #[inline(always)]
    pub(crate) fn park(&self) -> bool {
        // Release pairs with the Acquire of the `notify` that sees `PARKED`: what the coroutine
        // wrote is visible to whoever queues it.
        let parked =
            self.0.compare_exchange(RUNNING, PARKED, Ordering::Release, Ordering::Relaxed).is_ok();
        if !parked {
            self.begin();
        }
        parked
    }

    /// By the home worker: the coroutine is about to be resumed.
    #[inline(always)]
    pub(crate) fn begin(&self) {
        // One that has not been notified, since it yielded, is `RUNNING` already: then the write,
        // which would wait for all of this processor's earlier ones, is spared.
        if self.0.load(Ordering::Relaxed) != RUNNING {
            // Acquire pairs with the Release of every `notify` so far, also of those that found
            // another one's mark and queued nothing. A plain store would lose theirs.
            self.0.swap(RUNNING, Ordering::Acquire);
        }
    }

    /// By the home worker's thread, outside the coroutine or in another one: as `notify`, with one
    /// write less: what is parked goes to `RUNNING` at once, so that `begin` has nothing to do.
    #[must_use]
    #[inline(always)]
    pub(crate) fn notify_at_home(&self) -> bool {
        // Acquire pairs with the Release of `park`. What this thread has done, the coroutine sees.
        let parked =
            self.0.compare_exchange(PARKED, RUNNING, Ordering::Acquire, Ordering::Relaxed).is_ok();
        parked || self.notify()
    }

    /// By anyone: something that the coroutine may be waiting for has happened. `true`: the caller
    /// must queue it, and owns the reference to do it with.
    #[must_use]
    pub(crate) fn notify(&self) -> bool {
        // Release pairs with `begin` and `park`; Acquire with the Release of `park`.
        self.0.swap(NOTIFIED, Ordering::AcqRel) == PARKED
    }

    /// By anyone: whether it need not be notified to go on, as of a moment.
    pub(crate) fn is_ready(&self) -> bool {
        matches!(self.0.load(Ordering::Relaxed), RUNNING | NOTIFIED)
    }

    /// By anyone: keeps the coroutine from going on, if it is parked. For a moment: others wait.
    #[must_use]
    pub(crate) fn freeze(&self) -> bool {
        let mut attempt = 0;
        loop {
            // Acquire pairs with the Release of `park`: what the coroutine wrote is visible.
            match self.0.compare_exchange(PARKED, FROZEN, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(FROZEN) => relax(attempt),
                Err(_) => return false,
            }
            attempt = (attempt + 1).min(16);
        }
    }

    /// By the one who froze it. `true`: it has been notified meanwhile, and the caller must queue it
    /// as after a `notify`.
    #[must_use]
    pub(crate) fn unfreeze(&self) -> bool {
        // Release: the looks come before whatever the coroutine does next. Whoever notifies it later
        // still acquires its `park`, since each change in between is a read-modify-write.
        self.0.compare_exchange(FROZEN, PARKED, Ordering::Release, Ordering::Acquire).is_err()
    }
}
