//! What the command line asks for.

use crate::rows::{self, Row};
use crate::runtimes::{Runtime, Setup};
use std::path::PathBuf;
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
  --http-seconds N  how long `wrk` drives a server in each round (2)";

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
}

/// A whole session: which rows, which sides, how often.
pub(crate) struct Plan {
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) rounds: usize,
    pub(crate) only: Option<Vec<Runtime>>,
    pub(crate) json: Option<PathBuf>,
    pub(crate) http_seconds: u64,
    pub(crate) setup: Setup,
}

pub(crate) fn parse(mut words: impl Iterator<Item = String>) -> Result<Request, String> {
    let mut side = None;
    let mut plan = Plan {
        rows: Vec::new(),
        rounds: 5,
        only: None,
        json: None,
        http_seconds: 2,
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
            "--http-seconds" => plan.http_seconds = count(&value()?)? as u64,
            "--json" => plan.json = Some(value()?.into()),
            "--only" => {
                plan.only = Some(value()?.split(',').map(runtime).collect::<Result<_, _>>()?)
            }
            "--side" => side = Some((value()?, runtime(&value()?)?)),
            option if option.starts_with('-') => {
                return Err(format!("there is no option `{option}`"));
            }
            name => plan.rows.extend(rows_called(name)?),
        }
    }
    if let Some((name, runtime)) = side {
        let row = rows::find(&name).ok_or_else(|| format!("there is no row `{name}`"))?;
        return Ok(Request::Side { row, runtime, setup: plan.setup });
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

fn count(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|n| *n > 0).ok_or_else(|| format!("`{text}` is not a positive number"))
}

fn runtime(name: &str) -> Result<Runtime, String> {
    Runtime::ALL
        .into_iter()
        .find(|runtime| runtime.name() == name)
        .ok_or_else(|| format!("there is no runtime `{name}`"))
}
