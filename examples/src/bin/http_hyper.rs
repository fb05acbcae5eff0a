//! An HTTP server by hyper, for HTTP/1 and HTTP/2, without an async runtime.
//!
//! It shows the features `hyper` of mco: a coroutine per connection that blocks on hyper's future for it
//! ([`serve`]), `mco::runtime::Executor`, which gives each HTTP/2 request a coroutine of its own, and
//! `mco::runtime::Timer`, by which a client that dawdles is cut off. What answers a request may block:
//! `/wait` just sleeps. On SIGTERM, SIGINT (which is Ctrl-C) or, on systems without them, at the end of
//! the standard input, it answers what it has been asked, and ends.
//!
//! Run it, here on the default address and with the default limit of 10 s for a request's head, and ask it
//! from another terminal:
//!
//! ```text
//! $ cargo run --release -p mco-examples --bin http_hyper 127.0.0.1:8080 10
//! listening on 127.0.0.1:8080
//!
//! $ curl http://127.0.0.1:8080/
//! hello over HTTP/1.1
//! $ curl --http2-prior-knowledge http://127.0.0.1:8080/
//! hello over HTTP/2.0
//! $ curl --data 'to and fro' http://127.0.0.1:8080/echo
//! to and fro
//! $ curl http://127.0.0.1:8080/wait/1500
//! waited for 1500 ms
//! ```
//!
//! On Ctrl-C it says `stopping`, and `stopped` when the last connection has ended.

use std::cell::Cell;
use std::error::Error;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::{FutureExt, Shared};
use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::rt::Timer as _;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::server::conn::auto;
use mco::net::{TcpListener, TcpStream};
use mco::runtime::{Executor, Timer};
use mco::std::sync::{SyncFlag, WaitGroup};
use mco::std::time::timeout;
use mco::{block_on, coroutine, go, select};

/// How long connections have to end after a signal.
const GRACE: Duration = Duration::from_secs(10);

type Answer = Response<Either<Full<Bytes>, Incoming>>;

#[mco::main]
fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let limit = arguments.next().unwrap_or_else(|| "10".to_owned());
    let Ok(seconds @ 1..) = limit.parse() else {
        eprintln!("http_hyper: `{limit}` is no limit: give a number of seconds, 1 or more");
        return ExitCode::FAILURE;
    };
    match run(&address, Duration::from_secs(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http_hyper: `{address}` cannot be served: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until the program is to stop, and then to the end of the last connection.
fn run(address: &str, limit: Duration) -> io::Result<()> {
    let stop = mco_examples::stop::on_signals()?;
    let listener = TcpListener::bind(address)?;
    println!("listening on {}", listener.local_addr()?);

    // The same as a future, for those who wait for something else too.
    let flag = stop.clone();
    let stopped = go!("stop", move || flag.wait()).into_future().map(drop).boxed().shared();
    let connections = WaitGroup::new();
    accept(&listener, &stop, |stream, peer| {
        let (stopped, connection) = (stopped.clone(), connections.clone());
        go!(move || {
            // A client that breaks off is its own affair.
            if let Err(error) = serve(stream, limit, stopped) {
                eprintln!("http_hyper: {peer}: {error}");
            }
            drop(connection);
        });
    });

    // Nobody else gets in.
    drop(listener);
    println!("stopping");
    match timeout(GRACE, || connections.wait()) {
        Ok(()) => println!("stopped"),
        Err(_) => println!("stopped, with connections that did not end within {GRACE:?}"),
    }
    Ok(())
}

/// Takes connections until the flag is fired.
fn accept(listener: &TcpListener, stop: &SyncFlag, mut take: impl FnMut(TcpStream, SocketAddr)) {
    loop {
        select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => take(stream, peer),
                // Out of descriptors, most likely. Others may close theirs, so go on.
                Err(error) => {
                    eprintln!("http_hyper: {error}");
                    coroutine::sleep(Duration::from_millis(100));
                }
            },
            _ = stop.wait() => return,
        }
    }
}

/// The life of a connection.
fn serve(
    stream: TcpStream,
    limit: Duration,
    mut stopped: Shared<impl Future<Output = ()>>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    stream.set_nodelay(true)?;
    let mut server = auto::Builder::new(Executor::new());
    server.http1().timer(Timer).header_read_timeout(limit);
    server.http2().timer(Timer).keep_alive_interval(limit).keep_alive_timeout(limit);

    // Before it knows which HTTP it is, hyper has no limit.
    let has_asked = Arc::new(AtomicBool::new(false));
    let asks = has_asked.clone();
    let answers = service_fn(move |request| {
        asks.store(true, Ordering::Relaxed);
        answer(request)
    });
    let mut connection = pin!(server.serve_connection(stream, answers));
    let mut first_request = Timer.sleep(limit);
    let stopping = Cell::new(false);
    block_on(poll_fn(|context| {
        if !stopping.get() && stopped.poll_unpin(context).is_ready() {
            stopping.set(true);
            connection.as_mut().graceful_shutdown();
        }
        if let Poll::Ready(end) = connection.as_mut().poll(context) {
            return Poll::Ready(end);
        }
        if !has_asked.load(Ordering::Relaxed) && first_request.as_mut().poll(context).is_ready() {
            return Poll::Ready(Err(format!("no request within {limit:?}").into()));
        }
        Poll::Pending
    }))
}

/// Answers a request, in the coroutine of its connection or, with HTTP/2, in one of its own.
async fn answer(request: Request<Incoming>) -> hyper::Result<Answer> {
    let path = request.uri().path();
    if let Some(millis) = path.strip_prefix("/wait/") {
        let Ok(millis @ ..=60_000) = millis.parse() else {
            return Ok(text(StatusCode::BAD_REQUEST, "`/wait/MILLISECONDS`, at most 60000\n"));
        };
        // As in any coroutine: others run meanwhile.
        coroutine::sleep(Duration::from_millis(millis));
        return Ok(text(StatusCode::OK, format!("waited for {millis} ms\n")));
    }
    Ok(match (request.method(), path) {
        (&Method::GET | &Method::HEAD, "/") => {
            text(StatusCode::OK, format!("hello over {:?}\n", request.version()))
        }
        // The body goes back while it comes, however long it is.
        (&Method::POST, "/echo") => Response::new(Either::Right(request.into_body())),
        (_, "/" | "/echo") => text(StatusCode::METHOD_NOT_ALLOWED, "not with this method\n"),
        _ => text(StatusCode::NOT_FOUND, "there are `/`, `/echo` and `/wait/MILLISECONDS`\n"),
    })
}

fn text(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut response = Response::new(Either::Left(Full::new(text.into())));
    *response.status_mut() = status;
    response
}
