//! The timers of this worker: which coroutine to wake when.
//!
//! A coroutine never changes its thread, so the timer that it starts and stops is in the wheel of
//! its own thread, and needs no lock.

use std::cell::RefCell;

use crate::clock::Timestamp;
use crate::task::TaskRef;
use crate::timer::{TimerKey, Wheel};

thread_local! {
    static WHEEL: RefCell<Wheel<TaskRef>> = RefCell::new(Wheel::new(Timestamp::now().as_nanos()));
}

/// Wakes `task`, a coroutine of this worker, at `deadline`, unless stopped before.
pub(crate) fn start(deadline: Timestamp, task: TaskRef) -> TimerKey {
    WHEEL.with_borrow_mut(|wheel| wheel.insert(deadline.as_nanos(), task))
}

/// Stops a timer; `false` if it has gone off.
pub(crate) fn stop(key: TimerKey) -> bool {
    WHEEL.with_borrow_mut(|wheel| wheel.remove(key)).is_some()
}

/// When the next timer of this worker goes off.
pub(crate) fn next() -> Option<Timestamp> {
    WHEEL.with_borrow(|wheel| wheel.next_deadline()).map(Timestamp::from_nanos)
}

/// Wakes those whose time has come by `now`. A wake on this thread only queues the coroutine, so
/// nothing gets back here meanwhile.
pub(crate) fn expire(now: Timestamp) {
    WHEEL.with_borrow_mut(|wheel| {
        if !wheel.is_empty() {
            wheel.expire(now.as_nanos(), |task| task.wake());
        }
    });
}
