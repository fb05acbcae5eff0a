//! One worker: its queues, its loop, and the view that others have of it.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crossbeam_deque::{Steal, Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::Scheduler;
use super::delay::DelayMeter;
use super::idle::Sleep;
use crate::clock::Moment;
use crate::fiber::Pool;
use crate::reactor::{Reactor, Registrar};
use crate::task::{AtomicSite, Home, Inbox, Pause, Registry, Slot, TaskRef, cancel, current};
use crate::wait::timers;

/// Every so many turns the oldest fresh coroutine goes first, so that none waits for ever.
const FAIR_TURN: u64 = 61;

/// A busy worker looks at its sockets this often.
const POLL_INTERVAL: Duration = Duration::from_micros(100);

/// A busy worker looks at the clock about this often.
const CLOCK_INTERVAL: Duration = Duration::from_micros(50);

/// How long a worker that hosts too many lets the others start their fresh coroutines themselves.
const PATIENCE: Duration = Duration::from_millis(5);

/// A worker that polls again within this time is in the middle of an exchange.
const SHORT_NAP: Duration = Duration::from_micros(100);

/// How often a worker with nothing to do lets its pool of stacks shrink.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);

/// Imbalance between workers that is not worth moving a coroutine for.
const PLACEMENT_SLACK: usize = 16;

/// The part of a worker that others see.
pub(super) struct Worker {
    index: usize,
    /// Coroutines from elsewhere: woken ones of this worker, and fresh ones placed here.
    inbox: CachePadded<Inbox>,
    sleep: Sleep,
    /// The newest fresh coroutine. Its own worker and the monitor swap it.
    newest: Slot,
    stealer: Stealer<TaskRef>,
    /// Set when the worker's thread first starts.
    registrar: OnceLock<Arc<Registrar>>,
    pub(super) registry: Registry,
    /// What the thread takes along while it runs, and gives back if it ends early.
    seat: Mutex<Option<Seat>>,
    /// A thread is running. Spare places mostly have none.
    running: AtomicBool,
    /// By the monitor: a coroutine holds this worker up. Reset by the worker.
    blocked: AtomicBool,
    /// How long the worker's thread has waited for a processor, if the system tells.
    delay: OnceLock<DelayMeter>,
    counts: CachePadded<Counts>,
}

/// What only the worker writes, and others read without needing an order.
struct Counts {
    /// Grows by one with each run of a coroutine; the monitor sees from it whether time passes.
    turn: AtomicU64,
    /// The coroutine that runs now; 0 for none.
    current_id: AtomicU64,
    current_site: AtomicSite,
    /// Coroutines that have started here and not ended.
    hosted: AtomicUsize,
    spawned: AtomicU64,
    stolen: AtomicU64,
    stacks: AtomicUsize,
}

/// A snapshot of a worker's counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hosted: usize,
    pub(crate) spawned: u64,
    pub(crate) resumed: u64,
    pub(crate) stolen: u64,
    pub(crate) idle_stacks: usize,
}

/// What one thread at a time has: the one that serves the worker.
pub(super) struct Seat {
    fresh: Deque<TaskRef>,
    /// Made when a thread first sits down.
    reactor: Option<Reactor>,
}

impl Worker {
    pub(super) fn new(index: usize) -> Worker {
        let fresh = Deque::new_lifo();
        Worker {
            index,
            inbox: CachePadded::new(Inbox::new()),
            sleep: Sleep::new(),
            newest: Slot::new(),
            stealer: fresh.stealer(),
            registrar: OnceLock::new(),
            registry: Registry::default(),
            seat: Mutex::new(Some(Seat { fresh, reactor: None })),
            running: AtomicBool::new(false),
            blocked: AtomicBool::new(false),
            delay: OnceLock::new(),
            counts: CachePadded::new(Counts {
                turn: AtomicU64::new(0),
                current_id: AtomicU64::new(0),
                current_site: AtomicSite::new(),
                hosted: AtomicUsize::new(0),
                spawned: AtomicU64::new(0),
                stolen: AtomicU64::new(0),
                stacks: AtomicUsize::new(0),
            }),
        }
    }

    pub(super) fn hosted(&self) -> usize {
        self.counts.hosted.load(Ordering::Relaxed)
    }

