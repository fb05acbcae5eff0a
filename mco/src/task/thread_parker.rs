//! What a plain thread blocks on.

use std::cell::Cell;
use std::mem;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use super::stack_check::exit;
use crate::clock::Timestamp;

/// What a thread parks on. `std::thread::park` is no replacement, since its permit belongs to the user.
pub(crate) struct ThreadParker {
    permit: Mutex<bool>,
    changed: Condvar,
}

impl ThreadParker {
    pub(crate) fn current() -> Arc<ThreadParker> {
        thread_local! {
            static OF_THREAD: Arc<ThreadParker> = ThreadParker::new();
        }
        OF_THREAD.try_with(Arc::clone).unwrap_or_else(|_| ThreadParker::of_ending_thread())
    }

    fn new() -> Arc<ThreadParker> {
        Arc::new(ThreadParker { permit: Mutex::new(false), changed: Condvar::new() })
    }

    /// For the destructor of a thread-local value that outlives the thread's parker. It is not known when the last such
    /// destructor has run, so this parker is never freed.
    #[cold]
    fn of_ending_thread() -> Arc<ThreadParker> {
        thread_local! {
            /// No destructor, so it is there to the end.
            static LATE: Cell<Option<&'static Arc<ThreadParker>>> = const { Cell::new(None) };
        }
        let parker = LATE.get().unwrap_or_else(|| Box::leak(Box::new(ThreadParker::new())));
        LATE.set(Some(parker));
        parker.clone()
    }

    /// By anyone: gives the thread a permit.
    pub(super) fn unpark(&self) {
        *self.permit.lock() = true;
        self.changed.notify_one();
    }

    /// Waits for a permit and takes it, or for the deadline: `false`. May return early.
    pub(crate) fn park(&self, deadline: Option<Timestamp>) -> bool {
        if exit::is_exiting() {
            return ThreadParker::park_while_exiting(deadline);
        }
        let mut permit = self.permit.lock();
        while !*permit {
            match deadline {
                None => self.changed.wait(&mut permit),
                Some(at) => {
                    if self.changed.wait_until(&mut permit, at.to_std()).timed_out() {
                        break;
                    }
                }
            }
        }
        mem::take(&mut *permit)
    }

    /// By a thread that was a worker's until it began to end the process. A notification may go to the coroutine that
    /// it ran, so it does not rely on one and polls.
    #[cold]
    fn park_while_exiting(deadline: Option<Timestamp>) -> bool {
        const POLL_INTERVAL: Duration = Duration::from_millis(1);
        let left = deadline.map_or(POLL_INTERVAL, |at| at.since(Timestamp::now()));
        thread::sleep(left.min(POLL_INTERVAL));
        left > POLL_INTERVAL || deadline.is_none()
    }
}
