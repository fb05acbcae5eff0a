//! What the two ends of a channel share, and how values go from one to the other.
//!
//! Everything is under one `Spin`. For the buffer and the two queues of waiters holds:
//!
//! - a receiver waits only while the buffer is empty and no sender waits;
//! - a sender waits only while the buffer is full and no receiver waits.
//!
//! So a sender gives its value to the first receiver that waits, else to the buffer, else it waits. A receiver takes
//! from the buffer, and lets the first sender that waits refill it; else it takes from that sender; else it waits.
//! That keeps both rules, and the order of the values of each sender. A node of a select may be in a queue after it
//! has been completed elsewhere, and `complete_first` passes over it. A select may wait to send and to receive at
//! once, and is no partner for itself.
//!
//! A [`Select`](crate::select::Select) chooses an operation before it happens; what that means for a channel is in
//! [`aside`](super::aside).

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::mem;
use std::panic::Location;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Weak;
use std::time::Duration;

use super::end::ChannelEnd;
use super::{RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError};
use crate::clock::Timestamp;
use crate::shrinking;
use crate::task::{Reason, cancel, seeded_yield_point, spend_budget};
use crate::wait::{Outcome, Queue, SelectToken, Spin, SpinGuard, Wait, WaitNode, Wakeup};

/// Drops them. If a destructor panics the others are dropped all the same, and then it passes on; if a second one does,
/// the rest is leaked: a panic out of a destructor that runs because of another would abort the process.
fn drop_all<T>(mut values: VecDeque<T>) {
    let mut panicked = None;
    while let Some(value) = values.pop_front() {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value)))
            && let Some(earlier) = panicked.replace(payload)
        {
            // The payload's own destructor might panic, too.
            mem::forget((earlier, values));
            break;
        }
    }
    if let Some(payload) = panicked {
        cancel::resume_unwind(payload);
    }
}

/// Where an operation was called from.
type Site = &'static Location<'static>;

/// What the two ends share.
pub(crate) struct Channel<T> {
    state: Spin<State<T>>,
    /// Whether a sender may have to wait: the channel has a capacity. Constant.
    is_bounded: bool,
    /// Handles. Whoever takes one of these to zero closes its side.
    pub(super) senders: ChannelEnd,
    pub(super) receivers: ChannelEnd,
    observer: Option<Weak<dyn Observer>>,
}

/// Whoever sends now and then, and wants to know when that is in vain.
pub(crate) trait Observer: Send + Sync {
    /// The last receiver has gone.
    fn no_receivers(&self);
}

/// What the lock guards.
pub(crate) struct State<T> {
    pub(super) buffer: VecDeque<T>,
    /// How many the buffer may hold, but for the places that are given; `None`: any number.
    pub(super) capacity: Option<usize>,
    /// Those who wait for room; at their places is what they send.
    pub(super) senders: Queue<T>,
    /// Those who wait for a value, which comes to their places.
    pub(super) receivers: Queue<T>,
    pub(super) no_senders: bool,
    pub(super) no_receivers: bool,
    /// Once a `Select` has been used with the channel.
    pub(super) aside: Option<Box<Aside<T>>>,
}

/// Why `take` has taken nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Empty,
    Disconnected,
    /// It is empty, and a sender is to be woken that has been given a place: see `wakeup_beside`.
    Promised,
}

/// What each `Select` has chosen and not completed. See [`aside`](super::aside).
pub(super) struct Aside<T> {
    /// How many the buffer may hold, in all.
    pub(super) capacity: Option<usize>,
    /// Places that are given beyond the capacity, each to a receiver that waits.
    pub(super) direct_places: usize,
    /// Values that have been chosen to be received.
    pub(super) values: VecDeque<T>,
    /// Of who has been given a place by a receiver, until the lock is free.
    pub(super) wakeup: Option<Wakeup>,
}

impl<T> State<T> {
    pub(crate) fn senders(&mut self) -> &mut Queue<T> {
        &mut self.senders
    }

    pub(crate) fn receivers(&mut self) -> &mut Queue<T> {
        &mut self.receivers
    }

    fn has_room(&self) -> bool {
        self.capacity.is_none_or(|capacity| self.buffer.len() < capacity)
    }

    /// Sends without waiting, if there is room or a receiver.
    #[inline(always)]
    fn put(&mut self, value: T) -> Result<Wakeup, TrySendError<T>> {
        if self.no_receivers {
            return Err(TrySendError::Disconnected(value));
        }
        if self.receivers.is_empty() {
            if !self.has_room() {
                return Err(TrySendError::Full(value));
            }
            self.buffer.push_back(value);
            return Ok(Wakeup::of_nobody());
        }
        if self.aside.is_some() {
            return self.put_beside(value);
        }
        if let Some(receiver) = self.receivers.claim_first() {
            Ok(receiver.complete(Outcome::Completed, |place| *place = Some(value)).1)
        } else if self.has_room() {
            self.buffer.push_back(value);
            Ok(Wakeup::of_nobody())
        } else {
            Err(TrySendError::Full(value))
        }
    }

