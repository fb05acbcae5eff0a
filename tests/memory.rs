//! What grows with a burst gives its memory back as it drains, at a constant cost for each that is taken out.
//!
//! Counted by an allocator that counts, for the whole process; so it is one test, step by step.

#![allow(unsafe_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mco::coroutine;
use mco::runtime::Runtime;
use mco::std::sync::channel::{bounded, unbounded};
use mco::std::sync::{Semaphore, SyncFlag};
use mco::std::time::after;
use mco_tests::{HUNG, within};

/// The system's, which counts.
struct Counting;

static BYTES: AtomicUsize = AtomicUsize::new(0);
/// Allocations, reallocations and releases of 4 KiB or more.
static LARGE: AtomicUsize = AtomicUsize::new(0);

fn count(size: usize) {
    if size >= 4096 {
        LARGE.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: all is passed on to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        count(layout.size());
        // SAFETY: the caller's promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        count(layout.size());
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size, Ordering::Relaxed);
        BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        count(layout.size().max(size));
        // SAFETY: as above.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn bytes() -> usize {
    BYTES.load(Ordering::Relaxed)
}

const MESSAGES: usize = 400_000;
/// What may be left: a few KiB for each container.
const LEFT: usize = 64 << 10;

#[test]
fn a_burst_leaves_nothing_behind() {
    within(HUNG, || {
        unbounded_channel();
        bounded_channel();
        // Of the stacks few are kept, which would be kept for some ten seconds otherwise.
        let runtime = Runtime::builder().workers(1).pool_capacity(16).build().unwrap();
        runtime.run(coroutines_and_timers);
    });
}

fn unbounded_channel() {
    let (sender, receiver) = unbounded();
    let before = bytes();
    (0..MESSAGES).for_each(|n| sender.send(n).unwrap());
    let full = bytes() - before;
    assert!(full >= MESSAGES * size_of::<usize>(), "{full}");
    let operations = LARGE.load(Ordering::Relaxed);
    for n in 0..MESSAGES {
        assert_eq!(receiver.recv(), Ok(n));
        let (left, taken) = (MESSAGES - n, bytes().saturating_sub(before));
        // A quarter of it is in use, and a cut leaves the half; of a capacity that is a power of two.
        assert!(taken <= 10 * left * size_of::<usize>() + LEFT, "{left} left, {taken} bytes");
    }
    assert!(bytes() <= before + LEFT, "{} of {full} bytes are left", bytes() - before);
    let operations = LARGE.load(Ordering::Relaxed) - operations;
    assert!(operations < 100, "{operations} operations of the allocator");
}

fn bounded_channel() {
    let (sender, receiver) = bounded(MESSAGES);
    let before = bytes();
    (0..MESSAGES).for_each(|n| sender.send(n).unwrap());
    assert_eq!(receiver.try_iter().count(), MESSAGES);
    assert!(bytes() <= before + LEFT, "{} bytes are left", bytes() - before);
}

/// The queue of what is ready, the worker's register, the waiters of an event, the timers.
fn coroutines_and_timers() {
    const MANY: usize = 20_000;
    let before = bytes();
    {
        let (flag, arrived, done) = (SyncFlag::new(), Semaphore::new(0), Semaphore::new(0));
        coroutine::scope(|s| {
            for _ in 0..MANY {
                s.spawn(|| {
                    arrived.post();
                    flag.wait();
                    coroutine::yield_now();
                    done.post();
                });
            }
            (0..MANY).for_each(|_| arrived.wait());
            flag.fire();
            (0..MANY).for_each(|_| done.wait());
        });
        drop((0..MANY).map(|_| after(Duration::from_secs(3600))).collect::<Vec<_>>());
    }
    let start = Instant::now();
    while bytes() > before + 4 * LEFT {
        assert!(start.elapsed() < HUNG / 2, "{} bytes are left", bytes() - before);
        coroutine::sleep(Duration::from_millis(5));
    }
}
