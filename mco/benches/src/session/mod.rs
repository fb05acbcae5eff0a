//! A session: for every row so many rounds, in each round every side once, each in a process of its own.
//!
//! A side's process is this program again with `--side ROW RUNTIME` (Go's is the program in `go/`). It says
//! `value X` and is done, or it says `listening ADDRESS`, serves, and answers each line on its standard input with
//! `cpu MICROSECONDS`, until that input ends.

mod child;
mod go;
mod wrk;

use crate::command_line::Plan;
use crate::rows::{Figure, Load, RESPONSE, Row, Work};
use crate::runtimes::{Runtime, Setup};
use crate::system::cpu_time;
use child::Child;
pub(crate) use go::version as go_version;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, exit};
use std::time::Duration;

/// What one side of a row has come to.
pub(crate) struct Side {
    pub(crate) runtime: Runtime,
    /// One figure a round.
    pub(crate) figures: Vec<f64>,
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
        .map(|runtime| Side { runtime, figures: Vec::new(), failure: None })
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
            match figure(plan, row, side.runtime, go) {
                Ok(figure) => {
                    eprint!(" {} {figure:.2}", side.runtime.name());
                    side.figures.push(figure);
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

/// A single measurement.
fn figure(
    plan: &Plan,
    row: &Row,
    runtime: Runtime,
    go: Option<&go::Program>,
) -> Result<f64, String> {
    let command = match (runtime, go) {
        (Runtime::Go, Some(go)) => go.side(plan, row),
        _ => own_side(plan, row, runtime)?,
    };
    match row.work {
        Work::Alone(_) => {
            let mut child = Child::start(command)?;
            let value = child.word_after("value", Duration::from_secs(60))?;
            if runtime == Runtime::Traced {
                // It writes at its end.
                child.end();
                fs::remove_file(trace_file())
                    .map_err(|fault| format!("it left no trace: {fault}"))?;
            }
            value.parse().map_err(|_| format!("its value was `{value}`"))
        }
        Work::Served { ref load, figure: Figure::CpuMicroseconds, .. } => {
            cpu_per_request(plan, command, load)
        }
        Work::Served { ref load, figure: Figure::SystemCalls, .. } => {
            calls_per_request(plan, command, load)
        }
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

fn cpu_per_request(plan: &Plan, command: Command, load: &Load) -> Result<f64, String> {
    let mut server = Child::start(command)?;
    let address = listening(&mut server)?;
    // Over TLS `wrk` alone sees whether the answers are complete; what makes them is the same.
    if !load.tls {
        check(address)?;
    }
    wrk::drive(address, load, 1)?;
    let before = cpu_of(&mut server)?;
    let requests = wrk::drive(address, load, plan.http_seconds)?;
    let after = cpu_of(&mut server)?;
    Ok((after - before) / requests as f64)
}

fn calls_per_request(plan: &Plan, command: Command, load: &Load) -> Result<f64, String> {
    let summary = std::env::temp_dir().join(format!("mco-benches-{}.strace", std::process::id()));
    let mut strace = Command::new("strace");
    strace
        .args(["-c", "-f", "-o"])
        .arg(&summary)
        .arg(command.get_program())
        .args(command.get_args());
    let mut server = Child::start(strace)?;
    let address = listening(&mut server)?;
    let requests = wrk::drive(address, load, plan.http_seconds)?;
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
    Ok(calls / requests as f64)
}

fn listening(server: &mut Child) -> Result<SocketAddr, String> {
    let address = server.word_after("listening", Duration::from_secs(20))?;
    address.parse().map_err(|_| format!("it listens at `{address}`, which is no address"))
}

fn cpu_of(server: &mut Child) -> Result<f64, String> {
    server.say("cpu");
    let microseconds = server.word_after("cpu", Duration::from_secs(20))?;
    microseconds.parse().map_err(|_| format!("its CPU time was `{microseconds}`"))
}

/// Sees whether a server does its work, with three requests of which the second comes in two pieces.
fn check(address: SocketAddr) -> Result<(), String> {
    let talk = || {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.set_nodelay(true)?;
        let request = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n";
        stream.write_all(&[request, &request[..request.len() - 2]].concat())?;
        std::thread::sleep(Duration::from_millis(20));
        stream.write_all(&[&request[request.len() - 2..], request].concat())?;
        let mut answer = vec![0; 3 * RESPONSE.len()];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    let answer =
        talk().map_err(|fault: std::io::Error| format!("a first request failed: {fault}"))?;
    if answer == RESPONSE.repeat(3) {
        Ok(())
    } else {
        Err("it does not answer as it should".into())
    }
}

/// The child's part: takes the figure and says it, or serves.
pub(crate) fn be_a_side(row: &Row, runtime: Runtime, setup: &Setup) {
    match row.work {
        Work::Alone(sides) => {
            let side = sides
                .iter()
                .find(|side| side.0 == runtime)
                .expect("this runtime has no part in this row");
            println!("value {}", side.1(setup));
        }
        Work::Served { sides, .. } => {
            let side = sides
                .iter()
                .find(|side| side.0 == runtime)
                .expect("this runtime has no part in this row");
            side.1(setup);
        }
    }
    // Not by returning: sleepers that are left need not be woken.
    exit(0);
}

/// A server's part: says where it listens, and from then on how much processor time it has used, whenever asked.
pub(crate) fn announce(address: SocketAddr) {
    println!("listening {address}");
    std::thread::spawn(|| {
        for _ in std::io::stdin().lines().map_while(Result::ok) {
            println!("cpu {}", cpu_time().as_micros());
        }
        exit(0);
    });
}
