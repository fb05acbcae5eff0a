//! Cancelling a coroutine: its next blocking operation unwinds it. So does a deadline that has passed
//! ([`deadline`]), with a payload of its own; what follows holds for both.
//!
//! A cancel sets a flag that is never cleared and wakes the coroutine. The flag is looked at
//! before each suspension and after it; there the coroutine is unwound with [`Cancelled`] as the
//! payload, so that destructors run, and no panic message is printed. Nothing is injected
//!
//! - where the coroutine unwinds already, for whatever reason: the destructor that blocks there may do so, and
//!   a second unwinding out of it would abort the process;
//! - when only destructors are left to run, after the closure;
//! - inside a [`shield`].
//!
//! Then the operation goes on without regard to it, to its end: whether the coroutine unwinds does not
//! change while it waits, so nobody has to look again. A coroutine that has caught a cancel goes on
//! until its next blocking operation, which unwinds it again.
//!
//! # Whether a coroutine unwinds
//!
//! If the thread does not, by `std::thread::panicking`, no coroutine of it does. If it does, the one that
//! runs may be a neighbour of the one that unwinds, which is suspended inside a destructor. Then its own
//! stack says whether it could be unwound ([`unwinding`]).
//!
//! Tried before, and wrong: to count those that are suspended while they unwind, and to be told by the panic
//! hook when a panic begins. That a panic is over, caught, nobody tells; hooks are replaced; payloads are kept,
//! passed on and resumed. Putting off every cancel while the thread unwinds deadlocks: a destructor that
//! cancels a child of the same worker and waits for it would wait for ever.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::panic::{self, Location};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ThreadId};

use super::current::{self, Running};
use super::deadline::{self, Deadline};
use super::stack_check::Refusal;
use super::{Reason, TaskRef, unwinding};

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
    fn new() -> Injection {
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

/// What a coroutine, or a plain thread, knows of its own unwinding. Only for its own thread.
#[derive(Default)]
pub(super) struct Unwinding {
    /// The number of the [`Injection`] that came last, if its payload is on its way up this stack, or was
    /// caught and is being kept; else 0. Tells a cancel from a panic, for who is unwound; decides nothing else.
    injected: u64,
    /// The panic hook is running, and nothing may unwind out of it.
    in_hook: bool,
    /// The nearest of the deadlines that hold here.
    pub(super) deadline: Option<Deadline>,
    /// How many calls of [`shield`] are on the stack.
    shields: u32,
}

thread_local! {
    /// What was refused last on this thread, and where: separate, so that a [`PendingUnwind`] stays small.
    static REFUSED: Cell<Option<(Reason, &'static Location<'static>)>> = const { Cell::new(None) };
    /// Of the thread itself, while it runs no coroutine.
    static OF_THREAD: RefCell<Unwinding> = RefCell::default();
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

/// Calls a panic hook. For a panic that begins on this thread.
pub(super) fn call_hook(hook: impl FnOnce()) {
    struct InHook;
    impl Drop for InHook {
        fn drop(&mut self) {
            with_unwinding(|unwinding| unwinding.in_hook = false);
        }
    }
    // A payload that was caught and kept does not count: unless the panic begins in a destructor, it is the panic that
    // unwinds from here.
    let is_first = unwinds_by_cancel() && current::running().is_none_or(can_unwind);
    let _in_hook = with_unwinding(|unwinding| {
        if is_first {
            unwinding.injected = 0;
        }
        unwinding.in_hook = true;
        InHook
    });
    hook();
}

/// Resumes the unwinding with a payload that was caught in the calling coroutine or thread.
pub(crate) fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    let cancelled = payload.downcast_ref::<Cancelled>().and_then(|c| c.injection.as_ref());
    if let Some(injection) = cancelled.or_else(|| deadline::injection_of(&*payload)) {
        injection.resumes();
    }
    panic::resume_unwind(payload)
}

/// Whether the coroutine that runs now could be unwound from here: it does not unwind already. On another stack
/// than its own, whose frames lie elsewhere, that is not known.
#[inline]
fn can_unwind(running: Running) -> bool {
    !thread::panicking() || running.is_on_own_stack() && unwinding::can_begin(running.base())
}

/// Whether the calling coroutine or thread unwinds because of a panic: what decides whether a lock
/// is poisoned.
#[inline]
pub(crate) fn unwinds_by_panic() -> bool {
    thread::panicking() && this_one_panics()
}

#[cold]
fn this_one_panics() -> bool {
    !unwinds_by_cancel() && current::running().is_none_or(|running| !can_unwind(running))
}

/// Whether what unwinds the caller is a cancel, or a deadline. To be asked only where something does.
pub(crate) fn unwinds_by_cancel() -> bool {
    with_unwinding(|unwinding| unwinding.injected != 0)
}

/// Calls `f`, which neither a cancel nor a deadline from outside cuts off: it takes effect at the next
/// blocking operation after. Deadlines that `f` sets itself hold.
pub(crate) fn shield<R>(f: impl FnOnce() -> R) -> R {
    struct Shield(Option<Deadline>);
    impl Drop for Shield {
        fn drop(&mut self) {
            with_unwinding(|unwinding| {
                unwinding.shields -= 1;
                unwinding.deadline = self.0.take();
            });
        }
    }
    let _shield = with_unwinding(|unwinding| {
        unwinding.shields += 1;
        Shield(unwinding.deadline.take())
    });
    f()
}

/// To be called before anything that may have to unwind a stack.
///
/// # Panics
///
/// In a program that is built without unwinding, where that would end it without a word.
#[inline]
pub(super) fn require_unwinding() {
    if cfg!(panic = "abort") {
        panic!(
            "a cancel or a time limit unwinds the stack of a coroutine, but this program is built with \
             `panic = \"abort\"`: remove that from the profile in `Cargo.toml`, or do without `cancel`, `timeout`, \
             arms of `select!` that run in a child coroutine, and the drop of a runtime that has coroutines"
        );
    }
}

/// Why the caller has to unwind, where it may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingUnwind {
    /// The coroutine is cancelled.
    Cancel,
    /// The nearest deadline has passed.
    Deadline,
    /// It must not wait here. [`note_refusal`] has said which wait it was.
    Refused(Refusal),
}

