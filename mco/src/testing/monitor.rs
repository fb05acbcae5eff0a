//! Where the thread of a test waits for what becomes of the test.

use std::sync::Arc;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clock::Timestamp;

/// Where the thread of a test waits for the outcome.
pub(crate) struct TestMonitor {
    /// Whether a deadlock is to be reported.
    deadlock: bool,
    state: Mutex<TestState>,
    changed: Condvar,
}

#[derive(Default)]
struct TestState {
    /// The root coroutine has run to its end, or has been dropped.
    ended: bool,
    /// The runtime has been quiescent since then.
    quiescent: bool,
    /// The description of a deadlock, if there is one.
    deadlock: Option<String>,
}

/// The outcome of a test.
pub(crate) enum TestOutcome {
    Ended,
    Deadlock(String),
    TimedOut,
}

/// Held by the root coroutine, and dropped at its end, whichever way it ends.
pub(crate) struct RootGuard(Arc<TestMonitor>);

impl TestMonitor {
    pub(crate) fn new(deadlock: bool) -> TestMonitor {
        TestMonitor { deadlock, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn root(self: &Arc<Self>) -> RootGuard {
        RootGuard(self.clone())
    }

    /// Waits for the end of the root coroutine.
    pub(crate) fn wait(&self, deadline: Timestamp) -> TestOutcome {
        let (state, in_time) = self.wait_for(deadline, |s| s.ended || s.deadlock.is_some());
        match (in_time, &state.deadlock) {
            _ if state.ended => TestOutcome::Ended,
            (true, Some(report)) => TestOutcome::Deadlock(report.clone()),
            _ => TestOutcome::TimedOut,
        }
    }

    /// After the end of the root coroutine: waits until the runtime is quiescent. `false`: it was not by the deadline.
    pub(crate) fn wait_until_quiescent(&self, deadline: Timestamp) -> bool {
        self.wait_for(deadline, |state| state.quiescent).1
    }

    /// Returns whether the condition was met.
    fn wait_for(
        &self,
        deadline: Timestamp,
        condition: impl Fn(&TestState) -> bool,
    ) -> (MutexGuard<'_, TestState>, bool) {
        let mut state = self.state.lock();
        while !condition(&state) {
            if self.changed.wait_until(&mut state, deadline.to_std()).timed_out() {
                let met = condition(&state);
                return (state, met);
            }
        }
        (state, true)
    }

    pub(super) fn wants_deadlock(&self) -> bool {
        self.deadlock
    }

    /// By the policy, when nothing happens any more: whether the root coroutine has ended before.
    pub(super) fn has_come_to_rest(&self) -> bool {
        let mut state = self.state.lock();
        if state.ended {
            state.quiescent = true;
            self.changed.notify_all();
        }
        state.ended
    }

    pub(super) fn set_deadlock(&self, report: String) {
        self.change(|state| state.deadlock = Some(report));
    }

    fn change(&self, change: impl FnOnce(&mut TestState)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }
}

impl Drop for RootGuard {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}
