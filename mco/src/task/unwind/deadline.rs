//! What a coroutine or thread does within limits: deadlines by which it has to be done, which is what `timeout` is made
//! of, and interrupts, by which somebody else cuts it off.
//! [`std::time::timeout`](crate::std::time::timeout) describes what they do.
//!
//! The limits that hold form a list ([`Limit`]), which is kept with what a coroutine knows of its unwinding
//! ([`Unwinding`](super::state::Unwinding)). Each call of [`limited`] puts its own in front, and restores the list at its
//! end. So they form a stack in the frames of these calls. On another stack than the coroutine's own there are none: a
//! generator may be left in the middle of such a call, and its limit would hold for whoever goes on outside. A payload
//! carries the number of the limit that it is for, by which the call whose it is recognises it. Of several deadlines
//! only the nearest matters, of several interrupts the outermost that is due; an interrupt comes before a deadline.
//!
//! A coroutine of a scope has the nearest deadline of the scope's owner from its birth, as a limit without a call: when
//! that passes, the coroutine unwinds as if it were cancelled. The owner's interrupts it has not: the owner hands those on,
//! by cancelling it. Where the owner itself could not be unwound, nothing is inherited, as nothing would be handed on.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::cause::CancelCause;
use super::payload::{self, Injection, Passed, require_unwinding, resume_unwind, with_unwinding};
use super::state::{Interrupt, Limit};
use crate::clock::Timestamp;
use crate::task::current;
use crate::task::stack_check::{self, Refusal};

impl Limit {
    /// The number of those that are inherited.
    const INHERITED: u64 = 0;

    /// This one, and those around it.
    fn all(&self) -> impl Iterator<Item = &Limit> {
        std::iter::successors(Some(self), |limit| limit.outer.as_deref())
    }

    /// The one whose interrupt cuts its caller off.
    fn interrupted(&self) -> Option<&Limit> {
        if !self.has_interrupt {
            return None;
        }
        let is_due = |limit: &&Limit| limit.interrupt.as_ref().is_some_and(|i| i.is_due());
        self.all().filter(is_due).last()
    }

    /// The one with the nearest deadline: of equal ones the outermost.
    fn with_nearest(&self) -> Option<&Limit> {
        self.all().filter(|limit| limit.at.is_some() && limit.at == self.nearest).last()
    }
}

/// Calls `f`. `None`: one of its blocking operations was cut off at the deadline.
///
/// # Panics
///
/// In a program that is built without unwinding, and on another stack than the coroutine's own.
#[track_caller]
pub(crate) fn limited<R>(at: Timestamp, f: impl FnOnce() -> R) -> Option<R> {
    within(Some(at), None, f)
}

/// As `limited`, until `interrupt` is due.
#[track_caller]
pub(crate) fn interruptible<R>(interrupt: Arc<dyn Interrupt>, f: impl FnOnce() -> R) -> Option<R> {
    within(None, Some(interrupt), f)
}

#[track_caller]
fn within<R>(
    at: Option<Timestamp>,
    interrupt: Option<Arc<dyn Interrupt>>,
    f: impl FnOnce() -> R,
) -> Option<R> {
    /// Restores the limits of before.
    struct Restore(Option<Arc<Limit>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            drop(replace(self.0.take()));
        }
    }
    require_unwinding();
    let site = Location::caller();
    check_before(site);
    static NUMBERS: AtomicU64 = AtomicU64::new(Limit::INHERITED + 1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let outer = held();
    let outer_nearest = outer.as_ref().and_then(|outer| outer.nearest);
    let nearest = [at, outer_nearest].into_iter().flatten().min();
    let has_interrupt = interrupt.is_some() || outer.as_ref().is_some_and(|o| o.has_interrupt);
    let limit = Limit { number, site, at, interrupt, outer, nearest, has_interrupt };
    let restore = Restore(replace(Some(Arc::new(limit))));
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    drop(restore);
    let payload = match result {
        Ok(value) => return Some(value),
        Err(payload) => payload,
    };
    if payload.downcast_ref::<Passed>().is_some_and(|passed| passed.number == number) {
        return None;
    }
    resume_unwind(payload)
}

