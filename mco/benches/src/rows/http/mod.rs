//! A web server as small as it can be: it reads into a buffer of 16 KiB, finds the blank lines that end the requests,
//! and writes one fixed response with 13 bytes of plain text for each, all responses to what it has read at once.

mod epoll;
mod tls;

use crate::exchange::Exchange;
use crate::row::{Client, Figure, Goal, Load, Row, Saturating, Sides, Work};
use crate::runtimes::{Runtime, Setup, may_spawn, on_may, on_mco, on_tokio};
use crate::side::{ANYWHERE, announce};
use std::io::{Read, Write};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "http_64",
        what: "keep-alive HTTP, 64 connections",
        figures: &[cpu(&cpu_goals(1.03)), p99(&[])],
        extra: false,
        work: Work::Served { sides: SIDES, client: Client::Wrk(PLAIN_64) },
    },
    Row {
        name: "http_1000",
        what: "keep-alive HTTP, 1,000 connections",
        figures: &[cpu(&cpu_goals(1.0)), p99(&[Goal::Of(Runtime::Tokio, 0.9)])],
        extra: false,
        work: Work::Served { sides: SIDES, client: Client::Wrk(PLAIN_1000) },
    },
    Row {
        name: "http_64_pipelined",
        what: "keep-alive HTTP, 64 connections, 16 requests pipelined",
        figures: &[cpu(&cpu_goals(1.0)), p99(&[])],
        extra: false,
        work: Work::Served { sides: SIDES, client: Client::Wrk(PIPELINED) },
    },
    Row {
        name: "http_64_paced_22000",
        what: "64 connections, 22,000 requests a second in all, each sent when it is due",
        figures: &PACED_22000,
        extra: false,
        work: Work::Served { sides: SIDES, client: Client::Generator(paced(22_000, false)) },
    },
    Row {
        name: "http_64_paced_6000",
        what: "the same, 6,000 a second",
        figures: &PACED_6000,
        extra: false,
        work: Work::Served { sides: SIDES, client: Client::Generator(paced(6000, false)) },
    },
    Row {
        name: "https_64",
        what: "the same as `http_64` over TLS 1.3 by rustls, tokio's by tokio-rustls",
        figures: &[cpu(&[Goal::OfBestPeer(1.05)]), p99(&[])],
        extra: false,
        work: Work::Served { sides: TLS_SIDES, client: Client::Wrk(TLS_64) },
    },
    Row {
        name: "https_64_paced_22000",
        what: "the same as `http_64_paced_22000` over TLS 1.3",
        figures: &PACED_22000,
        extra: false,
        work: Work::Served { sides: TLS_SIDES, client: Client::Generator(paced(22_000, true)) },
    },
    Row {
        name: "https_64_paced_6000",
        what: "the same as `http_64_paced_6000` over TLS 1.3",
        figures: &PACED_6000,
        extra: false,
        work: Work::Served { sides: TLS_SIDES, client: Client::Generator(paced(6000, true)) },
    },
    Row {
        name: "syscalls_64",
        what: "system calls of `http_64`, counted by strace, which slows them down",
        figures: &[Figure::only("calls per request", &[])],
        extra: true,
        work: Work::Served { sides: SIDES, client: Client::WrkCounted(PLAIN_64) },
    },
    Row {
        name: "syscalls_1000",
        what: "system calls of `http_1000`",
        figures: &[Figure::only("calls per request", &[])],
        extra: true,
        work: Work::Served { sides: SIDES, client: Client::WrkCounted(PLAIN_1000) },
    },
    Row {
        name: "syscalls_https_64",
        what: "system calls of `https_64`",
        figures: &[Figure::only("calls per request", &[])],
        extra: true,
        work: Work::Served { sides: TLS_SIDES, client: Client::WrkCounted(TLS_64) },
    },
];

const fn cpu(goals: &'static [Goal]) -> Figure {
    Figure::called("CPU", "CPU us per request", goals)
}

/// So much of tokio's at most.
const fn cpu_goals(of_tokio: f64) -> [Goal; 4] {
    [
        Goal::Of(Runtime::Tokio, of_tokio),
        Goal::OfFloor(1.03),
        Goal::Of(Runtime::May, 0.8),
        Goal::Of(Runtime::Go, 0.8),
    ]
}

