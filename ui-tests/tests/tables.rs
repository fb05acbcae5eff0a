//! `#[mco::test]` with everything that may stand beside it. These tests are what is tested: each must be found once,
//! run, and judged as it would be without mco.
#![forbid(unsafe_code)]
#![deny(warnings)]

use rstest::rstest;
use std::error::Error;
use std::fmt::Display;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU32, Ordering};
use test_case::test_case;

/// A plain one, documented.
#[mco::test]
fn plain() {
    assert_eq!(mco::go!(|| 1).join().unwrap(), 1);
}

#[mco::test(workers = 2, timeout = "1.5m")]
fn with_options() {}

#[mco::test]
fn with_a_result() -> Result<(), Box<dyn Error>> {
    assert_eq!("1".parse::<u32>()?, 1);
    Ok(())
}

#[mco::test]
fn with_an_exit_code() -> ExitCode {
    ExitCode::SUCCESS
}

#[mco::test]
fn with_any_termination() -> impl std::process::Termination {
    Ok::<(), String>(())
}

#[mco::test]
#[should_panic(expected = "boom")]
fn panics() {
    panic!("boom");
}

#[should_panic = "above"]
#[mco::test]
fn panics_above() {
    panic!("above");
}

#[mco::test]
#[ignore = "so that there is one"]
fn ignored() {
    unreachable!();
}

#[mco::test]
#[cfg(any())]
fn configured_out() {
    compile_error!("this is not there");
}

/// Made a test by another attribute: still one test.
#[mco::test]
#[test]
fn twice() {
    static RUNS: AtomicU32 = AtomicU32::new(0);
    assert_eq!(RUNS.fetch_add(1, Ordering::SeqCst), 0);
}

#[rstest]
#[case(1, 1)]
#[case(2, 4)]
#[mco::test]
fn table_above(#[case] number: u32, #[case] square: u32) {
    assert_eq!(number * number, square);
}

#[mco::test(workers = 1)]
#[rstest]
#[case(1, 1)]
#[case(2, 4)]
fn table_below(#[case] mut number: u32, #[case] square: u32) {
    number *= number;
    assert_eq!(number, square);
}

#[mco::test]
#[rstest]
#[case("1")]
#[case("2")]
fn table_of_references(#[case] text: &str) -> Result<(), Box<dyn Error>> {
    let number: u32 = text.parse()?;
    assert!(number < 3);
    Ok(())
}

#[mco::test]
#[rstest]
#[case(1, "1")]
fn generic_table<T: Display>(#[case] value: T, #[case] shown: impl AsRef<str>) {
    assert_eq!(value.to_string(), shown.as_ref());
}

#[mco::test]
#[rstest]
fn table_without_parameters() {}

#[test_case(1, 1; "one")]
#[test_case(2, 4; "two")]
#[mco::test]
fn cases_above(number: u32, square: u32) {
    assert_eq!(number * number, square);
}

#[mco::test]
#[test_case(1, 1; "one")]
#[test_case(2, 4; "two")]
fn cases_below(number: u32, square: u32) {
    assert_eq!(number * number, square);
}

#[mco::test]
#[test_case(1 => panics "boom"; "panics")]
#[test_case(2 => (); "returns")]
fn cases_with_outcomes(number: u32) {
    assert!(number > 1, "boom");
}

#[mco::test]
#[test_case(1 => 1)]
#[test_case(2 => 4; "two")]
fn cases_with_values(number: u32) -> u32 {
    number * number
}

mod shadowed {
    #![allow(dead_code)]

    mod std {}
    mod core {}
    struct Ok;

    /// What `#[test]` is here is no business of mco's.
    #[mco::test]
    fn test() {}
}
