//! What a time has of the calendar, by the `time` crate.

use std::fmt;
use std::ops::Sub;
use std::str::FromStr;
use std::time::Duration;

use time::{OffsetDateTime, UtcOffset};

use super::super::{Month, Weekday, layout};
use super::Time;
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

/// For what both kinds of time have.
impl Time {
    /// So many nanoseconds after 1970, in UTC; `None` if the year is out of range.
    pub(super) fn at(nanos: i128) -> Option<Time> {
        OffsetDateTime::from_unix_timestamp_nanos(nanos).ok().map(Time::from)
    }

    /// The same as far from UTC as this one.
    pub(super) fn shown_alike(self, nanos: i128) -> Option<Time> {
        Time::at(nanos)?.inner.checked_to_offset(self.inner.offset()).map(Time::from)
    }

    /// In the local zone.
    pub(super) fn shown_here(self) -> Time {
        self.inner.to_offset(clock::local_offset()).into()
    }

    pub(super) fn plus(self, duration: Duration) -> Option<Time> {
        let duration = time::Duration::try_from(duration).ok()?;
        self.inner.checked_add(duration).map(Time::from)
    }

    pub(super) fn minus(self, duration: Duration) -> Option<Time> {
        let duration = time::Duration::try_from(duration).ok()?;
        self.inner.checked_sub(duration).map(Time::from)
    }
}

impl Time {
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

    /// How long it is from `earlier` to here; negative if `earlier` is later.
    #[must_use]
    pub fn since(&self, earlier: &Time) -> time::Duration {
        self.inner - earlier.inner
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
