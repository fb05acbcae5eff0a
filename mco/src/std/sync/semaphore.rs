//! Permits.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Wakeup};

/// A number of permits, to be taken and put back by anyone.
///
/// They are given out in the order in which they were asked for. One that is given to somebody who
/// is cancelled, or whose time is over, is not lost: either it was taken in time, or the next one
/// gets it.
///
/// # Examples
///
/// ```
/// use mco::std::sync::Semaphore;
///
/// // At most two at once.
/// let permits = Semaphore::new(2);
/// mco::coroutine::scope(|s| {
///     for _ in 0..5 {
///         s.spawn(|| {
///             permits.wait();
///             mco::coroutine::yield_now();
///             permits.post();
///         });
///     }
/// });
/// assert_eq!(permits.get_value(), 2);
/// ```
pub struct Semaphore {
    state: Spin<State>,
}

/// What the `Spin` guards. There are no permits while somebody waits who could be completed.
pub struct State {
    permits: usize,
    waiters: Queue<()>,
}

impl State {
    pub(crate) fn waiters(&mut self) -> &mut Queue<()> {
        &mut self.waiters
    }

    pub(crate) fn can_take(&self) -> bool {
        self.permits > 0
    }

    /// Takes a permit if there is one.
    #[inline]
    pub(crate) fn try_take(&mut self) -> bool {
        let left = self.permits.checked_sub(1);
        self.permits = left.unwrap_or(0);
        left.is_some()
    }
}

impl UnwindSafe for Semaphore {}
impl RefUnwindSafe for Semaphore {}

impl Semaphore {
    /// A semaphore with so many permits.
    #[must_use]
    pub const fn new(permits: usize) -> Semaphore {
        Semaphore { state: Spin::new(State { permits, waiters: Queue::new() }) }
    }

    pub(crate) fn state(&self) -> &Spin<State> {
        &self.state
    }

    /// Takes a permit, and waits for it. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// Unwinds, without a permit, if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let permits = mco::std::sync::Semaphore::new(1);
    /// permits.wait();
    /// assert_eq!(permits.get_value(), 0);
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) {
        spend_budget();
        if !self.try_take() {
            self.wait_for_permit(&Wait::new(Reason::Semaphore));
        }
    }

    /// As [`wait`](Semaphore::wait), for that long at most. Says whether it has a permit.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// As `wait`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// let permits = mco::std::sync::Semaphore::new(0);
    /// assert!(!permits.wait_timeout(Duration::from_millis(1)));
    /// permits.post();
    /// assert!(permits.wait_timeout(Duration::from_millis(1)));
    /// ```
    #[must_use = "it may have timed out"]
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        spend_budget();
        let wait = Wait::new(Reason::Semaphore);
        self.try_take() || self.wait_for_permit(&wait.until(Some(Timestamp::after(timeout))))
    }

    #[cold]
    fn wait_for_permit(&self, wait: &Wait) -> bool {
        let mut state = self.state.lock();
        if state.try_take() {
            return true;
        }
        let node = pin!(WaitNode::new(&self.state, State::waiters, None));
        node.as_ref().enter(&mut state);
        drop(state);
        node.wait(&wait.at(self)).is_some()
    }

    /// Takes a permit if there is one. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let permits = mco::std::sync::Semaphore::new(1);
    /// assert!(permits.try_wait());
    /// assert!(!permits.try_wait());
    /// ```
    #[must_use = "it may not have a permit"]
    #[inline]
    pub fn try_wait(&self) -> bool {
        self.try_take()
    }

    #[inline]
    fn try_take(&self) -> bool {
        self.state.lock().try_take()
    }

    /// Puts a permit in, which need not have been taken before, or gives it to the one who has
    /// waited longest. [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If there were more than `usize::MAX` of them.
    ///
    /// # Examples
    ///
    /// ```
    /// let permits = mco::std::sync::Semaphore::new(0);
    /// permits.post();
    /// assert_eq!(permits.get_value(), 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn post(&self) {
        let mut state = self.state.lock();
        let completed = state.waiters.complete_first(Outcome::Completed, |_| ());
        if completed.is_none() {
            let permits = state.permits.checked_add(1);
            state.permits = permits.expect("a semaphore holds at most `usize::MAX` permits");
        }
        drop(state);
        completed.into_iter().map(|((), wakeup)| wakeup).for_each(Wakeup::wake);
    }

    /// How many permits there are now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn get_value(&self) -> usize {
        self.state.lock().permits
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("permits", &self.get_value()).finish_non_exhaustive()
    }
}
