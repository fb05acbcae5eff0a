//! Handles: to a coroutine, and to its result.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::coroutine_id::CoroutineId;
use crate::task::cancel::{CancelCause, cause_here};
use crate::task::{Reason, TaskRef, current, spend_budget};
use crate::wait::{Wait, Waiter};

/// A coroutine, whatever its result is: to name it, to wake it, to cancel it.
///
/// # Examples
///
/// ```
/// let parked = mco::spawn(mco::coroutine::park);
/// let coroutine = parked.coroutine().clone();
/// coroutine.unpark();
/// parked.join().unwrap();
/// assert_eq!(coroutine.name(), None);
/// ```
#[derive(Clone)]
pub struct Coroutine(TaskRef);

impl From<CoroutineId> for u64 {
    fn from(id: CoroutineId) -> u64 {
        id.0
    }
}

impl Coroutine {
    pub(crate) fn new(task: TaskRef) -> Coroutine {
        Coroutine(task)
    }

    pub(crate) fn task(&self) -> &TaskRef {
        &self.0
    }

    /// Its number, unique in the process.
    #[must_use]
    pub fn id(&self) -> CoroutineId {
        CoroutineId(self.0.id())
    }

    /// The name that its [`Builder`](super::Builder) gave it.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// The size of its stack, in bytes.
    #[must_use]
    pub fn stack_size(&self) -> usize {
        self.0.stack_size()
    }

    /// Where in the source it was spawned.
    #[must_use]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.0.spawned_at()
    }

    /// Makes its [`park`](super::park) return, the one that it is in or the next one.
    /// [Never waits](crate#what-waits).
    pub fn unpark(&self) {
        self.0.unpark();
    }

    /// Asks it to stop: its next blocking operation, or the one that it is in, unwinds with
    /// [`Cancelled`](super::Cancelled), so that destructors run. One that has not started never
    /// will. Does not wait for it, and does nothing to one that has ended.
    /// [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If the program is built with `panic = "abort"`, under which no stack can be unwound.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let nap = mco::coroutine::spawn(|| mco::coroutine::sleep(Duration::from_secs(3600)));
    /// nap.coroutine().cancel();
    /// assert!(nap.join().is_err());
    /// ```
    #[track_caller]
    pub fn cancel(&self) {
        self.cancel_for(&cause_here(Location::caller(), None));
    }

    /// As `cancel`, for a reason that is told.
    pub(crate) fn cancel_for(&self, cause: &Arc<CancelCause>) {
        self.0.cancel(cause);
    }
}

impl fmt::Debug for Coroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Coroutine");
        debug.field("id", &self.0.id()).field("name", &self.name());
        debug.field("spawned_at", &format_args!("{}", self.spawned_at())).finish_non_exhaustive()
    }
}

/// Panics if `task` is the calling coroutine, which would wait for its own end.
#[track_caller]
pub(super) fn assert_not_self(task: &TaskRef) {
    if current::running().is_some_and(|me| me.id() == task.id()) {
        panic!("{task} joins itself, which would never end; join it from elsewhere");
    }
}

/// A place among those who wait for an end, until that has come or the wait ends otherwise.
struct JoinerGuard<'a>(&'a TaskRef);

impl Drop for JoinerGuard<'_> {
    fn drop(&mut self) {
        // At the end all are taken out.
        if !self.0.is_finished() {
            self.0.remove_joiner(&Waiter::current());
        }
    }
}

/// Waits until `task` has ended: `true`, or until the wait's deadline: `false`.
///
/// # Panics
///
/// If it is the calling coroutine.
#[track_caller]
pub(super) fn wait_for_end(task: &TaskRef, wait: Wait) -> bool {
    assert_not_self(task);
    if task.is_finished() {
        spend_budget();
        return true;
    }
    if !task.add_joiner(Waiter::current()) {
        return true;
    }
    let _entered = JoinerGuard(task);
    // SAFETY: `task` is borrowed during the call, in which the wait is used.
    let wait = unsafe { wait.of(task) };
    wait.wait_for(|| task.is_finished())
}

