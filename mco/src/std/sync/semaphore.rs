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
    /// Who takes several permits has it meanwhile: two of them that each had a part would wait for each other.
    /// One permit, which is taken as any other.
    turn: Spin<State>,
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
        let state = Spin::new(State { permits, waiters: Queue::new() });
        Semaphore { state, turn: Spin::new(State { permits: 1, waiters: Queue::new() }) }
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

    /// Takes a permit, and waits for it; the guard puts it back when it is dropped. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// As [`wait`](Semaphore::wait).
    ///
    /// # Examples
    ///
    /// ```
    /// let permits = mco::std::sync::Semaphore::new(1);
    /// let guard = permits.acquire();
    /// assert!(permits.try_acquire().is_none());
    /// drop(guard);
    /// assert_eq!(permits.get_value(), 1);
    /// ```
    #[track_caller]
    pub fn acquire(&self) -> SemaphoreGuard<'_> {
        self.wait();
        SemaphoreGuard { semaphore: self, permits: 1 }
    }

    /// Takes `n` permits, and waits for them; the guard puts all of them back. Those who ask for several get them one
    /// after the other; who asks for one does so in between, and is not held up until there are `n`.
    /// [May wait](crate#what-waits).
    ///
    /// If there are never so many, it waits for ever, and what it has got so far is nobody's.
    ///
    /// # Panics
    ///
    /// Unwinds, with all permits put back, if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let permits = mco::std::sync::Semaphore::new(8);
    /// let guard = permits.acquire_many(5);
    /// assert_eq!(permits.get_value(), 3);
    /// drop(guard);
    /// assert_eq!(permits.get_value(), 8);
    /// ```
    #[track_caller]
    pub fn acquire_many(&self, n: usize) -> SemaphoreGuard<'_> {
        spend_budget();
        self.wait_for(&self.turn, &Wait::new(Reason::Semaphore));
        let _turn = Turn(self);
        let mut guard = SemaphoreGuard { semaphore: self, permits: 0 };
        while guard.permits < n {
            self.wait();
            guard.permits += 1;
        }
        guard
    }

    /// Takes a permit if there is one; the guard puts it back. [Never waits](crate#what-waits).
    #[must_use = "the permit is put back when the guard is dropped"]
    pub fn try_acquire(&self) -> Option<SemaphoreGuard<'_>> {
        self.try_take().then(|| SemaphoreGuard { semaphore: self, permits: 1 })
    }

    /// As [`acquire`](Semaphore::acquire), for that long at most. `None`: there was none by then.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// As [`wait`](Semaphore::wait).
    #[must_use = "the permit is put back when the guard is dropped"]
    #[track_caller]
    pub fn acquire_timeout(&self, timeout: Duration) -> Option<SemaphoreGuard<'_>> {
        self.wait_timeout(timeout).then(|| SemaphoreGuard { semaphore: self, permits: 1 })
    }

    #[cold]
    fn wait_for_permit(&self, wait: &Wait) -> bool {
        self.wait_for(&self.state, wait)
    }

    /// Takes a permit of one of the two kinds.
    fn wait_for(&self, permits: &Spin<State>, wait: &Wait) -> bool {
        let mut state = permits.lock();
        if state.try_take() {
            return true;
        }
        let node = pin!(WaitNode::new(permits, State::waiters, None));
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
        Semaphore::post_to(&self.state);
    }

    #[inline]
    #[track_caller]
    fn post_to(permits: &Spin<State>) {
        let mut state = permits.lock();
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

/// Held by the one who takes several permits.
struct Turn<'a>(&'a Semaphore);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        Semaphore::post_to(&self.0.turn);
    }
}

/// Permits that are put back when it is dropped. From [`Semaphore::acquire`] and its like.
///
/// # Examples
///
/// ```
/// let permits = mco::std::sync::Semaphore::new(2);
/// let guard = permits.acquire_many(2);
/// assert_eq!(guard.permits(), 2);
/// ```
#[must_use = "the permit is put back when the guard is dropped"]
pub struct SemaphoreGuard<'a> {
    semaphore: &'a Semaphore,
    permits: usize,
}

impl SemaphoreGuard<'_> {
    /// How many permits it has. [Never waits](crate#what-waits).
    #[must_use]
    pub fn permits(&self) -> usize {
        self.permits
    }
}

impl Drop for SemaphoreGuard<'_> {
    fn drop(&mut self) {
        (0..self.permits).for_each(|_| self.semaphore.post());
    }
}

impl fmt::Debug for SemaphoreGuard<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SemaphoreGuard").field("permits", &self.permits).finish_non_exhaustive()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore").field("permits", &self.get_value()).finish_non_exhaustive()
    }
}
