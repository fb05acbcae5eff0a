//! Where an unstarted coroutine starts: pinning makes imbalance permanent, so it is avoided at birth.

use std::sync::atomic::Ordering;

use super::super::worker::RemoteWorker;
use super::state::LocalWorker;
use crate::task::TaskRef;

/// An imbalance between workers that is not worth handing a coroutine over.
pub(super) const PLACEMENT_SLACK: usize = 16;

impl LocalWorker {
    /// Gives an unstarted coroutine a stack and makes this worker its home. `false`: it was handed over, or has ended.
    #[inline(never)]
    pub(super) fn start(&self, task: &TaskRef) -> bool {
        let start_here = self.start_here.take();
        let is_condemned = task.is_cancelled() || !self.scheduler.may_start(task);
        if is_condemned && !task.has_destructor() {
            task.clone().discard_unstarted(None);
            return false;
        }
        if !is_condemned
            && self.hosted.get() >= self.placement_limit.get()
            && !start_here
            // Then the emptiest is one that has ended.
            && !self.scheduler.is_shut_down()
            && let Some(other) = self.less_loaded_worker()
        {
            other.hand_over(task.clone(), |back| self.unstarted.push(back));
            return false;
        }
        let fiber = self.pool.borrow_mut().take(task.stack_size());
        match fiber {
            Ok(fiber) => {
                if is_condemned {
                    task.start_discarding(fiber);
                } else {
                    task.start(fiber);
                }
                if task.name().is_some() {
                    // So that the monitor can tell its name from the first run on.
                    task.enter(&self.worker.registry);
                }
                self.set_hosted(self.hosted.get() + 1);
                true
            }
            Err(error) => {
                let message = (!is_condemned).then(|| format!("{task} could not start: {error}"));
                if let Some(message) = &message {
                    self.scheduler.report_no_stack(message);
                }
                if task.has_destructor() {
                    self.scheduler.discard_elsewhere(task.clone(), message);
                } else {
                    task.clone()
                        .discard_unstarted(message.map(|message| Box::new(message) as Box<_>));
                }
                false
            }
        }
    }

    /// The least loaded worker, if unstarted coroutines should be handed over to it. Since started ones never move,
    /// imbalance has to be avoided before they start: a worker that hosts an eighth more than the least loaded one, and
    /// some, hands over.
    pub(super) fn less_loaded_worker(&self) -> Option<&RemoteWorker> {
        let regular = self.scheduler.regular().iter();
        let candidates = regular.filter(|w| !w.blocked.load(Ordering::Relaxed));
        let emptiest = candidates.min_by_key(|w| w.load())?;
        let least = emptiest.load();
        let limit = least + least / 8 + PLACEMENT_SLACK;
        self.placement_limit.set(limit);
        let elsewhere = emptiest.index != self.worker.index;
        (elsewhere && self.worker.load() >= limit).then_some(emptiest)
    }
}
