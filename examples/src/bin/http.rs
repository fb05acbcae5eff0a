//! An HTTP/1.1 server that one could use: with keep-alive, pipelining, limits for all that a client
//! decides about, and a graceful stop.
//!
//! It shows a coroutine per connection which reads as a thread would; a parser (`httparse`) that knows
//! nothing of mco; `timeout`, which cuts off whatever blocks; `select!` over an accept and the wish to
//! stop; a `scope` that ends when all connections have. The protocol is in `examples/src/http`, for
//! `https` speaks the same.
//!
//! Run it:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin http -- 127.0.0.1:8080
//! listening on http://127.0.0.1:8080
//! ```
//!
//! And from another terminal:
//!
//! ```text
//! $ curl http://127.0.0.1:8080/
//! hello, world
//! $ curl --data-binary @Cargo.toml http://127.0.0.1:8080/echo | cmp - Cargo.toml
//! $ curl http://127.0.0.1:8080/sleep?ms=1000
//! slept
//! $ wrk -t1 -c64 http://127.0.0.1:8080/
//! ```
//!
//! Ctrl-C (SIGINT) or SIGTERM stops it: nobody is let in any more, idle connections are closed, requests
//! under way get their answer, for `--grace` at most. The exit status is 0 then, 1 if some request
//! took longer, and 2 for options that make no sense. A second Ctrl-C ends it at once.

use std::io;
use std::process::ExitCode;

use clap::Parser;
use mco::net::TcpListener;
use mco_examples::http::{self, Limits, Served, routes};
use mco_examples::stop;

/// An HTTP/1.1 server with `/`, `/echo` and `/sleep?ms=N`
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 is any free one
    #[arg(default_value = "127.0.0.1:8080")]
    address: String,
    /// Print what goes wrong with connections
    #[arg(long)]
    verbose: bool,
    #[command(flatten)]
    limits: Limits,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(served) => served.report("http"),
        Err(error) => {
            eprintln!("http: `{}` cannot be served: {error}", options.address);
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> io::Result<Served> {
    let listener = TcpListener::bind(options.address.as_str())?;
    let stop = stop::on_signals()?;
    println!("listening on http://{}", listener.local_addr()?);
    let report = |addr, error: &io::Error| {
        if options.verbose {
            eprintln!("http: {addr}: {error}");
        }
    };
    Ok(http::serve(listener, &options.limits, &stop, Ok, routes::handle, report))
}
