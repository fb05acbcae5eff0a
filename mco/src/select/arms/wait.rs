//! A permit of a semaphore, a flag that is raised, the end of a wait group.

use std::fmt;
use std::pin::Pin;

use pin_project_lite::pin_project;

use super::super::Entry;
use super::super::operation::Native;
use super::super::probe::SelectWait;
use crate::std::sync::{Semaphore, SyncFlag, WaitGroup, semaphore, sync_flag, wait_group};
use crate::wait::{Place, Queue, Spin};

/// The state of an object that one waits for.
pub trait Take {
    /// Whether `try_take` would.
    fn can_take(&mut self) -> bool;

    /// Takes what is waited for, if it is there.
    fn try_take(&mut self) -> bool;
}

impl Take for semaphore::State {
    fn can_take(&mut self) -> bool {
        semaphore::State::can_take(self)
    }

    fn try_take(&mut self) -> bool {
        semaphore::State::try_take(self)
    }
}

impl Take for sync_flag::State {
    fn can_take(&mut self) -> bool {
        sync_flag::State::try_take(self)
    }

    fn try_take(&mut self) -> bool {
        sync_flag::State::try_take(self)
    }
}

impl Take for wait_group::State {
    fn can_take(&mut self) -> bool {
        wait_group::State::try_take(self)
    }

    fn try_take(&mut self) -> bool {
        wait_group::State::try_take(self)
    }
}

impl SelectWait for Semaphore {
    type Arm<'a> = WaitArm<'a, semaphore::State>;

    fn wait_arm(&self) -> WaitArm<'_, semaphore::State> {
        WaitArm::new(self.state(), semaphore::State::waiters)
    }
}

impl SelectWait for SyncFlag {
    type Arm<'a> = WaitArm<'a, sync_flag::State>;

    fn wait_arm(&self) -> WaitArm<'_, sync_flag::State> {
        WaitArm::new(self.state(), sync_flag::State::waiters)
    }
}

impl SelectWait for WaitGroup {
    type Arm<'a> = WaitArm<'a, wait_group::State>;

    fn wait_arm(&self) -> WaitArm<'_, wait_group::State> {
        let arm = WaitArm::new(self.state(), wait_group::State::waiters);
        WaitArm { member: Some(self), ..arm }
    }
}

pin_project! {
    /// Waits for what an object has for it.
    pub struct WaitArm<'a, S> {
        state: &'a Spin<S>,
        // Whoever waits for a group leaves it first.
        member: Option<&'a WaitGroup>,
        #[pin]
        place: Place<'a, S, ()>,
    }
}

impl<'a, S: Take> WaitArm<'a, S> {
    fn new(state: &'a Spin<S>, waiters: fn(&mut S) -> &mut Queue<()>) -> WaitArm<'a, S> {
        WaitArm { state, member: None, place: Place::new(state, waiters, None) }
    }
}

impl<S: Take> Native for WaitArm<'_, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>) -> bool {
        if let Some(member) = self.member {
            member.give_up();
        }
        self.state.lock().try_take()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &Entry<'_>) -> bool {
        let this = self.project();
        let mut state = this.state.lock();
        if state.can_take() {
            return false;
        }
        // SAFETY: the caller's promise.
        unsafe { this.place.as_ref().enter_shared(&mut state, entry.token, entry.index) };
        true
    }

    fn leave(self: Pin<&mut Self>) {
        self.project().place.leave();
    }

    fn complete(self: Pin<&mut Self>) {
        self.project().place.leave();
    }

    fn output(self: Pin<&mut Self>) {}
}

impl<S> fmt::Debug for WaitArm<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitArm").finish_non_exhaustive()
    }
}
