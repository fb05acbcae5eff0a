//! Switching between a worker and a coroutine, in both directions.
//!
//! ```text
//!  home worker, between two turns                 coroutine, on its own stack
//!  run ─────────────────────────────────────────> begins, or comes back from `switch`
//!  the outcome of the run    <─────────────────── park, reschedule, or the end of its body
//! ```
//!
//! Who may call: [`run`] the home worker, outside any coroutine; `park` and `reschedule` the coroutine that runs, for
//! itself, on its own stack only: on another one they would save that one. Neither looks at cancels, deadlines and
//! what else must not be interrupted: `wait` and [`yielding`](super::yielding) do, before they call.

#![allow(unsafe_code)]

use std::panic::Location;

use super::budget;
use super::cell::{RunOutcome, TaskRef};
use super::current::{self, Running};
use super::inspect::Reason;
#[cfg(feature = "dump")]
use super::inspect::backtrace;
use super::inspect::record::WaitInfo;

impl Running {
    /// Suspends the coroutine until it is notified, or not at all if it has been. May return early. A cancel notifies
    /// it, and has no other effect here. To be called on its own stack only.
    #[inline(always)]
    pub(crate) fn park(self, reason: Reason, site: &'static Location<'static>, info: &WaitInfo) {
        let header = self.header();
        header.record.set(reason, site, current::coarse_now(), info);
        if header.state.park() {
            self.switch(RunOutcome::Parked);
        }
        header.record.clear();
    }

    /// Lets the others run first. To be called on its own stack only.
    #[inline(always)]
    pub(crate) fn reschedule(self) {
        self.switch(RunOutcome::Yielded);
    }

    #[inline(always)]
    fn switch(self, pause: RunOutcome) {
        let frame = 0u8;
        self.with_home_only(|own| {
            own.pause = pause;
            own.frame = (&raw const frame).addr();
        });
        // SAFETY: `self` is the coroutine that runs on this thread, so this is its fiber; and its callers have
        // checked that it is on no other stack.
        unsafe { self.suspender().suspend() }
        #[cfg(feature = "dump")]
        if backtrace::is_asked_for() {
            self.capture();
        }
    }

    /// By a coroutine that has been resumed for its backtrace alone: takes it and suspends again, until it is resumed
    /// to go on.
    #[cfg(feature = "dump")]
    #[cold]
    #[inline(never)]
    fn capture(self) {
        while backtrace::is_asked_for() {
            backtrace::answer(self.bounds());
            // SAFETY: as in `switch`.
            unsafe { self.suspender().suspend() }
        }
    }
}

/// Runs a coroutine that has been started, until it suspends or ends.
///
/// # Safety
///
/// The caller must be its home worker, outside any coroutine, and hold a reference to it.
#[inline(always)]
pub(super) unsafe fn run(task: &TaskRef) -> RunOutcome {
    let header = task.header();
    // SAFETY: the home worker is here, so the coroutine does not run, and nobody else looks.
    let fiber = unsafe { header.fiber() }.as_mut().expect("a started coroutine has a stack");
    header.state.begin();
    budget::refill();
    // SAFETY: the caller holds a reference to it.
    unsafe { current::enter(task, fiber.suspender()) };
    fiber.resume();
    current::leave();
    // SAFETY: as above.
    unsafe { header.with_home_only(|own| own.pause) }
}

/// Resumes a coroutine for its backtrace alone. See [`backtrace`].
///
/// # Safety
///
/// The caller must be its home worker, outside any coroutine, hold a reference to it, and the
/// coroutine be suspended in `Running::switch`.
#[cfg(feature = "dump")]
pub(super) unsafe fn resume_to_capture(task: &TaskRef) {
    let header = task.header();
    // SAFETY: as in `run`.
    let fiber = unsafe { header.fiber() }.as_mut().expect("a suspended coroutine has a stack");
    // SAFETY: the caller holds a reference to it.
    unsafe { current::enter(task, fiber.suspender()) };
    fiber.resume();
    current::leave();
}
