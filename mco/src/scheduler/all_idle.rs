//! What comes of it when nothing happens any more in a runtime ([`quiescence`](super::quiescence)).
//!
//! - A virtual clock is set forward to the next timer.
//! - Without a timer the [policy](super::idle_policy) of the runtime is asked. It knows what a deadlock is, and when a
//!   test has left something behind.

use std::time::Duration;

use super::idle_policy::{AllIdleAction, IdlePolicy};
use super::quiescence::Epoch;
use super::shared::Scheduler;
use crate::clock::Timestamp;

/// No timer that anybody waits for is as late as this.
const FOREVER: Timestamp = Timestamp::from_nanos(u64::MAX - 1);

impl Scheduler {
    /// Says what is to be done when nothing happens any more. To be called once.
    pub(crate) fn set_idle_policy(&self, policy: Box<dyn IdlePolicy>) {
        let _ = self.idle_policy.set(policy);
    }

    /// By the worker `of_caller`, which was the last to deactivate. `last_recheck` is what it was told to
    /// wait for the last time, if nothing has happened since.
    pub(super) fn on_all_idle(&self, of_caller: usize, last_recheck: Duration) -> AllIdleAction {
        let policy = self.idle_policy.get();
        let clock = self.settings.virtual_clock.as_ref();
        if policy.is_none() && clock.is_none() || self.is_shut_down() {
            return AllIdleAction::Sleep;
        }
        let Some(state) = self.quiescent_state() else { return AllIdleAction::Sleep };
        if policy.is_some_and(|policy| !policy.on_all_idle()) {
            return AllIdleAction::Sleep;
        }
        match (clock, state) {
            // The last moments stand for never.
            (Some(clock), QuiescentState { next: Some(next), external_waits: 0, epoch })
                if next < FOREVER =>
            {
                // Without it somebody has activated, and looks for all when it deactivates again.
                let Some(locked) = self.quiescence.lock(epoch) else { return AllIdleAction::Sleep };
                clock.advance(next.max(clock.now()));
                drop(locked);
                let due = |worker: &usize| self.workers[*worker].due().is_some_and(|at| at <= next);
                for other in (0..self.workers.len()).filter(|w| *w != of_caller).filter(due) {
                    self.workers[other].interrupt();
                }
                if due(&of_caller) { AllIdleAction::Resume } else { AllIdleAction::Sleep }
            }
            (_, QuiescentState { next: None, external_waits: 0, .. }) => match policy {
                Some(policy) if self.has_hosted() => policy.on_stuck(last_recheck),
                _ => AllIdleAction::Sleep,
            },
            _ => AllIdleAction::Sleep,
        }
    }

    /// The state of a quiescent runtime. `None`: a worker is active, or something is queued.
    fn quiescent_state(&self) -> Option<QuiescentState> {
        let epoch = self.quiescence.epoch()?;
        let workers = || self.workers.iter();
        let nothing_queued = self.global_queue.is_empty() && !workers().any(|w| w.has_queued());
        let next = workers().filter_map(|w| w.due()).min();
        let external_waits = workers().map(|w| w.external_waits()).sum();
        (nothing_queued && self.quiescence.is_current(epoch)).then_some(QuiescentState {
            epoch,
            next,
            external_waits,
        })
    }

    /// The epoch in which its coroutines can only be woken from outside. `None`: they may be woken otherwise.
    pub(crate) fn stuck_epoch(&self) -> Option<Epoch> {
        match self.quiescent_state()? {
            QuiescentState { epoch, next: None, external_waits: 0 } => Some(epoch),
            _ => None,
        }
    }

    /// Whether it has coroutines that have started and not ended.
    pub(crate) fn has_hosted(&self) -> bool {
        self.workers.iter().any(|worker| worker.hosted() > 0)
    }

    /// How far the virtual clock has come, and how many waits hold it.
    pub(crate) fn virtual_time(&self) -> Option<(Duration, usize)> {
        let clock = self.settings.virtual_clock.as_ref()?;
        Some((clock.elapsed(), self.workers.iter().map(|w| w.external_waits()).sum()))
    }
}

/// What can still happen in a quiescent runtime.
struct QuiescentState {
    /// Until somebody activates.
    epoch: Epoch,
    /// When the next timer is due.
    next: Option<Timestamp>,
    /// How many waits are for what happens outside.
    external_waits: usize,
}
