//! Waiting for a number of others to be done.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Wakeup};

/// A group whose members can wait until all others are done: Go's `sync.WaitGroup`, with handles in
/// place of numbers.
///
/// Each clone is a member. To drop it is Go's `Done`, also when a panic or a cancel does it.
///
/// # Examples
///
/// ```
/// use mco::std::sync::WaitGroup;
/// use std::sync::Arc;
/// use std::sync::atomic::{AtomicU32, Ordering};
///
/// let (done, group) = (Arc::new(AtomicU32::new(0)), WaitGroup::new());
/// for _ in 0..3 {
///     let (done, member) = (done.clone(), group.clone());
///     mco::coroutine::spawn(move || {
///         done.fetch_add(1, Ordering::Relaxed);
///         drop(member);
///     });
/// }
/// group.wait();
/// assert_eq!(done.load(Ordering::Relaxed), 3);
/// ```
pub struct WaitGroup {
    group: Arc<Group>,
    /// This one counts no more. Set once, by whoever gives the count up.
    gave_up: AtomicBool,
}

struct Group {
    state: Spin<State>,
}

/// What the `Spin` guards. Once nobody is left in a group, nobody joins it or waits in it.
pub struct State {
    members: usize,
    waiters: Queue<()>,
}

impl State {
    pub(crate) fn waiters(&mut self) -> &mut Queue<()> {
        &mut self.waiters
    }

    /// Whether all are done.
    pub(crate) fn try_take(&mut self) -> bool {
        self.members == 0
    }
}

impl UnwindSafe for WaitGroup {}
impl RefUnwindSafe for WaitGroup {}

impl WaitGroup {
    /// A group with one member.
    #[must_use]
    pub fn new() -> WaitGroup {
        let state = State { members: 1, waiters: Queue::new() };
        let group = Arc::new(Group { state: Spin::new(state) });
        WaitGroup { group, gave_up: AtomicBool::new(false) }
    }

    pub(crate) fn state(&self) -> &Spin<State> {
        &self.group.state
    }

    /// Of what all its members share.
    pub(crate) fn address(&self) -> usize {
        std::ptr::from_ref(&*self.group).addr()
    }

    /// Leaves the group, and waits until all others have. Returns at once if there are none.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// mco::std::sync::WaitGroup::new().wait();
    /// ```
    #[track_caller]
    pub fn wait(self) {
        spend_budget();
        self.give_up();
        let mut state = self.group.state.lock();
        if state.try_take() {
            return;
        }
        let node = pin!(WaitNode::new(&self.group.state, State::waiters, None));
        node.as_ref().enter(&mut state);
        drop(state);
        // Unless it unwinds it has been completed.
        node.wait(&Wait::new(Reason::WaitGroup).at(&*self.group));
    }

    /// Leaves the group, once: the handle's drop does nothing more.
    pub(crate) fn give_up(&self) {
        // Relaxed: the `Spin` orders what was done before.
        if self.gave_up.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut state = self.group.state.lock();
        state.members -= 1;
        let mut last = state.members == 0;
        drop(state);
        while last {
            // One at a time: nobody enters any more.
            let completed =
                self.group.state.lock().waiters.complete_first(Outcome::Completed, |_| ());
            last = completed.is_some();
            completed.into_iter().map(|((), wakeup)| wakeup).for_each(Wakeup::wake);
        }
    }
}

impl Clone for WaitGroup {
    fn clone(&self) -> WaitGroup {
        self.group.state.lock().members += 1;
        WaitGroup { group: self.group.clone(), gave_up: AtomicBool::new(false) }
    }
}

impl Drop for WaitGroup {
    fn drop(&mut self) {
        self.give_up();
    }
}

impl Default for WaitGroup {
    fn default() -> WaitGroup {
        WaitGroup::new()
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let members = self.group.state.lock().members;
        f.debug_struct("WaitGroup").field("members", &members).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_gives_its_count_up_once() {
        let group = WaitGroup::new();
        let member = group.clone();
        member.give_up();
        member.give_up();
        assert!(!group.state().lock().try_take());
        drop(member);
        assert!(!group.state().lock().try_take());
        group.give_up();
        assert!(group.state().lock().try_take());
        group.wait();
    }
}
