//! Deadlines by which a coroutine or thread has to be done with something: what `timeout` is made of.
//! [`std::time::timeout`](crate::std::time::timeout) describes what they do.
//!
//! Of several deadlines only the nearest matters. It is kept with what a coroutine knows of its unwinding
//! ([`Unwinding`](super::state::Unwinding)). Each call of [`limited`] replaces it by its own, if that is nearer, and
//! restores it at its end. So the deadlines form a stack in the frames of these calls. On another stack than the
//! coroutine's own there are none: a generator may be left in the middle of such a call, and its deadline would hold
//! for whoever goes on outside. A payload carries the number of the deadline that has passed, by which the call whose
//! it is recognises it.

use std::any::Any;
use std::panic::{self, AssertUnwindSafe, Location};
use std::ptr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use super::payload::{Injection, Passed, require_unwinding, resume_unwind, with_unwinding};
use super::state::Deadline;
use crate::clock::Timestamp;
use crate::task::current;
use crate::task::stack_check::{self, Refusal};

/// Calls `f`. `None`: one of its blocking operations was cut off at the deadline.
///
/// # Panics
///
/// In a program that is built without unwinding, and on another stack than the coroutine's own.
#[track_caller]
pub(crate) fn limited<R>(at: Timestamp, f: impl FnOnce() -> R) -> Option<R> {
    /// Restores the deadline of before.
    struct Restore(Option<Deadline>);
    impl Drop for Restore {
        fn drop(&mut self) {
            with_unwinding(|unwinding| unwinding.deadline = self.0);
        }
    }
    require_unwinding();
    check_before(Location::caller());
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
    let restore = with_unwinding(|unwinding| {
        let outer = unwinding.deadline;
        if outer.is_none_or(|outer| at < outer.at) {
            unwinding.deadline = Some(Deadline { at, number });
        }
        Restore(outer)
    });
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

/// Refuses a deadline on another stack. That the process exits is found out as well: then the deadline is the
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

/// Whether the calling coroutine or thread has a deadline.
#[inline]
pub(crate) fn is_set() -> bool {
    with_unwinding(|unwinding| unwinding.deadline.is_some())
}

/// The nearest deadline of the calling coroutine or thread.
#[inline]
pub(crate) fn nearest() -> Option<Timestamp> {
    with_unwinding(|unwinding| unwinding.deadline).map(|deadline| deadline.at)
}

/// The same, if it is still to come.
pub(crate) fn ahead(now: Timestamp) -> Option<Timestamp> {
    nearest().filter(|at| *at > now)
}

/// Whether the nearest one has passed.
pub(super) fn has_passed() -> bool {
    nearest().is_some_and(|at| at <= Timestamp::now())
}

/// Whether the nearest one of a plain thread has passed and the thread may be unwound: unlike a
/// coroutine, a thread knows whether it unwinds.
#[inline]
pub(super) fn has_passed_in_thread() -> bool {
    is_set() && has_passed() && !thread::panicking()
}

/// What to unwind with when the nearest one has passed.
pub(super) fn payload(injection: Injection) -> Box<dyn Any + Send> {
    let deadline = with_unwinding(|unwinding| unwinding.deadline);
    let number = deadline.expect("it has passed").number;
    Box::new(Passed { number, injection })
}
