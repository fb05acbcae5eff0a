//! Which coroutine runs where and when.
//!
//! Each worker is a thread with queues of its own:
//!
//! ```text
//!            spawn here ──> lifo_slot ──older──> unstarted ────────┐ stolen by idle workers,
//!                             │                     │               │ oldest first
//!   wake here, yield ──> ready│                     │               v
//!                          │  │                     │            another worker
//!   wake from elsewhere    v  v                     v
//!     ──> inbox ──> ready ──> run, in this order, but every 61st turn takes the oldest unstarted one
//!     handed over ──> handed_over ──> run, before older unstarted ones
//! ```
//!
//! - **Unstarted** coroutines own no stack and may start anywhere. The newest runs first, while what it
//!   was given is still in the cache, on the stack that the last one has just given back. Idle
//!   workers steal from the other end. The very newest is not offered to thieves: its parent is
//!   probably about to wait for it. The monitor offers it if the parent goes on for long.
//! - **Ready** coroutines have started here and stay here.
//!
//! [`local`] has the loop. [`idle`] says how workers sleep without missing anything, and [`monitor`] what happens
//! when a coroutine blocks its worker.

pub(crate) mod all_idle;
pub(crate) mod blocking;
pub(crate) mod forked;
mod global_queue;
mod handover_queue;
mod idle;
mod inbox_gate;
mod local;
mod monitor;
mod quiescence;
mod requests;
mod run_delay;
mod shutdown_waits;
pub(crate) mod timer_queue;
mod unstarted;
mod worker;

/// The atomics of [`quiescence`] and [`inbox_gate`], separate so that their models can supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
}

use std::cell::Cell;
use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::clock::VirtualClock;
use crate::fiber::{Pool, overflow};
use crate::reactor::Registrar;
use crate::report;
use crate::runtime_thread;
use crate::task::{self, Reason, SpawnOptions, TaskRef};
use crate::trace;
use crate::wait::{ExternalWait, Wait, Waiter, WaiterList};
use all_idle::DeadlockHook;
#[cfg(feature = "dump")]
pub(crate) use all_idle::all;
use global_queue::GlobalQueue;
use idle::Idle;
use local::LocalWorker;
pub(crate) use local::yield_now;
use monitor::Monitor;
use quiescence::Quiescence;
#[cfg(feature = "dump")]
pub(crate) use requests::Reply;
pub(crate) use requests::Request;
#[cfg(feature = "dump")]
pub(crate) use unstarted::{Unstarted, UnstartedList};
pub(crate) use worker::Counters;
use worker::RemoteWorker;

/// What a scheduler is built from.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) name: String,
    pub(crate) workers: usize,
    /// Of a coroutine that says nothing else, in bytes; `None`: what [`crate::config()`] says.
    pub(crate) stack_size: Option<usize>,
    /// The most idle stacks that are kept, by all workers together.
    pub(crate) pool_capacity: usize,
    /// The clock, if it is not the system's.
    pub(crate) virtual_clock: Option<Arc<VirtualClock>>,
    /// What decides the order in which coroutines run, if it is to be the same each time. Then there is
    /// one worker.
    pub(crate) seed: Option<u64>,
    /// The test run to which the runtime belongs; 0: none.
    pub(crate) test_run: u64,
}