    pub(super) fn turn(&self) -> u64 {
        self.counts.turn.load(Ordering::Relaxed)
    }

    /// The id and the spawn site of the coroutine that runs now.
    pub(super) fn current(&self) -> Option<(u64, &'static Location<'static>)> {
        let id = self.counts.current_id.load(Ordering::Relaxed);
        self.counts.current_site.get().filter(|_| id != 0).map(|site| (id, site))
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.sleep.is_asleep()
    }

    pub(super) fn counters(&self) -> Counters {
        let counts = &self.counts;
        Counters {
            hosted: self.hosted(),
            spawned: counts.spawned.load(Ordering::Relaxed),
            resumed: self.turn(),
            stolen: counts.stolen.load(Ordering::Relaxed),
            idle_stacks: counts.stacks.load(Ordering::Relaxed),
        }
    }

    /// Wakes the worker if it sleeps.
    pub(super) fn interrupt(&self) {
        if self.sleep.interrupt() {
            self.interrupt_always();
        }
    }

    /// Ends the poll that the worker is in, or the next one.
    pub(super) fn interrupt_always(&self) {
        if let Some(registrar) = self.registrar.get() {
            registrar.wake();
        }
    }

    /// Hands a fresh coroutine over to this worker.
    fn place(&self, task: TaskRef) {
        self.inbox.push(task);
        self.interrupt();
    }

    /// By the monitor: a coroutine holds this worker up. Returns whether that is news.
    pub(super) fn set_blocked(&self) -> bool {
        !self.blocked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// How long its thread has been ready to run without a processor so far.
    pub(super) fn delay(&self) -> Duration {
        self.delay.get().map_or(Duration::ZERO, DelayMeter::read)
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::SeqCst)
    }

    /// By the monitor, for a worker that is held up: takes the fresh coroutines that nobody else
    /// can reach.
    pub(super) fn rescue(&self, mut each: impl FnMut(TaskRef)) {
        if let Some(task) = self.newest.swap(None) {
            each(task);
        }
        let mut put_back = false;
        self.inbox.drain(|task| {
            if task.has_started() {
                self.inbox.push(task);
                put_back = true;
            } else {
                each(task);
            }
        });
        if put_back {
            // It may have found the inbox empty in between.
            self.interrupt();
        }
    }

    /// When no thread serves this worker any more: ends what was queued and has not started.
    pub(super) fn discard_fresh(&self) {
        self.rescue(|task| task.discard_fresh(None));
    }

    /// Whether somebody could steal from here.
    pub(super) fn has_fresh(&self) -> bool {
        !self.stealer.is_empty()
    }
}

impl Home for Worker {
    fn schedule(&self, task: TaskRef) {
        let task = Cell::new(Some(task));
        Local::with(|local| {
            if ptr::eq(&raw const *local.worker, self) {
                local.ready.borrow_mut().extend(task.take());
            }
        });
        if let Some(task) = task.take() {
            self.inbox.push(task);
            self.interrupt();
        }
    }
}

/// The worker's own half. Lives in a thread-local variable, so that coroutines reach it.
pub(super) struct Local {
    scheduler: Arc<Scheduler>,
    worker: Arc<Worker>,
    /// Started coroutines that can go on.
    ready: RefCell<VecDeque<TaskRef>>,
    fresh: Deque<TaskRef>,
    reactor: RefCell<Reactor>,
    pool: RefCell<Pool>,
    /// Copies of `Counts`, which spare the atomics' read-modify-write.
    turn: Cell<u64>,
    hosted: Cell<usize>,
    /// Above this number of hosted coroutines it is worth looking whether others have fewer.
    placement_limit: Cell<usize>,
    clock: Clock,
    /// The last run ended with a yield.
    yielded: Cell<bool>,
    /// Yields in a row that found nobody to yield to.
    idle_yields: Cell<u32>,
    /// When the pool was last trimmed.
    trimmed: Cell<Moment>,
    /// Since when this worker has left to others what it could have stolen, and how many it hosted
    /// then.
    declined: Cell<Option<(Moment, usize)>>,
    /// The next fresh coroutine was stolen to be started here, however many are hosted.
    start_here: Cell<bool>,
    /// State of the generator that decides where to steal first.
    random: Cell<u64>,
    /// At shutdown: everything that is hosted here has been cancelled.
    cancelled_all: Cell<bool>,
}