/// Waits until `task` has ended, even if the calling coroutine is cancelled.
pub(super) fn wait_until_gone(task: &TaskRef, wait: &Wait) {
    let waiter = Waiter::current();
    if task.add_joiner(waiter) {
        // SAFETY: as in `wait_for_end`.
        let wait = unsafe { wait.of(task) };
        while !task.is_finished() {
            wait.park_ignoring_cancel();
        }
    }
}

/// The right to a coroutine's result. Dropping it lets the coroutine go on alone.
///
/// # Examples
///
/// ```
/// let sum = mco::spawn(|| 1 + 2);
/// assert_eq!(sum.join().unwrap(), 3);
///
/// // A panic ends its coroutine alone, and reaches who joins it.
/// let panicked = mco::spawn(|| panic!("boom"));
/// assert_eq!(panicked.join().unwrap_err().downcast_ref(), Some(&"boom"));
/// ```
pub struct JoinHandle<T> {
    coroutine: Coroutine,
    /// The result has been taken, by a `select!`. Set once, by whoever takes it.
    taken: AtomicBool,
    _result: PhantomData<fn() -> T>,
}

impl<T> JoinHandle<T> {
    /// `coroutine` must be one with the result type `T`, of which there is no other handle.
    pub(crate) fn new(coroutine: Coroutine) -> JoinHandle<T> {
        JoinHandle { coroutine, taken: AtomicBool::new(false), _result: PhantomData }
    }

    /// Waits for the end of the coroutine and returns its result. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// The payload with which it ended: that of its panic, or [`Cancelled`](super::Cancelled). If
    /// its stack could not be mapped, a `String` that says what to do.
    ///
    /// # Panics
    ///
    /// If a coroutine joins itself. [Unwinds](crate#cancelling) if the calling coroutine is cancelled; the other one
    /// then goes on alone.
    #[track_caller]
    pub fn join(mut self) -> thread::Result<T> {
        self.wait();
        if *self.taken.get_mut() {
            self.was_taken();
        }
        *self.taken.get_mut() = true;
        // SAFETY: as in `take_output`; and what follows detaches only what is not taken.
        unsafe { self.coroutine.0.output() }
    }

    /// The result of a coroutine that has ended. The handle is then used up.
    ///
    /// # Panics
    ///
    /// If it has been taken before.
    #[track_caller]
    pub(crate) fn take_output(&self) -> thread::Result<T> {
        assert!(self.is_finished(), "the coroutine has not ended");
        // Relaxed: who takes it is decided by the swap alone.
        if self.taken.swap(true, Ordering::Relaxed) {
            self.was_taken();
        }
        // SAFETY: `T` is the result type (`new`), the coroutine has finished, and nobody else takes
        // the result, nor detaches.
        unsafe { self.coroutine.0.output() }
    }

    #[cold]
    #[track_caller]
    fn was_taken(&self) -> ! {
        panic!(
            "the result of {} was taken by a `select!` before; it can be joined once",
            self.coroutine.0
        );
    }

    /// Waits for the end of the coroutine and leaves its result where it is.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// As [`join`](JoinHandle::join).
    #[track_caller]
    pub fn wait(&self) {
        wait_for_end(&self.coroutine.0, Wait::new(Reason::Join));
    }

    /// Whether the coroutine has ended, so that `join` would not wait.
    /// [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.coroutine.0.is_finished()
    }

    /// Whether the coroutine has ended: [`is_finished`](JoinHandle::is_finished) under its older
    /// name.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.is_finished()
    }

    /// Asks the coroutine to stop. See [`Coroutine::cancel`].
    #[track_caller]
    pub fn cancel(&self) {
        self.coroutine.cancel();
    }

    /// The coroutine itself.
    #[must_use]
    pub fn coroutine(&self) -> &Coroutine {
        &self.coroutine
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        if !*self.taken.get_mut() {
            // SAFETY: this is the only handle, and it has not asked for the result.
            unsafe { self.coroutine.0.detach() }
        }
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("coroutine", &self.coroutine).finish_non_exhaustive()
    }
}
