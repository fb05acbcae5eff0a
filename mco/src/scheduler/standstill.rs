//! What comes of it when nothing happens any more in a runtime ([`quiet`](super::quiet)).
//!
//! - A virtual clock is set forward to the next timer.
//! - Without a timer it is a deadlock, if nothing else can wake a coroutine: no socket and no blocking
//!   job that somebody waits for, no other runtime, and no thread that is not mco's own.
//! - When the root coroutine of a test has ended, what is left has been left behind.
//!
//! Whether other threads could wake a coroutine can only be guessed, so as long as there are any nothing
//! is said, and the worker looks again now and then. What is never claimed wrongly may be found late.
//!
//! That holds of the runtimes of other tests too: they may share a lock or a channel in a `static`. So while tests
//! run beside each other a deadlock is found when the others have ended, or rest as well. A runtime that a coroutine
//! builds belongs to the same test, by a number that is called its *world*.

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::quiet::Glance;
use super::{Scheduler, blocking};
use crate::clock::Moment;
use crate::task::{self, current};
use crate::{report, threads};

/// The first time to wait before looking again for a deadlock that may be none, and the last one.
const FIRST_LOOK: Duration = Duration::from_millis(20);
const LAST_LOOK: Duration = Duration::from_secs(1);

/// No timer that anybody waits for is as late as this.
const FOREVER: Moment = Moment::from_nanos(u64::MAX - 1);

/// All schedulers that have not ended.
static ALL: Mutex<Vec<Weak<Scheduler>>> = Mutex::new(Vec::new());

/// What a worker that has found all others asleep is to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Standstill {
    /// Sleep.
    Sleep,
    /// Sleep, but look again after this time.
    LookAgain(Duration),
    /// Go on: a timer of its own is due.
    GoOn,
}

impl Standstill {
    pub(super) fn look_again(&self) -> Option<Duration> {
        match self {
            Standstill::LookAgain(after) => Some(*after),
            Standstill::Sleep | Standstill::GoOn => None,
        }
    }
}

/// Who wants to know of a deadlock.
pub(crate) enum Watch {
    /// A test, whose thread waits at the watcher.
    Test(Arc<Watcher>),
    /// `main`: the process is to end.
    Main,
}

/// Who watches, and what describes a deadlock to them.
pub(super) struct Watching {
    whose: Watch,
    report: fn(&Scheduler) -> String,
}

/// Where the thread of a test waits for what becomes of it.
pub(crate) struct Watcher {
    /// Whether it wants to know of a deadlock.
    deadlock: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The root coroutine has run to its end, or has been dropped.
    ended: bool,
    /// Since then, nothing happens any more.
    settled: bool,
    /// What there is to say about a deadlock.
    deadlock: Option<String>,
}

/// What becomes of a test.
pub(crate) enum Fate {
    Ended,
    Deadlock(String),
    TimedOut,
}

/// Held by the root coroutine. Dropped at its end, however that comes.
pub(crate) struct Root(Arc<Watcher>);

impl Watcher {
    pub(crate) fn new(deadlock: bool) -> Watcher {
        Watcher { deadlock, state: Mutex::default(), changed: Condvar::new() }
    }

    pub(crate) fn root(self: &Arc<Self>) -> Root {
        Root(self.clone())
    }

    /// Waits for the end of the root coroutine.
    pub(crate) fn wait(&self, deadline: Moment) -> Fate {
        let (state, in_time) = self.wait_for(deadline, |s| s.ended || s.deadlock.is_some());
        match (in_time, &state.deadlock) {
            _ if state.ended => Fate::Ended,
            (true, Some(report)) => Fate::Deadlock(report.clone()),
            _ => Fate::TimedOut,
        }
    }

    /// After the end of the root coroutine: waits until nothing happens any more. `false`: that did not
    /// come.
    pub(crate) fn wait_until_settled(&self, deadline: Moment) -> bool {
        self.wait_for(deadline, |state| state.settled).1
    }

    /// Returns whether the condition was met.
    fn wait_for(
        &self,
        deadline: Moment,
        condition: impl Fn(&State) -> bool,
    ) -> (MutexGuard<'_, State>, bool) {
        let mut state = self.state.lock();
        while !condition(&state) {
            if self.changed.wait_until(&mut state, deadline.to_std()).timed_out() {
                let met = condition(&state);
                return (state, met);
            }
        }
        (state, true)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock());
        self.changed.notify_all();
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.0.change(|state| state.ended = true);
    }
}

