//! What a session says in the end: medians, mco's shares of the others, goals met or not; as a table and as JSON.
//!
//! A share is taken round by round, and its median is what counts. The machine's speed changes from round to
//! round, by more than mco and its peers differ, and it does so for all sides of a round alike: a quotient of
//! two medians would compare rounds with each other.

use crate::plan::Plan;
use crate::row::{Better, Figure, Goal, Judged, Row};
use crate::rows;
use crate::runtimes::Runtime;
use crate::session::{Measured, go_version};
use std::fmt::Write;
use std::fs;

/// The lock file says which versions were built.
const LOCK: &str = include_str!("../../../Cargo.lock");

pub(crate) fn list() {
    for row in rows::all() {
        let names: Vec<_> = row.runtimes().into_iter().map(Runtime::name).collect();
        let extra = if row.extra { " (extra: only when named)" } else { "" };
        let figures: Vec<_> = row
            .figures
            .iter()
            .map(|figure| format!("{} {}", figure.name, figure.unit).trim_start().to_owned())
            .collect();
        let (figures, names) = (figures.join(", "), names.join(", "));
        println!("{:26} {}; {figures}{extra}; {names}", row.name, row.what);
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
}

/// One figure of a row that was measured: a line of the table.
struct Line<'a> {
    row: &'a Row,
    figure: &'a Figure,
    sides: Vec<Side<'a>>,
}

struct Side<'a> {
    runtime: Runtime,
    /// One a round.
    figures: Vec<f64>,
    failure: Option<&'a str>,
}

fn lines(results: &[Measured]) -> Vec<Line<'_>> {
    let lines_of = |measured: &Measured| {
        let row = measured.row;
        row.figures.iter().enumerate().map(move |(n, figure)| (row, n, figure))
    };
    results
        .iter()
        .flat_map(|measured| lines_of(measured).map(move |line| (measured, line)))
        .map(|(measured, (row, n, figure))| {
            let sides = measured.sides.iter().map(|side| Side {
                runtime: side.runtime,
                figures: side.rounds.iter().map(|figures| figures[n]).collect(),
                failure: side.failure.as_deref(),
            });
            Line { row, figure, sides: sides.collect() }
        })
        .collect()
}

/// What a goal is about that has nothing to do with others.
const FIGURE: &str = "figure";

/// A goal, and how mco stands to it.
struct Verdict {
    /// What the share is of, and the runtime that this was: `best peer (may)`.
    of: String,
    limit: f64,
    better: Better,
    judged: Judged,
    /// mco's share, or its figure, of each round; empty when there is nothing to compare.
    reached: Vec<f64>,
}

