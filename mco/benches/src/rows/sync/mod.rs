//! The rows that need channels, locks and `select!`.

mod channels;
mod mutex;
mod ping_pong;
mod select;

use super::{Goal, Row, Work};
use crate::runtimes::Runtime;

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "ping_pong",
        what: "two coroutines, two unbounded channels, there and back",
        unit: "ns per round trip",
        goals: &[Goal::OfBestPeer(0.5)],
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
        unit: "ns per round trip",
        goals: &[Goal::TracedOfMco(1.15)],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, ping_pong::mco), (Runtime::Traced, ping_pong::mco)]),
    },
    Row {
        name: "ping_pong_cross",
        what: "the same, the two on different workers of mco",
        unit: "ns per round trip",
        goals: &[Goal::AtMost(600.0)],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, ping_pong::mco_cross)]),
    },
    Row {
        name: "one_to_one_unbounded",
        what: "one producer, one consumer, unbounded channel",
        unit: "ns per message",
        goals: &[Goal::OfBestPeer(0.4)],
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
        unit: "ns per message",
        goals: &[Goal::OfBestPeer(0.4)],
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
        unit: "ns per message",
        goals: &[Goal::OfBestPeer(0.5)],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| channels::bounded::mco(setup, 4)),
            (Runtime::Flume, |setup| channels::bounded::flume(setup, 4)),
        ]),
    },
    Row {
        name: "mutex_64",
        what: "64 coroutines add to a number behind one mutex",
        unit: "ns per lock",
        goals: &[Goal::OfBestPeer(0.9)],
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
        unit: "ns per send and select",
        goals: &[Goal::OfBestPeer(0.6)],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, select::mco), (Runtime::Tokio, select::tokio)]),
    },
];
