//! What is printed at the end.

use std::time::Duration;

use hdrhistogram::Histogram;
use indicatif::HumanCount;

use crate::swarm::{Outcome, Plan};

/// More are counted, not shown.
const FAULTS_SHOWN: usize = 10;

pub(crate) fn print(plan: Plan, outcome: &Outcome, latencies: &Histogram<u64>) {
    let (messages, seconds) = (latencies.len(), outcome.exchanging.as_secs_f64());
    let per_second = messages as f64 / seconds;
    let mebibytes = per_second * plan.size as f64 / f64::from(1 << 20);
    println!("connections  {} in {:.2?}", HumanCount(outcome.connected), outcome.connecting);
    println!("messages     {} in {:.2?}", HumanCount(messages), outcome.exchanging);
    println!(
        "throughput   {} messages/s, {mebibytes:.1} MiB/s each way",
        HumanCount(per_second as u64)
    );
    print_latencies(latencies);
    print_workers(outcome);
}

fn print_latencies(latencies: &Histogram<u64>) {
    println!("\nround trip");
    for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
        print_latency(name, latencies.value_at_quantile(quantile));
    }
    print_latency("max", latencies.max());
}

fn print_latency(name: &str, nanos: u64) {
    println!("  {name:<10} {:>10.2?}", Duration::from_nanos(nanos));
}

/// How the coroutines were spread. Each connection has two: the client's and the server's.
fn print_workers(outcome: &Outcome) {
    println!("\nworker        coroutines      resumed");
    let mut before = outcome.before.workers().iter();
    for (index, after) in outcome.after.workers().iter().enumerate() {
        let before = before.next();
        let live = before.map_or(0, |before| before.live());
        let resumed = after.resumed() - before.map_or(0, |before| before.resumed());
        let (live, resumed) = (HumanCount(live as u64), HumanCount(resumed));
        println!("  {index:<10} {:>11} {:>12}", live.to_string(), resumed.to_string());
    }
}

pub(crate) fn print_faults(plan: Plan, faults: &[String]) {
    eprintln!("echo_swarm: {} of {} clients failed:", faults.len(), plan.clients);
    for fault in faults.iter().take(FAULTS_SHOWN) {
        eprintln!("  {fault}");
    }
    if faults.len() > FAULTS_SHOWN {
        eprintln!("  and {} more", faults.len() - FAULTS_SHOWN);
    }
}