/// Refuses a limit on another stack. That the process exits is found out as well: then the limit is the
/// plain thread's, which the caller has become.
#[inline]
fn check_before(site: &'static Location<'static>) {
    let depth = ptr::from_ref(&site).addr();
    if stack_check::refusal(current::running(), site, depth) == Some(Refusal::OtherStack) {
        panic!(
            "the time limit at {site} is set on another stack than the coroutine's own, inside a generator or in \
             a library that switches stacks; set it outside of that, or give what it limits a coroutine of its own"
        );
    }
}

/// Makes `limit` the innermost one of the caller. Returns the one of before, which is to be dropped by the caller.
pub(super) fn replace(limit: Option<Arc<Limit>>) -> Option<Arc<Limit>> {
    with_unwinding(|unwinding| std::mem::replace(&mut unwinding.limit, limit))
}

/// The limits of the caller.
fn held() -> Option<Arc<Limit>> {
    with_unwinding(|unwinding| unwinding.limit.clone())
}

/// Whether the calling coroutine or thread has a limit.
#[inline]
pub(crate) fn is_set() -> bool {
    with_unwinding(|unwinding| unwinding.limit.is_some())
}

/// The nearest deadline of the calling coroutine or thread.
#[inline]
pub(crate) fn nearest() -> Option<Timestamp> {
    with_unwinding(|unwinding| unwinding.limit.as_ref().and_then(|limit| limit.nearest))
}

/// The same, if it is still to come.
pub(crate) fn ahead(now: Timestamp) -> Option<Timestamp> {
    nearest().filter(|at| *at > now)
}

/// When a plain thread has to look at its limits again, if it waits where nobody can wake it: in the system.
pub(crate) fn next_look(now: Timestamp) -> Option<Timestamp> {
    const INTERVAL: Duration = Duration::from_millis(20);
    let has_interrupt =
        with_unwinding(|unwinding| unwinding.limit.as_ref().is_some_and(|l| l.has_interrupt));
    let look = has_interrupt.then(|| now + INTERVAL);
    [ahead(now), look].into_iter().flatten().min()
}

/// Whether the nearest deadline has passed.
pub(super) fn has_passed() -> bool {
    nearest().is_some_and(|at| at <= Timestamp::now())
}

/// Whether an interrupt is due.
pub(super) fn is_interrupted() -> bool {
    // Not while the thread's own are borrowed: it may be anyone's code that answers.
    held().is_some_and(|limit| limit.interrupted().is_some())
}

/// Whether a plain thread may be unwound: unlike a coroutine, a thread knows whether it unwinds.
#[inline]
pub(super) fn may_end_in_thread() -> bool {
    is_set() && !thread::panicking()
}

/// What to unwind with when an interrupt is due, or the nearest deadline has passed.
pub(super) fn payload(injection: Injection) -> Box<dyn Any + Send> {
    let limit = held().expect("one is due");
    let due = limit.interrupted().or_else(|| limit.with_nearest()).unwrap_or(&limit);
    if due.number == Limit::INHERITED {
        let reason = "the deadline that it has inherited is over";
        let cause = CancelCause::new(None, Some(due.site), Some(reason.into()));
        return payload::cancelled(injection, Some(cause));
    }
    Box::new(Passed { number: due.number, injection })
}

/// The deadline that a scope's coroutines have from its owner.
#[derive(Clone)]
pub(crate) struct Inherited(pub(in crate::task) Arc<Limit>);

impl Inherited {
    /// That of the caller, who owns the scope, and who may be unwound.
    #[cold]
    pub(super) fn of_caller() -> Option<Inherited> {
        let limit = held()?;
        let nearest = limit.with_nearest()?;
        Some(Inherited(Arc::new(Limit {
            number: Limit::INHERITED,
            site: nearest.site,
            at: nearest.at,
            interrupt: None,
            outer: None,
            nearest: nearest.at,
            has_interrupt: false,
        })))
    }
}
