//! What other threads ask a worker to do on its own thread: to take backtraces of coroutines that it hosts, to list
//! the unstarted ones that it has queued, and to free pooled stacks.
//!
//! A request is put into the worker's list, as a coroutine is into its inbox, and the worker is
//! interrupted if it sleeps: [`Sleep`](super::idle::Sleep) says why neither is missed. The worker runs
//! requests when it reads the clock and before it sleeps. It does so for a limited time, and then goes on with
//! its coroutines.

use std::collections::VecDeque;
#[cfg(feature = "dump")]
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "dump")]
use std::sync::{Arc, mpsc};

use parking_lot::Mutex;

use crate::shrinking;
#[cfg(feature = "dump")]
use crate::task::{TaskRef, inspect::backtrace::Frames};

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
    pub(super) fn send(self, answer: T) {
        // Whoever asked may be gone.
        let _ = self.answers.send((self.index, answer));
    }
}

impl Request {
    pub(super) fn is_cancelled(&self) -> bool {
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
    pub(super) waiting: AtomicBool,
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

    pub(super) fn next(&self) -> Option<Request> {
        shrinking::pop_front(&mut self.list.lock())
    }
}

#[cfg(feature = "dump")]
/// A coroutine that has not started.
pub(crate) struct Unstarted {
    pub(crate) id: u64,
    pub(crate) name: Option<String>,
    pub(crate) spawned_at: &'static Location<'static>,
}

#[cfg(feature = "dump")]
/// Those that are queued somewhere.
#[derive(Default)]
pub(crate) struct UnstartedList {
    pub(crate) seen: Vec<Unstarted>,
    /// So many further ones have not been looked at.
    pub(crate) others: usize,
}

#[cfg(feature = "dump")]
impl UnstartedList {
    pub(super) fn add(&mut self, task: &TaskRef) {
        self.seen.push(Unstarted {
            id: task.id(),
            name: task.name().map(str::to_owned),
            spawned_at: task.spawned_at(),
        });
    }
}
