//! Doing something once.

#![allow(unsafe_code)]

// # The protocol
//
// `stage` says how far the initialisation is. It changes under the `Spin`, and is read without it by callers that come
// when all is done. A caller that finds it neither done nor running becomes the runner, which calls the initialiser
// outside the `Spin`. Others wait. At the end of the run, however it ends, all of them check again. Waiters are only
// added under the `Spin`, and while it runs; those that wait for somebody else to do it, also before.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::task::inspect::{BlockedOn, LockOwner, WaitTarget};
use crate::task::{Reason, cancel, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Wakeup};

const NEW: u8 = 0;
const POISONED: u8 = 1;
const RUNNING: u8 = 2;
const DONE: u8 = 3;

/// What a [`Once`] and a [`OnceCell`](crate::std::lazy::sync::OnceCell) are built on: runs one
/// initialiser at a time, until one succeeds.
pub(crate) struct OnceLock {
    stage: AtomicU8,
    state: Spin<State>,
}

// An initialiser that unwinds leaves it in order.
impl UnwindSafe for OnceLock {}
impl RefUnwindSafe for OnceLock {}

/// What the `Spin` guards.
struct State {
    waiting: Queue<()>,
    /// Who runs the initialiser, while somebody does.
    runner: Option<LockOwner>,
}

impl State {
    fn waiting(&mut self) -> &mut Queue<()> {
        &mut self.waiting
    }
}

/// The end of the run, by the one who runs it.
impl WaitTarget for OnceLock {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn blocked_on(&self) -> BlockedOn {
        self.state.lock().runner.map_or(BlockedOn::Unknown, BlockedOn::Holder)
    }
}

/// What becomes of it if an initialiser panics.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum OnPanic {
    /// The next ones panic too.
    Poison,
    /// The next one runs its own.
    Retry,
}

impl OnceLock {
    pub(crate) const fn new() -> OnceLock {
        let state = State { waiting: Queue::new(), runner: None };
        OnceLock { stage: AtomicU8::new(NEW), state: Spin::new(state) }
    }

    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // Acquire pairs with the Release at the end of the run: what it did is visible.
        self.stage.load(Ordering::Acquire) == DONE
    }

    /// One whose run has succeeded.
    pub(crate) fn done() -> OnceLock {
        let mut once = OnceLock::new();
        *once.stage.get_mut() = DONE;
        once
    }

    /// As new, for one that nobody else can reach.
    pub(crate) fn reset(&mut self) {
        *self.stage.get_mut() = NEW;
    }

    /// Runs `f`, which is told whether it is poisoned, unless one has succeeded. Waits while another
    /// runs.
    ///
    /// If it is poisoned and `despite_poison` is not set, does nothing: `Poisoned`.
    #[track_caller]
    pub(crate) fn run<E>(
        &self,
        on_panic: OnPanic,
        despite_poison: bool,
        f: impl FnOnce(bool) -> Result<(), E>,
    ) -> Result<(), Failed<E>> {
        // SAFETY: `self` is borrowed during the call, in which the wait is used.
        let wait = unsafe { Wait::new(Reason::Once).of(self) };
        let caller = LockOwner::current();
        let before = loop {
            let mut state = self.state.lock();
            // Relaxed: the `Spin` orders it.
            match self.stage.load(Ordering::Relaxed) {
                DONE => return Ok(()),
                POISONED if !despite_poison => return Err(Failed::Poisoned),
                RUNNING => {
                    if state.runner == Some(caller) {
                        drop(state);
                        waits_for_itself();
                    }
                    let node = pin!(WaitNode::new(&self.state, State::waiting, None));
                    node.as_ref().enter(&mut state);
                    drop(state);
                    node.wait(&wait);
                }
                before => {
                    state.runner = Some(caller);
                    self.stage.store(RUNNING, Ordering::Relaxed);
                    break before;
                }
            }
        };
        let mut run = Run { once: self, before, on_panic, success: None };
        let result = f(before == POISONED);
        run.success = Some(result.is_ok());
        result.map_err(Failed::By)
    }
}

impl OnceLock {
    /// Waits until a run has succeeded: `true`. `false`: one has panicked, and `despite_poison` is not set.
    #[cold]
    #[track_caller]
    pub(crate) fn wait(&self, despite_poison: bool) -> bool {
        spend_budget();
        // SAFETY: `self` is borrowed during the call, in which the wait is used.
        let wait = unsafe { Wait::new(Reason::Once).of(self) };
        loop {
            let mut state = self.state.lock();
            // Relaxed: the `Spin` orders it.
            match self.stage.load(Ordering::Relaxed) {
                DONE => return true,
                POISONED if !despite_poison => return false,
                _ => {}
            }
            if state.runner == Some(LockOwner::current()) {
                drop(state);
                waits_for_itself();
            }
            let node = pin!(WaitNode::new(&self.state, State::waiting, None));
            node.as_ref().enter(&mut state);
            drop(state);
            node.wait(&wait);
        }
    }
}

#[cold]
#[track_caller]
fn waits_for_itself() -> ! {
    panic!("an initialiser needs what it is to initialise: it would wait for itself")
}

/// Why a run did not succeed.
pub(crate) enum Failed<E> {
    Poisoned,
    /// The initialiser said so.
    By(E),
}