    /// Receives without waiting, if there is a value or a sender.
    #[inline(always)]
    fn take(&mut self) -> Result<(T, Wakeup), NotTaken> {
        if self.senders.is_empty() {
            return match shrinking::pop_front(&mut self.buffer) {
                Some(value) => Ok((value, Wakeup::of_nobody())),
                None if self.no_senders => Err(NotTaken::Disconnected),
                None => Err(NotTaken::Empty),
            };
        }
        if self.aside.is_some() {
            return self.take_beside();
        }
        let waiting = self.senders.complete_first(Outcome::Completed, Option::take);
        match (shrinking::pop_front(&mut self.buffer), waiting) {
            (Some(value), None) => Ok((value, Wakeup::of_nobody())),
            (Some(value), Some((next, wakeup))) => {
                self.buffer.extend(next);
                Ok((value, wakeup))
            }
            (None, Some((value, wakeup))) => Ok((value.expect("a sender brings one"), wakeup)),
            (None, None) if self.no_senders => Err(NotTaken::Disconnected),
            (None, None) => Err(NotTaken::Empty),
        }
    }

    /// Whether `put` would not say that it is full to the one of `token`, which may have places here.
    pub(crate) fn can_put(&self, token: &SelectToken) -> bool {
        self.no_receivers
            || self.has_room()
            || !self.receivers.is_empty() && self.has_receiver_for(token)
    }

    /// Whether `take` would not say that it is empty to the one of `token`, which may have places here.
    pub(crate) fn can_take(&self, token: &SelectToken) -> bool {
        self.no_senders
            || !self.buffer.is_empty()
            || !self.senders.is_empty() && self.has_sender_for(token)
    }
}

impl<T> Channel<T> {
    /// One with a handle at each end.
    pub(super) fn new(
        capacity: Option<usize>,
        observer: Option<Weak<dyn Observer>>,
        made_at: Site,
    ) -> Channel<T> {
        let state = State {
            buffer: VecDeque::new(),
            capacity,
            senders: Queue::new(),
            receivers: Queue::new(),
            no_senders: false,
            no_receivers: false,
            aside: None,
        };
        let (senders, receivers) = (ChannelEnd::new(made_at), ChannelEnd::new(made_at));
        let is_bounded = capacity.is_some();
        Channel { state: Spin::new(state), is_bounded, senders, receivers, observer }
    }

    pub(crate) fn state(&self) -> &Spin<State<T>> {
        &self.state
    }

    /// What receivers wait for.
    pub(crate) fn sending_end(&self) -> &ChannelEnd {
        &self.senders
    }

    /// What senders wait for.
    pub(crate) fn receiving_end(&self) -> &ChannelEnd {
        &self.receivers
    }

