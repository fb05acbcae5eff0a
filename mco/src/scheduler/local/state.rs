//! The data of a worker's own half, and the simplest things that are done with it.

use std::cell::{Cell, OnceCell, RefCell};
use std::panic::Location;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam_deque::Worker as Deque;

use super::super::numbers::spawn_options;
use super::super::shared::Scheduler;
use super::super::worker::RemoteWorker;
use crate::clock::Timestamp;
use crate::fiber::Pool;
use crate::reactor::Reactor;
use crate::task::{TaskRef, ready};
use crate::trace;

/// The half of a worker that only its own thread uses. It lies in a thread-local variable, where its coroutines
/// find it.
pub(in super::super) struct LocalWorker {
    pub(super) scheduler: Arc<Scheduler>,
    pub(super) worker: Arc<RemoteWorker>,
    /// A seed decides what runs next.
    pub(super) is_seeded: bool,
    /// With a seed, what could run: moved here from [`ready`], to draw from. Else empty.
    pub(super) drawn_from: RefCell<Vec<TaskRef>>,
    pub(super) unstarted: Deque<TaskRef>,
    pub(super) reactor: RefCell<Reactor>,
    pub(super) pool: RefCell<Pool>,
    /// Turns until the unstarted coroutine that has waited longest goes first; with a seed always 0.
    pub(super) turns_to_fair_one: Cell<u32>,
    /// Which of their queues comes first then: by its remainder.
    pub(super) first_oldest: Cell<u32>,
    /// A copy of what is in `Counts`, so that to count up takes no atomic read-modify-write.
    pub(super) hosted: Cell<usize>,
    /// From this number of hosted coroutines on, the loads of the other workers are compared.
    pub(super) placement_limit: Cell<usize>,
    pub(super) clock: Clock,
    /// The last run ended with a yield.
    pub(super) yielded: Cell<bool>,
    /// How many yields in a row found nobody to yield to.
    pub(super) idle_yields: Cell<u32>,
    /// Grows with each wake that spinning caught, and falls with each that it did not; up to
    /// `idling::MAX_SPIN_CREDIT`. Above 0 it is worth spinning.
    pub(super) spin_credit: Cell<u32>,
    /// Since when this worker has left to others what it could have stolen, and how many coroutines it hosted
    /// then. `None`: it steals.
    pub(super) steal_backoff: Cell<Option<(Timestamp, usize)>>,
    /// The next unstarted coroutine was stolen, or handed over, to be started here, however many are hosted.
    pub(super) start_here: Cell<bool>,
    /// How long to wait before looking again for a deadlock; zero if there was none to suspect.
    pub(super) deadlock_recheck: Cell<Duration>,
    /// The runtime shuts down, and everything that is hosted here has been cancelled.
    pub(super) cancelled_all: Cell<bool>,
    /// The loop is over: from here on the thread is one as any other.
    pub(super) has_left: Cell<bool>,
}

/// When a busy worker last read the clock and polled its sockets.
pub(super) struct Clock {
    /// Turns until the next look.
    pub(super) countdown: Cell<u32>,
    /// Turns between looks, adapted to how long turns take.
    pub(super) interval: Cell<u32>,
    pub(super) looked: Cell<Timestamp>,
    pub(super) polled: Cell<Timestamp>,
}

impl Clock {
    pub(super) fn new() -> Clock {
        let now = Timestamp::monotonic();
        let (countdown, interval) = (Cell::new(0), Cell::new(0));
        Clock { countdown, interval, looked: Cell::new(now), polled: Cell::new(now) }
    }
}

thread_local! {
    static LOCAL: OnceCell<LocalWorker> = const { OnceCell::new() };
}

impl LocalWorker {
    /// Makes this the thread of `local`, and calls `f` with it.
    pub(super) fn enter(local: LocalWorker, f: impl FnOnce(&LocalWorker)) {
        LOCAL.with(|place| f(place.get_or_init(|| local)));
    }

    /// Whether it is a worker of this runtime.
    pub(in super::super) fn is_of(&self, scheduler: &Scheduler) -> bool {
        ptr::eq(&raw const *self.scheduler, scheduler)
    }

    /// Calls `f` with the worker that this thread is.
    #[inline]
    pub(in super::super) fn with<R>(f: impl FnOnce(&LocalWorker) -> R) -> Option<R> {
        let here = |local: &LocalWorker| (!local.has_left.get()).then(|| f(local));
        LOCAL.try_with(|local| local.get().and_then(here)).ok().flatten()
    }

    /// Whether this thread is a worker of which `f` holds.
    #[inline(always)]
    pub(in super::super) fn is_one_that(f: impl FnOnce(&LocalWorker) -> bool) -> bool {
        let here = |local: &LocalWorker| !local.has_left.get() && f(local);
        LOCAL.try_with(|local| local.get().is_some_and(here)).unwrap_or(false)
    }

    pub(in super::super) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    pub(in super::super) fn worker(&self) -> &Arc<RemoteWorker> {
        &self.worker
    }

    /// Queues an unstarted coroutine that was spawned on this worker.
    #[inline]
    pub(in super::super) fn spawn(&self, task: TaskRef) {
        self.count_spawned();
        if let Some(older) = self.worker.lifo_slot.swap(Some(task)) {
            self.unstarted.push(older);
            self.scheduler.wake_one();
        }
    }

    #[inline(always)]
    pub(in super::super) fn count_spawned(&self) {
        let spawned = &self.worker.counts.spawned;
        spawned.store(spawned.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Lets the pool of stacks shrink.
    pub(super) fn trim_stacks(&self) {
        self.pool.borrow_mut().trim();
    }

    /// Runs `f`, which is user code, in a coroutine of its own, even if the runtime has been shut down.
    #[cold]
    pub(super) fn run_user_code(&self, f: Box<dyn FnOnce() + Send>) {
        let stack_size = self.scheduler.stack_size();
        let name = Some("waker or destructor".into());
        let task = TaskRef::for_user_code(f, spawn_options(name, stack_size, Location::caller()));
        self.make_ready(task);
    }

    /// Queues a started coroutine of this worker, or one that must start here.
    pub(in super::super) fn make_ready(&self, task: TaskRef) {
        ready::push(task);
    }

    /// Whether a coroutine of this worker can go on.
    #[inline(always)]
    pub(super) fn has_ready(&self) -> bool {
        !ready::is_empty() || self.is_seeded && self.has_drawn_from()
    }

    #[cold]
    fn has_drawn_from(&self) -> bool {
        !self.drawn_from.borrow().is_empty()
    }

    pub(super) fn set_hosted(&self, hosted: usize) {
        trace::hosted(self.hosted.get(), hosted);
        self.hosted.set(hosted);
        self.worker.counts.hosted.store(hosted, Ordering::Relaxed);
    }

    /// Whether nothing is queued here behind the coroutine that runs.
    pub(super) fn is_alone(&self) -> bool {
        !self.has_ready()
            && self.worker.lifo_slot.is_empty()
            && self.worker.inbox.is_empty()
            && self.worker.handed_over.is_empty()
            && self.unstarted.is_empty()
    }
}
