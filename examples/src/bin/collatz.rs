//! A coroutine for each job, one that collects, and how to see what they do when.
//!
//! It shows channels, names, and `MCO_TRACE`: who runs where and for how long, who waits for what, and
//! who wakes whom. The jobs start on one worker, and the other one takes its share of them.
//!
//! ```text
//! $ MCO_TRACE=trace.json cargo run --release -p mco-examples --bin collatz
//! 77031 takes 350 steps to 1, the most of all numbers below 100000
//! ```
//!
//! Open `trace.json` at `https://ui.perfetto.dev` or in `chrome://tracing`.

use mco::coroutine::Builder;
use mco::std::sync::channel::bounded;

const NUMBERS: u64 = 100_000;
const JOBS: u64 = 16;
/// Of a job.
const PARTS: u64 = 2;

#[mco::main(workers = 2)]
fn main() {
    let (results, all) = bounded(2);
    let collector = Builder::new().name("collector").spawn(move || {
        let mut most = (0, 0);
        while let Ok(result) = all.recv() {
            most = most.max(result);
        }
        most
    });
    for job in 0..JOBS {
        let results = results.clone();
        Builder::new().name(format!("job {job}")).spawn(move || {
            for part in 0..PARTS {
                // Every so manyth number, so that all have as much to do.
                let numbers = (1 + job + part * JOBS..NUMBERS).step_by((JOBS * PARTS) as usize);
                let most = numbers.map(|number| (steps(number), number)).max();
                results.send(most.unwrap_or_default()).expect("the collector receives all results");
            }
        });
    }
    drop(results); // the last one, so that the channel ends with the jobs
    let (steps, number) = collector.join().expect("the collector does not panic");
    println!("{number} takes {steps} steps to 1, the most of all numbers below {NUMBERS}");
}

/// After how many steps Collatz's sequence comes to 1.
fn steps(mut number: u64) -> u32 {
    let mut steps = 0;
    while number != 1 {
        number = if number.is_multiple_of(2) { number / 2 } else { 3 * number + 1 };
        steps += 1;
    }
    steps
}
