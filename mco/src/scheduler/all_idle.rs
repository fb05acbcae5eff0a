//! What is done when all workers of a runtime are idle and nothing is queued ([`quiescence`](super::quiescence)).
//!
//! - A virtual clock is set forward to the next timer.
//! - Without a timer it is a deadlock, if nothing else can wake a coroutine: no socket and no blocking
//!   job that somebody waits for, no other runtime, and no thread that is not mco's own.
//! - When the root coroutine of a test has ended, the coroutines that are left are leaks.
//!
//! Whether other threads could wake a coroutine can only be guessed, so as long as there are any nothing
//! is said, and the worker looks again now and then. What is never claimed wrongly may be found late.
//!
//! That holds of the runtimes of other tests too: they may share a lock or a channel in a `static`. So while tests
//! run beside each other a deadlock is found when the others have ended, or rest as well. A runtime that a coroutine
//! builds belongs to the same test, by a number, its *test run*.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::quiescence::Epoch;
use super::{Scheduler, blocking};
use crate::clock::Timestamp;
use crate::task::{self, current};
use crate::{report, thread_count};

/// How long to wait before checking again whether a suspected deadlock is one: at first, and at most.
const FIRST_RECHECK: Duration = Duration::from_millis(20);
const LAST_RECHECK: Duration = Duration::from_secs(1);

/// No timer that anybody waits for is as late as this.
const FOREVER: Timestamp = Timestamp::from_nanos(u64::MAX - 1);

/// All schedulers that have not ended.
static ALL: Mutex<Vec<Weak<Scheduler>>> = Mutex::new(Vec::new());

/// What the worker is to do that has deactivated last.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum AllIdleAction {
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

/// What to do at a deadlock.
pub(crate) enum DeadlockPolicy {
    /// Tell a test, whose thread waits at the monitor.
    Test(Arc<TestMonitor>),
    /// Report it and end the process, since `main` has deadlocked.
    Main,
}

/// The policy of a runtime, and the function that describes a deadlock.
pub(super) struct DeadlockHook {
    whose: DeadlockPolicy,
    report: fn(&Scheduler) -> String,
}

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

/// Registers a scheduler that has started.
pub(super) fn enter(scheduler: &Arc<Scheduler>) {
    let mut all = ALL.lock();
    all.retain(|other| other.strong_count() > 0);
    all.push(Arc::downgrade(scheduler));
}

/// The schedulers of the process, the oldest first.
pub(crate) fn all() -> Vec<Arc<Scheduler>> {
    ALL.lock().iter().filter_map(Weak::upgrade).collect()
}

impl Scheduler {
    /// From here on deadlocks are detected, and described by `report`. To be called once.
    pub(crate) fn set_deadlock_policy(
        &self,
        whose: DeadlockPolicy,
        report: fn(&Scheduler) -> String,
    ) {
        let _ = self.deadlock_hook.set(DeadlockHook { whose, report });
    }

    /// By the worker `of_caller`, which was the last to deactivate. `last_recheck` is what it was told to
    /// wait for the last time, if nothing has happened since.
    pub(super) fn on_all_idle(&self, of_caller: usize, last_recheck: Duration) -> AllIdleAction {
        let watch = self.deadlock_hook.get();
        let clock = self.settings.virtual_clock.as_ref();
        if watch.is_none() && clock.is_none() || self.is_shut_down() {
            return AllIdleAction::Sleep;
        }
        let Some(state) = self.quiescent_state() else { return AllIdleAction::Sleep };
        if let Some(DeadlockHook { whose: DeadlockPolicy::Test(monitor), .. }) = watch {
            let mut state = monitor.state.lock();
            if state.ended {
                state.quiescent = true;
                monitor.changed.notify_all();
                return AllIdleAction::Sleep;
            }
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
            (_, QuiescentState { next: None, external_waits: 0, .. }) => match watch {
                Some(watch) => self.check_deadlock(watch, last_recheck),
                None => AllIdleAction::Sleep,
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
    fn stuck_epoch(&self) -> Option<Epoch> {
        match self.quiescent_state()? {
            QuiescentState { epoch, next: None, external_waits: 0 } => Some(epoch),
            _ => None,
        }
    }

    /// How far the virtual clock has come, and how many waits hold it.
    pub(crate) fn virtual_time(&self) -> Option<(Duration, usize)> {
        let clock = self.settings.virtual_clock.as_ref()?;
        Some((clock.elapsed(), self.workers.iter().map(|w| w.external_waits()).sum()))
    }

    fn check_deadlock(&self, watch: &DeadlockHook, last_recheck: Duration) -> AllIdleAction {
        let unwanted = matches!(&watch.whose, DeadlockPolicy::Test(monitor) if !monitor.deadlock);
        if unwanted || self.workers.iter().all(|worker| worker.hosted() == 0) {
            return AllIdleAction::Sleep;
        }
        let recheck_after =
            || AllIdleAction::RecheckAfter((2 * last_recheck).clamp(FIRST_RECHECK, LAST_RECHECK));
        let Some(end) = self.deadlocked_epochs(&watch.whose) else { return recheck_after() };
        let report = (watch.report)(self);
        // It comes of many looks. They have all seen the same, if that is still there; and the threads have been
        // counted twice.
        if self.deadlocked_epochs(&watch.whose).as_ref() != Some(&end) {
            return recheck_after();
        }
        match &watch.whose {
            DeadlockPolicy::Test(monitor) => monitor.change(|state| state.deadlock = Some(report)),
            DeadlockPolicy::Main => {
                report::show(format_args!(
                    "deadlock: every coroutine is blocked, and nothing is left that could wake one\n\
                     {report}"
                ));
                // What the exit destroys is a plain thread's.
                current::leave_home();
                std::process::exit(2);
            }
        }
        AllIdleAction::Sleep
    }

    /// If no thread, job or other runtime is left that could wake a coroutine of this one: the state in which they
    /// all rest.
    ///
    /// ```text
    ///   1. every runtime is stuck: the epoch of each
    ///   2.   the blocking pool has nothing to do, after so many jobs
    ///   3.     there is no thread but mco's own
    ///   4.   the pool still has nothing to do, after as many jobs
    ///   5. every runtime is stuck, in the same epochs
    /// ```
    ///
    /// Whoever takes something out of a queue has activated before, so what is queued between 1 and 5 is found by 5.
    /// Then no coroutine has run at 3, by 2 and 4 no job, and there was no other thread. Only those could wake a
    /// coroutine, have a job run or start a thread, so nobody does any more. What a thread, or a job, has done
    /// before it ended is found by 4 or 5, since the steps are in this order for whoever ended before 3.
    fn deadlocked_epochs(&self, watch: &DeadlockPolicy) -> Option<Vec<Epoch>> {
        if task::has_unowned_external_waits() {
            return None;
        }
        let all = all();
        let stuck_epoch =
            || -> Option<Vec<Epoch>> { all.iter().map(|each| each.stuck_epoch()).collect() };
        let jobs = || {
            let pool = blocking::counters();
            (pool.threads == pool.idle && pool.queued == 0).then_some(pool.submitted)
        };
        // Under the test harness the main thread waits for the tests, or runs this one.
        let others = match watch {
            DeadlockPolicy::Test(_) => u64::from(!thread_count::has_main()),
            DeadlockPolicy::Main => 0,
        };
        let before = (stuck_epoch()?, jobs()?);
        if thread_count::are_all_counted(others) != Some(true) {
            return None;
        }
        let jobs = jobs()?;
        let stuck_epoch = stuck_epoch()?;
        (before == (stuck_epoch.clone(), jobs)).then_some(stuck_epoch)
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
