//! Channels: values from many senders to many receivers, each value to one of them.
//!
//! [`unbounded`] never makes a sender wait, [`bounded`] does while it is full, and `bounded(0)` is a
//! rendezvous: a value goes from hand to hand. Coroutines and threads may use both ends. The errors
//! are those of [`std::sync::mpsc`].
//!
//! There is no `close`: a channel is closed for receivers when the last [`Sender`] is gone, and what
//! was sent is received first; it is closed for senders when the last [`Receiver`] is gone.
//!
//! ```
//! use mco::std::sync::channel::bounded;
//!
//! let (squares, results) = bounded(2);
//! for n in 1..=3 {
//!     let squares = squares.clone();
//!     mco::coroutine::spawn(move || squares.send(n * n));
//! }
//! drop(squares);
//! let mut all: Vec<u32> = results.iter().collect();
//! all.sort();
//! assert_eq!(all, [1, 4, 9]);
//! ```

// # The protocol
//
// Everything is under one `Spin`. Of the buffer and the two queues of those who wait:
//
// - a receiver waits only while the buffer is empty and no sender waits;
// - a sender waits only while the buffer is full and no receiver waits.
//
// So who comes to send gives to the first receiver that waits, else to the buffer, else waits; who
// comes to receive takes from the buffer, and lets the first sender that waits refill it, else takes
// from that sender, else waits. That keeps both rules and the order of the values of each sender. A
// place of a select may be in a queue after it has been served elsewhere; `serve` passes over it. One
// that selects may wait to send and to receive at once: it is no partner for itself.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use crate::clock::Moment;
use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Place, Queue, Spin, SpinGuard, Token, Wait, Wakeup};

/// A channel with no bound: sending never waits.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = mco::std::sync::channel::unbounded();
/// sender.send("hello").unwrap();
/// assert_eq!(receiver.recv(), Ok("hello"));
/// ```
#[must_use]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    with_capacity(None)
}

/// A channel that holds up to `capacity` values; a sender waits while it is full. With 0, a sender
/// waits until a receiver takes its value.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::{TrySendError, bounded};
///
/// let (sender, receiver) = bounded(1);
/// sender.send(1).unwrap();
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    with_capacity(Some(capacity))
}

/// [`unbounded`] under the name that std has for it.
#[must_use]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    unbounded()
}

/// [`bounded`] under its older name.
#[must_use]
pub fn channel_buf<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    bounded(capacity)
}

fn with_capacity<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    let state = State {
        buffer: VecDeque::new(),
        limit: capacity.unwrap_or(usize::MAX),
        senders: Queue::new(),
        receivers: Queue::new(),
        no_senders: false,
        no_receivers: false,
    };
    let channel = Arc::new(Channel {
        state: Spin::new(state),
        capacity,
        senders: AtomicUsize::new(1),
        receivers: AtomicUsize::new(1),
    });
    (Sender(channel.clone()), Receiver(channel))
}

/// What the two ends share.
pub(crate) struct Channel<T> {
    state: Spin<State<T>>,
    capacity: Option<usize>,
    /// Handles. Whoever takes one of these to zero closes its side.
    senders: AtomicUsize,
    receivers: AtomicUsize,
}

/// What the lock guards.
pub(crate) struct State<T> {
    buffer: VecDeque<T>,
    /// How many the buffer may hold.
    limit: usize,
    /// Those who wait for room; at their places is what they send.
    senders: Queue<T>,
    /// Those who wait for a value, which comes to their places.
    receivers: Queue<T>,
    no_senders: bool,
    no_receivers: bool,
}

impl<T> State<T> {
    pub(crate) fn senders(&mut self) -> &mut Queue<T> {
        &mut self.senders
    }

    pub(crate) fn receivers(&mut self) -> &mut Queue<T> {
        &mut self.receivers
    }

    /// Sends without waiting, if there is room or a receiver.
    #[inline]
    fn put(&mut self, value: T) -> Result<Option<Wakeup>, TrySendError<T>> {
        if self.no_receivers {
            return Err(TrySendError::Disconnected(value));
        }
        let mut value = Some(value);
        let served = self.receivers.serve(Outcome::Served, |place| *place = value.take());
        match (served, value) {
            (Some(((), wakeup)), _) => Ok(Some(wakeup)),
            (None, Some(value)) if self.buffer.len() < self.limit => {
                self.buffer.push_back(value);
                Ok(None)
            }
            (None, Some(value)) => Err(TrySendError::Full(value)),
            (None, None) => unreachable!("a value is given away once"),
        }
    }

    /// Receives without waiting, if there is a value or a sender.
    #[inline]
    fn take(&mut self) -> Result<(T, Option<Wakeup>), TryRecvError> {
        if let Some(value) = self.buffer.pop_front() {
            if self.senders.is_empty() {
                return Ok((value, None));
            }
            let refill = self.senders.serve(Outcome::Served, Option::take);
            let wakeup = refill.map(|(next, wakeup)| {
                self.buffer.extend(next);
                wakeup
            });
            return Ok((value, wakeup));
        }
        if let Some((value, wakeup)) = self.senders.serve(Outcome::Served, Option::take) {
            return Ok((value.expect("a sender brings a value"), Some(wakeup)));
        }
        Err(if self.no_senders { TryRecvError::Disconnected } else { TryRecvError::Empty })
    }

