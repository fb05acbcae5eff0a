//! A time that is only counted, without a calendar.

use std::time::{Duration, SystemTime};

/// Nanoseconds since 1970-01-01T00:00:00Z, as far as the calendar goes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Counted(pub(super) i128);

const SECOND: i128 = 1_000_000_000;
/// The years -9999 to 9999.
pub(super) const FIRST: i128 = -377_705_116_800 * SECOND;
pub(super) const LAST: i128 = 253_402_300_800 * SECOND - 1;

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
