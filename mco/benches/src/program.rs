//! Measures mco beside tokio, May, Go and a raw epoll loop: the same work, the same number of workers, one run.
//!
//! `README.md` says what each row does and how to read the result. The parts, from the inside out:
//!
//! - [`meter`] and [`system`]: how one process takes a figure of its own work.
//! - [`runtimes`]: how each runtime is started, once, for all rows.
//! - [`rows`]: the work, one file a family, the same shape for each runtime.
//! - [`session`]: rounds, one child process a measurement, `wrk` and `strace`.
//! - [`report`]: medians, shares, verdicts; the table and the JSON file.

mod command_line;
mod meter;
mod report;
mod rows;
mod runtimes;
mod session;
mod system;

use command_line::{Request, USAGE};
use report::Conditions;
use std::process::ExitCode;

fn main() -> ExitCode {
    let request = match command_line::parse(std::env::args().skip(1)) {
        Ok(request) => request,
        Err(fault) => {
            eprintln!("mco-benches: {fault}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match request {
        Request::Help => println!("{USAGE}"),
        Request::List => report::list(),
        Request::Side { row, runtime, setup } => session::be_a_side(row, runtime, &setup),
        Request::Session(plan) => {
            let conditions = Conditions::now(&plan);
            conditions.print();
            let results = session::run(&plan);
            report::table(&plan, &results);
            if let Some(path) = &plan.json
                && let Err(fault) = std::fs::write(path, report::json(&conditions, &results))
            {
                eprintln!("mco-benches: could not write `{}`: {fault}", path.display());
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}
