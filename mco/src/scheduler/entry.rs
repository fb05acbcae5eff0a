//! What callers of the scheduler do on whatever thread they are: spawn, yield, and ask which runtime this is.

use std::cell::Cell;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::local::LocalWorker;
use super::shared::Scheduler;
use crate::task::current::{self, Running};
use crate::task::{self, TaskRef, cancel};
use crate::{forked, trace};

impl Scheduler {
    /// Queues an unstarted coroutine: here if this is one of the workers, else for any of them.
    pub(crate) fn spawn(&self, task: TaskRef) {
        let task = Cell::new(Some(task));
        LocalWorker::with(|local| {
            if local.is_of(self) {
                task.take().into_iter().for_each(|task| self.spawn_on(local, task));
            }
        });
        if let Some(task) = task.take() {
            self.spawn_outside(task);
        }
    }

    /// Queues an unstarted coroutine on this worker of the runtime.
    #[inline]
    fn spawn_on(&self, local: &LocalWorker, task: TaskRef) {
        if !self.may_start(&task) {
            discard(task);
            return;
        }
        trace::spawn(task.id(), task.name(), || current::running().is_some());
        local.spawn(task);
    }

    #[cold]
    fn spawn_outside(&self, task: TaskRef) {
        if !self.may_start(&task) {
            discard(task);
            return;
        }
        trace::spawn(task.id(), task.name(), || current::running().is_some());
        self.spawned_outside.fetch_add(1, Ordering::Relaxed);
        self.inject(task);
    }

    /// Queues the unstarted coroutine of a timer, behind those of earlier timers. By the worker that fires it. That
    /// worker is about to look for something to run, so a shutdown meanwhile needs no check here.
    pub(crate) fn spawn_from_timer(&self, task: TaskRef) {
        if self.is_shut_down() {
            discard(task);
            return;
        }
        trace::spawn(task.id(), task.name(), || false);
        LocalWorker::with(LocalWorker::count_spawned);
        let is_behind_others = self.global_queue.has_from_timers();
        self.global_queue.push_from_timer(task);
        if is_behind_others {
            self.wake_one();
        }
    }

    fn inject(&self, task: TaskRef) {
        forked::check("a coroutine is spawned");
        self.global_queue.push(task);
        // Begins with a sequentially consistent fence, so either the look below sees that the runtime has
        // been shut down, or `stop`, which looks into the queue after it has said so, finds the coroutine.
        self.wake_one();
        if self.is_shut_down() {
            self.discard_global_queue(discard);
        }
    }

    /// Whether the caller is a coroutine of another runtime, whose clock is virtual: what it waits for here takes
    /// no time there.
    pub(crate) fn holds_clock_of_caller(&self) -> bool {
        let other = |local: &LocalWorker| {
            local.scheduler().settings.virtual_clock.is_some() && !local.is_of(self)
        };
        LocalWorker::with(other) == Some(true) && task::current::running().is_some()
    }
}

/// Creates a coroutine and queues it on the worker that this thread is. `Err` with `create`, if it is none.
#[inline]
pub(crate) fn spawn_here<F: FnOnce(&Scheduler) -> TaskRef>(create: F) -> Result<TaskRef, F> {
    let mut create = Some(create);
    let spawned = LocalWorker::with(|local| {
        let scheduler = local.scheduler();
        let task = create.take().map(|create| create(scheduler));
        if let Some(task) = &task {
            scheduler.spawn_on(local, task.clone());
        }
        task
    });
    match create {
        Some(create) => Err(create),
        None => Ok(spawned.flatten().expect("it has been created")),
    }
}

/// Ends an unstarted coroutine of a runtime that has been shut down. By whichever thread finds it.
pub(super) fn discard(task: TaskRef) {
    if task.has_destructor() && task::current::is_between_turns() {
        // A worker between two turns: `LocalWorker::start` gives it a coroutine.
        LocalWorker::with(|local| local.make_ready(task));
    } else {
        task.discard_unstarted(None);
    }
}

/// Calls `f` with the scheduler of the worker that this thread is.
pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Scheduler>) -> R) -> Option<R> {
    LocalWorker::with(|local| f(local.scheduler()))
}

/// The test run of the worker that this thread is; 0 elsewhere.
pub(crate) fn current_test_run() -> u64 {
    LocalWorker::with(|local| local.scheduler().settings.test_run).unwrap_or(0)
}

/// Out of line, and in tail position where it is called, so that the one that finds nobody to yield to saves no
/// registers for it.
#[inline(never)]
fn yield_to_others(running: Running, site: &'static Location<'static>) {
    running.yield_now(site);
}

/// Lets the others run first. Outside of coroutines the thread yields.
#[inline(always)]
#[track_caller]
pub(crate) fn yield_now() {
    match current::running() {
        None => {
            cancel::check_here();
            std::thread::yield_now();
        }
        Some(running) => {
            if LocalWorker::is_one_that(LocalWorker::may_skip_yield) {
                cancel::check(running);
            } else {
                yield_to_others(running, Location::caller());
            }
        }
    }
}
