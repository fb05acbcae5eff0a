//! What a runtime has done so far, in numbers.

use crate::blocking_pool::{self, PoolCounters};
use crate::fiber;
use crate::scheduler::{Counters, Scheduler};

/// A snapshot of a runtime's counters. They are read one after the other while the runtime goes
/// on, so they need not add up to the last one.
///
/// # Examples
///
/// ```
/// mco::coroutine::spawn(|| ()).join().unwrap();
/// assert!(mco::runtime::metrics().spawned() >= 1);
/// ```
#[derive(Clone, Debug)]
pub struct Metrics {
    workers: Vec<WorkerMetrics>,
    spawned_outside: u64,
    held_up: u64,
    timers: usize,
    stacks: usize,
    blocking: PoolCounters,
}

/// The part of [`Metrics`] that belongs to one worker.
///
/// # Examples
///
/// ```
/// mco::spawn(|| ()).join().unwrap();
/// let metrics = mco::runtime::metrics();
/// let busiest = metrics.workers().iter().max_by_key(|worker| worker.live());
/// assert!(busiest.is_some());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct WorkerMetrics {
    counters: Counters,
}

impl Metrics {
    pub(super) fn of(scheduler: &Scheduler) -> Metrics {
        let workers = scheduler.counters().into_iter();
        Metrics {
            workers: workers.map(|counters| WorkerMetrics { counters }).collect(),
            spawned_outside: scheduler.spawned_outside(),
            held_up: scheduler.held_up(),
            timers: scheduler.queued_timers(),
            stacks: fiber::mapped(),
            blocking: blocking_pool::counters(),
        }
    }

    /// Coroutines that have started and not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        self.workers.iter().map(WorkerMetrics::live).sum()
    }

    /// Coroutines that were ever spawned.
    #[must_use]
    pub fn spawned(&self) -> u64 {
        self.workers.iter().map(WorkerMetrics::spawned).sum::<u64>() + self.spawned_outside
    }

    /// How often a coroutine was given a thread to run on.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.workers.iter().map(WorkerMetrics::resumed).sum()
    }

    /// How often a worker has taken unstarted coroutines from another one.
    #[must_use]
    pub fn stolen(&self) -> u64 {
        self.workers.iter().map(WorkerMetrics::stolen).sum()
    }

    /// How often a coroutine has held its worker up: for more than 80 ms it has neither waited nor yielded, while it had a
    /// processor or slept in the system. If it goes on for a quarter of a second it is named on standard error, once a
    /// minute, with what it does there, and with how many others wait behind it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let before = mco::runtime::metrics().held_up();
    /// // std's, which the worker sleeps in.
    /// mco::coroutine::spawn(|| std::thread::sleep(Duration::from_millis(200))).join().unwrap();
    /// assert!(mco::runtime::metrics().held_up() > before);
    /// ```
    #[must_use]
    pub fn held_up(&self) -> u64 {
        self.held_up
    }

    /// Timers and tickers that are set now. A coroutine that sleeps is none.
    #[must_use]
    pub fn timers(&self) -> usize {
        self.timers
    }

    /// Stacks that hold memory now in the whole process, in use or waiting for a coroutine.
    #[must_use]
    pub fn stacks(&self) -> usize {
        self.stacks
    }

    /// Threads of the blocking pool, which the whole process shares: those that run a job, and those
    /// that wait for one. See [`blocking`](crate::blocking()).
    #[must_use]
    pub fn blocking_threads(&self) -> usize {
        self.blocking.threads
    }

    /// Threads of the blocking pool that wait for a job.
    #[must_use]
    pub fn blocking_idle(&self) -> usize {
        self.blocking.idle
    }

    /// Jobs that wait for a thread of the blocking pool.
    #[must_use]
    pub fn blocking_queued(&self) -> usize {
        self.blocking.queued
    }

    /// The workers, the regular ones first. Spare ones, which run while regular ones are held up,
    /// follow once they have run something.
    #[must_use]
    pub fn workers(&self) -> &[WorkerMetrics] {
        &self.workers
    }
}

impl WorkerMetrics {
    /// Coroutines that have started on this worker and not ended.
    #[must_use]
    pub fn live(&self) -> usize {
        self.counters.hosted
    }

    /// Coroutines that were spawned by coroutines of this worker.
    #[must_use]
    pub fn spawned(&self) -> u64 {
        self.counters.spawned
    }

    /// How often this worker has given a coroutine its thread.
    #[must_use]
    pub fn resumed(&self) -> u64 {
        self.counters.resumed
    }

    /// How often this worker has taken unstarted coroutines from another one.
    #[must_use]
    pub fn stolen(&self) -> u64 {
        self.counters.stolen
    }

    /// Stacks that waited here for a coroutine when the worker last went to sleep.
    #[must_use]
    pub fn idle_stacks(&self) -> usize {
        self.counters.idle_stacks
    }
}
