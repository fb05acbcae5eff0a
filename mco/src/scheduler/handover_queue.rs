//! Unstarted coroutines that another worker, which hosts too many, has handed over to this one.
//!
//! They start in the order in which they came, and here, whatever this worker hosts by then. So a coroutine is handed
//! over once at most. If it could be handed over again each time, it might never start. The coroutines here count as
//! hosted when workers compare their loads; otherwise a worker that makes no progress would be given all of them.
//!
//! Whoever hands over checks afterwards whether the worker sleeps or has ended, as after a push into its inbox
//! ([`idle`](super::idle), [`inbox_gate`](super::inbox_gate)).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::shrinking;
use crate::task::TaskRef;

/// See the module.
pub(super) struct HandoverQueue {
    queue: Mutex<VecDeque<TaskRef>>,
    /// How long the queue is, for those who look before each turn. Written under the lock. Release for who
    /// finds nothing here and asks whether anybody is awake.
    count: AtomicUsize,
}

impl HandoverQueue {
    pub(super) fn new() -> HandoverQueue {
        HandoverQueue { queue: Mutex::new(VecDeque::new()), count: AtomicUsize::new(0) }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// By anyone.
    pub(super) fn push(&self, task: TaskRef) {
        let mut queue = self.queue.lock();
        queue.push_back(task);
        self.count.store(queue.len(), Ordering::Release);
    }

    /// Takes the one that came first: by the worker itself, and for others if it is held up or has ended.
    #[inline(always)]
    pub(super) fn pop(&self) -> Option<TaskRef> {
        if self.is_empty() { None } else { self.pop_any() }
    }

    #[cold]
    fn pop_any(&self) -> Option<TaskRef> {
        let mut queue = self.queue.lock();
        let first = shrinking::pop_front(&mut queue);
        self.count.store(queue.len(), Ordering::Release);
        first
    }

    /// Calls `f`, which must not run user code, for each, the first first.
    pub(super) fn visit(&self, f: impl FnMut(&TaskRef)) {
        self.queue.lock().iter().for_each(f);
    }
}
