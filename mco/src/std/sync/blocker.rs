//! Parking with a handle of one's own.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::coroutine::ParkError;
use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Wakeup};

/// A permit to go on, that one leaves and another waits for.
///
/// Unlike [`coroutine::park`](crate::coroutine::park) it is separate from other uses of the same
/// coroutine or thread, and whoever has the `Arc` may park or unpark.
///
/// # Examples
///
/// ```
/// use mco::std::sync::Blocker;
///
/// let blocker = Blocker::current();
/// let unparker = blocker.clone();
/// mco::coroutine::spawn(move || unparker.unpark());
/// blocker.park(None).unwrap();
/// ```
pub struct Blocker {
    state: Spin<State>,
}

/// What the `Spin` guards. There is no permit while somebody waits.
struct State {
    permit: bool,
    waiting: Queue<()>,
}

impl State {
    fn waiting(&mut self) -> &mut Queue<()> {
        &mut self.waiting
    }
}

impl UnwindSafe for Blocker {}
impl RefUnwindSafe for Blocker {}

impl Blocker {
    /// A new one for the caller, without a permit. Each call makes one of its own, so that nobody
    /// finds a permit that was left for somebody else.
    #[must_use]
    pub fn current() -> Arc<Blocker> {
        let state = State { permit: false, waiting: Queue::new() };
        Arc::new(Blocker { state: Spin::new(state) })
    }

    /// Waits for a permit and takes it, for `timeout` at most if there is one.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`ParkError::Timeout`] if there is none by then.
    ///
    /// # Panics
    ///
    /// Unwinds, without having taken a permit, if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::coroutine::ParkError;
    /// use mco::std::sync::Blocker;
    /// use std::time::Duration;
    ///
    /// let blocker = Blocker::current();
    /// blocker.unpark();
    /// let soon = Some(Duration::from_millis(1));
    /// assert_eq!(blocker.park(soon), Ok(()));
    /// assert_eq!(blocker.park(soon), Err(ParkError::Timeout));
    /// ```
    #[track_caller]
    pub fn park(&self, timeout: Option<Duration>) -> Result<(), ParkError> {
        spend_budget();
        let mut state = self.state.lock();
        if std::mem::take(&mut state.permit) {
            return Ok(());
        }
        let node = pin!(WaitNode::new(&self.state, State::waiting, None));
        node.as_ref().enter(&mut state);
        drop(state);
        let wait = Wait::new(Reason::Blocker).at(self).until(timeout.map(Timestamp::after));
        node.wait(&wait).map(drop).ok_or(ParkError::Timeout)
    }

    /// Lets one go on that is parked, or leaves the permit for the next. Two permits that nobody has
    /// taken are one. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// mco::std::sync::Blocker::current().unpark();
    /// ```
    pub fn unpark(&self) {
        let mut state = self.state.lock();
        let completed = state.waiting.complete_first(Outcome::Completed, |_| ());
        state.permit |= completed.is_none();
        drop(state);
        completed.into_iter().map(|((), wakeup)| wakeup).for_each(Wakeup::wake);
    }
}

impl fmt::Debug for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Blocker").finish_non_exhaustive()
    }
}