/// The workers of one runtime and what they share.
pub(crate) struct Scheduler {
    settings: Settings,
    traced: trace::Runtime,
    /// The regular ones first, then the slots for spare ones.
    workers: Box<[Arc<RemoteWorker>]>,
    /// How many of them, from the first on, have ever had a thread. The others have nothing to steal.
    started: AtomicUsize,
    /// Unstarted coroutines from outside, for any worker.
    global_queue: GlobalQueue,
    idle: Idle,
    monitor: Monitor,
    quiescence: Quiescence,
    /// What to do at a deadlock, and how to describe it.
    deadlock_hook: OnceLock<DeadlockHook>,
    /// Set once; from then on nothing starts but [what somebody waits for](Scheduler::may_start), and
    /// everything that has started is cancelled.
    shutdown: AtomicBool,
    /// How many workers are blocked now, as far as the monitor knows.
    blocked: AtomicUsize,
    /// A statistic.
    spawned_outside: AtomicU64,
    /// How many coroutines could not start for want of a stack.
    without_stack: AtomicU32,
    /// How many threads have not ended, and destructors that run on other threads.
    alive: AtomicUsize,
    /// Coroutines of other runtimes that wait until `alive` is zero.
    stopping: Mutex<WaiterList>,
    /// The threads of the workers and of the monitor.
    threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

impl Scheduler {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// The system's, if it is out of threads or descriptors.
    pub(crate) fn start(settings: Settings) -> io::Result<Arc<Scheduler>> {
        if forked::is_child() {
            return Err(io::Error::new(io::ErrorKind::Unsupported, forked::why()));
        }
        forked::install();
        task::install_handlers();
        let regular = settings.workers;
        let slots = regular + spares(regular);
        let scheduler = Arc::new(Scheduler {
            workers: (0..slots)
                .map(|index| Arc::new(RemoteWorker::new(index, &settings)))
                .collect(),
            started: AtomicUsize::new(0),
            global_queue: GlobalQueue::new(),
            idle: Idle::new(regular, slots),
            monitor: Monitor::new(),
            quiescence: Quiescence::new(),
            deadlock_hook: OnceLock::new(),
            shutdown: AtomicBool::new(false),
            blocked: AtomicUsize::new(0),
            spawned_outside: AtomicU64::new(0),
            without_stack: AtomicU32::new(0),
            alive: AtomicUsize::new(0),
            stopping: Mutex::new(WaiterList::new()),
            threads: Mutex::new(Vec::new()),
            traced: trace::start(&settings.name, task::reason_text),
            settings,
        });
        let started = (0..regular)
            .try_for_each(|index| scheduler.start_worker(index))
            .and_then(|()| monitor::start(&scheduler));
        if let Err(error) = started {
            scheduler.stop(|_| String::new());
            return Err(error);
        }
        all_idle::enter(&scheduler);
        Ok(scheduler)
    }

    fn start_worker(self: &Arc<Self>, index: usize) -> io::Result<()> {
        let (scheduler, worker) = (self.clone(), self.workers[index].clone());
        let resources = worker.take_resources()?;
        // Before the thread begins: others may register sockets there at once.
        let _ = worker.registrar.set(resources.reactor.registrar().clone());
        // Sequentially consistent, and before anything is queued there: see `idle`.
        self.started.fetch_max(index + 1, Ordering::SeqCst);
        let kind = if index < self.settings.workers { "worker" } else { "spare" };
        let name = format!("{}-{kind}-{index}", self.settings.name);
        let run = move || LocalWorker::run(scheduler, worker, resources);
        self.quiescence.activate();
        self.start_thread(name, run).inspect_err(|_| {
            self.quiescence.deactivate();
            self.workers[index].leave();
        })?;
        Ok(())
    }

    fn start_thread(
        self: &Arc<Self>,
        name: String,
        run: impl FnOnce() + Send + 'static,
    ) -> io::Result<Thread> {
        let scheduler = self.clone();
        self.thread_begins();
        let started = runtime_thread::start(name, move || {
            let _signals = overflow::SignalStack::for_this_thread();
            run();
            scheduler.thread_ended();
        });
        let handle = started.inspect_err(|_| self.thread_ended())?;
        let thread = handle.thread().clone();
        self.threads.lock().push(handle);
        Ok(thread)
    }

    /// Counts something that has to end before the runtime has.
    fn thread_begins(&self) {
        self.alive.fetch_add(1, Ordering::Relaxed);
    }

    fn thread_ended(&self) {
        // Release pairs with the Acquire of who waits for all of them.
        if self.alive.fetch_sub(1, Ordering::Release) == 1 {
            let waiters = std::mem::take(&mut *self.stopping.lock());
            waiters.wake_all();
        }
    }

