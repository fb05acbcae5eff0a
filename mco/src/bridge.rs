//! Async crates on coroutines: their futures, their sockets, their timers.
//!
//! Nothing of this is needed to use mco. It is for crates that are written with `async`: hyper, axum,
//! tokio-postgres and many more run on coroutines, with no async runtime anywhere.
//!
//! - [`mco::block_on`](crate::block_on()) runs a future in the calling coroutine, or thread.
//! - A [`JoinHandle`](crate::coroutine::JoinHandle) can be awaited.
//! - [`TcpStream`](crate::net::TcpStream), `UnixStream` and, with the feature `tls`, `TlsStream`, and
//!   references to them, implement what the features of the crate `mco` name. One does not exclude another.
//!   Of the halves of a `TlsStream` each implements what is for its direction.
//!
//! | feature | what the streams implement | what else there is |
//! | --- | --- | --- |
//! | `futures-io` | `futures_io::{AsyncRead, AsyncWrite}` | |
//! | `tokio-io` | `tokio::io::{AsyncRead, AsyncWrite}` | |
//! | `hyper` | `hyper::rt::{Read, Write}` | `mco::runtime::Executor`, `mco::runtime::Timer` |
//!
//! `tokio-io` takes the traits from the crate `tokio`, and nothing else: no runtime of tokio's is compiled,
//! nor started.
//!
//! # A server
//!
//! Each connection is a coroutine that blocks on hyper's future for it:
//!
#![cfg_attr(feature = "hyper", doc = "```")]
#![cfg_attr(not(feature = "hyper"), doc = "```ignore")]
//! use std::io::{Read, Write};
//! use hyper::service::service_fn;
//! use hyper::{Response, server::conn::http1};
//! use mco::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let addr = listener.local_addr()?;
//! mco::coroutine::spawn(move || {
//!     for stream in listener.incoming() {
//!         mco::coroutine::spawn(move || {
//!             let answer = service_fn(async |_| {
//!                 // May block, as any code in a coroutine.
//!                 mco::coroutine::sleep(std::time::Duration::from_millis(1));
//!                 Ok::<_, std::convert::Infallible>(Response::new("hello".to_owned()))
//!             });
//!             mco::block_on(
//!                 http1::Builder::new()
//!                     .timer(mco::runtime::Timer)
//!                     .serve_connection(stream.unwrap(), answer),
//!             )
//!         });
//!     }
//! });
//!
//! let mut stream = TcpStream::connect(addr)?;
//! stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer)?;
//! assert!(answer.ends_with("hello"));
//! # Ok(())
//! # }
//! ```
//!
//! `http_hyper`, `http_axum` and `postgres` in `examples` are whole programs.
//!
//! # Blocking in async code
//!
//! A future that runs in [`block_on`](crate::block_on()) has a coroutine to itself, so what it calls may
//! block: receive from a channel of mco's, sleep, wait for another coroutine, read from a socket. The
//! coroutine that polls it is parked, and its worker runs the others. No helper is needed, no second pool
//! of threads. What follows from that:
//!
//! - All that the same `block_on` polls waits too. With HTTP/1 that is one connection, which would have
//!   nothing else to do; hyper does not notice meanwhile that the client has gone. With HTTP/2 each
//!   request is a future of its own, which [`Executor`](crate::runtime) runs in a coroutine of its own.
//!   The branches of a `join!` or `select!` of an async crate are in one.
//! - **A `block_on` inside a handler of HTTP/1 must not wait for the rest of the request.** Its body comes in
//!   through the future of the connection, which is what polls the handler and waits for it to return: what is
//!   longer than hyper's buffer never arrives. Read the body with `.await`, and block on what is done with it
//!   then. (With HTTP/2 the connection is another coroutine, and goes on.)
//! - To drop a pending future, and so to give a request up, is for async code: see below.
//! - A std lock must not be held across it, as everywhere in a coroutine: it would block the worker.
//!   Async crates do so in what they call while they hold a lock of theirs, such as wakers and the
//!   implementations of their traits, but not where they poll futures of yours.
//! - What blocks its thread (files, a std lock, long computing) belongs on the blocking pool:
//!   [`mco::blocking`](crate::blocking()), in async code too.
//!
//! # Deadlines
//!
//! [`timeout`](timeout()) limits a future, [`std::time::timeout`](mod@crate::std::time) what blocks. A request
//! usually wants both, since a handler is suspended in the one way or in the other:
//!
#![cfg_attr(feature = "hyper", doc = "```")]
#![cfg_attr(not(feature = "hyper"), doc = "```ignore")]
//! use std::time::Duration;
//! use hyper::{Request, Response, StatusCode, body::Body};
//! use mco::std::time::Elapsed;
//!
//! const LIMIT: Duration = Duration::from_secs(10);
//!
//! async fn answer<B: Body>(request: Request<B>) -> Response<String> {
//!     // What waits by `.await`, such as for the body, is given up at the limit ..
//!     let found = mco::bridge::timeout(LIMIT, async {
//!         let _body = request.into_body();
//!         // .. and so is what blocks: it is cut off inside of the poll.
//!         mco::std::time::timeout(LIMIT, || {
//!             mco::sleep(Duration::from_millis(1));
//!             "found".to_owned()
//!         })
//!     });
//!     match found.await {
//!         Ok(Ok(found)) => Response::new(found),
//!         Ok(Err(Elapsed)) | Err(Elapsed) => {
//!             let mut late = Response::new("it took too long".to_owned());
//!             *late.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
//!             late
//!         }
//!     }
//! }
//! # let answered = mco::block_on(answer(Request::new(String::new())));
//! # assert_eq!(answered.into_body(), "found");
//! ```
//!
//! # What is promised
//!
//! - An operation is tried first. If it would block, the future is pending, and its task is woken when the
//!   system has reported the socket ready. One that is polled again for another reason makes no system call
//!   in vain.
//! - Reads and writes are independent of each other. Of each, the task that polled last is woken. The
//!   future may move to another coroutine, runtime or thread in between, and a coroutine may use the same
//!   socket with [`Read`](::std::io::Read) and [`Write`](::std::io::Write) at the same time. Two futures that
//!   read from the same socket at once need one task, or a handle each
//!   ([`try_clone`](crate::net::TcpStream::try_clone)).
//! - The waker is dropped when it has been woken, and with the socket at the latest.
//! - Futures that are always ready do not keep their worker: after 128 operations in a turn one is pending
//!   although it need not be, and `block_on` lets the others run. No operation switches coroutines inside
//!   of a poll, since its callers may hold locks. For the same reason a cancelled coroutine does not unwind
//!   inside of it, but in `block_on`, between two polls, and its future is dropped.
//! - Timeouts of a stream (`set_read_timeout`) and `set_nonblocking` are for blocking calls; here they are
//!   not looked at. [`timeout`](crate::std::time::timeout) around `block_on` works.
//! - Closing or shutting down ends the writing direction, for the peer to read the end. That of a
//!   connection that is gone already is no error.
//!
//! With TLS moreover:
//!
//! - The handshake blocks: `accept` and `connect` come before the future.
//! - A write is ready when its data has been encrypted, of which a part may have yet to be sent. That goes
//!   out with what is polled next, be it a read. Who waits for neither flushes first.
//! - To close sends a close_notify behind what was written, and is ready when that is on its way. A
//!   connection that ends without one fails with `UnexpectedEof`.
//! - What is called from the configuration, as a store of sessions, runs inside of polls, and should not
//!   block.

