//! Points of time of the calendar.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use time::{OffsetDateTime, UtcOffset};

use super::{Month, Weekday, layout};
use crate::clock;
use crate::std::errors::Error;

/// `2006-01-02T15:04:05Z07:00`
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// [`RFC3339`] with as many digits of the second as there are.
pub const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";
/// `Mon, 02 Jan 2006 15:04:05 MST`
pub const RFC1123: &str = "Mon, 02 Jan 2006 15:04:05 MST";
/// [`RFC1123`] with the distance from UTC in numbers.
pub const RFC1123Z: &str = "Mon, 02 Jan 2006 15:04:05 -0700";
/// `02 Jan 06 15:04 MST`
pub const RFC822: &str = "02 Jan 06 15:04 MST";
/// [`RFC822`] with the distance from UTC in numbers.
pub const RFC822Z: &str = "02 Jan 06 15:04 -0700";
/// `Monday, 02-Jan-06 15:04:05 MST`
pub const RFC850: &str = "Monday, 02-Jan-06 15:04:05 MST";
/// `Mon Jan _2 15:04:05 2006`, as C's `asctime`.
pub const ANSIC: &str = "Mon Jan _2 15:04:05 2006";
/// `Mon Jan _2 15:04:05 MST 2006`, as the command `date`.
pub const UNIX_DATE: &str = "Mon Jan _2 15:04:05 MST 2006";
/// `3:04PM`
pub const KITCHEN: &str = "3:04PM";
/// `2006-01-02 15:04:05`
pub const DATE_TIME: &str = "2006-01-02 15:04:05";
/// `2006-01-02`
pub const DATE_ONLY: &str = "2006-01-02";
/// `15:04:05`
pub const TIME_ONLY: &str = "15:04:05";

/// A point of time, with the distance from UTC at which it is shown: the
/// [`OffsetDateTime`] of the `time` crate with Go's methods.
///
/// Two times are equal, and one is before another, as points of time, wherever they are shown. Years
/// are from -9999 to 9999, and there are no leap seconds.
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
    pub inner: OffsetDateTime,
}

impl Time {
    /// This moment, by the system's clock, in the local zone.
    ///
    /// The system can be asked for the zone safely only while the process has one thread, so it is
    /// asked once, when the first runtime starts or when this is first called; if it was too late
    /// even then, it is UTC. A zone that changes to or from summer time meanwhile is not noticed.
    #[must_use]
    pub fn now() -> Time {
        Time { inner: Time::now_utc().inner.to_offset(clock::local_offset()) }
    }

    /// This moment, by the system's clock, in UTC.
    #[must_use]
    pub fn now_utc() -> Time {
        Time { inner: clock::calendar() }
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
    /// assert_eq!(Time::unix(1, -1).to_string(), "1970-01-01T00:00:00.999999999Z");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn unix(seconds: i64, nanos: i64) -> Time {
        const GIGA: i128 = 1_000_000_000;
        Time::from_nanos(i128::from(seconds) * GIGA + i128::from(nanos), UtcOffset::UTC)
    }

    #[track_caller]
    fn from_nanos(nanos: i128, offset: UtcOffset) -> Time {
        let inner = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok();
        match inner.and_then(|inner| inner.checked_to_offset(offset)) {
            Some(inner) => Time { inner },
            None => panic!(
                "{nanos} ns after 1970 are no time of the calendar, which has the years -9999 to 9999"
            ),
        }
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
        self.unix_seconds() * 1000 + i64::from(self.inner.millisecond())
    }

