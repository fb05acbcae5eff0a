//! Channels that receive the time, where crossbeam has them.

use crate::std::sync::Receiver;
use crate::std::time::{Instant, Time, after};

/// A channel that receives the time once, at a point of time: of [`::std::time`](std::time::Instant) or of mco's
/// [`time`](Instant). If that has passed, it is there at once. See [`after`]. [Never waits](crate#what-waits).
///
/// # Panics
///
/// In a thread that is no worker's, if the global runtime cannot start.
///
/// # Examples
///
/// ```
/// use mco::std::sync::channel::at;
/// use std::time::{Duration, Instant};
///
/// let then = Instant::now() + Duration::from_millis(5);
/// at(then).recv().unwrap();
/// assert!(Instant::now() >= then);
/// ```
#[must_use = "a channel that is dropped receives nothing"]
#[track_caller]
pub fn at(when: impl Into<Instant>) -> Receiver<Time> {
    after(when.into().duration_since(Instant::now()))
}
