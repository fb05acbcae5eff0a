//! Waiting for whichever of several coroutines comes first, again and again: May's `cqueue`.
//!
//! Each arm is a coroutine of its own, which [sends](EventSender::send) an event when it has
//! something, and goes on when the event has been [polled](Cqueue::poll). Where one choice between
//! operations is wanted, [`select!`](macro@crate::select) says it better, and starts no coroutines.
//!
//! ```
//! use mco::cqueue::{self, PollError};
//! use mco::go;
//!
//! let (sender, receiver) = mco::std::sync::channel();
//! sender.send(7).unwrap();
//! cqueue::scope(|cqueue| {
//!     go!(cqueue, 1, |events| {
//!         let got: usize = receiver.recv().unwrap();
//!         events.send(got);
//!     });
//!     let event = cqueue.poll(None).unwrap();
//!     assert_eq!((event.token, event.extra), (1, 7));
//!     assert_eq!(cqueue.poll(None).unwrap_err(), PollError::Finished);
//! });
//! ```

use std::fmt;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;
use crate::coroutine::{self, Cancelled, Coroutine, Scope, ScopedJoinHandle};
use crate::shrinking::Slab;
use crate::std::sync::channel::{Receiver, RecvTimeoutError, Sender, unbounded};
use crate::task::cancel;

/// Why [`Cqueue::poll`] has no event.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::cqueue::{self, PollError};
///
/// cqueue::scope(|cqueue| {
///     assert_eq!(cqueue.poll(None).unwrap_err(), PollError::Finished);
///     cqueue.add(1, |_| mco::coroutine::park());
///     let soon = Some(Duration::from_millis(5));
///     assert_eq!(cqueue.poll(soon).unwrap_err(), PollError::Timeout);
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PollError {
    /// None came in time.
    Timeout,
    /// All arms have ended, so none will come unless one is added.
    Finished,
}

impl fmt::Display for PollError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PollError::Timeout => "no event came in time",
            PollError::Finished => "all arms of the cqueue have ended",
        })
    }
}

impl std::error::Error for PollError {}

/// What an arm has sent.
///
/// # Examples
///
/// ```
/// mco::cqueue::scope(|cqueue| {
///     cqueue.add(3, |events| events.send(9));
///     let event = cqueue.poll(None).unwrap();
///     assert_eq!((event.token, event.extra), (3, 9));
/// });
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// The token with which the arm was added.
    pub token: usize,
    /// What the arm has sent.
    pub extra: usize,
}

/// A set of arms, and the events that they have sent.
///
/// Unlike May's it has lifetimes, as [`Scope`] has: what an arm borrows must outlive the scope.
///
/// # Examples
///
/// ```
/// let numbers = [2, 3];
/// let mut squares = mco::cqueue::scope(|cqueue| {
///     for (token, number) in numbers.iter().enumerate() {
///         cqueue.add(token, move |events| events.send(number * number));
///     }
///     [(); 2].map(|()| cqueue.poll(None).unwrap().extra)
/// });
/// squares.sort();
/// assert_eq!(squares, [4, 9]);
/// ```
pub struct Cqueue<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    /// For the arms.
    sender: Sender<Message>,
    messages: Receiver<Message>,
    /// The arms whose end has not been polled.
    arms: Mutex<Slab<Option<ScopedJoinHandle<'scope, ()>>>>,
}

enum Message {
    /// An event, and how to let its arm go on.
    Event(Event, Sender<()>),
    /// The arm of this key has ended.
    Done(usize),
}

/// Calls `f` with a [`Cqueue`]. At its end the arms that are left are cancelled, and waited for.
/// [May wait](crate#what-waits).
///
/// # Panics
///
/// If `f` panics, or an arm has and was not polled.
///
/// # Examples
///
/// ```
/// let extra = mco::cqueue::scope(|cqueue| {
///     cqueue.add(0, |events| events.send(7));
///     cqueue.poll(None).unwrap().extra
/// });
/// assert_eq!(extra, 7);
/// ```
#[track_caller]
pub fn scope<'env, F, R>(f: F) -> R
where
    F: for<'scope> FnOnce(&Cqueue<'scope, 'env>) -> R,
{
    coroutine::scope(|scope| {
        let (sender, messages) = unbounded();
        let cqueue = Cqueue { scope, sender, messages, arms: Mutex::new(Slab::new()) };
        let result = f(&cqueue);
        cqueue.cancel_all();
        result
    })
}

