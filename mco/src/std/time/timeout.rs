//! A limit for the time that something takes, whatever it consists of.

// # How a closure is cut off
//
// The deadline is a fact about the caller: it is kept with the coroutine (or the thread), not with the
// operations, so that none of them needs to know. `wait` asks for the nearest one in every wait.
//
// - **Before a wait and after it**, a deadline that has passed unwinds the caller, with a private
//   payload that the `timeout` whose deadline it is catches. Everything that is true of a cancel is
//   true of this: destructors run, no message is printed, no lock and no initialiser is poisoned by
//   it, nothing is injected while the caller unwinds already or is in an initialiser that others
//   share. Then it is put off: the wait goes on without regard to the deadline.
// - **During a wait** the timer of the worker's wheel that the wait has anyway, for its own deadline,
//   goes off at the nearer one of both. If it was the wait's own, or both have passed by the time of
//   the wake-up and the wait's own is the nearer, the operation ends as it says (`TimedOut`), and the
//   next one unwinds.
//
// # Nothing is lost
//
// A wait unwinds only if it has come to nothing. Who waits at a place of a queue (channels, locks,
// semaphores, condition variables, barriers) leaves the queue first, under its lock: a value that has
// been handed over by then is returned, and so the closure, if it ends with that, returns in time
// with a hair's delay. A `select!` closes its token first, with the same effect. A join, the
// readiness of a socket, a future and the like stay as they are, and are looked at once more. One
// that was notified by a condition variable and is cut off while it takes the mutex again passes the
// notification on.
//
// # Who is not cut off
//
// A scope waits for its children in any case, since they borrow; so at the deadline it cancels them,
// waits, and unwinds after. They have the deadline themselves, as well, since the scope's owner may compute when it
// passes, or wait for something that a child holds. Other children are on their own: a bare `go!` inherits nothing.
//
// In a plain thread the same holds, as far as the operation is mco's. A look-up of a name asks the
// system, so a thread that has a deadline leaves it to another, as a coroutine does.

use std::fmt;
use std::time::Duration;

use super::Instant;
use crate::clock::Timestamp;
use crate::task::deadline as limit;

/// Calls `f`, for `duration` at most: whatever blocking operation of mco it is in when the time is
/// over, or begins later, is cut off.
///
/// The operation unwinds, so destructors run, and no lock is poisoned by it; nothing is printed. What
/// has been handed over in the last moment is returned and not lost. Of nested timeouts the nearest
/// deadline holds. An operation's own time limit, as that of
/// [`recv_timeout`](crate::std::sync::Receiver::recv_timeout), keeps its meaning when it is earlier. That holds of
/// each operation by itself: a closure that has received once, or read half a line, is cut off in the middle.
/// Which operations are cancel-safe says [a table](crate#what-can-be-cut-off). For a future there is
/// [`bridge::timeout`](crate::bridge::timeout()).
///
/// What does not block is not cut off: code that computes goes on, and if `f` returns without being
/// in a blocking operation after the deadline, its result counts, however late. Coroutines of a
/// [`scope`](crate::coroutine::scope()), a [`group`](crate::coroutine::group()) or a [`join!`](crate::join) inside have
/// the same deadline: they are cut off as if they were cancelled, and waited for; those spawned otherwise
/// go on. While a destructor runs because the caller unwinds, nothing in it is cut off; there use the
/// operations' own limits.
///
/// # Errors
///
/// [`Elapsed`] if an operation was cut off.
///
/// # Panics
///
/// With the panic of `f`. [Unwinds](crate#cancelling) if the calling coroutine is cancelled meanwhile. If the program is built with
/// `panic = "abort"`, at once: without unwinding nothing can be cut off. Inside a generator, or wherever else a
/// coroutine runs on a stack that is not its own, at once as well.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::sync::channel::unbounded;
/// use mco::std::time::{Elapsed, timeout};
///
/// let (sender, receiver) = unbounded::<u32>();
/// let sum = || receiver.recv().unwrap() + receiver.recv().unwrap();
///
/// sender.send(1).unwrap();
/// assert_eq!(timeout(Duration::from_millis(5), sum), Err(Elapsed));
///
/// sender.send(2).unwrap();
/// sender.send(3).unwrap();
/// assert_eq!(timeout(Duration::from_secs(60), sum), Ok(5));
/// ```
#[track_caller]
pub fn timeout<T>(duration: Duration, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    limit::limited(Timestamp::after(duration), f).ok_or(Elapsed)
}

/// As [`timeout`], until a point of time. If that has passed already, `f` is not called.
///
/// # Errors
///
/// [`Elapsed`] if an operation was cut off, or `at` has passed before.
///
/// # Panics
///
/// As `timeout`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{Elapsed, Instant, deadline};
///
/// let at = Instant::now() + Duration::from_millis(200);
/// assert_eq!(deadline(at, || 7), Ok(7));
/// assert_eq!(deadline(at, mco::coroutine::park), Err(Elapsed));
/// assert_eq!(deadline(at, || 7), Err(Elapsed), "it has passed");
/// ```
#[track_caller]
pub fn deadline<T>(at: Instant, f: impl FnOnce() -> T) -> Result<T, Elapsed> {
    let at = at.to_timestamp();
    if at <= Timestamp::now() {
        return Err(Elapsed);
    }
    limit::limited(at, f).ok_or(Elapsed)
}

/// How much is left until the nearest deadline of the caller: of the [`timeout`] or [`deadline`] that it is in, or of one
/// that it has from the owner of its scope. Zero if that has passed; `None` if there is none.
/// [Never waits](crate#what-waits).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{remaining, timeout};
///
/// assert_eq!(remaining(), None);
/// let left = timeout(Duration::from_secs(60), || {
///     mco::scope(|s| s.spawn(|| remaining()).join().unwrap())
/// });
/// assert!(left.unwrap().unwrap() > Duration::from_secs(50));
/// ```
#[must_use]
pub fn remaining() -> Option<Duration> {
    limit::nearest().map(|at| at.since(Timestamp::now()))
}

/// The error of [`timeout`] and [`deadline`]: the time given was over before the closure had come to its end.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{Elapsed, timeout};
///
/// assert_eq!(timeout(Duration::from_millis(5), mco::coroutine::park), Err(Elapsed));
/// // In a function that returns an `io::Result`, `?` makes `TimedOut` of it.
/// assert_eq!(std::io::Error::from(Elapsed).kind(), std::io::ErrorKind::TimedOut);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time given was over before it was done")
    }
}

impl std::error::Error for Elapsed {}

impl From<Elapsed> for std::io::Error {
    /// With the kind `TimedOut`.
    fn from(elapsed: Elapsed) -> std::io::Error {
        std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)
    }
}
