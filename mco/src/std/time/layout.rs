//! How a time is written: Go's layouts.
//!
//! A layout is an example: how the reference time would be written, the second of January 2006,
//! 15:04:05, in a zone seven hours west. Each of its elements is a number or a name of its own, so the
//! example says which is which. What is no element stands for itself.
//!
//! [`parts`] reads a layout from left to right, the longest element first. Go knows no wrong layout,
//! so neither does this; what does not fit shows when a text is parsed.

mod read;
mod write;

pub(super) use self::read::parse;
pub(super) use self::write::format;

/// An element of a layout, or a text in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Literal,
    /// Four digits.
    Year,
    /// The last two digits.
    ShortYear,
    MonthName,
    ShortMonthName,
    Month(Pad),
    WeekdayName,
    ShortWeekdayName,
    Day(Pad),
    DayOfYear(Pad),
    Hour,
    Hour12(Pad),
    Minute(Pad),
    Second(Pad),
    /// Of a second, with the sign before it: so many digits.
    Fraction(usize),
    /// The same without zeros at the end, and without anything if there is nothing else.
    ShortFraction(usize),
    UpperNoon,
    LowerNoon,
    Offset(Offset),
    ZoneName,
}

/// How a number is made as wide as others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pad {
    Not,
    Zero,
    Space,
}

/// How the distance from UTC is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offset {
    /// `Z` for none.
    z: bool,
    /// Between its numbers.
    colon: bool,
    /// Hours; hours and minutes; all three.
    numbers: usize,
}

/// The element with which `layout` begins, and how long it is.
fn element(layout: &str) -> Option<(Kind, usize)> {
    /// Those that are told by what they begin with alone, longer ones first.
    const FIXED: [(&str, Kind); 28] = [
        ("January", Kind::MonthName),
        ("Monday", Kind::WeekdayName),
        ("MST", Kind::ZoneName),
        ("2006", Kind::Year),
        ("__2", Kind::DayOfYear(Pad::Space)),
        ("002", Kind::DayOfYear(Pad::Zero)),
        ("01", Kind::Month(Pad::Zero)),
        ("02", Kind::Day(Pad::Zero)),
        ("03", Kind::Hour12(Pad::Zero)),
        ("04", Kind::Minute(Pad::Zero)),
        ("05", Kind::Second(Pad::Zero)),
        ("06", Kind::ShortYear),
        ("15", Kind::Hour),
        ("PM", Kind::UpperNoon),
        ("pm", Kind::LowerNoon),
        ("1", Kind::Month(Pad::Not)),
        ("2", Kind::Day(Pad::Not)),
        ("3", Kind::Hour12(Pad::Not)),
        ("4", Kind::Minute(Pad::Not)),
        ("5", Kind::Second(Pad::Not)),
        ("-07:00:00", Kind::Offset(Offset { z: false, colon: true, numbers: 3 })),
        ("-070000", Kind::Offset(Offset { z: false, colon: false, numbers: 3 })),
        ("-07:00", Kind::Offset(Offset { z: false, colon: true, numbers: 2 })),
        ("-0700", Kind::Offset(Offset { z: false, colon: false, numbers: 2 })),
        ("-07", Kind::Offset(Offset { z: false, colon: false, numbers: 1 })),
        ("Jan", Kind::ShortMonthName),
        ("Mon", Kind::ShortWeekdayName),
        ("_2", Kind::Day(Pad::Space)),
    ];
    match layout.as_bytes() {
        [b'Z', rest @ ..] if rest.starts_with(b"07") => {
            // As those with a sign; both are one byte.
            let signed = format!("-{}", &layout[1..]);
            match element(&signed) {
                Some((Kind::Offset(offset), len)) => {
                    Some((Kind::Offset(Offset { z: true, ..offset }), len))
                }
                _ => None,
            }
        }
        [b'.' | b',', digit @ (b'0' | b'9'), rest @ ..] => {
            let digits = 1 + rest.iter().take_while(|byte| *byte == digit).count();
            let ends = !rest.get(digits - 1).is_some_and(u8::is_ascii_digit);
            let kind = if *digit == b'0' { Kind::Fraction } else { Kind::ShortFraction };
            ends.then(|| (kind(digits), digits + 1))
        }
        // No day, but a year behind a line.
        [b'_', rest @ ..] if rest.starts_with(b"2006") => None,
        _ => {
            let (text, kind) = FIXED.into_iter().find(|(text, _)| layout.starts_with(text))?;
            let rest = layout.as_bytes().get(text.len());
            let in_word = matches!(kind, Kind::ShortMonthName | Kind::ShortWeekdayName)
                && rest.is_some_and(u8::is_ascii_lowercase);
            (!in_word).then_some((kind, text.len()))
        }
    }
}

/// A part of a layout, as it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part<'a> {
    kind: Kind,
    text: &'a str,
}

/// The parts of a layout in their order.
fn parts(layout: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = layout;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let (kind, len) = element(rest).unwrap_or_else(|| {
            let mut len = first.len_utf8();
            while let Some(next) = rest[len..].chars().next()
                && element(&rest[len..]).is_none()
            {
                len += next.len_utf8();
            }
            (Kind::Literal, len)
        });
        let (text, after) = rest.split_at(len);
        rest = after;
        Some(Part { kind, text })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(layout: &str) -> Vec<(Kind, &str)> {
        parts(layout).map(|part| (part.kind, part.text)).collect()
    }

    #[test]
    fn a_layout_is_read_as_in_go() {
        use Kind::*;
        assert_eq!(
            kinds("2006-01-02T15:04:05.999Z07:00"),
            [
                (Year, "2006"),
                (Literal, "-"),
                (Month(Pad::Zero), "01"),
                (Literal, "-"),
                (Day(Pad::Zero), "02"),
                (Literal, "T"),
                (Hour, "15"),
                (Literal, ":"),
                (Minute(Pad::Zero), "04"),
                (Literal, ":"),
                (Second(Pad::Zero), "05"),
                (ShortFraction(3), ".999"),
                (Offset(super::Offset { z: true, colon: true, numbers: 2 }), "Z07:00"),
            ]
        );
        assert_eq!(kinds("Mond"), [(Literal, "Mond")]);
        assert_eq!(kinds("Month"), [(Literal, "Month")]);
        assert_eq!(kinds("Mon_2"), [(ShortWeekdayName, "Mon"), (Day(Pad::Space), "_2")]);
        assert_eq!(kinds("_2006"), [(Literal, "_"), (Year, "2006")]);
        assert_eq!(kinds("__2"), [(DayOfYear(Pad::Space), "__2")]);
        assert_eq!(kinds("x.0001"), [(Literal, "x.00"), (Month(Pad::Zero), "01")]);
        assert_eq!(kinds("ü"), [(Literal, "ü")]);
    }
}
