//! A permit of a semaphore, a flag that is raised, a token that is cancelled, the end of a wait group.

#![allow(unsafe_code)]

use std::fmt;
use std::pin::Pin;
use std::ptr;

use pin_project_lite::pin_project;

use super::super::operation::Selectable;
use super::super::probe::SelectWait;
use super::super::{ArmEntry, ArmWaitInfo};
use crate::coroutine::{CancelToken, token};
use crate::std::sync::{Semaphore, SyncFlag, WaitGroup, semaphore, sync_flag, wait_group};
use crate::task::Reason;
use crate::task::inspect::ArmWait;
use crate::wait::{Queue, Spin, WaitNode};

pin_project! {
    /// Waits for what an object has for it.
    pub struct WaitArm<'a, S> {
        state: &'a Spin<S>,
        // What it is, and where, for dumps.
        reason: Reason,
        address: usize,
        // Whether `try_take` would take it.
        can_take: fn(&mut S) -> bool,
        // Takes what is waited for, if it is there.
        try_take: fn(&mut S) -> bool,
        // Whoever waits for a group leaves it first.
        member: Option<&'a WaitGroup>,
        #[pin]
        node: WaitNode<'a, S, ()>,
    }
}

impl<'a, S> WaitArm<'a, S> {
    fn new(
        (reason, address): (Reason, usize),
        state: &'a Spin<S>,
        waiters: fn(&mut S) -> &mut Queue<()>,
        can_take: fn(&mut S) -> bool,
        try_take: fn(&mut S) -> bool,
    ) -> WaitArm<'a, S> {
        let node = WaitNode::new(state, waiters, None);
        WaitArm { state, reason, address, can_take, try_take, member: None, node }
    }
}

impl SelectWait for Semaphore {
    type Arm<'a> = WaitArm<'a, semaphore::State>;

    fn wait_arm(&self) -> WaitArm<'_, semaphore::State> {
        use semaphore::State;
        let what = (Reason::Semaphore, ptr::from_ref(self).addr());
        WaitArm::new(what, self.state(), State::waiters, |s| s.can_take(), State::try_take)
    }
}

impl SelectWait for SyncFlag {
    type Arm<'a> = WaitArm<'a, sync_flag::State>;

    fn wait_arm(&self) -> WaitArm<'_, sync_flag::State> {
        use sync_flag::State;
        let what = (Reason::SyncFlag, ptr::from_ref(self).addr());
        WaitArm::new(what, self.state(), State::waiters, State::try_take, State::try_take)
    }
}

impl SelectWait for CancelToken {
    type Arm<'a> = WaitArm<'a, token::State>;

    fn wait_arm(&self) -> WaitArm<'_, token::State> {
        use token::State;
        let what = (Reason::Token, ptr::from_ref(self.state()).addr());
        WaitArm::new(what, self.state(), State::waiters, State::try_take, State::try_take)
    }
}

impl SelectWait for WaitGroup {
    type Arm<'a> = WaitArm<'a, wait_group::State>;

    fn wait_arm(&self) -> WaitArm<'_, wait_group::State> {
        use wait_group::State;
        let (what, state) = ((Reason::WaitGroup, self.address()), self.state());
        let arm = WaitArm::new(what, state, State::waiters, State::try_take, State::try_take);
        WaitArm { member: Some(self), ..arm }
    }
}

impl<S> Selectable for WaitArm<'_, S> {
    type Output = ();

    fn poll(self: Pin<&mut Self>) -> bool {
        if let Some(member) = self.member {
            member.give_up();
        }
        (self.try_take)(&mut self.state.lock())
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        let this = self.project();
        let mut state = this.state.lock();
        if (this.can_take)(&mut state) {
            return false;
        }
        // SAFETY: the caller's promise.
        unsafe { this.node.as_ref().enter_shared(&mut state, entry.token, entry.index) };
        true
    }

    fn leave(self: Pin<&mut Self>) {
        self.project().node.leave();
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait::at(self.reason, self.address))
    }

    fn output(self: Pin<&mut Self>) {}
}

impl<S> fmt::Debug for WaitArm<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitArm").finish_non_exhaustive()
    }
}
