//! Blocking: how a coroutine or a thread waits, until woken, until a deadline, or until cancelled.
//!
//! Every blocking operation of mco is a loop around [`Wait::park`]: enter a [`Waiter`] where the
//! event will look for it, check the condition, park, check again. A park may end early, so the
//! condition decides and not the wake. A coroutine that is cancelled unwinds out of `park`, so
//! what was entered is taken back by a guard's `Drop`.

mod lock;
mod queue;
mod spin;
pub(crate) mod timers;

/// What the protocol modules build on, apart so that the models in `tests/loom` can include them
/// and supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

    /// Between two looks at a lock that is held: attempt by attempt longer, then other threads go
    /// first.
    pub(super) fn relax(attempt: u32) {
        if attempt < 7 {
            (0..1 << attempt).for_each(|_| std::hint::spin_loop());
        } else {
            std::thread::yield_now();
        }
    }
}

mod blocked {
    pub(super) use crate::task::{Blocked, Wakeup};
}

use std::panic::Location;

use crate::clock::Moment;
use crate::task::current::Running;
use crate::task::{Reason, ThreadParker, cancel, current, spend_budget};

pub(crate) use self::lock::RawLock;
pub(crate) use self::queue::{Outcome, Place, Queue, Token, Wakeups};
pub(crate) use self::spin::{Spin, SpinGuard};
pub(crate) use crate::task::{Waiter, WaiterList, Wakeup};

/// One wait of the calling coroutine or thread: what for, called from where, until when at most.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    reason: Reason,
    site: &'static Location<'static>,
    deadline: Option<Moment>,
    /// It may take long, and there is no hurry at its end.
    patient: bool,
}

/// How a park ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// Somebody woke the waiter, maybe for another reason.
    Notified,
    /// The deadline has passed.
    TimedOut,
}

impl Wait {
    #[track_caller]
    pub(crate) fn new(reason: Reason) -> Wait {
        Wait { reason, site: Location::caller(), deadline: None, patient: false }
    }

    pub(crate) fn until(self, deadline: Option<Moment>) -> Wait {
        Wait { deadline, ..self }
    }

    /// For one that lets more gather rather than go on at once.
    pub(crate) fn patient(self, patient: bool) -> Wait {
        Wait { patient, ..self }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    /// Waits. Unwinds, before or after, if the calling coroutine is cancelled.
    pub(crate) fn park(&self) -> Wake {
        if let Some(running) = current::running() {
            cancel::check(running);
        }
        let parked = self.park_uncancellable();
        parked.unwind_if_cancelled();
        parked.wake
    }

    /// Waits, for an operation that must not be left half done: a cancel is one more wake.
    pub(crate) fn park_uncancellable(&self) -> Parked {
        match current::running() {
            Some(running) => self.park_coroutine(running),
            None => Parked { wake: self.park_thread(), cancelled: None },
        }
    }

    fn park_coroutine(&self, running: Running) -> Parked {
        let (wake, resumed) = match self.deadline {
            None => (Wake::Notified, running.park(self.reason, self.site)),
            Some(deadline) if deadline <= Moment::now() => {
                // Still a switch: a loop of such waits must not starve the others.
                (Wake::TimedOut, Some(running.step_aside()))
            }
            Some(deadline) => {
                let timer = timers::start(deadline, running.task());
                let resumed = running.park(self.reason, self.site);
                (if timers::stop(timer) { Wake::Notified } else { Wake::TimedOut }, resumed)
            }
        };
        let cancelled = cancel::is_due(running, resumed).then_some(running);
        Parked { wake, cancelled }
    }

    fn park_thread(&self) -> Wake {
        if ThreadParker::current().park(self.deadline) { Wake::Notified } else { Wake::TimedOut }
    }

    /// Whether it is likely to be over before the caller could be parked and woken.
    fn should_look_out(&self) -> bool {
        !self.patient && current::running().is_some_and(Running::should_look_out)
    }

    /// Looks whether it `has_happened`, as long as that is better than to park.
    fn look_out(&self, has_happened: &mut dyn FnMut() -> bool) {
        if let Some(running) = current::running() {
            running.look_out(has_happened);
        }
    }

    /// Whether the calling coroutine is cancelled, and is to unwind instead of waiting.
    pub(crate) fn before(&self) -> Parked {
        let running = current::running();
        let cancelled = running.filter(|running| cancel::is_due(*running, None));
        Parked { wake: Wake::Notified, cancelled }
    }

    /// Waits until `ready` says so: `true`, or until the deadline: `false`. Costs budget even if it
    /// is ready at once.
    pub(crate) fn wait_for(&self, mut ready: impl FnMut() -> bool) -> bool {
        spend_budget();
        loop {
            if ready() {
                return true;
            }
            if self.park() == Wake::TimedOut {
                return ready();
            }
        }
    }
}

/// What a wait has come to.
pub(crate) struct Parked {
    pub(crate) wake: Wake,
    /// A cancel is due for the calling coroutine.
    cancelled: Option<Running>,
}

impl Parked {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled.is_some()
    }

    /// Unwinds the calling coroutine if it is cancelled.
    pub(crate) fn unwind_if_cancelled(&self) {
        if let Some(running) = self.cancelled {
            cancel::unwind(running);
        }
    }
}

impl<S, T> Place<'_, S, T> {
    /// Waits at a place that has been entered. `None`: the deadline has passed, and the place is
    /// left.
    ///
    /// Whoever is served has it, even if it was cancelled meanwhile: nothing gets lost. Otherwise
    /// the cancel unwinds from here.
    pub(crate) fn wait(&self, wait: &Wait) -> Option<Outcome> {
        let mut parked = wait.before();
        if !parked.is_cancelled()
            && wait.should_look_out()
            && let Some(outcome) = self.look_out(|has_happened| wait.look_out(has_happened))
        {
            return Some(outcome);
        }
        loop {
            if parked.is_cancelled() || parked.wake == Wake::TimedOut {
                let outcome = self.leave();
                if outcome.is_none() {
                    parked.unwind_if_cancelled();
                }
                return outcome;
            }
            parked = wait.park_uncancellable();
            if let Some(outcome) = self.settled_outcome() {
                return Some(outcome);
            }
        }
    }
}

/// Removes a waiter from where it was entered, whichever way its wait ends.
pub(crate) struct Entered<F: FnMut(&Waiter)> {
    waiter: Waiter,
    remove: F,
}

impl<F: FnMut(&Waiter)> Entered<F> {
    pub(crate) fn new(waiter: Waiter, remove: F) -> Entered<F> {
        Entered { waiter, remove }
    }
}

impl<F: FnMut(&Waiter)> Drop for Entered<F> {
    fn drop(&mut self) {
        (self.remove)(&self.waiter);
    }
}