    /// Waits until all threads have ended, and nothing of the runtime runs any more. If that takes long, reports once
    /// what is left, which `describe` says.
    fn wait_for_threads(&self, describe: fn(&Scheduler) -> String) {
        /// Enough time for coroutines to unwind and tidy up.
        const LONG: Duration = Duration::from_secs(1);
        let report = Timestamp::after(LONG);
        let mut wait = Wait::new(Reason::Runtime).until(Some(report));
        let _external_wait = ExternalWait::new();
        self.stopping.lock().add(Waiter::current());
        // Acquire pairs with the Release of each end.
        while self.alive.load(Ordering::Acquire) > 0 {
            wait.park_ignoring_cancel();
            if wait.has_timed_out() && self.alive.load(Ordering::Acquire) > 0 {
                wait = wait.until(None);
                report::say(format_args!(
                    "the end of the runtime `{}` has waited for {LONG:?}, and goes on waiting: {}",
                    self.settings.name,
                    describe(self)
                ));
            }
        }
    }

    /// Whether the caller is a coroutine of another runtime, whose clock is virtual: what it waits for here takes
    /// no time there.
    pub(crate) fn holds_clock_of_caller(&self) -> bool {
        let other = |local: &LocalWorker| {
            local.scheduler().settings.virtual_clock.is_some()
                && !std::ptr::eq(&raw const **local.scheduler(), self)
        };
        LocalWorker::with(other) == Some(true) && task::current::running().is_some()
    }

    /// The test run that it belongs to; 0: none.
    pub(crate) fn test_run(&self) -> u64 {
        self.settings.test_run
    }