    /// Nanoseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn unix_nanos(&self) -> i128 {
        self.inner.unix_timestamp_nanos()
    }

    /// The year.
    #[must_use]
    pub fn year(&self) -> i32 {
        self.inner.year()
    }

    /// The month.
    #[must_use]
    pub fn month(&self) -> Month {
        self.inner.month()
    }

    /// The day of the month, from 1.
    #[must_use]
    pub fn day(&self) -> u8 {
        self.inner.day()
    }

    /// The day of the year, from 1.
    #[must_use]
    pub fn year_day(&self) -> u16 {
        self.inner.ordinal()
    }

    /// The day of the week.
    #[must_use]
    pub fn weekday(&self) -> Weekday {
        self.inner.weekday()
    }

    /// The hour, from 0 to 23.
    #[must_use]
    pub fn hour(&self) -> u8 {
        self.inner.hour()
    }

    /// The minute, from 0 to 59.
    #[must_use]
    pub fn minute(&self) -> u8 {
        self.inner.minute()
    }

    /// The second, from 0 to 59.
    #[must_use]
    pub fn second(&self) -> u8 {
        self.inner.second()
    }

    /// The nanosecond of the second.
    #[must_use]
    pub fn nanosecond(&self) -> u32 {
        self.inner.nanosecond()
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
        let duration = time::Duration::try_from(duration).ok()?;
        self.inner.checked_add(duration).map(Time::from)
    }

    /// The time `duration` earlier; `None` if the year is out of range.
    #[must_use]
    pub fn checked_sub(self, duration: Duration) -> Option<Time> {
        let duration = time::Duration::try_from(duration).ok()?;
        self.inner.checked_sub(duration).map(Time::from)
    }

    /// How long it is from `earlier` to here; negative if `earlier` is later.
    #[must_use]
    pub fn since(&self, earlier: &Time) -> time::Duration {
        self.inner - earlier.inner
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

    /// The same point of time, shown in UTC.
    ///
    /// # Panics
    ///
    /// If the year is out of range there, as on the last evening of 9999 west of Greenwich.
    #[must_use]
    #[track_caller]
    pub fn in_utc(&self) -> Time {
        self.to_offset(UtcOffset::UTC)
    }

    /// The same point of time, shown in the local zone, as [`now`](Time::now) has it.
    ///
    /// # Panics
    ///
    /// If the year is out of range there.
    #[must_use]
    #[track_caller]
    pub fn in_local(&self) -> Time {
        self.to_offset(clock::local_offset())
    }

    /// The same point of time, shown at this distance from UTC.
    ///
    /// # Panics
    ///
    /// If the year is out of range there.
    #[must_use]
    #[track_caller]
    pub fn to_offset(&self, offset: UtcOffset) -> Time {
        let inner = self.inner.checked_to_offset(offset).unwrap_or_else(|| {
            panic!(
                "at {offset} from UTC `{self}` is no time of the calendar, which has the years -9999 to 9999"
            )
        });
        Time { inner }
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
        Time::from_nanos(self.unix_nanos() - rest + plus(rest, unit), self.inner.offset())
    }

    /// The time as text. See [layouts](Time#layouts).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::{KITCHEN, RFC3339, Time};
    ///
    /// let time = Time::unix(1_136_239_445, 0);
    /// assert_eq!(time.format(RFC3339), "2006-01-02T22:04:05Z");
    /// assert_eq!(time.format(KITCHEN), "10:04PM");
    /// assert_eq!(time.format("Mon 2.1.06, 15:04:05.000"), "Mon 2.1.06, 22:04:05.000");
    /// ```
    #[must_use]
    pub fn format(&self, layout: &str) -> String {
        let mut text = String::new();
        layout::format(&mut text, self.inner, layout).expect("a string takes any text");
        text
    }

    /// Reads a time. See [layouts](Time#layouts).
    ///
    /// What the layout does not have is the first of the year 0, midnight, UTC. A fraction of a second
    /// is read also where the layout has none. The weekday must be one, but it may be the wrong one.
    ///
    /// # Errors
    ///
    /// If the text is not as the layout says, or there is no such time; says which part it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::{DATE_ONLY, RFC3339, Time};
    ///
    /// let time = Time::parse(RFC3339, "2006-01-02T15:04:05.5-07:00").unwrap();
    /// assert_eq!(time.unix_millis(), 1_136_239_445_500);
    ///
    /// let error = Time::parse(DATE_ONLY, "2006-1-2").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "cannot read `2006-1-2` as the time `2006-01-02`: it has `1-2` where the layout has `01`, \
    ///      a month of two digits"
    /// );
    /// ```
    pub fn parse(layout: &str, text: &str) -> Result<Time, Error> {
        layout::parse(layout, text).map(Time::from)
    }
}

#[track_caller]
fn too_far(time: Time, duration: Duration) -> Time {
    panic!(
        "{duration:?} from {time} is no time of the calendar, which has the years -9999 to 9999; \
         `checked_add` and `checked_sub` tell"
    )
}

/// As [`RFC3339_NANO`].
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.width().is_some() || f.precision().is_some() {
            return f.pad(&self.format(RFC3339_NANO));
        }
        layout::format(f, self.inner, RFC3339_NANO)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As [`RFC3339_NANO`].
impl FromStr for Time {
    type Err = Error;

    fn from_str(text: &str) -> Result<Time, Error> {
        Time::parse(RFC3339_NANO, text)
    }
}

impl From<OffsetDateTime> for Time {
    fn from(inner: OffsetDateTime) -> Time {
        Time { inner }
    }
}

impl From<Time> for OffsetDateTime {
    fn from(time: Time) -> OffsetDateTime {
        time.inner
    }
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

impl Sub for Time {
    type Output = time::Duration;

    /// As [`since`](Time::since).
    fn sub(self, earlier: Time) -> time::Duration {
        self.since(&earlier)
    }
}

#[cfg(feature = "serde")]
mod text {
    //! As text: [`RFC3339_NANO`](super::RFC3339_NANO).

    use std::fmt;

    use serde::de::{Error, Visitor};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Time;

    impl Serialize for Time {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_str(self)
        }
    }

    impl<'de> Deserialize<'de> for Time {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Time, D::Error> {
            struct Text;
            impl Visitor<'_> for Text {
                type Value = Time;

                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a time as in RFC 3339")
                }

                fn visit_str<E: Error>(self, text: &str) -> Result<Time, E> {
                    text.parse().map_err(E::custom)
                }
            }
            deserializer.deserialize_str(Text)
        }
    }
}
