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

mod aside;
mod at;
mod end;
mod error;
mod iter;
mod shared;

use std::fmt;
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::std::time::Instant;

pub use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

pub use self::at::at;
pub use self::error::{RecvErrorExt, SendErrorExt, SendTimeoutError};
pub use self::iter::{IntoIter, Iter, TryIter};
pub(crate) use self::shared::{Channel, Observer, State};

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
#[track_caller]
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    create(None, None, Location::caller())
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
#[track_caller]
pub fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    create(Some(capacity), None, Location::caller())
}

/// [`unbounded`] under the name that std has for it.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = mco::std::sync::channel::channel();
/// sender.send(1).unwrap();
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
#[track_caller]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    unbounded()
}

/// [`bounded`] under its older name.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = mco::std::sync::channel::channel_buf(1);
/// assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_err());
/// assert_eq!(receiver.recv(), Ok(1));
/// ```
#[must_use]
#[track_caller]
pub fn channel_buf<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    bounded(capacity)
}

/// A channel from which nothing ever comes, and which is never closed: for the arm of a `select!` that is not
/// wanted now.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::{TryRecvError, never};
/// use mco::std::time::after;
/// use std::time::Duration;
///
/// fn limit(seconds: Option<u64>) -> mco::std::sync::Receiver<mco::std::time::Time> {
///     seconds.map_or_else(never, |seconds| after(Duration::from_secs(seconds)))
/// }
///
/// assert_eq!(limit(None).try_recv(), Err(TryRecvError::Empty));
/// ```
#[must_use]
#[track_caller]
pub fn never<T>() -> Receiver<T> {
    // Its sender has no handle, so it is never dropped.
    Receiver(Arc::new(Channel::new(Some(0), None, Location::caller())))
}

/// [`bounded`], where `observer` is told when the last receiver has gone, unless it has gone itself.
pub(crate) fn observed<T>(
    capacity: usize,
    observer: Weak<dyn Observer>,
    made_at: &'static Location<'static>,
) -> (Sender<T>, Receiver<T>) {
    create(Some(capacity), Some(observer), made_at)
}

fn create<T>(
    capacity: Option<usize>,
    observer: Option<Weak<dyn Observer>>,
    made_at: &'static Location<'static>,
) -> (Sender<T>, Receiver<T>) {
    let channel = Arc::new(Channel::new(capacity, observer, made_at));
    (Sender(channel.clone()), Receiver(channel))
}

/// The sending end of a channel. Clones send into the same channel.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::unbounded;
///
/// let (sender, receiver) = unbounded();
/// let other = sender.clone();
/// mco::join!(sender.send(1).unwrap(), other.send(2).unwrap());
/// // The channel closes with the last of its senders.
/// drop((sender, other));
/// assert_eq!(receiver.iter().sum::<u32>(), 3);
/// ```
pub struct Sender<T>(Arc<Channel<T>>);

impl<T> Sender<T> {
    /// Sends a value, and waits while the channel is full.
    /// [Never waits](crate#what-waits) if the channel is unbounded, otherwise [may wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If all receivers are gone, now or while it waits; the error holds the value.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits; the value is dropped.
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
        self.0.send(value, Location::caller(), None).map_err(|error| match error {
            SendTimeoutError::Disconnected(value) | SendTimeoutError::Timeout(value) => {
                SendError(value)
            }
        })
    }

    /// Sends a value if that is possible without waiting. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Full`](TrySendError::Full) or [`Disconnected`](TrySendError::Disconnected), with the value.
    #[inline]
    #[track_caller]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        self.0.senders.used(Location::caller());
        self.0.try_send(value)
    }

    /// As [`send`](Sender::send), for that long at most. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Timeout`](SendTimeoutError::Timeout) or
    /// [`Disconnected`](SendTimeoutError::Disconnected), with the value.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits; the value is dropped.
    #[track_caller]
    pub fn send_timeout(&self, value: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.0.send(value, Location::caller(), Some(timeout))
    }

    /// As [`send`](Sender::send), until a point of time at most: of [`::std::time`](std::time::Instant) or of mco's
    /// [`time`](Instant). [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As [`send_timeout`](Sender::send_timeout).
    ///
    /// # Panics
    ///
    /// As [`send_timeout`](Sender::send_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::{Duration, Instant};
    ///
    /// let (sender, _receiver) = mco::std::sync::channel::bounded(0);
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// assert!(sender.send_deadline(1, soon).unwrap_err().is_timeout());
    /// ```
    #[track_caller]
    pub fn send_deadline(
        &self,
        value: T,
        deadline: impl Into<Instant>,
    ) -> Result<(), SendTimeoutError<T>> {
        self.send_timeout(value, deadline.into().duration_since(Instant::now()))
    }
}

