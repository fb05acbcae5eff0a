//! Listing the coroutines that have not started, for dumps.
//!
//! They are in queues that nobody can look into. So each worker takes those out that it has queued, on
//! its own thread as an [errand](super::errands), and puts them back in the same order; it is awake
//! meanwhile, and wakes another one afterwards, which may have found nothing to steal. What is in no
//! worker's queue is [visited](super::injected) by the one who asks. A spawn pays nothing for it.

use std::panic::Location;
use std::time::Duration;

use super::Scheduler;
use super::local::Local;
use crate::clock::Moment;
use crate::task::TaskRef;

/// After this time a worker takes none out any more, and after this time it looks at none. To put them
/// back takes as long as to take them out.
const TAKES_OUT: Duration = Duration::from_millis(2);
const LOOKS: Duration = Duration::from_millis(4);
/// So many of those that no worker has are looked at.
const MOST: usize = 200_000;

/// A coroutine that has not started.
pub(crate) struct Fresh {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) spawned_at: &'static Location<'static>,
}

/// Those that are queued somewhere.
#[derive(Default)]
pub(crate) struct FreshList {
    pub(crate) seen: Vec<Fresh>,
    /// So many further ones have not been looked at.
    pub(crate) others: usize,
}

impl FreshList {
    fn add(&mut self, task: &TaskRef) {
        self.seen.push(Fresh {
            id: task.id(),
            name: task.name().map(str::to_owned),
            spawned_at: task.spawned_at(),
        });
    }
}

impl Scheduler {
    /// Those that were spawned from outside, and are in no worker's queue.
    pub(crate) fn list_injected(&self) -> FreshList {
        let mut list = FreshList::default();
        if self.injector.is_empty() {
            return list;
        }
        let _awake = self.stay_awake();
        self.injector.visit(MOST, |task| list.add(task));
        list.others = self.injector.len().saturating_sub(list.seen.len());
        self.wake_one();
        list
    }

    /// Whether a worker may have some in its queues, and could list them.
    pub(crate) fn may_list_fresh(&self, index: usize) -> bool {
        let worker = &self.workers[index];
        // With a seed they are also among those that are ready, which others do not see.
        worker.is_running() && (worker.has_any() || self.settings.seed.is_some())
    }

    /// How many a worker has in its queues, as far as others see it.
    pub(crate) fn fresh_of(&self, index: usize) -> usize {
        self.workers[index].fresh_len()
    }

    /// Whether a coroutine holds a worker up, as far as the monitor knows.
    pub(crate) fn is_held_up(&self, index: usize) -> bool {
        self.workers[index].is_blocked()
    }
}

impl Local {
    /// Those in the queues of this worker. To be called between two turns.
    pub(super) fn list_fresh(&self) -> FreshList {
        /// Between two looks at the clock.
        const STEPS: usize = 256;
        /// So many behind the one that is looked at are fetched into the cache.
        const AHEAD: usize = 16;
        let begun = Moment::real();
        let in_time =
            |step: usize, limit| !step.is_multiple_of(STEPS) || Moment::real().since(begun) < limit;
        let mut list = FreshList::default();
        let newest = self.worker().newest.take();
        newest.iter().for_each(|task| list.add(task));
        self.worker().placed.visit(|task| list.add(task));
        let mut taken = Vec::with_capacity(self.fresh.len());
        list.seen.reserve(self.fresh.len());
        while in_time(taken.len() + 1, TAKES_OUT)
            && let Some(task) = self.fresh.pop()
        {
            taken.push(task);
        }
        for (index, task) in taken.iter().enumerate() {
            if !in_time(index + 1, LOOKS) {
                break;
            }
            if let Some(soon) = taken.get(index + AHEAD) {
                soon.prefetch_attributes();
            }
            list.add(task);
        }
        let queued = taken.len() + self.fresh.len() + usize::from(newest.is_some());
        list.others = queued.saturating_sub(list.seen.len());
        // The oldest was taken out last.
        taken.into_iter().rev().for_each(|task| self.fresh.push(task));
        if let Some(newest) = newest
            && let Some(other) = self.worker().newest.swap(Some(newest))
        {
            self.fresh.push(other);
        }
        if !self.fresh.is_empty() {
            self.scheduler().wake_one();
        }
        if self.scheduler().settings.seed.is_some() {
            let ready = self.ready.borrow();
            ready.iter().filter(|task| !task.has_started()).for_each(|task| list.add(task));
        }
        list
    }
}