/// Remembers a scheduler that has started.
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
    /// Watches for deadlocks from here on, and has them described by `report`. To be called once.
    pub(crate) fn watch(&self, whose: Watch, report: fn(&Scheduler) -> String) {
        let _ = self.watch.set(Watching { whose, report });
    }

    /// By the worker `of_caller`, which was the last to fall asleep. `last_look` is what it was told to
    /// wait for the last time, if nothing has happened since.
    pub(super) fn stand_still(&self, of_caller: usize, last_look: Duration) -> Standstill {
        let watch = self.watch.get();
        let clock = self.settings.virtual_clock.as_ref();
        if watch.is_none() && clock.is_none() || self.is_shut_down() {
            return Standstill::Sleep;
        }
        let Some(still) = self.at_rest() else { return Standstill::Sleep };
        if let Some(Watching { whose: Watch::Test(watcher), .. }) = watch {
            let mut state = watcher.state.lock();
            if state.ended {
                state.settled = true;
                watcher.changed.notify_all();
                return Standstill::Sleep;
            }
        }
        match (clock, still) {
            // The last moments stand for never.
            (Some(clock), AtRest { next: Some(next), held: 0, glance }) if next < FOREVER => {
                // Without it somebody has risen, and looks for all when it falls again.
                let Some(kept) = self.quiet.keep(glance) else { return Standstill::Sleep };
                clock.advance(next.max(clock.now()));
                drop(kept);
                let due = |worker: &usize| self.workers[*worker].due().is_some_and(|at| at <= next);
                for other in (0..self.workers.len()).filter(|w| *w != of_caller).filter(due) {
                    self.workers[other].interrupt();
                }
                if due(&of_caller) { Standstill::GoOn } else { Standstill::Sleep }
            }
            (_, AtRest { next: None, held: 0, .. }) => match watch {
                Some(watch) => self.suspect_deadlock(watch, last_look),
                None => Standstill::Sleep,
            },
            _ => Standstill::Sleep,
        }
    }

    /// If nobody is awake and nothing is queued: what can still happen.
    fn at_rest(&self) -> Option<AtRest> {
        let glance = self.quiet.glance()?;
        let workers = || self.workers.iter();
        let nothing_queued = self.injector.is_empty() && !workers().any(|w| w.has_any());
        let next = workers().filter_map(|w| w.due()).min();
        let held = workers().map(|w| w.held()).sum();
        (nothing_queued && self.quiet.holds(glance)).then_some(AtRest { glance, next, held })
    }

    /// If its coroutines, as far as there are any, can only be woken from outside: since when.
    fn stuck(&self) -> Option<Glance> {
        match self.at_rest()? {
            AtRest { glance, next: None, held: 0 } => Some(glance),
            _ => None,
        }
    }

    /// How far the virtual clock has come, and how many waits hold it.
    pub(crate) fn virtual_time(&self) -> Option<(Duration, usize)> {
        let clock = self.settings.virtual_clock.as_ref()?;
        Some((clock.elapsed(), self.workers.iter().map(|w| w.held()).sum()))
    }

    fn suspect_deadlock(&self, watch: &Watching, last_look: Duration) -> Standstill {
        let unwanted = matches!(&watch.whose, Watch::Test(watcher) if !watcher.deadlock);
        if unwanted || self.workers.iter().all(|worker| worker.hosted() == 0) {
            return Standstill::Sleep;
        }
        let look_again = || Standstill::LookAgain((2 * last_look).clamp(FIRST_LOOK, LAST_LOOK));
        let Some(end) = self.dead_end(&watch.whose) else { return look_again() };
        let report = (watch.report)(self);
        // It comes of many looks. They have all seen the same, if that is still there; and the threads have been
        // counted twice.
        if self.dead_end(&watch.whose).as_ref() != Some(&end) {
            return look_again();
        }
        match &watch.whose {
            Watch::Test(watcher) => watcher.change(|state| state.deadlock = Some(report)),
            Watch::Main => {
                report::show(format_args!(
                    "deadlock: every coroutine is blocked, and nothing is left that could wake one\n\
                     {report}"
                ));
                // What the exit destroys is a plain thread's.
                current::leave_home();
                std::process::exit(2);
            }
        }
        Standstill::Sleep
    }

    /// If no thread, job or other runtime is left that could wake a coroutine of this one: the state in which they
    /// all rest.
    ///
    /// ```text
    ///   1. every runtime is stuck: a glance at each
    ///   2.   the blocking pool has nothing to do, after so many jobs
    ///   3.     there is no thread but mco's own
    ///   4.   the pool still has nothing to do, after as many jobs
    ///   5. every runtime is stuck, by the same glances
    /// ```
    ///
    /// Whoever takes something out of a queue has risen before, so what is queued between 1 and 5 is found by 5.
    /// Then no coroutine has run at 3, by 2 and 4 no job, and there was no other thread. Only those could wake a
    /// coroutine, have a job run or start a thread, so nobody does any more. What a thread, or a job, has done
    /// before it ended is found by 4 or 5, since the steps are in this order for whoever ended before 3.
    fn dead_end(&self, watch: &Watch) -> Option<Vec<Glance>> {
        if task::waits_outside_elsewhere() {
            return None;
        }
        let all = all();
        let stuck = || -> Option<Vec<Glance>> { all.iter().map(|each| each.stuck()).collect() };
        let jobs = || {
            let pool = blocking::counters();
            (pool.threads == pool.idle && pool.queued == 0).then_some(pool.submitted)
        };
        // Under the test harness the main thread waits for the tests, or runs this one.
        let others = match watch {
            Watch::Test(_) => u64::from(!threads::has_main()),
            Watch::Main => 0,
        };
        let before = (stuck()?, jobs()?);
        if threads::are_all_ours(others) != Some(true) {
            return None;
        }
        let jobs = jobs()?;
        let stuck = stuck()?;
        (before == (stuck.clone(), jobs)).then_some(stuck)
    }
}

/// What can still happen when all workers sleep.
struct AtRest {
    /// Until somebody rises.
    glance: Glance,
    /// When the next timer is due.
    next: Option<Moment>,
    /// How many waits are for what happens outside.
    held: usize,
}