/// The receiving end of a channel. Clones take from the same channel; each value goes to one.
///
/// The last one to be dropped drops the values that nobody has received. If one of their destructors panics, so does
/// that, after the others; if two do, the rest of the values is leaked.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::unbounded;
///
/// let (sender, receiver) = unbounded();
/// for job in 1..=10 {
///     sender.send(job).unwrap();
/// }
/// drop(sender);
/// // Each job goes to one of two.
/// let other = receiver.clone();
/// let (one, two) = mco::join!(receiver.iter().sum::<u32>(), other.iter().sum::<u32>());
/// assert_eq!(one + two, 55);
/// ```
pub struct Receiver<T>(Arc<Channel<T>>);

impl<T> Receiver<T> {
    /// Takes the next value, and waits for it. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the channel is empty and all senders are gone, now or while it waits.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
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
        self.0.recv(Location::caller(), None).map_err(|_| RecvError)
    }

    /// Takes the next value if there is one. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty), or [`Disconnected`](TryRecvError::Disconnected) if it will
    /// stay so.
    #[inline]
    #[track_caller]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.0.receivers.used(Location::caller());
        self.0.try_recv()
    }

    /// As [`recv`](Receiver::recv), for that long at most. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout), or [`Disconnected`](RecvTimeoutError::Disconnected).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.0.recv(Location::caller(), Some(timeout))
    }

    /// As [`recv`](Receiver::recv), until a point of time at most: of [`::std::time`](std::time::Instant) or of mco's
    /// [`time`](Instant). [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As [`recv_timeout`](Receiver::recv_timeout).
    ///
    /// # Panics
    ///
    /// As [`recv_timeout`](Receiver::recv_timeout).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::Instant;
    /// use std::time::Duration;
    ///
    /// let (_sender, receiver) = mco::std::sync::channel::unbounded::<u8>();
    /// let soon = Instant::now() + Duration::from_millis(1);
    /// assert!(receiver.recv_deadline(soon).is_err());
    /// ```
    #[track_caller]
    pub fn recv_deadline(&self, deadline: impl Into<Instant>) -> Result<T, RecvTimeoutError> {
        self.recv_timeout(deadline.into().duration_since(Instant::now()))
    }

    /// The values until the channel is closed, each waited for. [May wait](crate#what-waits).
    pub fn iter(&self) -> Iter<'_, T> {
        Iter(self)
    }

    /// The values that are there without waiting. [Never waits](crate#what-waits).
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter(self)
    }
}

/// What the ends have in common: `$count` are the handles, and the last one has `$close` done.
macro_rules! end {
    ($End:ident, $count:ident, $close:ident) => {
        impl<T> $End<T> {
            pub(crate) fn channel(&self) -> &Channel<T> {
                &self.0
            }

            /// How many values are in the channel. Those of waiting senders are not.
            /// [Never waits](crate#what-waits).
            #[must_use]
            pub fn len(&self) -> usize {
                self.0.len()
            }

            /// Whether no value is in the channel.
            #[must_use]
            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Whether a sender would have to wait. A channel without a buffer is always full, and one without a
            /// bound never.
            #[must_use]
            pub fn is_full(&self) -> bool {
                self.0.is_full()
            }

            /// How many values the channel holds at most; `None`: any number.
            #[must_use]
            pub fn capacity(&self) -> Option<usize> {
                self.0.capacity()
            }

            /// Whether both are ends of the same channel.
            #[must_use]
            pub fn same_channel(&self, other: &$End<T>) -> bool {
                std::ptr::eq(&*self.0, &*other.0)
            }
        }

        impl<T> Clone for $End<T> {
            fn clone(&self) -> $End<T> {
                // Relaxed: a handle is made from one that exists, as in `Arc`.
                self.0.$count.count.fetch_add(1, Ordering::Relaxed);
                $End(self.0.clone())
            }
        }

        impl<T> Drop for $End<T> {
            fn drop(&mut self) {
                // AcqRel: what was done through other handles comes before the close. The lock
                // would do as well.
                if self.0.$count.count.fetch_sub(1, Ordering::AcqRel) == 1 {
                    self.0.$close();
                }
            }
        }

        // As std's: a panic that unwinds through the use of an end leaves nothing half done.
        impl<T> UnwindSafe for $End<T> {}
        impl<T> RefUnwindSafe for $End<T> {}

        impl<T> fmt::Debug for $End<T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($End)).finish_non_exhaustive()
            }
        }
    };
}

end!(Sender, senders, close_for_receivers);
end!(Receiver, receivers, close_for_senders);
