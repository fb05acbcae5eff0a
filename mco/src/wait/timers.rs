//! The timers of this worker: which coroutine to wake when.
//!
//! A coroutine never changes its thread, so the timer that it starts and stops is in the wheel of
//! its own thread, and needs no lock.

use std::cell::RefCell;

use crate::clock::Moment;
use crate::task::TaskRef;
use crate::timer::{TimerKey, Wheel};

thread_local! {
    static WHEEL: RefCell<Wheel<TaskRef>> = RefCell::new(Wheel::new(Moment::now().as_nanos()));
}

/// A timer that wakes a coroutine of this worker, unless dropped before.
pub(super) struct Timer(TimerKey);

impl Timer {
    pub(super) fn start(deadline: Moment, task: TaskRef) -> Timer {
        Timer(WHEEL.with_borrow_mut(|wheel| wheel.insert(deadline.as_nanos(), task)))
    }

    /// `false` if it has gone off.
    pub(super) fn stop(self) -> bool {
        let stopped = remove(self.0);
        std::mem::forget(self);
        stopped
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        remove(self.0);
    }
}

fn remove(key: TimerKey) -> bool {
    WHEEL.with_borrow_mut(|wheel| wheel.remove(key)).is_some()
}

/// When the next timer of this worker goes off.
pub(crate) fn next() -> Option<Moment> {
    WHEEL.with_borrow(|wheel| wheel.next_deadline()).map(Moment::from_nanos)
}

/// Wakes those whose time has come by `now`. A wake on this thread only queues the coroutine, so
/// nothing gets back here meanwhile.
pub(crate) fn expire(now: Moment) {
    WHEEL.with_borrow_mut(|wheel| {
        if !wheel.is_empty() {
            wheel.expire(now.as_nanos(), |task| task.wake());
        }
    });
}
