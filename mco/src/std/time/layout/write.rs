//! Writing a time as a layout says.

use std::fmt::{self, Write};

use time::{OffsetDateTime, UtcOffset};

use super::{Kind, Offset, Pad, Part, parts};

/// Writes `time` as the layout says.
pub(in super::super) fn format(
    out: &mut impl Write,
    time: OffsetDateTime,
    layout: &str,
) -> fmt::Result {
    parts(layout).try_for_each(|part| write_part(out, time, part))
}

fn write_part(out: &mut impl Write, time: OffsetDateTime, part: Part<'_>) -> fmt::Result {
    let hour12 = (time.hour() + 11) % 12 + 1;
    match part.kind {
        Kind::Literal => out.write_str(part.text),
        Kind::Year => {
            let sign = if time.year() < 0 { "-" } else { "" };
            write!(out, "{sign}{:04}", time.year().unsigned_abs())
        }
        Kind::ShortYear => write!(out, "{:02}", time.year().rem_euclid(100)),
        Kind::MonthName => write!(out, "{}", time.month()),
        Kind::ShortMonthName => out.write_str(&time.month().to_string()[..3]),
        Kind::Month(pad) => number(out, u8::from(time.month()).into(), pad, 2),
        Kind::WeekdayName => write!(out, "{}", time.weekday()),
        Kind::ShortWeekdayName => out.write_str(&time.weekday().to_string()[..3]),
        Kind::Day(pad) => number(out, time.day().into(), pad, 2),
        Kind::DayOfYear(pad) => number(out, time.ordinal(), pad, 3),
        Kind::Hour => number(out, time.hour().into(), Pad::Zero, 2),
        Kind::Hour12(pad) => number(out, hour12.into(), pad, 2),
        Kind::Minute(pad) => number(out, time.minute().into(), pad, 2),
        Kind::Second(pad) => number(out, time.second().into(), pad, 2),
        Kind::Fraction(digits) => {
            write!(out, "{}{}", &part.text[..1], fraction(time.nanosecond(), digits))
        }
        Kind::ShortFraction(digits) => {
            let all = fraction(time.nanosecond(), digits);
            match all.trim_end_matches('0') {
                "" => Ok(()),
                some => write!(out, "{}{some}", &part.text[..1]),
            }
        }
        Kind::UpperNoon => out.write_str(if time.hour() < 12 { "AM" } else { "PM" }),
        Kind::LowerNoon => out.write_str(if time.hour() < 12 { "am" } else { "pm" }),
        Kind::Offset(offset) => write_offset(out, time.offset(), offset),
        Kind::ZoneName if time.offset().is_utc() => out.write_str("UTC"),
        // The name of another zone is not known; so does Go.
        Kind::ZoneName => {
            let hours_only = time.offset().whole_seconds() % 3600 == 0;
            let numbers = if hours_only { 1 } else { 2 };
            write_offset(out, time.offset(), Offset { z: false, colon: false, numbers })
        }
    }
}

fn number(out: &mut impl Write, n: u16, pad: Pad, width: usize) -> fmt::Result {
    match pad {
        Pad::Not => write!(out, "{n}"),
        Pad::Zero => write!(out, "{n:0width$}"),
        Pad::Space => write!(out, "{n:width$}"),
    }
}

/// The first digits of what follows the seconds.
fn fraction(nanos: u32, digits: usize) -> String {
    let nine = format!("{nanos:09}");
    if digits <= 9 { nine[..digits].to_owned() } else { format!("{nine:0<digits$}") }
}

fn write_offset(out: &mut impl Write, offset: UtcOffset, how: Offset) -> fmt::Result {
    if how.z && offset.is_utc() {
        return out.write_str("Z");
    }
    let sign = if offset.is_negative() { '-' } else { '+' };
    let (hours, minutes, seconds) = offset.as_hms();
    let numbers = [hours, minutes, seconds].map(i8::unsigned_abs);
    out.write_char(sign)?;
    for (index, n) in numbers.into_iter().take(how.numbers).enumerate() {
        let colon = if how.colon && index > 0 { ":" } else { "" };
        write!(out, "{colon}{n:02}")?;
    }
    Ok(())
}
