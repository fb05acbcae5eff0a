//! Settings of the global runtime, and defaults of the others, as plain data: [`config`](crate::config()) sets them.

use std::sync::atomic::{AtomicUsize, Ordering};

/// 6 MiB of address space; memory is used only as far as the stack grows.
pub(crate) const STACK_SIZE: usize = 6 * 1024 * 1024;
const POOL_CAPACITY: usize = 16 * 1024;
pub(crate) const BLOCKING_THREADS: usize = 512;

/// The values. Each is read where it is needed.
#[derive(Debug)]
pub(crate) struct Values {
    /// 0: as many as there are processors.
    pub(crate) workers: AtomicUsize,
    pub(crate) stack_size: AtomicUsize,
    pub(crate) pool_capacity: AtomicUsize,
    pub(crate) blocking_threads: AtomicUsize,
}

pub(crate) static VALUES: Values = Values {
    workers: AtomicUsize::new(0),
    stack_size: AtomicUsize::new(STACK_SIZE),
    pool_capacity: AtomicUsize::new(POOL_CAPACITY),
    blocking_threads: AtomicUsize::new(BLOCKING_THREADS),
};

/// The number of threads that run coroutines.
pub(crate) fn workers() -> usize {
    match VALUES.workers.load(Ordering::Relaxed) {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

/// The size of a coroutine's stack, in bytes, for spawns that do not say.
pub(crate) fn stack_size() -> usize {
    VALUES.stack_size.load(Ordering::Relaxed)
}

/// How many stacks without a coroutine a runtime keeps at most.
pub(crate) fn pool_capacity() -> usize {
    VALUES.pool_capacity.load(Ordering::Relaxed)
}

/// How many threads the blocking pool has at most.
pub(crate) fn blocking_threads() -> usize {
    VALUES.blocking_threads.load(Ordering::Relaxed)
}
