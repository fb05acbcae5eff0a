//! A TCP proxy: whoever connects to it talks to the target.
//!
//! It shows two coroutines per connection, one a direction, that use both sockets at once; a half-closed
//! connection, which is passed on as one; a `Semaphore` as a limit; and what it takes to lose nothing:
//!
//! - One side's end is passed on after its last byte, and the other direction goes on.
//! - If one side is gone, by a reset or because the system has given it up, what it had sent before still
//!   arrives, and then a reset, so that nobody takes it for the whole. (A reset overtakes what is under way.
//!   So the proxy first waits until the other side's system has it all, for five seconds at most, where it can
//!   find out: on Linux.) If a side that had ended before is reset, that shows with the next bytes for it.
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
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use mco::coroutine::sleep;
use mco::net::{TcpListener, TcpStream};
use mco::std::sync::Semaphore;
use mco::std::time::timeout;
use mco::{defer, go, join};
use mco_examples::arguments::{at_least_one, seconds};
use mco_examples::unsent::unsent;

/// If one side is gone, what the other one gets to receive what that had sent.
const PARTING_TIME: Duration = Duration::from_secs(5);

/// A TCP proxy that passes half-closed and reset connections on
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
            // An end would look like an empty answer.
            reset_when_closed(client);
            return;
        }
    };
    match relay(client, &target) {
        (Ok(there), Ok(back)) if options.verbose => {
            println!("{address}: {there} bytes there, {back} bytes back");
        }
        (Ok(_), Ok(_)) => {}
        (there, back) => {
            [client, &target].into_iter().for_each(reset_when_closed);
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
    let (there_ends, back_ends) = (AtomicBool::new(false), AtomicBool::new(false));
    join!(there.run(&there_ends, &back_ends), back.run(&back_ends, &there_ends))
}

#[derive(Clone, Copy)]
struct Direction<'a> {
    from: &'a TcpStream,
    to: &'a TcpStream,
    names: [&'static str; 2],
}

impl Direction<'_> {
    /// Moves bytes, and then the end; returns how many there were. If it fails, both sides are to be reset;
    /// the other direction has been stopped or stops by itself.
    fn run(self, ends: &AtomicBool, other_ends: &AtomicBool) -> io::Result<u64> {
        let Direction { mut from, mut to, names: [source, sink] } = self;
        let mut buffer = vec![0; 32 * 1024];
        let mut total = 0;
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) if is_lost(from, other_ends) => Err(ErrorKind::ConnectionReset.into()),
                read => read,
            };
            let count = match read {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) => {
                    // The source is gone, and with it whoever the sink had something to say to. That is
                    // the other direction's concern, which reads the end now.
                    let _ = to.shutdown(Shutdown::Read);
                    return Err(told(&error, &format!("cannot read from {source}")));
                }
            };
            if let Err(error) = to.write_all(&buffer[..count]) {
                // The sink is gone. The other direction still moves what it has sent, and then ends this
                // one. The source may not read as long as nobody reads from it.
                if !other_ends.load(Ordering::SeqCst) {
                    let rest = || while let Ok(1..) = from.read(&mut buffer) {};
                    let _ = timeout(PARTING_TIME, rest);
                }
                return Err(told(&error, &format!("cannot write to {sink}")));
            }
            total += count as u64;
        }
        ends.store(true, Ordering::SeqCst);
        match to.shutdown(Shutdown::Write) {
            // It is gone, which the other direction tells.
            Err(error) if error.kind() != ErrorKind::NotConnected => {
                Err(told(&error, &format!("cannot end what goes to {sink}")))
            }
            _ => Ok(total),
        }
    }
}

/// Whether what looks like the end of a stream is that of the connection. The system tells of a reset once;
/// if it has told the direction that writes, the one that reads sees an end. But then the connection is gone,
/// which else it is not before both have ended.
fn is_lost(stream: &TcpStream, written_to_its_end: &AtomicBool) -> bool {
    // In this order: if it is not at its end now, it was not when the connection was gone.
    stream.peer_addr().is_err() && !written_to_its_end.load(Ordering::SeqCst)
}

/// Has a stream reset when it is dropped, after the peer's system has received what was written.
fn reset_when_closed(stream: &TcpStream) {
    let (start, mut pause) = (Instant::now(), Duration::from_millis(1));
    while unsent(stream).is_some_and(|count| count > 0) && start.elapsed() < PARTING_TIME {
        sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
    // If it fails, the connection has ended already.
    let _ = stream.set_linger(Some(Duration::ZERO));
}

fn told(error: &io::Error, what: &str) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
