//! Runtimes: a number of workers and the coroutines that they run.
//!
//! Most programs need none of this: the global runtime starts when the first coroutine is spawned,
//! with what [`config`](crate::config()) says. A [`Runtime`] of its own is for tests, for a library
//! that wants its own workers, and for ending everything at a certain point: dropping it does.

pub(crate) mod dump;
mod metrics;

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use once_cell::sync::OnceCell;

pub use metrics::{Metrics, WorkerMetrics};

#[cfg(feature = "hyper")]
pub use crate::bridge::{Executor, Timer};

#[cfg(feature = "calendar")]
use crate::clock;
use crate::clock::VirtualClock;
use crate::config::config;
use crate::coroutine::{self, Coroutine, JoinHandle};
use crate::fiber::MIN_STACK_SIZE;
use crate::runtime_thread;
use crate::scheduler::{self, Scheduler, Settings};
use crate::task::{SpawnOptions, TaskRef, cancel, stack_check};
use crate::wait::ExternalWait;

/// The runtime of the plain threads, and of `#[mco::main]`. Never dropped.
static GLOBAL: OnceCell<Runtime> = OnceCell::new();

/// The global runtime, started if need be.
pub(crate) fn global() -> &'static Runtime {
    try_global().unwrap_or_else(|error| panic!("mco: the global runtime cannot start: {error}"))
}

/// As [`global`], for those who can say it better than with a panic.
pub(crate) fn try_global() -> io::Result<&'static Runtime> {
    GLOBAL.get_or_try_init(|| {
        runtime_thread::on_raw_thread(|| Runtime::builder().name("mco").build())
    })
}

/// The scheduler of the [`global`] runtime.
pub(crate) fn global_scheduler() -> Arc<Scheduler> {
    global().handle.scheduler.clone()
}

/// Calls `f` with the scheduler of the current worker, or the global one.
fn with_current<R>(f: impl Fn(&Arc<Scheduler>) -> R) -> R {
    scheduler::with_current(&f).unwrap_or_else(|| f(&global().handle.scheduler))
}

/// Spawns a coroutine on the current runtime, or the global one: `create` makes it.
pub(crate) fn spawn_current(
    name: Option<String>,
    stack_size: Option<usize>,
    site: &'static Location<'static>,
    create: impl FnOnce(SpawnOptions) -> TaskRef,
) -> Coroutine {
    let mut options = with_current(options_at(stack_size, site));
    options.name = name.map(String::into_boxed_str);
    let task = create(options);
    with_current(|scheduler| scheduler.spawn(task.clone()));
    Coroutine::new(task)
}

/// The same for a timer, by the worker that fires it: behind those of earlier ones.
pub(crate) fn spawn_from_timer(
    site: &'static Location<'static>,
    create: impl FnOnce(SpawnOptions) -> TaskRef,
) -> Coroutine {
    let task = create(with_current(options_at(None, site)));
    with_current(|scheduler| scheduler.spawn_from_timer(task.clone()));
    Coroutine::new(task)
}

fn options_at(
    stack_size: Option<usize>,
    site: &'static Location<'static>,
) -> impl Fn(&Arc<Scheduler>) -> SpawnOptions {
    move |scheduler| {
        let stack_size = stack_size.or(scheduler.settings().stack_size);
        let stack_size = stack_size.unwrap_or_else(|| config().get_stack_size());
        scheduler::spawn_options(None, stack_size, site)
    }
}

