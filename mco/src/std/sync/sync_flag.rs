//! Something that happens once, for all to see.

use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::shrinking::Slab;
use crate::task::{Reason, TaskWaiter, has_budget, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode};

/// A flag that is fired once and stays so; everyone who waits for it goes on.
///
/// # Examples
///
/// ```
/// use mco::std::sync::SyncFlag;
///
/// let start = SyncFlag::new();
/// mco::coroutine::scope(|s| {
///     for _ in 0..3 {
///         s.spawn(|| start.wait());
///     }
///     start.fire();
/// });
/// assert!(start.is_fired());
/// ```
pub struct SyncFlag {
    state: Spin<State>,
    /// The tasks of futures that wait. Who enters one has seen, under this lock, that the flag is not fired, and `fire`
    /// takes them after it has fired it; so none is left behind.
    tasks: Mutex<Slab<TaskWaiter>>,
}

/// What the `Spin` guards. Nobody enters once it is fired.
pub struct State {
    fired: bool,
    waiters: Queue<()>,
}

impl State {
    pub(crate) fn waiters(&mut self) -> &mut Queue<()> {
        &mut self.waiters
    }

    /// Whether it is fired.
    pub(crate) fn try_take(&mut self) -> bool {
        self.fired
    }
}

impl UnwindSafe for SyncFlag {}
impl RefUnwindSafe for SyncFlag {}

impl SyncFlag {
    /// One that has not been fired.
    #[must_use]
    pub const fn new() -> SyncFlag {
        let state = Spin::new(State { fired: false, waiters: Queue::new() });
        SyncFlag { state, tasks: Mutex::new(Slab::new()) }
    }

    pub(crate) fn state(&self) -> &Spin<State> {
        &self.state
    }

    /// Fires it. What was done before is visible to all who have waited.
    /// [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let flag = mco::std::sync::SyncFlag::new();
    /// flag.fire();
    /// flag.fire();
    /// flag.wait();
    /// ```
    pub fn fire(&self) {
        self.state.lock().fired = true;
        loop {
            let completed = self.state.lock().waiters.complete_first(Outcome::Completed, |_| ());
            let Some(((), wakeup)) = completed else { break };
            wakeup.wake();
        }
        // The entries stay until their futures are polled or dropped.
        let tasks: Vec<TaskWaiter> = self.tasks.lock().iter().cloned().collect();
        tasks.iter().for_each(TaskWaiter::wake);
    }

    /// Whether it has been fired. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_fired(&self) -> bool {
        self.state.lock().fired
    }

    /// Waits until it is fired. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let flag = std::sync::Arc::new(mco::std::sync::SyncFlag::new());
    /// let fires = flag.clone();
    /// mco::coroutine::spawn(move || fires.fire());
    /// flag.wait();
    /// ```
    #[track_caller]
    pub fn wait(&self) {
        self.wait_until_fired(&Wait::new(Reason::SyncFlag));
    }

    /// As [`wait`](SyncFlag::wait), for that long at most. Says whether it is fired.
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
    /// let flag = mco::std::sync::SyncFlag::new();
    /// assert!(!flag.wait_timeout(Duration::from_millis(1)));
    /// ```
    #[must_use = "it may have timed out"]
    #[track_caller]
    pub fn wait_timeout(&self, timeout: Duration) -> bool {
        let wait = Wait::new(Reason::SyncFlag);
        self.wait_until_fired(&wait.until(Some(Timestamp::after(timeout))))
    }

    fn wait_until_fired(&self, wait: &Wait) -> bool {
        spend_budget();
        let mut state = self.state.lock();
        if state.try_take() {
            return true;
        }
        let node = pin!(WaitNode::new(&self.state, State::waiters, None));
        node.as_ref().enter(&mut state);
        drop(state);
        node.wait(&wait.at(self)).is_some()
    }
}

/// The firing of a [`SyncFlag`] as a future: what `.await` makes of a reference to one.
///
/// It may be polled by anyone, in a coroutine or in a thread.
///
/// # Examples
///
/// ```
/// let flag = mco::std::sync::SyncFlag::new();
/// flag.fire();
/// mco::block_on((&flag).into_future());
/// ```
#[must_use = "a future does nothing unless it is polled"]
pub struct FiredFuture<'a> {
    flag: &'a SyncFlag,
    /// The key of its task among those of the flag.
    entered: Option<usize>,
}

impl<'a> IntoFuture for &'a SyncFlag {
    type Output = ();
    type IntoFuture = FiredFuture<'a>;

    /// Waits as [`wait`](SyncFlag::wait) does.
    ///
    /// # Examples
    ///
    /// ```
    /// let flag = std::sync::Arc::new(mco::std::sync::SyncFlag::new());
    /// let fires = flag.clone();
    /// mco::spawn(move || fires.fire());
    /// mco::block_on(async { (&*flag).await });
    /// assert!(flag.is_fired());
    /// ```
    fn into_future(self) -> FiredFuture<'a> {
        FiredFuture { flag: self, entered: None }
    }
}

impl Future for FiredFuture<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if !has_budget() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = self.get_mut();
        let mut task = TaskWaiter::new(context.waker());
        let mut tasks = this.flag.tasks.lock();
        if this.flag.is_fired() {
            return Poll::Ready(());
        }
        match this.entered {
            Some(key) => {
                let entry = tasks.get_mut(key).expect("it stays until it is removed");
                mem::swap(entry, &mut task);
                drop(tasks);
                // What it was before is dropped without the lock.
                drop(task);
            }
            None => this.entered = Some(tasks.insert(task)),
        }
        Poll::Pending
    }
}

impl Drop for FiredFuture<'_> {
    fn drop(&mut self) {
        if let Some(key) = self.entered.take() {
            // Dropped without the lock.
            let _removed = self.flag.tasks.lock().remove(key);
        }
    }
}

impl fmt::Debug for FiredFuture<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FiredFuture").field("flag", self.flag).finish_non_exhaustive()
    }
}

impl Default for SyncFlag {
    fn default() -> SyncFlag {
        SyncFlag::new()
    }
}

impl fmt::Debug for SyncFlag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncFlag").field("fired", &self.is_fired()).finish_non_exhaustive()
    }
}
