//! What mco unwinds somebody with, and by what it is known that it does: a payload carries the number of the
//! injection that it comes from, and whoever is unwound notes that number while the payload is on its way.
//!
//! Who may call: the coroutine or thread that is unwound, for itself. What decides whether one may be unwound is
//! above ([`cancel`](super::cancel), [`deadline`](super::deadline)).

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{self, Location};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use super::cause::CancelCause;
use super::state::Unwinding;
use crate::coroutine_id::CoroutineId;
use crate::task::current;

thread_local! {
    /// Of the thread itself, while it runs no coroutine. Without a destructor, so that it is there to the end of the
    /// thread, when destructors of other values still ask; by then no limit is left in it.
    static OF_THREAD: ManuallyDrop<RefCell<Unwinding>> =
        const { ManuallyDrop::new(RefCell::new(Unwinding::new())) };
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
    /// `None`: it was cancelled before it started, or is no payload.
    injection: Option<Injection>,
    cause: Option<Arc<CancelCause>>,
}

impl Cancelled {
    /// For who is not unwound with it.
    pub(crate) fn of_cause(cause: Option<Arc<CancelCause>>) -> Cancelled {
        Cancelled { injection: None, cause }
    }

    /// Why the children of a scope are cancelled whose owner has unwound with this: as it was itself.
    pub(crate) fn cause_of_children(&self, scope: &'static Location<'static>) -> Arc<CancelCause> {
        let unknown = || CancelCause::new(None, Some(scope), None);
        self.cause.clone().unwrap_or_else(unknown)
    }

    /// The coroutine that has cancelled; `None` if it was a thread outside of coroutines, a deadline, or the end of the
    /// runtime.
    #[must_use]
    pub fn by(&self) -> Option<CoroutineId> {
        self.cause.as_ref()?.by()
    }

    /// Where in the source it was cancelled, or the deadline set that is over.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::coroutine::{self, Cancelled};
    ///
    /// let sleeper = coroutine::spawn(coroutine::park);
    /// sleeper.cancel();
    /// let line = line!() - 1;
    /// let cancelled = sleeper.join().unwrap_err().downcast::<Cancelled>().unwrap();
    /// assert_eq!(cancelled.at().unwrap().line(), line);
    /// ```
    #[must_use]
    pub fn at(&self) -> Option<&'static Location<'static>> {
        self.cause.as_ref()?.at()
    }

    /// Why, if somebody has said so: whoever cancelled a [`CancelToken`](crate::coroutine::CancelToken), or a group, a
    /// scope, a `select!` or a runtime for its own reasons.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.cause.as_ref()?.reason()
    }
}

impl fmt::Debug for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Cancelled");
        if let Some(by) = self.by() {
            debug.field("by", &by);
        }
        if let Some(at) = self.at() {
            debug.field("at", &format_args!("{at}"));
        }
        if let Some(reason) = self.reason() {
            debug.field("reason", &reason);
        }
        debug.finish()
    }
}

/// Says by whom, where and why, as far as that is known.
impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the coroutine was cancelled")?;
        self.cause.as_ref().map_or(Ok(()), |cause| cause.fmt(f))
    }
}

impl std::error::Error for Cancelled {}

/// The payload for the caller, who is cancelled.
pub(super) fn cancelled(
    injection: Injection,
    cause: Option<Arc<CancelCause>>,
) -> Box<dyn Any + Send> {
    Box::new(Cancelled { injection: Some(injection), cause })
}

/// The payload for a coroutine that is cancelled before it starts.
pub(crate) fn before_start(cause: Option<Arc<CancelCause>>) -> Box<dyn Any + Send> {
    Box::new(Cancelled::of_cause(cause))
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

/// The payload with which a limit that is over unwinds a coroutine or thread.
pub(super) struct Passed {
    /// That of the limit.
    pub(super) number: u64,
    pub(super) injection: Injection,
}

/// Gives access to what the calling coroutine or thread knows of its unwinding. `f` must not run user
/// code or suspend.
#[inline]
pub(super) fn with_unwinding<R>(f: impl FnOnce(&mut Unwinding) -> R) -> R {
    match current::running() {
        Some(running) => running.with_home_only(|own| f(&mut own.unwinding)),
        None => OF_THREAD.with(|unwinding| f(&mut unwinding.borrow_mut())),
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
