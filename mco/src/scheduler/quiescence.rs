//! Detects quiescence: all workers of a runtime sleep at once and nothing is queued. From then on nothing happens
//! unless it comes from outside. That is when a virtual clock is set forward, when a deadlock is found, and when the
//! leaks of a test are counted.
//!
//! Each worker *deactivates* after its last look at its queues, and *activates* before it takes anything
//! out of them. The one that deactivates last looks at all queues for all of them:
//!
//! ```text
//!   worker that deactivates                     another one, woken meanwhile
//!   1. says when its next timer is due          a. activate: active + 1, activations + 1
//!   2. deactivate: active - 1; the last goes on b. takes what is in its inbox
//!   3. reads the epoch: both counts at once
//!   4. is anything queued, anywhere?
//!   5. the epoch is still the same
//! ```
//!
//! `active` and `activations` are halves of one word, the *epoch*. What a coroutine has queued, on whichever worker,
//! was queued before that worker deactivated, and so before 2: step 4 finds it, unless it was taken out meanwhile.
//! Then b was before 4, a was before b, and step 5 finds the word changed. What comes from other threads may come at
//! any time, even after 5: that is no different from its coming a moment later. It wakes a worker, which will
//! deactivate again and look again, so the last look is never too early for good.
//!
//! What is to be done for all of them then, such as setting a clock forward, must neither come late, when somebody
//! goes on already, nor happen twice at once. So whoever deactivates last *locks* the epoch for that time:
//!
//! ```text
//!   6. lock: if the epoch is the same, LOCKED, in    a. activate: as above; was it LOCKED? waits for 8
//!      one step; else somebody has activated
//!   7. sets the clock forward
//!   8. unlocks: no longer LOCKED, activations + 1
//! ```
//!
//! Either a comes first, and 6 fails: the other one will deactivate, and look again. Or 6 comes first, and the other
//! one takes nothing and sees no clock before 8. Meanwhile nobody is active who could deactivate and look, and what has
//! been looked at is as it was. So of two that lock the epoch, one after the other, the second has looked after
//! the first has unlocked: a clock that is set forward meanwhile never goes back.
//!
//! Whoever carries unstarted coroutines from queue to queue, as the monitor and who lists them do, is awake meanwhile
//! like a worker, and has one of them look again.

use std::thread;

use super::atomic::{AtomicU64, Ordering, fence};

/// Counts the workers that are active.
pub(super) struct Quiescence(AtomicU64);

/// One that is active.
const ACTIVE: u64 = 1;
/// Nobody is active, or may go on while this is set.
const LOCKED: u64 = 1 << 31;
/// One activation.
const ACTIVATION: u64 = 1 << 32;

/// A value of the word while nobody was active. As long as it is current, nobody has activated since.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Epoch(u64);

impl Quiescence {
    pub(super) fn new() -> Quiescence {
        Quiescence(AtomicU64::new(0))
    }

    /// By a worker that begins, or that wakes up, before it takes anything out of a queue.
    pub(super) fn activate(&self) {
        let before = self.0.fetch_add(ACTIVE | ACTIVATION, Ordering::SeqCst);
        if before & LOCKED != 0 {
            self.wait_until_unlocked();
        }
    }

    #[cold]
    fn wait_until_unlocked(&self) {
        // It takes a few instructions, unless whoever holds the lock has lost its processor. Acquire pairs with
        // the Release of the unlock.
        while self.0.load(Ordering::Acquire) & LOCKED != 0 {
            thread::yield_now();
        }
    }

    /// By a worker that is about to sleep. `true`: it was the last active one.
    pub(super) fn deactivate(&self) -> bool {
        self.0.fetch_sub(ACTIVE, Ordering::SeqCst) % ACTIVATION == ACTIVE
    }

    /// `None`: somebody is active.
    pub(super) fn epoch(&self) -> Option<Epoch> {
        let word = self.0.load(Ordering::SeqCst);
        word.is_multiple_of(ACTIVATION).then_some(Epoch(word))
    }

    /// Whether nobody has activated since.
    pub(super) fn is_current(&self, epoch: Epoch) -> bool {
        // Whoever has emptied a queue that was looked at has activated before that.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst) == epoch.0
    }
}

/// While it lives, whoever activates waits, so that everything stays as it was in the epoch.
pub(super) struct IdleLock<'a>(&'a Quiescence);

impl Quiescence {
    /// `None`: somebody has activated since the epoch.
    pub(super) fn lock(&self, epoch: Epoch) -> Option<IdleLock<'_>> {
        // SeqCst, as those that activate.
        let (locked, word) = (epoch.0 | LOCKED, &self.0);
        let before = word.compare_exchange(epoch.0, locked, Ordering::SeqCst, Ordering::Relaxed);
        before.is_ok().then(|| IdleLock(self))
    }
}

impl Drop for IdleLock<'_> {
    fn drop(&mut self) {
        // Adding to the activations ends all earlier epochs. Release: whoever activates then sees what was done.
        self.0.0.fetch_add(ACTIVATION - LOCKED, Ordering::SeqCst);
    }
}
