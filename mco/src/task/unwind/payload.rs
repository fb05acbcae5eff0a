//! What mco unwinds somebody with, and by what it is known that it does: a payload carries the number of the
//! injection that it comes from, and whoever is unwound notes that number while the payload is on its way.
//!
//! Who may call: the coroutine or thread that is unwound, for itself. What decides whether one may be unwound is
//! above ([`cancel`](super::cancel), [`deadline`](super::deadline)).

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::panic;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use super::state::Unwinding;
use crate::task::current;

thread_local! {
    /// Of the thread itself, while it runs no coroutine.
    static OF_THREAD: RefCell<Unwinding> = RefCell::default();
}

/// The payload with which a cancelled coroutine unwinds, and that [`JoinHandle::join`] returns.
///
/// Who catches it goes on until the next operation that waits, which unwinds again, whether the payload was
/// dropped or is kept. Destructors that an unwinding runs may wait as ever. An `extern "C"` function lets no
/// unwinding pass: a coroutine that is cancelled while it waits below one aborts the process, as a panic there
/// does.
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
    /// `None`: it was cancelled before it started.
    injection: Option<Injection>,
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

/// The payload for the caller, who is cancelled.
pub(super) fn cancelled() -> Box<dyn Any + Send> {
    Box::new(Cancelled { injection: Some(Injection::new()) })
}

/// The payload for a coroutine that is cancelled before it starts.
pub(crate) fn before_start() -> Box<dyn Any + Send> {
    Box::new(Cancelled { injection: None })
}

/// Part of each payload with which mco unwinds a coroutine or thread, for a cancel or for a deadline.
pub(super) struct Injection {
    owner: StackOwner,
    /// Unique in the process.
    number: u64,
}

/// The coroutine or thread whose stack a payload unwinds.
#[derive(PartialEq, Eq)]
enum StackOwner {
    Coroutine(u64),
    Thread(ThreadId),
}

impl Injection {
    /// For a payload that is about to unwind the caller.
    pub(super) fn new() -> Injection {
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        with_unwinding(|unwinding| unwinding.injected = number);
        Injection { owner: StackOwner::current(), number }
    }

    /// The caller has caught the payload and is about to pass it on.
    fn resumes(&self) {
        if self.owner == StackOwner::current() {
            with_unwinding(|unwinding| unwinding.injected = self.number);
        }
    }
}

impl Drop for Injection {
    /// The payload was caught and is dropped. A later payload may be unwinding the owner by now.
    fn drop(&mut self) {
        if self.owner == StackOwner::current() {
            with_unwinding(|unwinding| {
                if unwinding.injected == self.number {
                    unwinding.injected = 0;
                }
            });
        }
    }
}

impl StackOwner {
    fn current() -> StackOwner {
        match current::running() {
            Some(running) => StackOwner::Coroutine(running.id()),
            None => StackOwner::Thread(thread::current().id()),
        }
    }
}

/// The payload with which a passed deadline unwinds a coroutine or thread.
pub(super) struct Passed {
    /// That of the deadline.
    pub(super) number: u64,
    pub(super) injection: Injection,
}

/// Gives access to what the calling coroutine or thread knows of its unwinding. `f` must not run user
/// code or suspend.
#[inline]
pub(super) fn with_unwinding<R>(f: impl FnOnce(&mut Unwinding) -> R) -> R {
    match current::running() {
        Some(running) => running.with_home_only(|own| f(&mut own.unwinding)),
        None => OF_THREAD.with_borrow_mut(f),
    }
}

/// Resumes the unwinding with a payload that was caught in the calling coroutine or thread.
pub(crate) fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    let cancelled = payload.downcast_ref::<Cancelled>().and_then(|c| c.injection.as_ref());
    let passed = payload.downcast_ref::<Passed>();
    if let Some(injection) = cancelled.or_else(|| passed.map(|passed| &passed.injection)) {
        injection.resumes();
    }
    panic::resume_unwind(payload)
}

/// To be called before anything that may have to unwind a stack.
///
/// # Panics
///
/// In a program that is built without unwinding, where that would end it without a word.
#[inline]
pub(in crate::task) fn require_unwinding() {
    if cfg!(panic = "abort") {
        panic!(
            "a cancel or a time limit unwinds the stack of a coroutine, but this program is built with \
             `panic = \"abort\"`: remove that from the profile in `Cargo.toml`, or do without `cancel`, `timeout`, \
             arms of `select!` that run in a child coroutine, and the drop of a runtime that has coroutines"
        );
    }
}