/// When a busy worker last looked at the clock and at its sockets.
struct Clock {
    /// Turns until the next look.
    countdown: Cell<u32>,
    /// Turns between looks, adapted to how long turns take.
    interval: Cell<u32>,
    looked: Cell<Moment>,
    polled: Cell<Moment>,
    /// How long it was from the last poll but one to the last one, if that ended a sleep.
    nap: Cell<Duration>,
}

impl Clock {
    fn new() -> Clock {
        let now = Moment::now();
        let (countdown, interval) = (Cell::new(0), Cell::new(0));
        let nap = Cell::new(Duration::MAX);
        Clock { countdown, interval, looked: Cell::new(now), polled: Cell::new(now), nap }
    }
}

/// What a look for work elsewhere has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    Found,
    Nothing,
    /// There is something, but others should take it.
    Declined,
}

thread_local! {
    static LOCAL: OnceCell<Local> = const { OnceCell::new() };
    /// Ids that this thread may give away: the next one and the end of its block.
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

/// Lets the others run first. Outside a coroutine it is the thread that yields.
pub(crate) fn yield_now() {
    match current::running() {
        None => std::thread::yield_now(),
        Some(running) => {
            cancel::check(running);
            if Local::with(Local::may_skip_yield) != Some(true) {
                running.yield_now();
            }
        }
    }
}

impl Worker {
    /// Claims the worker for a thread, which has to call [`Local::run`] with what this returns.
    ///
    /// # Errors
    ///
    /// The system's, if it has no descriptors left for a reactor.
    pub(super) fn take_seat(&self) -> io::Result<Seat> {
        let mut place = self.seat.lock();
        let mut seat = place.take().expect("a worker has one thread");
        if seat.reactor.is_none() {
            match Reactor::new() {
                Ok(reactor) => seat.reactor = Some(reactor),
                Err(error) => {
                    *place = Some(seat);
                    return Err(error);
                }
            }
        }
        self.running.store(true, Ordering::SeqCst);
        Ok(seat)
    }
}

impl Local {
    /// The life of a worker's thread.
    pub(super) fn run(scheduler: Arc<Scheduler>, worker: Arc<Worker>, seat: Seat) {
        let reactor = seat.reactor.expect("taken with a reactor");
        let _ = worker.registrar.set(reactor.registrar().clone());
        reactor.enter();
        let _ = worker.delay.set(DelayMeter::of_this_thread());
        let pool_capacity = scheduler.settings.pool_capacity / scheduler.settings.workers;
        let local = Local {
            ready: RefCell::new(VecDeque::new()),
            fresh: seat.fresh,
            reactor: RefCell::new(reactor),
            pool: RefCell::new(Pool::new(pool_capacity.max(1))),
            turn: Cell::new(worker.turn()),
            hosted: Cell::new(0),
            placement_limit: Cell::new(PLACEMENT_SLACK),
            clock: Clock::new(),
            yielded: Cell::new(false),
            idle_yields: Cell::new(0),
            trimmed: Cell::new(Moment::now()),
            declined: Cell::new(None),
            start_here: Cell::new(false),
            random: Cell::new(worker.index as u64 + 1),
            cancelled_all: Cell::new(false),
            scheduler,
            worker,
        };
        LOCAL.with(|place| {
            let local = place.get_or_init(|| local);
            local.work();
            local.worker.running.store(false, Ordering::SeqCst);
        });
    }

    /// Calls `f` with the worker that this thread is.
    pub(super) fn with<R>(f: impl FnOnce(&Local) -> R) -> Option<R> {
        LOCAL.try_with(|local| local.get().map(f)).ok().flatten()
    }

    pub(super) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// Queues a fresh coroutine that was spawned on this worker.
    pub(super) fn spawn(&self, task: TaskRef) {
        let spawned = &self.worker.counts.spawned;
        spawned.store(spawned.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        if let Some(older) = self.worker.newest.swap(Some(task)) {
            self.fresh.push(older);
            self.scheduler.wake_one();
        }
    }
}

/// The loop.
impl Local {
    fn work(&self) {
        loop {
            self.receive();
            if let Some(task) = self.next() {
                self.run_one(task);
                self.look_at_clock();
            } else if !self.idle() {
                return;
            }
        }
    }

    /// Empties the inbox.
    fn receive(&self) {
        self.worker.inbox.drain(|task| {
            if task.has_started() {
                self.ready.borrow_mut().push_back(task);
            } else {
                self.fresh.push(task);
            }
        });
    }

    /// What to run next.
    fn next(&self) -> Option<TaskRef> {
        if self.turn.get().is_multiple_of(FAIR_TURN)
            && let Some(task) = self.oldest_fresh()
        {
            return Some(task);
        }
        let fresh = || self.worker.newest.take().or_else(|| self.fresh.pop());
        if self.yielded.take() {
            // It lets the others run first, and those that have not started are others too.
            fresh().or_else(|| self.next_ready())
        } else {
            self.next_ready().or_else(fresh)
        }
    }

    /// The next woken one. With many of them each is found outside the cache, so those behind it
    /// are fetched meanwhile.
    fn next_ready(&self) -> Option<TaskRef> {
        let mut ready = self.ready.borrow_mut();
        let next = ready.pop_front();
        if let Some(task) = ready.front() {
            task.prefetch_stack();
        }
        if let Some(task) = ready.get(1) {
            task.prefetch_header();
        }
        next
    }

    /// The fresh coroutine that has waited longest: from outside, or from the far end of the queue.
    fn oldest_fresh(&self) -> Option<TaskRef> {
        let injector = &self.scheduler.injector;
        let injected = if injector.is_empty() { None } else { retry(|| injector.steal()) };
        injected
            .or_else(|| retry(|| self.worker.stealer.steal()))
            .or_else(|| self.worker.newest.take())
    }

    fn run_one(&self, task: TaskRef) {
        if !task.has_started() && !self.start(&task) {
            return;
        }
        let counts = &self.worker.counts;
        self.turn.set(self.turn.get() + 1);
        counts.turn.store(self.turn.get(), Ordering::Relaxed);
        counts.current_site.set(task.spawned_at());
        counts.current_id.store(task.id(), Ordering::Relaxed);
        let pause = task.run();
        counts.current_id.store(0, Ordering::Relaxed);
        match pause {
            Pause::Parked => {
                task.enter(&self.worker.registry);
                task.leave_parked();
            }
            Pause::Yielded => {
                task.enter(&self.worker.registry);
                self.ready.borrow_mut().push_back(task);
                self.yielded.set(true);
            }
            Pause::Finished => {
                self.set_hosted(self.hosted.get() - 1);
                let size = task.stack_size();
                task.retire(&self.worker.registry, |fiber| {
                    self.pool.borrow_mut().give(size, fiber);
                });
            }
        }
        cancel::look_again();
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
    }

    /// Gives a fresh coroutine a stack and makes this its home. `false`: it went elsewhere, or
    /// ended here.
    fn start(&self, task: &TaskRef) -> bool {
        if task.is_cancelled() || self.scheduler.is_shut_down() {
            task.clone().discard_fresh(None);
            return false;
        }
        if self.hosted.get() >= self.placement_limit.get()
            && !self.start_here.take()
            && let Some(other) = self.emptier_worker()
        {
            other.place(task.clone());
            return false;
        }
        let fiber = self.pool.borrow_mut().take(task.stack_size());
        match fiber {
            Ok(fiber) => {
                task.start(fiber, self.worker.clone());
                if task.name().is_some() {
                    // So that the monitor can tell its name from the first run on.
                    task.enter(&self.worker.registry);
                }
                self.set_hosted(self.hosted.get() + 1);
                true
            }
            Err(error) => {
                let message = format!("{task} could not start: {error}");
                self.scheduler.report_no_stack(&message);
                task.clone().discard_fresh(Some(Box::new(message)));
                false
            }
        }
    }

    fn set_hosted(&self, hosted: usize) {
        self.hosted.set(hosted);
        self.worker.counts.hosted.store(hosted, Ordering::Relaxed);
    }

    /// Pinning makes imbalance permanent, so it is avoided at birth: a worker that hosts an eighth
    /// more than the emptiest one, and some, gives its fresh coroutines to that one.
    fn emptier_worker(&self) -> Option<&Worker> {
        let regular = self.scheduler.regular().iter();
        let candidates = regular.filter(|w| !w.blocked.load(Ordering::Relaxed));
        let emptiest = candidates.min_by_key(|w| w.hosted())?;
        let least = emptiest.hosted();
        let limit = least + least / 8 + PLACEMENT_SLACK;
        self.placement_limit.set(limit);
        let elsewhere = emptiest.index != self.worker.index;
        (elsewhere && self.hosted.get() >= limit).then_some(emptiest)
    }

    /// By a coroutine that yields: is there nobody to yield to? Now and then the answer is no
    /// without a look, so that the loop sees its inbox and its sockets.
    fn may_skip_yield(&self) -> bool {
        const IN_A_ROW: u32 = 64;
        let alone = self.idle_yields.get() < IN_A_ROW
            && self.ready.borrow().is_empty()
            && self.worker.newest.is_empty()
            && self.worker.inbox.is_empty()
            && self.fresh.is_empty();
        self.idle_yields.set(if alone { self.idle_yields.get() + 1 } else { 0 });
        alone
    }

    /// Between two runs: fires timers and polls, but not each time.
    fn look_at_clock(&self) {
        let clock = &self.clock;
        if clock.countdown.get() > 0 {
            clock.countdown.set(clock.countdown.get() - 1);
            return;
        }
        let now = Moment::now();
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
        timers::expire(now);
        if now.since(clock.polled.get()) >= POLL_INTERVAL {
            clock.polled.set(now);
            self.reactor.borrow_mut().poll(Some(Duration::ZERO));
        }
        if self.scheduler.is_shut_down() {
            self.cancel_all();
        }
    }
}

/// Running out of work.
impl Local {
    /// Looks for work elsewhere, or sleeps until there is some. `false`: this worker has ended.
    fn idle(&self) -> bool {
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
        if self.scheduler.is_shut_down() {
            self.cancel_all();
            if self.has_ended() {
                return false;
            }
        } else if self.scheduler.idle.try_search() {
            let outcome = self.search();
            self.stop_searching(outcome);
            if outcome == Search::Found {
                return true;
            }
        }
        self.sleep();
        true
    }

    fn is_spare(&self) -> bool {
        self.worker.index >= self.scheduler.settings.workers
    }

    /// Whether this is a spare worker and no regular one is held up.
    fn is_unneeded(&self) -> bool {
        self.is_spare() && self.scheduler.blocked.load(Ordering::Relaxed) == 0
    }

    /// The monitor had taken this worker for held up, and it goes on.
    fn unblock(&self) {
        if self.worker.blocked.swap(false, Ordering::Relaxed) {
            self.scheduler.blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// At shutdown: cancels what is hosted here, once. Nothing starts any more.
    fn cancel_all(&self) {
        if !self.cancelled_all.replace(true) {
            for task in self.worker.registry.snapshot() {
                task.cancel();
            }
        }
    }

    fn has_ended(&self) -> bool {
        self.hosted.get() == 0
            && self.ready.borrow().is_empty()
            && self.fresh.is_empty()
            && self.worker.newest.is_empty()
            && self.worker.inbox.is_empty()
    }

    /// Takes fresh coroutines from elsewhere into the own queue.
    fn search(&self) -> Search {
        if self.is_unneeded() {
            return Search::Nothing;
        }
        if let Some(task) = retry(|| self.scheduler.injector.steal_batch_and_pop(&self.fresh)) {
            self.fresh.push(task);
            return Search::Found;
        }
        // One that hosts too many would only hand over what it steals, maybe to the very worker
        // that it has stolen from. It helps nevertheless if that one does not get on.
        let crowded = self.emptier_worker().is_some();
        if !crowded || self.others_with_fresh().next().is_none() {
            self.declined.set(None);
        } else if !self.is_patience_over() {
            return Search::Declined;
        }
        let stolen = self.others_with_fresh().find_map(|w| {
            retry(|| match crowded {
                true => w.stealer.steal(),
                false => w.stealer.steal_batch_and_pop(&self.fresh),
            })
        });
        let Some(task) = stolen else { return Search::Nothing };
        self.fresh.push(task);
        self.start_here.set(crowded);
        let stolen = &self.worker.counts.stolen;
        stolen.store(stolen.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Search::Found
    }

    /// By a worker that hosts too many, and could steal more: may it? After some patience, and then
    /// as long as what it steals does not stay.
    fn is_patience_over(&self) -> bool {
        let hosted = self.hosted.get();
        let (since, hosted_then) = match self.declined.get() {
            Some(declined) if hosted <= declined.1 => declined,
            _ => (Moment::now(), hosted),
        };
        self.declined.set(Some((since, hosted_then)));
        Moment::now().since(since) >= PATIENCE
    }

    /// Those that can be stolen from, beginning anywhere.
    fn others_with_fresh(&self) -> impl Iterator<Item = &Worker> {
        let workers = &self.scheduler.workers;
        let first = self.next_random() as usize % workers.len();
        let order = (first..workers.len()).chain(0..first).map(|index| &*workers[index]);
        order.filter(|w| w.index != self.worker.index && w.has_fresh())
    }

    fn stop_searching(&self, outcome: Search) {
        let last = self.scheduler.idle.end_search();
        // Whoever produced more meanwhile relied on this search: pass it on.
        if (last && outcome == Search::Found) || outcome == Search::Declined {
            self.scheduler.wake_one();
        }
    }

    /// Sleeps in the reactor until there is something to do, following the protocols of
    /// [`super::idle`]. A spare worker does not announce itself: the monitor wakes it.
    fn sleep(&self) {
        let idle = &self.scheduler.idle;
        let spare = self.is_spare();
        self.worker.counts.stacks.store(self.pool.borrow().idle(), Ordering::Relaxed);
        if !spare {
            idle.announce(self.worker.index);
        }
        self.worker.sleep.begin();
        if self.may_sleep() {
            if self.clock.nap.get() < SHORT_NAP {
                // Events come quickly. Let whoever makes them have the processor, if it waits for
                // this one, and take more of them at once.
                std::thread::yield_now();
            }
            let timer = timers::next().map(|at| at.since(Moment::now()));
            let patience = self.declined.get().map(|_| PATIENCE);
            let timeout = [timer, patience, self.trim_pool()].into_iter().flatten().min();
            self.reactor.borrow_mut().poll(timeout);
        }
        self.worker.sleep.end();
        self.scheduler.monitor.worker_woke();
        let now = Moment::now();
        self.clock.nap.set(now.since(self.clock.polled.get()));
        self.clock.looked.set(now);
        self.clock.polled.set(now);
        timers::expire(now);
        if !spare && idle.retract(self.worker.index) {
            let outcome = self.search();
            self.stop_searching(outcome);
        }
    }

    /// The last look before sleeping, after it was announced.
    fn may_sleep(&self) -> bool {
        let scheduler = &self.scheduler;
        let anything_to_steal = || {
            !scheduler.injector.is_empty()
                || self.declined.get().is_none() && self.others_with_fresh().next().is_some()
        };
        self.ready.borrow().is_empty()
            && self.worker.inbox.is_empty()
            && self.worker.newest.is_empty()
            && (self.is_spare() || scheduler.idle.is_announced(self.worker.index))
            && (self.is_unneeded() || !anything_to_steal())
            && (!scheduler.is_shut_down() || self.hosted.get() > 0)
    }

    /// Lets the pool of stacks shrink; says when to come back for more.
    fn trim_pool(&self) -> Option<Duration> {
        let mut pool = self.pool.borrow_mut();
        if pool.is_trimmed() {
            return None;
        }
        let now = Moment::now();
        let due = self.trimmed.get() + TRIM_INTERVAL;
        if now < due {
            return Some(due.since(now));
        }
        self.trimmed.set(now);
        pool.trim();
        (!pool.is_trimmed()).then_some(TRIM_INTERVAL)
    }

    /// A cheap sequence of which nothing depends but who is robbed first (xorshift).
    fn next_random(&self) -> u64 {
        let mut x = self.random.get();
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        self.random.set(x);
        x
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
