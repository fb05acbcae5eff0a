//! The half of a worker that only its own thread uses: the run queues and the loop. [`idling`] has what it does
//! without work.

mod idling;
mod seeded;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crossbeam_deque::{Steal, Worker as Deque};

use super::Scheduler;
use super::run_delay::RunDelay;
use super::worker::{RemoteWorker, WorkerResources};
use crate::clock::Timestamp;
use crate::config::config;
use crate::fiber::Pool;
use crate::reactor::Reactor;
use crate::task::{Home, RunOutcome, TaskRef, cancel, current};
use crate::wait::timers;
use crate::{shrinking, trace};

/// Every so many turns an unstarted coroutine that has waited longest goes first, so that none waits for ever.
const FAIR_TURN: u64 = 61;

/// A busy worker looks at its sockets this often.
const POLL_INTERVAL: Duration = Duration::from_micros(100);

/// A busy worker looks at the clock about this often.
const CLOCK_INTERVAL: Duration = Duration::from_micros(50);

/// The positions in the ready queue, behind the coroutine that runs next, of the one whose stack is fetched and of the
/// one whose header is.
const STACKS_AHEAD: usize = 1;
const HEADERS_AHEAD: usize = 2;

/// For at most so many coroutines that a poll has woken the addresses of the stacks are looked up at once.
const LOOK_UPS: usize = 32;

/// An imbalance between workers that is not worth handing a coroutine over.
const PLACEMENT_SLACK: usize = 16;

/// The half of a worker that only its own thread uses. It lies in a thread-local variable, where its coroutines
/// find it.
pub(super) struct LocalWorker {
    scheduler: Arc<Scheduler>,
    worker: Arc<RemoteWorker>,
    /// Started coroutines that can go on.
    pub(super) ready: RefCell<VecDeque<TaskRef>>,
    pub(super) unstarted: Deque<TaskRef>,
    reactor: RefCell<Reactor>,
    pool: RefCell<Pool>,
    /// Copies of what is in `Counts`, so that to count up takes no atomic read-modify-write.
    turn: Cell<u64>,
    hosted: Cell<usize>,
    /// From this number of hosted coroutines on, the loads of the other workers are compared.
    placement_limit: Cell<usize>,
    clock: Clock,
    /// The last run ended with a yield.
    yielded: Cell<bool>,
    /// How many yields in a row found nobody to yield to.
    idle_yields: Cell<u32>,
    /// Grows with each wake that spinning caught, and falls with each that it did not; up to
    /// `idling::MAX_SPIN_CREDIT`. Above 0 it is worth spinning.
    spin_credit: Cell<u32>,
    /// Since when this worker has left to others what it could have stolen, and how many coroutines it hosted
    /// then. `None`: it steals.
    steal_backoff: Cell<Option<(Timestamp, usize)>>,
    /// The next unstarted coroutine was stolen, or handed over, to be started here, however many are hosted.
    start_here: Cell<bool>,
    /// How long to wait before looking again for a deadlock; zero if there was none to suspect.
    deadlock_recheck: Cell<Duration>,
    /// The runtime shuts down, and everything that is hosted here has been cancelled.
    cancelled_all: Cell<bool>,
}

/// When a busy worker last read the clock and polled its sockets.
struct Clock {
    /// Turns until the next look.
    countdown: Cell<u32>,
    /// Turns between looks, adapted to how long turns take.
    interval: Cell<u32>,
    looked: Cell<Timestamp>,
    polled: Cell<Timestamp>,
}

impl Clock {
    fn new() -> Clock {
        let now = Timestamp::monotonic();
        let (countdown, interval) = (Cell::new(0), Cell::new(0));
        Clock { countdown, interval, looked: Cell::new(now), polled: Cell::new(now) }
    }
}

thread_local! {
    static LOCAL: OnceCell<LocalWorker> = const { OnceCell::new() };
    /// The ids that this thread may hand out: the next one, and the end of its block.
    static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A number for a new coroutine, unique in the process.
pub(super) fn next_id() -> u64 {
    const BLOCK: u64 = 1024;
    static BLOCKS: AtomicU64 = AtomicU64::new(1);
    IDS.with(|ids| {
        let (mut next, mut end) = ids.get();
        if next == end {
            next = BLOCKS.fetch_add(BLOCK, Ordering::Relaxed);
            end = next + BLOCK;
        }
        ids.set((next + 1, end));
        next
    })
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
            if LocalWorker::with(LocalWorker::may_skip_yield) == Some(true) {
                cancel::check(running);
            } else {
                running.yield_now(Location::caller());
            }
        }
    }
}

