//! What a thread notes, and what it has to remember from one record to the next.
//!
//! A slice is recorded at its end, in one record. What others see of one that has not ended is
//! [`Running`]: its words are written while `id` is 0, with the fences of the [`ring`](super::ring).

use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};

use super::End;
use super::record::{
    self, FIRST, HOSTED, OUTSIDE_SPAWN, OUTSIDE_WAKE, READY, SLICE, SLICE_AT, SPAWN_AT, WAKE,
    WAKE_AT,
};
use super::ring::{Copied, Ring};
use super::stamp;

/// See the module. The thread alone writes.
pub(super) struct Lane {
    ring: Ring,
    /// The coroutine in whose slice it is; 0: in none.
    id: AtomicU64,
    /// Where that one was spawned.
    site: AtomicU64,
    /// When the slice has begun, if that is not when the last one has ended; else 0.
    begin: AtomicU64,
    /// When the last slice has ended, if nothing has happened since; else 0.
    last: AtomicU64,
    /// The last one that was woken at home in this slice, and is not in the ring; or 0.
    woken: AtomicU64,
    /// The next slice is its coroutine's first: `FIRST`; else 0.
    first: AtomicU64,
    /// As last recorded.
    ready: AtomicU64,
    /// Nothing is written any more.
    ended: AtomicBool,
}

/// A slice that has not ended.
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) site: Option<&'static Location<'static>>,
    pub(super) first: bool,
    pub(super) begin: Option<u64>,
}

impl Lane {
    pub(super) fn new(words: usize) -> Lane {
        let zero = || AtomicU64::new(0);
        Lane {
            ring: Ring::new(words),
            id: zero(),
            site: zero(),
            begin: zero(),
            last: zero(),
            woken: zero(),
            first: zero(),
            ready: zero(),
            ended: AtomicBool::new(false),
        }
    }

    #[inline(always)]
    pub(super) fn begin(&self, id: u64, site: &'static Location<'static>) {
        let begin = if self.last.load(Ordering::Relaxed) == 0 { stamp::now() } else { 0 };
        self.begin.store(begin, Ordering::Relaxed);
        self.site.store(record::site(site), Ordering::Relaxed);
        // Release: who sees it sees the others.
        self.id.store(id, Ordering::Release);
    }

    #[inline(always)]
    pub(super) fn end(&self, why: End) {
        let end = stamp::now();
        let (head, blocked) = record::end(self.id.load(Ordering::Relaxed), why);
        let head = head | record::head(self.first.load(Ordering::Relaxed), 0);
        let site = self.site.load(Ordering::Relaxed);
        let woken = self.woken.load(Ordering::Relaxed);
        let begin = self.begin.load(Ordering::Relaxed);
        if begin == 0 {
            self.ring.write([head | record::head(SLICE, 0), site, end, blocked, woken]);
        } else {
            self.ring.write([head | record::head(SLICE_AT, 0), site, end, blocked, woken, begin]);
        }
        self.last.store(end, Ordering::Relaxed);
        self.woken.store(0, Ordering::Relaxed);
        self.first.store(0, Ordering::Relaxed);
        self.id.store(0, Ordering::Relaxed);
        // So that what is written from here on is not seen before that.
        fence(Ordering::Release);
    }

    #[inline(always)]
    fn is_outside(&self) -> bool {
        self.id.load(Ordering::Relaxed) == 0
    }

    #[inline(always)]
    pub(super) fn wake(&self, id: u64, at_home: bool) {
        if at_home && self.woken.load(Ordering::Relaxed) == 0 && !self.is_outside() {
            self.woken.store(id, Ordering::Relaxed);
        } else {
            self.wake_another(id, at_home);
        }
    }

    #[cold]
    #[inline(never)]
    fn wake_another(&self, id: u64, at_home: bool) {
        if self.is_outside() {
            self.ring.write([record::head(OUTSIDE_WAKE, id), stamp::now()]);
        } else if at_home {
            self.keep_order();
            self.woken.store(id, Ordering::Relaxed);
        } else {
            self.keep_order();
            self.ring.write([record::head(WAKE_AT, id), stamp::now()]);
        }
    }

    pub(super) fn spawn(&self, id: u64) {
        self.keep_order();
        let kind = if self.is_outside() { OUTSIDE_SPAWN } else { SPAWN_AT };
        self.ring.write([record::head(kind, id), stamp::now()]);
    }

    /// Before something else happens in this slice.
    fn keep_order(&self) {
        match self.woken.swap(0, Ordering::Relaxed) {
            0 => {}
            woken => self.ring.write([record::head(WAKE, woken)]),
        }
    }

    pub(super) fn looked(&self, ready: usize) {
        self.last.store(0, Ordering::Relaxed);
        if self.ready.swap(ready as u64, Ordering::Relaxed) != ready as u64 {
            self.ring.write([record::head(READY, ready as u64), stamp::now()]);
        }
    }

    pub(super) fn hosted(&self, before: usize, now: usize) {
        if now > before {
            self.first.store(FIRST, Ordering::Relaxed);
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

    /// The newest of what is recorded, and the slice that has not ended, if it is not about to. By anyone.
    pub(super) fn copy(&self) -> (Copied, Option<Running>) {
        let copied = self.ring.copy();
        // Acquire pairs with the Release of `begin`.
        let id = self.id.load(Ordering::Acquire);
        let (site, begin) = (self.site.load(Ordering::Relaxed), self.begin.load(Ordering::Relaxed));
        let first = self.first.load(Ordering::Relaxed) != 0;
        // Pairs with the fence of `end`: if one of these was of another slice, this one's end is seen.
        fence(Ordering::Acquire);
        let still = self.id.load(Ordering::Relaxed) == id && self.ring.ends_with(&copied);
        let running = (id != 0 && still).then(|| {
            // SAFETY: what was read is of one slice, so the site is a place in the source.
            #[allow(unsafe_code)]
            let site = unsafe { record::place(site) };
            Running { id, site, first, begin: Some(begin).filter(|begin| *begin != 0) }
        });
        (copied, running)
    }

    /// For another thread, which begins after this.
    pub(super) fn reset(&self) {
        self.ring.clear();
        let words =
            [&self.id, &self.site, &self.begin, &self.last, &self.woken, &self.first, &self.ready];
        words.into_iter().for_each(|word| word.store(0, Ordering::Relaxed));
        self.ended.store(false, Ordering::Relaxed);
    }
}
