//! UDP: a server that sends each datagram back, clients that ask it, or both in one process.
//!
//! It shows a socket that several coroutines use at once; read timeouts; and what UDP asks of its
//! users: a datagram may get lost, so a client asks again, and may come late or twice, so it looks
//! whether an answer is the one to its question.
//!
//! Run both:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin udp_echo
//! serving on 127.0.0.1:41873
//! 100 clients asked 100 questions of 100 bytes each: 10,000 answers in 0.11s, 0 asked again
//! ```
//!
//! Or each by itself:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin udp_echo -- --serve 127.0.0.1:9000
//! $ cargo run --release -p mco-examples --bin udp_echo -- --ask 127.0.0.1:9000 --clients 10
//! $ echo hello | nc -u -w1 127.0.0.1 9000
//! hello
//! ```
//!
//! The exit status is 0 if every question got its answer, 1 if not, 2 for options that make no sense.

use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use indicatif::HumanCount;
use mco::net::{ToSocketAddrs, UdpSocket};
use mco::std::time::Instant;
use mco::{coroutine, go};

/// The largest datagram there is.
const LARGEST: usize = 65_507;

/// What distinguishes a question from all others: the numbers of the client and of the question.
const MARK: usize = 16;

/// Coroutines that share the server's socket, so that a worker each can be busy with it.
const SERVERS: usize = 4;

/// UDP echo server and client; without `--serve` and `--ask` both at once
#[derive(Parser)]
struct Options {
    /// Serve here, and ask nobody
    #[arg(long, value_name = "ADDRESS", conflicts_with = "ask")]
    serve: Option<String>,
    /// Ask the server there
    #[arg(long, value_name = "ADDRESS")]
    ask: Option<String>,
    /// How many ask at once
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    clients: u64,
    /// How many questions each of them asks, one after the other
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    questions: u64,
    /// Length of a question
    #[arg(long, default_value_t = 100, value_name = "BYTES", value_parser = clap::value_parser!(u64).range(MARK as u64..=LARGEST as u64))]
    size: u64,
    /// After so long without an answer, a question counts as lost and is asked again
    #[arg(long, default_value_t = 200, value_name = "MILLISECONDS", value_parser = clap::value_parser!(u64).range(1..))]
    patience: u64,
    /// How often a question is asked before the client gives up
    #[arg(long, default_value_t = 20, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    attempts: u64,
}

#[mco::main]
fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("udp_echo: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), String> {
    if let Some(address) = &options.serve {
        let (socket, _) = bind(address)?;
        return Err(serve(&socket).to_string());
    }
    let server = match &options.ask {
        Some(address) => {
            let mut found = address.to_socket_addrs().map_err(|error| error.to_string())?;
            found.next().ok_or_else(|| format!("`{address}` has no address"))?
        }
        None => {
            let (socket, address) = bind("127.0.0.1:0")?;
            go!("server", move || serve(&socket));
            address
        }
    };
    ask_all(server, options)
}

fn bind(address: &str) -> Result<(UdpSocket, SocketAddr), String> {
    let bound = UdpSocket::bind(address).and_then(|s| Ok((s.local_addr()?, s)));
    let (local, socket) =
        bound.map_err(|error| format!("`{address}` cannot be served: {error}"))?;
    println!("serving on {local}");
    Ok((socket, local))
}

/// Sends datagrams back, until the socket fails.
fn serve(socket: &UdpSocket) -> io::Error {
    let echo = || {
        let mut buffer = vec![0; LARGEST];
        loop {
            let (count, from) = match socket.recv_from(&mut buffer) {
                Ok(datagram) => datagram,
                Err(error) if is_a_clients_affair(&error) => continue,
                Err(error) => return error,
            };
            // One that cannot be sent is as good as lost on the way.
            if let Err(error) = socket.send_to(&buffer[..count], from) {
                eprintln!("udp_echo: {from}: {error}");
            }
        }
    };
    coroutine::scope(|s| {
        (1..SERVERS).for_each(|_| drop(s.spawn(echo)));
        echo()
    })
}

/// Some systems report here that an earlier answer found nobody.
fn is_a_clients_affair(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset)
}

fn ask_all(server: SocketAddr, options: &Options) -> Result<(), String> {
    let begin = Instant::now();
    let outcomes: Vec<_> = coroutine::scope(|s| {
        let ask = |number| s.spawn(move || Client::connect(server, number, options)?.ask());
        let clients: Vec<_> = (0..options.clients).map(ask).collect();
        clients.into_iter().map(|client| client.join().expect("it does not panic")).collect()
    });
    let repeated: u64 = outcomes.into_iter().sum::<Result<_, String>>()?;
    println!(
        "{} clients asked {} questions of {} bytes each: {} answers in {:.2}s, {} asked again",
        HumanCount(options.clients),
        HumanCount(options.questions),
        HumanCount(options.size),
        HumanCount(options.clients * options.questions),
        begin.elapsed().as_secs_f64(),
        HumanCount(repeated),
    );
    Ok(())
}

struct Client<'a> {
    socket: UdpSocket,
    number: u64,
    options: &'a Options,
}

impl Client<'_> {
    fn connect(server: SocketAddr, number: u64, options: &Options) -> Result<Client<'_>, String> {
        let any = if server.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let connect = || {
            let socket = UdpSocket::bind(any)?;
            // From here on, nobody else's datagrams are received.
            socket.connect(server)?;
            Ok(socket)
        };
        let socket = connect()
            .map_err(|error: io::Error| format!("client {number} has no socket: {error}"))?;
        Ok(Client { socket, number, options })
    }

    /// Asks all questions; returns how often one had to be asked again.
    fn ask(&self) -> Result<u64, String> {
        let mut question = vec![0; self.options.size as usize];
        let mut repeated = 0;
        for number in 0..self.options.questions {
            fill(&mut question, self.number, number);
            repeated += self
                .ask_until_answered(&question)
                .map_err(|error| format!("client {}, question {number}: {error}", self.number))?;
        }
        Ok(repeated)
    }

    fn ask_until_answered(&self, question: &[u8]) -> Result<u64, String> {
        let patience = Duration::from_millis(self.options.patience);
        let mut reason = None;
        for attempt in 0..self.options.attempts {
            let until = Instant::now() + patience;
            match self.socket.send(question).and_then(|_| self.answer(question, until)) {
                Ok(()) => return Ok(attempt),
                Err(error) => reason = Some(error),
            }
            // Nobody there answers at once, and may be there soon.
            coroutine::sleep(until.saturating_duration_since(Instant::now()));
        }
        let reason = reason.expect("there was an attempt");
        Err(format!("no answer after {} attempts: {reason}", self.options.attempts))
    }

    /// Receives until it is the answer.
    fn answer(&self, question: &[u8], until: Instant) -> io::Result<()> {
        let mut answer = vec![0; question.len() + 1];
        loop {
            let left = until.saturating_duration_since(Instant::now());
            // A timeout of zero is refused.
            self.socket.set_read_timeout(Some(left.max(Duration::from_micros(1))))?;
            let count = self.socket.recv(&mut answer)?;
            // Else it is that to an earlier attempt or question, which has been asked again.
            if answer[..count] == *question {
                return Ok(());
            }
        }
    }
}

/// A question that nobody else asks.
fn fill(question: &mut [u8], client: u64, number: u64) {
    for (at, byte) in question.iter_mut().enumerate() {
        *byte = (at as u64 * 7 + client * 3 + number) as u8;
    }
    question[..8].copy_from_slice(&client.to_le_bytes());
    question[8..MARK].copy_from_slice(&number.to_le_bytes());
}
