//! Letting the others go first: when asked to, when the budget is spent, or by chance.
//!
//! Who may call: whoever runs, in an operation that is documented to wait; in a plain thread it does nothing.

use std::panic::Location;

use super::current::{Running, running};
use super::unwind::cancel;
use super::{budget, stack_check};

impl Running {
    /// As `reschedule`, and then unwinds if the coroutine is cancelled or out of time. If it unwound before, a
    /// coroutine that catches that and tries again would never let the others run. Does nothing where the coroutine
    /// must not switch.
    #[inline(always)]
    pub(crate) fn yield_now(self, site: &'static Location<'static>) {
        let depth = 0u8;
        if stack_check::refusal(Some(self), site, (&raw const depth).addr()).is_some() {
            return;
        }
        self.reschedule();
        cancel::check(self);
    }
}

/// Counts an operation that may have to wait, and is documented to. To be called before it, so that nothing
/// is lost if the coroutine is cancelled here.
///
/// An operation that never has to wait must not call it: its callers hold std locks and borrows of
/// thread-locals across it, which the next coroutine of this thread would meet, and a panic hook or a
/// destructor may be among them.
#[inline(always)]
pub(crate) fn spend_budget() {
    #[cold]
    fn reschedule() {
        if let Some(running) = running()
            && budget::should_yield()
        {
            running.yield_now(Location::caller());
        }
    }

    if !budget::spend() {
        reschedule();
    }
}

/// At the end of an operation that may wait, is documented to, and has not, but has woken others. With a seed it may
/// let them run first; otherwise it does nothing. Never unwinds.
#[inline(always)]
pub(crate) fn seeded_yield_point() {
    #[cold]
    fn reschedule() {
        if let Some(running) = running()
            && budget::is_seeded()
            && budget::should_yield()
            && !std::thread::panicking()
            && stack_check::refusal(Some(running), Location::caller(), (&raw const running).addr())
                .is_none()
        {
            running.reschedule();
        }
    }

    if budget::is_spent() {
        reschedule();
    }
}
