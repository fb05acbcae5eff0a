//! What a session says in the end: medians, mco's shares of the others, goals met or not; as a table and as JSON.
//!
//! A share is taken round by round, and its median is what counts. The machine's speed changes from round to
//! round, by more than mco and its peers differ, and it does so for all sides of a round alike: a quotient of
//! two medians would compare rounds with each other.

use crate::command_line::Plan;
use crate::rows::{self, Goal};
use crate::runtimes::Runtime;
use crate::session::{Measured, Side, go_version};
use std::fmt::Write;
use std::fs;

/// The lock file says which versions were built.
const LOCK: &str = include_str!("../../../Cargo.lock");

pub(crate) fn list() {
    for row in rows::all() {
        let names: Vec<_> = row.runtimes().into_iter().map(Runtime::name).collect();
        let extra = if row.extra { " (extra: only when named)" } else { "" };
        println!("{:26} {}, {}{extra}; {}", row.name, row.what, row.unit, names.join(", "));
    }
}

/// Under what conditions all of it is measured: names and values.
pub(crate) struct Conditions(Vec<(&'static str, String)>);

impl Conditions {
    pub(crate) fn now(plan: &Plan) -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let cpuinfo = read("/proc/cpuinfo");
        let model = cpuinfo
            .lines()
            .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
            .map_or("an unknown processor", |(_, model)| model);
        let kernel = read("/proc/sys/kernel/osrelease");
        let load = read("/proc/loadavg");
        let built =
            ["mco", "tokio", "flume", "may"].map(|name| format!("{name} {}", version(name)));
        Self(vec![
            ("versions", built.join(", ")),
            ("go", go_version(plan).unwrap_or("none".into())),
            ("machine", format!("{cores} cores of {model}, Linux {}", kernel.trim())),
            ("load before", load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
            ("workers", plan.setup.workers.to_string()),
            ("rounds", plan.rounds.to_string()),
        ])
    }

    pub(crate) fn print(&self) {
        for (name, value) in &self.0 {
            println!("{name}: {value}");
        }
    }
}

fn version(name: &str) -> &str {
    LOCK.split_once(&format!("name = \"{name}\"\nversion = \""))
        .and_then(|(_, rest)| rest.split_once('"'))
        .map_or("?", |(version, _)| version)
}

/// The middle and the ends of several figures.
struct Summary {
    median: f64,
    least: f64,
    most: f64,
}

impl Summary {
    fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let middle = figures.len() / 2;
        let median = match figures.len() {
            0 => return None,
            n if n % 2 == 0 => f64::midpoint(figures[middle - 1], figures[middle]),
            _ => figures[middle],
        };
        Some(Self { median, least: figures[0], most: figures[figures.len() - 1] })
    }

    /// Of one side's figures by another's, round by round.
    fn of_shares(side: &Side, of: &Side) -> Option<Self> {
        Self::of(side.figures.iter().zip(&of.figures).map(|(figure, of)| figure / of).collect())
    }
}

/// What a goal is about that has nothing to do with others.
const FIGURE: &str = "figure";

/// A goal, and how mco stands to it.
struct Verdict {
    /// What the share is of, and the runtime that this was: `best peer (may)`.
    of: String,
    limit: f64,
    /// mco's share, or its figure; `None` when there is nothing to compare.
    reached: Option<Summary>,
    met: bool,
}

fn verdicts(measured: &Measured) -> Vec<Verdict> {
    // A side that failed in any round does not count: its other rounds may be the ones it was lucky in.
    let sides = || measured.sides.iter().filter(|side| side.failure.is_none());
    let of = |runtime| sides().find(|side| side.runtime == runtime);
    let mco = of(Runtime::Mco);
    let share_of =
        |side: Option<&Side>| mco.zip(side).and_then(|(mco, side)| Summary::of_shares(mco, side));
    let best = || {
        let peers = sides().filter(|side| side.runtime.is_peer());
        let shares = peers.filter_map(|side| Some((side.runtime, share_of(Some(side))?)));
        shares.max_by(|a, b| a.1.median.total_cmp(&b.1.median))
    };
    let goals = measured.row.goals.iter();
    goals
        .map(|goal| {
            let (of, limit, reached) = match *goal {
                Goal::OfBestPeer(limit) => match best() {
                    Some((peer, share)) => {
                        (format!("best peer ({})", peer.name()), limit, Some(share))
                    }
                    None => ("best peer".into(), limit, None),
                },
                Goal::Of(peer, limit) => (peer.name().into(), limit, share_of(of(peer))),
                Goal::OfFloor(limit) => {
                    ("floor (epoll)".into(), limit, share_of(of(Runtime::Epoll)))
                }
                Goal::AtMost(limit) => {
                    let figures = mco.and_then(|mco| Summary::of(mco.figures.clone()));
                    (FIGURE.into(), limit, figures)
                }
                Goal::TracedOfMco(limit) => {
                    let both = of(Runtime::Traced).zip(mco);
                    let share = both.and_then(|(traced, mco)| Summary::of_shares(traced, mco));
                    ("traced of mco".into(), limit, share)
                }
            };
            let met = reached.as_ref().is_some_and(|reached| reached.median <= limit);
            Verdict { of, limit, reached, met }
        })
        .collect()
}

impl Verdict {
    /// A share has a digit more than a figure, as goals are often all but met.
    fn number(&self, reached: f64) -> String {
        if self.of == FIGURE { number(reached) } else { format!("{reached:.3}") }
    }

    /// `0.945 (0.912 .. 1.030)`; of a figure, whose ends stand elsewhere, the middle alone.
    fn cell(&self) -> String {
        match &self.reached {
            None => "-".into(),
            Some(reached) if self.of == FIGURE => self.number(reached.median),
            Some(reached) => {
                let [median, least, most] =
                    [reached.median, reached.least, reached.most].map(|value| self.number(value));
                format!("{median} ({least} .. {most})")
            }
        }
    }

    fn word(&self) -> &'static str {
        match self.reached {
            None => "-",
            Some(_) if self.met => "met",
            Some(_) => "NOT MET",
        }
    }
}

