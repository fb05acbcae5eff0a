//! Uneven work: 62 light connections beside two that each ask for a millisecond of it, again and again.
//!
//! How it goes depends on which workers the two heavy ones come to be on, so each round is a trial of its own, and each
//! must reach the goals.

use super::http;
use crate::row::{Begins, Client, Figure, Goal, Heavy, HeavyRequest, Load, Row, Sides, Work};
use crate::runtimes::{Runtime, Setup};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "skew",
        what: "62 light connections, 5,500 requests a second, and two that compute, made among them",
        figures: FIGURES,
        extra: false,
        work: beside(HeavyRequest::Compute, Begins::AmongOthers),
    },
    Row {
        name: "skew_heavy_first",
        what: "the same, the two that compute made first",
        figures: FIGURES,
        extra: false,
        work: beside(HeavyRequest::Compute, Begins::First),
    },
    Row {
        name: "skew_turns_heavy",
        what: "the same, one of the two as light as the others for some seconds",
        figures: FIGURES,
        extra: false,
        work: beside(HeavyRequest::Compute, Begins::OneLater),
    },
    Row {
        name: "skew_blocking",
        what: "as `skew`, the two have their thread sleep for a millisecond instead of computing",
        figures: FIGURES,
        extra: false,
        work: beside(HeavyRequest::Block, Begins::AmongOthers),
    },
];

const FIGURES: &[Figure] = &[
    Figure::called("heavy", "answers per second", &[Goal::Of(Runtime::Tokio, 0.98)])
        .more()
        .each_round(),
    Figure::called("light p50", "us", &[]),
    Figure::called("light p99", "us", &[Goal::Of(Runtime::Tokio, 1.0)]).each_round(),
    Figure::called("sent late, p99", "us", &[]),
];

const SIDES: Sides<fn(&Setup)> =
    &[(Runtime::Mco, http::mco), (Runtime::Tokio, http::tokio), (Runtime::May, http::may)];

const fn beside(request: HeavyRequest, begins: Begins) -> Work {
    let heavy = Some(Heavy { request, begins });
    let load = Load { light: 62, rate: 5500, tls: false, heavy };
    Work::Served { sides: SIDES, client: Client::Generator(load) }
}
