//! What is remembered about a socket: whether each direction is ready, and who waits for it.
//!
//! One word holds a count of the events so far and, for each direction, three flags, so that an event
//! costs one read-modify-write whatever it reports; and a list for each direction, under a lock.
//!
//! ```text
//!            event: count + 1, READY (CLOSED too if the kernel says so), no longer WAITED
//!   ───────────────────────────────────────────────────────────────────>
//!            clear(snapshot): drops READY if the count is still the snapshot's
//!   <───────────────────────────────────────────────────────────────────
//! ```
//!
//! An operation takes a snapshot and tries the system call. If the call finds nothing, or less than it asked for, the
//! operation clears the readiness that the snapshot saw. Edges are reported once, so clearing must not swallow one
//! that came after the call. In that case the count has changed, and clearing does nothing. The worker that polls has
//! no such race, since it does not poll in between; but the socket may be used on another worker. Events of the other
//! direction change the count too, which costs a system call now and then.
//!
//! Who waits: any number of coroutines, and one task, that of the future that was polled last. Nobody
//! misses an event, wherever the two sides run:
//!
//! ```text
//!   who would block:  under the lock: enter the list, set WAITED;    was it READY? leave, try again
//!   an event:         set READY, clear WAITED;                       was it WAITED? under the lock:
//!                                                                    take all out; then wake them
//! ```
//!
//! WAITED and READY are in one word, so one of the two comes first. If that is the event, then who would
//! block sees READY. If it is the other, then the event sees WAITED, and that one is in the list already
//! or enters it under the lock that the event takes next. So:
//!
//! - Whoever is in a list has WAITED set, or is about to be taken out by an event.
//! - Without WAITED there is nobody to take out, and for one that leaves nothing to do: an event has
//!   taken its entry, or is about to, and wakes it once more. Whoever is woken looks again.
//!
//! A future is polled once for each wake of its task. Before it is pending, either its task is in the list, or it tries
//! again itself.
//!
//! REGISTERED says that the socket is registered with a reactor that polls, so that the word is kept up to date. It is
//! set by whoever registers the socket, before the first event. The end of the registration, or of the reactor, clears
//! it, with an event so that all waiters try again.

use std::array;
use std::mem;

use parking_lot::Mutex;

use super::atomic::{AtomicU64, Ordering};
use crate::wait::{Waiter, WaiterList};

/// Which way data flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Read,
    Write,
}

const DIRECTIONS: [Direction; 2] = [Direction::Read, Direction::Write];

// Of each direction.
const READY: u64 = 1;
/// READY stays set after a partial transfer, since no further edge may come: the peer has shut this direction, or has
/// sent urgent data, at which a read stops short.
const CLOSED: u64 = 2;
const WAITED: u64 = 4;
/// How many flags each direction has.
const FLAGS: u32 = 3;

const REGISTERED: u64 = 1 << (2 * FLAGS);
const ONE_EVENT: u64 = REGISTERED << 1;

impl Direction {
    /// The flag of this direction.
    const fn flag(self, flag: u64) -> u64 {
        flag << (self as u32 * FLAGS)
    }
}

/// See the module.
pub(super) struct Readiness {
    word: AtomicU64,
    /// By direction.
    waiters: Mutex<[WaiterList; 2]>,
}

/// The word as it was before an attempt.
#[derive(Clone, Copy)]
pub(super) struct Snapshot(u64);

impl Snapshot {
    /// Whether there may be something.
    pub(super) fn is_ready(self, direction: Direction) -> bool {
        self.0 & direction.flag(READY) != 0
    }

    /// Whether a reactor keeps the word up to date.
    pub(super) fn is_registered(self) -> bool {
        self.0 & REGISTERED != 0
    }

    /// How many events there have been.
    pub(super) fn events(self) -> u64 {
        self.0 / ONE_EVENT
    }
}

/// The flags that an event sets.
#[derive(Clone, Copy, Default)]
pub(super) struct Event(u64);

impl Event {
    /// Adds that `direction` may be ready, and with `closed` that it stays so.
    pub(super) fn ready(self, direction: Direction, closed: bool) -> Event {
        let closed = if closed { direction.flag(CLOSED) } else { 0 };
        Event(self.0 | direction.flag(READY) | closed)
    }
}

