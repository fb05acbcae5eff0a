//! What a row of the report is: a piece of work, whom it is measured for, and what mco is to reach.

use crate::runtimes::{Runtime, Setup};

pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    /// What a measurement gives, in this order.
    pub(crate) figures: &'static [Figure],
    /// Only measured when it is named.
    pub(crate) extra: bool,
    pub(crate) work: Work,
}

/// One of the figures of a row, each of which is judged by itself.
pub(crate) struct Figure {
    /// Tells it from the row's others; empty where it is the only one.
    pub(crate) name: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) goals: &'static [Goal],
    pub(crate) better: Better,
    pub(crate) judged: Judged,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Less,
    More,
}

/// What must reach a goal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judged {
    /// The median of the rounds.
    Median,
    /// Every round: for what goes well or badly by chance, where a median hides the bad ones.
    EachRound,
}

impl Figure {
    /// The only figure of a row, the less of it the better.
    pub(crate) const fn only(unit: &'static str, goals: &'static [Goal]) -> Self {
        Self::called("", unit, goals)
    }

    /// One of several, the less of it the better.
    pub(crate) const fn called(
        name: &'static str,
        unit: &'static str,
        goals: &'static [Goal],
    ) -> Self {
        Self { name, unit, goals, better: Better::Less, judged: Judged::Median }
    }

    /// The more of it the better.
    pub(crate) const fn more(self) -> Self {
        Self { better: Better::More, ..self }
    }

    /// A goal is met in every round, or not at all.
    pub(crate) const fn each_round(self) -> Self {
        Self { judged: Judged::EachRound, ..self }
    }
}

/// What mco's figure must not exceed, or must reach where more is better.
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
    /// The process measures itself and gives the row's only figure.
    Alone(Sides<fn(&Setup) -> f64>),
    /// The process measures itself and gives three.
    AloneThree(Sides<fn(&Setup) -> [f64; 3]>),
    /// The process serves until it is told to end, a client drives it, and the session takes the figures.
    Served { sides: Sides<fn(&Setup)>, client: Client },
}

/// What a server is driven by, and what is taken of it.
pub(crate) enum Client {
    /// `wrk`, which sends a request as soon as the one before is answered. CPU time a request; 99th percentile.
    Wrk(Saturating),
    /// The same while `strace` counts the server's system calls: calls a request.
    WrkCounted(Saturating),
    /// The load generator of this program. Without heavy requests: CPU time a request, median, 99th percentile,
    /// requests a second, how late the generator was. With them: heavy answers a second; of the light ones
    /// median, 99th percentile, how late the generator was.
    Generator(Load),
}

/// What `wrk` does to a server.
#[derive(Clone, Copy)]
pub(crate) struct Saturating {
    pub(crate) connections: usize,
    /// Requests that go out together on a connection.
    pub(crate) pipelined: usize,
    /// Over TLS.
    pub(crate) tls: bool,
}

/// What the load generator does to a server.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    /// Connections that send requests at random times of their own.
    pub(crate) light: usize,
    /// How many requests a second they send together.
    pub(crate) rate: u32,
    /// Over TLS.
    pub(crate) tls: bool,
    /// Two more connections.
    pub(crate) heavy: Option<Heavy>,
}

/// Two connections that each send a request of a millisecond's work as soon as the one before is answered.
#[derive(Clone, Copy)]
pub(crate) struct Heavy {
    pub(crate) request: HeavyRequest,
    pub(crate) begins: Begins,
}

/// What a server does for a heavy request before it answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum HeavyRequest {
    /// It uses a millisecond of processor time.
    Compute,
    /// It keeps its thread asleep for a millisecond.
    Block,
}

/// When the heavy connections are made, and when they become heavy.
#[derive(Clone, Copy)]
pub(crate) enum Begins {
    /// Made among the others, at places that each round chooses by chance, and heavy at once.
    AmongOthers,
    /// Made first, and at work when the others are made.
    First,
    /// Made among the others. One is heavy at once, one is as light as the others for a while.
    OneLater,
}

impl Row {
    /// The runtimes that take part, Go left out: what it can do, its own program says.
    pub(crate) fn runtimes(&self) -> Vec<Runtime> {
        fn names<F>(sides: Sides<F>) -> Vec<Runtime> {
            sides.iter().map(|side| side.0).collect()
        }
        match self.work {
            Work::Alone(sides) => names(sides),
            Work::AloneThree(sides) => names(sides),
            Work::Served { sides, .. } => names(sides),
        }
    }

    /// The row's name, and the figure's if it has several: `http_64 p99`.
    pub(crate) fn title(&self, figure: &Figure) -> String {
        format!("{} {}", self.name, figure.name).trim_end().to_owned()
    }
}
