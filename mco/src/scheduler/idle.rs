//! Which workers sleep, and who looks for work: the part of the scheduler that must not lose a
//! wake-up.
//!
//! A worker without work of its own *searches* (takes from the queues of the others) if it sees anything
//! there, and when it finds nothing it *announces* that it sleeps, looks once more, and sleeps in its reactor.
//! Whoever makes an unstarted coroutine available calls [`Idle::pick`] after queueing it:
//!
//! ```text
//!   worker                                      producer
//!   1. end_search: searching - 1                a. queue the coroutine
//!   2. announce: bit on                         b. searching > 0? then leave it to them
//!   3. look at all queues, and at the bit       c. claim a bit: searching + 1 for its worker,
//!   4. sleep                                       wake it
//! ```
//!
//! All steps are sequentially consistent. If b sees a searcher, that one's step 1 comes after b and
//! its step 3 after a, so it finds the coroutine. If b sees none, then either c sees the bit, or
//! step 2 comes after c and step 3 finds the coroutine. A claimed worker wakes up as a searcher; step 3
//! includes the bit because a worker that is claimed before it sleeps must not: others rely on it.
//!
//! At most half of the workers search at once: more would mostly disturb those who work.
//!
//! Waking one worker for coroutines of its own is another matter: [`Sleep`].

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence};

/// See the module.
pub(super) struct Idle {
    /// One bit for each worker that has announced that it sleeps.
    announced: Box<[AtomicU64]>,
    searching: AtomicUsize,
    max_searching: usize,
}

impl Idle {
    pub(super) fn new(workers: usize, slots: usize) -> Idle {
        let words = slots.div_ceil(64);
        Idle {
            announced: (0..words).map(|_| AtomicU64::new(0)).collect(),
            searching: AtomicUsize::new(0),
            max_searching: workers.div_ceil(2),
        }
    }

    /// By a worker that has run out of work: may it search?
    pub(super) fn try_search(&self) -> bool {
        let more = |n: usize| (n < self.max_searching).then_some(n + 1);
        self.searching.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// By a searcher that has found something, or has given up. Returns whether it was the last.
    pub(super) fn end_search(&self) -> bool {
        self.searching.fetch_sub(1, Ordering::SeqCst) == 1
    }

    pub(super) fn announce(&self, worker: usize) {
        self.announced[worker / 64].fetch_or(1 << (worker % 64), Ordering::SeqCst);
    }

    /// By an announced worker, before it sleeps: has nobody claimed it?
    pub(super) fn is_announced(&self, worker: usize) -> bool {
        self.announced[worker / 64].load(Ordering::SeqCst) & 1 << (worker % 64) != 0
    }

    /// Takes the announcement back. `true`: somebody has claimed this worker, which is a searcher
    /// now.
    pub(super) fn retract(&self, worker: usize) -> bool {
        let bit = 1 << (worker % 64);
        self.announced[worker / 64].fetch_and(!bit, Ordering::SeqCst) & bit == 0
    }

    /// Claims a sleeping worker for work that has just been queued, unless somebody searches. The
    /// caller must wake it.
    pub(super) fn pick(&self) -> Option<usize> {
        fence(Ordering::SeqCst);
        if self.searching.load(Ordering::SeqCst) > 0 {
            return None;
        }
        while let Some((word, bit)) = self.first_announced() {
            // Before the claim, so that another producer sees either the bit or the searcher.
            self.searching.fetch_add(1, Ordering::SeqCst);
            if self.announced[word].fetch_and(!(1 << bit), Ordering::SeqCst) & (1 << bit) != 0 {
                return Some(word * 64 + bit);
            }
            // Somebody was faster. Another producer may have relied on this search: look again at
            // all of them.
            self.searching.fetch_sub(1, Ordering::SeqCst);
        }
        None
    }

    fn first_announced(&self) -> Option<(usize, usize)> {
        self.announced.iter().enumerate().find_map(|(word, bits)| {
            let bits = bits.load(Ordering::SeqCst);
            (bits != 0).then(|| (word, bits.trailing_zeros() as usize))
        })
    }
}

/// Whether one worker sleeps in its reactor, so that whoever puts something into its inbox must
/// interrupt it.
///
/// The worker sets the flag and then looks into its inbox; the others push and then look at the
/// flag. With a sequentially consistent fence between the two on both sides, one of them sees the
/// other. Only the one who resets the flag interrupts the sleep, so a burst of pushes costs one
/// system call.
pub(super) struct Sleep(AtomicBool);

impl Sleep {
    pub(super) const fn new() -> Sleep {
        Sleep(AtomicBool::new(false))
    }

    /// By the worker, before it looks into its inbox for the last time.
    pub(super) fn begin(&self) {
        // Whoever sees it asleep sees its counts.
        self.0.store(true, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    /// By the worker, before it empties its inbox.
    pub(super) fn end(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// By anyone, after a push: `true` if the caller must interrupt the sleep.
    pub(super) fn interrupt(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
