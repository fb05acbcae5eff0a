//! What a spawn knows of a new coroutine, and the numbers that are given away.

use std::cell::Cell;
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fiber::Pool;
use crate::task::SpawnOptions;

thread_local! {
    /// Ids that this thread may give away: the next one and the end of its block.
    static IDS: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// A number for a new coroutine, unique in the process.
#[inline]
fn next_id() -> u64 {
    IDS.with(|ids| {
        let (mut next, mut end) = ids.get();
        if next == end {
            (next, end) = next_block();
        }
        ids.set((next + 1, end));
        next
    })
}

#[cold]
fn next_block() -> (u64, u64) {
    const BLOCK: u64 = 1024;
    static BLOCKS: AtomicU64 = AtomicU64::new(1);
    let next = BLOCKS.fetch_add(BLOCK, Ordering::Relaxed);
    (next, next + BLOCK)
}

/// The number of a new test run.
pub(crate) fn new_test_run() -> u64 {
    static TEST_RUNS: AtomicU64 = AtomicU64::new(1);
    TEST_RUNS.fetch_add(1, Ordering::Relaxed)
}

/// The options of a coroutine that is about to be spawned, with a new id.
#[inline]
pub(crate) fn spawn_options(
    name: Option<Box<str>>,
    stack_size: usize,
    spawned_at: &'static Location<'static>,
) -> SpawnOptions {
    let stack_size = Pool::class_size(stack_size);
    SpawnOptions { id: next_id(), name, stack_size, spawned_at }
}