impl LocalWorker {
    /// The life of a worker's thread.
    pub(super) fn run(
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
        let home: Arc<dyn Home> = worker.clone();
        current::enter_home(&home);
        trace::enter(scheduler.traced, worker.index, worker.clone());
        worker.set_clock(Timestamp::monotonic());
        let _ = worker.run_delay.set(RunDelay::of_this_thread());
        let pool_capacity = scheduler.settings.pool_capacity / scheduler.settings.workers;
        let local = LocalWorker {
            ready: RefCell::new(VecDeque::new()),
            unstarted,
            reactor: RefCell::new(reactor),
            pool: RefCell::new(Pool::new(pool_capacity.max(1))),
            turn: Cell::new(worker.turn()),
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
            scheduler,
            worker,
        };
        LOCAL.with(|place| {
            let local = place.get_or_init(|| local);
            local.work();
            // From here on this is a thread as any other.
            current::leave_home();
            trace::leave();
            local.reactor.borrow_mut().close();
            local.worker.requests.close();
        });
    }

    /// Calls `f` with the worker that this thread is.
    pub(super) fn with<R>(f: impl FnOnce(&LocalWorker) -> R) -> Option<R> {
        LOCAL.try_with(|local| local.get().map(f)).ok().flatten()
    }

    pub(super) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    pub(super) fn worker(&self) -> &Arc<RemoteWorker> {
        &self.worker
    }

    /// Queues an unstarted coroutine that was spawned on this worker.
    pub(super) fn spawn(&self, task: TaskRef) {
        self.count_spawned();
        if let Some(older) = self.worker.lifo_slot.swap(Some(task)) {
            self.unstarted.push(older);
            self.scheduler.wake_one();
        }
    }

    #[inline(always)]
    pub(super) fn count_spawned(&self) {
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
        let stack_size = self.scheduler.settings.stack_size;
        let stack_size = stack_size.unwrap_or_else(|| config().get_stack_size());
        let name = Some("waker or destructor".into());
        let task =
            TaskRef::for_user_code(f, super::spawn_options(name, stack_size, Location::caller()));
        self.make_ready(task);
    }

    /// Queues a started coroutine of this worker, or one that must start here.
    pub(super) fn make_ready(&self, task: TaskRef) {
        self.ready.borrow_mut().push_back(task);
    }
}

