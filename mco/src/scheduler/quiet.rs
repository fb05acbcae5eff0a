//! Whether all workers of a runtime sleep at once with nothing left to do: then nothing happens any more
//! unless it comes from outside. That is when a virtual clock is set forward, when a deadlock is found,
//! and when what a test has left behind is counted.
//!
//! Each worker *falls* asleep after its last look at its queues, and *rises* before it takes anything
//! out of them. The one that falls last looks at all queues for all of them:
//!
//! ```text
//!   worker that falls                           another one, woken meanwhile
//!   1. says when its next timer is due          a. rise: awake + 1, risen + 1
//!   2. fall: awake - 1; the last goes on        b. takes what is in its inbox
//!   3. glance at awake and risen
//!   4. is anything queued, anywhere?
//!   5. the same glance still holds
//! ```
//!
//! `awake` and `risen` are halves of one word. What a coroutine has queued, on whichever worker, was
//! queued before that worker fell, and so before 2: step 4 finds it, unless it was taken out meanwhile.
//! Then b was before 4, a was before b, and step 5 finds the word changed. What comes from other threads
//! may come at any time, even after 5: that is no different from its coming a moment later. It wakes a
//! worker, which will fall again and look again, so the last look is never too early for good.
//!
//! What is to be done for all of them then, such as setting a clock forward, must neither come late, when somebody
//! goes on already, nor happen twice at once. So whoever falls last *keeps* the rest for that time:
//!
//! ```text
//!   6. keep: if the glance still holds, KEPT, in     a. rise: awake + 1, risen + 1; was it KEPT? waits for 8
//!      one step; else somebody has risen
//!   7. sets the clock forward
//!   8. lets go: no longer KEPT, risen + 1
//! ```
//!
//! Either a comes first, and 6 fails: the other one will fall, and look again. Or 6 comes first, and the other
//! one takes nothing and sees no clock before 8. Meanwhile nobody is awake who could fall and look, and what has
//! been looked at is as it was. So of two that keep the rest, one after the other, the second has looked after
//! the first has let go: a clock that is set forward meanwhile never goes back.
//!
//! Whoever carries fresh coroutines from queue to queue, as the monitor and who lists them do, is awake meanwhile like a
//! worker, and has one of them look again.

use std::thread;

use super::atomic::{AtomicU64, Ordering, fence};

/// Counts the workers that are awake.
pub(super) struct Quiet(AtomicU64);

/// One that is awake.
const AWAKE: u64 = 1;
/// Nobody is, or goes on before this is gone.
const KEPT: u64 = 1 << 31;
/// One that has risen.
const RISEN: u64 = 1 << 32;

/// How it was while nobody was awake.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Glance(u64);

impl Quiet {
    pub(super) fn new() -> Quiet {
        Quiet(AtomicU64::new(0))
    }

    /// By a worker that begins, or that wakes up, before it takes anything out of a queue.
    pub(super) fn rise(&self) {
        let before = self.0.fetch_add(AWAKE | RISEN, Ordering::SeqCst);
        if before & KEPT != 0 {
            self.wait_until_let_go();
        }
    }

    #[cold]
    fn wait_until_let_go(&self) {
        // It takes a few instructions, unless whoever keeps the rest has lost its processor. Acquire pairs with
        // the Release of letting go.
        while self.0.load(Ordering::Acquire) & KEPT != 0 {
            thread::yield_now();
        }
    }

    /// By a worker that has nothing to do. `true`: it was the last that was awake.
    pub(super) fn fall(&self) -> bool {
        self.0.fetch_sub(AWAKE, Ordering::SeqCst) % RISEN == AWAKE
    }

    /// `None`: somebody is awake.
    pub(super) fn glance(&self) -> Option<Glance> {
        let word = self.0.load(Ordering::SeqCst);
        word.is_multiple_of(RISEN).then_some(Glance(word))
    }

    /// Whether nobody has risen since.
    pub(super) fn holds(&self, glance: Glance) -> bool {
        // Whoever has emptied a queue that was looked at has risen before that.
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst) == glance.0
    }
}

/// While it is there, whoever rises waits: everything stays as it was at the glance.
pub(super) struct Kept<'a>(&'a Quiet);

impl Quiet {
    /// `None`: somebody has risen since the glance.
    pub(super) fn keep(&self, glance: Glance) -> Option<Kept<'_>> {
        // SeqCst, as those that rise.
        let (kept, word) = (glance.0 | KEPT, &self.0);
        let before = word.compare_exchange(glance.0, kept, Ordering::SeqCst, Ordering::Relaxed);
        before.is_ok().then(|| Kept(self))
    }
}

impl Drop for Kept<'_> {
    fn drop(&mut self) {
        // Adding to `risen` ends all glances of before. Release: whoever rises then sees what was done.
        self.0.0.fetch_add(RISEN - KEPT, Ordering::SeqCst);
    }
}
