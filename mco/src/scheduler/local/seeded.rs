//! The order in which coroutines run when a seed decides it: of those that could run, any one, and an
//! operation of the runtime may let the others go first even if it need not.
//!
//! There is one worker, and all chance comes from one generator, which nothing but the coroutines' own
//! doings makes use of. So the same seed gives the same order, as far as the program depends on nothing
//! else: not on the system's clock, on sockets, on other threads, or on the order of a `HashMap`.

use std::iter;

use super::super::global_queue::retry;
use super::state::LocalWorker;
use crate::random;
use crate::shrinking;
use crate::task::{self, TaskRef, ready};

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
        let mut all = self.drawn_from.borrow_mut();
        all.extend(iter::from_fn(ready::pop));
        while let Some(task) = retry(|| self.scheduler.global_queue.steal()) {
            all.push(task);
        }
        // The oldest first, so that nothing depends on which queue it has come from.
        while let Some(task) = retry(|| self.worker.stealer.steal()) {
            all.push(task);
        }
        all.extend(self.worker.lifo_slot.take());
        let drawn = match all.len() {
            0 => return None,
            1 => 0,
            len => random::below(len),
        };
        let drawn = all.swap_remove(drawn);
        shrinking::trim_list(&mut all);
        Some(drawn)
    }
}
