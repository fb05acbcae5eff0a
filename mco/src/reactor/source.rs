//! A socket as the reactor sees it: its [readiness](super::readiness), and how a coroutine waits for it.

#[cfg(unix)]
use std::sync::atomic::{AtomicU64, Ordering};

use super::readiness::{Event, Glance, Readiness, Side};
use crate::wait::{Hold, Wait, Waiter, WaiterList, Wake};

/// A socket as the reactor sees it. All of it lies in one line of the cache: an event for one of many
/// sockets finds it nowhere near.
#[repr(align(64))]
pub(crate) struct Source {
    readiness: Readiness,
    /// The number of events when they were last forgotten.
    #[cfg(unix)]
    forgotten: AtomicU64,
}

impl Source {
    /// Ready both ways, so that the first operation is tried.
    pub(super) fn new() -> Source {
        Source {
            readiness: Readiness::new(),
            #[cfg(unix)]
            forgotten: AtomicU64::new(0),
        }
    }

    #[inline]
    pub(super) fn readiness(&self) -> &Readiness {
        &self.readiness
    }

    #[inline]
    pub(super) fn glance(&self) -> Glance {
        self.readiness.glance()
    }

    #[cfg(unix)]
    pub(super) fn forget_events(&self) {
        self.forgotten.store(self.glance().events(), Ordering::Relaxed);
    }

    #[cfg(unix)]
    fn has_event(&self) -> bool {
        self.glance().events() != self.forgotten.load(Ordering::Relaxed)
    }

    /// Waits until the direction is ready: `true`, or until the deadline: `false`.
    #[inline]
    pub(super) fn wait(&self, side: Side, wait: &Wait) -> bool {
        let _entered = Entered { source: self, sides: &[side] };
        let _hold = Hold::new();
        loop {
            if !self.readiness.add(side, Waiter::current()) {
                return true;
            }
            if wait.park() == Wake::TimedOut {
                return self.glance().is_ready(side);
            }
            if self.glance().is_ready(side) {
                return true;
            }
        }
    }

    /// As [`wait`](Source::wait), for either direction.
    #[cfg(feature = "tls")]
    pub(super) fn wait_either(&self, wait: &Wait) -> bool {
        self.wait_both(wait, || {
            let glance = self.glance();
            glance.is_ready(Side::Read) || glance.is_ready(Side::Write)
        })
    }

    /// Waits for an event since the last `forget_events`.
    #[cfg(unix)]
    pub(super) fn wait_event(&self, wait: &Wait) {
        // It has no deadline of its own, so it ends with an event.
        self.wait_both(wait, || self.has_event());
    }

    /// Waits until `done`, which events of either direction may bring about: `true`, or until the
    /// deadline: `false`.
    #[cfg(any(unix, feature = "tls"))]
    fn wait_both(&self, wait: &Wait, done: impl Fn() -> bool) -> bool {
        let sides = &[Side::Read, Side::Write];
        let _entered = Entered { source: self, sides };
        let _hold = Hold::new();
        loop {
            for &side in sides {
                self.readiness.add(side, Waiter::current());
            }
            // An event after this wakes the waiter; one before it is seen.
            if done() {
                return true;
            }
            if wait.park() == Wake::TimedOut {
                return done();
            }
        }
    }

    /// As if there had been an event.
    #[cfg(any(unix, feature = "tls"))]
    pub(crate) fn pretend_event(&self) {
        self.readiness.note(Event::default().ready(Side::Read, false), |waiters| {
            waiters.wake_all();
        });
    }

    /// Notes what the system says, and gives those who wait for it to `woken`, to be woken without a
    /// lock.
    #[inline]
    pub(super) fn dispatch(&self, event: &mio::event::Event, woken: impl FnMut(WaiterList)) {
        // An error is reported by the operation that meets it, in either direction.
        let error = event.is_error();
        let mut ready = Event::default();
        let lasting = error || event.is_read_closed() || event.is_priority();
        if lasting || event.is_readable() {
            ready = ready.ready(Side::Read, lasting);
        }
        let lasting = error || event.is_write_closed();
        if lasting || event.is_writable() {
            ready = ready.ready(Side::Write, lasting);
        }
        self.readiness.note(ready, woken);
    }
}

/// Takes the current coroutine out of the lists, whichever way its wait ends.
struct Entered<'a> {
    source: &'a Source,
    sides: &'a [Side],
}

impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        for &side in self.sides {
            self.source.readiness.leave(side, |list| list.remove(&Waiter::current()));
        }
    }
}
