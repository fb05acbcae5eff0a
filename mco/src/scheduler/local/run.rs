//! The life of a worker's thread.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::run_delay::RunDelay;
use super::super::shared::Scheduler;
use super::super::worker::{RemoteWorker, WorkerResources};
use super::placement::PLACEMENT_SLACK;
use super::seeded;
use super::state::{Clock, LocalWorker};
use crate::clock::Timestamp;
use crate::fiber::Pool;
use crate::task::current;
#[cfg(feature = "dump")]
use crate::task::inspect::running::ThreadId;
use crate::trace;

/// The life of a worker's thread.
pub(in super::super) fn run(
    scheduler: Arc<Scheduler>,
    worker: Arc<RemoteWorker>,
    resources: WorkerResources,
) {
    let WorkerResources { unstarted, reactor } = resources;
    if let Some(clock) = &scheduler.settings.virtual_clock {
        clock.enter();
    }
    if let Some(seed) = scheduler.settings.seed {
        seeded::begin(seed);
    }
    reactor.enter();
    let home = current::enter_home(worker.clone());
    trace::enter(scheduler.traced, worker.index, worker.clone());
    worker.set_clock(Timestamp::monotonic());
    let _ = worker.run_delay.set(RunDelay::of_this_thread());
    #[cfg(feature = "dump")]
    let _ = worker.thread.set(ThreadId::current());
    let pool_capacity = scheduler.settings.pool_capacity / scheduler.settings.workers;
    let local = LocalWorker {
        is_seeded: scheduler.settings.seed.is_some(),
        drawn_from: RefCell::new(Vec::new()),
        unstarted,
        reactor: RefCell::new(reactor),
        pool: RefCell::new(Pool::new(pool_capacity.max(1))),
        turns_to_fair_one: Cell::new(0),
        first_oldest: Cell::new(0),
        hosted: Cell::new(0),
        placement_limit: Cell::new(PLACEMENT_SLACK),
        clock: Clock::new(),
        yielded: Cell::new(false),
        idle_yields: Cell::new(0),
        spin_credit: Cell::new(0),
        steal_backoff: Cell::new(None),
        start_here: Cell::new(false),
        deadlock_recheck: Cell::new(Duration::ZERO),
        cancelled_all: Cell::new(false),
        has_left: Cell::new(false),
        scheduler,
        worker,
    };
    LocalWorker::enter(local, |local| {
        local.work();
        local.has_left.set(true);
        drop(home);
        trace::leave();
        local.reactor.borrow_mut().close();
        local.worker.requests.close();
    });
}

impl LocalWorker {
    #[inline(never)]
    fn work(&self) {
        loop {
            self.receive();
            if let Some(task) = self.next() {
                self.run_one(task);
                self.check_clock();
            } else if !self.idle() {
                return;
            }
        }
    }
}

/// In the child of a `fork`, on the thread of a worker that has forked: it counts as held up, since it looks at that
/// after each turn anyway.
pub(in super::super) fn mark_forked_worker() {
    LocalWorker::with(|local| local.worker.blocked.store(true, Ordering::Relaxed));
}
