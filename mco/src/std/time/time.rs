//! Points of time of the calendar.
//!
//! Without the feature `calendar` a time is only counted. What both have is here, and is the same there.

use std::ops::{Add, Sub};
use std::time::{Duration, SystemTime};

use crate::clock;

#[cfg(feature = "calendar")]
mod calendar;
#[cfg(not(feature = "calendar"))]
mod counted;
#[cfg(not(feature = "calendar"))]
mod counted_time;

#[cfg(feature = "calendar")]
pub use calendar::{
    ANSIC, DATE_ONLY, DATE_TIME, KITCHEN, RFC822, RFC822Z, RFC850, RFC1123, RFC1123Z, RFC3339,
    RFC3339_NANO, TIME_ONLY, UNIX_DATE,
};
#[cfg(not(feature = "calendar"))]
use counted::Counted;
#[cfg(feature = "calendar")]
use time::OffsetDateTime;

/// A point of time, with the distance from UTC at which it is shown: the
/// [`OffsetDateTime`] of the `time` crate with Go's methods.
///
/// Two times are equal, and one is before another, as points of time, wherever they are shown. Years
/// are from -9999 to 9999, and there are no leap seconds.
///
/// The calendar and the layouts are mco's feature `calendar`, which is on by default. Without it a time is a point in
/// time only, which can be compared, moved and converted to and from std's [`SystemTime`].
///
/// # Layouts
///
/// [`format`](Time::format) and [`parse`](Time::parse) take a layout as Go has it: how one would
/// write the second of January 2006, 15:04:05, at seven hours west of UTC. What stands for what:
///
/// | part | in a layout |
/// | --- | --- |
/// | year | `2006` `06` |
/// | month | `January` `Jan` `01` `1` |
/// | day, day of the year | `02` `2` `_2`, `002` `__2` |
/// | weekday | `Monday` `Mon` |
/// | hour | `15`, or `03` `3` with `PM` or `pm` |
/// | minute, second | `04` `4`, `05` `5` |
/// | fraction | `.000` for so many digits, `.999` without zeros at the end; any number of digits |
/// | distance from UTC | `-0700` `-07:00` `-07`; `Z0700` `Z07:00` with `Z` for none; `MST` for its name |
///
/// Everything else stands for itself. A part with `0` has as many digits as it shows, one with `_` is
/// filled with spaces. Of the names of zones, `UTC` is written, and those of RFC 822 are read too.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{RFC1123, Time};
///
/// # fn main() -> mco::std::errors::Result<()> {
/// let launch = Time::parse("2006-01-02 15:04 -0700", "1969-07-16 09:32 -0400")?;
/// assert_eq!(launch.format(RFC1123), "Wed, 16 Jul 1969 09:32:00 -04");
/// assert_eq!(launch.in_utc().to_string(), "1969-07-16T13:32:00Z");
///
/// let later = launch.add(Duration::from_secs(90));
/// assert!(later.after(&launch));
/// assert_eq!(later.since(&launch).whole_seconds(), 90);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time {
    /// The same in the `time` crate.
    #[cfg(feature = "calendar")]
    pub inner: OffsetDateTime,
    #[cfg(not(feature = "calendar"))]
    inner: Counted,
}

impl Time {
    /// This moment, by the system's clock, in the local zone.
    ///
    /// The system can be asked for the zone safely only while the process has one thread, so it is
    /// asked once, when the first runtime starts or when this is first called; if it was too late
    /// even then, it is UTC. A zone that changes to or from summer time meanwhile is not noticed.
    #[must_use]
    pub fn now() -> Time {
        Time::now_utc().shown_here()
    }

    /// This moment, by the system's clock, in UTC.
    #[must_use]
    pub fn now_utc() -> Time {
        clock::calendar().into()
    }

