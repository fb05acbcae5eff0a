//! Blocking: how a coroutine or a thread waits, until woken, until a deadline, or until cancelled.
//!
//! Every blocking operation of mco is a loop around [`Wait::park`]: enter a [`Waiter`] where the
//! event will look for it, check the condition, park, check again. A park may end early, so the
//! condition decides and not the wake. A coroutine that is cancelled unwinds out of `park`, so
//! what was entered is taken back by a guard's `Drop`.

pub(crate) mod timers;

use std::panic::Location;

use self::timers::Timer;
use crate::clock::Moment;
use crate::task::{Reason, ThreadParker, current, spend_budget};

pub(crate) use crate::task::{Waiter, WaiterList};

/// One wait of the calling coroutine or thread: what for, called from where, until when at most.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    reason: Reason,
    site: &'static Location<'static>,
    deadline: Option<Moment>,
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
        Wait { reason, site: Location::caller(), deadline: None }
    }

    pub(crate) fn until(self, deadline: Option<Moment>) -> Wait {
        Wait { deadline, ..self }
    }

    pub(crate) fn deadline(&self) -> Option<Moment> {
        self.deadline
    }

    /// Waits. Unwinds, before or after, if the calling coroutine is cancelled.
    pub(crate) fn park(&self) -> Wake {
        match current::running() {
            Some(running) => self.park_coroutine(running, true),
            None => self.park_thread(),
        }
    }

    /// Waits, for an operation that must not be left half done: a cancel does not unwind here.
    pub(crate) fn park_uncancellable(&self) -> Wake {
        match current::running() {
            Some(running) => self.park_coroutine(running, false),
            None => self.park_thread(),
        }
    }

    fn park_coroutine(&self, running: current::Running, cancellable: bool) -> Wake {
        let Some(deadline) = self.deadline else {
            running.park(self.reason, self.site, cancellable);
            return Wake::Notified;
        };
        if deadline <= Moment::now() {
            // Still a switch: a loop of such waits must not starve the others.
            running.yield_now(cancellable);
            return Wake::TimedOut;
        }
        let timer = Timer::start(deadline, running.task());
        running.park(self.reason, self.site, cancellable);
        if timer.stop() { Wake::Notified } else { Wake::TimedOut }
    }

    fn park_thread(&self) -> Wake {
        if ThreadParker::current().park(self.deadline) { Wake::Notified } else { Wake::TimedOut }
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