/// Ends a run.
struct Run<'a> {
    once: &'a OnceLock,
    /// The stage before it.
    before: u8,
    on_panic: OnPanic,
    /// How the initialiser returned, unless it unwinds.
    success: Option<bool>,
}

impl Drop for Run<'_> {
    fn drop(&mut self) {
        let stage = match self.success {
            Some(true) => DONE,
            None if self.on_panic == OnPanic::Poison && !cancel::unwinds_by_cancel() => POISONED,
            // Nothing has happened.
            _ => self.before,
        };
        let mut state = self.once.state.lock();
        state.runner = None;
        // Release pairs with the Acquire of `is_done`.
        self.once.stage.store(stage, Ordering::Release);
        // If the next run begins before all have been completed, those who come to wait for it find
        // themselves looking once more than needed.
        let mut left = state.waiting.len();
        drop(state);
        while left > 0 {
            let completed =
                self.once.state.lock().waiting.complete_first(Outcome::Completed, |_| ());
            completed.into_iter().map(|((), wakeup)| wakeup).for_each(Wakeup::wake);
            left -= 1;
        }
    }
}

/// Something that is to be done once: [`std::sync::Once`], whose initialiser may block and
/// be waited for without blocking a worker.
///
/// A panic of the initialiser poisons it as in std. If the coroutine that runs it is cancelled, it
/// is as before, and the next one to call runs its own.
///
/// # Examples
///
/// ```
/// use mco::std::sync::Once;
///
/// static START: Once = Once::new();
///
/// let mut calls = 0;
/// START.call_once(|| calls += 1);
/// START.call_once(|| calls += 1);
/// assert_eq!(calls, 1);
/// assert!(START.is_completed());
/// ```
pub struct Once(OnceLock);

impl Once {
    /// One that has not been done.
    #[must_use]
    pub const fn new() -> Once {
        Once(OnceLock::new())
    }

    /// Calls `f`, unless an initialiser has returned already. Waits while another one runs, so that
    /// it has been done in any case.
    /// [May wait](crate#what-waits), unless it is done; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// With the panic of `f`; if an initialiser has panicked before; if called by the
    /// initialiser. [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let once = mco::std::sync::Once::new();
    /// once.call_once(|| println!("once"));
    /// once.call_once(|| unreachable!());
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once(&self, f: impl FnOnce()) {
        if !self.0.is_done() {
            self.call(false, |_| f());
        }
    }

    /// As [`call_once`](Once::call_once), but also if an initialiser has panicked before; `f` is told
    /// so.
    /// [May wait](crate#what-waits), unless it is done; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// With the panic of `f`; if called by the initialiser. Unwinds if the calling coroutine is
    /// cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::panic;
    ///
    /// let once = mco::std::sync::Once::new();
    /// panic::catch_unwind(|| once.call_once(|| panic!("it does not work"))).unwrap_err();
    /// panic::catch_unwind(|| once.call_once(|| ())).unwrap_err();
    /// once.call_once_force(|state| assert!(state.is_poisoned()));
    /// once.call_once(|| unreachable!());
    /// ```
    #[inline]
    #[track_caller]
    pub fn call_once_force(&self, f: impl FnOnce(&OnceState)) {
        if !self.0.is_done() {
            self.call(true, f);
        }
    }

    /// Waits until an initialiser has returned, of which this one calls none.
    /// [May wait](crate#what-waits), unless it is done; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If an initialiser has panicked, now or while it waits; if called by the initialiser. Unwinds if the
    /// calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// static READY: mco::std::sync::Once = mco::std::sync::Once::new();
    ///
    /// let waits = mco::spawn(|| READY.wait());
    /// READY.call_once(|| println!("ready"));
    /// waits.join().unwrap();
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) {
        if !self.0.is_done() && !self.0.wait(false) {
            panic!(
                "the initialiser of this `Once` has panicked; `wait_force` waits for another one"
            );
        }
    }

    /// As [`wait`](Once::wait), but also if an initialiser has panicked: for one of
    /// [`call_once_force`](Once::call_once_force).
    /// [May wait](crate#what-waits), unless it is done; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If called by the initialiser. [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[inline]
    #[track_caller]
    pub fn wait_force(&self) {
        if !self.0.is_done() {
            self.0.wait(true);
        }
    }

    #[cold]
    #[track_caller]
    fn call(&self, despite_poison: bool, f: impl FnOnce(&OnceState)) {
        spend_budget();
        let f = |poisoned| {
            f(&OnceState { poisoned });
            Ok::<_, ()>(())
        };
        if self.0.run(OnPanic::Poison, despite_poison, f).is_err() {
            panic!(
                "the initialiser of this `Once` has panicked before; `call_once_force` tries again"
            );
        }
    }

    /// Whether an initialiser has returned. [Never waits](crate#what-waits).
    #[inline]
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.0.is_done()
    }
}

impl Default for Once {
    fn default() -> Once {
        Once::new()
    }
}

impl fmt::Debug for Once {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").field("completed", &self.is_completed()).finish_non_exhaustive()
    }
}

/// What the initialiser of [`Once::call_once_force`] is told.
#[derive(Debug)]
pub struct OnceState {
    poisoned: bool,
}

impl OnceState {
    /// Whether an initialiser has panicked before.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }
}
