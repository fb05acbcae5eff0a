//! The run: everybody connects, then everybody sends.

use std::any::Any;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use mco::net::TcpListener;
use mco::runtime::{self, Metrics};
use mco::{coroutine, go};

use crate::client::Client;
use crate::gate::{Gate, Pass};
use crate::{latency, server};

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

/// Starts the server and lets the clients loose on it.
pub(crate) fn run(plan: Plan) -> io::Result<Outcome> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = go!(server::serve(listener));
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
        let ends = clients.into_iter().map(|client| client.join().unwrap_or_else(failed));
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

/// What is said of a client that never got a stack, or panicked.
fn failed(payload: Box<dyn Any + Send>) -> Result<(), String> {
    Err(payload.downcast::<String>().map_or_else(|_| "a client panicked".to_owned(), |text| *text))
}
