//! Counts the instructions that an operation of mco takes, and compares them with the counts on record.
//!
//! A time says something on a quiet machine only; a count hardly depends on what else runs. It comes from `callgrind`,
//! which runs this program again to do one piece of work so many times, and again three times as often. The difference
//! is free of what it takes to start and to end.
//!
//! A count depends on the compiler, which `recorded.txt` names.

mod count;
mod record;
mod work;

use std::process::ExitCode;
use work::Work;

const USAGE: &str = "\
usage: cargo run --release -p mco-instructions [-- COMMAND]

  check       count, and fail if an operation takes over 5% more than is on record (this is the default)
  record      count, and put the counts on record
  WORK COUNT  do a piece of work so many times";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let result = match words[..] {
        [] | ["check"] => record::check(),
        ["record"] => record::write(),
        [name, operations] => match (Work::called(name), operations.parse()) {
            (Some(work), Ok(operations)) => {
                work.run(operations);
                Ok(())
            }
            _ => Err(USAGE.into()),
        },
        _ => Err(USAGE.into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::FAILURE
        }
    }
}
