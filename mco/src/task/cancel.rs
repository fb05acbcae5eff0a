//! Cancelling a coroutine: its next blocking operation unwinds it.
//!
//! A cancel sets a flag that is never cleared and wakes the coroutine. The flag is looked at
//! before each suspension and after it; there the coroutine is unwound with [`Cancelled`] as the
//! payload, so that destructors run, and no panic message is printed. Nothing is injected while that
//! payload is alive, nor while the coroutine unwinds for another reason, nor when only destructors
//! are left to run: they may block, and a second unwinding inside them would abort the process. Nor
//! inside a [`shield`]. Code that catches the payload and drops it goes on until its next blocking
//! operation.
//!
//! # Whether a coroutine unwinds
//!
//! `std::thread::panicking` tells it of the thread, and a coroutine may be suspended inside a
//! destructor: then it is true for its neighbours too. Those that are suspended while they unwind
//! are counted, and with the count at zero, what the thread says holds for the coroutine that runs.
//! Otherwise:
//!
//! - One that did not unwind when it was suspended does not when it is resumed.
//! - One in which a panic began since ([`panic_began`], from the panic hook) unwinds, or has caught
//!   it.
//! - One that has been given the payload of another may have passed it on, and once an unwinding has
//!   been seen that no hook announced, anyone may unwind so: these are not known.
//!
//! The cancel of one that unwinds, or of which it is not known, is put off until the thread unwinds
//! no longer ([`look_again`]). To put it off for all while somebody unwinds would deadlock: a
//! destructor may cancel a child of the same worker and wait for it.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::num::NonZeroU32;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};

use super::TaskRef;
use super::current::{self, Running};

/// The payload with which a cancelled coroutine unwinds, and that [`JoinHandle::join`] returns.
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
    /// The coroutine that unwinds with it; 0 if it was cancelled before it started.
    coroutine: u64,
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

impl Drop for Cancelled {
    /// Caught and dropped on the way up: from here on the coroutine can be unwound again.
    fn drop(&mut self) {
        if let Some(running) = current::running()
            && running.header().attributes.id == self.coroutine
        {
            running.with_owned(|owned| owned.unwinding.cancelled = false);
        }
    }
}

/// The payload for a coroutine that is cancelled before it starts.
pub(crate) fn before_start() -> Box<dyn Any + Send> {
    Box::new(Cancelled { coroutine: 0 })
}

/// What a coroutine knows of its own unwinding; for its own thread.
#[derive(Default)]
pub(super) struct Unwinding {
    /// A `Cancelled` payload is on its way up this stack, or was caught and is being kept.
    cancelled: bool,
    /// It unwinds, or did when that could last be told.
    noted: bool,
    /// It has been given a payload with which another one ended, and may unwind with it.
    holds_payload: bool,
    /// It is suspended, and counted as unwinding in this episode of the thread's.
    counted_in: Option<NonZeroU32>,
    /// How many calls of [`shield`] it is in.
    shields: u32,
}

/// An unwinding has been seen that the panic hook did not announce: the user has put another hook
/// in its place, or resumes unwinding with payloads of their own. Never cleared.
static UNANNOUNCED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The coroutines that are suspended while they unwind.
    static SUSPENDED: Cell<u32> = const { Cell::new(0) };
    /// Changes whenever the thread is seen not to unwind, which puts an end to the count.
    static EPISODE: Cell<NonZeroU32> = const { Cell::new(NonZeroU32::MIN) };
    /// Cancelled coroutines of this worker that could not be unwound when they looked.
    static DEFERRED: RefCell<Vec<TaskRef>> = const { RefCell::new(Vec::new()) };
    /// `SUSPENDED` or `DEFERRED` may be out of date. The worker looks after each run.
    static LOOK_AGAIN: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a panic begins on this thread. In the panic hook: must not block or panic.
pub(crate) fn panic_began() {
    if let Some(running) = current::running() {
        running.with_owned(|owned| owned.unwinding.noted = true);
    }
}

/// Passes a panic on that was caught, in the coroutine in which it was.
pub(crate) fn resume_unwind(payload: Box<dyn Any + Send>) -> ! {
    panic_began();
    panic::resume_unwind(payload)
}

/// Notes that the coroutine which runs now is given the payload with which another one ended.
pub(crate) fn payload_received() {
    if let Some(running) = current::running() {
        running.with_owned(|owned| owned.unwinding.holds_payload = true);
    }
}

/// Whether the coroutine that runs now is unwinding, or may be.
fn may_unwind(running: Running) -> bool {
    if !std::thread::panicking() {
        running.with_owned(|owned| owned.unwinding.noted = false);
        return false;
    }
    let only_it = SUSPENDED.get() == 0;
    running.with_owned(|owned| {
        let unwinding = &mut owned.unwinding;
        if only_it && !unwinding.noted && !unwinding.cancelled {
            unwinding.noted = true;
            if !unwinding.holds_payload {
                UNANNOUNCED.store(true, Ordering::Relaxed);
            }
        }
        unwinding.cancelled
            || unwinding.noted
            || unwinding.holds_payload
            || UNANNOUNCED.load(Ordering::Relaxed)
    })
}