/// Workers and their coroutines. See the [module](self).
///
/// Dropping it cancels every coroutine that it runs, waits until they have unwound on their own
/// workers, and joins the workers. Coroutines that have not started never will; their handles
/// report [`Cancelled`](crate::coroutine::Cancelled). If it is dropped by one of its own
/// coroutines, all this happens, but the drop does not wait for it; nor does it if two runtimes are
/// dropped by coroutines of each other, where one would wait for the other for ever. That is not seen where one of the
/// drops is in a job of [`blocking`](crate::blocking()), whose coroutine waits for it. A coroutine that does
/// not end has the drop wait; after a second a line on standard error says which, and where it waits.
///
/// Nothing of a runtime works in the child of a `fork`, in which it has no threads: to spawn or to hand over a
/// blocking job panics there, a coroutine that waits ends the child with a message, a new runtime is an error,
/// and to drop one does nothing.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = mco::runtime::Runtime::builder().workers(2).build()?;
/// let text = String::from("borrowed");
/// let length = runtime.run(|| text.len());
/// assert_eq!(length, 8);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Runtime {
    handle: Handle,
}

impl Runtime {
    /// A runtime with the settings of [`config`](crate::config()), to be changed before `build`.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// Runs `f` as a coroutine of this runtime and waits for its end. `f` may borrow.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If `f` panics, with its payload. If the calling coroutine is cancelled, `f` is too.
    ///
    /// By a coroutine of another runtime whose clock is virtual: that one stands still until `f` has ended.
    #[track_caller]
    pub fn run<F, T>(&self, f: F) -> T
    where
        F: FnOnce() -> T + Send,
        T: Send,
    {
        let options = self.handle.options(Location::caller());
        let _external_wait = self.handle.scheduler.holds_clock_of_caller().then(ExternalWait::new);
        let output = coroutine::scope(|s| {
            let root = s.spawn_by(f, |create| {
                let task = create(options);
                self.handle.scheduler.spawn(task.clone());
                Coroutine::new(task)
            });
            root.join()
        });
        output.unwrap_or_else(|payload| cancel::resume_unwind(payload))
    }

    /// Spawns a coroutine on this runtime. [Never waits](crate#what-waits).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.handle.spawn(f)
    }

    /// A handle, by which others spawn onto this runtime.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// What this runtime has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.handle.metrics()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.handle.scheduler.stop(dump::describe_remaining);
    }
}

/// Spawns onto a [`Runtime`], from anywhere. It does not keep the runtime alive: what is spawned
/// after the runtime was dropped is cancelled at once.
#[derive(Clone)]
pub struct Handle {
    scheduler: Arc<Scheduler>,
}

impl Handle {
    /// The runtime of the calling coroutine, or the global one.
    #[must_use]
    pub fn current() -> Handle {
        Handle { scheduler: with_current(Arc::clone) }
    }

    /// Spawns a coroutine on the runtime. [Never waits](crate#what-waits).
    #[track_caller]
    pub fn spawn<F, T>(&self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_as(self.options(Location::caller()), f)
    }

    /// Spawns the root coroutine of a program or a test, which was written at `site`.
    pub(crate) fn spawn_root<F, T>(
        &self,
        name: &str,
        site: &'static Location<'static>,
        f: F,
    ) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        self.spawn_as(SpawnOptions { name: Some(name.into()), ..self.options(site) }, f)
    }

    fn spawn_as<F, T>(&self, options: SpawnOptions, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = TaskRef::create(f, options);
        self.scheduler.spawn(task.clone());
        JoinHandle::new(Coroutine::new(task))
    }

    /// What the runtime has done so far.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        Metrics::of(&self.scheduler)
    }

    pub(crate) fn scheduler(&self) -> &Scheduler {
        &self.scheduler
    }

    fn options(&self, site: &'static Location<'static>) -> SpawnOptions {
        let stack_size = self.scheduler.settings().stack_size;
        let stack_size = stack_size.unwrap_or_else(|| config().get_stack_size());
        scheduler::spawn_options(None, stack_size, site)
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings = self.scheduler.settings();
        let mut debug = f.debug_struct("Handle");
        debug.field("name", &settings.name).field("workers", &settings.workers);
        debug.finish_non_exhaustive()
    }
}

