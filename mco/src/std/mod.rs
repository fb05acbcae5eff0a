//! The standard library, with what may block made for coroutines, and what Go's has beyond it.
//!
//! The module is called `std`, so where it is imported, the standard library is `::std`.
//!
//! # In std's place
//!
//! **A program that was written for threads becomes one of coroutines when its paths begin with `mco::std` where they
//! began with `std`.** What std has and may block is here under the same path, with the same signatures, errors
//! and traits, and so is what stands beside it. Everything else of std is std's own.
//!
//! ```
//! use mco::std::io::{BufRead, BufReader, Write};
//! use mco::std::net::{TcpListener, TcpStream};
//! use mco::std::sync::{Arc, Mutex};
//! use mco::std::thread;
//!
//! # fn main() -> std::io::Result<()> {
//! let lines = Arc::new(Mutex::new(Vec::new()));
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let addr = listener.local_addr()?;
//! let server = {
//!     let lines = Arc::clone(&lines);
//!     thread::spawn(move || {
//!         let (stream, _) = listener.accept()?;
//!         for line in BufReader::new(stream).lines() {
//!             lines.lock().unwrap().push(line?);
//!         }
//!         std::io::Result::Ok(())
//!     })
//! };
//! TcpStream::connect(addr)?.write_all(b"one\ntwo\n")?;
//! server.join().unwrap()?;
//! assert_eq!(*lines.lock().unwrap(), ["one", "two"]);
//! # Ok(())
//! # }
//! ```
//!
//! So it is with `tiny_http` 0.12, a server: with its paths changed, its own tests pass, and each connection is a
//! coroutine.
//!
//! | module | mco's | std's own | what differs |
//! | --- | --- | --- | --- |
//! | [`thread`] | all but the next column; [`LocalKey`](thread::LocalKey) is that of [`coroutine_local!`](crate::coroutine_local), also called `mco::std::thread_local!` | `Result`, `available_parallelism` | see [there](thread); no `spawn_unchecked` |
//! | [`sync`](mod@sync) | locks, `Condvar`, `Barrier`, `Once`, `OnceLock`, `LazyLock`; `WaitTimeoutResult`, `BarrierWaitResult`, `OnceState` | `Arc`, `Weak`, `atomic`, `LockResult` and the errors | a cancel poisons nothing; locks are fair; [`RwLock`](sync::RwLock) lets a waiting writer go first; `Debug` shows an empty `OnceLock` as the `OnceCell` that it is |
//! | [`sync::mpsc`] | the channels | the errors | `SyncSender` is another name of `Sender`; a `Receiver` is `Clone` and `Sync` |
//! | [`net`] | `TcpStream`, `TcpListener`, `UdpSocket`, `ToSocketAddrs`, `Incoming` | addresses, `Shutdown` | what takes too long fails with `TimedOut` on every system, where std says `WouldBlock` on Unix; errors name the address; conversions from and into std's types may fail, so they are `TryFrom` |
//! | [`os`] | `unix::net` | the rest | |
//! | [`time`](mod@time) | `Instant` | `Duration`, `SystemTime`, `UNIX_EPOCH`, the errors | `Instant` follows the runtime's clock, which may be [virtual](macro@crate::test), and turns into std's and back |
//! | `fs`, `process`, [`io`] | | all of it | it blocks the worker; use [`blocking()`](crate::blocking()), and `mco::io` for pipes |
//! | all others | | all of it | it does not block |
//!
//! Wherever the caller is a coroutine that may be [cancelled](crate::coroutine::Coroutine::cancel), or is in a
//! [`timeout`](time::timeout), what waits may unwind. A program that does neither never sees that.
//!
//! # Beyond std
//!
//! | module | what for |
//! | --- | --- |
//! | [`sync`](mod@sync) | channels of many receivers, semaphores, wait groups, flags |
//! | [`time`](mod@time) | timers, tickers, timeouts, dates |
//! | [`lazy`] | what `OnceLock` and `LazyLock` are here, under older names |
//! | [`pool`] | connections that are used again |
//! | [`queue`] | queues that nobody waits at |
//! | [`io`] | all of std's, and streams of results that come out of a channel |
//! | [`errors`] | an error for programs that need no types of their own |
//! | [`defer`] | at the end of a scope |
//! | [`blocking`] | jobs that block their thread |

pub mod blocking;
pub mod defer;
pub mod errors;
pub mod io;
pub mod lazy;
pub mod pool;
pub mod queue;
pub mod sync;
pub mod thread;
pub mod time;

#[doc(no_inline)]
pub use ::std::*;

#[doc(no_inline)]
pub use crate::coroutine_local as thread_local;
#[doc(no_inline)]
pub use crate::{net, os};
