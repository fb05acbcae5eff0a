//! Deadlocks: what tests and `main` make of it when nothing happens any more in their runtime.
//!
//! It is a deadlock if nothing else can wake a coroutine: no timer, no socket and no blocking job that somebody waits
//! for, no other runtime, and no thread that is not mco's own. Whether other threads could wake a coroutine can only be
//! guessed, so as long as there are any nothing is said, and the worker looks again now and then. What is never claimed
//! wrongly may be found late.
//!
//! That holds of the runtimes of other tests too: they may share a lock or a channel in a `static`. So while tests
//! run beside each other a deadlock is found when the others have ended, or rest as well.

use std::sync::{Arc, Weak};
use std::time::Duration;

use super::monitor::TestMonitor;
use crate::scheduler::{self, AllIdleAction, Epoch, IdlePolicy, Scheduler};
use crate::task::{self, current};
use crate::{blocking_pool, report, thread_count};

/// The first time to wait before looking again for a deadlock that may be none, and the last one.
const FIRST_RECHECK: Duration = Duration::from_millis(20);
const LAST_RECHECK: Duration = Duration::from_secs(1);

/// What to do at a deadlock.
pub(crate) enum DeadlockPolicy {
    /// Tell a test, whose thread waits at the monitor.
    Test(Arc<TestMonitor>),
    /// Report it and end the process, since `main` has deadlocked.
    Main,
}

/// Looks for deadlocks of one runtime.
struct DeadlockWatch {
    scheduler: Weak<Scheduler>,
    whose: DeadlockPolicy,
    /// Describes a deadlock to them.
    report: fn(&Scheduler) -> String,
}

/// Looks for deadlocks of the runtime from here on, and has them described by `report`. To be called once.
pub(crate) fn watch(
    scheduler: &Arc<Scheduler>,
    whose: DeadlockPolicy,
    report: fn(&Scheduler) -> String,
) {
    let watch = DeadlockWatch { scheduler: Arc::downgrade(scheduler), whose, report };
    scheduler.set_idle_policy(Box::new(watch));
}

impl IdlePolicy for DeadlockWatch {
    fn on_all_idle(&self) -> bool {
        match &self.whose {
            DeadlockPolicy::Test(monitor) => !monitor.has_come_to_rest(),
            DeadlockPolicy::Main => true,
        }
    }

    fn on_stuck(&self, last_recheck: Duration) -> AllIdleAction {
        let Some(scheduler) = self.scheduler.upgrade() else { return AllIdleAction::Sleep };
        if matches!(&self.whose, DeadlockPolicy::Test(monitor) if !monitor.wants_deadlock()) {
            return AllIdleAction::Sleep;
        }
        let recheck_after =
            || AllIdleAction::RecheckAfter((2 * last_recheck).clamp(FIRST_RECHECK, LAST_RECHECK));
        let Some(end) = self.deadlocked_epochs() else { return recheck_after() };
        let report = (self.report)(&scheduler);
        // It comes of many looks. They have all seen the same, if that is still there; and the threads have been
        // counted twice.
        if self.deadlocked_epochs().as_ref() != Some(&end) {
            return recheck_after();
        }
        match &self.whose {
            DeadlockPolicy::Test(monitor) => monitor.set_deadlock(report),
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
}

impl DeadlockWatch {
    /// If no thread, job or other runtime is left that could wake a coroutine of the runtime: the state in which they
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
    fn deadlocked_epochs(&self) -> Option<Vec<Epoch>> {
        if task::has_unowned_external_waits() {
            return None;
        }
        let all = scheduler::all();
        let stuck_epoch =
            || -> Option<Vec<Epoch>> { all.iter().map(|each| each.stuck_epoch()).collect() };
        let jobs = || {
            let pool = blocking_pool::counters();
            (pool.threads == pool.idle && pool.queued == 0).then_some(pool.submitted)
        };
        // Under the test harness the main thread waits for the tests, or runs this one.
        let others = match &self.whose {
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
