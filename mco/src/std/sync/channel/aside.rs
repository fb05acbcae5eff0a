//! What a [`Select`](crate::select::Select) has chosen and not completed yet.
//!
//! A `Select` first says which of its operations it is, and then that one is done, which must not wait any more. So
//! what it needs is kept for it from when it is chosen:
//!
//! - A receive has taken its value, which is set aside in the channel until it is completed.
//! - A send has a place. Its value comes when it is completed: to a receiver that waits, else into the buffer.
//!
//! A place is given as a value would be taken in: with `w` receivers that wait, if
//!
//! ```text
//!   values in the buffer + places < capacity + w
//! ```
//!
//! and a value comes in by the same rule while there are places. A place in the buffer is taken off the capacity, and
//! those that are for receivers are counted (`direct_places`): so who finds nobody waiting at the other end needs to know
//! nothing of it. Without a buffer each place has a receiver that waits. If that one gives up before the value comes, the
//! value goes into the buffer nevertheless, for the next one: so the buffer may hold more than its capacity, until those
//! values have been received.
//!
//! A `Select` that waits to send has a node without a value among the senders. Who completes it gives it a place: a
//! receiver that takes from a full buffer, and one that finds it waiting, who then waits for the value. One that does
//! not wait gives it a place, too, or they would never come together: it finds the value when it looks again.
//!
//! An operation that is not completed has not happened: its value is the next to be received, or its place goes to
//! somebody else. Nothing of this is known to a channel that no `Select` has been used with.

use std::collections::VecDeque;

use super::TrySendError;
use super::shared::{Aside, Channel, NotTaken, State};
use crate::shrinking;
use crate::wait::{Outcome, SelectToken, Wakeup};

impl<T> State<T> {
    /// By a `Select` that is going to wait to send: from here on receivers know what a sender without a value is.
    pub(crate) fn prepare_places(&mut self) {
        self.aside();
    }

    fn aside(&mut self) -> &mut Aside<T> {
        let capacity = self.capacity;
        self.aside.get_or_insert_with(|| {
            Box::new(Aside { capacity, direct_places: 0, values: VecDeque::new(), wakeup: None })
        })
    }

    /// Whether one more value may come in, if so many receivers wait.
    fn has_room_beside(&self, receivers: usize) -> bool {
        let direct = self.aside.as_ref().map_or(0, |aside| aside.direct_places);
        let taken = self.buffer.len() + direct;
        self.capacity.is_none_or(|capacity| taken < capacity.saturating_add(receivers))
    }

    /// Whether a sender would have to wait if no receiver does.
    pub(super) fn is_full(&self) -> bool {
        !self.has_room_beside(0)
    }

    fn give_place(&mut self) {
        match &mut self.capacity {
            None => {}
            Some(0) => self.aside().direct_places += 1,
            Some(left) => *left -= 1,
        }
    }

    fn take_place_back(&mut self) {
        let aside = self.aside();
        if aside.direct_places > 0 {
            aside.direct_places -= 1;
        } else if let Some(left) = &mut self.capacity {
            *left += 1;
        }
    }

    /// `put`, where receivers wait.
    #[cold]
    pub(super) fn put_beside(&mut self, value: T) -> Result<Wakeup, TrySendError<T>> {
        if !self.has_room_beside(self.receivers.count_others(None)) {
            return Err(TrySendError::Full(value));
        }
        match self.give(value) {
            Ok(wakeup) => Ok(wakeup),
            // Who was counted may have been completed elsewhere.
            Err(value) if self.has_room_beside(0) => {
                self.buffer.push_back(value);
                Ok(Wakeup::of_nobody())
            }
            Err(value) => Err(TrySendError::Full(value)),
        }
    }

    /// Gives a value to the first receiver that waits.
    fn give(&mut self, value: T) -> Result<Wakeup, T> {
        let mut value = Some(value);
        let completed =
            self.receivers.complete_first(Outcome::Completed, |node| *node = value.take());
        match (completed, value) {
            (Some(((), wakeup)), _) => Ok(wakeup),
            (None, Some(value)) => Err(value),
            (None, None) => unreachable!("a value is given away once"),
        }
    }

    /// Lets the first sender go on that waits, with a place if its value is still to come.
    fn admit(&mut self) -> Option<(Option<T>, Wakeup)> {
        let (value, wakeup) = self.senders.complete_first(Outcome::Completed, Option::take)?;
        if value.is_none() {
            self.give_place();
        }
        Some((value, wakeup))
    }