const fn p50(goals: &'static [Goal]) -> Figure {
    Figure::called("p50", "us", goals)
}

const fn p99(goals: &'static [Goal]) -> Figure {
    Figure::called("p99", "us", goals)
}

/// What the load generator takes, with goals for all but the last two, which say whether it kept pace itself.
const fn paced_figures(goals: [&'static [Goal]; 3]) -> [Figure; 5] {
    let [of_cpu, of_p50, of_p99] = goals;
    [
        cpu(of_cpu),
        p50(of_p50),
        p99(of_p99),
        Figure::called("rate", "requests per second", &[]).more(),
        Figure::called("sent late, p99", "us", &[]),
    ]
}

const PACED_22000: [Figure; 5] = paced_figures([
    &[Goal::Of(Runtime::Tokio, 1.0)],
    &[Goal::Of(Runtime::Tokio, 0.45)],
    &[Goal::Of(Runtime::Tokio, 0.8)],
]);
const PACED_6000: [Figure; 5] = paced_figures([
    &[Goal::Of(Runtime::Tokio, 1.0)],
    &[Goal::Of(Runtime::Tokio, 0.6)],
    &[Goal::Of(Runtime::Tokio, 0.8)],
]);

const SIDES: Sides<fn(&Setup)> = &[
    (Runtime::Mco, mco),
    (Runtime::Tokio, tokio),
    (Runtime::May, may),
    (Runtime::Epoll, epoll::serve),
];
const TLS_SIDES: Sides<fn(&Setup)> = &[(Runtime::Mco, tls::mco), (Runtime::Tokio, tls::tokio)];

const PLAIN_64: Saturating = Saturating { connections: 64, pipelined: 1, tls: false };
const PLAIN_1000: Saturating = Saturating { connections: 1000, ..PLAIN_64 };
const PIPELINED: Saturating = Saturating { pipelined: 16, ..PLAIN_64 };
const TLS_64: Saturating = Saturating { tls: true, ..PLAIN_64 };

/// 64 connections, no heavy requests.
const fn paced(rate: u32, tls: bool) -> Load {
    Load { light: 64, rate, tls, heavy: None }
}

pub(super) fn mco(setup: &Setup) {
    fn converse(mut stream: mco::net::TcpStream) {
        let mut exchange = Exchange::new();
        while let Ok(length @ 1..) = stream.read(exchange.room()) {
            if stream.write_all(exchange.responses(length)).is_err() {
                return;
            }
        }
    }

    on_mco(setup, || {
        let listener = mco::net::TcpListener::bind(ANYWHERE).expect("could not listen");
        announce(listener.local_addr().expect("a listener has an address"));
        loop {
            let (stream, _) = listener.accept().expect("could not accept");
            mco::coroutine::spawn(move || converse(stream));
        }
    })
}

pub(super) fn tokio(setup: &Setup) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn converse(mut stream: tokio::net::TcpStream) {
        let mut exchange = Exchange::new();
        while let Ok(length @ 1..) = stream.read(exchange.room()).await {
            if stream.write_all(exchange.responses(length)).await.is_err() {
                return;
            }
        }
    }

    on_tokio(setup, async {
        let listener = tokio::net::TcpListener::bind(ANYWHERE).await.expect("could not listen");
        announce(listener.local_addr().expect("a listener has an address"));
        loop {
            let (stream, _) = listener.accept().await.expect("could not accept");
            tokio::spawn(converse(stream));
        }
    })
}

pub(super) fn may(setup: &Setup) {
    fn converse(mut stream: may::net::TcpStream) {
        let mut exchange = Exchange::new();
        while let Ok(length @ 1..) = stream.read(exchange.room()) {
            if stream.write_all(exchange.responses(length)).is_err() {
                return;
            }
        }
    }

    on_may(setup, || {
        let listener = may::net::TcpListener::bind(ANYWHERE).expect("could not listen");
        announce(listener.local_addr().expect("a listener has an address"));
        loop {
            let (stream, _) = listener.accept().expect("could not accept");
            may_spawn(move || converse(stream));
        }
    })
}
