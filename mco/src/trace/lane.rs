//! What a worker's thread records, and what it has to remember from one record to the next.
//!
//! A slice is recorded at its end, in one record. Of a slice that has not ended, other threads see what the worker
//! shows ([`TracedWorker`]), and from the lane when it began.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::record::{
    self, FIRST, HOSTED, OUTSIDE_SPAWN, OUTSIDE_WAKE, READY, SLICE, SLICE_AT, SPAWN_AT, WAKE,
    WAKE_AT,
};
use super::ring::{Copied, Ring};
use super::slice_end::SliceEnd;
use super::stamp;

/// A worker, as others see it.
pub(crate) trait TracedWorker: Send + Sync {
    /// The id of the coroutine that it runs, and where that one was spawned.
    fn running(&self) -> Option<(u64, &'static Location<'static>)>;
}

/// See the module. The thread alone writes.
pub(super) struct Lane {
    ring: Ring,
    /// When the last slice has ended, if nothing has happened since; else 0.
    last: AtomicU64,
    /// When the slice has begun, if that is not when the last one has ended; else 0.
    begin: AtomicU64,
    /// The last one that was woken at home in this slice, and is not in the ring; or 0.
    woken: AtomicU64,
    /// The next slice is its coroutine's first: `FIRST`; else 0. Then it has a begin of its own.
    first: AtomicU64,
    /// As last recorded.
    ready: AtomicU64,
    /// Nothing is written any more.
    ended: AtomicBool,
}

/// A slice that has not ended.
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) site: &'static Location<'static>,
    pub(super) first: bool,
    pub(super) begin: Option<u64>,
}

impl Lane {
    pub(super) fn new(words: usize) -> Lane {
        let zero = || AtomicU64::new(0);
        Lane {
            ring: Ring::new(words),
            last: zero(),
            begin: zero(),
            woken: zero(),
            first: zero(),
            ready: zero(),
            ended: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    pub(super) fn begin(&self) {
        if self.last.load(Ordering::Relaxed) == 0 {
            self.begin_now();
        }
    }

    #[cold]
    #[inline(never)]
    fn begin_now(&self) {
        self.begin.store(stamp::now(), Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn end(&self, id: u64, site: &'static Location<'static>, why: SliceEnd) {
        let end = stamp::now();
        self.last.store(end, Ordering::Relaxed);
        if self.begin.load(Ordering::Relaxed) != 0 {
            return self.end_of_begun(id, site, why, end);
        }
        let (head, blocked) = record::end(SLICE, id, why);
        let woken = self.woken.load(Ordering::Relaxed);
        self.ring.write([head, record::site(site), end, blocked, woken]);
        self.woken.store(0, Ordering::Relaxed);
    }

    #[cold]
    #[inline(never)]
    fn end_of_begun(&self, id: u64, site: &'static Location<'static>, why: SliceEnd, end: u64) {
        let kind = SLICE_AT | self.first.load(Ordering::Relaxed);
        let (head, blocked) = record::end(kind, id, why);
        let woken = self.woken.load(Ordering::Relaxed);
        let begin = self.begin.load(Ordering::Relaxed);
        self.ring.write([head, record::site(site), end, blocked, woken, begin]);
        self.woken.store(0, Ordering::Relaxed);
        self.first.store(0, Ordering::Relaxed);
        self.begin.store(0, Ordering::Relaxed);
    }

    #[inline(always)]
    pub(super) fn wake(&self, id: u64, at_home: bool, in_slice: bool) {
        if at_home && in_slice && self.woken.load(Ordering::Relaxed) == 0 {
            self.woken.store(id, Ordering::Relaxed);
        } else {
            self.wake_another(id, at_home, in_slice);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_another(&self, id: u64, at_home: bool, in_slice: bool) {
        self.keep_order();
        if !in_slice {
            self.ring.write([record::head(OUTSIDE_WAKE, id), stamp::now()]);
        } else if at_home {
            self.woken.store(id, Ordering::Relaxed);
        } else {
            self.ring.write([record::head(WAKE_AT, id), stamp::now()]);
        }
    }

    pub(super) fn spawn(&self, id: u64, in_slice: bool) {
        self.keep_order();
        let kind = if in_slice { SPAWN_AT } else { OUTSIDE_SPAWN };
        self.ring.write([record::head(kind, id), stamp::now()]);
    }

    /// Before something else happens in this slice.
    fn keep_order(&self) {
        let woken = self.woken.load(Ordering::Relaxed);
        if woken != 0 {
            self.woken.store(0, Ordering::Relaxed);
            self.ring.write([record::head(WAKE, woken)]);
        }
    }

    /// Since the last slice time has passed that is not the next one's.
    pub(super) fn pass(&self) {
        self.last.store(0, Ordering::Relaxed);
    }

    pub(super) fn looked(&self, ready: usize) {
        self.pass();
        if self.ready.load(Ordering::Relaxed) != ready as u64 {
            self.ready.store(ready as u64, Ordering::Relaxed);
            self.ring.write([record::head(READY, ready as u64), stamp::now()]);
        }
    }

    pub(super) fn hosted(&self, before: usize, now: usize) {
        if now > before {
            self.first.store(FIRST, Ordering::Relaxed);
            // What it took to start it is no part of its slice.
            self.pass();
        }
        self.ring.write([record::head(HOSTED, now as u64)]);
    }

    /// The thread writes no more.
    pub(super) fn leave(&self) {
        // Release pairs with the Acquire of `has_ended`: all of it is there.
        self.ended.store(true, Ordering::Release);
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    /// The newest of what is recorded, and the slice that has not ended, if it does not just now. By anyone.
    pub(super) fn copy(&self, worker: &dyn TracedWorker) -> (Copied, Option<Running>) {
        let copied = self.ring.copy();
        let running = worker.running();
        let begin = self.begin.load(Ordering::Relaxed);
        let first = self.first.load(Ordering::Relaxed) != 0;
        // If a slice has ended since, this may be of two; and then its worker is not stuck.
        let still = worker.running() == running && self.ring.ends_with(&copied);
        let running = running.filter(|_| still && !self.has_ended());
        let begin = Some(begin).filter(|begin| *begin != 0);
        (copied, running.map(|(id, site)| Running { id, site, first, begin }))
    }

    /// For another thread, which begins after this.
    pub(super) fn reset(&self) {
        self.ring.clear();
        let words = [&self.last, &self.begin, &self.woken, &self.first, &self.ready];
        words.into_iter().for_each(|word| word.store(0, Ordering::Relaxed));
        self.ended.store(false, Ordering::Relaxed);
    }
}