    /// Queues an unstarted coroutine: here if this is one of the workers, else for any of them.
    pub(crate) fn spawn(&self, task: TaskRef) {
        if !self.may_start(&task) {
            discard(task);
            return;
        }
        trace::spawn(task.id(), task.name(), || task::current::running().is_some());
        let task = Cell::new(Some(task));
        LocalWorker::with(|local| {
            if std::ptr::eq(&raw const **local.scheduler(), self) {
                task.take().into_iter().for_each(|task| local.spawn(task));
            }
        });
        if let Some(task) = task.take() {
            self.spawned_outside.fetch_add(1, Ordering::Relaxed);
            self.inject(task);
        }
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

    /// After the shutdown: takes out of the global queue what must not start any more, and ends it by `discard`. There
    /// may be no worker left to do so.
    fn discard_global_queue(&self, discard: impl Fn(TaskRef)) {
        fence(Ordering::SeqCst);
        let mut left = Vec::new();
        while let Some(task) = self.global_queue.take() {
            if self.may_start(&task) { left.push(task) } else { discard(task) }
        }
        if !left.is_empty() {
            // The worker of who waits for them is still there.
            left.into_iter().for_each(|task| self.global_queue.push(task));
            self.wake_one();
        }
    }

    /// Ends an unstarted coroutine on a thread of the blocking pool, with this message if it has failed to start. For
    /// where no coroutine can drop its closure, and the caller should not.
    fn discard_elsewhere(self: &Arc<Self>, task: TaskRef, message: Option<String>) {
        let scheduler = self.clone();
        scheduler.thread_begins();
        blocking::run_user_code(move || {
            task.discard_unstarted(message.map(|message| Box::new(message) as Box<_>));
            scheduler.thread_ended();
        });
    }

    /// By the monitor: makes a coroutine that was queued for one worker available to all.
    fn offer(self: &Arc<Self>, task: TaskRef) {
        self.global_queue.push(task);
        // As in `inject`.
        self.wake_one();
        if self.is_shut_down() {
            self.discard_global_queue(|task| self.discard_elsewhere(task, None));
        }
    }

    /// Wakes a sleeping worker for unstarted coroutines that have just been queued.
    fn wake_one(&self) {
        if let Some(index) = self.idle.pick() {
            self.workers[index].interrupt();
        }
    }

    /// Reports the first few times that a coroutine got no stack, since its handle may never be joined.
    fn report_no_stack(&self, message: &str) {
        const TIMES: u32 = 10;
        match self.without_stack.fetch_add(1, Ordering::Relaxed) {
            0..TIMES => report::say(format_args!("{message}")),
            TIMES => {
                report::say(format_args!("more coroutines could not start; their handles say why"))
            }
            _ => {}
        }
    }

    /// The workers that may have something queued: those that have ever had a thread.
    fn started_workers(&self) -> &[Arc<RemoteWorker>] {
        &self.workers[..self.started.load(Ordering::SeqCst)]
    }

    fn regular(&self) -> &[Arc<RemoteWorker>] {
        &self.workers[..self.settings.workers]
    }

    /// Whether an unstarted coroutine may start. After the shutdown only the children of scopes do. Whoever
    /// owns the scope may be in a destructor, which tidies up with them as ever, and would unwind out of it
    /// if they came to nothing. It is cancelled itself, and cancels them in its turn where it may unwind.
    fn may_start(&self, task: &TaskRef) -> bool {
        !self.is_shut_down() || task.is_scoped()
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.shutdown.load(Ordering::Acquire)
    }

    /// Shuts the runtime down: nothing starts any more, what has started is cancelled, and the workers end when their
    /// coroutines have unwound. Waits for that, unless the caller is one of these workers, or a coroutine of a runtime
    /// whose end waits for the end of this one.
    pub(crate) fn stop(self: &Arc<Self>, describe: fn(&Scheduler) -> String) {
        if forked::is_child() {
            // There is nobody to stop, and nothing to wait for.
            return;
        }
        // Sequentially consistent: see `inject`.
        self.shutdown.store(true, Ordering::SeqCst);
        for worker in &self.workers {
            worker.interrupt_always();
        }
        self.monitor.wake();
        let on_worker = LocalWorker::with(|local| Arc::ptr_eq(local.scheduler(), self));
        if on_worker == Some(true) {
            // The workers do all the rest.
            return;
        }
        let caller = LocalWorker::with(|local| local.scheduler().clone());
        let caller = caller.filter(|_| task::current::running().is_some());
        let waits = match caller.map(|caller| shutdown_waits::ShutdownWait::begin(&caller, self)) {
            // The workers do all the rest, without the caller.
            Some(None) => return,
            waits => waits.flatten(),
        };
        // Inside another library's generator a coroutine cannot suspend, and joins the threads instead.
        if task::current::is_on_own_stack() {
            self.wait_for_threads(describe);
        }
        drop(waits);
        // They are about to end, if they have not; but destructors of thread-local values may take their time.
        let scheduler = self.clone();
        if task::current::is_on_own_stack() && task::current::running().is_some() {
            self.thread_begins();
            blocking::run_user_code(move || {
                scheduler.join_threads();
                scheduler.thread_ended();
            });
            self.wait_for_threads(describe);
        } else {
            self.join_threads();
        }
        // If the workers have never started.
        self.discard_global_queue(discard);
        trace::flush();
    }

    fn join_threads(&self) {
        // The monitor may have started another one meanwhile.
        while let Some(thread) = { self.threads.lock().pop() } {
            drop(thread.join());
        }
    }

    /// The reactor of some worker, for a socket on which a plain thread waits in a `select!` or by a future.
    pub(crate) fn registrar(&self) -> Arc<Registrar> {
        let registrar = self.any_worker().registrar.get().cloned();
        registrar.expect("the regular workers have been started")
    }

    /// One of the regular workers, round-robin, but no blocked one if there is another.
    fn any_worker(&self) -> Arc<RemoteWorker> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        self.worker_near(TURN.fetch_add(1, Ordering::Relaxed))
    }

    /// The regular worker of this number, modulo how many there are; or the next one that is not blocked, if any.
    fn worker_near(&self, number: usize) -> Arc<RemoteWorker> {
        forked::check("a timer or a socket needs a worker");
        let workers = self.regular();
        let first = number % workers.len();
        let mut order = workers[first..].iter().chain(&workers[..first]);
        order.find(|worker| !worker.is_blocked()).unwrap_or(&workers[first]).clone()
    }

    /// The counters of the workers. Those of spare ones that have ever run come last.
    pub(crate) fn counters(&self) -> Vec<Counters> {
        let workers = self.workers.iter().enumerate();
        let counters = workers.map(|(index, worker)| (index, worker.counters()));
        counters.filter(|(i, c)| *i < self.settings.workers || c.resumed > 0).map(|c| c.1).collect()
    }

    /// How many coroutines were spawned from outside the workers.
    pub(crate) fn spawned_outside(&self) -> u64 {
        self.spawned_outside.load(Ordering::Relaxed)
    }