impl<'scope> Cqueue<'scope, '_> {
    /// Starts an arm. `go!(cqueue, token, |events| ..)` says the same.
    /// [Never waits](crate#what-waits).
    #[track_caller]
    pub fn add<F>(&self, token: usize, f: F) -> Selector
    where
        F: FnOnce(EventSender) + Send + 'scope,
    {
        // It is in place before the arm can end.
        let key = self.arms.lock().insert(None);
        let (go_on, resumed) = unbounded();
        let events = EventSender { token, key, messages: self.sender.clone(), go_on, resumed };
        let handle = self.scope.spawn(move || f(events));
        let coroutine = handle.coroutine().clone();
        *self.arms.lock().get_mut(key).expect("its end has not been polled") = Some(handle);
        Selector { coroutine }
    }

    /// Waits for the next event, for `timeout` at most. Its arm goes on.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Timeout`](PollError::Timeout), or [`Finished`](PollError::Finished) if all arms have ended.
    ///
    /// # Panics
    ///
    /// If an arm has panicked, with its payload. [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn poll(&self, timeout: Option<Duration>) -> Result<Event, PollError> {
        let deadline = timeout.map(Timestamp::after);
        loop {
            if self.arms.lock().is_empty() {
                return Err(PollError::Finished);
            }
            let message = match deadline {
                None => self.messages.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(at) => self.messages.recv_timeout(at.since(Timestamp::now())),
            };
            match message {
                Ok(Message::Event(event, arm)) => {
                    // It fails if the arm has been cancelled meanwhile.
                    let _ = arm.send(());
                    // On this worker it goes first, up to where it blocks.
                    coroutine::yield_now();
                    return Ok(event);
                }
                Ok(Message::Done(key)) => self.join(key),
                Err(RecvTimeoutError::Timeout) => return Err(PollError::Timeout),
                Err(RecvTimeoutError::Disconnected) => return Err(PollError::Finished),
            }
        }
    }

    /// Joins an arm that is about to end, and passes its panic on.
    #[track_caller]
    fn join(&self, key: usize) {
        let handle = self.arms.lock().remove(key);
        if let Some(handle) = handle
            && let Err(payload) = handle.join()
            && !payload.is::<Cancelled>()
        {
            cancel::resume_unwind(payload);
        }
    }

    #[track_caller]
    fn cancel_all(&self) {
        let arms = std::mem::take(&mut *self.arms.lock());
        arms.iter().flatten().for_each(ScopedJoinHandle::cancel);
    }
}

impl fmt::Debug for Cqueue<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cqueue").field("arms", &self.arms.lock().len()).finish_non_exhaustive()
    }
}

/// An arm's side of a [`Cqueue`].
///
/// # Examples
///
/// ```
/// mco::cqueue::scope(|cqueue| {
///     cqueue.add(5, |events| events.send(events.get_token() + 1));
///     assert_eq!(cqueue.poll(None).unwrap().extra, 6);
/// });
/// ```
pub struct EventSender {
    token: usize,
    key: usize,
    messages: Sender<Message>,
    go_on: Sender<()>,
    resumed: Receiver<()>,
}

impl EventSender {
    /// The token with which the arm was added.
    #[must_use]
    pub fn get_token(&self) -> usize {
        self.token
    }

    /// Sends an event, and waits until it has been polled. [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// Unwinds if the arm is cancelled while it waits, as it is at the end of the scope.
    #[track_caller]
    pub fn send(&self, extra: usize) {
        let event = Event { token: self.token, extra };
        // The queue outlives its arms.
        let _ = self.messages.send(Message::Event(event, self.go_on.clone()));
        let _ = self.resumed.recv();
    }
}

impl Drop for EventSender {
    fn drop(&mut self) {
        let _ = self.messages.send(Message::Done(self.key));
    }
}

impl fmt::Debug for EventSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSender").field("token", &self.token).finish_non_exhaustive()
    }
}

/// A handle to an arm of a [`Cqueue`].
///
/// # Examples
///
/// ```
/// use mco::cqueue::PollError;
///
/// mco::cqueue::scope(|cqueue| {
///     let arm = cqueue.add(0, |_| mco::coroutine::park());
///     arm.remove();
///     assert_eq!(cqueue.poll(None).unwrap_err(), PollError::Finished);
/// });
/// ```
#[derive(Debug)]
pub struct Selector {
    coroutine: Coroutine,
}

impl Selector {
    /// Cancels the arm. [Never waits](crate#what-waits).
    pub fn remove(self) {
        self.coroutine.cancel();
    }
}
