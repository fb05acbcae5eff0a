//! A TCP proxy: whoever connects to it talks to the target.
//!
//! It shows two coroutines per connection, one a direction, that use both sockets at once; a half-closed
//! connection, which is passed on as one; a `Semaphore` as a limit; and what it takes to lose nothing:
//!
//! - One side's end is passed on after its last byte, and the other direction goes on.
//! - If one side is gone, what it had sent before still arrives, and then the end.
//!
//! Run it, here in front of the example `echo`, and talk to it:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin echo 127.0.0.1:8000
//! $ cargo run --release -p mco-examples --bin proxy -- 127.0.0.1:9000 127.0.0.1:8000
//! listening on 127.0.0.1:9000
//!
//! $ echo hello | nc -N 127.0.0.1 9000
//! hello
//! ```
//!
//! With `--verbose`, each connection is told when it ends:
//!
//! ```text
//! 127.0.0.1:49152: 6 bytes there, 6 bytes back
//! ```
//!
//! What goes wrong with a connection is told in any case, and ends that connection only.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use mco::net::{TcpListener, TcpStream};
use mco::std::sync::{Semaphore, SyncFlag};
use mco::std::time::timeout;
use mco::{defer, go, join};
use mco_examples::arguments::{at_least_one, seconds};

/// If one side is gone, what the other one gets to end, too.
const PARTING_TIME: Duration = Duration::from_secs(5);

/// A TCP proxy that passes half-closed connections on
#[derive(Parser)]
struct Options {
    /// Where to listen; port 0 is any free one
    address: String,
    /// Where to connect to, once for each connection
    target: String,
    /// Connections at once; more wait in the system's queue
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = at_least_one)]
    connections: usize,
    /// For connecting to the target
    #[arg(long, default_value = "10", value_name = "SECONDS", value_parser = seconds)]
    connect_time: Duration,
    /// Print how much each connection has moved
    #[arg(long)]
    verbose: bool,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    let listening = TcpListener::bind(options.address.as_str())
        .and_then(|listener| Ok((listener.local_addr()?, listener)));
    let (address, listener) = match listening {
        Ok(listening) => listening,
        Err(error) => {
            eprintln!("proxy: `{}` cannot be served: {error}", options.address);
            return ExitCode::FAILURE;
        }
    };
    println!("listening on {address}");
    serve(&listener, options)
}

fn serve(listener: &TcpListener, options: Options) -> ! {
    let free = Arc::new(Semaphore::new(options.connections));
    let options = Arc::new(options);
    loop {
        free.wait();
        match listener.accept() {
            Ok((client, address)) => {
                let (free, options) = (free.clone(), options.clone());
                go!(move || {
                    defer!(free.post());
                    connect_and_relay(&client, address, &options);
                });
            }
            // Out of descriptors; `accept` has waited for a while before it said so.
            Err(error) => {
                free.post();
                eprintln!("proxy: {error}");
            }
        }
    }
}

fn connect_and_relay(client: &TcpStream, address: SocketAddr, options: &Options) {
    let connected = timeout(options.connect_time, || TcpStream::connect(options.target.as_str()));
    let target = match connected.map_err(io::Error::from).flatten() {
        Ok(target) => target,
        Err(error) => {
            eprintln!("proxy: {address}: `{}` cannot be reached: {error}", options.target);
            // A reset, since an end would look like an empty answer. If it fails, that has ended, too.
            let _ = client.set_linger(Some(Duration::ZERO));
            return;
        }
    };
    match relay(client, &target) {
        (Ok(there), Ok(back)) if options.verbose => {
            println!("{address}: {there} bytes there, {back} bytes back");
        }
        (Ok(_), Ok(_)) => {}
        (there, back) => {
            for error in [there.err(), back.err()].into_iter().flatten() {
                eprintln!("proxy: {address}: {error}");
            }
        }
    }
}

/// Moves bytes in both directions until both have ended; returns how many there were.
fn relay(client: &TcpStream, target: &TcpStream) -> (io::Result<u64>, io::Result<u64>) {
    for stream in [client, target] {
        // What has come goes on at once. An error shows when the stream is used.
        let _ = stream.set_nodelay(true);
    }
    let there = Direction { from: client, to: target, names: ["the client", "the target"] };
    let back = Direction { from: target, to: client, names: ["the target", "the client"] };
    let (there_ends, back_ends) = (SyncFlag::new(), SyncFlag::new());
    join!(there.run(&there_ends, &back_ends), back.run(&back_ends, &there_ends))
}

#[derive(Clone, Copy)]
struct Direction<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    names: [&'static str; 2],
}

impl Direction<'_> {
    /// Moves bytes, and then the end; returns how many there were.
    fn run(self, ends: &SyncFlag, other_ends: &SyncFlag) -> io::Result<u64> {
        let Direction { mut from, mut to, names: [source, sink] } = self;
        defer!(ends.fire());
        let mut buffer = vec![0; 32 * 1024];
        let mut total = 0;
        loop {
            let count = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    // The source is gone. The sink may have something to say yet, to nobody; it gets
                    // the time to see the end, and to end as well.
                    let _ = to.shutdown(Shutdown::Write);
                    if !other_ends.wait_timeout(PARTING_TIME) {
                        let _ = to.shutdown(Shutdown::Read);
                    }
                    return Err(told(&error, &format!("cannot read from {source}")));
                }
            };
            if let Err(error) = to.write_all(&buffer[..count]) {
                // The sink is gone. The other direction still moves what it has sent. If bytes were
                // left unread here, closing would reset the connection, and those could get lost.
                let rest = || while let Ok(1..) = from.read(&mut buffer) {};
                let _ = timeout(PARTING_TIME, rest);
                return Err(told(&error, &format!("cannot write to {sink}")));
            }
            total += count as u64;
        }
        match to.shutdown(Shutdown::Write) {
            // It is gone, which the other direction tells.
            Err(error) if error.kind() != ErrorKind::NotConnected => {
                Err(told(&error, &format!("cannot end what goes to {sink}")))
            }
            _ => Ok(total),
        }
    }
}

fn told(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
