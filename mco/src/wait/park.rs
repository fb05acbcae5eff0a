//! Blocking: how a coroutine or a thread waits, until woken, until a deadline, or until cancelled.
//!
//! A wait may have a deadline of its own, at which it ends. The caller may also be inside of `timeout`s, whose nearest
//! deadline unwinds it, as a cancel does. If both have passed, the wait's own counts.
//!
//! Every blocking operation of mco is a loop around [`Wait::park`]: add a [`Waiter`](super::Waiter) to the list of the event, check
//! the condition, park, check again. A park may end early, so the condition decides and not the wake. A cancelled
//! coroutine unwinds out of `park`, so a guard's `Drop` removes the waiter.

#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::panic::Location;
use std::ptr::{self, NonNull};

use super::queue::{Outcome, Queue, WaitNode};
use super::timers;
use crate::clock::Timestamp;
use crate::task::cancel::PendingUnwind;
use crate::task::current::Running;
use crate::task::inspect::{WaitInfo, WaitTarget};
use crate::task::stack_check::{self, Refusal};
use crate::task::{Reason, ThreadParker, cancel, current, deadline, spend_budget};

/// One wait of the calling coroutine or thread: for what, from which call site, until when at most.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    reason: Reason,
    site: &'static Location<'static>,
    /// The caller prefers that more gathers over being woken at once, so it does not spin.
    batching: bool,
    /// What it waits for, for dumps, and its own deadline.
    info: WaitInfo,
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
        Wait::new_at(reason, Location::caller())
    }

    /// As `new`, for one that was called from there.
    pub(crate) fn new_at(reason: Reason, site: &'static Location<'static>) -> Wait {
        let info = WaitInfo { what: None, address: 0, until: None };
        Wait { reason, site, batching: false, info }
    }

    /// Sets what it waits for. Dumps may ask it as long as the caller is parked.
    ///
    /// # Safety
    ///
    /// It must stay where it is as long as the caller parks in this wait.
    #[inline]
    pub(crate) unsafe fn of<'a>(self, what: &'a (dyn WaitTarget + 'a)) -> Wait {
        // SAFETY: only the lifetime changes; it is dereferenced while the caller is parked, which is
        // within `'a` by the caller's promise.
        let what = unsafe {
            mem::transmute::<NonNull<dyn WaitTarget + 'a>, NonNull<dyn WaitTarget>>(what.into())
        };
        Wait { info: WaitInfo { what: Some(what), ..self.info }, ..self }
    }

    /// Sets the address of what it waits for, if nothing more is known.
    #[inline]
    pub(crate) fn at<T: ?Sized>(self, what: &T) -> Wait {
        let address = ptr::from_ref(what).addr();
        Wait { info: WaitInfo { address, ..self.info }, ..self }
    }

    pub(crate) fn until(self, deadline: Option<Timestamp>) -> Wait {
        Wait { info: WaitInfo { until: deadline, ..self.info }, ..self }
    }

    /// As `until`, unless the deadline is sooner anyway.
    #[cfg(unix)]
    pub(crate) fn no_later_than(self, at: Timestamp) -> Wait {
        let deadline = self.info.until.map_or(at, |own| own.min(at));
        self.until(Some(deadline))
    }

    /// Sets whether the caller prefers that more gathers over being woken at once.
    pub(crate) fn batching(self, batching: bool) -> Wait {
        Wait { batching, ..self }
    }

    /// Where it was called from.
    pub(crate) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    /// Until when to wait, for a caller that waits in the system: the wait's own deadline, or when the caller has to
    /// look at its limits again.
    pub(crate) fn limit(&self) -> Option<Timestamp> {
        [self.info.until, deadline::next_look(Timestamp::now())].into_iter().flatten().min()
    }

    /// Whether the wait's own deadline has passed.
    pub(crate) fn has_timed_out(&self) -> bool {
        self.info.until.is_some_and(|deadline| deadline <= Timestamp::now())
    }

    /// Waits. Unwinds, before or after, if the caller is cancelled or out of time.
    #[inline(always)]
    pub(crate) fn park(&self) -> Wake {
        self.before().unwind_if_cancelled();
        let parked = self.park_uncancellable();
        parked.unwind_if_cancelled();
        parked.wake
    }

    /// Waits, for an operation that must not be left half done: a cancel is one more wake, and so is
    /// a deadline of the caller's.
    #[inline(always)]
    pub(crate) fn park_uncancellable(&self) -> Parked {
        if deadline::is_set() { self.park_limited() } else { self.park_until(None) }
    }

    /// As `park_uncancellable`, for a caller with a deadline.
    #[cold]
    fn park_limited(&self) -> Parked {
        let nearest = deadline::ahead(Timestamp::now());
        if nearest.is_none()
            && let pending @ Some(_) = cancel::pending_unwind_here()
        {
            // It has passed since the caller has looked.
            return Parked { wake: Wake::Notified, pending };
        }
        // One that has passed is put off until after the operation.
        self.park_until(nearest)
    }

    /// As `park_uncancellable`, without regard to deadlines of the caller's.
    ///
    /// For callers that cannot go on before what they wait for has happened. So where the caller must not wait, since
    /// the process exits, the process is aborted.
    pub(crate) fn park_ignoring_cancel(&self) {
        if self.refusal(current::running()) == Some(Refusal::Exit) {
            stack_check::abort(self.reason, self.site);
        }
        self.park_until(None);
    }

    /// Why the caller must not wait here.
    fn refusal(&self, running: Option<Running>) -> Option<Refusal> {
        let refusal = stack_check::refusal(running, self.site, ptr::from_ref(self).addr());
        // With a time limit it waits as a plain thread.
        let is_limited = || self.info.until.is_some() || deadline::is_set();
        refusal.filter(|refusal| *refusal != Refusal::Exit || !is_limited())
    }

    /// For a caller that must know before it begins whether it may wait.
    ///
    /// # Panics
    ///
    /// If the caller must not wait.
    #[inline]
    pub(crate) fn check(&self) {
        if let Some(refusal) = self.refusal(current::running()) {
            refusal.panic(self.reason, self.site);
        }
    }

    #[cold]
    #[inline(never)]
    fn refuse_stack(&self) -> ! {
        Refusal::OtherStack.panic(self.reason, self.site)
    }

    /// For a wait that can fail with an error of the system's.
    ///
    /// # Errors
    ///
    /// If the caller must not wait, since the process exits.
    #[inline]
    pub(crate) fn check_exit(&self) -> io::Result<()> {
        #[cold]
        fn error(wait: &Wait) -> io::Error {
            io::Error::other(Refusal::Exit.message(wait.reason, wait.site))
        }
        if self.refusal(current::running()) == Some(Refusal::Exit) {
            Err(error(self))
        } else {
            Ok(())
        }
    }

    /// Waits until woken, until the own deadline, or until `nearest`.
    #[inline(always)]
    fn park_until(&self, nearest: Option<Timestamp>) -> Parked {
        let until = match (self.info.until, nearest) {
            (Some(own), Some(nearest)) => Some(own.min(nearest)),
            (own, nearest) => own.or(nearest),
        };
        let (woken, pending) = match current::running() {
            Some(running) => {
                let woken = self.park_coroutine(running, until);
                (woken, cancel::pending_unwind(running))
            }
            None => (ThreadParker::current().park(until), cancel::pending_unwind_here()),
        };
        if woken || self.info.until != until {
            return Parked { wake: Wake::Notified, pending };
        }
        // The own deadline comes first.
        let pending = pending.filter(|pending| *pending != PendingUnwind::Deadline);
        Parked { wake: Wake::TimedOut, pending }
    }

    /// Waits, if this is as most waits are: of a coroutine, with nothing that could cut it off, where it may be
    /// suspended, and better is suspended than spins. `false`: it is not, and has not waited.
    #[inline(always)]
    fn park_simply(&self) -> bool {
        let Some(running) = current::running() else { return false };
        let is_simple = stack_check::is_harmless(running, self.site, ptr::from_ref(self).addr())
            && cancel::is_undisturbed(running)
            && self.info.until.is_none()
            && (self.batching || !current::may_expect_reply());
        if is_simple {
            running.park(self.reason, self.site, &self.info);
        }
        is_simple
    }

    /// `true`: it has been woken. `false`: the deadline has passed.
    #[inline(always)]
    fn park_coroutine(&self, running: Running, until: Option<Timestamp>) -> bool {
        if !running.is_on_own_stack() {
            // Nobody has asked `before`.
            self.refuse_stack();
        }
        match until {
            None => {
                running.park(self.reason, self.site, &self.info);
                true
            }
            Some(deadline) if deadline <= Timestamp::now() => {
                // Still a switch: a loop of such waits must not starve the others.
                running.reschedule();
                false
            }
            Some(deadline) => {
                let info = WaitInfo { until, ..self.info };
                let timer = timers::start(deadline, running.task());
                running.park(self.reason, self.site, &info);
                timers::stop(timer)
            }
        }
    }

    /// Whether the wait is likely to be over before the caller could be parked and woken.
    #[inline(always)]
    fn should_spin(&self) -> bool {
        !self.batching
            && current::expects_reply()
            && current::running().is_some_and(Running::should_spin)
    }

    /// Spins until it `has_happened`, as long as that is better than to park.
    fn spin_wait(&self, has_happened: &mut dyn FnMut() -> bool) {
        if let Some(running) = current::running() {
            running.spin_wait(has_happened);
        }
    }

    /// Whether the caller is to unwind instead of waiting.
    #[inline(always)]
    pub(crate) fn before(&self) -> Parked {
        let depth = ptr::from_ref(self).addr();
        let pending = match current::running() {
            Some(running) if stack_check::is_harmless(running, self.site, depth) => {
                cancel::pending_unwind(running)
            }
            running => self.check_before(running),
        };
        Parked { wake: Wake::Notified, pending }
    }

    /// The same, where that was not asked before.
    #[inline(never)]
    fn check_before(&self, running: Option<Running>) -> Option<PendingUnwind> {
        if let Some(refusal) = self.refusal(running) {
            cancel::note_refusal(self.reason, self.site);
            return Some(PendingUnwind::Refused(refusal));
        }
        match running {
            Some(running) => cancel::pending_unwind(running),
            None => cancel::pending_unwind_here(),
        }
    }

    /// Waits until `ready` says so: `true`, or until the deadline: `false`. Costs budget even if it
    /// is ready at once.
    ///
    /// The caller unwinds only if it is not ready, so what is ready is not lost.
    #[inline]
    pub(crate) fn wait_for(&self, mut ready: impl FnMut() -> bool) -> bool {
        spend_budget();
        loop {
            if ready() {
                return true;
            }
            if !self.park_simply() {
                return self.wait_for_in_general(&mut ready);
            }
        }
    }

    #[inline(never)]
    fn wait_for_in_general(&self, ready: &mut dyn FnMut() -> bool) -> bool {
        let mut parked = None::<Parked>;
        loop {
            if ready() {
                return true;
            }
            match parked {
                Some(parked) if parked.wake == Wake::TimedOut => {
                    parked.unwind_if_cancelled();
                    return false;
                }
                Some(parked) => parked.unwind_if_cancelled(),
                None => self.before().unwind_if_cancelled(),
            }
            parked = Some(self.park_uncancellable());
        }
    }
}