    /// For a thread that may keep coroutines from going on: as long as what this returns lives, the runtime does not
    /// count as quiescent.
    pub(crate) fn keep_active(&self) -> ActiveGuard<'_> {
        self.quiescence.activate();
        ActiveGuard(self)
    }

    /// The time of the runtime's clock.
    pub(crate) fn now(&self) -> Timestamp {
        self.settings.virtual_clock.as_ref().map_or_else(Timestamp::monotonic, |clock| clock.now())
    }

    /// How many workers there can be, spare ones included.
    pub(crate) fn worker_slots(&self) -> usize {
        self.workers.len()
    }

    /// What a dump shows of one worker.
    pub(crate) fn inspect_worker(&self, index: usize) -> WorkerSnapshot {
        let worker = &self.workers[index];
        // The coroutine that runs is read before those that are hosted, so that it is in one of them.
        let current = worker.current();
        let mut tasks = Vec::new();
        worker.registry.visit(|task| tasks.push(task.clone()));
        WorkerSnapshot { current, tasks }
    }

    /// The coroutine that a worker runs now, if any, and the number of its turn.
    pub(crate) fn turn_of(&self, index: usize) -> (u64, Option<u64>) {
        let worker = &self.workers[index];
        (worker.turn(), worker.current().map(|(id, _)| id))
    }

    /// Sends requests to a worker, which runs them between two turns.
    pub(crate) fn send(&self, index: usize, requests: impl IntoIterator<Item = Request>) {
        let worker = &self.workers[index];
        worker.requests.add(requests);
        worker.interrupt();
    }

    /// Removes the requests of a worker whose replies nobody waits for any more.
    pub(crate) fn cancel_requests(&self, index: usize) {
        self.workers[index].requests.remove_cancelled();
    }

    /// About how many unstarted coroutines are queued.
    pub(crate) fn unstarted(&self) -> usize {
        self.global_queue.len()
            + self.workers.iter().map(|worker| worker.unstarted_len()).sum::<usize>()
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }
}

/// Ends an unstarted coroutine of a runtime that has been shut down. By whichever thread finds it.
fn discard(task: TaskRef) {
    if task.has_destructor() && task::current::is_between_turns() {
        // A worker between two turns: `LocalWorker::start` gives it a coroutine.
        LocalWorker::with(|local| local.make_ready(task));
    } else {
        task.discard_unstarted(None);
    }
}

/// See [`Scheduler::keep_active`].
pub(crate) struct ActiveGuard<'a>(&'a Scheduler);

impl Drop for ActiveGuard<'_> {
    fn drop(&mut self) {
        if self.0.quiescence.deactivate() {
            // One of them has to look again.
            self.0.workers[0].interrupt();
        }
    }
}

/// What [`Scheduler::inspect_worker`] finds.
pub(crate) struct WorkerSnapshot {
    /// The id and the spawn site of the coroutine that it runs.
    pub(crate) current: Option<(u64, &'static Location<'static>)>,
    /// Those that it hosts and that have been suspended at least once.
    pub(crate) tasks: Vec<TaskRef>,
}

/// How many spare workers there may be.
fn spares(regular: usize) -> usize {
    regular.clamp(16, 64)
}

/// Calls `f` with the scheduler of the worker that this thread is.
pub(crate) fn with_current<R>(f: impl FnOnce(&Arc<Scheduler>) -> R) -> Option<R> {
    LocalWorker::with(|local| f(local.scheduler()))
}

/// The test run of the worker that this thread is; 0 elsewhere. See [`all_idle`].
pub(crate) fn current_test_run() -> u64 {
    LocalWorker::with(|local| local.scheduler().settings.test_run).unwrap_or(0)
}

/// The number of a new test run.
pub(crate) fn new_test_run() -> u64 {
    static TEST_RUNS: AtomicU64 = AtomicU64::new(1);
    TEST_RUNS.fetch_add(1, Ordering::Relaxed)
}

/// The options of a coroutine that is about to be spawned, with a new id.
pub(crate) fn spawn_options(
    name: Option<Box<str>>,
    stack_size: usize,
    spawned_at: &'static Location<'static>,
) -> SpawnOptions {
    let stack_size = Pool::class_size(stack_size);
    SpawnOptions { id: local::next_id(), name, stack_size, spawned_at }
}
