//! A sleep as a future: an alarm in the wheel of a worker, which wakes a task.
//!
//! ```text
//!   Sleep ──> Bell <── the wheel of a worker, while it is set
//!               │ rings
//!               v
//!             task
//! ```
//!
//! The bell is set by the first poll, at the worker that polls, or, in a plain thread, at one of the global
//! runtime. Under its lock a poll looks whether it has rung, and leaves its task; under the same lock the
//! worker has it ring, and takes the task. So whichever comes second sees the other. The task is woken
//! without the lock.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use parking_lot::Mutex;

use crate::clock::Moment;
use crate::runtime;
use crate::scheduler::alarms::{self, Alarm, Place};
use crate::task::{has_budget, wake_task};

/// Ready when its time has come.
pub(super) struct Sleep {
    bell: Arc<Bell>,
}

/// What outlives a poll.
struct Bell {
    state: Mutex<State>,
}

struct State {
    /// When it is to ring.
    at: Moment,
    /// Counts what it was set for, so that one that is just going off notices that it was reset.
    setting: u64,
    /// While it is set.
    place: Option<Place>,
    has_rung: bool,
    /// Of the one that polled last, if it waits.
    task: Option<Waker>,
}

impl Sleep {
    pub(super) fn until(at: Moment) -> Sleep {
        let state = State { at, setting: 0, place: None, has_rung: false, task: None };
        Sleep { bell: Arc::new(Bell { state: Mutex::new(state) }) }
    }

    /// Has it be ready at `at`, and not when it would have been otherwise. Who waits goes on waiting.
    #[cfg(feature = "hyper")]
    pub(super) fn reset(&mut self, at: Moment) {
        let mut state = self.bell.state.lock();
        state.unset();
        state.at = at;
        state.has_rung = false;
        if state.task.is_some() {
            self.bell.set(&mut state);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !has_budget() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        // Neither cloned nor dropped under the lock: it is code of others.
        let mut task = Some(context.waker().clone());
        let mut state = self.bell.state.lock();
        if !state.has_rung && state.at <= Moment::now() {
            state.unset();
            state.has_rung = true;
        }
        let has_rung = state.has_rung;
        if has_rung {
            task = state.task.take();
        } else {
            mem::swap(&mut task, &mut state.task);
            if state.place.is_none() {
                self.bell.set(&mut state);
            }
        }
        drop(state);
        drop(task);
        if has_rung { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut state = self.bell.state.lock();
        state.unset();
        let task = state.task.take();
        drop(state);
        drop(task);
    }
}

impl State {
    fn unset(&mut self) {
        self.setting += 1;
        if let Some(place) = self.place.take() {
            place.remove();
        }
    }
}

impl Bell {
    /// If the runtime is at its end, it stays unset: who waits there is being cancelled.
    fn set(self: &Arc<Self>, state: &mut State) {
        state.place = alarms::set(state.at, self.clone(), state.setting, runtime::global_scheduler);
    }

    /// Its place has been left. Returns who is to be woken.
    fn leave(&self, setting: u64, has_rung: bool) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.setting != setting {
            return None;
        }
        state.place = None;
        state.has_rung = has_rung;
        state.task.take()
    }
}

impl Alarm for Bell {
    fn fire(self: Arc<Self>, setting: u64) {
        if let Some(task) = self.leave(setting, true) {
            wake_task(task);
        }
    }

    /// Who waits polls again, and sets it where that is.
    fn abandon(&self, setting: u64) {
        if let Some(task) = self.leave(setting, false) {
            wake_task(task);
        }
    }
}
