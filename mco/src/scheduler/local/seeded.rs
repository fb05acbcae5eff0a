//! The order in which coroutines run when a seed decides it: of those that could run, any one, and an
//! operation of the runtime may let the others go first even if it need not.
//!
//! There is one worker, and all chance comes from one generator, which nothing but the coroutines' own
//! doings makes use of. So the same seed gives the same order, as far as the program depends on nothing
//! else: not on the system's clock, on sockets, on other threads, or on the order of a `HashMap`.

use super::super::global_queue::retry;
use super::state::LocalWorker;
use crate::random;
use crate::shrinking;
use crate::task::{self, TaskRef};

/// How often coroutines are interrupted is left to chance too: some faults show when they seldom are.
const YIELD_ONE_IN: [usize; 4] = [2, 4, 16, 128];

/// By the worker, before it runs anything.
pub(super) fn begin(seed: u64) {
    random::seed(seed);
    task::set_yield_probability(YIELD_ONE_IN[random::below(YIELD_ONE_IN.len())]);
}

impl LocalWorker {
    /// What to run next: anything that could.
    pub(super) fn pick_seeded(&self) -> Option<TaskRef> {
        let mut ready = self.ready.borrow_mut();
        while let Some(task) = retry(|| self.scheduler.global_queue.steal()) {
            ready.push_back(task);
        }
        // The oldest first, so that nothing depends on which queue it has come from.
        while let Some(task) = retry(|| self.worker.stealer.steal()) {
            ready.push_back(task);
        }
        ready.extend(self.worker.lifo_slot.take());
        shrinking::trim_queue(&mut ready);
        match ready.len() {
            0 => None,
            1 => ready.pop_front(),
            all => ready.swap_remove_back(random::below(all)),
        }
    }
}
