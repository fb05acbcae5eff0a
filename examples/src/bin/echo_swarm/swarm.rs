//! The run: everybody connects, then everybody sends.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mco::coroutine::Cancelled;
use mco::net::TcpListener;
use mco::runtime::{self, Metrics};
use mco::{coroutine, go};

use crate::client::Client;
use crate::gate::{Gate, Pass};
use crate::latency;

/// More at a time could overflow the server's queue of connections not yet accepted.
const CONNECTING_AT_ONCE: usize = 100;

#[derive(Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) clients: usize,
    pub(crate) rounds: u64,
    pub(crate) size: usize,
}

pub(crate) struct Outcome {
    pub(crate) connected: u64,
    /// How long it took until all were connected.
    pub(crate) connecting: Duration,
    /// From then until all were done.
    pub(crate) exchanging: Duration,
    /// When all were connected.
    pub(crate) before: Metrics,
    /// When all were done.
    pub(crate) after: Metrics,
    /// What went wrong, one text for each client that failed.
    pub(crate) faults: Vec<String>,
}

/// What the clients share.
struct Swarm {
    plan: Plan,
    server: SocketAddr,
    /// Messages that came back.
    done: AtomicU64,
}

/// Starts the server, which is `serve`, and lets the clients loose on it.
pub(crate) fn run(plan: Plan, serve: fn(TcpListener)) -> io::Result<Outcome> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = go!(serve(listener));
    let swarm = Swarm { plan, server: address, done: AtomicU64::new(0) };
    let bar = progress_bar(plan);

    let outcome = coroutine::scope(|s| {
        let drawing = go!(s, || swarm.draw(&bar));
        let gate = Gate::new(CONNECTING_AT_ONCE);
        let start = Instant::now();
        let mut clients = Vec::new();
        for number in 0..plan.clients {
            let (swarm, pass) = (&swarm, gate.admit());
            clients.push(go!(s, move || swarm.client(number, pass)));
        }
        gate.wait_until_empty();
        let connecting = start.elapsed();
        let connected = swarm.done.load(Ordering::Relaxed);
        let before = runtime::metrics();

        let start = Instant::now();
        for client in &clients {
            client.coroutine().unpark();
        }
        let ends = clients.into_iter().enumerate().map(|(number, client)| {
            client.join().unwrap_or_else(|payload| Err(format!("client {number} {}", why(payload))))
        });
        let faults = ends.filter_map(Result::err).collect();
        let exchanging = start.elapsed();
        let after = runtime::metrics();
        drawing.cancel();
        Outcome { connected, connecting, exchanging, before, after, faults }
    });
    bar.finish_and_clear();
    server.cancel();
    Ok(outcome)
}

impl Swarm {
    /// The life of a client.
    fn client(&self, number: usize, pass: Pass) -> Result<(), String> {
        let mut client = Client::connect(number, self.server, self.plan.size)?;
        // When the first message is back, the server has accepted the connection.
        client.exchange(0)?;
        self.done.fetch_add(1, Ordering::Relaxed);
        drop(pass);
        // Until all are connected.
        coroutine::park();
        for round in 1..=self.plan.rounds {
            let start = Instant::now();
            client.exchange(round)?;
            latency::record(start.elapsed());
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        client.close()
    }

    /// Keeps the progress bar up to date until it is cancelled.
    fn draw(&self, bar: &ProgressBar) {
        loop {
            bar.set_position(self.done.load(Ordering::Relaxed));
            coroutine::sleep(Duration::from_millis(100));
        }
    }
}

/// Hidden if stderr is no terminal.
fn progress_bar(plan: Plan) -> ProgressBar {
    let template = "{bar:40} {human_pos} of {human_len} messages, {eta} to go";
    let style = ProgressStyle::with_template(template).expect("the template is valid");
    let messages = (plan.clients as u64).saturating_mul(plan.rounds.saturating_add(1));
    ProgressBar::new(messages).with_style(style)
}

/// What is said of a client that never got a stack, or did not come to its end.
fn why(payload: Box<dyn Any + Send>) -> String {
    match payload.downcast::<String>() {
        Ok(text) => format!("failed: {text}"),
        Err(payload) if payload.is::<Cancelled>() => "was cancelled".to_owned(),
        Err(_) => "panicked".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;
    use mco::net::TcpStream;

    const PLAN: Plan = Plan { clients: 5, rounds: 3, size: 1000 };

    /// The faults when each connection is served by `serve`.
    fn faults(serve: fn(TcpListener)) -> Vec<String> {
        go!(move || run(PLAN, serve)).join().unwrap().unwrap().faults
    }

    #[test]
    fn a_faithful_server_passes() {
        assert_eq!(faults(crate::server::serve), [""; 0]);
    }

    #[test]
    fn a_server_that_changes_a_byte_is_found_out() {
        fn spoil(mut stream: TcpStream) {
            let mut bytes = vec![0; PLAN.size];
            for round in 0.. {
                if stream.read_exact(&mut bytes).is_err() {
                    return;
                }
                bytes[567] ^= u8::from(round == 2);
                stream.write_all(&bytes).unwrap();
            }
        }
        let found = faults(|listener| {
            for stream in listener.incoming() {
                go!(spoil(stream.unwrap()));
            }
        });
        assert_eq!(found.len(), PLAN.clients);
        for (number, fault) in found.iter().enumerate() {
            let start = format!("client {number}, round 2: expected byte 567 to be 0x");
            assert!(fault.starts_with(&start), "{fault}");
        }
    }

    #[test]
    fn a_server_that_hangs_up_is_found_out() {
        let found = faults(|listener| listener.incoming().for_each(drop));
        assert_eq!(found.len(), PLAN.clients);
        for (number, fault) in found.iter().enumerate() {
            assert!(fault.starts_with(&format!("client {number}, round 0: ")), "{fault}");
        }
    }
}
