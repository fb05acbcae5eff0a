//! What there is without the features that can be left out.

use std::time::{Duration, SystemTime};

#[cfg(not(feature = "calendar"))]
use mco::std::time::{Ticker, Time, after};
use mco_tests::child::Child;
#[cfg(not(feature = "dump"))]
use mco_tests::{HUNG, child};

#[cfg(not(feature = "calendar"))]
#[test]
fn without_a_calendar_a_time_is_compared_moved_and_converted() {
    let time = Time::unix(-1, 500_000_000);
    assert_eq!((time.unix_nanos(), time.unix_millis()), (-500_000_000, -500));
    assert_eq!(time.unix_seconds(), -1);
    let later = time + Duration::from_secs(2);
    assert!(later.after(&time) && later.sub(Duration::from_secs(2)).equal(&time));
    assert_eq!(SystemTime::from(later), SystemTime::UNIX_EPOCH + Duration::from_millis(1500));
    assert_eq!(Time::from(SystemTime::from(time)), time);
    assert_eq!(later.truncate(Duration::from_secs(1)), Time::unix(1, 0));
    assert_eq!(format!("{time:?} {later:?}"), "-0.500000000 s after 1970 1.500000000 s after 1970");
}

#[cfg(not(feature = "calendar"))]
#[test]
fn without_a_calendar_a_time_has_the_same_range() {
    let (first, last) = (-377_705_116_800, 253_402_300_799);
    assert_eq!(Time::unix(first, 0).checked_sub(Duration::from_nanos(1)), None);
    assert_eq!(Time::unix(last, 999_999_999).checked_add(Duration::from_nanos(1)), None);
    assert_eq!(Time::unix(first, 0).unix_seconds(), first);
}

#[cfg(not(feature = "calendar"))]
#[test]
fn without_a_calendar_timers_and_tickers_send_the_time() {
    let begun = Time::now();
    let first = after(Duration::from_millis(1)).recv().unwrap();
    let ticker = Ticker::new(Duration::from_millis(1));
    let (second, third) = (ticker.recv().unwrap(), ticker.recv().unwrap());
    assert!(begun < first && first < second && second < third);
}

#[cfg(not(feature = "trace"))]
#[test]
fn a_trace_that_cannot_be_had_is_said_and_the_program_goes_on() {
    let end = Child::new().env("MCO_TRACE", "trace.json").run(|| {
        assert_eq!(mco::coroutine::spawn(|| 7).join().unwrap(), 7);
    });
    end.assert_success();
    end.assert_says(
        "nothing is traced: `MCO_TRACE` is set, but `mco` is built without its feature `trace`",
    );
}

#[cfg(not(feature = "dump"))]
#[test]
fn dumps_on_a_signal_that_cannot_be_had_are_said_and_the_program_goes_on() {
    let end = Child::new().env("MCO_DUMP", "1").run(|| {
        assert_eq!(mco::coroutine::spawn(|| 7).join().unwrap(), 7);
    });
    end.assert_success();
    end.assert_says("`MCO_DUMP` is set, but `mco` is built without its feature `dump`");
}

#[cfg(all(feature = "dump", not(feature = "backtrace")))]
#[test]
fn a_dump_without_backtraces_says_why_and_has_all_else() {
    let parked = mco::coroutine::Builder::new().name("parked").spawn(mco::coroutine::park);
    mco_tests::eventually("it is parked", || {
        mco::debug::coroutines().iter().any(|info| info.wait_site.is_some())
    });
    let text = mco::debug::dump().to_string();
    parked.coroutine().unpark();
    parked.join().unwrap();
    assert!(
        text.contains("no backtraces: `mco` is built without its feature `backtrace`"),
        "{text}"
    );
    assert!(text.contains("`parked`") && text.contains("an `unpark`"), "{text}");
}

#[cfg(not(feature = "dump"))]
#[test]
fn without_dumps_a_deadlock_is_reported_by_what_each_waits_for() {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_deadlock_program"));
    let end = child::watch(program.arg("philosophers"), HUNG);
    assert_eq!(end.status.code(), Some(2), "{end}");
    end.assert_says("mco: deadlock: every coroutine is blocked");
    for number in 0..5 {
        end.assert_says(&format!("`philosopher {number}`"));
    }
    end.assert_says("waits for a mutex at tests/programs/deadlock.rs:");
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_deadlock_program"));
    let end = child::watch(program.arg("receive"), HUNG);
    end.assert_says("; the channel, made at tests/programs/deadlock.rs:");
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_deadlock_program"));
    let end = child::watch(program.arg("two_runtimes"), HUNG);
    end.assert_says("`in the other runtime`");
}
