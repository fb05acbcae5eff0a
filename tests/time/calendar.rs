//! `Time` and `Instant`, compared with the `time` crate, and layouts, compared with Go's examples.

use std::collections::hash_map::DefaultHasher;
use std::error::Error as _;
use std::hash::{Hash, Hasher};
use std::io;
use std::time::{Duration, SystemTime};

use mco::std::errors::{self, Error};
use mco::std::sync::channel::{RecvError, unbounded};
use mco::std::time::{
    ANSIC, DATE_ONLY, DATE_TIME, Elapsed, Instant, KITCHEN, Month, RFC822, RFC822Z, RFC850,
    RFC1123, RFC1123Z, RFC3339, RFC3339_NANO, TIME_ONLY, Time, UNIX_DATE, Weekday, sleep,
};
use mco_tests::text_of;
use proptest::prelude::*;
use time::format_description::FormatItem;
use time::format_description::well_known::{Rfc2822, Rfc3339};
use time::macros::format_description as description;
use time::{OffsetDateTime, UtcOffset};

/// From the year 1 to 9998, so that every zone has them.
const SECONDS: std::ops::Range<i64> = -62_135_596_800..253_370_764_800;

/// Any time in any zone, of whole minutes, as most formats need it.
fn times() -> impl Strategy<Value = Time> {
    let nanos = prop_oneof![Just(0), Just(500_000_000), 0u32..1_000_000_000];
    (SECONDS, nanos, -1439i32..1440).prop_map(|(seconds, nanos, minutes)| {
        let offset = UtcOffset::from_whole_seconds(minutes * 60).unwrap();
        Time::unix(seconds, nanos.into()).to_offset(offset)
    })
}

/// Those of which RFC 822 and others can tell the century.
fn modern() -> impl Strategy<Value = Time> {
    (0i64..3_000_000_000).prop_map(|seconds| Time::unix(seconds, 0))
}

