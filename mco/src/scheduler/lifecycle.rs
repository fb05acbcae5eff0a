//! How a runtime's workers start, and how they end.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

use super::entry::discard;
use super::global_queue::GlobalQueue;
use super::idle::Idle;
use super::local::{self, LocalWorker};
use super::monitor::{self, Monitor};
use super::quiescence::Quiescence;
use super::shared::{self, Scheduler, Settings};
use super::shutdown_waits::ShutdownWait;
use super::worker::RemoteWorker;
use crate::clock::Timestamp;
use crate::task::{self, Reason};
use crate::wait::{ExternalWait, Wait, Waiter, WaiterList};
use crate::{blocking_pool, forked, report, trace};

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
        forked::install(local::mark_forked_worker);
        task::install_handlers();
        let regular = settings.workers;
        let now = settings.virtual_clock.as_ref().map(|clock| clock.now());
        let slots = regular + spares(regular);
        let scheduler = Arc::new(Scheduler {
            workers: (0..slots).map(|index| Arc::new(RemoteWorker::new(index, now))).collect(),
            started: AtomicUsize::new(0),
            global_queue: GlobalQueue::new(),
            idle: Idle::new(regular, slots),
            monitor: Monitor::new(),
            quiescence: Quiescence::new(),
            idle_policy: OnceLock::new(),
            shutdown: AtomicBool::new(false),
            blocked: AtomicUsize::new(0),
            spawned_outside: AtomicU64::new(0),
            held_up: AtomicU64::new(0),
            without_stack: AtomicU32::new(0),
            alive: AtomicUsize::new(0),
            stopping: Mutex::new(WaiterList::new()),
            threads: Mutex::new(Vec::new()),
            traced: trace::start(&settings.name, task::reason_text),
            settings,
        });
        let started = (0..regular)
            .try_for_each(|index| scheduler.start_worker(index))
            .and_then(|()| monitor::start(&scheduler, Scheduler::start_worker));
        if let Err(error) = started {
            scheduler.stop(|_| String::new());
            return Err(error);
        }
        shared::remember(&scheduler);
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
        let run = move || local::run(scheduler, worker, resources);
        self.quiescence.activate();
        self.start_thread(name, run).inspect_err(|_| {
            self.quiescence.deactivate();
            self.workers[index].leave();
        })?;
        Ok(())
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
        let on_worker = LocalWorker::with(|local| local.is_of(self));
        if on_worker == Some(true) {
            // The workers do all the rest.
            return;
        }
        let caller = LocalWorker::with(|local| local.scheduler().clone());
        let caller = caller.filter(|_| task::current::running().is_some());
        let waits = match caller.map(|caller| ShutdownWait::begin(&caller, self)) {
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
            blocking_pool::run_user_code(move || {
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
}

/// How many spare workers there may be.
fn spares(regular: usize) -> usize {
    regular.clamp(16, 64)
}
