//! A session: for every row so many rounds, in each round every side once, each in a process of its own.
//!
//! A side's process is this program again with `--side ROW RUNTIME` (Go's is the program in `go/`). It says
//! `value X..` and is done, or it says `listening ADDRESS`, serves, and answers each line on its standard input with
//! `cpu MICROSECONDS`, until that input ends. The load generator is this program with `--load ROW ADDRESS`.

mod child;
mod generator;
mod go;
mod server;
mod wrk;

use crate::plan::Plan;
use crate::row::{Client, Row, Saturating, Work};
use crate::runtimes::Runtime;
use child::Child;
pub(crate) use go::version as go_version;
use server::Server;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// What one side of a row has come to.
pub(crate) struct Side {
    pub(crate) runtime: Runtime,
    /// Of each round the row's figures.
    pub(crate) rounds: Vec<Vec<f64>>,
    /// Why there are no more of them.
    pub(crate) failure: Option<String>,
}

/// A row that was measured.
pub(crate) struct Measured {
    pub(crate) row: &'static Row,
    pub(crate) sides: Vec<Side>,
}

pub(crate) fn run(plan: &Plan) -> Vec<Measured> {
    let go = go::Program::build(plan);
    plan.rows.iter().map(|row| measure(plan, row, go.as_ref())).collect()
}

fn measure(plan: &Plan, row: &'static Row, go: Option<&go::Program>) -> Measured {
    let mut runtimes = row.runtimes();
    if go.is_some_and(|go| go.knows(row)) {
        runtimes.push(Runtime::Go);
    }
    runtimes.retain(|runtime| plan.only.as_ref().is_none_or(|only| only.contains(runtime)));
    let mut sides: Vec<Side> = runtimes
        .into_iter()
        .map(|runtime| Side { runtime, rounds: Vec::new(), failure: None })
        .collect();
    for round in 0..plan.rounds {
        eprint!("{} {}/{}:", row.name, round + 1, plan.rounds);
        // Each round begins with another side, and every other one goes backwards: a machine that becomes
        // faster or slower within a round then does nobody a favour.
        let count = sides.len();
        for turn in 0..count {
            let turn = if round % 2 == 0 { turn } else { count - 1 - turn };
            let side = &mut sides[(round / 2 + turn) % count];
            if side.failure.is_some() {
                continue;
            }
            match figures(plan, row, side.runtime, round, go) {
                Ok(figures) => {
                    let shown: Vec<_> =
                        figures.iter().map(|figure| format!("{figure:.2}")).collect();
                    eprint!(" {} {}", side.runtime.name(), shown.join("/"));
                    side.rounds.push(figures);
                }
                Err(failure) => {
                    eprint!(" {} failed", side.runtime.name());
                    side.failure = Some(failure);
                }
            }
        }
        eprintln!();
    }
    Measured { row, sides }
}

/// A single measurement: the row's figures.
fn figures(
    plan: &Plan,
    row: &Row,
    runtime: Runtime,
    round: usize,
    go: Option<&go::Program>,
) -> Result<Vec<f64>, String> {
    let command = match (runtime, go) {
        (Runtime::Go, Some(go)) => go.side(plan, row),
        _ => own_side(plan, row, runtime)?,
    };
    let figures = match &row.work {
        Work::Alone(_) | Work::AloneThree(_) => alone(command, runtime)?,
        Work::Served { client: Client::Wrk(how), .. } => saturated(plan, command, *how)?,
        Work::Served { client: Client::WrkCounted(how), .. } => counted(plan, command, *how)?,
        Work::Served { client: Client::Generator(load), .. } => {
            let mut server = Server::start(command)?;
            if !load.tls {
                server.check()?;
            }
            generator::drive(plan, row, load, round, &mut server)?
        }
    };
    if figures.len() == row.figures.len() {
        Ok(figures)
    } else {
        Err(format!("it gave {} figures, not {}", figures.len(), row.figures.len()))
    }
}

/// This program again.
fn own_side(plan: &Plan, row: &Row, runtime: Runtime) -> Result<Command, String> {
    let program =
        std::env::current_exe().map_err(|fault| format!("could not find this program: {fault}"))?;
    let mut command = Command::new(program);
    command.args(["--side", row.name, runtime.name()]);
    command.args(["--workers", &plan.setup.workers.to_string()]);
    command.args(["--min-ms", &plan.setup.at_least.as_millis().to_string()]);
    if let Some(bytes) = plan.setup.stack_size {
        command.args(["--stack-size", &bytes.to_string()]);
    }
    command.env_remove("MCO_TRACE");
    if runtime == Runtime::Traced {
        command.env("MCO_TRACE", trace_file());
    }
    Ok(command)
}

/// Where a side that is traced leaves its trace.
fn trace_file() -> PathBuf {
    std::env::temp_dir().join(format!("mco-benches-{}.trace.json", std::process::id()))
}

fn alone(command: Command, runtime: Runtime) -> Result<Vec<f64>, String> {
    let mut child = Child::start(command)?;
    let values = child.word_after("value", Duration::from_secs(60))?;
    if runtime == Runtime::Traced {
        // It writes at its end.
        child.end();
        fs::remove_file(trace_file()).map_err(|fault| format!("it left no trace: {fault}"))?;
    }
    let numbers: Result<_, _> = values.split(' ').map(str::parse).collect();
    numbers.map_err(|_| format!("its value was `{values}`"))
}

/// CPU time a request and the 99th percentile, in microseconds.
fn saturated(plan: &Plan, command: Command, how: Saturating) -> Result<Vec<f64>, String> {
    let mut server = Server::start(command)?;
    // Over TLS `wrk` alone sees whether the answers are complete; what makes them is the same.
    if !how.tls {
        server.check()?;
    }
    wrk::drive(server.address, how, Duration::from_secs(1))?;
    let before = server.cpu()?;
    let answers = wrk::drive(server.address, how, plan.served_for)?;
    let after = server.cpu()?;
    Ok(vec![(after - before) / answers.count as f64, answers.p99])
}

/// System calls a request.
fn counted(plan: &Plan, command: Command, how: Saturating) -> Result<Vec<f64>, String> {
    let summary = std::env::temp_dir().join(format!("mco-benches-{}.strace", std::process::id()));
    let mut strace = Command::new("strace");
    strace
        .args(["-c", "-f", "-o"])
        .arg(&summary)
        .arg(command.get_program())
        .args(command.get_args());
    let mut server = Server::start(strace)?;
    let answers = wrk::drive(server.address, how, plan.served_for)?;
    server.end();
    let text =
        fs::read_to_string(&summary).map_err(|fault| format!("strace left no summary: {fault}"))?;
    let _ = fs::remove_file(&summary);
    // The last line: `100.00 0.123456 5 12345 67 total`; the errors, before `total`, may be missing.
    let calls: f64 = text
        .lines()
        .rfind(|line| line.ends_with(" total"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok())
        .ok_or("strace's summary has no total")?;
    Ok(vec![calls / answers.count as f64])
}