impl Readiness {
    /// Ready both ways, so that the first operation is tried.
    pub(super) fn new() -> Readiness {
        let ready = Direction::Read.flag(READY) | Direction::Write.flag(READY);
        let lists = array::from_fn(|_| WaiterList::new());
        Readiness { word: AtomicU64::new(ready), waiters: Mutex::new(lists) }
    }

    #[inline]
    pub(super) fn snapshot(&self) -> Snapshot {
        // Acquire pairs with the Release of `note`.
        Snapshot(self.word.load(Ordering::Acquire))
    }

    /// After a system call that would have blocked.
    pub(super) fn clear(&self, direction: Direction, snapshot: Snapshot) {
        if snapshot.is_ready(direction) {
            let flags = direction.flag(READY | CLOSED);
            let update =
                |word: u64| (Snapshot(word).events() == snapshot.events()).then_some(word & !flags);
            let _ = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update);
        }
    }

    /// After a system call that did less than it was asked for. The next one would block, unless the direction is
    /// closed, or no reactor keeps the word up to date.
    pub(super) fn clear_if_open(&self, direction: Direction, snapshot: Snapshot) {
        if snapshot.is_registered() && snapshot.0 & direction.flag(CLOSED) == 0 {
            self.clear(direction, snapshot);
        }
    }

    /// By whoever registers the socket: from here on a reactor reports events.
    pub(super) fn begin(&self) {
        self.word.fetch_or(REGISTERED, Ordering::AcqRel);
    }

    /// At the end of the registration: makes all waiters try again.
    pub(super) fn end(&self) {
        self.word.fetch_and(!REGISTERED, Ordering::AcqRel);
        let both = Event::default().ready(Direction::Read, false).ready(Direction::Write, false);
        self.note(both, |waiters| waiters.wake_all());
    }

    /// Notes an event, and passes the waiters of each direction to `woken`, without a lock.
    #[inline]
    pub(super) fn note(&self, event: Event, mut woken: impl FnMut(WaiterList)) {
        let ready = event.0 & (Direction::Read.flag(READY) | Direction::Write.flag(READY));
        let waited = ready * WAITED;
        let update = |word: u64| Some((word.wrapping_add(ONE_EVENT) | event.0) & !waited);
        // Release: what has happened is visible to who sees READY. Acquire: so is the entry of who is
        // waited for, although the lock says so too.
        let before = self.word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, update);
        let waited = before.unwrap_or_default() & waited;
        for direction in DIRECTIONS {
            if waited & direction.flag(WAITED) != 0 {
                let waiters = mem::take(&mut self.waiters.lock()[direction as usize]);
                woken(waiters);
            }
        }
    }

    /// Adds `waiter`, to be woken at the next event. `false`: the direction is ready, and the waiter was not added.
    pub(super) fn enter(&self, direction: Direction, waiter: &Waiter) -> bool {
        let waits = self.add(direction, waiter.clone());
        if !waits {
            self.leave(direction, |list| list.remove(waiter));
        }
        waits
    }

    /// Adds `waiter`, to be woken at the next event. `false`: the direction is ready now.
    #[inline]
    pub(super) fn add(&self, direction: Direction, waiter: Waiter) -> bool {
        let mut waiters = self.waiters.lock();
        let replaced = waiters[direction as usize].add(waiter);
        // Acquire pairs with the Release of `note`; Release for one that sees WAITED.
        let before = self.word.fetch_or(direction.flag(WAITED), Ordering::AcqRel);
        drop(waiters);
        // Without the lock: it may be of others.
        drop(replaced);
        !Snapshot(before).is_ready(direction)
    }

    /// Removes a waiter by `remove`, if any may be in the list.
    #[inline]
    pub(super) fn leave(
        &self,
        direction: Direction,
        remove: impl FnOnce(&mut WaiterList) -> Option<Waiter>,
    ) {
        if self.word.load(Ordering::Relaxed) & direction.flag(WAITED) != 0 {
            let mut waiters = self.waiters.lock();
            let removed = remove(&mut waiters[direction as usize]);
            if waiters[direction as usize].is_empty() {
                self.word.fetch_and(!direction.flag(WAITED), Ordering::Relaxed);
            }
            drop(waiters);
            // Without the lock, as above.
            drop(removed);
        }
    }
}
