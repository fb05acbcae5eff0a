//! What the command line asks for.

use crate::load::Measurement;
use crate::plan::Plan;
use crate::row::{Client, Load, Row, Work};
use crate::rows;
use crate::runtimes::{Runtime, Setup};
use std::net::SocketAddr;
use std::time::Duration;

pub(crate) const USAGE: &str = "\
usage: cargo run --release -p mco-benches -- [ROW..] [OPTION..]

  ROW               a row's name, or the start of several (`http`); without any, every row that `--list` does not call extra
  --list            list the rows and end
  --rounds N        measurements of each side of a row, interleaved (5)
  --workers N       worker threads of each runtime (2)
  --only A,B        only these of mco, traced, tokio, flume, may, epoll, go
  --json FILE       write the result there, too
  --stack-size N    bytes of a coroutine's stack, for mco and May (the default of each)
  --min-ms N        the shortest measurement, in milliseconds (200)
  --http-seconds N  how long a server is driven in each round (2)
  --light-seconds N how long a connection is light that turns heavy, in `skew_turns_heavy` (3)
  --tick-us N       the load generator sends in bursts, so far apart (0: none)";

/// What this process is to do.
pub(crate) enum Request {
    Help,
    List,
    Session(Plan),
    /// Take one figure of one runtime, as the child of a session.
    Side {
        row: &'static Row,
        runtime: Runtime,
        setup: Setup,
    },
    /// Drive a server, as the child of a session.
    Load {
        server: SocketAddr,
        load: &'static Load,
        measurement: Measurement,
    },
}

pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut side = None;
    let mut load = None;
    let mut seed = 1;
    let mut plan = Plan {
        rows: Vec::new(),
        rounds: 5,
        only: None,
        json: None,
        served_for: Duration::from_secs(2),
        light_for: Duration::from_secs(3),
        tick: Duration::ZERO,
        setup: Setup {
            workers: 2,
            stack_size: None,
            at_least: Duration::from_millis(200),
            kept_stacks: None,
        },
    };
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("`{word}` needs a value"));
        match word.as_str() {
            "--help" | "-h" => return Ok(Request::Help),
            "--list" => return Ok(Request::List),
            "--rounds" => plan.rounds = count(&value()?)?,
            "--workers" => plan.setup.workers = count(&value()?)?,
            "--stack-size" => plan.setup.stack_size = Some(count(&value()?)?),
            "--min-ms" => plan.setup.at_least = Duration::from_millis(count(&value()?)? as u64),
            "--http-seconds" => plan.served_for = seconds(&value()?)?,
            "--tick-us" => plan.tick = Duration::from_micros(number(&value()?)? as u64),
            "--light-seconds" => plan.light_for = seconds(&value()?)?,
            "--json" => plan.json = Some(value()?.into()),
            "--only" => {
                plan.only = Some(value()?.split(',').map(runtime).collect::<Result<_, _>>()?)
            }
            "--side" => side = Some((row(&value()?)?, runtime(&value()?)?)),
            "--load" => load = Some((load_of(row(&value()?)?)?, address(&value()?)?)),
            "--seed" => seed = count(&value()?)? as u64,
            option if option.starts_with('-') => {
                return Err(format!("there is no option `{option}`"));
            }
            name => plan.rows.extend(rows_called(name)?),
        }
    }
    if let Some((row, runtime)) = side {
        return Ok(Request::Side { row, runtime, setup: plan.setup });
    }
    if let Some((load, server)) = load {
        let Plan { served_for: lasts, light_for, tick, .. } = plan;
        let measurement = Measurement { lasts, light_for, tick, seed };
        return Ok(Request::Load { server, load, measurement });
    }
    if plan.rows.is_empty() {
        plan.rows = rows::all().filter(|row| !row.extra).collect();
    }
    Ok(Request::Session(plan))
}

/// The row of that name, or else all rows that are not extra and whose names start with it.
fn rows_called(name: &str) -> Result<Vec<&'static Row>, String> {
    if let Some(row) = rows::find(name) {
        return Ok(vec![row]);
    }
    let found: Vec<_> =
        rows::all().filter(|row| !row.extra && row.name.starts_with(name)).collect();
    if found.is_empty() {
        Err(format!("there is no row `{name}`, see `--list`"))
    } else {
        Ok(found)
    }
}

fn row(name: &str) -> Result<&'static Row, String> {
    rows::find(name).ok_or_else(|| format!("there is no row `{name}`"))
}

fn load_of(row: &'static Row) -> Result<&'static Load, String> {
    match &row.work {
        Work::Served { client: Client::Generator(load), .. } => Ok(load),
        _ => Err(format!("the load generator has no part in `{}`", row.name)),
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| format!("`{text}` is no address"))
}

fn seconds(text: &str) -> Result<Duration, String> {
    Ok(Duration::from_secs(count(text)? as u64))
}

fn count(text: &str) -> Result<usize, String> {
    match number(text)? {
        0 => Err("0 is too few".into()),
        count => Ok(count),
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("`{text}` is not a number of the kind that is wanted"))
}

fn runtime(name: &str) -> Result<Runtime, String> {
    Runtime::ALL
        .into_iter()
        .find(|runtime| runtime.name() == name)
        .ok_or_else(|| format!("there is no runtime `{name}`"))
}
