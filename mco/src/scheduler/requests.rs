//! What other threads ask a worker to do on its own thread: to take backtraces of coroutines that it hosts, to list
//! the unstarted ones that it has queued, and to free pooled stacks.
//!
//! A request is put into the worker's list, as a coroutine is into its inbox, and the worker is
//! interrupted if it sleeps: [`Sleep`](super::idle::Sleep) says why neither is missed. The worker runs
//! requests when it reads the clock and before it sleeps. It does so for a limited time, and then goes on with
//! its coroutines.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "dump")]
use std::sync::{Arc, mpsc};
use std::time::Duration;

use parking_lot::Mutex;

use super::local::LocalWorker;
#[cfg(feature = "dump")]
use super::unstarted::UnstartedList;
use crate::clock::Timestamp;
use crate::shrinking;
#[cfg(feature = "dump")]
use crate::task::{TaskRef, capture::Frames};

/// After this time no further request is begun. One takes some 10 to 100 microseconds.
const MAX_RUN: Duration = Duration::from_millis(2);

/// What a worker is asked to do.
pub(crate) enum Request {
    /// A backtrace of a coroutine that it hosts.
    #[cfg(feature = "dump")]
    Backtrace(TaskRef, Reply<Option<Frames>>),
    /// A list of the unstarted coroutines that are queued there.
    #[cfg(feature = "dump")]
    ListUnstarted(Reply<UnstartedList>),
    /// To shrink its pool of stacks.
    TrimStacks,
}

/// Where an answer goes.
#[cfg(feature = "dump")]
pub(crate) struct Reply<T> {
    /// The number that the asker has given the request.
    pub(crate) index: usize,
    pub(crate) answers: mpsc::Sender<(usize, T)>,
    /// Set when nobody waits for the reply any more.
    pub(crate) is_cancelled: Arc<AtomicBool>,
}

#[cfg(feature = "dump")]
impl<T> Reply<T> {
    fn send(self, answer: T) {
        // Whoever asked may be gone.
        let _ = self.answers.send((self.index, answer));
    }
}

impl Request {
    fn is_cancelled(&self) -> bool {
        match self {
            #[cfg(feature = "dump")]
            Request::Backtrace(_, Reply { is_cancelled, .. })
            | Request::ListUnstarted(Reply { is_cancelled, .. }) => {
                is_cancelled.load(Ordering::Relaxed)
            }
            Request::TrimStacks => false,
        }
    }
}

/// The requests of one worker that it has not run yet.
pub(super) struct Requests {
    /// Set after a request was added, and cleared before the list is read.
    waiting: AtomicBool,
    list: Mutex<VecDeque<Request>>,
}

impl Requests {
    pub(super) fn new() -> Requests {
        Requests { waiting: AtomicBool::new(false), list: Mutex::new(VecDeque::new()) }
    }

    /// By any thread, which has to interrupt the worker afterwards.
    pub(super) fn add(&self, requests: impl IntoIterator<Item = Request>) {
        self.list.lock().extend(requests);
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

    /// Drops those whose replies nobody waits for, and with them their references to coroutines.
    pub(super) fn remove_cancelled(&self) {
        self.list.lock().retain(|request| !request.is_cancelled());
    }

    fn next(&self) -> Option<Request> {
        shrinking::pop_front(&mut self.list.lock())
    }
}

impl LocalWorker {
    /// Runs requests, between two turns. Returns whether there were any: if so, this worker's queues may hold more
    /// than before.
    #[inline]
    pub(super) fn run_requests(&self) -> bool {
        let any = self.worker().requests.are_waiting();
        if any {
            self.run_some_requests();
        }
        any
    }

    #[cold]
    fn run_some_requests(&self) {
        let requests = &self.worker().requests;
        requests.waiting.store(false, Ordering::Release);
        let begun = Timestamp::monotonic();
        while let Some(request) = requests.next() {
            if request.is_cancelled() {
                continue;
            }
            match request {
                #[cfg(feature = "dump")]
                Request::Backtrace(task, reply) => reply.send(task.capture()),
                #[cfg(feature = "dump")]
                Request::ListUnstarted(reply) => reply.send(self.list_unstarted()),
                Request::TrimStacks => self.trim_stacks(),
            }
            if Timestamp::monotonic().since(begun) >= MAX_RUN {
                // Maybe for nothing.
                requests.waiting.store(true, Ordering::Release);
                return;
            }
        }
    }
}
