//! What the reactor remembers of a socket: its [readiness](super::readiness). And how a coroutine waits for it.

#[cfg(unix)]
use std::sync::atomic::{AtomicU64, Ordering};

use super::readiness::{Direction, Event, Readiness, Snapshot};
use crate::wait::{ExternalWait, Wait, Waiter, WaiterList, Wake};

/// What the reactor remembers of a socket. It fits into one line of the cache, since with many sockets each event
/// finds it outside.
#[repr(align(64))]
pub(crate) struct IoState {
    readiness: Readiness,
    /// The number of events at the last `forget_events`.
    #[cfg(unix)]
    forgotten: AtomicU64,
}

impl IoState {
    /// Ready both ways, so that the first operation is tried.
    pub(super) fn new() -> IoState {
        IoState {
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
    pub(super) fn snapshot(&self) -> Snapshot {
        self.readiness.snapshot()
    }

    #[cfg(unix)]
    pub(super) fn forget_events(&self) {
        self.forgotten.store(self.snapshot().events(), Ordering::Relaxed);
    }

    #[cfg(unix)]
    fn has_event(&self) -> bool {
        self.snapshot().events() != self.forgotten.load(Ordering::Relaxed)
    }

    /// Waits until the direction is ready: `true`, or until the deadline: `false`.
    #[inline]
    pub(super) fn wait(&self, direction: Direction, wait: &Wait) -> bool {
        let _entered = ListedWaiter { state: self, directions: &[direction] };
        let _external_wait = ExternalWait::new();
        loop {
            if !self.readiness.add(direction, Waiter::current()) {
                return true;
            }
            if wait.park() == Wake::TimedOut {
                return self.snapshot().is_ready(direction);
            }
            if self.snapshot().is_ready(direction) {
                return true;
            }
        }
    }

    /// As [`wait`](IoState::wait), for either direction.
    #[cfg(feature = "tls")]
    pub(super) fn wait_either(&self, wait: &Wait) -> bool {
        self.wait_both(wait, || {
            let snapshot = self.snapshot();
            snapshot.is_ready(Direction::Read) || snapshot.is_ready(Direction::Write)
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
        let directions = &[Direction::Read, Direction::Write];
        let _entered = ListedWaiter { state: self, directions };
        let _external_wait = ExternalWait::new();
        loop {
            for &direction in directions {
                self.readiness.add(direction, Waiter::current());
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

    /// Wakes all waiters as an event would.
    #[cfg(any(unix, feature = "tls"))]
    pub(crate) fn wake_spuriously(&self) {
        self.readiness.note(Event::default().ready(Direction::Read, false), |waiters| {
            waiters.wake_all();
        });
    }

    /// Notes an event of the system's, and passes its waiters to `woken`, which has to wake them without a lock.
    #[inline]
    pub(super) fn dispatch(&self, event: &mio::event::Event, woken: impl FnMut(WaiterList)) {
        // An error is reported by the operation that meets it, in either direction.
        let error = event.is_error();
        let mut ready = Event::default();
        let lasting = error || event.is_read_closed() || event.is_priority();
        if lasting || event.is_readable() {
            ready = ready.ready(Direction::Read, lasting);
        }
        let lasting = error || event.is_write_closed();
        if lasting || event.is_writable() {
            ready = ready.ready(Direction::Write, lasting);
        }
        self.readiness.note(ready, woken);
    }
}

/// Removes the current coroutine from the lists, whichever way its wait ends.
struct ListedWaiter<'a> {
    state: &'a IoState,
    directions: &'a [Direction],
}

impl Drop for ListedWaiter<'_> {
    #[inline]
    fn drop(&mut self) {
        for &direction in self.directions {
            self.state.readiness.leave(direction, |list| list.remove(&Waiter::current()));
        }
    }
}