/// Whether the calling coroutine or thread unwinds because of a panic: what decides whether a lock
/// is poisoned.
///
/// Of a coroutine of which it is not known, it says no: while a neighbour is suspended in a
/// destructor, one that unwinds with another's payload, or without the panic hook having been called,
/// leaves its locks as they are.
#[inline]
pub(crate) fn unwinds_by_panic() -> bool {
    std::thread::panicking() && this_one_panics()
}

#[cold]
fn this_one_panics() -> bool {
    let Some(running) = current::running() else { return true };
    // Brings `noted` up to date.
    may_unwind(running);
    running.with_owned(|owned| owned.unwinding.noted && !owned.unwinding.cancelled)
}

/// Whether what unwinds the calling coroutine is a cancel. To be asked only where something does.
pub(crate) fn unwinds_by_cancel() -> bool {
    let cancelled = |running: Running| running.with_owned(|owned| owned.unwinding.cancelled);
    current::running().is_some_and(cancelled)
}

/// Calls `f`, which a cancel does not cut off: it takes effect at the next blocking operation after.
pub(crate) fn shield<R>(f: impl FnOnce() -> R) -> R {
    struct Shield(Running);
    impl Drop for Shield {
        fn drop(&mut self) {
            self.0.with_owned(|owned| owned.unwinding.shields -= 1);
        }
    }
    let _shield = current::running().map(|running| {
        running.with_owned(|owned| owned.unwinding.shields += 1);
        Shield(running)
    });
    f()
}

/// By a coroutine that is about to be suspended.
#[inline]
pub(super) fn suspending(running: Running) {
    if std::thread::panicking() && may_unwind(running) {
        SUSPENDED.set(SUSPENDED.get() + 1);
        LOOK_AGAIN.set(true);
        running.with_owned(|owned| owned.unwinding.counted_in = Some(EPISODE.get()));
    }
}

/// By a coroutine that has been resumed: what it knows of itself from when it was suspended.
#[inline]
pub(super) fn resumed(running: Running) -> Resumed {
    Resumed { unwinds: SUSPENDED.get() > 0 && was_counted(running) }
}

/// Of a coroutine that has just been resumed.
#[derive(Clone, Copy)]
pub(crate) struct Resumed {
    unwinds: bool,
}

/// Whether the coroutine that has been resumed was counted among those that unwind.
#[cold]
fn was_counted(running: Running) -> bool {
    let counted_in = running.with_owned(|owned| owned.unwinding.counted_in.take());
    let counted = counted_in == Some(EPISODE.get());
    if counted {
        SUSPENDED.set(SUSPENDED.get() - 1);
    } else {
        // What was noted of an earlier panic, which it has caught, says nothing any more.
        running.with_owned(|owned| owned.unwinding.noted = false);
    }
    counted
}

/// Unwinds the coroutine that runs now, if it is cancelled and may be unwound.
#[inline]
pub(crate) fn check(running: Running) {
    if is_due(running, None) {
        unwind(running);
    }
}

/// Whether the coroutine that runs now is cancelled and may be unwound. `resumed`: if it has just
/// been.
#[inline]
pub(crate) fn is_due(running: Running, resumed: Option<Resumed>) -> bool {
    // Relaxed: what led to the cancel becomes visible through the state, which `cancel` notifies.
    running.header().cancelled.load(Ordering::Relaxed) && may_be_unwound(running, resumed)
}

#[cold]
fn may_be_unwound(running: Running, resumed: Option<Resumed>) -> bool {
    let never = |unwinding: &Unwinding| unwinding.cancelled || unwinding.shields > 0;
    if running.with_owned(|owned| never(&owned.unwinding) || owned.ended) {
        return false;
    }
    let unwinds = resumed.map_or_else(|| may_unwind(running), |resumed| resumed.unwinds);
    if unwinds {
        DEFERRED.with_borrow_mut(|deferred| {
            if !deferred.iter().any(|task| task.as_raw() == running.task().as_raw()) {
                deferred.push(running.task());
            }
        });
        LOOK_AGAIN.set(true);
    }
    !unwinds
}

/// Unwinds the coroutine that runs now, for which a cancel is due.
#[cold]
pub(crate) fn unwind(running: Running) -> ! {
    running.with_owned(|owned| owned.unwinding.cancelled = true);
    panic::resume_unwind(Box::new(Cancelled { coroutine: running.header().attributes.id }))
}

/// By the worker between two runs: if the thread does not unwind, lets those look again whose
/// cancel was put off.
#[inline]
pub(crate) fn look_again() {
    if LOOK_AGAIN.get() && !std::thread::panicking() {
        LOOK_AGAIN.set(false);
        SUSPENDED.set(0);
        EPISODE.set(EPISODE.get().checked_add(1).unwrap_or(NonZeroU32::MIN));
        DEFERRED.take().iter().for_each(TaskRef::wake);
    }
}

impl TaskRef {
    /// Asks the coroutine to stop.
    pub(crate) fn cancel(&self) {
        self.header().cancelled.store(true, Ordering::Relaxed);
        // Its Release publishes the flag to the coroutine.
        self.wake();
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.header().cancelled.load(Ordering::Relaxed)
    }
}