    /// So many seconds and nanoseconds after 1970-01-01T00:00:00Z, in UTC. Either may be negative, or
    /// more than it takes for the next larger unit.
    ///
    /// # Panics
    ///
    /// If the year is out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::Time;
    ///
    /// assert_eq!(Time::unix(1, -1).unix_nanos(), 999_999_999);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn unix(seconds: i64, nanos: i64) -> Time {
        const GIGA: i128 = 1_000_000_000;
        let nanos = i128::from(seconds) * GIGA + i128::from(nanos);
        Time::at(nanos).unwrap_or_else(|| no_time(nanos))
    }

    /// Seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        self.inner.unix_timestamp()
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        // 9999 years are less than 2^49 ms.
        self.unix_nanos().div_euclid(1_000_000) as i64
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_nanos(&self) -> i128 {
        self.inner.unix_timestamp_nanos()
    }

    /// The time `duration` later.
    ///
    /// # Panics
    ///
    /// If the year is out of range; [`checked_add`](Time::checked_add) does not.
    #[must_use]
    #[track_caller]
    #[expect(clippy::should_implement_trait, reason = "it does, and this needs no import")]
    pub fn add(self, duration: Duration) -> Time {
        self.checked_add(duration).unwrap_or_else(|| too_far(self, duration))
    }

    /// The time `duration` earlier.
    ///
    /// # Panics
    ///
    /// If the year is out of range; [`checked_sub`](Time::checked_sub) does not.
    #[must_use]
    #[track_caller]
    #[expect(clippy::should_implement_trait, reason = "it does, and this needs no import")]
    pub fn sub(self, duration: Duration) -> Time {
        self.checked_sub(duration).unwrap_or_else(|| too_far(self, duration))
    }

    /// The time `duration` later; `None` if the year is out of range.
    #[must_use]
    pub fn checked_add(self, duration: Duration) -> Option<Time> {
        self.plus(duration)
    }

    /// The time `duration` earlier; `None` if the year is out of range.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Time> {
        self.minus(duration)
    }

    /// Whether this is later than `other`.
    #[must_use]
    pub fn after(&self, other: &Time) -> bool {
        self > other
    }

    /// Whether this is earlier than `other`.
    #[must_use]
    pub fn before(&self, other: &Time) -> bool {
        self < other
    }

    /// Whether both are the same point of time, wherever they are shown: what `==` says too.
    #[must_use]
    pub fn equal(&self, other: &Time) -> bool {
        self == other
    }

    /// Rounded down to a multiple of `unit` since the beginning of the year 1 in UTC. With a `unit` of
    /// zero it stays as it is.
    ///
    /// # Panics
    ///
    /// If the year is out of range then, as with a large `unit` in the first of all years.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mco::std::time::Time;
    ///
    /// let time = Time::unix(7, 800_000_000);
    /// assert_eq!(time.truncate(Duration::from_secs(5)), Time::unix(5, 0));
    /// assert_eq!(time.round(Duration::from_secs(1)), Time::unix(8, 0));
    /// ```
    #[must_use]
    #[track_caller]
    pub fn truncate(&self, unit: Duration) -> Time {
        self.minus_rest(unit, |_, _| 0)
    }

    /// Rounded to the nearest multiple of `unit` since the beginning of the year 1 in UTC, up if two
    /// are equally near. With a `unit` of zero it stays as it is.
    ///
    /// # Panics
    ///
    /// If the year is out of range then, as at the end of the last one.
    #[must_use]
    #[track_caller]
    pub fn round(&self, unit: Duration) -> Time {
        self.minus_rest(unit, |rest, unit| if rest * 2 >= unit { unit } else { 0 })
    }

    #[track_caller]
    fn minus_rest(&self, unit: Duration, plus: impl FnOnce(i128, i128) -> i128) -> Time {
        /// From the beginning of the year 1 to 1970.
        const NANOS_TO_1970: i128 = 719_162 * 24 * 3600 * 1_000_000_000;
        // Durations are less than 2^64 s, so less than 2^94 ns.
        let unit = unit.as_nanos() as i128;
        if unit == 0 {
            return *self;
        }
        let rest = (self.unix_nanos() + NANOS_TO_1970).rem_euclid(unit);
        let nanos = self.unix_nanos() - rest + plus(rest, unit);
        self.shown_alike(nanos).unwrap_or_else(|| no_time(nanos))
    }
}

#[track_caller]
fn no_time(nanos: i128) -> Time {
    panic!("{nanos} ns after 1970 are no time of the calendar, which has the years -9999 to 9999")
}

#[track_caller]
fn too_far(time: Time, duration: Duration) -> Time {
    panic!(
        "{duration:?} from {time:?} is no time of the calendar, which has the years -9999 to 9999; \
         `checked_add` and `checked_sub` tell"
    )
}

impl From<SystemTime> for Time {
    /// In UTC.
    fn from(time: SystemTime) -> Time {
        Time { inner: time.into() }
    }
}

impl From<Time> for SystemTime {
    fn from(time: Time) -> SystemTime {
        time.inner.into()
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    #[track_caller]
    fn add(self, duration: Duration) -> Time {
        Time::add(self, duration)
    }
}

impl Sub<Duration> for Time {
    type Output = Time;

    #[track_caller]
    fn sub(self, duration: Duration) -> Time {
        Time::sub(self, duration)
    }
}
