//! Reading a time as a layout says.

use time::{Date, Month, OffsetDateTime, Time, UtcOffset, Weekday};

use super::{Kind, Offset, Pad, Part, parts};
use crate::std::errors::Error;

/// What has been read so far.
#[derive(Default)]
struct Found {
    year: i32,
    month: Option<u8>,
    day: Option<u8>,
    day_of_year: Option<u16>,
    hour: u8,
    afternoon: Option<bool>,
    minute: u8,
    second: u8,
    nanos: u32,
    offset: Option<UtcOffset>,
}

/// Why a part could not be read.
enum Fault {
    /// The text has something else there.
    Mismatch,
    /// A number that the calendar or the clock does not have.
    Range(&'static str),
}

/// Reads what the layout describes.
///
/// # Errors
///
/// If the text is something else; says which part of the layout it does not fit.
pub(in super::super) fn parse(layout: &str, text: &str) -> Result<OffsetDateTime, Error> {
    let mut found = Found::default();
    let mut rest = text;
    let mut all = parts(layout).peekable();
    while let Some(part) = all.next() {
        let before = rest;
        let mut read = found.read(part, &mut rest);
        if read.is_ok() && matches!(part.kind, Kind::Second(_)) {
            let next = all.peek().map(|part| part.kind);
            if !matches!(next, Some(Kind::Fraction(_) | Kind::ShortFraction(_))) {
                // As in Go a fraction may follow that the layout does not have.
                read = found.read_fraction(&mut rest, None);
            }
        }
        match read {
            Ok(()) => {}
            Err(Fault::Mismatch) => {
                let there = if before.is_empty() {
                    "it ends".to_owned()
                } else {
                    format!("it has `{before}`")
                };
                let what = match part.kind {
                    Kind::Literal => "which stands for itself",
                    kind => describe(kind),
                };
                return Err(crate::err!(
                    "cannot read `{text}` as the time `{layout}`: {there} where the layout has \
                     `{}`, {what}",
                    part.text
                ));
            }
            Err(Fault::Range(what)) => return Err(out_of_range(layout, text, what)),
        }
    }
    if !rest.is_empty() {
        return Err(crate::err!(
            "cannot read `{text}` as the time `{layout}`: it goes on with `{rest}` where the layout \
             ends"
        ));
    }
    found.combine().map_err(|what| out_of_range(layout, text, what))
}

fn out_of_range(layout: &str, text: &str, what: &str) -> Error {
    crate::err!("cannot read `{text}` as the time `{layout}`: the {what} is out of range")
}

/// What an element stands for, for messages.
fn describe(kind: Kind) -> &'static str {
    match kind {
        Kind::Literal => "itself",
        Kind::Year => "a year of four digits",
        Kind::ShortYear => "the last two digits of a year",
        Kind::MonthName => "the name of a month",
        Kind::ShortMonthName => "the first three letters of a month",
        Kind::Month(Pad::Zero) => "a month of two digits",
        Kind::Month(_) => "a month",
        Kind::WeekdayName => "the name of a weekday",
        Kind::ShortWeekdayName => "the first three letters of a weekday",
        Kind::Day(Pad::Zero) => "a day of two digits",
        Kind::Day(_) => "a day",
        Kind::DayOfYear(_) => "a day of the year of three digits",
        Kind::Hour => "an hour of two digits",
        Kind::Hour12(_) => "an hour from 1 to 12",
        Kind::Minute(Pad::Zero) => "a minute of two digits",
        Kind::Minute(_) => "a minute",
        Kind::Second(Pad::Zero) => "a second of two digits",
        Kind::Second(_) => "a second",
        Kind::Fraction(_) | Kind::ShortFraction(_) => "a fraction of a second of that many digits",
        Kind::UpperNoon => "`AM` or `PM`",
        Kind::LowerNoon => "`am` or `pm`",
        Kind::Offset(Offset { z: true, .. }) => {
            "`Z` or the distance from UTC as it is written there"
        }
        Kind::Offset(_) => "the distance from UTC as it is written there",
        Kind::ZoneName => "`UTC`, `GMT`, a zone of North America, or the distance from UTC",
    }
}

