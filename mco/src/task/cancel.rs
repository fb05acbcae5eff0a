//! Cancelling a coroutine: its next blocking operation unwinds it.
//!
//! A cancel sets a flag that is never cleared and wakes the coroutine. The flag is looked at
//! before each suspension and after it; there the coroutine is unwound with [`Cancelled`] as the
//! payload, so that destructors run, and no panic message is printed. Nothing is injected
//!
//! - while that payload is alive: destructors may block, and a second unwinding inside them would
//!   abort the process. Code that catches the payload and drops it goes on until its next blocking
//!   operation;
//! - while the thread is unwinding. That may be a neighbour which was suspended inside one of its
//!   destructors: the panic count belongs to the thread, and cannot be told apart. Such a cancel is
//!   only put off: [`retry_deferred`] wakes the coroutine again when the thread unwinds no longer.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic;
use std::sync::atomic::Ordering;

use super::TaskRef;
use super::current::{self, Running};

/// The payload with which a cancelled coroutine unwinds, and that [`JoinHandle::join`] returns.
///
/// [`JoinHandle::join`]: crate::coroutine::JoinHandle::join
///
/// # Examples
///
/// ```
/// use mco::coroutine::{self, Cancelled};
///
/// let sleeper = coroutine::spawn(coroutine::park);
/// sleeper.cancel();
/// assert!(sleeper.join().unwrap_err().is::<Cancelled>());
/// ```
pub struct Cancelled {
    /// The coroutine that unwinds with it; 0 if it was cancelled before it started.
    coroutine: u64,
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cancelled")
    }
}

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the coroutine was cancelled")
    }
}

impl std::error::Error for Cancelled {}

impl Drop for Cancelled {
    /// Caught and dropped on the way up: from here on the coroutine can be unwound again.
    fn drop(&mut self) {
        if let Some(running) = current::running()
            && running.header().attributes.id == self.coroutine
        {
            running.with_owned(|owned| owned.unwinding = false);
        }
    }
}

/// The payload for a coroutine that is cancelled before it starts.
pub(crate) fn before_start() -> Box<dyn Any + Send> {
    Box::new(Cancelled { coroutine: 0 })
}

thread_local! {
    /// Cancelled coroutines of this worker that could not be unwound when they looked.
    static DEFERRED: RefCell<Vec<TaskRef>> = const { RefCell::new(Vec::new()) };
    /// Whether there are any. Apart, since the worker looks after each run.
    static ANY_DEFERRED: Cell<bool> = const { Cell::new(false) };
}

/// Unwinds the coroutine that runs now, if it is cancelled and may be unwound.
#[inline]
pub(crate) fn check(running: Running) {
    // Relaxed: what led to the cancel becomes visible through the state, which `cancel` notifies.
    if running.header().cancelled.load(Ordering::Relaxed) {
        unwind(running);
    }
}

#[cold]
fn unwind(running: Running) {
    if running.with_owned(|owned| owned.unwinding) {
        return;
    }
    if std::thread::panicking() {
        DEFERRED.with_borrow_mut(|deferred| {
            if !deferred.iter().any(|task| task.as_raw() == running.task().as_raw()) {
                deferred.push(running.task());
            }
        });
        ANY_DEFERRED.set(true);
        return;
    }
    running.with_owned(|owned| owned.unwinding = true);
    panic::resume_unwind(Box::new(Cancelled { coroutine: running.header().attributes.id }));
}

/// By the worker between two runs: lets the coroutines look again whose cancel was put off.
#[inline]
pub(crate) fn retry_deferred() {
    if ANY_DEFERRED.get() && !std::thread::panicking() {
        ANY_DEFERRED.set(false);
        DEFERRED.take().iter().for_each(TaskRef::wake);
    }
}

impl TaskRef {
    /// Asks the coroutine to stop.
    pub(crate) fn cancel(&self) {
        self.header().cancelled.store(true, Ordering::Relaxed);
        // Its Release publishes the flag to the coroutine.
        self.wake();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.header().cancelled.load(Ordering::Relaxed)
    }
}
