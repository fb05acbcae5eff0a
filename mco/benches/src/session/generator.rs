//! The load generator of this program, as a process that the session starts.

use super::child::Child;
use super::server::Server;
use crate::plan::Plan;
use crate::row::{Load, Row};
use std::process::Command;
use std::time::Duration;

/// Of the requests answered, at least this part of those that were to be sent, or the figures say nothing.
const ENOUGH: f64 = 0.9;

/// Drives a server with a row's load, and gives the row's figures. Chance decides the same for all sides of a round.
pub(super) fn drive(
    plan: &Plan,
    row: &Row,
    load: &Load,
    round: usize,
    server: &mut Server,
) -> Result<Vec<f64>, String> {
    let program =
        std::env::current_exe().map_err(|fault| format!("could not find this program: {fault}"))?;
    let mut command = Command::new(program);
    command.args(["--load", row.name, &server.address.to_string()]);
    command.args(["--seed", &(round + 1).to_string()]);
    command.args(["--http-seconds", &plan.served_for.as_secs().to_string()]);
    command.args(["--light-seconds", &plan.light_for.as_secs().to_string()]);
    command.args(["--tick-us", &plan.tick.as_micros().to_string()]);
    let mut generator = Child::start(command)?;
    let limit = Duration::from_secs(30);
    generator.word_after("measuring", plan.light_for + limit)?;
    let before = server.cpu()?;
    let taken = generator.word_after("taken", plan.served_for + limit)?;
    let after = server.cpu()?;
    let numbers: Option<Vec<f64>> = taken.split(' ').map(|number| number.parse().ok()).collect();
    let Some([requests, median, p99, late, heavy]) = numbers.as_deref() else {
        return Err(format!("the load generator took `{taken}`"));
    };
    let rate = requests / plan.served_for.as_secs_f64();
    if rate < ENOUGH * f64::from(load.rate) {
        return Err(format!("{rate:.0} requests a second were sent, {} wanted", load.rate));
    }
    Ok(match load.heavy {
        None => vec![(after - before) / requests, *median, *p99, rate, *late],
        Some(_) => vec![*heavy, *median, *p99, *late],
    })
}
