//! Measures mco beside tokio, May, Go and a raw epoll loop: the same work, the same number of workers, one run.
//!
//! `README.md` says what each row does and how to read the result. The parts, from the inside out:
//!
//! - [`system`] and [`epoll`]: what the kernel is asked.
//! - [`runtimes`]: how each runtime is started, once, for all rows.
//! - [`meter`]: how one process takes figures of its own work.
//! - [`row`]: what a row is. [`exchange`] and [`side`]: what is the same in all sides.
//! - [`rows`]: the work, one file a family, the same shape for each runtime.
//! - [`load`]: the load generator.
//! - [`plan`] and [`session`]: rounds, one child process a measurement, clients and `strace`.
//! - [`report`]: medians, shares, verdicts; the table and the JSON file.
//! - [`command_line`]: what is asked for.

mod command_line;
mod epoll;
mod exchange;
mod load;
mod meter;
mod plan;
mod report;
mod row;
mod rows;
mod runtimes;
mod session;
mod side;
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
        Request::Side { row, runtime, setup } => side::be_one(row, runtime, &setup),
        Request::Load { server, load, measurement } => {
            if let Err(fault) = load::be_one(server, load, measurement) {
                eprintln!("mco-benches: {fault}");
                return ExitCode::FAILURE;
            }
        }
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
