//! The rows that need channels, locks and `select!`.

mod channels;
mod cross;
mod mutex;
mod ping_pong;
mod select;

use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::Runtime;

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "ping_pong",
        what: "two coroutines, two unbounded channels, there and back",
        figures: &[Figure::only("ns per round trip", &[Goal::OfBestPeer(0.5)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, ping_pong::mco),
            (Runtime::Tokio, ping_pong::tokio),
            (Runtime::May, ping_pong::may),
        ]),
    },
    Row {
        name: "trace_ping_pong",
        what: "ping_pong as it is, and while it is traced",
        figures: &[Figure::only("ns per round trip", &[Goal::TracedOfMco(1.15)])],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, ping_pong::mco), (Runtime::Traced, ping_pong::mco)]),
    },
    Row {
        name: "ping_pong_cross",
        what: "ping_pong, the two begin on different workers, where those of mco stay",
        figures: &round_trips(&[Goal::AtMost(500.0)]),
        extra: false,
        work: Work::AloneThree(&[
            (Runtime::Mco, |setup| cross::mco::pair(setup, false)),
            (Runtime::Tokio, |setup| cross::tokio::pair(setup, false)),
        ]),
    },
    Row {
        name: "ping_pong_busy",
        what: "the same, the first one beside a coroutine that computes 10 us at a time, the other alone",
        figures: &round_trips(&[]),
        extra: false,
        work: Work::AloneThree(&[
            (Runtime::Mco, |setup| cross::mco::pair(setup, true)),
            (Runtime::Tokio, |setup| cross::tokio::pair(setup, true)),
        ]),
    },
    Row {
        name: "ping_pong_64",
        what: "64 such pairs at once, spread over all workers",
        figures: &round_trips(&[]),
        extra: false,
        work: Work::AloneThree(&[
            (Runtime::Mco, cross::mco::pairs),
            (Runtime::Tokio, cross::tokio::pairs),
        ]),
    },
    Row {
        name: "one_to_one_unbounded",
        what: "one producer, one consumer, unbounded channel",
        figures: &[Figure::only("ns per message", &[Goal::OfBestPeer(0.4)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, channels::unbounded::mco),
            (Runtime::Tokio, channels::unbounded::tokio),
            (Runtime::May, channels::unbounded::may),
        ]),
    },
    Row {
        name: "one_to_one_bounded_1024",
        what: "one producer, one consumer, channel bounded to 1,024",
        figures: &[Figure::only("ns per message", &[Goal::OfBestPeer(0.4)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| channels::bounded::mco(setup, 1)),
            (Runtime::Tokio, channels::bounded::tokio),
            (Runtime::Flume, |setup| channels::bounded::flume(setup, 1)),
        ]),
    },
    Row {
        name: "four_to_four_bounded_1024",
        what: "four producers, four consumers, channel bounded to 1,024",
        figures: &[Figure::only("ns per message", &[Goal::OfBestPeer(0.5)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| channels::bounded::mco(setup, 4)),
            (Runtime::Flume, |setup| channels::bounded::flume(setup, 4)),
        ]),
    },
    Row {
        name: "mutex_64",
        what: "64 coroutines add to a number behind one mutex",
        figures: &[Figure::only("ns per lock", &[Goal::OfBestPeer(0.9)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, mutex::mco),
            (Runtime::Tokio, mutex::tokio),
            (Runtime::May, mutex::may),
        ]),
    },
    Row {
        name: "select_4",
        what: "a send to one of four channels, then a select over all four",
        figures: &[Figure::only("ns per send and select", &[Goal::OfBestPeer(0.6)])],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, select::mco), (Runtime::Tokio, select::tokio)]),
    },
];

/// What `cross` gives, with the goals of the first.
const fn round_trips(goals: &'static [Goal]) -> [Figure; 3] {
    [
        Figure::called("mean", "ns per round trip", goals),
        Figure::called("p50", "ns", &[]),
        Figure::called("p99", "ns", &[]),
    ]
}