    /// Whether `put` would not say that it is full to the one of `token`, which may have places here.
    pub(crate) fn can_put(&self, token: &Token) -> bool {
        self.no_receivers || self.buffer.len() < self.limit || self.receivers.has_others(token)
    }

    /// Whether `take` would not say that it is empty to the one of `token`, which may have places here.
    pub(crate) fn can_take(&self, token: &Token) -> bool {
        self.no_senders || !self.buffer.is_empty() || self.senders.has_others(token)
    }
}

impl<T> Channel<T> {
    pub(crate) fn state(&self) -> &Spin<State<T>> {
        &self.state
    }

    #[inline]
    pub(crate) fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let sent = self.state.lock().put(value);
        sent.map(|wakeup| wakeup.into_iter().for_each(Wakeup::wake))
    }

    #[inline]
    pub(crate) fn try_recv(&self) -> Result<T, TryRecvError> {
        let taken = self.state.lock().take();
        taken.map(|(value, wakeup)| {
            wakeup.into_iter().for_each(Wakeup::wake);
            value
        })
    }

    #[inline]
    fn send(
        &self,
        value: T,
        wait: &Wait,
        timeout: Option<Duration>,
    ) -> Result<(), SendTimeoutError<T>> {
        spend_budget();
        let mut state = self.state.lock();
        match state.put(value) {
            Ok(wakeup) => {
                drop(state);
                wakeup.into_iter().for_each(Wakeup::wake);
                Ok(())
            }
            Err(TrySendError::Disconnected(value)) => Err(SendTimeoutError::Disconnected(value)),
            Err(TrySendError::Full(value)) => self.wait_to_send(value, state, wait, timeout),
        }
    }

    #[inline(never)]
    fn wait_to_send(
        &self,
        value: T,
        mut state: SpinGuard<'_, State<T>>,
        wait: &Wait,
        timeout: Option<Duration>,
    ) -> Result<(), SendTimeoutError<T>> {
        let place = pin!(Place::new(&self.state, State::senders, Some(value)));
        place.as_ref().enter(&mut state);
        drop(state);
        // Where there is a buffer, room for one more is worth little; with all of it filled again.
        let wait = wait.patient(self.capacity != Some(0));
        let outcome = place.wait(&wait.until(timeout.map(Moment::after)));
        let unsent = || place.take().expect("what was not sent is still here");
        match outcome {
            Some(Outcome::Served) => Ok(()),
            Some(Outcome::Closed) => Err(SendTimeoutError::Disconnected(unsent())),
            None => Err(SendTimeoutError::Timeout(unsent())),
        }
    }

    #[inline]
    fn recv(&self, wait: &Wait, timeout: Option<Duration>) -> Result<T, RecvTimeoutError> {
        spend_budget();
        let mut state = self.state.lock();
        match state.take() {
            Ok((value, wakeup)) => {
                drop(state);
                wakeup.into_iter().for_each(Wakeup::wake);
                Ok(value)
            }
            Err(TryRecvError::Disconnected) => Err(RecvTimeoutError::Disconnected),
            Err(TryRecvError::Empty) => self.wait_to_recv(state, wait, timeout),
        }
    }

    #[inline(never)]
    fn wait_to_recv(
        &self,
        mut state: SpinGuard<'_, State<T>>,
        wait: &Wait,
        timeout: Option<Duration>,
    ) -> Result<T, RecvTimeoutError> {
        let place = pin!(Place::new(&self.state, State::receivers, None));
        place.as_ref().enter(&mut state);
        drop(state);
        let outcome = match timeout {
            None => place.wait(wait),
            Some(timeout) => place.wait(&wait.until(Some(Moment::after(timeout)))),
        };
        match outcome {
            Some(Outcome::Served) => Ok(place.take().expect("what was served is here")),
            Some(Outcome::Closed) => Err(RecvTimeoutError::Disconnected),
            None => Err(RecvTimeoutError::Timeout),
        }
    }

    /// The last sender is gone.
    #[cold]
    fn close_for_receivers(&self) {
        self.state.lock().no_senders = true;
        // Nobody enters any more.
        while let Some(wakeup) = self.end_one_wait(State::receivers) {
            wakeup.wake();
        }
    }

    /// The last receiver is gone.
    #[cold]
    fn close_for_senders(&self) {
        let unreceived = {
            let mut state = self.state.lock();
            state.no_receivers = true;
            std::mem::take(&mut state.buffer)
        };
        while let Some(wakeup) = self.end_one_wait(State::senders) {
            wakeup.wake();
        }
        // Last, since the destructors are the user's.
        drop(unreceived);
    }

    fn end_one_wait(&self, queue: fn(&mut State<T>) -> &mut Queue<T>) -> Option<Wakeup> {
        let mut state = self.state.lock();
        queue(&mut state).serve(Outcome::Closed, |_| ()).map(|((), wakeup)| wakeup)
    }

    fn len(&self) -> usize {
        self.state.lock().buffer.len()
    }
}

