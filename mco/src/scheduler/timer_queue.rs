//! Timers for which no coroutine waits: those of `Timer`, `Ticker`, `after` and of futures.
//!
//! A sleeping coroutine has a timer in the wheel of its own thread, which needs no lock
//! ([`timers`](crate::wait::timers)). A queued timer outlives the call that sets it and is stopped from
//! anywhere, maybe a hundred thousand times before it goes off, and must then leave no trace. So each
//! worker has a second wheel, under a lock, for queued timers. Whoever sets one does so at the worker on
//! which it runs, or, in a plain thread, at one of the global runtime.
//!
//! The worker fires queued timers between two runs. What they do there is short, does not block, and runs no
//! user code: they leave something in a channel or spawn a coroutine.
//!
//! The worker looks at `earliest` before it sleeps, after it has announced its sleep. Whoever sets an
//! earlier queued timer writes it and interrupts the sleep if there is one. Both sides have a sequentially
//! consistent fence in between ([`Sleep`](super::idle::Sleep)), so one of them sees the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::random;
use crate::runtime_thread;
use crate::timer::{TimerKey, Wheel};

/// What a queued timer does.
pub(crate) trait TimerCallback: Send + Sync {
    /// Called by the worker at which the timer was set, between two turns. `generation` is what it was set with: if it
    /// is not the current one, the timer has been stopped or set anew meanwhile.
    fn fire(self: Arc<Self>, generation: u64);

    /// Called instead of `fire` when the worker ends.
    fn on_shutdown(&self, generation: u64);
}

/// A queued timer in the wheel.
pub(super) struct QueuedTimer {
    /// When it is due.
    pub(super) at: Timestamp,
    pub(super) callback: Arc<dyn TimerCallback>,
    pub(super) generation: u64,
}

/// The queued timers of one worker.
pub(super) struct TimerQueue {
    /// `None` when the worker has ended.
    wheel: Mutex<Option<Wheel<QueuedTimer>>>,
    /// No queued timer is earlier; `NONE` if there is none. Written under the lock.
    earliest: AtomicU64,
}

const NONE: u64 = u64::MAX;

impl TimerQueue {
    /// `now` by the runtime's clock, if it is not the system's.
    pub(super) fn new(now: Option<Timestamp>) -> TimerQueue {
        let wheel = Wheel::new(now.unwrap_or_else(Timestamp::monotonic).as_nanos());
        TimerQueue { wheel: Mutex::new(Some(wheel)), earliest: AtomicU64::new(NONE) }
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Timestamp> {
        // Relaxed: see the module for how it is ordered with the sleep.
        let earliest = self.earliest.load(Ordering::Relaxed);
        (earliest != NONE).then(|| Timestamp::from_nanos(earliest))
    }

    /// By the worker: computes `earliest` anew, so that it is not that of a timer that has been removed.
    pub(super) fn refresh_earliest(&self) {
        if self.earliest.load(Ordering::Relaxed) != NONE
            && let Some(wheel) = &*self.wheel.lock()
        {
            self.earliest.store(wheel.next_deadline().unwrap_or(NONE), Ordering::Relaxed);
        }
    }

    /// Adds a timer. Returns its key, and whether it is earlier than all others. `Err`: the worker has ended.
    pub(super) fn set(
        &self,
        at: Timestamp,
        entry: QueuedTimer,
    ) -> Result<(TimerKey, bool), QueuedTimer> {
        let mut wheel = self.wheel.lock();
        let Some(wheel) = &mut *wheel else { return Err(entry) };
        // The latest moment stands for none.
        let at = at.as_nanos().min(NONE - 1);
        let key = wheel.insert(at, entry);
        let is_first = at < self.earliest.load(Ordering::Relaxed);
        if is_first {
            self.earliest.store(at, Ordering::Relaxed);
        }
        Ok((key, is_first))
    }

    /// Takes one out of the wheel, if it is there.
    pub(super) fn remove(&self, key: TimerKey) {
        // Its time stays in `earliest`, so the worker may wake up once in vain.
        let entry = match &mut *self.wheel.lock() {
            Some(wheel) => wheel.remove(key),
            None => None,
        };
        // Without the lock.
        drop(entry);
    }

    /// How many are set.
    pub(super) fn len(&self) -> usize {
        self.wheel.lock().as_ref().map_or(0, Wheel::len)
    }

    /// Fires those that are due at `now`.
    pub(super) fn fire(&self, now: Timestamp) {
        if self.earliest.load(Ordering::Relaxed) > now.as_nanos() {
            return;
        }
        let mut due = Vec::new();
        if let Some(wheel) = &mut *self.wheel.lock() {
            wheel.expire(now.as_nanos(), |entry| due.push(entry));
            self.earliest.store(wheel.next_deadline().unwrap_or(NONE), Ordering::Relaxed);
        }
        shuffle(&mut due);
        // Without the lock, since they may set themselves anew.
        for entry in due {
            runtime_thread::contain_panic(|| entry.callback.fire(entry.generation));
        }
    }

    /// By the worker at its end: calls `on_shutdown` of those that are left.
    pub(super) fn close(&self) {
        let wheel = self.wheel.lock().take();
        if let Some(mut wheel) = wheel {
            wheel.expire(u64::MAX, |entry| {
                // What a queued timer holds goes away with it.
                runtime_thread::contain_panic(|| {
                    entry.callback.on_shutdown(entry.generation);
                    drop(entry);
                });
            });
        }
    }
}

/// Puts timers that are due together into a random order, so that a `select!` on two of them does not prefer the one
/// that was set first. Earlier ones stay before later ones.
fn shuffle(due: &mut [QueuedTimer]) {
    /// How exactly a worker is on time at best.
    const TOGETHER: Duration = Duration::from_micros(50);
    let mut rest = due;
    while let [first, _, ..] = rest {
        let until = first.at + TOGETHER;
        let count = rest.iter().take_while(|entry| entry.at <= until).count();
        let (together, later) = rest.split_at_mut(count);
        for n in (1..count).rev() {
            together.swap(n, random::below(n + 1));
        }
        rest = later;
    }
}
