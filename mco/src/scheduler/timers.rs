//! Setting a timer at the worker that this thread is, or at another one ([`timer_queue`](super::timer_queue)).

use std::sync::Arc;

use super::local::LocalWorker;
use super::shared::Scheduler;
use super::timer_queue::QueuedTimer;
pub(crate) use super::timer_queue::TimerCallback;
use super::worker::RemoteWorker;
use crate::clock::Timestamp;
use crate::timer::TimerKey;

/// A queued timer, for whoever stops it.
pub(crate) struct TimerHandle {
    worker: Arc<RemoteWorker>,
    key: TimerKey,
}

impl TimerHandle {
    /// Takes the queued timer out of the wheel, if it is there.
    pub(crate) fn remove(&self) {
        self.worker.timer_queue.remove(self.key);
    }
}

/// Sets a queued timer at the worker that this thread is, or at one of `elsewhere`. `None`: that has ended.
pub(crate) fn set(
    at: Timestamp,
    callback: Arc<dyn TimerCallback>,
    generation: u64,
    elsewhere: impl FnOnce() -> Arc<Scheduler>,
) -> Option<TimerHandle> {
    let worker = LocalWorker::with(|local| local.worker().clone());
    let worker = worker.unwrap_or_else(|| {
        // Queued timers that are due together at one, so that none is preferred for the worker that it is at.
        let millisecond = at.as_nanos() >> 20;
        elsewhere().worker_near(millisecond as usize)
    });
    let (key, is_first) =
        worker.timer_queue.set(at, QueuedTimer { at, callback, generation }).ok()?;
    if is_first {
        worker.interrupt();
    }
    Some(TimerHandle { worker, key })
}

impl Scheduler {
    /// How many queued timers are set.
    pub(crate) fn queued_timers(&self) -> usize {
        self.workers.iter().map(|worker| worker.timer_queue.len()).sum()
    }
}