const MONTHS: [Month; 12] = [
    Month::January,
    Month::February,
    Month::March,
    Month::April,
    Month::May,
    Month::June,
    Month::July,
    Month::August,
    Month::September,
    Month::October,
    Month::November,
    Month::December,
];

const WEEKDAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// The zones that RFC 822 names, in hours from UTC.
const ZONES: [(&str, i8); 11] = [
    ("UTC", 0),
    ("GMT", 0),
    ("UT", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
];

impl Found {
    fn read(&mut self, part: Part<'_>, rest: &mut &str) -> Result<(), Fault> {
        match part.kind {
            Kind::Literal => {
                *rest = rest.strip_prefix(part.text).ok_or(Fault::Mismatch)?;
            }
            Kind::Year => self.year = i32::from(digits(rest, 4, 4)?),
            Kind::ShortYear => {
                let year = i32::from(digits(rest, 2, 2)?);
                self.year = year + if year >= 69 { 1900 } else { 2000 };
            }
            Kind::MonthName => self.month = Some(name(rest, &MONTHS, usize::MAX)?),
            Kind::ShortMonthName => self.month = Some(name(rest, &MONTHS, 3)?),
            Kind::Month(pad) => self.month = Some(small(rest, pad)?),
            // It follows from the date.
            Kind::WeekdayName => drop(name(rest, &WEEKDAYS, usize::MAX)?),
            Kind::ShortWeekdayName => drop(name(rest, &WEEKDAYS, 3)?),
            Kind::Day(pad) => self.day = Some(small(rest, pad)?),
            Kind::DayOfYear(pad) => {
                if pad == Pad::Space {
                    *rest = rest.trim_start_matches(' ');
                }
                let least = if pad == Pad::Zero { 3 } else { 1 };
                self.day_of_year = Some(digits(rest, least, 3)?);
            }
            Kind::Hour => self.hour = small(rest, Pad::Zero)?,
            Kind::Hour12(pad) => {
                self.hour = small(rest, pad)?;
                if self.hour > 12 {
                    return Err(Fault::Range("hour"));
                }
            }
            Kind::Minute(pad) => self.minute = small(rest, pad)?,
            Kind::Second(pad) => self.second = small(rest, pad)?,
            Kind::Fraction(digits) => self.read_fraction(rest, Some(digits))?,
            Kind::ShortFraction(_) => self.read_fraction(rest, None)?,
            Kind::UpperNoon => self.read_noon(rest, "AM", "PM")?,
            Kind::LowerNoon => self.read_noon(rest, "am", "pm")?,
            Kind::Offset(how) => self.offset = Some(read_offset(rest, how)?),
            Kind::ZoneName => self.offset = Some(read_zone(rest)?),
        }
        Ok(())
    }

    /// A fraction of so many digits; `None`: of any number, or none at all.
    fn read_fraction(&mut self, rest: &mut &str, exactly: Option<usize>) -> Result<(), Fault> {
        let after = rest.strip_prefix(['.', ',']).unwrap_or("");
        let len = after.bytes().take_while(u8::is_ascii_digit).count();
        let len = match exactly {
            None if len == 0 => return Ok(()),
            None => len,
            Some(digits) if digits <= len => digits,
            Some(_) => return Err(Fault::Mismatch),
        };
        let nine = format!("{:0<9}", &after[..len.min(9)]);
        self.nanos = nine.parse().map_err(|_| Fault::Mismatch)?;
        *rest = &after[len..];
        Ok(())
    }

    fn read_noon(&mut self, rest: &mut &str, before: &str, after: &str) -> Result<(), Fault> {
        for (text, afternoon) in [(before, false), (after, true)] {
            if let Some(left) = rest.strip_prefix(text) {
                *rest = left;
                self.afternoon = Some(afternoon);
                return Ok(());
            }
        }
        Err(Fault::Mismatch)
    }

    /// The time, or what of it does not exist.
    fn combine(self) -> Result<OffsetDateTime, &'static str> {
        let date = match self.day_of_year {
            Some(day) if self.month.is_none() && self.day.is_none() => {
                Date::from_ordinal_date(self.year, day).map_err(|_| "day of the year")?
            }
            day_of_year => {
                let month = self.month.unwrap_or(1).wrapping_sub(1);
                let month = *MONTHS.get(usize::from(month)).ok_or("month")?;
                let date = Date::from_calendar_date(self.year, month, self.day.unwrap_or(1));
                let date = date.map_err(|_| "day")?;
                if day_of_year.is_some_and(|day| day != date.ordinal()) {
                    return Err("day of the year");
                }
                date
            }
        };
        let hour = match (self.afternoon, self.hour) {
            (Some(true), hour @ 0..12) => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        let part = match (hour, self.minute, self.second) {
            (24.., _, _) => "hour",
            (_, 60.., _) => "minute",
            _ => "second",
        };
        let time = Time::from_hms_nano(hour, self.minute, self.second, self.nanos);
        let time = time.map_err(|_| part)?;
        Ok(date.with_time(time).assume_offset(self.offset.unwrap_or(UtcOffset::UTC)))
    }
}

/// A number of that many digits.
fn digits(rest: &mut &str, least: usize, most: usize) -> Result<u16, Fault> {
    let len = rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
    if len < least {
        return Err(Fault::Mismatch);
    }
    let (number, after) = rest.split_at(len);
    *rest = after;
    number.parse().map_err(|_| Fault::Mismatch)
}

/// A number of one or two digits.
fn small(rest: &mut &str, pad: Pad) -> Result<u8, Fault> {
    if pad == Pad::Space {
        *rest = rest.strip_prefix(' ').unwrap_or(rest);
    }
    let number = digits(rest, if pad == Pad::Zero { 2 } else { 1 }, 2)?;
    u8::try_from(number).map_err(|_| Fault::Mismatch)
}

/// One of the names, or the beginnings of that length, in any case; counted from 1.
fn name(rest: &mut &str, names: &[impl ToString], len: usize) -> Result<u8, Fault> {
    for (number, name) in (1..).zip(names) {
        let name = name.to_string();
        let name = &name[..len.min(name.len())];
        if rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name)) {
            *rest = &rest[name.len()..];
            return Ok(number);
        }
    }
    Err(Fault::Mismatch)
}

