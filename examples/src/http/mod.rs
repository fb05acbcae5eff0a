//! An HTTP/1.1 server on `httparse`, generic over the stream: [`serve`] does TCP, TLS, or whatever one
//! makes of a connection.
//!
//! It reads as a server of threads does, since each connection has a coroutine: wait for a request,
//! read it, answer it, again. Beside that:
//!
//! - **Keep-alive and pipelining.** Requests that have arrived together are answered in one write.
//! - **Limits** for everything that a client decides about ([`Limits`]): sizes, numbers, and times. A
//!   time limit is a [`timeout`](mco::std::time::timeout) around the reading, so it holds for TLS as
//!   well, and a client that sends a byte a second does not evade it.
//! - **Bodies** with `Content-Length` and in chunks, and `Expect: 100-continue`.
//! - **Strictness** where leniency lets requests be smuggled past a proxy: both framings at once, two
//!   lengths, or no `Host` are refused.
//! - **A graceful stop**: idle connections are closed, requests under way are answered.
//!
//! | module | what it knows |
//! | --- | --- |
//! | `buffer` | bytes that have arrived and are not used up |
//! | `request` | how a request is written, and what is wrong with it |
//! | `body` | where a body ends |
//! | `response` | how an answer is written |
//! | `connection` | a client's requests, one after the other |
//! | `server` | all connections, and their end |
//! | `routes` | what the examples answer |

mod body;
mod buffer;
mod connection;
mod request;
mod response;
pub mod routes;
mod server;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mco::net::TcpStream;
use mco::net::tls::TlsStream;

use crate::arguments::{at_least_one, seconds};

pub use request::Request;
pub use response::Response;
pub use server::{Served, serve};

/// What HTTP is spoken over.
pub trait Stream: Read + Write {
    /// Says to the other side that nothing more will be sent.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn end_writing(&mut self) -> io::Result<()>;
}

impl Stream for TcpStream {
    fn end_writing(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

impl Stream for TlsStream {
    fn end_writing(&mut self) -> io::Result<()> {
        self.shutdown(Shutdown::Write)
    }
}

/// What a client may ask of the server. Also part of a command line.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Connections at once; more wait in the system's queue
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = at_least_one)]
    pub connections: usize,
    /// Bytes of a request's first line and headers
    #[arg(long, default_value_t = 16 * 1024, value_name = "BYTES", value_parser = at_least_one)]
    pub head: usize,
    /// Headers of a request, 128 at most
    #[arg(long, default_value_t = 64, value_name = "N", value_parser = at_least_one)]
    pub headers: usize,
    /// Bytes of a request's body
    #[arg(long, default_value_t = 1024 * 1024, value_name = "BYTES")]
    pub body: usize,
    /// From a request's first byte to the end of its headers; also for a TLS handshake
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub head_time: Duration,
    /// From the end of the headers to the end of the body
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    pub body_time: Duration,
    /// Between two requests
    #[arg(long, default_value = "60", value_name = "SECONDS", value_parser = seconds)]
    pub idle_time: Duration,
    /// Until the client has taken the answers
    #[arg(long, default_value = "30", value_name = "SECONDS", value_parser = seconds)]
    pub write_time: Duration,
    /// From the wish to stop to the end of the requests under way
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    pub grace: Duration,
}

#[cfg(test)]
fn default_limits() -> Limits {
    #[derive(clap::Parser)]
    struct Options {
        #[command(flatten)]
        limits: Limits,
    }
    <Options as clap::Parser>::parse_from(["test"]).limits
}
