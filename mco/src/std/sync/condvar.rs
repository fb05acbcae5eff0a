//! Waiting for a condition on what a mutex guards.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::{LockResult, PoisonError};
use std::time::Duration;

use super::mutex::MutexGuard;
use crate::clock::Timestamp;
use crate::std::defer;
use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Wakeup};

/// Where to wait until what a [`Mutex`](super::Mutex) guards has changed: [`std::sync::Condvar`] for
/// coroutines and threads.
///
/// Waiting gives the lock back and takes it again. In between anything may happen, and a wait may end
/// without a reason, so look at the condition in a loop, or use
/// [`wait_while`](Condvar::wait_while).
///
/// A coroutine that is cancelled while it waits unwinds without the lock, which it has given back;
/// the mutex is not poisoned. If it has been notified and is cancelled before it has the lock
/// again, the next one is notified in its place.
///
/// # Examples
///
/// ```
/// use mco::std::sync::{Condvar, Mutex};
///
/// let (ready, changed) = (Mutex::new(false), Condvar::new());
/// mco::coroutine::scope(|s| {
///     s.spawn(|| {
///         *ready.lock().unwrap() = true;
///         changed.notify_one();
///     });
///     let guard = changed.wait_while(ready.lock().unwrap(), |ready| !*ready).unwrap();
///     assert!(*guard);
/// });
/// ```
pub struct Condvar {
    waiting: Spin<Queue<()>>,
}

impl UnwindSafe for Condvar {}
impl RefUnwindSafe for Condvar {}

impl Condvar {
    /// One that nobody waits for.
    #[must_use]
    pub const fn new() -> Condvar {
        Condvar { waiting: Spin::new(Queue::new()) }
    }