fn read_offset(rest: &mut &str, how: Offset) -> Result<UtcOffset, Fault> {
    if how.z
        && let Some(after) = rest.strip_prefix('Z')
    {
        *rest = after;
        return Ok(UtcOffset::UTC);
    }
    let sign = match rest.as_bytes().first() {
        Some(b'+') => 1,
        Some(b'-') => -1,
        _ => return Err(Fault::Mismatch),
    };
    let mut left = &rest[1..];
    let mut seconds = 0;
    for (index, unit) in [3600, 60, 1].into_iter().take(how.numbers).enumerate() {
        if how.colon && index > 0 {
            left = left.strip_prefix(':').ok_or(Fault::Mismatch)?;
        }
        let number = digits(&mut left, 2, 2)?;
        // As RFC 3339 has it.
        if number >= if index == 0 { 24 } else { 60 } {
            return Err(Fault::Range("distance from UTC"));
        }
        seconds += sign * unit * i32::from(number);
    }
    *rest = left;
    UtcOffset::from_whole_seconds(seconds).map_err(|_| Fault::Range("distance from UTC"))
}

fn read_zone(rest: &mut &str) -> Result<UtcOffset, Fault> {
    if rest.starts_with(['+', '-']) {
        let digits = rest[1..].bytes().take_while(u8::is_ascii_digit).count();
        let numbers = if digits >= 4 { 2 } else { 1 };
        return read_offset(rest, Offset { z: false, colon: false, numbers });
    }
    let len = rest.bytes().take_while(u8::is_ascii_uppercase).count();
    let zone = ZONES.into_iter().find(|(name, _)| *name == &rest[..len]);
    let (_, hours) = zone.ok_or(Fault::Mismatch)?;
    *rest = &rest[len..];
    UtcOffset::from_hms(hours, 0, 0).map_err(|_| Fault::Mismatch)
}
