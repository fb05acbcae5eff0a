//! A channel for one value: the answer to a request.
//!
//! It is a [`channel`](mod@super::channel) of one place whose sender is used up by the one send. So whatever holds of the
//! latter holds here: coroutines and threads mixed, exactly once, nothing lost by a cancel or by a
//! [`select!`](macro@crate::select) that chooses another arm.
//!
//! # Examples
//!
//! ```
//! use mco::std::sync::oneshot;
//!
//! let (requests, server) = mco::chan!((u32, oneshot::Sender<u32>), 1);
//! mco::spawn(move || {
//!     for (n, answer) in server {
//!         // Nobody may want it any more.
//!         let _ = answer.send(n * n);
//!     }
//! });
//! let (sender, answer) = oneshot::channel();
//! requests.send((7, sender)).unwrap();
//! assert_eq!(answer.recv(), Ok(49));
//! ```

use std::fmt;
use std::time::Duration;

use super::channel::{
    self, RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError, bounded,
};

/// A channel for one value.
#[must_use]
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = bounded(1);
    (Sender(sender), Receiver(receiver))
}

/// The right to send the one value. See the [module](self).
///
/// # Examples
///
/// ```
/// let (sender, receiver) = mco::std::sync::oneshot::channel();
/// drop(receiver);
/// assert_eq!(sender.send("late").unwrap_err().0, "late");
/// ```
pub struct Sender<T>(channel::Sender<T>);

impl<T> Sender<T> {
    /// Sends the value. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`SendError`] with the value, if the receiver is gone.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        self.0.try_send(value).map_err(|error| match error {
            TrySendError::Disconnected(value) | TrySendError::Full(value) => SendError(value),
        })
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

/// Receives the one value. See the [module](self).
///
/// # Examples
///
/// ```
/// let (sender, receiver) = mco::std::sync::oneshot::channel::<u32>();
/// drop(sender);
/// assert!(receiver.recv().is_err());
/// ```
pub struct Receiver<T>(channel::Receiver<T>);

impl<T> Receiver<T> {
    /// Waits for the value. It is an arm of [`select!`](macro@crate::select). [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`RecvError`] if the sender has gone without sending, or the value has been received before.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.0.recv()
    }

    /// Takes the value if it is there. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if it may still come, `Disconnected` as [`recv`](Receiver::recv).
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.try_recv()
    }

    /// As [`recv`](Receiver::recv), for `timeout` at most. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`RecvTimeoutError::Timeout`] if it has not come by then, `Disconnected` as `recv`.
    ///
    /// # Panics
    ///
    /// As `recv`.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.0.recv_timeout(timeout)
    }

    pub(crate) fn receiver(&self) -> &channel::Receiver<T> {
        &self.0
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").finish_non_exhaustive()
    }
}