    #[inline]
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        // The lock is free before the wake-up.
        let sent = self.state.lock().put(value);
        sent.map(Wakeup::wake)
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let mut state = self.state.lock();
        match state.take() {
            Ok((value, wakeup)) => {
                drop(state);
                wakeup.wake();
                Ok(value)
            }
            Err(NotTaken::Empty) => Err(TryRecvError::Empty),
            Err(NotTaken::Disconnected) => Err(TryRecvError::Disconnected),
            Err(NotTaken::Promised) => {
                let wakeup = state.wakeup_beside();
                drop(state);
                wakeup.into_iter().for_each(Wakeup::wake);
                Err(TryRecvError::Empty)
            }
        }
    }

    #[inline(always)]
    pub(super) fn send(
        &self,
        value: T,
        site: Site,
        timeout: Option<Duration>,
    ) -> Result<(), SendTimeoutError<T>> {
        if self.is_bounded {
            self.send_bounded(value, site, timeout)
        } else {
            self.send_unbounded(value, site)
        }
    }

    /// Never waits.
    #[inline]
    fn send_unbounded(&self, value: T, site: Site) -> Result<(), SendTimeoutError<T>> {
        self.senders.used(site);
        self.try_send(value).map_err(|unsent| match unsent {
            TrySendError::Disconnected(value) => SendTimeoutError::Disconnected(value),
            TrySendError::Full(_) => unreachable!("there is always room"),
        })
    }

    #[inline]
    fn send_bounded(
        &self,
        value: T,
        site: Site,
        timeout: Option<Duration>,
    ) -> Result<(), SendTimeoutError<T>> {
        spend_budget();
        let mut state = self.state.lock();
        match state.put(value) {
            Ok(wakeup) => {
                drop(state);
                wakeup.wake();
                seeded_yield_point();
                Ok(())
            }
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(TrySendError::Full(value)) => self.wait_to_send(value, state, site, timeout),
        }
    }

    #[inline(never)]
    fn wait_to_send(
        &self,
        value: T,
        mut state: SpinGuard<'_, State<T>>,
        site: Site,
        timeout: Option<Duration>,
    ) -> Result<(), SendTimeoutError<T>> {
        self.senders.waits(site);
        let wait = Wait::new_at(Reason::Send, site);
        // SAFETY: `self` is borrowed during the call, in which the wait is used.
        let wait = unsafe { wait.of(&self.receivers) };
        // With a buffer the sender does not spin: one free slot is worth less than many at once.
        let wait = wait.batching(state.capacity != Some(0));
        let node = pin!(WaitNode::new(&self.state, State::senders, Some(value)));
        node.as_ref().enter(&mut state);
        drop(state);
        let outcome = node.wait(&wait.until(timeout.map(Timestamp::after)));
        let unsent = || node.take().expect("what was not sent is still here");
        match outcome {
            Some(Outcome::Completed) => Ok(()),
            Some(Outcome::Closed) => Err(SendTimeoutError::Disconnected(unsent())),
            None => Err(SendTimeoutError::Timeout(unsent())),
        }
    }

    #[inline]
    pub(super) fn recv(
        &self,
        site: Site,
        timeout: Option<Duration>,
    ) -> Result<T, RecvTimeoutError> {
        spend_budget();
        let mut state = self.state.lock();
        match state.take() {
            Ok((value, wakeup)) => {
                drop(state);
                wakeup.wake();
                Ok(value)
            }
            Err(NotTaken::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(_) => self.wait_to_recv(state, site, timeout),
        }
    }

    #[inline(never)]
    fn wait_to_recv(
        &self,
        mut state: SpinGuard<'_, State<T>>,
        site: Site,
        timeout: Option<Duration>,
    ) -> Result<T, RecvTimeoutError> {
        self.receivers.waits(site);
        let node = pin!(WaitNode::new(&self.state, State::receivers, None));
        node.as_ref().enter(&mut state);
        let wakeup = state.wakeup_beside();
        drop(state);
        wakeup.into_iter().for_each(Wakeup::wake);
        // SAFETY: as in `wait_to_send`.
        let wait = unsafe { Wait::new_at(Reason::Receive, site).of(&self.senders) };
        let outcome = match timeout {
            None => node.wait(&wait),
            Some(timeout) => node.wait(&wait.until(Some(Timestamp::after(timeout)))),
        };
        match outcome {
            Some(Outcome::Completed) => Ok(node.take().expect("what was received is here")),
            Some(Outcome::Closed) => Err(RecvTimeoutError::Disconnected),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// Sends without waiting, if there is room, and closes the channel for receivers in the same moment.
    pub(crate) fn send_last(&self, value: T) {
        let mut state = self.state.lock();
        let sent = state.put(value);
        state.no_senders = true;
        drop(state);
        drop(sent.map(Wakeup::wake));
        self.close_for_receivers();
    }

    /// The last sender is gone.
    #[cold]
    pub(super) fn close_for_receivers(&self) {
        self.state.lock().no_senders = true;
        // No waiter is added any more.
        while let Some(wakeup) = self.end_one_wait(State::receivers) {
            wakeup.wake();
        }
    }

    /// The last receiver is gone.
    #[cold]
    pub(super) fn close_for_senders(&self) {
        let unreceived = {
            let mut state = self.state.lock();
            state.no_receivers = true;
            std::mem::take(&mut state.buffer)
        };
        while let Some(wakeup) = self.end_one_wait(State::senders) {
            wakeup.wake();
        }
        if let Some(observer) = self.observer.as_ref().and_then(Weak::upgrade) {
            observer.no_receivers();
        }
        // Last, since the destructors are user code.
        drop_all(unreceived);
    }

    fn end_one_wait(&self, queue: fn(&mut State<T>) -> &mut Queue<T>) -> Option<Wakeup> {
        let mut state = self.state.lock();
        queue(&mut state).complete_first(Outcome::Closed, |_| ()).map(|((), wakeup)| wakeup)
    }

    pub(super) fn len(&self) -> usize {
        self.state.lock().buffer.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.state.lock().is_full()
    }

    pub(super) fn capacity(&self) -> Option<usize> {
        let state = self.state.lock();
        state.aside.as_ref().map_or(state.capacity, |aside| aside.capacity)
    }
}
