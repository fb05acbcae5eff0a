//! Unstarted coroutines for any worker, first come, first served: those spawned from outside, and those of timers.
//!
//! Those of timers have a queue of their own, which goes first. A worker takes one of them only when it is about to
//! start it. So of two that the same worker starts the earlier one starts first, whatever else there is to start.
//!
//! Such a queue cannot be iterated over. To list its coroutines one has to take them out. So that their order stays,
//! each consists of two queues, and listed coroutines move from one to the other:
//!
//! ```text
//!   spawn ──> new ── visit ──> seen ──> worker
//!              └──────────────────────> worker, when nothing is in `seen`
//! ```
//!
//! What is in `seen` is older than what is in `new`, since only visits put anything there. While a coroutine moves it
//! is in neither queue for a moment, and a worker may find nothing. Therefore a visitor counts as active
//! ([`quiescence`](super::quiescence)) and wakes a worker afterwards, and whoever must not miss a coroutine waits for
//! it.

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_deque::{Injector, Steal, Worker as Deque};
use parking_lot::Mutex;

use crate::task::TaskRef;

/// See the module.
pub(super) struct GlobalQueue {
    from_timers: VisitableQueue,
    /// No fewer than in `from_timers`, for those who look before each turn. Counted up before one is queued, so
    /// whoever sees that it is sees this too, and down by who has taken it.
    timer_count: AtomicUsize,
    spawned: VisitableQueue,
    /// Held by who moves them.
    visiting: Mutex<()>,
}

struct VisitableQueue {
    seen: Injector<TaskRef>,
    new: Injector<TaskRef>,
}

impl VisitableQueue {
    fn new() -> VisitableQueue {
        VisitableQueue { seen: Injector::new(), new: Injector::new() }
    }

    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.seen.is_empty()
    }

    fn len(&self) -> usize {
        self.seen.len() + self.new.len()
    }

    fn steal(&self) -> Steal<TaskRef> {
        match self.seen.steal() {
            Steal::Empty => self.new.steal(),
            other => other,
        }
    }

    /// See [`GlobalQueue::visit`]; returns how many have been looked at.
    fn visit(&self, most: usize, f: &mut impl FnMut(&TaskRef)) -> usize {
        let mut seen = Vec::new();
        while let Some(task) = retry(|| self.seen.steal()) {
            seen.push(task);
        }
        // Others come meanwhile, maybe without end.
        let new = self.new.len().min(most.saturating_sub(seen.len()));
        let mut count = seen.len();
        for task in seen {
            f(&task);
            self.seen.push(task);
        }
        for _ in 0..new {
            let Some(task) = retry(|| self.new.steal()) else { break };
            f(&task);
            self.seen.push(task);
            count += 1;
        }
        count
    }
}

impl GlobalQueue {
    pub(super) fn new() -> GlobalQueue {
        GlobalQueue {
            from_timers: VisitableQueue::new(),
            timer_count: AtomicUsize::new(0),
            spawned: VisitableQueue::new(),
            visiting: Mutex::new(()),
        }
    }

    pub(super) fn push(&self, task: TaskRef) {
        self.spawned.new.push(task);
    }

    /// Queues one of a timer.
    pub(super) fn push_from_timer(&self, task: TaskRef) {
        self.timer_count.fetch_add(1, Ordering::Relaxed);
        self.from_timers.new.push(task);
    }

    /// Whether there are any of timers, though one may be in the hands of a visitor.
    #[inline(always)]
    pub(super) fn has_from_timers(&self) -> bool {
        self.timer_count.load(Ordering::Relaxed) > 0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spawned.is_empty() && self.from_timers.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.from_timers.len() + self.spawned.len()
    }

    /// Takes the oldest one, of timers if there is any.
    pub(super) fn steal(&self) -> Steal<TaskRef> {
        match self.from_timers.steal() {
            Steal::Empty => self.spawned.steal(),
            Steal::Success(task) => {
                self.timer_count.fetch_sub(1, Ordering::Relaxed);
                Steal::Success(task)
            }
            Steal::Retry => Steal::Retry,
        }
    }

    /// Takes some that are not of timers into a worker's queue, and the oldest one out.
    pub(super) fn steal_batch_and_pop(&self, unstarted: &Deque<TaskRef>) -> Steal<TaskRef> {
        match self.spawned.seen.steal_batch_and_pop(unstarted) {
            Steal::Empty => self.spawned.new.steal_batch_and_pop(unstarted),
            other => other,
        }
    }

