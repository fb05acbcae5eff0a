//! The error that std does not have, and what std's errors lack.

use std::fmt;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

/// The error of [`Sender::send_timeout`](super::Sender::send_timeout), with the value that was not sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum SendTimeoutError<T> {
    /// The channel stayed full for that long.
    Timeout(T),
    /// All receivers are gone.
    Disconnected(T),
}

impl<T> SendTimeoutError<T> {
    /// The value that was not sent.
    pub fn into_inner(self) -> T {
        match self {
            SendTimeoutError::Timeout(value) | SendTimeoutError::Disconnected(value) => value,
        }
    }

    /// Whether the channel stayed full for that long.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, SendTimeoutError::Timeout(_))
    }

    /// Whether all receivers are gone.
    #[must_use]
    pub fn is_disconnected(&self) -> bool {
        matches!(self, SendTimeoutError::Disconnected(_))
    }
}

impl<T> From<SendError<T>> for SendTimeoutError<T> {
    fn from(SendError(value): SendError<T>) -> SendTimeoutError<T> {
        SendTimeoutError::Disconnected(value)
    }
}

/// What the errors of sending are asked for. They are std's, which has no methods for that.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::{SendErrorExt, bounded};
///
/// let (sender, _receiver) = bounded(0);
/// let error = sender.try_send("hello").unwrap_err();
/// assert!(error.is_full() && !error.is_disconnected());
/// assert_eq!(error.into_inner(), "hello");
/// ```
pub trait SendErrorExt {
    /// What was to be sent.
    type Value;

    /// The value that was not sent.
    fn into_inner(self) -> Self::Value;

    /// Whether the channel was full.
    fn is_full(&self) -> bool;

    /// Whether all receivers are gone.
    fn is_disconnected(&self) -> bool;
}

impl<T> SendErrorExt for SendError<T> {
    type Value = T;

    fn into_inner(self) -> T {
        self.0
    }

    fn is_full(&self) -> bool {
        false
    }

    fn is_disconnected(&self) -> bool {
        true
    }
}

impl<T> SendErrorExt for TrySendError<T> {
    type Value = T;

    fn into_inner(self) -> T {
        match self {
            TrySendError::Full(value) | TrySendError::Disconnected(value) => value,
        }
    }

    fn is_full(&self) -> bool {
        matches!(self, TrySendError::Full(_))
    }

    fn is_disconnected(&self) -> bool {
        matches!(self, TrySendError::Disconnected(_))
    }
}

/// What the errors of receiving are asked for. They are std's, which has no methods for that.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::{RecvErrorExt, unbounded};
/// use std::time::Duration;
///
/// let (sender, receiver) = unbounded::<u8>();
/// assert!(receiver.try_recv().unwrap_err().is_empty());
/// assert!(receiver.recv_timeout(Duration::from_millis(1)).unwrap_err().is_timeout());
/// drop(sender);
/// assert!(receiver.try_recv().unwrap_err().is_disconnected());
/// ```
pub trait RecvErrorExt {
    /// Whether there was no value, without waiting.
    fn is_empty(&self) -> bool;

    /// Whether there was no value in the time given.
    fn is_timeout(&self) -> bool;

    /// Whether all senders are gone.
    fn is_disconnected(&self) -> bool;
}

impl RecvErrorExt for RecvError {
    fn is_empty(&self) -> bool {
        false
    }

    fn is_timeout(&self) -> bool {
        false
    }

    fn is_disconnected(&self) -> bool {
        true
    }
}

impl RecvErrorExt for TryRecvError {
    fn is_empty(&self) -> bool {
        *self == TryRecvError::Empty
    }

    fn is_timeout(&self) -> bool {
        false
    }

    fn is_disconnected(&self) -> bool {
        *self == TryRecvError::Disconnected
    }
}

impl RecvErrorExt for RecvTimeoutError {
    fn is_empty(&self) -> bool {
        false
    }

    fn is_timeout(&self) -> bool {
        *self == RecvTimeoutError::Timeout
    }

    fn is_disconnected(&self) -> bool {
        *self == RecvTimeoutError::Disconnected
    }
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