/// The error of [`Sender::send_timeout`], with the value that was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The channel stayed full for that long.
    Timeout(T),
    /// All receivers are gone.
    Disconnected(T),
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendTimeoutError::Timeout(_) => "Timeout(..)",
            SendTimeoutError::Disconnected(_) => "Disconnected(..)",
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SendTimeoutError::Timeout(_) => "timed out waiting on a full channel",
            SendTimeoutError::Disconnected(_) => "sending on a closed channel",
        })
    }
}

impl<T> std::error::Error for SendTimeoutError<T> {}

/// The sending end of a channel. Clones send into the same channel.
pub struct Sender<T>(Arc<Channel<T>>);

impl<T> Sender<T> {
    pub(crate) fn channel(&self) -> &Arc<Channel<T>> {
        &self.0
    }

    /// Sends a value, and waits while the channel is full.
    ///
    /// # Errors
    ///
    /// If all receivers are gone, now or while it waits; the error holds the value.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits; the value is dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = mco::std::sync::channel::bounded(1);
    /// sender.send(5).unwrap();
    /// drop(receiver);
    /// assert_eq!(sender.send(6).unwrap_err().0, 6);
    /// ```
    #[inline]
    #[track_caller]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        self.0.send(value, &Wait::new(Reason::Send), None).map_err(|error| match error {
            SendTimeoutError::Disconnected(value) | SendTimeoutError::Timeout(value) => {
                SendError(value)
            }
        })
    }

    /// Sends a value if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with the value.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        spend_budget();
        self.0.try_send(value)
    }

    /// As [`send`](Sender::send), for that long at most.
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or
    /// [`Disconnected`](SendTimeoutError::Disconnected), with the value.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits; the value is dropped.
    #[track_caller]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.0.send(value, &Wait::new(Reason::Send), Some(timeout))
    }

    /// How many values are in the channel. Those of waiting senders are not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no value is in the channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the channel holds at most; `None`: any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.0.capacity
    }

    /// Whether both send into the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

// As std's: a panic that unwinds through the use of an end leaves nothing half done.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        // Relaxed: a handle is made from one that exists, as in `Arc`.
        self.0.senders.fetch_add(1, Ordering::Relaxed);
        Sender(self.0.clone())
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // AcqRel: what other handles sent comes before the close. The lock would do as well.
        if self.0.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.close_for_receivers();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// The receiving end of a channel. Clones take from the same channel; each value goes to one.
pub struct Receiver<T>(Arc<Channel<T>>);

impl<T> Receiver<T> {
    pub(crate) fn channel(&self) -> &Arc<Channel<T>> {
        &self.0
    }

    /// Takes the next value, and waits for it.
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone, now or while it waits.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let (sender, receiver) = mco::std::sync::channel::unbounded();
    /// mco::coroutine::spawn(move || sender.send(5));
    /// assert_eq!(receiver.recv(), Ok(5));
    /// assert!(receiver.recv().is_err());
    /// ```
    #[inline]
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.0.recv(&Wait::new(Reason::Receive), None).map_err(|_| RecvError)
    }

    /// Takes the next value if there is one.
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty), or [`Disconnected`](TryRecvError::Disconnected) if it will
    /// stay so.
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        spend_budget();
        self.0.try_recv()
    }

    /// As [`recv`](Receiver::recv), for that long at most.
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout), or [`Disconnected`](RecvTimeoutError::Disconnected).
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.0.recv(&Wait::new(Reason::Receive), Some(timeout))
    }

    /// The values until the channel is closed, each waited for.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// The values that are there without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }

    /// How many values are in the channel. Those of waiting senders are not.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no value is in the channel.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values the channel holds at most; `None`: any number.
    #[must_use]
    pub fn capacity(&self) -> Option<usize> {
        self.0.capacity
    }

    /// Whether both receive from the same channel.
    #[must_use]
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        // Relaxed: a handle is made from one that exists, as in `Arc`.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Receiver(self.0.clone())
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // AcqRel: as for senders.
        if self.0.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.close_for_senders();
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter(self)
    }
}

/// The iterator of [`Receiver::iter`].
pub struct Iter<'a, T>(&'a Receiver<T>);

impl<T> fmt::Debug for Iter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Iter").field(self.0).finish()
    }
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}

/// The iterator of [`Receiver::try_iter`].
pub struct TryIter<'a, T>(&'a Receiver<T>);

impl<T> fmt::Debug for TryIter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TryIter").field(self.0).finish()
    }
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.try_recv().ok()
    }
}

/// The iterator into which a [`Receiver`] turns.
pub struct IntoIter<T>(Receiver<T>);

impl<T> fmt::Debug for IntoIter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("IntoIter").field(&self.0).finish()
    }
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    #[track_caller]
    fn next(&mut self) -> Option<T> {
        self.0.recv().ok()
    }
}
