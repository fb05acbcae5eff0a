//! Listing the coroutines that have not started, for dumps.
//!
//! They lie in queues that cannot be iterated over. So each worker takes those out that it has queued, on
//! its own thread as a [request](super::requests), and puts them back in the same order; it is awake
//! meanwhile, and wakes another one afterwards, which may have found nothing to steal. What is in no
//! worker's queue is [visited](super::global_queue) by the one who asks. A spawn pays nothing for it.

use super::requests::UnstartedList;
use super::shared::Scheduler;

/// So many of those that no worker has are looked at.
const MAX_LISTED: usize = 200_000;

impl Scheduler {
    /// Those that were spawned from outside, and are in no worker's queue.
    pub(crate) fn list_global_queue(&self) -> UnstartedList {
        let mut list = UnstartedList::default();
        if self.global_queue.is_empty() {
            return list;
        }
        let _awake = self.keep_active();
        self.global_queue.visit(MAX_LISTED, |task| list.add(task));
        list.others = self.global_queue.len().saturating_sub(list.seen.len());
        self.wake_one();
        list
    }

    /// Whether a worker may have some in its queues, and could list them.
    pub(crate) fn may_list_unstarted(&self, index: usize) -> bool {
        let worker = &self.workers[index];
        // With a seed they are also among those that are ready, which others do not see.
        worker.is_running() && (worker.has_queued() || self.settings.seed.is_some())
    }

    /// How many a worker has in its queues, as far as others see it.
    pub(crate) fn unstarted_of(&self, index: usize) -> usize {
        self.workers[index].unstarted_len()
    }

    /// Whether a coroutine holds a worker up, as far as the monitor knows.
    pub(crate) fn is_held_up(&self, index: usize) -> bool {
        self.workers[index].is_blocked()
    }
}
