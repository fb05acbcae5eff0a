//! A runtime of one's own, and handles to runtimes.

use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::Arc;

use super::global;
use super::metrics::Metrics;
use crate::clock::VirtualClock;
use crate::coroutine::{self, Coroutine, JoinHandle};
use crate::defaults;
use crate::fiber::MIN_STACK_SIZE;
use crate::inspect;
use crate::scheduler::{self, Scheduler, Settings};
use crate::task::{SpawnOptions, TaskRef, cancel};
use crate::wait::ExternalWait;

/// Workers and their coroutines. See the [module](crate::runtime).
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
        self.handle.scheduler.stop(inspect::describe_remaining);
    }
}

/// Spawns onto a [`Runtime`], from anywhere. It does not keep the runtime alive: what is spawned
/// after the runtime was dropped is cancelled at once.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = mco::runtime::Runtime::builder().workers(1).build()?;
/// let handle = runtime.handle();
/// let other = std::thread::spawn(move || handle.spawn(|| 42).join().unwrap());
/// assert_eq!(other.join().unwrap(), 42);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Handle {
    scheduler: Arc<Scheduler>,
}

impl Handle {
    /// The runtime of the calling coroutine, or the global one.
    #[must_use]
    pub fn current() -> Handle {
        Handle { scheduler: global::with_current(Arc::clone) }
    }

    /// The global one, started if need be.
    pub(crate) fn try_global() -> io::Result<Handle> {
        Ok(Handle { scheduler: global::try_scheduler()?.clone() })
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

    pub(crate) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    fn options(&self, site: &'static Location<'static>) -> SpawnOptions {
        scheduler::spawn_options(None, self.scheduler.stack_size(), site)
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
///
/// # Examples
///
/// ```
/// mco::spawn(|| ()).join().unwrap();
/// assert!(mco::runtime::metrics().spawned() >= 1);
/// ```
#[must_use]
pub fn metrics() -> Metrics {
    Handle::current().metrics()
}

/// Builds a [`Runtime`].
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let runtime = mco::runtime::Runtime::builder()
///     .workers(2)
///     .name("batch")
///     .stack_size(256 * 1024)
///     .build()?;
/// assert_eq!(runtime.metrics().workers().len(), 2);
/// # Ok(())
/// # }
/// ```
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
        let invalid = |text: String| Err(io::Error::new(io::ErrorKind::InvalidInput, text));
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
            workers: self.workers.unwrap_or_else(defaults::workers),
            stack_size: self.stack_size,
            pool_capacity: self.pool_capacity.unwrap_or_else(defaults::pool_capacity),
            virtual_clock: self.virtual_time.then(|| Arc::new(VirtualClock::new())),
            seed: self.seed,
            test_run: self.test_run.unwrap_or_else(scheduler::current_test_run),
        };
        let scheduler = global::start(settings)?;
        Ok(Runtime { handle: Handle { scheduler } })
    }
}