    /// `take`, where senders wait.
    #[cold]
    pub(super) fn take_beside(&mut self) -> Result<(T, Wakeup), NotTaken> {
        if let Some(value) = shrinking::pop_front(&mut self.buffer) {
            let admitted = if self.has_room_beside(0) { self.admit() } else { None };
            let Some((next, wakeup)) = admitted else { return Ok((value, Wakeup::of_nobody())) };
            self.buffer.extend(next);
            return Ok((value, wakeup));
        }
        let receivers = self.receivers.count_others(None) + 1;
        let admitted = if self.has_room_beside(receivers) { self.admit() } else { None };
        match admitted {
            Some((Some(value), wakeup)) => Ok((value, wakeup)),
            Some((None, wakeup)) => {
                self.aside().wakeup = Some(wakeup);
                Err(NotTaken::Promised)
            }
            None if self.no_senders => Err(NotTaken::Disconnected),
            None => Err(NotTaken::Empty),
        }
    }

    /// To be done when the lock is free, after `take` has promised it.
    #[cold]
    pub(super) fn wakeup_beside(&mut self) -> Option<Wakeup> {
        self.aside.as_mut()?.wakeup.take()
    }

    /// Whether a receiver waits, other than that of `token`, to whom a value may be given.
    #[inline(never)]
    pub(super) fn has_receiver_for(&self, token: &SelectToken) -> bool {
        match self.aside {
            None => self.receivers.has_others(token),
            Some(_) => self.has_room_beside(self.receivers.count_others(Some(token))),
        }
    }

    /// Whether a sender waits, other than that of `token`, from whom a value may be taken.
    #[inline(never)]
    pub(super) fn has_sender_for(&self, token: &SelectToken) -> bool {
        let may_admit = || self.has_room_beside(self.receivers.count_others(Some(token)) + 1);
        self.senders.has_others(token) && (self.aside.is_none() || may_admit())
    }

    /// Lets those senders go on for whom there is room.
    fn admit_all(&mut self) -> Vec<Wakeup> {
        let mut wakeups = Vec::new();
        while self.has_room_beside(self.receivers.count_others(None)) {
            let Some((value, wakeup)) = self.admit() else { break };
            wakeups.push(wakeup);
            match value.map(|value| self.give(value)) {
                None => {}
                Some(Ok(wakeup)) => wakeups.push(wakeup),
                Some(Err(value)) => self.buffer.push_back(value),
            }
        }
        wakeups
    }
}

impl<T> Channel<T> {
    /// Takes a place for a value: `true`. `false`: there are no receivers. `None`: there is no room.
    pub(crate) fn reserve(&self) -> Option<bool> {
        let mut state = self.state().lock();
        state.aside();
        if state.no_receivers {
            return Some(false);
        }
        let has_room = state.has_room_beside(state.receivers.count_others(None));
        has_room.then(|| {
            state.give_place();
            true
        })
    }

    /// Sends to a place that was taken.
    ///
    /// # Errors
    ///
    /// The value, if there are no receivers any more.
    pub(crate) fn send_to_place(&self, value: T) -> Result<(), T> {
        let mut state = self.state().lock();
        state.take_place_back();
        if state.no_receivers {
            return Err(value);
        }
        match state.give(value) {
            Ok(wakeup) => {
                drop(state);
                wakeup.wake();
            }
            Err(value) => state.buffer.push_back(value),
        }
        Ok(())
    }

    /// Gives a place up.
    pub(crate) fn leave_place(&self) {
        let mut state = self.state().lock();
        state.take_place_back();
        let wakeups = if state.no_receivers { Vec::new() } else { state.admit_all() };
        drop(state);
        wakeups.into_iter().for_each(Wakeup::wake);
    }

    /// Sets a value aside that has been received.
    pub(crate) fn set_aside(&self, value: T) {
        self.state().lock().aside().values.push_back(value);
    }

    /// Takes one back that was set aside: the one of the caller, or of another that is as good.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn take_aside(&self) -> T {
        let value = self.state().lock().aside().values.pop_front();
        value.expect("a value was set aside for each receive that was chosen")
    }

    /// Makes one that was set aside the next to be received.
    pub(crate) fn give_back(&self) {
        let mut state = self.state().lock();
        let Some(value) = state.aside().values.pop_front() else { return };
        match state.give(value) {
            Ok(wakeup) => {
                drop(state);
                wakeup.wake();
            }
            Err(value) => state.buffer.push_front(value),
        }
    }
}
