//! What the workers of one runtime share: their remote halves, the queue for all, and who sleeps.
//!
//! Everything here is for any thread. A worker's own half is in [`local`](super::local).

use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};

use parking_lot::Mutex;

use super::global_queue::GlobalQueue;
use super::idle::Idle;
use super::idle_policy::IdlePolicy;
use super::monitor::Monitor;
use super::quiescence::Quiescence;
use super::requests::Request;
use super::worker::{Counters, RemoteWorker};
use crate::clock::{Timestamp, VirtualClock};
use crate::fiber::overflow;
use crate::reactor::Registrar;
use crate::task::TaskRef;
use crate::wait::WaiterList;
use crate::{blocking_pool, defaults, forked, report, runtime_thread, trace};

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
    pub(super) settings: Settings,
    pub(super) traced: trace::Runtime,
    /// The regular ones first, then the slots for spare ones.
    pub(super) workers: Box<[Arc<RemoteWorker>]>,
    /// How many of them, from the first on, have ever had a thread. The others have nothing to steal.
    pub(super) started: AtomicUsize,
    /// Unstarted coroutines from outside, for any worker.
    pub(super) global_queue: GlobalQueue,
    pub(super) idle: Idle,
    pub(super) monitor: Monitor,
    pub(super) quiescence: Quiescence,
    /// What to do at a deadlock, and how to describe it.
    pub(super) idle_policy: OnceLock<Box<dyn IdlePolicy>>,
    /// Set once; from then on nothing starts but [what somebody waits for](Scheduler::may_start), and
    /// everything that has started is cancelled.
    pub(super) shutdown: AtomicBool,
    /// How many workers are blocked now, as far as the monitor knows.
    pub(super) blocked: AtomicUsize,
    /// A statistic.
    pub(super) spawned_outside: AtomicU64,
    /// How often a worker was blocked.
    pub(super) held_up: AtomicU64,
    /// How many coroutines could not start for want of a stack.
    pub(super) without_stack: AtomicU32,
    /// How many threads have not ended, and destructors that run on other threads.
    pub(super) alive: AtomicUsize,
    /// Coroutines of other runtimes that wait until `alive` is zero.
    pub(super) stopping: Mutex<WaiterList>,
    /// The threads of the workers and of the monitor.
    pub(super) threads: Mutex<Vec<thread::JoinHandle<()>>>,
}

/// All schedulers that have not ended.
static ALL: Mutex<Vec<Weak<Scheduler>>> = Mutex::new(Vec::new());

/// Remembers a scheduler that has started.
pub(super) fn remember(scheduler: &Arc<Scheduler>) {
    let mut all = ALL.lock();
    all.retain(|other| other.strong_count() > 0);
    all.push(Arc::downgrade(scheduler));
}

/// The schedulers of the process, the oldest first.
pub(crate) fn all() -> Vec<Arc<Scheduler>> {
    ALL.lock().iter().filter_map(Weak::upgrade).collect()
}

/// Threads.
impl Scheduler {
    pub(super) fn start_thread(
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
    pub(super) fn thread_begins(&self) {
        self.alive.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn thread_ended(&self) {
        // Release pairs with the Acquire of who waits for all of them.
        if self.alive.fetch_sub(1, Ordering::Release) == 1 {
            let waiters = std::mem::take(&mut *self.stopping.lock());
            waiters.wake_all();
        }
    }
}

impl Scheduler {
    /// The test run that it belongs to; 0: none.
    pub(crate) fn test_run(&self) -> u64 {
        self.settings.test_run
    }

    /// After the shutdown: takes out of the global queue what must not start any more, and ends it by `discard`. There
    /// may be no worker left to do so.
    pub(super) fn discard_global_queue(&self, discard: impl Fn(TaskRef)) {
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
    pub(super) fn discard_elsewhere(self: &Arc<Self>, task: TaskRef, message: Option<String>) {
        let scheduler = self.clone();
        scheduler.thread_begins();
        blocking_pool::run_user_code(move || {
            task.discard_unstarted(message.map(|message| Box::new(message) as Box<_>));
            scheduler.thread_ended();
        });
    }

    /// By the monitor: makes a coroutine that was queued for one worker available to all.
    pub(super) fn offer(self: &Arc<Self>, task: TaskRef) {
        self.global_queue.push(task);
        // As in `inject`.
        self.wake_one();
        if self.is_shut_down() {
            self.discard_global_queue(|task| self.discard_elsewhere(task, None));
        }
    }

    /// Wakes a sleeping worker for unstarted coroutines that have just been queued.
    pub(super) fn wake_one(&self) {
        if let Some(index) = self.idle.pick() {
            self.workers[index].interrupt();
        }
    }

    /// Reports the first few times that a coroutine got no stack, since its handle may never be joined.
    pub(super) fn report_no_stack(&self, message: &str) {
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
    pub(super) fn started_workers(&self) -> &[Arc<RemoteWorker>] {
        &self.workers[..self.started.load(Ordering::SeqCst)]
    }

    pub(super) fn regular(&self) -> &[Arc<RemoteWorker>] {
        &self.workers[..self.settings.workers]
    }

    /// Whether an unstarted coroutine may start. After the shutdown only the children of scopes do. Whoever
    /// owns the scope may be in a destructor, which tidies up with them as ever, and would unwind out of it
    /// if they came to nothing. It is cancelled itself, and cancels them in its turn where it may unwind.
    #[inline]
    pub(super) fn may_start(&self, task: &TaskRef) -> bool {
        !self.is_shut_down() || task.is_scoped()
    }

    #[inline]
    pub(crate) fn is_shut_down(&self) -> bool {
        self.shutdown.load(Ordering::Acquire)
    }

    /// The reactor of some worker, for a socket on which a plain thread waits in a `select!` or by a future.
    pub(crate) fn registrar(&self) -> Arc<Registrar> {
        let registrar = self.any_worker().registrar.get().cloned();
        registrar.expect("the regular workers have been started")
    }

    /// One of the regular workers, round-robin, but no blocked one if there is another.
    pub(super) fn any_worker(&self) -> Arc<RemoteWorker> {
        static TURN: AtomicUsize = AtomicUsize::new(0);
        self.worker_near(TURN.fetch_add(1, Ordering::Relaxed))
    }

    /// The regular worker of this number, modulo how many there are; or the next one that is not blocked, if any.
    pub(super) fn worker_near(&self, number: usize) -> Arc<RemoteWorker> {
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
    pub(crate) fn held_up(&self) -> u64 {
        self.held_up.load(Ordering::Relaxed)
    }

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

    /// The size of the stack of a coroutine for which nothing else was asked, in bytes.
    #[inline]
    pub(crate) fn stack_size(&self) -> usize {
        self.settings.stack_size.unwrap_or_else(defaults::stack_size)
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
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