pub(crate) fn table(plan: &Plan, results: &[Measured]) {
    let columns: Vec<_> = Runtime::ALL
        .into_iter()
        .filter(|runtime| {
            results.iter().any(|m| m.sides.iter().any(|side| side.runtime == *runtime))
        })
        .collect();
    let mut head = vec!["row".into(), "unit".into()];
    head.extend(columns.iter().map(|runtime| runtime.name().to_owned()));
    head.extend(["share of".into(), "mco's".into(), "goal".into(), "verdict".into()]);
    let mut lines = vec![head];
    let (mut met, mut all) = (0, 0);
    for measured in results {
        let mut line = vec![measured.row.name.to_owned(), measured.row.unit.to_owned()];
        for runtime in &columns {
            line.push(
                measured
                    .sides
                    .iter()
                    .find(|side| side.runtime == *runtime)
                    .map_or("-".into(), cell),
            );
        }
        let verdicts = verdicts(measured);
        met += verdicts.iter().filter(|verdict| verdict.met).count();
        all += verdicts.iter().filter(|verdict| verdict.reached.is_some()).count();
        if verdicts.is_empty() {
            line.extend(["", "", "", ""].map(String::from));
            lines.push(line);
            continue;
        }
        for verdict in verdicts {
            line.extend([
                verdict.of.clone(),
                verdict.cell(),
                number(verdict.limit),
                verdict.word().into(),
            ]);
            lines.push(std::mem::replace(&mut line, vec![String::new(); 2 + columns.len()]));
        }
    }
    let widths: Vec<_> = (0..lines[0].len())
        .map(|n| lines.iter().map(|line| line[n].chars().count()).max().unwrap_or(0))
        .collect();
    lines.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    println!("\nmedian (least .. most) of {} rounds\n", plan.rounds);
    for line in lines {
        let cells: Vec<_> =
            line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("| {} |", cells.join(" | "));
    }
    println!("\n{met} of {all} goals met");
    for measured in results {
        for side in &measured.sides {
            if let Some(failure) = &side.failure {
                println!("{}, {}: {failure}", measured.row.name, side.runtime.name());
            }
        }
    }
}

/// `45.1 (44.0 .. 47.2)`; of a side that failed, how: the rest is below the table.
fn cell(side: &Side) -> String {
    match (&side.failure, Summary::of(side.figures.clone())) {
        (Some(failure), _) => ["crashed", "hung"]
            .into_iter()
            .find(|word| failure.starts_with(word))
            .unwrap_or("failed")
            .into(),
        (None, Some(s)) => {
            let [median, least, most] = [s.median, s.least, s.most].map(number);
            format!("{median} ({least} .. {most})")
        }
        (None, None) => "-".into(),
    }
}

/// Three or four digits that count.
fn number(value: f64) -> String {
    match value.abs() {
        a if a < 10.0 => format!("{value:.2}"),
        a if a < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

pub(crate) fn json(conditions: &Conditions, results: &[Measured]) -> String {
    let mut text = String::from("{\n");
    for (key, value) in &conditions.0 {
        let _ = writeln!(text, "  {}: {},", quoted(key), quoted(value));
    }
    let rows: Vec<_> = results.iter().map(json_row).collect();
    let _ = writeln!(text, "  \"rows\": [\n{}\n  ]\n}}", rows.join(",\n"));
    text
}

fn json_row(measured: &Measured) -> String {
    let sides: Vec<_> = measured.sides.iter().map(json_side).collect();
    let goals: Vec<_> = verdicts(measured)
        .iter()
        .map(|verdict| {
            let [reached, least, most] = match &verdict.reached {
                None => ["null"; 3].map(String::from),
                Some(s) => [s.median, s.least, s.most].map(|value| value.to_string()),
            };
            let (of, limit, met) = (quoted(&verdict.of), verdict.limit, verdict.met);
            format!(
                "{{\"of\": {of}, \"limit\": {limit}, \"reached\": {reached}, \"least\": {least}, \"most\": {most}, \"met\": {met}}}"
            )
        })
        .collect();
    format!(
        "    {{\"name\": {}, \"what\": {}, \"unit\": {},\n     \"sides\": {{{}}},\n     \"goals\": [{}]}}",
        quoted(measured.row.name),
        quoted(measured.row.what),
        quoted(measured.row.unit),
        sides.join(",\n               "),
        goals.join(", ")
    )
}

fn json_side(side: &Side) -> String {
    let mut text = format!("{}: {{\"figures\": {:?}", quoted(side.runtime.name()), side.figures);
    if let Some(s) = Summary::of(side.figures.clone()) {
        let _ = write!(
            text,
            ", \"median\": {}, \"least\": {}, \"most\": {}",
            s.median, s.least, s.most
        );
    }
    if let Some(failure) = &side.failure {
        let _ = write!(text, ", \"failure\": {}", quoted(failure));
    }
    text + "}"
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", c as u32);
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