fn durations() -> impl Strategy<Value = Duration> {
    (0u64..10_000_000_000, 0u32..1_000_000_000).prop_map(|(s, n)| Duration::new(s, n))
}

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// What the `time` crate writes.
fn by_time(time: &Time, description: &[FormatItem<'_>]) -> String {
    time.inner.format(description).unwrap()
}

proptest! {
    #[test]
    fn arithmetic(time in times(), duration in durations()) {
        let signed = time::Duration::try_from(duration).unwrap();
        prop_assert_eq!(
            time.checked_add(duration).map(|t| t.inner),
            time.inner.checked_add(signed)
        );
        prop_assert_eq!(
            time.checked_sub(duration).map(|t| t.inner),
            time.inner.checked_sub(signed)
        );
        if let Some(later) = time.checked_add(duration) {
            prop_assert_eq!(later.since(&time), signed);
            prop_assert_eq!(time.since(&later), -signed);
            prop_assert_eq!(later.sub(duration), time);
            prop_assert_eq!(later - time, signed);
            prop_assert_eq!(later.to_offset(UtcOffset::UTC) - duration, time);
        }
    }

    #[test]
    fn comparison(a in times(), b in times(), minutes in -1439i32..1440) {
        prop_assert_eq!(a.cmp(&b), a.inner.cmp(&b.inner));
        prop_assert_eq!(a.before(&b), a.inner < b.inner);
        prop_assert_eq!(a.after(&b), a.inner > b.inner);
        prop_assert_eq!(a.equal(&b), a.unix_nanos() == b.unix_nanos());
        let elsewhere = a.to_offset(UtcOffset::from_whole_seconds(minutes * 60).unwrap());
        prop_assert!(a.equal(&elsewhere) && hash(a) == hash(elsewhere));
    }

    #[test]
    fn parts(time in times()) {
        let inner = time.inner;
        prop_assert_eq!((time.year(), time.month(), time.day()), inner.to_calendar_date());
        prop_assert_eq!(
            (time.hour(), time.minute(), time.second(), time.nanosecond()),
            inner.to_hms_nano()
        );
        prop_assert_eq!((time.year_day(), time.weekday()), (inner.ordinal(), inner.weekday()));
        prop_assert_eq!(time.unix_seconds(), inner.unix_timestamp());
        prop_assert_eq!(time.unix_nanos(), inner.unix_timestamp_nanos());
        prop_assert_eq!(
            i128::from(time.unix_millis()),
            inner.unix_timestamp_nanos().div_euclid(1_000_000)
        );
        prop_assert_eq!(Time::unix(time.unix_seconds(), time.nanosecond().into()), time);
        prop_assert_eq!(Time::from(SystemTime::from(time)), time);
    }

    #[test]
    fn truncate_and_round(time in times(), unit in durations()) {
        // What is rounded up must exist.
        prop_assume!(time.checked_add(unit).is_some());
        let (down, near) = (time.truncate(unit), time.round(unit));
        let signed = time::Duration::try_from(unit).unwrap();
        if unit.is_zero() {
            prop_assert_eq!((down, near), (time, time));
        } else {
            let rest = time.since(&down);
            prop_assert!(!rest.is_negative() && rest < signed);
            prop_assert_eq!(near, if rest * 2 < signed { down } else { down.add(unit) });
            prop_assert_eq!(down.truncate(unit), down);
            prop_assert_eq!(down.inner.offset(), time.inner.offset());
        }
    }

    #[test]
    fn whole_hours_are_those_of_the_clock(time in times()) {
        let hour = time.in_utc().truncate(Duration::from_secs(3600));
        prop_assert_eq!((hour.hour(), hour.minute()), (time.in_utc().hour(), 0));
    }

    #[test]
    fn rfc_3339_is_that_of_the_time_crate(time in times()) {
        let text = time.format(RFC3339_NANO);
        prop_assert_eq!(&text, &time.inner.format(&Rfc3339).unwrap());
        prop_assert_eq!(&text, &time.to_string());
        let (read, other) = (Time::parse(RFC3339_NANO, &text).unwrap(),
            OffsetDateTime::parse(&text, &Rfc3339).unwrap());
        prop_assert_eq!(read.inner, other);
        prop_assert_eq!(read, time);
        prop_assert_eq!(read.inner.offset(), time.inner.offset());
        // The fraction is read also where the layout has none.
        prop_assert_eq!(Time::parse(RFC3339, &text).unwrap(), time);
        prop_assert_eq!(text.parse::<Time>().unwrap(), time);
    }

    #[test]
    fn rfc_1123_is_that_of_the_time_crate(time in times()) {
        let time = time.truncate(Duration::from_secs(1));
        // Its description in the `time` crate, RFC 2822's, begins there.
        prop_assume!(time.year() >= 1900);
        let text = time.format(RFC1123Z);
        prop_assert_eq!(&text, &time.inner.format(&Rfc2822).unwrap());
        prop_assert_eq!(Time::parse(RFC1123Z, &text).unwrap(), time);
    }

    #[test]
    fn other_layouts_are_descriptions_of_the_time_crate(time in times()) {
        let pairs: [(&str, &[FormatItem<'_>]); 10] = [
            (DATE_TIME, description!("[year]-[month]-[day] [hour]:[minute]:[second]")),
            (DATE_ONLY, description!("[year]-[month]-[day]")),
            (TIME_ONLY, description!("[hour]:[minute]:[second]")),
            (KITCHEN, description!("[hour repr:12 padding:none]:[minute][period]")),
            (ANSIC, description!("[weekday repr:short] [month repr:short] [day padding:space] \
                [hour]:[minute]:[second] [year]")),
            ("Monday, 2 January 06", description!("[weekday], [day padding:none] \
                [month repr:long] [year repr:last_two]")),
            ("002 2006 .000000000", description!("[ordinal] [year] .[subsecond digits:9]")),
            ("__2", description!("[ordinal padding:space]")),
            ("3 03 pm 4 5 1", description!("[hour repr:12 padding:none] [hour repr:12] \
                [period case:lower] [minute padding:none] [second padding:none] \
                [month padding:none repr:numerical]")),
            ("-0700 -07:00 -07", description!("[offset_hour sign:mandatory][offset_minute] \
                [offset_hour sign:mandatory]:[offset_minute] [offset_hour sign:mandatory]")),
        ];
        for (layout, description) in pairs {
            prop_assert_eq!(time.format(layout), by_time(&time, description), "{}", layout);
        }
    }

    #[test]
    fn what_is_written_is_read(time in times()) {
        for layout in [
            "2006-01-02 15:04:05.000000000 -0700",
            "2006-01-02T15:04:05,999999999-07:00",
            "Jan _2 2006 at 3:04:05.999999999PM -0700",
            "Monday 2.1.2006 03h04m5s.000000000 pm Z07:00",
            "2006, day __2, 15:04:05.999999999Z0700",
            "2006002 15:04:05.000000000 -07:00:00",
        ] {
            let text = time.format(layout);
            prop_assert_eq!(Time::parse(layout, &text).unwrap(), time, "{}", text);
        }
    }

    #[test]
    fn named_layouts_are_read(time in modern()) {
        for layout in [RFC1123, RFC850, UNIX_DATE, ANSIC, RFC1123Z, DATE_TIME, RFC3339] {
            let text = time.format(layout);
            prop_assert_eq!(Time::parse(layout, &text).unwrap(), time, "{}", text);
        }
        let minute = time.truncate(Duration::from_secs(60));
        for layout in [RFC822, RFC822Z] {
            let text = time.format(layout);
            prop_assert_eq!(Time::parse(layout, &text).unwrap(), minute, "{}", text);
        }
        let (date, clock) = (time.format(DATE_ONLY), time.format(TIME_ONLY));
        let date = Time::parse(DATE_ONLY, &date).unwrap();
        let clock = Time::parse(TIME_ONLY, &clock).unwrap();
        prop_assert_eq!(date.inner.date(), time.inner.date());
        prop_assert_eq!(clock.inner.time(), time.inner.time());
    }

    #[test]
    fn no_text_and_no_layout_panics(layout in ".{0,20}", text in ".{0,20}", time in times()) {
        drop(Time::parse(&layout, &text));
        drop(Time::parse(&layout, &time.format(&layout)));
        drop(Time::parse(RFC3339_NANO, &text));
    }

    #[test]
    fn layouts_of_layouts(pieces in proptest::collection::vec(prop::sample::select(vec![
        "2006", "06", "January", "Jan", "01", "1", "02", "2", "_2", "15", "03", "3", "PM", "04", "4",
        "05", "5", ".000", ".999", "-0700", "Z07:00", "MST", "Mon", "Monday", " ", "/", "é", "_", "-",
        "Z", ".",
    ]), 0..8), time in times()) {
        let layout = pieces.concat();
        drop(Time::parse(&layout, &time.format(&layout)));
    }

    #[test]
    fn serde_is_rfc_3339(time in times()) {
        let text = serde_json::to_string(&time).unwrap();
        prop_assert_eq!(&text, &format!("\"{time}\""));
        prop_assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), time);
    }

    #[test]
    fn instants_add_and_subtract(duration in durations(), other in durations()) {
        // They reach for 292 years.
        let (duration, other) = (duration / 2, other / 2);
        let start = Instant::now();
        let (later, earlier) = (start + duration, start - other);
        prop_assert_eq!(later.duration_since(start), duration);
        prop_assert_eq!(start - earlier, other);
        prop_assert_eq!(later - earlier, duration + other);
        prop_assert_eq!(start.checked_duration_since(later).is_none(), !duration.is_zero());
        prop_assert_eq!(earlier.saturating_duration_since(later), Duration::ZERO);
        prop_assert_eq!(later - duration, start);
        prop_assert!(earlier <= start && start <= later);
    }
}

/// Go's reference time, 15:04:05 in Phoenix.
fn reference() -> Time {
    Time::unix(1_136_239_445, 0).to_offset(UtcOffset::from_hms(-7, 0, 0).unwrap())
}

#[test]
fn a_layout_is_how_the_reference_time_is_written() {
    for layout in [RFC3339, RFC1123Z, RFC822Z, ANSIC, KITCHEN, DATE_TIME, DATE_ONLY, TIME_ONLY] {
        let expected = layout.replace("Z07:00", "-07:00").replace('_', " ");
        assert_eq!(reference().format(layout), expected);
    }
    assert_eq!(reference().format(RFC850), "Monday, 02-Jan-06 15:04:05 -07");
    assert_eq!(reference().in_utc().format(UNIX_DATE), "Mon Jan  2 22:04:05 UTC 2006");
    // Words that only look like elements.
    assert_eq!(reference().format("Month Monk Janet _x"), "Month Monk Janet _x");
}

#[test]
fn fractions_as_in_go() {
    let time = Time::unix(0, 120_000_000);
    let written = |layout| time.format(layout);
    assert_eq!(written("05.000"), "00.120");
    assert_eq!(written("05.999"), "00.12");
    assert_eq!(written("05.0"), "00.1");
    assert_eq!(written("05,000000"), "00,120000");
    assert_eq!(Time::unix(0, 0).format("05.999"), "00");
    let nanos = |layout, text| Time::parse(layout, text).unwrap().nanosecond();
    assert_eq!(nanos("05", "07.25"), 250_000_000);
    assert_eq!(nanos("05.999", "07"), 0);
    assert_eq!(nanos("05.999", "07.123456789"), 123_456_789);
    assert!(Time::parse("05.000", "07.25").is_err());
}

#[test]
fn zones_by_name_and_number() {
    let hours = |text| Time::parse(RFC1123, text).map(|t| t.inner.offset().whole_hours());
    assert_eq!(hours("Mon, 02 Jan 2006 15:04:05 GMT").unwrap(), 0);
    assert_eq!(hours("Mon, 02 Jan 2006 15:04:05 PST").unwrap(), -8);
    assert_eq!(hours("Mon, 02 Jan 2006 15:04:05 +05").unwrap(), 5);
    let error = hours("Mon, 02 Jan 2006 15:04:05 CEST").unwrap_err().to_string();
    assert!(error.contains("`CEST` where the layout has `MST`"), "{error}");
}

#[test]
fn what_does_not_fit_is_named() {
    let error = |layout, text| Time::parse(layout, text).unwrap_err().to_string();
    let names = |layout, text, what: &str| {
        let error = error(layout, text);
        assert!(error.contains(what), "`{error}` does not say `{what}`");
    };
    names(RFC3339, "yesterday", "it has `yesterday` where the layout has `2006`");
    names(RFC3339, "2006-01-02", "it ends where the layout has `T`");
    names(DATE_ONLY, "2006-01-02T", "it goes on with `T`");
    names(DATE_ONLY, "2006-13-02", "the month is out of range");
    names(DATE_ONLY, "2006-02-29", "the day is out of range");
    names(TIME_ONLY, "24:00:00", "the hour is out of range");
    names(TIME_ONLY, "23:60:00", "the minute is out of range");
    names(TIME_ONLY, "23:59:60", "the second is out of range");
    names("Jan", "Foo", "the first three letters of a month");
    // A layout of another language stands for itself.
    names("YYYY-MM-DD", "2006-01-02", "where the layout has `YYYY-MM-DD`, which stands for itself");
}

#[test]
fn leap_days_and_noon() {
    let time = Time::parse("2006-01-02 3pm", "2024-02-29 12am").unwrap();
    assert_eq!((time.month(), time.day(), time.hour()), (Month::February, 29, 0));
    assert_eq!(time.weekday(), Weekday::Thursday);
    assert_eq!(Time::parse(KITCHEN, "12:30PM").unwrap().hour(), 12);
    assert_eq!(Time::parse(KITCHEN, "1:30PM").unwrap().hour(), 13);
}

#[test]
fn now_is_now() {
    let before = SystemTime::now();
    let (local, utc) = (Time::now(), Time::now_utc());
    assert!(SystemTime::from(local) >= before && utc >= local);
    assert!(utc.since(&local) < time::Duration::minutes(1));
    assert!(utc.inner.offset().is_utc());
    assert_eq!(local.inner.offset(), utc.in_local().inner.offset());
}

#[test]
fn too_far_is_said() {
    let far = Duration::from_secs(1 << 50);
    assert_eq!(Time::now().checked_add(far), None);
    assert_eq!(Time::now().checked_add(Duration::MAX), None);
    assert_eq!(Instant::now().checked_add(Duration::MAX), None);
    assert_eq!(Instant::now().checked_sub(Duration::MAX), None);
}

#[test]
fn an_instant_goes_on() {
    let start = Instant::now();
    sleep(Duration::from_millis(2));
    assert!(start.elapsed() >= Duration::from_millis(2));
    let mut later = start;
    later += Duration::from_secs(1);
    assert!(later > start && format!("{start:?}").starts_with("Instant("));
    later -= Duration::from_secs(1);
    assert_eq!(later, start);
}

#[test]
fn errors_of_many_kinds_are_one() {
    fn io() -> errors::Result<()> {
        Err(io::Error::new(io::ErrorKind::NotFound, "nothing there"))?
    }
    fn boxed() -> errors::Result<()> {
        let error: Box<dyn std::error::Error + Send + Sync> = "boxed".into();
        Err(error)?
    }
    fn local() -> errors::Result<()> {
        let error: Box<dyn std::error::Error> = "local".into();
        Err(error)?
    }
    fn texts(owned: bool) -> errors::Result<()> {
        if owned { Err(String::from("owned"))? } else { Err("text")? }
    }
    fn channels(send: bool) -> errors::Result<u32> {
        let (sender, receiver) = unbounded();
        if send {
            drop(receiver);
            sender.send(std::rc::Rc::new(1))?;
            return Ok(1);
        }
        drop(sender);
        Ok(*receiver.recv()?)
    }
    let error = io().unwrap_err();
    assert_eq!(error.to_string(), "nothing there");
    let source = error.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::NotFound);
    assert_eq!(boxed().unwrap_err().to_string(), "boxed");
    assert_eq!(local().unwrap_err().to_string(), "local");
    assert_eq!(texts(true).unwrap_err().to_string(), "owned");
    assert_eq!(texts(false).unwrap_err().to_string(), "text");
    assert!(channels(false).unwrap_err().source().unwrap().is::<RecvError>());
    assert_eq!(channels(true).unwrap_err().to_string(), "sending on a closed channel");
    assert!(Error::from(Elapsed).source().unwrap().is::<Elapsed>());
    let error = Error::with_source("no settings", error);
    assert_eq!(format!("{error:?}"), "no settings\n  because: nothing there");
    assert_eq!(mco::err!("{} of {}", 1, 2).to_string(), "1 of 2");
}

