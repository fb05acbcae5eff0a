//! Ten thousand clients and the echo server that they talk to, in one process.
//!
//! It shows a coroutine for each end of each connection, twenty thousand in all, on as many threads
//! as there are processors; coroutines that borrow (`scope`), wait for each other (`park`, `join`),
//! and are cancelled; and a runtime built by hand, with what it tells about itself.
//!
//! Run it:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin echo_swarm
//! ```
//!
//! You should see a progress bar for a few seconds, and then something like this, from two cores
//! that others used too, and a limit of 20,000 descriptors:
//!
//! ```text
//! 9,980 clients, 20 rounds of 1,024 bytes, 2 workers
//!
//! connections  9,980 in 1.34s
//! messages     199,600 in 5.98s
//! throughput   33,365 messages/s, 32.6 MiB/s each way
//!
//! round trip
//!   p50          236.98ms
//!   p90          402.92ms
//!   p99          568.85ms
//!   p99.9        635.96ms
//!   max          651.17ms
//!
//! worker        coroutines      resumed
//!   0               10,493      221,748
//!   1                9,470      207,655
//! ```
//!
//! All clients send at once and as fast as they can, so most of a round trip is waiting for the
//! processors. `--clients 10` shows what one takes by itself; `--help` lists the other options.
//!
//! Every message differs, and what comes back is compared with it. The exit status is 0 only if
//! every byte was right; 1 if not, with the client, the round and what was expected; 2 for options
//! that make no sense.

mod client;
mod descriptors;
mod gate;
mod latency;
mod options;
mod report;
mod server;
mod swarm;

use std::process::ExitCode;

use indicatif::HumanCount;
use mco::runtime::Runtime;

use crate::options::Options;
use crate::swarm::Plan;

fn main() -> ExitCode {
    match options::parse(std::env::args().skip(1)) {
        Ok(Some(options)) => run(&options).unwrap_or_else(|error| {
            eprintln!("echo_swarm: {error}");
            ExitCode::FAILURE
        }),
        Ok(None) => {
            println!("{}", options::USAGE);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("echo_swarm: {error}\n\n{}", options::USAGE);
            ExitCode::from(2)
        }
    }
}

fn run(options: &Options) -> Result<ExitCode, String> {
    let workers = options.workers.unwrap_or_else(|| mco::config().get_workers());
    let runtime = Runtime::builder().workers(workers).build().map_err(|error| error.to_string())?;
    let clients = descriptors::clients(options.clients, workers)?;
    let plan = Plan { clients, rounds: options.rounds, size: options.size };
    println!(
        "{} clients, {} rounds of {} bytes, {workers} workers\n",
        HumanCount(clients as u64),
        HumanCount(plan.rounds),
        HumanCount(plan.size as u64),
    );
    let outcome =
        runtime.run(|| swarm::run(plan, server::serve)).map_err(|error| error.to_string())?;
    report::print(plan, &outcome, &latency::merged());
    if outcome.faults.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    report::print_faults(plan, &outcome.faults);
    Ok(ExitCode::FAILURE)
}