fn verdicts(line: &Line<'_>) -> Vec<Verdict> {
    // A side that failed in any round does not count: its other rounds may be the ones it was lucky in.
    let sides = || line.sides.iter().filter(|side| side.failure.is_none());
    let of = |runtime| sides().find(|side| side.runtime == runtime);
    let mco = of(Runtime::Mco);
    let shares = |side: Option<&Side<'_>>, of: Option<&Side<'_>>| -> Vec<f64> {
        let Some((side, of)) = side.zip(of) else { return Vec::new() };
        side.figures.iter().zip(&of.figures).map(|(figure, of)| figure / of).collect()
    };
    let Figure { better, judged, goals, .. } = *line.figure;
    let best = || {
        let shares = sides()
            .filter(|side| side.runtime.is_peer())
            .map(|side| (side.runtime, shares(mco, Some(side))))
            .filter_map(|(peer, shares)| Some((Summary::of(shares.clone())?.median, peer, shares)));
        match better {
            Better::Less => shares.max_by(|a, b| a.0.total_cmp(&b.0)),
            Better::More => shares.min_by(|a, b| a.0.total_cmp(&b.0)),
        }
    };
    goals
        .iter()
        .map(|goal| {
            let (of, limit, reached) = match *goal {
                Goal::OfBestPeer(limit) => match best() {
                    Some((_, peer, shares)) => {
                        (format!("best peer ({})", peer.name()), limit, shares)
                    }
                    None => ("best peer".into(), limit, Vec::new()),
                },
                Goal::Of(peer, limit) => (peer.name().into(), limit, shares(mco, of(peer))),
                Goal::OfFloor(limit) => {
                    ("floor (epoll)".into(), limit, shares(mco, of(Runtime::Epoll)))
                }
                Goal::AtMost(limit) => {
                    (FIGURE.into(), limit, mco.map_or(Vec::new(), |mco| mco.figures.clone()))
                }
                Goal::TracedOfMco(limit) => {
                    ("traced of mco".into(), limit, shares(of(Runtime::Traced), mco))
                }
            };
            Verdict { of, limit, better, judged, reached }
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
        match Summary::of(self.reached.clone()) {
            None => "-".into(),
            Some(reached) if self.of == FIGURE => self.number(reached.median),
            Some(reached) => {
                let [median, least, most] =
                    [reached.median, reached.least, reached.most].map(|value| self.number(value));
                format!("{median} ({least} .. {most})")
            }
        }
    }

    /// `0.45`, `at least 0.98, each round`.
    fn goal(&self) -> String {
        let least = if self.better == Better::More { "at least " } else { "" };
        let each = if self.judged == Judged::EachRound { ", each round" } else { "" };
        format!("{least}{}{each}", number(self.limit))
    }

    fn is_reached_by(&self, reached: f64) -> bool {
        match self.better {
            Better::Less => reached <= self.limit,
            Better::More => reached >= self.limit,
        }
    }

    /// Rounds that do not reach it by themselves.
    fn misses(&self) -> usize {
        self.reached.iter().filter(|reached| !self.is_reached_by(**reached)).count()
    }

    /// `None` when there is nothing to compare.
    fn met(&self) -> Option<bool> {
        let median = Summary::of(self.reached.clone())?.median;
        Some(match self.judged {
            Judged::Median => self.is_reached_by(median),
            Judged::EachRound => self.misses() == 0,
        })
    }

    fn word(&self) -> String {
        match self.met() {
            None => "-".into(),
            Some(true) => "met".into(),
            Some(false) if self.judged == Judged::EachRound => {
                format!("NOT MET in {} of {}", self.misses(), self.reached.len())
            }
            Some(false) => "NOT MET".into(),
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
    let mut text = vec![head];
    let (mut met, mut all) = (0, 0);
    for line in lines(results) {
        let mut cells = vec![line.row.title(line.figure), line.figure.unit.to_owned()];
        for runtime in &columns {
            let side = line.sides.iter().find(|side| side.runtime == *runtime);
            cells.push(side.map_or("-".into(), cell));
        }
        let verdicts = verdicts(&line);
        met += verdicts.iter().filter(|verdict| verdict.met() == Some(true)).count();
        all += verdicts.iter().filter(|verdict| verdict.met().is_some()).count();
        if verdicts.is_empty() {
            cells.extend(["", "", "", ""].map(String::from));
            text.push(cells);
            continue;
        }
        for verdict in verdicts {
            cells.extend([verdict.of.clone(), verdict.cell(), verdict.goal(), verdict.word()]);
            text.push(std::mem::replace(&mut cells, vec![String::new(); 2 + columns.len()]));
        }
    }
    let widths: Vec<_> = (0..text[0].len())
        .map(|n| text.iter().map(|line| line[n].chars().count()).max().unwrap_or(0))
        .collect();
    text.insert(1, widths.iter().map(|width| "-".repeat(*width)).collect());
    println!("\nmedian (least .. most) of {} rounds\n", plan.rounds);
    for line in text {
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
fn cell(side: &Side<'_>) -> String {
    match (side.failure, Summary::of(side.figures.clone())) {
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
    let rows: Vec<_> = lines(results).iter().map(json_line).collect();
    let _ = writeln!(text, "  \"rows\": [\n{}\n  ]\n}}", rows.join(",\n"));
    text
}

/// A row with several figures comes up once for each.
fn json_line(line: &Line<'_>) -> String {
    let sides: Vec<_> = line.sides.iter().map(json_side).collect();
    let goals: Vec<_> = verdicts(line)
        .iter()
        .map(|verdict| {
            let [reached, least, most] = match Summary::of(verdict.reached.clone()) {
                None => ["null"; 3].map(String::from),
                Some(s) => [s.median, s.least, s.most].map(|value| value.to_string()),
            };
            let (of, limit, misses) = (quoted(&verdict.of), verdict.limit, verdict.misses());
            let bound = if verdict.better == Better::More { "least" } else { "most" };
            let each_round = verdict.judged == Judged::EachRound;
            let met = verdict.met() == Some(true);
            format!(
                "{{\"of\": {of}, \"limit\": {limit}, \"at\": \"{bound}\", \"each_round\": {each_round}, \"reached\": {reached}, \"least\": {least}, \"most\": {most}, \"rounds_missed\": {misses}, \"met\": {met}}}"
            )
        })
        .collect();
    format!(
        "    {{\"name\": {}, \"figure\": {}, \"what\": {}, \"unit\": {},\n     \"sides\": {{{}}},\n     \"goals\": [{}]}}",
        quoted(line.row.name),
        quoted(line.figure.name),
        quoted(line.row.what),
        quoted(line.figure.unit),
        sides.join(",\n               "),
        goals.join(", ")
    )
}

fn json_side(side: &Side<'_>) -> String {
    let mut text = format!("{}: {{\"figures\": {:?}", quoted(side.runtime.name()), side.figures);
    if let Some(s) = Summary::of(side.figures.clone()) {
        let _ = write!(
            text,
            ", \"median\": {}, \"least\": {}, \"most\": {}",
            s.median, s.least, s.most
        );
    }
    if let Some(failure) = side.failure {
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