    /// As `steal`, for who must miss none.
    pub(super) fn take(&self) -> Option<TaskRef> {
        let _nobody_visits = self.visiting.lock();
        retry(|| self.steal())
    }

    /// Calls `f`, which must not run user code, for each that is queued, the oldest first, but
    /// for no more than about `most`. See the module for what the caller has to do.
    pub(super) fn visit(&self, most: usize, mut f: impl FnMut(&TaskRef)) {
        let _alone = self.visiting.lock();
        let from_timers = self.from_timers.visit(most, &mut f);
        self.spawned.visit(most.saturating_sub(from_timers), &mut f);
    }
}

/// Repeats an attempt to steal until it is decided.
pub(super) fn retry(mut steal: impl FnMut() -> Steal<TaskRef>) -> Option<TaskRef> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use super::*;
    use crate::scheduler::spawn_options;

    fn task() -> TaskRef {
        TaskRef::create(|| (), spawn_options(None, 1, Location::caller()))
    }

    fn steal(queue: &GlobalQueue) -> Option<u64> {
        retry(|| queue.steal()).map(|task| task.id())
    }

    fn visited(queue: &GlobalQueue, most: usize) -> Vec<u64> {
        let mut ids = Vec::new();
        queue.visit(most, |task| ids.push(task.id()));
        ids
    }

    #[test]
    fn visits_see_all_in_order_and_keep_it() {
        let queue = GlobalQueue::new();
        let mut ids = Vec::new();
        let mut push = |count| {
            for task in (0..count).map(|_| task()) {
                ids.push(task.id());
                queue.push(task);
            }
            ids.clone()
        };
        let first = push(100);
        assert_eq!(visited(&queue, 1000), first);
        assert_eq!(steal(&queue), Some(first[0]));
        let more = push(100);
        assert_eq!(visited(&queue, 1000), more[1..]);
        assert_eq!(queue.len(), 199);
        let all = push(10);
        let left: Vec<u64> = std::iter::from_fn(|| steal(&queue)).collect();
        assert_eq!(left, all[1..]);
        assert!(queue.is_empty() && visited(&queue, 1000).is_empty());
    }

    #[test]
    fn a_visit_to_some_keeps_the_order_of_all() {
        let queue = GlobalQueue::new();
        let ids: Vec<u64> = (0..50).map(|_| task()).map(|t| (t.id(), queue.push(t)).0).collect();
        assert_eq!(visited(&queue, 20), ids[..20]);
        assert_eq!(visited(&queue, 30), ids[..30]);
        assert_eq!(std::iter::from_fn(|| steal(&queue)).collect::<Vec<_>>(), ids);
    }

    #[test]
    fn visits_lose_none_while_others_push_and_steal() {
        const COUNT: usize = if cfg!(miri) { 100 } else { 20_000 };
        let (queue, stop) = (GlobalQueue::new(), AtomicBool::new(false));
        thread::scope(|s| {
            s.spawn(|| (0..COUNT).for_each(|_| queue.push(task())));
            s.spawn(|| {
                while !stop.load(Ordering::SeqCst) {
                    queue.visit(1000, |_| ());
                    thread::yield_now();
                }
            });
            let mut ids: Vec<u64> = Vec::new();
            while ids.len() < COUNT {
                match steal(&queue) {
                    Some(id) => ids.push(id),
                    None => thread::yield_now(),
                }
            }
            stop.store(true, Ordering::SeqCst);
            ids.sort_unstable();
            ids.dedup();
            assert_eq!(ids.len(), COUNT);
        });
        assert!(queue.take().is_none());
    }

    #[test]
    fn coroutines_of_timers_go_first() {
        let (queue, unstarted) = (GlobalQueue::new(), Deque::new_lifo());
        let ids: Vec<u64> = (0..10).map(|_| task()).map(|t| (t.id(), queue.push(t)).0).collect();
        let from_timers: Vec<u64> =
            (0..10).map(|_| task()).map(|t| (t.id(), queue.push_from_timer(t)).0).collect();
        assert_eq!(visited(&queue, 1000), [&from_timers[..], &ids[..]].concat());
        let first = retry(|| queue.steal_batch_and_pop(&unstarted)).map(|task| task.id());
        assert_eq!(first, Some(ids[0]), "into the queue of a worker they do not go");
        assert!(queue.has_from_timers());
        assert_eq!(std::iter::from_fn(|| steal(&queue)).take(10).collect::<Vec<_>>(), from_timers);
        assert!(!queue.has_from_timers());
    }
}
