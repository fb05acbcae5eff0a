//! Settings of the global runtime, and defaults of the others.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::defaults::{self, BLOCKING_THREADS, STACK_SIZE, Values};

static CONFIG: Config = Config { values: &defaults::VALUES };

/// The settings of the global runtime, which are also the defaults of every
/// [`Runtime`](crate::runtime::Runtime) built by hand.
///
/// Set them before the first coroutine is spawned: the global runtime starts with what it finds
/// then. The stack size is looked at by each spawn, so it can be changed at any time.
///
/// # Examples
///
/// ```
/// mco::config().set_workers(2).set_stack_size(1024 * 1024);
/// assert_eq!(mco::config().get_workers(), 2);
/// ```
#[must_use]
pub fn config() -> &'static Config {
    &CONFIG
}

/// See [`config`].
///
/// # Examples
///
/// ```
/// let config: &'static mco::Config = mco::config();
/// config.set_stack_size(256 * 1024);
/// assert_eq!(config.get_stack_size(), 256 * 1024);
/// ```
pub struct Config {
    values: &'static Values,
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Values { workers, stack_size, pool_capacity, blocking_threads } = self.values;
        f.debug_struct("Config")
            .field("workers", workers)
            .field("stack_size", stack_size)
            .field("pool_capacity", pool_capacity)
            .field("blocking_threads", blocking_threads)
            .finish()
    }
}

impl Config {
    /// Sets the number of threads that run coroutines. Default: one for each processor.
    ///
    /// # Panics
    ///
    /// If `workers` is 0.
    #[track_caller]
    pub fn set_workers(&self, workers: usize) -> &Self {
        assert!(
            workers > 0,
            "`set_workers(0)`: a runtime needs at least one worker; leave the call out for one \
             worker for each processor"
        );
        self.values.workers.store(workers, Ordering::Relaxed);
        self
    }

    /// The number of threads that run coroutines.
    #[must_use]
    pub fn get_workers(&self) -> usize {
        defaults::workers()
    }

    /// Sets the size of a coroutine's stack, in bytes, for spawns that do not say. Default: 6 MiB,
    /// of which a coroutine uses memory only as far as its stack has grown. At least 64 KiB are
    /// given.
    ///
    /// In a process that locks its memory (`mlockall` with `MCL_FUTURE`) each stack takes all of its memory
    /// when it is mapped, and counts against `ulimit -l`: choose a size that fits, or lock with
    /// `MCL_ONFAULT`, which leaves it as it is. Each stack takes two of the process's mappings then, of which
    /// there are 65,530 unless `vm.max_map_count` is raised.
    ///
    /// # Panics
    ///
    /// If `bytes` is 0.
    #[track_caller]
    pub fn set_stack_size(&self, bytes: usize) -> &Self {
        assert!(
            bytes > 0,
            "`set_stack_size(0)`: a coroutine needs a stack; leave the call out for the default \
             of {STACK_SIZE} bytes"
        );
        self.values.stack_size.store(bytes, Ordering::Relaxed);
        self
    }

    /// The size of a coroutine's stack, in bytes, for spawns that do not say.
    #[must_use]
    pub fn get_stack_size(&self) -> usize {
        defaults::stack_size()
    }

    /// Sets how many stacks without a coroutine a runtime keeps at most for the next ones. Default:
    /// 16,384. Those that were not used for some seconds are not kept, but for a few.
    pub fn set_pool_capacity(&self, stacks: usize) -> &Self {
        self.values.pool_capacity.store(stacks, Ordering::Relaxed);
        self
    }

    /// How many stacks without a coroutine a runtime keeps at most.
    #[must_use]
    pub fn get_pool_capacity(&self) -> usize {
        defaults::pool_capacity()
    }

    /// Sets whether the signal `SIGQUIT` (Ctrl-\\ in a terminal) has the process print a
    /// [`dump`](crate::debug::dump()) of all its coroutines on standard error and go on, instead of
    /// ending it. Default: whether `MCO_DUMP=1` is in the environment when the first runtime starts.
    /// Takes effect at once; it takes the place of another handler of that signal, which is put back when
    /// this is switched off. On other systems than Unix there is no such signal, and nothing happens.
    ///
    /// # Examples
    ///
    /// ```
    /// mco::config().set_dump_on_sigquit(true);
    /// # #[cfg(unix)]
    /// assert!(mco::config().get_dump_on_sigquit());
    /// ```
    #[cfg(feature = "dump")]
    pub fn set_dump_on_sigquit(&self, on: bool) -> &Self {
        #[cfg(unix)]
        crate::inspect::sigquit::switch(on);
        #[cfg(not(unix))]
        let _ = on;
        self
    }

    /// [`set_dump_on_sigquit`](Config::set_dump_on_sigquit) under a shorter name.
    #[cfg(feature = "dump")]
    pub fn dump_on_sigquit(&self, on: bool) -> &Self {
        self.set_dump_on_sigquit(on)
    }

    /// Whether `SIGQUIT` has the process print a dump.
    #[cfg(feature = "dump")]
    #[must_use]
    pub fn get_dump_on_sigquit(&self) -> bool {
        #[cfg(unix)]
        return crate::inspect::sigquit::is_on();
        #[cfg(not(unix))]
        return false;
    }

    /// Sets how many threads the blocking pool has at most; see [`blocking`](crate::blocking()).
    /// Default: 512, since they exist only while they are used. Can be changed at any time.
    ///
    /// # Panics
    ///
    /// If `threads` is 0.
    #[track_caller]
    pub fn set_blocking_threads(&self, threads: usize) -> &Self {
        assert!(
            threads > 0,
            "`set_blocking_threads(0)`: the pool needs at least one thread; leave the call out for \
             up to {BLOCKING_THREADS}"
        );
        self.values.blocking_threads.store(threads, Ordering::Relaxed);
        self
    }

    /// How many threads the blocking pool has at most.
    #[must_use]
    pub fn get_blocking_threads(&self) -> usize {
        defaults::blocking_threads()
    }
}
