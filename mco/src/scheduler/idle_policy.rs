//! What is done when nothing happens any more in a runtime, as far as that is not the scheduler's own affair.

use std::time::Duration;

/// Supplied from above, for a runtime that somebody waits for: a test, or `main`.
pub(crate) trait IdlePolicy: Send + Sync {
    /// By the worker that is the last to fall asleep, when nothing is queued anywhere: timers and what happens
    /// outside may still wake a coroutine. `false`: nobody cares for that any more.
    fn on_all_idle(&self) -> bool;

    /// By the same, if only what happens outside could wake one: no timer is set, and nobody waits for a socket or a
    /// blocking job. `last_recheck` is what it was told to wait for the last time, if nothing has happened since.
    fn on_stuck(&self, last_recheck: Duration) -> AllIdleAction;
}

/// What the worker is to do that has deactivated last.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum AllIdleAction {
    /// Sleep.
    Sleep,
    /// Sleep, but check again after this time.
    RecheckAfter(Duration),
    /// Go on: a timer of its own is due.
    Resume,
}

impl AllIdleAction {
    pub(super) fn recheck_after(&self) -> Option<Duration> {
        match self {
            AllIdleAction::RecheckAfter(after) => Some(*after),
            AllIdleAction::Sleep | AllIdleAction::Resume => None,
        }
    }
}
