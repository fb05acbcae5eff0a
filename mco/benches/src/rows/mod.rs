//! The work to measure, one file a family. A row's function takes one figure for one runtime, in a process of its own.

mod dump;
mod http;
mod idle;
mod late;
mod skynet;
mod spawn;
mod sync;
mod yields;

pub(crate) use http::RESPONSE;

use crate::runtimes::{Runtime, Setup};

/// One line of the report: a piece of work, whom it is measured for, and what mco is to reach.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) goals: &'static [Goal],
    /// Only measured when it is named.
    pub(crate) extra: bool,
    pub(crate) work: Work,
}

/// What mco's figure must not exceed.
#[derive(Clone, Copy)]
pub(crate) enum Goal {
    /// So much of the best peer's figure.
    OfBestPeer(f64),
    /// So much of one peer's figure.
    Of(Runtime, f64),
    /// So much of the raw loop's figure.
    OfFloor(f64),
    /// So much, whatever others do.
    AtMost(f64),
    /// While it records, so much of what it is while it does not.
    TracedOfMco(f64),
}

/// A function for each runtime that takes part.
pub(crate) type Sides<F> = &'static [(Runtime, F)];

pub(crate) enum Work {
    /// The process measures itself and gives the figure.
    Alone(Sides<fn(&Setup) -> f64>),
    /// The process serves until it is told to end, `wrk` drives it, and the session takes the figure.
    Served { sides: Sides<fn(&Setup)>, load: Load, figure: Figure },
}

/// What `wrk` does to a server.
pub(crate) struct Load {
    pub(crate) connections: usize,
    /// Requests that go out together on a connection.
    pub(crate) pipelined: usize,
    /// Over TLS.
    pub(crate) tls: bool,
}

/// What is taken of a server, per request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Figure {
    CpuMicroseconds,
    SystemCalls,
}

impl Row {
    /// The runtimes that take part, Go left out: what it can do, its own program says.
    pub(crate) fn runtimes(&self) -> Vec<Runtime> {
        match self.work {
            Work::Alone(sides) => sides.iter().map(|side| side.0).collect(),
            Work::Served { sides, .. } => sides.iter().map(|side| side.0).collect(),
        }
    }
}

/// Every row, in the order of the report.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [
        yields::ROWS,
        spawn::ROWS,
        skynet::ROWS,
        idle::ROWS,
        late::ROWS,
        http::ROWS,
        sync::ROWS,
        dump::ROWS,
    ]
    .into_iter()
    .flatten()
}

pub(crate) fn find(name: &str) -> Option<&'static Row> {
    all().find(|row| row.name == name)
}
