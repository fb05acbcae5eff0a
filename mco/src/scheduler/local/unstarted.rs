//! A worker lists the coroutines in its queues that have not started ([`unstarted`](super::super::unstarted)).

use std::time::Duration;

use super::super::requests::UnstartedList;
use super::state::LocalWorker;
use crate::clock::Timestamp;

/// After this time a worker takes none out any more, and after this time it looks at none. To put them
/// back takes as long as to take them out.
const TAKE_LIMIT: Duration = Duration::from_millis(2);
const LIST_LIMIT: Duration = Duration::from_millis(4);
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
        if self.is_seeded {
            let ready = self.drawn_from.borrow();
            ready.iter().filter(|task| !task.has_started()).for_each(|task| list.add(task));
        }
        list
    }
}
