//! `main` with an exit code, and options that are expressions.
#![forbid(unsafe_code)]
#![deny(warnings)]

use std::process::ExitCode;

const WORKERS: usize = 1;

const fn kib(number: usize) -> usize {
    number * 1024
}

#[mco::main(workers = WORKERS + 1, stack_size = kib(256),)]
fn main() -> ExitCode {
    ExitCode::SUCCESS
}
