//! What is remembered about a socket: whether each direction is ready, and who waits for it.
//!
//! Per direction one word: a count of the events so far, and two flags.
//!
//! ```text
//!            event: count + 1, READY (CLOSED too if the kernel says so)
//!   ───────────────────────────────────────────────────────────────────>
//!            clear(glance): drops READY if the count is still the glance's
//!   <───────────────────────────────────────────────────────────────────
//! ```
//!
//! An operation takes a glance, tries the system call, and clears the readiness that the glance saw
//! if the call found nothing, or less than it asked for. Edges are reported once, so clearing must
//! not swallow one that came after the call: then the count has changed and the clearing does
//! nothing. On the worker that polls there is no such race, since it does not poll in between; but
//! the socket may be used on another.
//!
//! Who waits: any number of coroutines, and one task, that of the future that was polled last. Nobody
//! misses an event, wherever the two sides run:
//!
//! ```text
//!   who would block:  enter the list (under its lock),  look at the word: ready? leave, try again
//!   an event:         set READY in the word,            take all out of the list (under its lock), wake
//! ```
//!
//! If the list was emptied before the entry, then READY was set before that, and the look, which comes
//! after the lock was free again, sees it. If it was emptied after, the entry was in it. A future is
//! polled once for each time that its task is woken: what it found in the list, or it tries again itself
//! before it is pending.

use std::sync::atomic::{AtomicU64, Ordering};

use mio::event::Event;
use parking_lot::Mutex;

use crate::task::TaskWaiter;
use crate::wait::{Entered, Hold, Wait, Waiter, WaiterList, Wake};

const READY: u64 = 1;
/// No further edge need come for what is there: the peer has shut this direction, or has sent urgent
/// data, at which a read stops short.
const CLOSED: u64 = 2;
const ONE_EVENT: u64 = 4;

/// A socket as the reactor sees it.
pub(crate) struct Source {
    sides: [Direction; 2],
}

/// Which way data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Read,
    Write,
}

pub(super) struct Direction {
    word: AtomicU64,
    /// The word when events were last forgotten.
    #[cfg(unix)]
    forgotten: AtomicU64,
    waiters: Mutex<WaiterList>,
}

/// What a direction's word was before an attempt.
#[derive(Clone, Copy)]
pub(super) struct Glance(u64);

impl Glance {
    pub(super) fn is_ready(self) -> bool {
        self.0 & READY != 0
    }
}

impl Source {
    /// Ready both ways, so that the first operation is tried.
    pub(super) fn new() -> Source {
        Source { sides: [Direction::new(), Direction::new()] }
    }

    pub(super) fn side(&self, side: Side) -> &Direction {
        &self.sides[side as usize]
    }

    /// Nobody will report events for it any more.
    pub(super) fn renounce(&self) {
        self.sides.iter().for_each(|side| side.set_ready(false));
    }

    #[cfg(unix)]
    pub(super) fn forget_events(&self) {
        for side in &self.sides {
            side.forgotten.store(side.word.load(Ordering::Acquire), Ordering::Relaxed);
        }
    }

    #[cfg(unix)]
    fn has_event(&self) -> bool {
        // Acquire pairs with the Release of `set_ready`.
        let events = |word: u64| word / ONE_EVENT;
        self.sides.iter().any(|side| {
            events(side.word.load(Ordering::Acquire))
                != events(side.forgotten.load(Ordering::Relaxed))
        })
    }

    /// Waits for an event since the last `forget_events`.
    #[cfg(unix)]
    pub(super) fn wait_event(&self, wait: &Wait) {
        let waiter = Waiter::current();
        let _entered = Entered::new(waiter.clone(), |waiter| {
            self.sides.iter().for_each(|side| side.leave(waiter));
        });
        let _hold = Hold::new();
        loop {
            // An event after this wakes the waiter; one before it is seen by the look.
            for side in &self.sides {
                side.waiters.lock().add(waiter.clone());
            }
            if self.has_event() {
                return;
            }
            wait.park();
        }
    }