/// The outcome of a park.
#[derive(Clone, Copy)]
pub(crate) struct Parked {
    pub(crate) wake: Wake,
    pending: Option<PendingUnwind>,
}

impl Parked {
    /// Whether the caller has to unwind: it is cancelled, or a `timeout` around it has passed, or it must not wait
    /// here.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.pending.is_some()
    }

    /// `self`, if the caller must not wait here.
    pub(crate) fn refused(self) -> Option<Parked> {
        matches!(self.pending, Some(PendingUnwind::Refused(_))).then_some(self)
    }

    /// Unwinds the caller if that is due.
    pub(crate) fn unwind_if_cancelled(&self) {
        if let Some(pending) = self.pending {
            pending.unwind();
        }
    }
}

impl<S, T, Q: Fn(&mut S) -> &mut Queue<T>> WaitNode<'_, S, T, Q> {
    /// Waits at a node that has been entered. `None`: the deadline has passed, and the node is left.
    ///
    /// A completed wait returns, even if the caller was cancelled meanwhile or is out of time, so nothing gets lost.
    /// Otherwise the caller unwinds from here.
    #[inline(always)]
    pub(crate) fn wait(&self, wait: &Wait) -> Option<Outcome> {
        if wait.park_simply()
            && let Some(outcome) = self.final_outcome()
        {
            return Some(outcome);
        }
        self.wait_in_general(wait)
    }

    #[inline(never)]
    fn wait_in_general(&self, wait: &Wait) -> Option<Outcome> {
        let mut parked = wait.before();
        if !parked.is_cancelled()
            && wait.should_spin()
            && let Some(outcome) = self.spin_wait(|has_happened| wait.spin_wait(has_happened))
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
            if let Some(outcome) = self.final_outcome() {
                return Some(outcome);
            }
        }
    }
}
