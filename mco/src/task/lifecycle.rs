//! What happens to a coroutine from birth to end, by the scheduler.
//!
//! The life of a coroutine, as calls on its [`TaskRef`]:
//!
//! ```text
//!  create ──> queued, stealable ──> start ──> run ──┬─ Parked ──> wake, by anyone ──> queued ──> run
//!                  │                          ^     ├─ Yielded ─> queued at home ────────────────> run
//!                  ├─> start_discarding ──────┘     └─ Finished ─> retire ──> finish
//!                  │   (cancelled)               only on the home worker
//!                  └─> discard_unstarted
//!                      (cancelled and there is nothing to drop, no stack)
//! ```
//!
//! A coroutine that is cancelled before it starts still has to drop its closure. The destructor is user code and
//! may block, so the coroutine starts nevertheless, only to run it.
//!
//! The scheduler calls `start`, `run` and `retire`, on the worker that becomes the coroutine's home. Whether a wake
//! queues the coroutine is decided by [`state`](super::state) alone.

#![allow(unsafe_code)]

use std::any::Any;
use std::ptr::NonNull;

use super::cell::{ExitKind, RunOutcome, TaskRef};
use super::current;
use super::join::UnclaimedResult;
use super::locals::BoundValues;
use super::registry::Registry;
use super::switch;
use super::unwind::cancel::Inherited;
use super::unwind::payload::before_start;
use super::user_code::run_user_code_here;
use crate::fiber::{Body, Fiber};
use crate::trace;

/// The scheduler's side: each call is for the worker that has taken the coroutine out of a queue,
/// on that worker's thread, outside any coroutine.
impl TaskRef {
    /// Whether the coroutine has started, and is bound to its home.
    #[inline]
    pub(crate) fn has_started(&self) -> bool {
        !self.header().home.address().is_null()
    }

    /// Binds an unstarted coroutine to this worker and gives it a stack. `run` begins it.
    #[inline(always)]
    pub(crate) fn start(&self, fiber: Fiber) {
        // SAFETY: see `start_with`.
        self.start_with(fiber, unsafe { self.body() });
    }

    /// As `start`, but the coroutine only drops its closure.
    pub(crate) fn start_discarding(&self, fiber: Fiber) {
        // SAFETY: see `start_with`.
        self.start_with(fiber, unsafe { self.discarding_body() });
    }

    /// The caller is the home worker now and will run the body; `run` is called by that worker only, which
    /// holds a reference meanwhile.
    #[inline(always)]
    fn start_with(&self, mut fiber: Fiber, body: Body) {
        assert!(!self.has_started(), "a coroutine starts once");
        let home = current::home().expect("the caller is a worker");
        // SAFETY: the guard of the home is on this thread.
        let hosted = unsafe { &home.as_ref().hosted };
        hosted.set(hosted.get() + 1);
        self.header().home.set(home);
        // SAFETY: as above. Nobody else looks at the stack.
        unsafe {
            fiber.prepare(body);
            *self.header().fiber() = Some(fiber);
        }
    }

    /// Runs a started coroutine until it suspends or ends, and says which.
    #[inline(always)]
    pub(crate) fn run(&self) -> RunOutcome {
        // SAFETY: as the block above says of all its calls.
        unsafe { switch::run(self) }
    }

    /// After `run`: how the turn has ended, for a trace.
    #[inline(always)]
    pub(crate) fn trace_end(&self, pause: RunOutcome) -> trace::SliceEnd {
        match pause {
            RunOutcome::Parked => self.header().record.as_end(),
            RunOutcome::Yielded => trace::SliceEnd::YIELDED,
            // SAFETY: as the block above says of all its calls.
            RunOutcome::Finished => match unsafe { self.header().with_home_only(|o| o.outcome) } {
                ExitKind::Returned => trace::SliceEnd::RETURNED,
                ExitKind::Panicked => trace::SliceEnd::PANICKED,
                ExitKind::Cancelled => trace::SliceEnd::CANCELLED,
            },
        }
    }

    /// After `Parked`: from here on the coroutine holds the reference on itself that the next
    /// effective `wake` takes over.
    #[inline]
    pub(crate) fn leave_parked(self) {
        let _: NonNull<_> = self.into_raw();
    }

    /// After a suspension: makes the coroutine visible in the worker's registry.
    #[inline]
    pub(crate) fn enter(&self, registry: &Registry) {
        // SAFETY: on the home worker's thread, outside the coroutine.
        unsafe {
            self.header().with_home_only(|own| {
                own.registered.get_or_insert_with(|| registry.add(self.clone()));
            });
        }
    }

    /// After `Finished`: takes the stack back and lets those who wait for the end go on.
    #[must_use = "its destructor may block"]
    #[inline(always)]
    pub(crate) fn retire(
        self,
        registry: &Registry,
        give_back: impl FnOnce(Fiber),
    ) -> Option<UnclaimedResult> {
        // SAFETY: on the home worker's thread, outside the coroutine, which will not run again.
        let (fiber, registered) = unsafe {
            (self.header().fiber().take(), self.header().with_home_only(|o| o.registered.take()))
        };
        if let Some(key) = registered {
            registry.remove(key);
        }
        give_back(fiber.expect("a coroutine that ran has a stack"));
        // SAFETY: it has not ended before the next call.
        unsafe { self.header().home.leave() };
        self.finish()
    }

    /// Ends a coroutine that has not started: its closure is dropped here, and its result is `Err` of
    /// the payload, or of [`Cancelled`](crate::coroutine::Cancelled). Does not unwind.
    ///
    /// A worker between two turns must not call it if the closure has a destructor, unless no other thread is
    /// available.
    pub(crate) fn discard_unstarted(self, payload: Option<Box<dyn Any + Send>>) {
        debug_assert!(!self.has_started());
        run_user_code_here(|| {
            let payload = payload.unwrap_or_else(|| before_start(self.cancel_cause()));
            // SAFETY: it is unstarted and was taken out of its queue.
            unsafe { self.discard(payload) };
            drop(self.finish());
        });
    }

    /// Gives it what it has from the owner of its scope. By the one who has created it, before it is queued.
    ///
    /// # Safety
    ///
    /// The caller must have created it, and not have queued it yet.
    pub(crate) unsafe fn inherit(&self, limit: Option<&Inherited>, bound: Option<BoundValues>) {
        // SAFETY: nobody else knows of it yet.
        unsafe {
            self.header().with_home_only(|own| {
                if let Some(Inherited(limit)) = limit {
                    own.unwinding.inherit(limit.clone());
                }
                if let Some(bound) = bound {
                    own.locals.inherit(bound);
                }
            });
        }
    }
}
