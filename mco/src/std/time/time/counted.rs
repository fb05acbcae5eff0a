//! A time that is only counted, without a calendar.

use std::fmt;
use std::time::{Duration, SystemTime};

use super::Time;

/// Nanoseconds since 1970-01-01T00:00:00Z, as far as the calendar goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Counted(i128);

const SECOND: i128 = 1_000_000_000;
/// The years -9999 to 9999.
const FIRST: i128 = -377_705_116_800 * SECOND;
const LAST: i128 = 253_402_300_800 * SECOND - 1;

impl Counted {
    pub(super) fn unix_timestamp(self) -> i64 {
        // It is in range.
        self.0.div_euclid(SECOND) as i64
    }

    pub(super) fn unix_timestamp_nanos(self) -> i128 {
        self.0
    }
}

impl From<SystemTime> for Counted {
    fn from(time: SystemTime) -> Counted {
        // A duration has less than 2^94 ns.
        Counted(match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(since) => since.as_nanos() as i128,
            Err(before) => -(before.duration().as_nanos() as i128),
        })
    }
}

impl From<Counted> for SystemTime {
    fn from(Counted(nanos): Counted) -> SystemTime {
        let duration = Duration::from_nanos_u128(nanos.unsigned_abs());
        if nanos < 0 {
            SystemTime::UNIX_EPOCH - duration
        } else {
            SystemTime::UNIX_EPOCH + duration
        }
    }
}

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
