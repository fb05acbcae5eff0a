//! What a [`Time`] does without a calendar.

use std::fmt;
use std::time::Duration;

use super::Time;
use super::counted::{Counted, FIRST, LAST};

impl Time {
    /// So many nanoseconds after 1970; `None` if the year is out of range.
    pub(super) fn at(nanos: i128) -> Option<Time> {
        (FIRST..=LAST).contains(&nanos).then_some(Time { inner: Counted(nanos) })
    }

    pub(super) fn shown_alike(self, nanos: i128) -> Option<Time> {
        Time::at(nanos)
    }

    pub(super) fn shown_here(self) -> Time {
        self
    }

    pub(super) fn plus(self, duration: Duration) -> Option<Time> {
        Time::at(self.inner.0 + duration.as_nanos() as i128)
    }

    pub(super) fn minus(self, duration: Duration) -> Option<Time> {
        Time::at(self.inner.0 - duration.as_nanos() as i128)
    }
}

/// In seconds.
impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Counted(nanos) = self.inner;
        let (sign, nanos) = (if nanos < 0 { "-" } else { "" }, nanos.unsigned_abs());
        write!(f, "{sign}{}.{:09} s after 1970", nanos / 1_000_000_000, nanos % 1_000_000_000)
    }
}
