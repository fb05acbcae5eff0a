//! An axum router on coroutines, whose handlers block.
//!
//! It shows that handlers written as `async fn` may call blocking code of mco's: receive from a channel
//! ([`count`]), sleep ([`wait`]), talk to another server over a `TcpStream` ([`fetch`]). Each waits in its
//! coroutine, and its thread runs the others; there is no tokio runtime, and no pool of threads.
//!
//! Run it, here on the default address, and ask it from another terminal:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin http_axum 127.0.0.1:8081
//! listening on 127.0.0.1:8081
//!
//! $ curl http://127.0.0.1:8081/
//! hello
//! $ curl http://127.0.0.1:8081/count
//! 1
//! $ curl http://127.0.0.1:8081/count
//! 2
//! $ curl http://127.0.0.1:8081/wait/1500
//! waited for 1500 ms
//! $ curl http://127.0.0.1:8081/fetch
//! 127.0.0.1:8081 says: hello
//! ```

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use mco::net::{TcpListener, TcpStream};
use mco::runtime::{Executor, Timer};
use mco::std::sync::Sender;
use mco::{block_on, chan, coroutine, go};

/// What the handlers know.
#[derive(Clone)]
struct Shared {
    /// Whoever sends an address here is sent a number.
    counter: Sender<Sender<u64>>,
    /// This server's own address.
    address: SocketAddr,
}

#[mco::main]
fn main() -> ExitCode {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:8081");
    match run(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http_axum: `{address}` cannot be served: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    let address = listener.local_addr()?;
    println!("listening on {address}");

    let app = Router::new()
        .route("/", get(|| async { "hello\n" }))
        .route("/count", get(count))
        .route("/wait/{millis}", get(wait))
        .route("/fetch", get(fetch))
        .with_state(Shared { counter: counter(), address });
    loop {
        match listener.accept() {
            Ok((stream, peer)) => {
                go!(serve(stream, peer, app.clone()));
            }
            // Out of descriptors, most likely. Others may close theirs, so go on.
            Err(error) => {
                eprintln!("http_axum: {error}");
                coroutine::sleep(Duration::from_millis(100));
            }
        }
    }
}

/// The life of a connection. `http_hyper` shows how to end one gracefully.
fn serve(stream: TcpStream, peer: SocketAddr, app: Router) {
    let mut server = auto::Builder::new(Executor::new());
    server.http1().timer(Timer);
    server.http2().timer(Timer);
    let served = stream
        .set_nodelay(true)
        .map_err(Into::into)
        .and_then(|()| block_on(server.serve_connection(stream, TowerToHyperService::new(app))));
    if let Err(error) = served {
        eprintln!("http_axum: {peer}: {error}");
    }
}

/// A coroutine that counts, and that owns its count alone: no lock.
fn counter() -> Sender<Sender<u64>> {
    let (requests, receiver) = chan!(Sender<u64>, 16);
    go!("counter", move || {
        for (number, answer) in (1..).zip(receiver) {
            // One that does not wait for its number any more has used it up.
            let _ = answer.send(number);
        }
    });
    requests
}

/// Asks the counter, and waits for its answer.
async fn count(State(shared): State<Shared>) -> Result<String, StatusCode> {
    let (answer, number) = chan!(1);
    shared.counter.send(answer).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    let number = number.recv().map_err(|_| StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(format!("{number}\n"))
}

/// Sleeps.
async fn wait(Path(millis): Path<u64>) -> Result<String, StatusCode> {
    if millis > 60_000 {
        return Err(StatusCode::BAD_REQUEST);
    }
    coroutine::sleep(Duration::from_millis(millis));
    Ok(format!("waited for {millis} ms\n"))
}

/// Asks a server, here this one itself, and waits for what it says.
async fn fetch(State(shared): State<Shared>) -> Result<String, StatusCode> {
    let answer = ask(shared.address).map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok(format!("{} says: {answer}", shared.address))
}

/// A request as a blocking program makes it.
fn ask(address: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    write!(stream, "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    body.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "an answer without an end"))
}
