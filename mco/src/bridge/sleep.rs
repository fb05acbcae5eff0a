//! A sleep as a future: a queued timer in the wheel of a worker, which wakes a task.
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

use crate::clock::Timestamp;
use crate::runtime::global;
use crate::scheduler::timers::{self, TimerCallback, TimerHandle};
use crate::task::{has_budget, wake_task};

/// Ready when its time has come.
pub(super) struct Sleep {
    shared: Arc<SleepState>,
}

/// The part of a sleep that its timer refers to, between polls.
struct SleepState {
    state: Mutex<State>,
}

struct State {
    /// When it is over.
    at: Timestamp,
    /// Counts what it was set for, so that one that is just going off notices that it was reset.
    generation: u64,
    /// While it is set.
    handle: Option<TimerHandle>,
    has_elapsed: bool,
    /// Of the one that polled last, if it waits.
    task: Option<Waker>,
}

impl Sleep {
    pub(super) fn until(at: Timestamp) -> Sleep {
        let state = State { at, generation: 0, handle: None, has_elapsed: false, task: None };
        Sleep { shared: Arc::new(SleepState { state: Mutex::new(state) }) }
    }

    /// Has it be ready at `at`, and not when it would have been otherwise. Who waits goes on waiting.
    #[cfg(feature = "hyper")]
    pub(super) fn reset(&mut self, at: Timestamp) {
        let mut state = self.shared.state.lock();
        state.unset();
        state.at = at;
        state.has_elapsed = false;
        if state.task.is_some() {
            self.shared.set(&mut state);
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
        // Neither cloned nor dropped under the lock: it is user code.
        let mut task = Some(context.waker().clone());
        let mut state = self.shared.state.lock();
        if !state.has_elapsed && state.at <= Timestamp::now() {
            state.unset();
            state.has_elapsed = true;
        }
        let has_elapsed = state.has_elapsed;
        if has_elapsed {
            task = state.task.take();
        } else {
            mem::swap(&mut task, &mut state.task);
            if state.handle.is_none() {
                self.shared.set(&mut state);
            }
        }
        drop(state);
        drop(task);
        if has_elapsed { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.unset();
        let task = state.task.take();
        drop(state);
        drop(task);
    }
}

impl State {
    fn unset(&mut self) {
        self.generation += 1;
        if let Some(handle) = self.handle.take() {
            handle.remove();
        }
    }
}

impl SleepState {
    /// If the runtime is at its end, it stays unset: who waits there is being cancelled.
    fn set(self: &Arc<Self>, state: &mut State) {
        state.handle = timers::set(state.at, self.clone(), state.generation, global::scheduler);
    }

    /// After its timer has left the queue. Returns the task to be woken.
    fn leave(&self, generation: u64, has_elapsed: bool) -> Option<Waker> {
        let mut state = self.state.lock();
        if state.generation != generation {
            return None;
        }
        state.handle = None;
        state.has_elapsed = has_elapsed;
        state.task.take()
    }
}

impl TimerCallback for SleepState {
    fn fire(self: Arc<Self>, generation: u64) {
        if let Some(task) = self.leave(generation, true) {
            wake_task(task);
        }
    }

    /// Who waits polls again, and sets it where that is.
    fn on_shutdown(&self, generation: u64) {
        if let Some(task) = self.leave(generation, false) {
            wake_task(task);
        }
    }
}