impl PendingUnwind {
    /// Unwinds the coroutine or thread that runs now.
    #[cold]
    pub(crate) fn unwind(self) -> ! {
        if let PendingUnwind::Refused(refusal) = self {
            let (reason, site) = REFUSED.get().expect("what is refused was noted");
            refusal.panic(reason, site);
        }
        require_unwinding();
        let payload = match self {
            PendingUnwind::Deadline => deadline::payload(Injection::new()),
            _ => Box::new(Cancelled { injection: Some(Injection::new()) }),
        };
        panic::resume_unwind(payload)
    }
}

/// Notes which wait of the caller's is refused.
pub(crate) fn note_refusal(reason: Reason, site: &'static Location<'static>) {
    REFUSED.set(Some((reason, site)));
}

/// Unwinds the coroutine that runs now, if it has to.
#[inline]
pub(crate) fn check(running: Running) {
    if let Some(pending) = pending_unwind(running) {
        pending.unwind();
    }
}

/// Unwinds the coroutine or thread that runs now, if it has to.
pub(crate) fn check_here() {
    if let Some(pending) = pending_unwind_here() {
        pending.unwind();
    }
}

/// Why the coroutine or thread that runs now has to unwind, if it has to and may.
#[inline]
pub(crate) fn pending_unwind_here() -> Option<PendingUnwind> {
    match current::running() {
        Some(running) => pending_unwind(running),
        None => deadline::has_passed_in_thread().then_some(PendingUnwind::Deadline),
    }
}

/// Why the coroutine that runs now has to unwind, if it has to and may.
#[inline]
pub(crate) fn pending_unwind(running: Running) -> Option<PendingUnwind> {
    // Relaxed: what led to the cancel becomes visible through the state, which `cancel` notifies.
    if running.header().cancelled.load(Ordering::Relaxed)
        || running.with_home_only(|own| own.unwinding.deadline.is_some())
    {
        pending_unwind_slow(running)
    } else {
        None
    }
}

#[cold]
fn pending_unwind_slow(running: Running) -> Option<PendingUnwind> {
    let cancelled = running.header().cancelled.load(Ordering::Relaxed);
    let pending = if cancelled && running.with_home_only(|own| own.unwinding.shields == 0) {
        PendingUnwind::Cancel
    } else if deadline::has_passed() {
        PendingUnwind::Deadline
    } else {
        return None;
    };
    let is_over = running.with_home_only(|own| own.ended || own.unwinding.in_hook);
    (!is_over && can_unwind(running)).then_some(pending)
}

impl TaskRef {
    /// Asks the coroutine to stop.
    ///
    /// # Panics
    ///
    /// As [`require_unwinding`], if it has not ended.
    pub(crate) fn cancel(&self) {
        if !self.is_finished() {
            require_unwinding();
        }
        self.header().cancelled.store(true, Ordering::Relaxed);
        // Its Release publishes the flag to the coroutine.
        self.wake();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.header().cancelled.load(Ordering::Relaxed)
    }
}
