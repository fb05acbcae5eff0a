//! A web server as small as it can be: it reads into a buffer of 16 KiB, finds the blank lines that end the requests,
//! and writes one fixed response with 13 bytes of plain text for each, all responses to what it has read at once.

mod epoll;
mod exchange;
mod tls;

use super::{Figure, Goal, Load, Row, Sides, Work};
use crate::runtimes::{Runtime, Setup, may_spawn, on_may, on_mco, on_tokio};
use crate::session::announce;
use exchange::Exchange;
pub(crate) use exchange::RESPONSE;
use std::io::{Read, Write};
use std::net::Ipv4Addr;

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "http_64",
        what: "keep-alive HTTP, 64 connections",
        unit: "CPU us per request",
        goals: GOALS,
        extra: false,
        work: Work::Served { sides: SIDES, load: load(64, 1), figure: Figure::CpuMicroseconds },
    },
    Row {
        name: "http_1000",
        what: "keep-alive HTTP, 1,000 connections",
        unit: "CPU us per request",
        goals: GOALS,
        extra: false,
        work: Work::Served { sides: SIDES, load: load(1000, 1), figure: Figure::CpuMicroseconds },
    },
    Row {
        name: "http_64_pipelined",
        what: "keep-alive HTTP, 64 connections, 16 requests pipelined",
        unit: "CPU us per request",
        goals: GOALS,
        extra: false,
        work: Work::Served { sides: SIDES, load: load(64, 16), figure: Figure::CpuMicroseconds },
    },
    Row {
        name: "https_64",
        what: "the same as `http_64` over TLS 1.3 by rustls, tokio's by tokio-rustls",
        unit: "CPU us per request",
        goals: &[Goal::OfBestPeer(1.05)],
        extra: false,
        work: Work::Served { sides: TLS_SIDES, load: TLS_LOAD, figure: Figure::CpuMicroseconds },
    },
    Row {
        name: "syscalls_64",
        what: "system calls of `http_64`, counted by strace, which slows them down",
        unit: "calls per request",
        goals: &[],
        extra: true,
        work: Work::Served { sides: SIDES, load: load(64, 1), figure: Figure::SystemCalls },
    },
    Row {
        name: "syscalls_1000",
        what: "system calls of `http_1000`",
        unit: "calls per request",
        goals: &[],
        extra: true,
        work: Work::Served { sides: SIDES, load: load(1000, 1), figure: Figure::SystemCalls },
    },
    Row {
        name: "syscalls_https_64",
        what: "system calls of `https_64`",
        unit: "calls per request",
        goals: &[],
        extra: true,
        work: Work::Served { sides: TLS_SIDES, load: TLS_LOAD, figure: Figure::SystemCalls },
    },
];

const GOALS: &[Goal] = &[
    Goal::OfBestPeer(1.0),
    Goal::OfFloor(1.03),
    Goal::Of(Runtime::May, 0.8),
    Goal::Of(Runtime::Go, 0.8),
];
const SIDES: Sides<fn(&Setup)> = &[
    (Runtime::Mco, mco),
    (Runtime::Tokio, tokio),
    (Runtime::May, may),
    (Runtime::Epoll, epoll::serve),
];

const fn load(connections: usize, pipelined: usize) -> Load {
    Load { connections, pipelined, tls: false }
}

const TLS_LOAD: Load = Load { connections: 64, pipelined: 1, tls: true };
const TLS_SIDES: Sides<fn(&Setup)> = &[(Runtime::Mco, tls::mco), (Runtime::Tokio, tls::tokio)];

const ANYWHERE: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

fn mco(setup: &Setup) {
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

fn tokio(setup: &Setup) {
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

fn may(setup: &Setup) {
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