    /// Gives the lock back, waits to be notified, and takes the lock again. Nobody can notify in
    /// between without this one being among those who wait. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned when it is taken again; the error holds the guard.
    ///
    /// # Panics
    ///
    /// Unwinds, without the lock, if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::{Condvar, Mutex};
    ///
    /// let (turn, changed) = (Mutex::new(0), Condvar::new());
    /// mco::coroutine::scope(|s| {
    ///     let mut guard = turn.lock().unwrap();
    ///     s.spawn(|| {
    ///         *turn.lock().unwrap() = 1;
    ///         changed.notify_all();
    ///     });
    ///     while *guard == 0 {
    ///         guard = changed.wait(guard).unwrap();
    ///     }
    /// });
    /// ```
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        self.wait_until(guard, Wait::new(Reason::Condvar), Wait::new(Reason::Mutex), None).0
    }

    /// As [`wait`](Condvar::wait), again and again while `condition` says so of the value. Does not
    /// wait if it does not. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # Panics
    ///
    /// As `wait`, and with the panic of `condition`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::{Condvar, Mutex};
    ///
    /// let (stock, changed) = (Mutex::new(0), Condvar::new());
    /// mco::coroutine::scope(|s| {
    ///     s.spawn(|| {
    ///         for _ in 0..3 {
    ///             *stock.lock().unwrap() += 1;
    ///             changed.notify_one();
    ///         }
    ///     });
    ///     let stock = changed.wait_while(stock.lock().unwrap(), |stock| *stock < 3).unwrap();
    ///     assert_eq!(*stock, 3);
    /// });
    /// ```
    #[track_caller]
    pub fn wait_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<MutexGuard<'a, T>> {
        let waits = (Wait::new(Reason::Condvar), Wait::new(Reason::Mutex));
        self.wait_while_until(guard, waits, None, condition)
            .map(|(guard, _)| guard)
            .map_err(|poisoned| PoisonError::new(poisoned.into_inner().0))
    }

    /// As [`wait`](Condvar::wait), but waits to be notified for that long at most.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As `wait`.
    ///
    /// # Panics
    ///
    /// As `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let mutex = Mutex::new(());
    /// let wait = Condvar::new().wait_timeout(mutex.lock().unwrap(), Duration::from_millis(1));
    /// assert!(wait.unwrap().1.timed_out());
    /// ```
    #[track_caller]
    pub fn wait_timeout<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let deadline = Some(Timestamp::after(timeout));
        let (wait, relock) = (Wait::new(Reason::Condvar), Wait::new(Reason::Mutex));
        match self.wait_until(guard, wait, relock, deadline) {
            (Ok(guard), result) => Ok((guard, result)),
            (Err(poisoned), result) => Err(PoisonError::new((poisoned.into_inner(), result))),
        }
    }

    /// As [`wait_while`](Condvar::wait_while), but for that long at most. It has timed out if
    /// the condition still holds at the end. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As [`wait`](Condvar::wait).
    ///
    /// # Panics
    ///
    /// As [`wait`](Condvar::wait), and with the panic of `condition`.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::{Condvar, Mutex};
    /// use std::time::Duration;
    ///
    /// let (ready, changed) = (Mutex::new(false), Condvar::new());
    /// let guard = ready.lock().unwrap();
    /// let soon = Duration::from_millis(1);
    /// let (_guard, result) = changed.wait_timeout_while(guard, soon, |ready| !*ready).unwrap();
    /// assert!(result.timed_out());
    /// ```
    #[track_caller]
    pub fn wait_timeout_while<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        timeout: Duration,
        condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        let waits = (Wait::new(Reason::Condvar), Wait::new(Reason::Mutex));
        self.wait_while_until(guard, waits, Some(Timestamp::after(timeout)), condition)
    }

    fn wait_while_until<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        (wait, relock): (Wait, Wait),
        deadline: Option<Timestamp>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'a, T>, WaitTimeoutResult)> {
        spend_budget();
        let mut result = WaitTimeoutResult(false);
        while condition(&mut guard) {
            if result.timed_out() {
                return Ok((guard, result));
            }
            guard = match self.wait_until(guard, wait, relock, deadline) {
                (Ok(guard), ended) => {
                    result = ended;
                    guard
                }
                (Err(poisoned), ended) => {
                    return Err(PoisonError::new((poisoned.into_inner(), ended)));
                }
            };
        }
        Ok((guard, WaitTimeoutResult(false)))
    }

    fn wait_until<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
        wait: Wait,
        relock: Wait,
        deadline: Option<Timestamp>,
    ) -> (LockResult<MutexGuard<'a, T>>, WaitTimeoutResult) {
        let mutex = guard.mutex();
        let node = pin!(WaitNode::new(&self.waiting, |queue| queue, None));
        node.as_ref().enter(&mut self.waiting.lock());
        drop(guard);
        let outcome = node.wait(&wait.at(self).until(deadline));
        // One that was notified and unwinds before it has the lock has not seen what it was notified
        // of.
        let pass_on = outcome.map(|_| defer::Guard::new(|| self.notify_one()));
        spend_budget();
        let guard = mutex.lock_again(|| relock);
        std::mem::forget(pass_on);
        (guard, WaitTimeoutResult(outcome.is_none()))
    }

    /// Ends the wait of the one that has waited longest, if any. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// mco::std::sync::Condvar::new().notify_one();
    /// ```
    pub fn notify_one(&self) {
        let completed = self.waiting.lock().complete_first(Outcome::Completed, |_| ());
        completed.into_iter().map(|((), wakeup)| wakeup).for_each(Wakeup::wake);
    }

    /// Ends the wait of everyone who waits now. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// mco::std::sync::Condvar::new().notify_all();
    /// ```
    pub fn notify_all(&self) {
        let wakeups = self.waiting.lock().complete_all(Outcome::Completed);
        wakeups.wake();
    }
}

impl Default for Condvar {
    fn default() -> Condvar {
        Condvar::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar").finish_non_exhaustive()
    }
}

/// Whether a wait with a time limit ended because of it: std's type of that name, which only std can
/// make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WaitTimeoutResult(bool);

impl WaitTimeoutResult {
    /// Whether the time was over.
    #[must_use]
    pub fn timed_out(&self) -> bool {
        self.0
    }
}
