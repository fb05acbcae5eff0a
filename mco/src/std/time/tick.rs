//! Something that happens again and again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Time;
use super::timer_channel::{Mode, TimerChannel};
use crate::std::sync::Receiver;
use crate::std::sync::channel::{RecvError, RecvTimeoutError, TryRecvError};

/// Receives the time again and again, a `period` apart.
///
/// The ticks are at whole multiples of the period after the start, however late one of them was
/// received. One that is not received before the next is due is the last that is kept: a slow reader
/// misses some. Nothing of it is left when it is dropped. As with a [`Timer`](super::Timer) no thread
/// and no coroutine waits for it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{Ticker, Time};
///
/// let start = Time::now();
/// let ticker = Ticker::new(Duration::from_millis(2));
/// let third = ticker.take(3).last().unwrap();
/// assert!(third.since(&start) >= Duration::from_millis(6));
/// ```
pub struct Ticker {
    receiver: Receiver<Time>,
    timer_channel: Arc<TimerChannel>,
}

impl Ticker {
    /// One that ticks first when `period` has passed. [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If the period is zero; in a thread that is no worker's, if the global runtime cannot start.
    #[must_use = "a ticker that is dropped does not tick"]
    #[track_caller]
    pub fn new(period: Duration) -> Ticker {
        assert_not_zero(period);
        let (timer_channel, receiver) = TimerChannel::new(Mode::Every(period));
        timer_channel.start_periodic(period);
        Ticker { receiver, timer_channel }
    }

    /// Waits for the next tick. While the ticker is stopped this waits until it has been set again.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If its runtime has ended.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv(&self) -> Result<Time, RecvError> {
        self.receiver.recv()
    }

    /// Receives a tick that is due already. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) if none is, or [`Disconnected`](TryRecvError::Disconnected) as in
    /// [`recv`](Ticker::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::Ticker;
    /// use std::time::Duration;
    ///
    /// assert!(Ticker::new(Duration::from_secs(3600)).try_recv().is_err());
    /// ```
    #[track_caller]
    pub fn try_recv(&self) -> Result<Time, TryRecvError> {
        self.receiver.try_recv()
    }

    /// As [`recv`](Ticker::recv), for that long at most. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout), or [`Disconnected`](RecvTimeoutError::Disconnected) as in `recv`.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Time, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// The ticks, as the ticker itself gives them as an iterator: none while it is stopped.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::Ticker;
    /// use std::time::Duration;
    ///
    /// let ticker = Ticker::new(Duration::from_millis(1));
    /// assert_eq!(ticker.iter().take(3).count(), 3);
    /// ticker.stop();
    /// assert!(ticker.iter().next().is_none());
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Time> + '_ {
        std::iter::from_fn(|| self.next_time())
    }

    #[track_caller]
    fn next_time(&self) -> Option<Time> {
        // Unless somebody else sets it meanwhile.
        if self.timer_channel.is_set() { self.recv().ok() } else { None }
    }

    /// Ends the ticks, also one that has not been received. Returns whether it was ticking.
    /// [Never waits](crate#what-waits).
    pub fn stop(&self) -> bool {
        self.timer_channel.stop()
    }

    /// Starts anew, now, with this period: the first tick is when it has passed. Returns whether it
    /// was ticking. [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If the period is zero; in a thread that is no worker's, if the global runtime cannot start.
    #[track_caller]
    pub fn reset(&self, period: Duration) -> bool {
        assert_not_zero(period);
        self.timer_channel.start_periodic(period)
    }

    pub(crate) fn receiver(&self) -> &Receiver<Time> {
        &self.receiver
    }
}

#[track_caller]
fn assert_not_zero(period: Duration) {
    assert!(!period.is_zero(), "a ticker's period must be longer than zero");
}

/// The ticks, as [`recv`](Ticker::recv) returns them; none while it is stopped.
impl Iterator for Ticker {
    type Item = Time;

    #[track_caller]
    fn next(&mut self) -> Option<Time> {
        self.next_time()
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").finish_non_exhaustive()
    }
}
