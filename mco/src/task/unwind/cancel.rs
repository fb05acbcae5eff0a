//! Cancelling a coroutine: its next blocking operation unwinds it. So does a deadline that has passed, or another limit
//! ([`deadline`]), with a payload of its own; what follows holds for all.
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
//! stack says whether it could be unwound ([`tables`]).
//!
//! Tried before, and wrong: to count those that are suspended while they unwind, and to be told by the panic
//! hook when a panic begins. That a panic is over, caught, nobody tells; hooks are replaced; payloads are kept,
//! passed on and resumed. Putting off every cancel while the thread unwinds deadlocks: a destructor that
//! cancels a child of the same worker and waits for it would wait for ever.

use std::borrow::Cow;
use std::cell::Cell;
use std::panic::{self, Location};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;

pub(crate) use super::cause::CancelCause;
pub(crate) use super::deadline::Inherited;
pub use super::payload::Cancelled;
pub(crate) use super::payload::{before_start, resume_unwind};
pub(crate) use super::state::Interrupt;

use super::payload::{self, Injection, require_unwinding, with_unwinding};
use super::state::Limit;
use super::{deadline, tables};
use crate::task::current::{self, Running};
use crate::task::inspect::Reason;
use crate::task::stack_check::Refusal;

thread_local! {
    /// What was refused last on this thread, and where: separate, so that a [`PendingUnwind`] stays small.
    static REFUSED: Cell<Option<(Reason, &'static Location<'static>)>> = const { Cell::new(None) };
}

/// Calls a panic hook. For a panic that begins on this thread.
pub(in crate::task) fn call_hook(hook: impl FnOnce()) {
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

/// Whether the coroutine that runs now could be unwound from here: it does not unwind already. On another stack
/// than its own, whose frames lie elsewhere, that is not known.
#[inline]
fn can_unwind(running: Running) -> bool {
    !thread::panicking() || running.is_on_own_stack() && tables::can_begin(running.base())
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

/// Calls `f`, which neither a cancel nor a limit from outside cuts off: it takes effect at the next
/// blocking operation after. Limits that `f` sets itself hold.
pub(crate) fn shield<R>(f: impl FnOnce() -> R) -> R {
    struct Shield(Option<Arc<Limit>>);
    impl Drop for Shield {
        fn drop(&mut self) {
            with_unwinding(|unwinding| unwinding.shields -= 1);
            drop(deadline::replace(self.0.take()));
        }
    }
    let _shield = with_unwinding(|unwinding| {
        unwinding.shields += 1;
        Shield(unwinding.limit.take())
    });
    f()
}

/// Why the caller has to unwind, where it may.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum PendingUnwind {
    /// The coroutine is cancelled.
    Cancel,
    /// Somebody interrupts what it does now.
    Interrupt,
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
            PendingUnwind::Deadline | PendingUnwind::Interrupt => {
                deadline::payload(Injection::new())
            }
            _ => {
                let cause = current::running().and_then(|running| running.cancel_cause());
                payload::cancelled(Injection::new(), cause)
            }
        };
        panic::resume_unwind(payload)
    }
}

/// A cancel by the caller, who was called from `at`.
pub(crate) fn cause_here(
    at: &'static Location<'static>,
    reason: Option<Cow<'static, str>>,
) -> Arc<CancelCause> {
    CancelCause::new(current::running().map(Running::id), Some(at), reason)
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
        None => deadline::may_end_in_thread().then(pending_limit).flatten(),
    }
}

/// Whether the coroutine that runs now has neither been cancelled nor a deadline.
#[inline(always)]
pub(crate) fn is_undisturbed(running: Running) -> bool {
    // Relaxed: what led to the cancel becomes visible through the state, which `cancel` notifies.
    !running.header().cancelled.load(Ordering::Relaxed)
        && running.with_home_only(|own| own.unwinding.limit.is_none())
}

/// Why the coroutine that runs now has to unwind, if it has to and may.
#[inline]
pub(crate) fn pending_unwind(running: Running) -> Option<PendingUnwind> {
    if is_undisturbed(running) { None } else { pending_unwind_slow(running) }
}

#[cold]
fn pending_unwind_slow(running: Running) -> Option<PendingUnwind> {
    let cancelled = running.header().cancelled.load(Ordering::Relaxed);
    let pending = if cancelled && running.with_home_only(|own| own.unwinding.shields == 0) {
        PendingUnwind::Cancel
    } else {
        pending_limit()?
    };
    may_unwind(running).then_some(pending)
}

/// Which of the caller's limits is over.
#[cold]
fn pending_limit() -> Option<PendingUnwind> {
    if deadline::is_interrupted() {
        Some(PendingUnwind::Interrupt)
    } else {
        deadline::has_passed().then_some(PendingUnwind::Deadline)
    }
}

/// What a scope's coroutines have from the caller, who owns it: nothing, if no limit would unwind the caller itself.
#[inline]
pub(crate) fn to_inherit() -> Option<Inherited> {
    if !deadline::is_set() {
        return None;
    }
    let may_unwind = match current::running() {
        Some(running) => may_unwind(running),
        None => deadline::may_end_in_thread(),
    };
    if may_unwind { Inherited::of_caller() } else { None }
}

/// Whether the coroutine that runs now may be unwound from here.
#[cold]
fn may_unwind(running: Running) -> bool {
    let is_over = running.with_home_only(|own| own.ended || own.unwinding.in_hook);
    !is_over && can_unwind(running)
}
