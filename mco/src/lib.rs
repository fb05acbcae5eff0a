//! Goroutines for Rust: stackful coroutines that read like blocking code, scheduled over all cores.
//!
//! ```
//! use std::io::{Read, Write};
//! use mco::net::{TcpListener, TcpStream};
//!
//! # fn main() -> std::io::Result<()> {
//! let listener = TcpListener::bind("127.0.0.1:0")?;
//! let addr = listener.local_addr()?;
//!
//! // One coroutine for each connection: a stack of its own, code that just reads and writes.
//! mco::coroutine::spawn(move || {
//!     for stream in listener.incoming() {
//!         let mut stream = stream.unwrap();
//!         mco::coroutine::spawn(move || {
//!             let mut buffer = [0; 1024];
//!             while let Ok(n @ 1..) = stream.read(&mut buffer) {
//!                 if stream.write_all(&buffer[..n]).is_err() {
//!                     break;
//!                 }
//!             }
//!         });
//!     }
//! });
//!
//! let mut stream = TcpStream::connect(addr)?;
//! stream.write_all(b"hello")?;
//! let mut answer = [0; 5];
//! stream.read_exact(&mut answer)?;
//! assert_eq!(&answer, b"hello");
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! **A coroutine that has started never changes its thread.** So spawning is safe Rust, with no
//! `unsafe` in any expansion: an `Rc`, a `RefCell` borrow or a std `MutexGuard` may live across a
//! call that blocks. What moves between workers is only what has not started yet.
//!
//! **"Safe" rests on what std assumes of a thread**, that it does one thing at a time: do not wait in an
//! initialiser of a `thread_local!`, in a scope of a crate with scoped thread-locals (`scoped-tls`), or in a
//! destructor of a thread-local during `process::exit`, where other coroutines of the thread use the same value,
//! since that is a use after free in them; use [`coroutine_local!`], a `const {}` initialiser, or a value made
//! beforehand. [Thread-local values](#thread-local-values) says what of it is found.
//!
//! Everything that blocks here works in a plain thread too, with the same meaning. A thread needs
//! no runtime set up: the global one starts when the first coroutine is spawned.
//!
//! A coroutine's panic ends that coroutine, and reaches whoever joins it. A stack overflow ends the
//! process with a message that names the coroutine. A coroutine that holds its worker up is named
//! on standard error, with the place where it is and how many wait behind it, and what has not started is run elsewhere if
//! need be. (On Linux its thread is sent a `SIGURG` for that, unless the program has a handler for it.)
//!
//! # What to know
//!
//! - **Block with mco, not with std.** `std::thread::sleep`, a std lock that is contended, a file or
//!   a lookup of std's blocks the worker with all its coroutines; [`blocking()`] is for them. A std
//!   `MutexGuard` held across a blocking call of mco can deadlock its worker: the next coroutine
//!   there that locks it blocks the thread on which the first would have to go on.
//! - **Thread-local values are shared** by the coroutines of one worker. For what belongs to one
//!   coroutine there is [`coroutine_local!`]. See [below](#thread-local-values).
//! - **Computing does not yield.** A loop of nothing that [may wait](crate#what-waits) keeps its worker; let
//!   it call [`coroutine::yield_now`] now and then.
//! - **Stacks do not grow.** Each coroutine has 6 MiB of address space, of which it uses memory as
//!   far as its stack has grown; [`config()`] and [`coroutine::Builder::stack_size`] change that.
//!   On Linux 6.13 and later the number of coroutines is bounded by memory alone. On older kernels, and with the
//!   feature `generator`, a stack takes two of the process's mappings, 65,530 by default (`vm.max_map_count`), so
//!   some 32,000 coroutines live at once. Below each stack lies a guard of 64 KiB, so that a frame of C code which does not
//!   touch its pages one by one cannot step over it if it is no larger; with the feature `generator` it is one page.
//! - **The control words of floating point** (rounding, exceptions) belong to the thread. Who changes them
//!   sets them back before the next call that may wait.
//! - **Destructors may block.** While one does so during an unwinding, `std::thread::panicking()` is
//!   true for the other coroutines of that worker too: the locks that they hold then are poisoned if
//!   they are std's, but not if they are mco's. Nothing may block inside a panic hook. Neither a cancel nor a
//!   [`timeout`](std::time::timeout) cuts anything off there, since a second unwinding would end the process: a
//!   destructor that may wait for long gives the operation a time limit of its own, such as `recv_timeout`.
//! - **A cancelled coroutine unwinds**, from its next blocking call, with the payload
//!   [`coroutine::Cancelled`]. Code that must not be cut off there should not be cancelled. No unwinding
//!   passes an `extern "C"` function: to cancel a coroutine that waits below one aborts the process.
//!
//! # What waits
//!
//! The documentation of each operation says which of two kinds it is.
//!
//! - **It may wait.** It may then let the other coroutines of its worker run even if it finds at once what it
//!   is for: after some 128 such operations in a row one does, so that nobody starves beside a loop of them. It
//!   unwinds, wherever it could have waited, if the caller has been [cancelled](coroutine::Coroutine::cancel) or
//!   its [`timeout`](std::time::timeout) is over. So across it do not hold what other coroutines of this thread
//!   need: a std lock, a borrow of a `RefCell` in a thread-local.
//! - **It never waits.** It lets nobody run, and never unwinds for those reasons: not if the caller has been
//!   cancelled or is out of time, not after however many operations, not under the seeds of
//!   [`#[mco::test]`](macro@crate::test). So it may be called with a std lock held, in a panic hook, in a destructor.
//!   It may wake others, who run when the caller waits or ends. A loop of nothing else keeps its worker.
//!
//! Never waiting, too: to drop a guard or a handle, to clone one, and whatever only asks; to set an option of a
//! socket, or to ask for one. To drop a [`Runtime`](runtime::Runtime) may wait. Operations of sockets and streams
//! that transfer something, connect or accept may wait, also those that are not to (`set_nonblocking`).
//! [`select!`] may wait; with a `default`, and only operations that have an arm of their own, it never does.
//!
//! # What can be cut off
//!
//! A [`select!`] cuts off the arms that lose, a [`timeout`](std::time::timeout) what it limits, a
//! [cancel](coroutine::Coroutine::cancel) whatever its coroutine waits in. An operation is *cancel-safe* if, cut
//! off, it has not happened at all:
//!
//! | cancel-safe: nothing is lost | cut off in the middle |
//! | --- | --- |
//! | `recv`, `send` of channels; a value that was not sent comes back from the arm of a `select!`, else it is dropped | two of them one after the other: `recv() + recv()` has taken the first value |
//! | `join` and `wait` of a `JoinHandle` (cut off by a `timeout` or a cancel, `join` lets the coroutine go on alone) | a [`scope`](coroutine::scope()), a [`group`](coroutine::group()), [`join!`]: the children are cancelled, and waited for |
//! | `lock`, `read`, `write` of locks; `wait` and `acquire` of a [`Semaphore`](std::sync::Semaphore), `SyncFlag`, `Barrier`, `WaitGroup`, `Condvar` | what is done with a lock held: destructors run, and the lock is not poisoned |
//! | `wait` of a [`CancelToken`](coroutine::CancelToken); `next` and `join_all` of a [`Group`](coroutine::Group) | `first_ok` of a [`Group`](coroutine::Group): an `Err` that it has seen is gone |
//! | `sleep`, `park`, `recv` of a [`Ticker`](std::time::Ticker) | |
//! | `accept`; a single `read`, `peek`, `recv_from`, and `write` of a socket of TCP, UDP or Unix: it has transferred something and returns, or nothing | `read_exact`, `read_to_end`, `read_line`, `lines`, `write_all`, `copy`, and `flush` of a `BufWriter`: a part has been transferred, and what had been read is in the caller's buffer, or gone |
//! | | `connect`, a handshake of TLS; `read` and `write` of a `TlsStream` are as those of its socket |
//! | a job of [`blocking()`] that has not begun | one that has: it goes on to its end |
//! | [`block_on()`]: as far as the future is when it is dropped | [`Once`](std::sync::Once), `OnceCell`, `Lazy`: the initialiser is cut off, and runs again for the next one |
//! | | any other expression, function or block: what it has done by then is done |
//!
//! So a `read_line` in a `select!` in a loop loses the beginning of lines whenever another arm is quicker. Let a
//! coroutine of its own read, and receive from a channel:
//!
//! ```
//! use std::io::{BufRead, BufReader, Write};
//! use std::time::Duration;
//! use mco::net::{TcpListener, TcpStream};
//! use mco::std::time::Ticker;
//!
//! # fn main() -> std::io::Result<()> {
//! # let listener = TcpListener::bind("127.0.0.1:0")?;
//! # let mut client = TcpStream::connect(listener.local_addr()?)?;
//! # let stream = listener.accept()?.0;
//! # mco::spawn(move || {
//! #     for _ in 0..3 {
//! #         for half in ["he", "llo\n"] {
//! #             client.write_all(half.as_bytes()).unwrap();
//! #             mco::sleep(Duration::from_millis(5));
//! #         }
//! #     }
//! # });
//! let (sender, lines) = mco::chan!(std::io::Result<String>, 1);
//! let reader = mco::spawn(move || {
//!     for line in BufReader::new(stream).lines() {
//!         if sender.send(line).is_err() {
//!             break;
//!         }
//!     }
//! });
//! let ticker = Ticker::new(Duration::from_millis(1));
//! let mut received = Vec::new();
//! loop {
//!     mco::select! {
//!         Ok(line) = lines.recv() => received.push(line?),
//!         Err(_) = lines.recv() => break, // the reader has come to the end
//!         _ = ticker.recv() => {},
//!     }
//! }
//! reader.cancel(); // if one stops earlier
//! assert_eq!(received, ["hello"; 3]);
//! # Ok(())
//! # }
//! ```
//!
//! # Cancelling
//!
//! [`Coroutine::cancel`](coroutine::Coroutine::cancel), and its like of handles, scopes and groups, asks a coroutine to stop. One that has
//! not started never does. Any other unwinds from its next operation that [may wait](#what-waits), or from the one in
//! which it waits, with the payload [`Cancelled`](coroutine::Cancelled): destructors run, nothing is printed, and no lock
//! of mco's is poisoned. [`join`](coroutine::JoinHandle::join) gives that payload as its error.
//!
//! - It is asked once and holds for good: whoever catches the unwinding unwinds again from the next wait.
//! - What computes is not interrupted. It may ask [`coroutine::is_cancelled`], and end by itself.
//! - Put off is a cancel while the coroutine unwinds already, inside the initialiser of a
//!   [`Once`](std::sync::Once) or a `Lazy` that others share, and inside of [`coroutine::shield`].
//! - Children are cancelled with the [`scope`](coroutine::scope()), the [`group`](coroutine::group()), the [`join!`] or the
//!   arm that started them, which waits for their end. What was spawned otherwise goes on.
//! - For many who belong to nothing in common there is a [`CancelToken`](coroutine::CancelToken).
//! - A job of [`blocking()`] that has begun is not stopped: its coroutine waits for it, and unwinds then.
//! - Dropping a `JoinHandle` cancels nothing: the coroutine goes on alone.
//! - Dropping a [`Runtime`](runtime::Runtime) cancels all of its coroutines.
//! - Plain threads cannot be cancelled.
//!
//! The sections of functions that say "Unwinds if the calling coroutine is cancelled" mean this.
//! [What can be cut off](#what-can-be-cut-off) says of which operations nothing is lost.
//!
//! ```
//! use mco::coroutine::Cancelled;
//!
//! let waits = mco::spawn(|| {
//!     mco::defer!(println!("cleaned up"));
//!     mco::coroutine::park();
//! });
//! waits.coroutine().cancel();
//! assert!(waits.join().unwrap_err().is::<Cancelled>());
//! ```
//!
//! # Deadlines
//!
//! There are three ways to wait no longer than so long. A `Duration` counts from the call; all of them follow the
//! clock that cannot be set, or the virtual one of a [test](macro@crate::test).
//!
//! | way | what happens at the end of the time |
//! | --- | --- |
//! | the operation's own: `recv_timeout`, `wait_timeout`, `set_read_timeout`, `connect_timeout`, .. | it returns its error, `Timeout` or `TimedOut`; nothing unwinds |
//! | [`timeout`](std::time::timeout) around a closure | whatever the closure waits in unwinds, as by a cancel, and `timeout` returns [`Elapsed`](std::time::Elapsed) |
//! | an arm `_ = sleep(duration) => ..` of a [`select!`] | the other arms are cut off |
//!
//! Of several limits the nearest holds. If an operation's own has passed as well, its own counts. Children of a scope, a
//! group or a `join!` inside of a `timeout` have its deadline, too; what is spawned otherwise has none by it. It works in
//! plain threads. Like a cancel, it interrupts no computing and nothing that runs in a destructor during an unwinding.
//! [`deadline`](std::time::deadline) is a `timeout` until a point of time; [`remaining`](std::time::remaining) says what is
//! left.
//!
//! ```
//! use std::time::Duration;
//! use mco::std::sync::channel::{RecvTimeoutError, unbounded};
//! use mco::std::time::{Elapsed, timeout};
//!
//! let (_sender, receiver) = unbounded::<u32>();
//! let soon = Duration::from_millis(5);
//! assert_eq!(receiver.recv_timeout(soon), Err(RecvTimeoutError::Timeout));
//! assert_eq!(timeout(soon, || receiver.recv()), Err(Elapsed));
//! ```
//!
//! # Errors
//!
//! What is like std's fails as std's does, with the same types and the same [`ErrorKind`]s. An `io::Error` of the
//! system's that says only what is wrong gets what was tried, and what to do, around it; its kind stays, and the system's
//! own error, with the `raw_os_error`, is the [`source`](::std::error::Error::source). These come from mco, or mean
//! something more:
//!
//! | [`ErrorKind`] | from | when |
//! | --- | --- | --- |
//! | `TimedOut` | sockets, handshakes of TLS, `CoIo`, `WaitIo` | their own limit is over (std says `WouldBlock` on Unix); `?` makes it of [`Elapsed`](std::time::Elapsed) |
//! | `WouldBlock` | sockets that are not to wait (`set_nonblocking`) | they would have to; on others never |
//! | `InvalidInput` | limits of sockets | the limit is zero |
//! | | addresses | the text is none, or the name has none |
//! | | [`runtime::Builder::build`] | no workers, more than 4,096, or another setting that cannot be |
//! | `AddrInUse`, `PermissionDenied`, `AddrNotAvailable` | `bind` | as the system says, with the address and what to do |
//! | `ConnectionRefused`, `HostUnreachable`, `NetworkUnreachable`, .. | `connect` | as the system says, with the address |
//! | `ConnectionReset`, `BrokenPipe`, `NotConnected` | reading and writing | the peer has gone; as the system says |
//! | `BrokenPipe` | `TlsStream` | writing after `shutdown` |
//! | `UnexpectedEof` | `TlsStream` | the connection has ended without a close_notify, or during the handshake |
//! | `InvalidData` | `TlsStream` | the peer breaks the protocol, or is not trusted: a `TlsError` is inside |
//! | `Unsupported` | `CoIo` | a descriptor that the system cannot watch: a file, a directory |
//! | | what needs a runtime's threads | in the child of a `fork` |
//! | `AlreadyExists` | `CoIo` | the descriptor is watched through two handles at once |
//! | the system's (`EMFILE`, `ENFILE`, ..) | `accept` | out of descriptors, and still after about a second |
//! | the system's | [`runtime::Builder::build`] | it has no more threads, memory or descriptors |
//! | `Other` | sockets | a wait while the process exits, see [below](#thread-local-values); a `TlsStream` of which the configuration has panicked |
//!
//! `Interrupted` never comes: the operation is repeated. `accept` passes over connections that their clients have given
//! up (`ConnectionAborted`). Channels, locks and parks have errors of their own, with a value that was not sent in them; a
//! coroutine for which there is no stack is one that has panicked, and its `join` says why.
//!
//! [`ErrorKind`]: ::std::io::ErrorKind
//!
//! # Thread-local values
//!
//! std takes for granted that nobody else runs on a thread between the begin and the end of three things:
//!
//! - *An initialiser of a `thread_local!`.* If it waits, another coroutine may make the value meanwhile and
//!   borrow it; when the first one returns, the value is replaced under the borrow. In builds with debug
//!   assertions, and in [`#[mco::test]`](macro@crate::test), the first wait from each place in the source at each
//!   depth of the stack looks for such an initialiser beneath it, and panics if there is one, before anything has
//!   changed. That finds it on Linux, by the program's table of symbols; not if that was stripped, nor where an
//!   optimised initialiser was inlined.
//! - *The destructors that `std::process::exit` runs* in a coroutine, on the worker's thread. From then on that
//!   thread is a plain one: a wait with a time limit works, and one without is refused with a panic (a socket's
//!   with an error), since only other threads could still end it. A panic in such a destructor makes std abort.
//!   It is found in all builds on Unix, by the same looks; not on Windows.
//! - *A scope of a crate with scoped thread-locals*, such as `scoped-tls`. Nobody finds those.
//!
//! At the end of a plain thread, and in `atexit`, waits work as they do elsewhere.
//!
//! # Seeing what happens
//!
//! A program that is started with `MCO_TRACE=trace.json` records which coroutine runs where and when, what
//! it waits for, and who wakes it. The file is in the Chrome trace event format: open it at
//! <https://ui.perfetto.dev> or in `chrome://tracing`. What is in it:
//!
//! - A process for each [`runtime`], a thread for each worker, and a slice for each run of a coroutine,
//!   named after it (or after where it was spawned) and its id. The arguments of a slice: `then`, why it
//!   has ended (`blocked in receive at src/main.rs:10:5`, `yielded`, `finished`, `panicked`, `cancelled by coroutine 7 at
//!   src/main.rs:12:9`);
//!   where it was spawned; who woke it; and `ready before, us`, for how long it could have run before it
//!   did.
//! - Arrows from the slice in which a coroutine was woken or spawned to the slice in which it then runs.
//!   Whoever is woken by a timer or a socket, or by a thread that is no worker, has a mark on that
//!   thread instead.
//! - The number of live coroutines of each worker, and of those that were ready when it last looked.
//!
//! What to know when reading it: the time of a wake within one worker is not taken, and the arrow begins
//! somewhere in the right slice, in the right order; `ready before` is as inexact then. A coroutine that
//! expects its answer soon spins on it on its worker for up to 50 µs: its slice goes on meanwhile,
//! and there is no wake. Plain threads that wait are not shown.
//!
//! Each worker keeps what is newest, 2 MiB of records, which are some 25,000 to 50,000 slices;
//! `MCO_TRACE_BUFFER` says another number of KiB. What had to go is said in the file's `otherData`. `%p` in
//! the file's name stands for the id of the process: without it, a program that starts others of its kind
//! has them write the same file.
//!
//! The file is a valid trace from the start of the first runtime on. When a [`Runtime`](runtime::Runtime)
//! is dropped, what happened in it is added, and all the rest when the process ends by returning from
//! `main`, also by a panic, or by `std::process::exit`; elsewhere than on Unix, when `#[mco::main]`
//! returns. A process that is aborted or killed leaves what had been written by then. If the file cannot be
//! created, a message says so, and nothing is recorded.
//!
//! Two coroutines that do nothing but answer each other take some 14 % longer while that is recorded, and no
//! longer if it is not.
//!
//! # Features
//!
//! On by default are `dump` (the module `debug`, and reports of deadlocks that say who waits for whom), `backtrace`
//! (where each coroutine is, in a dump), `calendar` (dates: see [`Time`](mod@std::time::time)) and `trace`
//! (`MCO_TRACE`). A small program can do without: `default-features = false`. The others add something: `tls`,
//! `futures-io`, `tokio-io`, `hyper`, `serde`; and `generator` chooses the other engine for stacks, as the README says.
//! Without `dump` there is no `Config::set_dump_on_sigquit` either, and `MCO_DUMP` is answered by a message.
//!
//! # mco under another name
//!
//! A crate that depends on mco under another name says so in each macro that is not a `macro_rules!`, as its first
//! argument:
//!
//! ```toml
//! [dependencies]
//! rt = { package = "mco", version = "0.1" }
//! ```
//!
//! ```text
//! #[rt::main(crate = rt, workers = 2)]
//! fn main() {
//!     rt::go!(crate = rt, || println!("hello"));
//!     rt::select! { crate = rt; _ = rt::sleep(PAUSE) => {} }
//!     let (a, b) = rt::join!(crate = rt, one(), two());
//!     rt::defer! { crate = rt, println!("bye"); }
//! }
//! ```
//!
//! The same holds for one that has mco through another crate: `crate = other::mco`.
//!
//! # Map
//!
//! | module | what for |
//! | --- | --- |
//! | [`coroutine`] | spawn, join, scope, group, cancel, sleep, park |
//! | [`select!`], [`join!`], [`chan!`] | the first of several operations, all of them, a channel |
//! | [`std::sync`](mod@std::sync) | channels, locks, semaphores, and the rest of std's `sync` |
//! | [`std::time`](mod@std::time) | timers, tickers, timeouts, dates |
//! | [`net`], [`os`], `io` | TCP, UDP, Unix sockets, any other descriptor |
//! | `net::tls` | TLS by rustls, with the feature `tls` |
//! | [`blocking()`] | what blocks its thread, on a thread of its own |
//! | [`block_on()`], [`bridge`] | futures; hyper, axum and other async crates |
//! | [`runtime`] | a number of workers of its own, metrics |
//! | [`debug`] | what every coroutine is doing, and who waits for whom |
//! | [`cqueue`] | whichever of several coroutines comes first |
//! | [`mod@std`] | the rest, in the manner of `std` |

