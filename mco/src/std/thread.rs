//! [`::std::thread`], whose threads are coroutines.
//!
//! A program that was written for threads spawns coroutines when its `std::thread` becomes `mco::std::thread`.
//! What is here is at std's names, with std's signatures; what differs:
//!
//! - To [`spawn`] costs a fraction of a microsecond, so a thread for each of a hundred thousand connections is no
//!   waste. They run on one worker for each processor, and give way to each other only where they wait: see
//!   [what to know](crate#what-to-know).
//! - [`current`] is the coroutine, and in a plain thread the thread: [`Thread`] is one of both, and so is [`ThreadId`].
//! - [`Builder::spawn`] fails if no runtime can be started. A stack is mapped when the coroutine first runs, so
//!   that there is none is said by [`JoinHandle::join`], with a `String`.
//! - [`panicking`] is of the caller, whatever other coroutines of its thread do.
//! - [`park`] never returns without reason.
//! - [`LocalKey`]s are declared by [`coroutine_local!`](crate::coroutine_local), which is `thread_local!` in
//!   [`mco::std`](crate::std).
//!
//! Not here are what std has deprecated (`sleep_ms`, `park_timeout_ms`) and `Builder::spawn_unchecked`.
//! What coroutines have beyond threads, such as to be cancelled, is in [`mco::coroutine`](crate::coroutine):
//! [`JoinHandle`] turns into the one that is there.
//!
//! ```
//! use mco::std::sync::mpsc;
//! use mco::std::thread;
//!
//! let (sender, receiver) = mpsc::channel();
//! let threads: Vec<_> = (0..1000)
//!     .map(|n| {
//!         let sender = sender.clone();
//!         thread::spawn(move || sender.send(n).unwrap())
//!     })
//!     .collect();
//! drop(sender);
//! threads.into_iter().for_each(|thread| thread.join().unwrap());
//! assert_eq!(receiver.iter().sum::<u32>(), 499_500);
//! ```

mod builder;
mod handle;
mod scope;

use std::time::Duration;

pub use std::thread::{Result, available_parallelism};

pub use self::builder::Builder;
pub use self::handle::{JoinHandle, Thread, ThreadId, current};
pub use self::scope::{Scope, ScopedJoinHandle, scope};
pub use crate::coroutine::{AccessError, park, sleep, yield_now};
pub use crate::task::LocalKey;

use crate::coroutine;
use crate::task::cancel;

/// Runs `f` as a coroutine: see [`coroutine::spawn`]. [Never waits](crate#what-waits).
///
/// # Panics
///
/// If the global runtime is needed and cannot start; [`Builder::spawn`] returns an error then.
///
/// # Examples
///
/// ```
/// use mco::std::thread;
///
/// let thread = thread::spawn(|| 6 * 7);
/// assert_eq!(thread.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    coroutine::spawn(f).into()
}

/// Waits until [`Thread::unpark`] is called for the caller, but for `duration` at most.
/// [May wait](crate#what-waits). [`coroutine::park_timeout`] says which it was.
///
/// # Panics
///
/// [Unwinds](crate#cancelling) if the calling coroutine is cancelled, meanwhile or before.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// mco::std::thread::park_timeout(Duration::from_millis(1));
/// ```
#[track_caller]
pub fn park_timeout(duration: Duration) {
    // That the time is over is no error here.
    let _ = coroutine::park_timeout(duration);
}

/// Whether the caller is being unwound, by a panic or a cancel. [Never waits](crate#what-waits).
///
/// std's function says whether any coroutine of this thread is.
///
/// # Examples
///
/// ```
/// use mco::std::thread;
///
/// struct RollBack;
///
/// impl Drop for RollBack {
///     fn drop(&mut self) {
///         assert!(thread::panicking());
///     }
/// }
///
/// let failed = thread::spawn(|| {
///     let _transaction = RollBack;
///     panic!("no");
/// });
/// assert!(failed.join().is_err());
/// assert!(!thread::panicking());
/// ```
#[must_use]
pub fn panicking() -> bool {
    std::thread::panicking() && (cancel::unwinds_by_cancel() || cancel::unwinds_by_panic())
}
