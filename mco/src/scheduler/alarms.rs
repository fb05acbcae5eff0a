//! What is to happen at some time without a coroutine that waits for it: timers and tickers.
//!
//! A sleeping coroutine has a timer in the wheel of its own thread, which needs no lock
//! ([`timers`](crate::wait::timers)). An alarm outlives the call that sets it and is stopped from
//! anywhere, maybe a hundred thousand times before it goes off, and must then leave no trace. So each
//! worker has a second wheel, under a lock, for alarms. Whoever sets one does so at the worker on
//! which it runs, or, in a plain thread, at one of the global runtime.
//!
//! The worker fires alarms between two runs. What they do there is short, does not block, and runs no
//! code of the user's: they leave something in a channel or spawn a coroutine.
//!
//! The worker looks at `earliest` before it sleeps, after it has announced its sleep. Whoever sets an
//! earlier alarm writes it and interrupts the sleep if there is one. Both sides have a sequentially
//! consistent fence in between ([`Sleep`](super::idle::Sleep)), so one of them sees the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use super::Scheduler;
use super::local::Local;
use super::worker::Worker;
use crate::bare;
use crate::clock::Moment;
use crate::random;
use crate::timer::{TimerKey, Wheel};

/// Something that happens at some time.
pub(crate) trait Alarm: Send + Sync {
    /// By the worker at which it was set, between two runs. `setting` is what it was set with: it may
    /// have been stopped, or set anew, meanwhile.
    fn fire(self: Arc<Self>, setting: u64);

    /// It will not fire, since its worker has ended.
    fn abandon(&self, setting: u64);
}

/// An alarm in the wheel.
struct Entry {
    /// When it is due.
    at: Moment,
    alarm: Arc<dyn Alarm>,
    setting: u64,
}

/// The alarms of one worker.
pub(super) struct Alarms {
    /// `None` when the worker has ended.
    wheel: Mutex<Option<Wheel<Entry>>>,
    /// No alarm is earlier. Written under the lock.
    earliest: AtomicU64,
}

const NONE: u64 = u64::MAX;

impl Alarms {
    /// `now` by the runtime's clock, if it is not the system's.
    pub(super) fn new(now: Option<Moment>) -> Alarms {
        let wheel = Wheel::new(now.unwrap_or_else(Moment::real).as_nanos());
        Alarms { wheel: Mutex::new(Some(wheel)), earliest: AtomicU64::new(NONE) }
    }

    /// When the worker has to look next.
    pub(super) fn next(&self) -> Option<Moment> {
        // Relaxed: see the module for how it is ordered with the sleep.
        let earliest = self.earliest.load(Ordering::Relaxed);
        (earliest != NONE).then(|| Moment::from_nanos(earliest))
    }

    /// By the worker: forgets the times of alarms that have been removed.
    pub(super) fn settle(&self) {
        if self.earliest.load(Ordering::Relaxed) != NONE
            && let Some(wheel) = &*self.wheel.lock()
        {
            self.earliest.store(wheel.next_deadline().unwrap_or(NONE), Ordering::Relaxed);
        }
    }

    /// Returns whether it is earlier than all others; `Err`: the worker has ended.
    fn set(&self, at: Moment, entry: Entry) -> Result<(TimerKey, bool), Entry> {
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

    /// Fires those whose time has come by `now`.
    pub(super) fn fire(&self, now: Moment) {
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
            bare::quietly(|| entry.alarm.fire(entry.setting));
        }
    }

    /// By the worker at its end: those that are left will not fire.
    pub(super) fn close(&self) {
        let wheel = self.wheel.lock().take();
        if let Some(mut wheel) = wheel {
            wheel.expire(u64::MAX, |entry| {
                // What an alarm holds goes away with it.
                bare::quietly(|| {
                    entry.alarm.abandon(entry.setting);
                    drop(entry);
                });
            });
        }
    }
}

/// Has those that are due together come in any order, so that of two timers that somebody selects from none is
/// preferred for having been set first. Those before them stay before them.
fn shuffle(due: &mut [Entry]) {
    /// So exactly is a worker on time at best.
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

/// Where an alarm has been set.
pub(crate) struct Place {
    worker: Arc<Worker>,
    key: TimerKey,
}

impl Place {
    /// Takes the alarm out of the wheel, if it is there.
    pub(crate) fn remove(&self) {
        // Its time stays in `earliest`: the worker may look once in vain.
        let entry = match &mut *self.worker.alarms.wheel.lock() {
            Some(wheel) => wheel.remove(self.key),
            None => None,
        };
        // Without the lock.
        drop(entry);
    }
}

/// Sets an alarm at the worker that this thread is, or at one of `elsewhere`. `None`: that has ended.
pub(crate) fn set(
    at: Moment,
    alarm: Arc<dyn Alarm>,
    setting: u64,
    elsewhere: impl FnOnce() -> Arc<Scheduler>,
) -> Option<Place> {
    let worker = Local::with(|local| local.worker().clone());
    let worker = worker.unwrap_or_else(|| {
        // Alarms that are due together at one, so that none is preferred for the worker that it is at.
        let millisecond = at.as_nanos() >> 20;
        elsewhere().worker_near(millisecond as usize)
    });
    let (key, is_first) = worker.alarms.set(at, Entry { at, alarm, setting }).ok()?;
    if is_first {
        worker.interrupt();
    }
    Some(Place { worker, key })
}

impl Scheduler {
    /// How many alarms are set.
    pub(crate) fn alarms(&self) -> usize {
        let count =
            |worker: &Arc<Worker>| worker.alarms.wheel.lock().as_ref().map_or(0, Wheel::len);
        self.workers.iter().map(count).sum()
    }
}