// What only dumps ask for is noted all the same.
#![cfg_attr(not(feature = "dump"), allow(dead_code, unreachable_pub))]

mod backoff;
mod block_on;
mod blocking;
mod blocking_pool;
pub mod bridge;
mod clock;
mod config;
pub mod coroutine;
mod coroutine_id;
pub mod cqueue;
#[cfg(feature = "dump")]
pub mod debug;
mod defaults;
mod fiber;
mod forked;
mod inspect;
#[cfg(unix)]
pub mod io;
#[doc(hidden)]
pub mod macro_support;
pub mod net;
pub mod os;
mod prefetch;
mod random;
mod reactor;
mod report;
pub mod runtime;
mod runtime_thread;
mod scheduler;
mod select;
mod shrinking;
pub mod std;
mod task;
mod testing;
mod thread_count;
mod timer;
mod trace;
mod wait;

pub use block_on::block_on;
pub use blocking::blocking;
pub use config::{Config, config};
#[doc(hidden)]
pub use mco_macros::__chan;
pub use mco_macros::{co, defer, go, join, main, select, spawn, test};
pub use task::LocalKey;

#[doc(no_inline)]
pub use self::coroutine::{group, scope, sleep, spawn, yield_now};
#[doc(no_inline)]
pub use self::std::{sync, time};