/// The loop.
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

    /// Empties the inbox.
    pub(super) fn receive(&self) {
        self.worker.inbox.drain(|task| {
            trace::arrived();
            self.ready.borrow_mut().push_back(task);
        });
    }

    /// Takes the coroutine that runs next.
    fn next(&self) -> Option<TaskRef> {
        if self.scheduler.settings.seed.is_some() {
            return self.pick_seeded();
        }
        if self.turn.get().is_multiple_of(FAIR_TURN)
            && let Some(task) = self.oldest_unstarted()
        {
            return Some(task);
        }
        // An attempt to pop costs a fence even if there is nothing.
        let older = || if self.unstarted.is_empty() { None } else { self.unstarted.pop() };
        let global_queue = &self.scheduler.global_queue;
        let due =
            || if global_queue.has_from_timers() { retry(|| global_queue.steal()) } else { None };
        let handed_over = || self.next_handed_over();
        let unstarted =
            || due().or_else(|| self.worker.lifo_slot.take()).or_else(handed_over).or_else(older);
        if self.yielded.take() {
            // It lets the others run first, and those that have not started are others too.
            unstarted().or_else(|| self.next_ready())
        } else {
            self.next_ready().or_else(unstarted)
        }
    }

    /// Takes the next ready coroutine. With many of them each lies outside the cache, so those behind it are fetched
    /// meanwhile.
    #[inline(always)]
    fn next_ready(&self) -> Option<TaskRef> {
        let mut ready = self.ready.borrow_mut();
        let next = shrinking::pop_front(&mut ready);
        if let Some(task) = ready.get(STACKS_AHEAD) {
            task.prefetch_stack();
        }
        if let Some(task) = ready.get(HEADERS_AHEAD) {
            task.prefetch_header();
        }
        next
    }

    /// Polls the sockets, and waits for at most `timeout`. Of the coroutines that are woken the first are fetched
    /// into the cache; `next_ready` fetches the others.
    fn poll(&self, timeout: Option<Duration>) {
        self.reactor.borrow_mut().poll(timeout);
        let ready = self.ready.borrow();
        ready.iter().take(LOOK_UPS).for_each(TaskRef::look_up_stack);
        ready.iter().take(STACKS_AHEAD + 1).for_each(TaskRef::prefetch_stack);
    }

    /// The unstarted coroutine that has waited longest: of those from outside, of those handed over, or of those
    /// spawned here; each of the three goes first in its turn.
    fn oldest_unstarted(&self) -> Option<TaskRef> {
        const QUEUES: u64 = 3;
        let global_queue = &self.scheduler.global_queue;
        let first = self.turn.get() / FAIR_TURN;
        let oldest = (first..first + QUEUES).find_map(|queue| match queue % QUEUES {
            0 if global_queue.is_empty() => None,
            0 => retry(|| global_queue.steal()),
            1 => self.next_handed_over(),
            _ => retry(|| self.worker.stealer.steal()),
        });
        oldest.or_else(|| self.worker.lifo_slot.take())
    }

    /// The next one that was handed over.
    #[inline(always)]
    fn next_handed_over(&self) -> Option<TaskRef> {
        let handed_over = self.worker.handed_over.pop();
        if handed_over.is_some() {
            self.start_here.set(true);
        }
        handed_over
    }

    #[inline(always)]
    fn run_one(&self, task: TaskRef) {
        if !task.has_started() && !self.start(&task) {
            return;
        }
        let counts = &self.worker.counts;
        self.turn.set(self.turn.get() + 1);
        counts.turn.store(self.turn.get(), Ordering::Relaxed);
        counts.current_site.set(task.spawned_at());
        counts.current_id.store(task.id(), Ordering::Relaxed);
        let slice = trace::begin();
        let pause = task.run();
        slice.end(task.id(), task.spawned_at(), || task.trace_end(pause));
        counts.current_id.store(0, Ordering::Relaxed);
        match pause {
            RunOutcome::Parked => {
                task.enter(&self.worker.registry);
                task.leave_parked();
            }
            RunOutcome::Yielded => {
                task.enter(&self.worker.registry);
                self.ready.borrow_mut().push_back(task);
                self.yielded.set(true);
            }
            RunOutcome::Finished => {
                self.set_hosted(self.hosted.get() - 1);
                let size = task.stack_size();
                let leftover = task.retire(&self.worker.registry, |fiber| {
                    self.pool.borrow_mut().give(size, fiber);
                });
                if let Some(leftover) = leftover {
                    // It was detached in its last moment.
                    self.run_user_code(Box::new(move || drop(leftover)));
                }
            }
        }
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
    }

    /// Gives an unstarted coroutine a stack and makes this worker its home. `false`: it was handed over, or has ended.
    fn start(&self, task: &TaskRef) -> bool {
        let start_here = self.start_here.take();
        let is_condemned = task.is_cancelled() || !self.scheduler.may_start(task);
        if is_condemned && !task.has_destructor() {
            task.clone().discard_unstarted(None);
            return false;
        }
        if !is_condemned
            && self.hosted.get() >= self.placement_limit.get()
            && !start_here
            // Then the emptiest is one that has ended.
            && !self.scheduler.is_shut_down()
            && let Some(other) = self.less_loaded_worker()
        {
            other.hand_over(task.clone(), |back| self.unstarted.push(back));
            return false;
        }
        let fiber = self.pool.borrow_mut().take(task.stack_size());
        match fiber {
            Ok(fiber) => {
                if is_condemned {
                    task.start_discarding(fiber, self.worker.clone());
                } else {
                    task.start(fiber, self.worker.clone());
                }
                if task.name().is_some() {
                    // So that the monitor can tell its name from the first run on.
                    task.enter(&self.worker.registry);
                }
                self.set_hosted(self.hosted.get() + 1);
                true
            }
            Err(error) => {
                let message = (!is_condemned).then(|| format!("{task} could not start: {error}"));
                if let Some(message) = &message {
                    self.scheduler.report_no_stack(message);
                }
                if task.has_destructor() {
                    self.scheduler.discard_elsewhere(task.clone(), message);
                } else {
                    task.clone()
                        .discard_unstarted(message.map(|message| Box::new(message) as Box<_>));
                }
                false
            }
        }
    }

    fn set_hosted(&self, hosted: usize) {
        trace::hosted(self.hosted.get(), hosted);
        self.hosted.set(hosted);
        self.worker.counts.hosted.store(hosted, Ordering::Relaxed);
    }

    /// The least loaded worker, if unstarted coroutines should be handed over to it. Since started ones never move,
    /// imbalance has to be avoided before they start: a worker that hosts an eighth more than the least loaded one, and
    /// some, hands over.
    fn less_loaded_worker(&self) -> Option<&RemoteWorker> {
        let regular = self.scheduler.regular().iter();
        let candidates = regular.filter(|w| !w.blocked.load(Ordering::Relaxed));
        let emptiest = candidates.min_by_key(|w| w.load())?;
        let least = emptiest.load();
        let limit = least + least / 8 + PLACEMENT_SLACK;
        self.placement_limit.set(limit);
        let elsewhere = emptiest.index != self.worker.index;
        (elsewhere && self.worker.load() >= limit).then_some(emptiest)
    }

    /// By a coroutine that yields: whether there is nobody to yield to. After some such yields in a row the answer is
    /// `false` without a check, so that the loop gets to its inbox and its sockets.
    fn may_skip_yield(&self) -> bool {
        const MAX_IN_A_ROW: u32 = 64;
        let alone = self.idle_yields.get() < MAX_IN_A_ROW && self.is_alone();
        self.idle_yields.set(if alone { self.idle_yields.get() + 1 } else { 0 });
        alone
    }

    /// Whether nothing is queued here behind the coroutine that runs.
    fn is_alone(&self) -> bool {
        self.ready.borrow().is_empty()
            && self.worker.lifo_slot.is_empty()
            && self.worker.inbox.is_empty()
            && self.worker.handed_over.is_empty()
            && self.unstarted.is_empty()
    }

    /// Between two turns, every few of them: reads the clock, fires timers and polls.
    fn check_clock(&self) {
        let clock = &self.clock;
        if clock.countdown.get() > 0 {
            clock.countdown.set(clock.countdown.get() - 1);
            return;
        }
        trace::looked(self.ready.borrow().len());
        let now = Timestamp::monotonic();
        self.worker.set_clock(now);
        self.run_requests();
        let interval = clock.interval.get();
        let took = now.since(clock.looked.replace(now));
        clock.interval.set(if took > CLOCK_INTERVAL {
            interval / 2
        } else {
            (interval * 2 + 1).min(63)
        });
        clock.countdown.set(clock.interval.get());
        // What the others host may have changed.
        self.placement_limit.set(self.placement_limit.get().min(PLACEMENT_SLACK));
        self.expire(Timestamp::now_or(now));
        if now.since(clock.polled.get()) >= POLL_INTERVAL {
            clock.polled.set(now);
            self.poll(Some(Duration::ZERO));
        }
        if self.scheduler.is_shut_down() {
            self.cancel_all();
        }
    }
}

/// Time.
impl LocalWorker {
    /// When the next timer of this worker is due, whichever wheel it is in.
    fn next_timer(&self) -> Option<Timestamp> {
        [timers::next(), self.worker.timer_queue.next()].into_iter().flatten().min()
    }

    /// Fires the timers that are due at `now`, on the runtime's clock.
    fn expire(&self, now: Timestamp) {
        timers::expire(now);
        self.worker.timer_queue.fire(now);
    }
}

/// Repeats an attempt to steal until it is decided.
pub(super) fn retry(mut steal: impl FnMut() -> Steal<TaskRef>) -> Option<TaskRef> {
    loop {
        match steal() {
            Steal::Success(task) => return Some(task),
            Steal::Empty => return None,
            Steal::Retry => {}
        }
    }
}
