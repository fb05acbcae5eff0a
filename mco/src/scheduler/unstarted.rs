//! Listing the coroutines that have not started, for dumps.
//!
//! They lie in queues that cannot be iterated over. So each worker takes those out that it has queued, on
//! its own thread as a [request](super::requests), and puts them back in the same order; it is awake
//! meanwhile, and wakes another one afterwards, which may have found nothing to steal. What is in no
//! worker's queue is [visited](super::global_queue) by the one who asks. A spawn pays nothing for it.

use std::panic::Location;
use std::time::Duration;

use super::Scheduler;
use super::local::LocalWorker;
use crate::clock::Timestamp;
use crate::task::TaskRef;

/// After this time a worker takes none out any more, and after this time it looks at none. To put them
/// back takes as long as to take them out.
const TAKE_LIMIT: Duration = Duration::from_millis(2);
const LIST_LIMIT: Duration = Duration::from_millis(4);
/// So many of those that no worker has are looked at.
const MAX_LISTED: usize = 200_000;

/// A coroutine that has not started.
pub(crate) struct Unstarted {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) spawned_at: &'static Location<'static>,
}

/// Those that are queued somewhere.
#[derive(Default)]
pub(crate) struct UnstartedList {
    pub(crate) seen: Vec<Unstarted>,
    /// So many further ones have not been looked at.
    pub(crate) others: usize,
}

impl UnstartedList {
    fn add(&mut self, task: &TaskRef) {
        self.seen.push(Unstarted {
            id: task.id(),
            name: task.name().map(str::to_owned),
            spawned_at: task.spawned_at(),
        });
    }
}

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

impl LocalWorker {
    /// Those in the queues of this worker. To be called between two turns.
    pub(super) fn list_unstarted(&self) -> UnstartedList {
        /// Between two looks at the clock.
        const STEPS: usize = 256;
        /// So many behind the one that is looked at are fetched into the cache.
        const AHEAD: usize = 16;
        let begun = Timestamp::monotonic();
        let in_time = |step: usize, limit| {
            !step.is_multiple_of(STEPS) || Timestamp::monotonic().since(begun) < limit
        };
        let mut list = UnstartedList::default();
        let lifo_slot = self.worker().lifo_slot.take();
        lifo_slot.iter().for_each(|task| list.add(task));
        self.worker().handed_over.visit(|task| list.add(task));
        let mut taken = Vec::with_capacity(self.unstarted.len());
        list.seen.reserve(self.unstarted.len());
        while in_time(taken.len() + 1, TAKE_LIMIT)
            && let Some(task) = self.unstarted.pop()
        {
            taken.push(task);
        }
        for (index, task) in taken.iter().enumerate() {
            if !in_time(index + 1, LIST_LIMIT) {
                break;
            }
            if let Some(soon) = taken.get(index + AHEAD) {
                soon.prefetch_options();
            }
            list.add(task);
        }
        let queued = taken.len() + self.unstarted.len() + usize::from(lifo_slot.is_some());
        list.others = queued.saturating_sub(list.seen.len());
        // The oldest was taken out last.
        taken.into_iter().rev().for_each(|task| self.unstarted.push(task));
        if let Some(lifo_slot) = lifo_slot
            && let Some(other) = self.worker().lifo_slot.swap(Some(lifo_slot))
        {
            self.unstarted.push(other);
        }
        if !self.unstarted.is_empty() {
            self.scheduler().wake_one();
        }
        if self.scheduler().settings.seed.is_some() {
            let ready = self.ready.borrow();
            ready.iter().filter(|task| !task.has_started()).for_each(|task| list.add(task));
        }
        list
    }
}