#[test]
fn a_distance_from_utc_is_less_than_a_day() {
    let at = |offset: &str| Time::parse(RFC3339, &format!("2020-01-02T03:04:05{offset}"));
    for offset in ["+23:59", "-23:59", "+00:00", "Z"] {
        assert!(at(offset).is_ok(), "{offset}");
    }
    for offset in ["+24:00", "-24:00", "+24:59", "+25:00", "-25:59", "+26:00", "+99:00", "+00:60"] {
        let error = at(offset).expect_err(offset).to_string();
        assert!(error.contains("distance from UTC"), "{error}");
    }
    assert!(Time::parse("-07", "+24").is_err());
    assert!(Time::parse("-0700", "+2400").is_err());
    assert!(Time::parse("MST", "+24").is_err());
}

#[test]
fn years_at_the_edge_say_so() {
    let said = |f: &dyn Fn() -> Time| {
        let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
        let text = text_of(&*payload).to_owned();
        assert!(text.contains("the years -9999 to 9999"), "{text}");
    };
    let last = Time::parse(RFC3339, "9999-12-31T23:30:00-01:00").unwrap();
    said(&|| last.in_utc());
    said(&|| last.to_offset(time::UtcOffset::UTC));
    let end = Time::parse(RFC3339, "9999-12-31T23:59:59Z").unwrap();
    said(&|| end.round(std::time::Duration::from_secs(7200)));
}
