//! Sending into a channel, and receiving from one.

#![allow(unsafe_code)]

use std::fmt;
use std::pin::Pin;

use pin_project_lite::pin_project;

use super::super::operation::{ReclaimOnLoss, Selectable};
use super::super::{ArmEntry, ArmWaitInfo};
use crate::std::sync::channel::{Channel, RecvError, SendError, State, TryRecvError, TrySendError};
use crate::task::Reason;
use crate::task::inspect::ArmWait;
use crate::wait::{Outcome, WaitNode};

/// The node of an arm, which is made if there is none yet.
fn entered<'p, N>(place: &'p mut Pin<&mut Option<N>>, new: impl FnOnce() -> N) -> Pin<&'p N> {
    if place.is_none() {
        place.set(Some(new()));
    }
    place.as_ref().as_pin_ref().expect("it has just been made")
}

pin_project! {
    /// Takes the next value of a channel.
    pub struct RecvArm<'a, T> {
        channel: &'a Channel<T>,
        // Made when it enters first, since most arms never do.
        #[pin]
        node: Option<WaitNode<'a, State<T>, T>>,
        result: Option<Result<T, RecvError>>,
    }
}

impl<'a, T> RecvArm<'a, T> {
    pub(crate) fn channel(&self) -> &'a Channel<T> {
        self.channel
    }

    pub(crate) fn new(channel: &'a Channel<T>) -> RecvArm<'a, T> {
        RecvArm { channel, node: None, result: None }
    }
}

impl<T> Selectable for RecvArm<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        *this.result = match this.channel.try_recv() {
            Ok(value) => Some(Ok(value)),
            Err(TryRecvError::Disconnected) => Some(Err(RecvError)),
            Err(TryRecvError::Empty) => None,
        };
        this.result.is_some()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        let mut this = self.project();
        let mut state = this.channel.state().lock();
        if state.can_take(entry.token) {
            return false;
        }
        let channel = *this.channel;
        let node =
            entered(&mut this.node, || WaitNode::new(channel.state(), State::receivers as _, None));
        // SAFETY: the caller's promise.
        unsafe { node.enter_shared(&mut state, entry.token, entry.index) };
        true
    }

    fn leave(self: Pin<&mut Self>) {
        if let Some(node) = self.project().node.as_pin_mut() {
            node.leave();
        }
    }

    fn complete(self: Pin<&mut Self>) {
        let this = self.project();
        let node = this.node.as_pin_mut().expect("it has been claimed where it has entered");
        *this.result = Some(match node.leave() {
            Some(Outcome::Completed) => Ok(node.take().expect("what was received is here")),
            _ => Err(RecvError),
        });
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait::of(Reason::Receive, self.channel.sending_end()))
    }

    fn output(self: Pin<&mut Self>) -> Result<T, RecvError> {
        self.project().result.take().expect("a value has been received")
    }
}

impl<T> fmt::Debug for RecvArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvArm").finish_non_exhaustive()
    }
}

pin_project! {
    /// Sends a value into a channel.
    pub struct SendArm<'a, T> {
        channel: &'a Channel<T>,
        // Made when it enters first. Holds the value while it waits.
        #[pin]
        node: Option<WaitNode<'a, State<T>, T>>,
        // Holds it otherwise, until it is sent.
        value: Option<T>,
        result: Option<Result<(), SendError<T>>>,
    }
}

impl<'a, T> SendArm<'a, T> {
    pub(crate) fn new(channel: &'a Channel<T>, value: T) -> SendArm<'a, T> {
        SendArm { channel, node: None, value: Some(value), result: None }
    }
}

impl<T> Selectable for SendArm<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        let value = this.value.take().expect("it is sent once");
        match this.channel.try_send(value) {
            Ok(()) => *this.result = Some(Ok(())),
            Err(TrySendError::Disconnected(value)) => *this.result = Some(Err(SendError(value))),
            Err(TrySendError::Full(value)) => *this.value = Some(value),
        }
        this.result.is_some()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        let mut this = self.project();
        let mut state = this.channel.state().lock();
        if state.can_put(entry.token) {
            return false;
        }
        let channel = *this.channel;
        let node =
            entered(&mut this.node, || WaitNode::new(channel.state(), State::senders as _, None));
        node.put(this.value.take());
        // SAFETY: the caller's promise.
        unsafe { node.enter_shared(&mut state, entry.token, entry.index) };
        true
    }

    fn leave(self: Pin<&mut Self>) {
        let this = self.project();
        if let Some(node) = this.node.as_pin_mut()
            && node.leave().is_none()
            && let Some(value) = node.take()
        {
            *this.value = Some(value);
        }
    }

    fn complete(self: Pin<&mut Self>) {
        let this = self.project();
        let node = this.node.as_pin_mut().expect("it has been claimed where it has entered");
        *this.result = Some(match node.leave() {
            Some(Outcome::Completed) => Ok(()),
            _ => Err(SendError(node.take().expect("what was not sent is still here"))),
        });
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait::of(Reason::Send, self.channel.receiving_end()))
    }

    fn output(self: Pin<&mut Self>) -> Result<(), SendError<T>> {
        self.project().result.take().expect("the value has been sent, or could not be")
    }
}

impl<T> ReclaimOnLoss for SendArm<'_, T> {
    type Reclaimed = T;

    fn back(self: Pin<&mut Self>) -> T {
        self.project().value.take().expect("what was not sent is still here")
    }
}

impl<T> fmt::Debug for SendArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendArm").finish_non_exhaustive()
    }
}

pin_project! {
    /// Takes a place in a channel for a value that is still to come. See [`aside`](crate::std::sync::channel).
    pub struct PlaceArm<'a, T> {
        channel: &'a Channel<T>,
        // Without a value.
        #[pin]
        node: WaitNode<'a, State<T>, T>,
        // Whether there is a place; if not, there are no receivers.
        result: Option<bool>,
    }
}

impl<'a, T> PlaceArm<'a, T> {
    pub(crate) fn new(channel: &'a Channel<T>) -> PlaceArm<'a, T> {
        let node = WaitNode::new(channel.state(), State::senders as _, None);
        PlaceArm { channel, node, result: None }
    }

    pub(crate) fn channel(&self) -> &'a Channel<T> {
        self.channel
    }
}

impl<T> Selectable for PlaceArm<'_, T> {
    type Output = bool;

    fn poll(self: Pin<&mut Self>) -> bool {
        let this = self.project();
        *this.result = this.channel.reserve();
        this.result.is_some()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        let this = self.project();
        let mut state = this.channel.state().lock();
        state.prepare_places();
        if state.can_put(entry.token) {
            return false;
        }
        // SAFETY: the caller's promise.
        unsafe { this.node.as_ref().enter_shared(&mut state, entry.token, entry.index) };
        true
    }

    fn leave(self: Pin<&mut Self>) {
        self.project().node.leave();
    }

    fn complete(self: Pin<&mut Self>) {
        let this = self.project();
        *this.result = Some(this.node.leave() == Some(Outcome::Completed));
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait::of(Reason::Send, self.channel.receiving_end()))
    }

    fn output(self: Pin<&mut Self>) -> bool {
        self.project().result.take().expect("a place has been taken, or there are no receivers")
    }
}

impl<T> fmt::Debug for PlaceArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PlaceArm").finish_non_exhaustive()
    }
}