/// What the runtime of the calling coroutine, or the global one, has done so far.
///
/// # Panics
///
/// If the global runtime is needed and cannot start.
#[must_use]
pub fn metrics() -> Metrics {
    Handle::current().metrics()
}

/// Builds a [`Runtime`].
#[derive(Clone, Debug, Default)]
pub struct Builder {
    workers: Option<usize>,
    stack_size: Option<usize>,
    pool_capacity: Option<usize>,
    name: Option<String>,
    virtual_time: bool,
    seed: Option<u64>,
    test_run: Option<u64>,
}

/// What tests ask for.
impl Builder {
    /// With a virtual clock.
    pub(crate) fn virtual_time(mut self, virtual_time: bool) -> Builder {
        self.virtual_time = virtual_time;
        self
    }

    /// With an order of coroutines that `seed` decides. Such a runtime has one worker.
    pub(crate) fn seed(mut self, seed: Option<u64>) -> Builder {
        self.seed = seed;
        self
    }

    /// As a test run of its own: for one run of a test.
    pub(crate) fn new_test_run(mut self) -> Builder {
        self.test_run = Some(scheduler::new_test_run());
        self
    }
}

impl Builder {
    /// The number of threads that run coroutines.
    #[must_use]
    pub fn workers(mut self, workers: usize) -> Builder {
        self.workers = Some(workers);
        self
    }

    /// The size of a coroutine's stack, in bytes, for spawns that do not say.
    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// How many stacks without a coroutine are kept at most for the next ones.
    #[must_use]
    pub fn pool_capacity(mut self, stacks: usize) -> Builder {
        self.pool_capacity = Some(stacks);
        self
    }

    /// The name with which those of the runtime's threads begin.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// Starts the runtime's threads.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if the number of workers or the stack size is 0, more than 4,096 workers are asked
    /// for, or the name contains a NUL. `Unsupported` in the child of a `fork`, if its parent had a runtime.
    /// Otherwise what the system says when it is out of threads or descriptors.
    pub fn build(self) -> io::Result<Runtime> {
        const MAX_WORKERS: usize = 4096;
        // While there may be only one thread.
        #[cfg(feature = "calendar")]
        clock::local_offset();
        #[cfg(all(unix, feature = "dump"))]
        dump::sigquit::install_if_asked();
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        let workers = self.workers.unwrap_or_else(|| config().get_workers());
        if workers == 0 || workers > MAX_WORKERS {
            return invalid(format!(
                "a runtime of {workers} workers: ask for 1 to {MAX_WORKERS}, or leave `workers` \
                 out for one for each processor"
            ));
        }
        if self.stack_size == Some(0) {
            return invalid(format!(
                "a stack size of 0 bytes: ask for at least {MIN_STACK_SIZE}, or leave `stack_size` \
                 out for the default"
            ));
        }
        if let Some(name) = self.name.as_ref().filter(|name| name.contains('\0')) {
            return invalid(format!(
                "a runtime with the name {name:?}: a name of threads cannot contain a NUL; leave it out"
            ));
        }
        let settings = Settings {
            name: self.name.unwrap_or_else(|| "mco".to_owned()),
            workers,
            stack_size: self.stack_size,
            pool_capacity: self.pool_capacity.unwrap_or_else(|| config().get_pool_capacity()),
            virtual_clock: self.virtual_time.then(|| Arc::new(VirtualClock::new())),
            seed: self.seed,
            test_run: self.test_run.unwrap_or_else(scheduler::current_test_run),
        };
        let scheduler = Scheduler::start(settings).map_err(|error| {
            if error.kind() == io::ErrorKind::Unsupported {
                return error;
            }
            let text = format!(
                "a runtime of {workers} workers could not start: {error}; ask for fewer, or raise \
                 the limit of threads (`ulimit -u`) or descriptors (`ulimit -n`)"
            );
            io::Error::new(error.kind(), text)
        })?;
        stack_check::prepare();
        Ok(Runtime { handle: Handle { scheduler } })
    }
}
