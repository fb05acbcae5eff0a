//! Waiting for each other.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;

use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode};

/// Where so many wait until all of them are there: [`std::sync::Barrier`] for coroutines and threads.
///
/// One that is cancelled while it waits does not count any more: as many as before are still needed.
///
/// # Examples
///
/// ```
/// use mco::std::sync::Barrier;
///
/// let barrier = Barrier::new(3);
/// let leaders = mco::coroutine::scope(|s| {
///     let waits: Vec<_> = (0..3).map(|_| s.spawn(|| barrier.wait().is_leader())).collect();
///     waits.into_iter().map(|wait| wait.join().unwrap()).filter(|leads| *leads).count()
/// });
/// assert_eq!(leaders, 1);
/// ```
pub struct Barrier {
    /// Of the others, before the last one comes.
    others: usize,
    waiting: Spin<Queue<()>>,
}

impl UnwindSafe for Barrier {}
impl RefUnwindSafe for Barrier {}

impl Barrier {
    /// A barrier for `n`. With 0 as with 1 nobody waits.
    #[must_use]
    pub const fn new(n: usize) -> Barrier {
        Barrier { others: n.saturating_sub(1), waiting: Spin::new(Queue::new()) }
    }

    /// Waits until as many are there as the barrier is for, then lets all of them go. After that it
    /// is as new. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(mco::std::sync::Barrier::new(1).wait().is_leader());
    /// ```
    #[track_caller]
    pub fn wait(&self) -> BarrierWaitResult {
        spend_budget();
        let mut waiting = self.waiting.lock();
        if waiting.len() >= self.others {
            // All at once: who comes next waits for the next time.
            let wakeups = waiting.complete_all(Outcome::Completed);
            drop(waiting);
            wakeups.wake();
            return BarrierWaitResult { leader: true };
        }
        let node = pin!(WaitNode::new(&self.waiting, |queue| queue, None));
        node.as_ref().enter(&mut waiting);
        drop(waiting);
        // Unless it unwinds it has been completed.
        node.wait(&Wait::new(Reason::Barrier).at(self));
        BarrierWaitResult { leader: false }
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier").finish_non_exhaustive()
    }
}

/// What [`Barrier::wait`] returns: std's type of that name, which only std can make.
#[derive(Debug)]
pub struct BarrierWaitResult {
    leader: bool,
}

impl BarrierWaitResult {
    /// Whether this was the one that came last. It is true for one each time.
    #[must_use]
    pub fn is_leader(&self) -> bool {
        self.leader
    }
}