// How a future waits for a socket is at the head of `reactor/io_state.rs`, since it is how a coroutine does
// too: it enters a list, as `Waiter::Task`. `reactor/registered.rs` tries, enters, and looks again.

#[cfg(feature = "futures-io")]
mod futures_io;
#[cfg(feature = "hyper")]
mod hyper;
mod sleep;
mod timeout;
#[cfg(feature = "tokio-io")]
mod tokio_io;

#[cfg(feature = "hyper")]
pub use self::hyper::{Executor, Timer};
pub use self::timeout::{Timeout, timeout};

/// Implements the traits that the features ask for: `read` for a type that implements `PollRead`, `write` for
/// one that implements `PollWrite`; and for references to it.
#[cfg(feature = "_bridge")]
macro_rules! async_traits {
    ($stream:ty: $($direction:ident)+) => {$(
        #[cfg(feature = "futures-io")]
        #[allow(unused_imports, reason = "each direction needs some")]
        const _: () = {
            use std::io::{self, IoSlice, IoSliceMut};
            use std::pin::Pin;
            use std::task::{Context, Poll};

            use crate::net::poll_buffer::Room;
            use crate::net::poll_stream::{PollRead, PollWrite};

            futures_io::$direction!($stream);
            futures_io::$direction!(&$stream);
        };
        #[cfg(feature = "tokio-io")]
        #[allow(unsafe_code, reason = "memory that is not initialised")]
        #[allow(unused_imports, reason = "as above")]
        const _: () = {
            use std::io::{self, IoSlice};
            use std::pin::Pin;
            use std::task::{Context, Poll, ready};

            use crate::net::poll_buffer::Room;
            use crate::net::poll_stream::{PollRead, PollWrite};

            tokio_io::$direction!($stream);
            tokio_io::$direction!(&$stream);
        };
        #[cfg(feature = "hyper")]
        #[allow(unsafe_code, reason = "memory that is not initialised")]
        #[allow(unused_imports, reason = "as above")]
        const _: () = {
            use std::io::{self, IoSlice};
            use std::pin::Pin;
            use std::task::{Context, Poll, ready};

            use crate::net::poll_buffer::Room;
            use crate::net::poll_stream::{PollRead, PollWrite};

            hyper::$direction!($stream);
            hyper::$direction!(&$stream);
        };
    )+};
}

#[cfg(feature = "_bridge")]
async_traits!(crate::net::TcpStream: read write);
#[cfg(all(feature = "_bridge", unix))]
async_traits!(crate::os::unix::net::UnixStream: read write);
#[cfg(all(feature = "_bridge", feature = "tls"))]
async_traits!(crate::net::tls::TlsStream: read write);
#[cfg(all(feature = "_bridge", feature = "tls"))]
async_traits!(crate::net::tls::ReadHalf: read);
#[cfg(all(feature = "_bridge", feature = "tls"))]
async_traits!(crate::net::tls::WriteHalf: write);
