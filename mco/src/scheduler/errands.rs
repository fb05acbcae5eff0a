//! What others ask a worker to do on its own thread: to take backtraces of coroutines that it hosts, to
//! list those that it has queued and that have not started, and to let stacks go.
//!
//! An errand is put into the worker's list, as a coroutine is into its inbox, and the worker is
//! interrupted if it sleeps: [`Sleep`](super::idle::Sleep) says why neither is missed. The worker runs
//! errands when it looks at the clock and before it sleeps, for a limited time, and then goes on with
//! its coroutines.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "dump")]
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;

#[cfg(feature = "dump")]
use super::fresh::FreshList;
use super::local::Local;
use crate::clock::Moment;
use crate::spare;
#[cfg(feature = "dump")]
use crate::task::{TaskRef, capture::Frames};

/// No more errands are begun after this time. One takes some 10 to 100 microseconds.
const AT_A_TIME: Duration = Duration::from_millis(2);

/// What a worker is asked for.
pub(crate) enum Errand {
    /// A backtrace of a coroutine that it hosts.
    #[cfg(feature = "dump")]
    Backtrace(TaskRef, Reply<Option<Frames>>),
    /// What is queued there and has not started.
    #[cfg(feature = "dump")]
    ListFresh(Reply<FreshList>),
    /// That its pool of stacks shrink.
    TrimStacks,
}

/// Where an answer goes.
#[cfg(feature = "dump")]
pub(crate) struct Reply<T> {
    /// What the asker calls the question.
    pub(crate) index: usize,
    pub(crate) answers: mpsc::Sender<(usize, T)>,
    /// Nobody waits for the answer any more.
    pub(crate) is_over: Arc<AtomicBool>,
}

#[cfg(feature = "dump")]
impl<T> Reply<T> {
    fn send(self, answer: T) {
        // Whoever asked may be gone.
        let _ = self.answers.send((self.index, answer));
    }
}

impl Errand {
    fn is_over(&self) -> bool {
        match self {
            #[cfg(feature = "dump")]
            Errand::Backtrace(_, Reply { is_over, .. })
            | Errand::ListFresh(Reply { is_over, .. }) => is_over.load(Ordering::Relaxed),
            Errand::TrimStacks => false,
        }
    }
}

/// What a worker has been asked for.
pub(super) struct Errands {
    /// Set after something was put into the list, and cleared before it is taken out.
    waiting: AtomicBool,
    list: Mutex<VecDeque<Errand>>,
}

impl Errands {
    pub(super) fn new() -> Errands {
        Errands { waiting: AtomicBool::new(false), list: Mutex::new(VecDeque::new()) }
    }

    /// The worker has to be interrupted after this.
    pub(super) fn add(&self, errands: impl IntoIterator<Item = Errand>) {
        self.list.lock().extend(errands);
        self.waiting.store(true, Ordering::Release);
    }

    #[inline]
    pub(super) fn are_waiting(&self) -> bool {
        self.waiting.load(Ordering::Acquire)
    }

    /// By the worker at its end: nobody will run what is left.
    pub(super) fn close(&self) {
        // Not under the lock: a coroutine may go away with it.
        let left = std::mem::take(&mut *self.list.lock());
        drop(left);
    }

    /// Forgets those whose answers nobody waits for, and with them the coroutines.
    pub(super) fn forget_old(&self) {
        self.list.lock().retain(|errand| !errand.is_over());
    }

    fn next(&self) -> Option<Errand> {
        spare::pop_front(&mut self.list.lock())
    }
}

impl Local {
    /// Runs errands, between two turns. Says whether there were any: then there may be more in this
    /// worker's queues than before.
    #[inline]
    pub(super) fn run_errands(&self) -> bool {
        let any = self.worker().errands.are_waiting();
        if any {
            self.run_some_errands();
        }
        any
    }

    #[cold]
    fn run_some_errands(&self) {
        let errands = &self.worker().errands;
        errands.waiting.store(false, Ordering::Release);
        let begun = Moment::real();
        while let Some(errand) = errands.next() {
            if errand.is_over() {
                continue;
            }
            match errand {
                #[cfg(feature = "dump")]
                Errand::Backtrace(task, reply) => reply.send(task.capture()),
                #[cfg(feature = "dump")]
                Errand::ListFresh(reply) => reply.send(self.list_fresh()),
                Errand::TrimStacks => self.trim_stacks(),
            }
            if Moment::real().since(begun) >= AT_A_TIME {
                // Maybe for nothing.
                errands.waiting.store(true, Ordering::Release);
                return;
            }
        }
    }
}