    /// Waits until either side is ready: `true`, or until the deadline: `false`.
    #[cfg(feature = "tls")]
    pub(super) fn wait_either(&self, wait: &Wait) -> bool {
        let waiter = Waiter::current();
        let _entered = Entered::new(waiter.clone(), |waiter| {
            self.sides.iter().for_each(|side| side.leave(waiter));
        });
        let _hold = Hold::new();
        loop {
            // An event after this wakes the waiter; one before it is seen by the glances.
            self.sides.iter().for_each(|side| drop(side.waiters.lock().add(waiter.clone())));
            let ready = || self.sides.iter().any(|side| side.glance().is_ready());
            if ready() {
                return true;
            }
            if wait.park() == Wake::TimedOut {
                return ready();
            }
        }
    }

    /// As if there had been an event.
    #[cfg(any(unix, feature = "tls"))]
    pub(crate) fn pretend_event(&self) {
        self.side(Side::Read).set_ready(false);
    }

    /// Notes an event and wakes those who wait for it; a task is left in `tasks`, for the caller to wake
    /// when it holds no lock.
    pub(super) fn dispatch(&self, event: &Event, tasks: &mut Vec<TaskWaiter>) {
        // An error is reported by the operation that meets it, in either direction.
        let lasting = event.is_read_closed() || event.is_error() || event.is_priority();
        if event.is_readable() || lasting {
            self.side(Side::Read).dispatch(lasting, tasks);
        }
        if event.is_writable() || event.is_write_closed() || event.is_error() {
            self.side(Side::Write).dispatch(event.is_write_closed() || event.is_error(), tasks);
        }
    }
}

impl Direction {
    fn new() -> Direction {
        Direction {
            word: AtomicU64::new(READY),
            #[cfg(unix)]
            forgotten: AtomicU64::new(READY),
            waiters: Mutex::new(WaiterList::new()),
        }
    }

    pub(super) fn glance(&self) -> Glance {
        // Acquire pairs with the Release of `set_ready`.
        Glance(self.word.load(Ordering::Acquire))
    }

    /// The system call would have blocked.
    pub(super) fn clear(&self, glance: Glance) {
        self.replace(glance, glance.0 & !(READY | CLOSED));
    }

    /// The system call did less than it was asked for: the next one would block, unless the
    /// direction is closed.
    pub(super) fn clear_if_open(&self, glance: Glance) {
        if glance.0 & CLOSED == 0 {
            self.clear(glance);
        }
    }

    fn replace(&self, glance: Glance, with: u64) {
        let _ = self.word.compare_exchange(glance.0, with, Ordering::AcqRel, Ordering::Relaxed);
    }

    fn set_ready(&self, closed: bool) {
        self.note(closed);
        self.wake();
    }

    /// As `set_ready`; a task is left in `tasks`.
    fn dispatch(&self, closed: bool, tasks: &mut Vec<TaskWaiter>) {
        self.note(closed);
        let waiters = std::mem::take(&mut *self.waiters.lock());
        waiters.wake_all_but_task(tasks);
    }

    fn note(&self, closed: bool) {
        let flags = if closed { READY | CLOSED } else { READY };
        let update = |word: u64| Some((word.wrapping_add(ONE_EVENT)) | flags);
        let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update);
    }

    /// Makes those who wait for this direction try again.
    pub(super) fn wake(&self) {
        let waiters = std::mem::take(&mut *self.waiters.lock());
        waiters.wake_all();
    }

    /// Has `waiter` woken at the next event, unless the direction is ready: `false`.
    pub(super) fn enter(&self, waiter: &Waiter) -> bool {
        let entry = waiter.clone();
        // What is replaced is dropped without the lock.
        let _replaced = self.waiters.lock().add(entry);
        // An event after this wakes the waiter; one before it is seen by the glance.
        let ready = self.glance().is_ready();
        if ready {
            self.leave(waiter);
        }
        !ready
    }

    pub(super) fn leave(&self, waiter: &Waiter) {
        // Dropped without the lock.
        let _removed = self.waiters.lock().remove(waiter);
    }

    /// Waits until the direction is ready: `true`, or until the deadline: `false`.
    pub(super) fn wait(&self, wait: &Wait) -> bool {
        let waiter = Waiter::current();
        let entered = Entered::new(waiter.clone(), |waiter| self.leave(waiter));
        let _hold = Hold::new();
        let ready = loop {
            // An event after this wakes the waiter; one before it is seen by the glance.
            self.waiters.lock().add(waiter.clone());
            if self.glance().is_ready() {
                break true;
            }
            if wait.park() == Wake::TimedOut {
                break self.glance().is_ready();
            }
        };
        drop(entered);
        ready
    }
}
