//! Coroutines: spawning, joining, and what a coroutine does with itself.
//!
//! A coroutine is a closure that runs on a stack of its own, on one of the runtime's workers. Where
//! its code waits, for a message, a socket, the clock, or another coroutine, the worker runs others
//! meanwhile. A coroutine that has started stays on its worker's thread to its end, so it may hold
//! what is not `Send` across a wait.
//!
//! The functions and types are those of `std::thread`, with [`JoinHandle::cancel`] and some more.
//! All of them work in plain threads too.

mod builder;
mod future;
mod group;
mod handle;
mod scope;
mod target;
pub(crate) mod token;

use std::fmt;
use std::time::Duration;

pub use builder::Builder;
pub use future::JoinFuture;
pub use group::{Group, group};
pub use handle::{Coroutine, JoinHandle};
pub(crate) use scope::scope_to_the_end;
pub use scope::{Scope, ScopedJoinHandle, scope};
pub use target::{IntoBuilder, Spawn};
pub use token::CancelToken;

pub use crate::coroutine_id::CoroutineId;
pub use crate::task::AccessError;
pub use crate::task::cancel::Cancelled;

use crate::clock::Timestamp;
use crate::scheduler;
use crate::task::{Reason, cancel, current, deadline};
use crate::wait::{Wait, Wake};

/// Runs `f` as a coroutine, on the runtime of the calling coroutine or the global one.
/// [Never waits](crate#what-waits).
///
/// The `go!` macro does this too, in more forms. The coroutine goes on when the handle is dropped.
///
/// It starts when the caller waits or ends, or sooner on another worker. Of those that one worker has spawned and
/// not yet started, it starts the newest first, but every 61st time or so the oldest, so that none is left for ever;
/// other workers take the oldest. Code must not rely on that order: wait for what it needs.
///
/// # Panics
///
/// If the global runtime is needed and cannot start. A panic of `f` ends its coroutine only, and
/// reaches [`JoinHandle::join`].
///
/// # Examples
///
/// ```
/// let answer = mco::coroutine::spawn(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[track_caller]
pub fn spawn<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    Builder::new().spawn(f)
}

/// The calling coroutine.
///
/// # Panics
///
/// Outside a coroutine; [`try_current`] does not.
///
/// # Examples
///
/// ```
/// let named = mco::coroutine::Builder::new().name("worker");
/// let name = named.spawn(|| mco::coroutine::current().name().map(str::to_owned));
/// assert_eq!(name.join().unwrap().as_deref(), Some("worker"));
/// ```
#[must_use]
#[track_caller]
pub fn current() -> Coroutine {
    try_current().expect("`mco::coroutine::current` was called outside a coroutine")
}

/// The calling coroutine; `None` outside one. [Never waits](crate#what-waits).
///
/// # Examples
///
/// ```
/// use mco::coroutine::try_current;
///
/// assert!(try_current().is_none(), "this is a thread");
/// assert!(mco::spawn(|| try_current().is_some()).join().unwrap());
/// ```
#[must_use]
pub fn try_current() -> Option<Coroutine> {
    current::task().map(Coroutine::new)
}

/// Whether the caller is a coroutine.
///
/// # Examples
///
/// ```
/// use mco::coroutine::is_coroutine;
///
/// assert!(!is_coroutine());
/// assert!(mco::spawn(is_coroutine).join().unwrap());
/// ```
#[must_use]
pub fn is_coroutine() -> bool {
    current::running().is_some()
}

/// Whether the calling coroutine has been asked to stop. It will be unwound by its next blocking
/// operation; one that computes for long can look here and end by itself. `false` outside a
/// coroutine. [Never waits](crate#what-waits).
///
/// # Examples
///
/// ```
/// use mco::coroutine::is_cancelled;
///
/// let computes = mco::spawn(|| {
///     let mut rounds = 0u64;
///     while !is_cancelled() {
///         rounds += 1; // a step of the computation
///     }
///     rounds
/// });
/// computes.coroutine().cancel();
/// // It has ended by itself, or was not started any more.
/// let _ = computes.join();
/// ```
#[must_use]
pub fn is_cancelled() -> bool {
    try_current().is_some_and(|coroutine| coroutine.task().is_cancelled())
}

/// Lets the other coroutines of this worker run first. [May wait](crate#what-waits).
///
/// In a thread it is `std::thread::yield_now`.
///
/// # Panics
///
/// Unwinds with [`Cancelled`] if the calling coroutine is cancelled.
///
/// # Examples
///
/// ```
/// let (sender, receiver) = mco::std::sync::channel::unbounded();
/// let waits = mco::spawn(move || {
///     while receiver.try_recv().is_err() {
///         mco::coroutine::yield_now();
///     }
/// });
/// sender.send(()).unwrap();
/// waits.join().unwrap();
/// ```
#[track_caller]
pub fn yield_now() {
    scheduler::yield_now();
}

/// Waits for `duration` at least. Of coroutines that sleep, those that are to go on at almost the same
/// time do so together, for which they sleep up to a 64th longer, a millisecond at most.
/// [May wait](crate#what-waits).
///
/// # Panics
///
/// Unwinds with [`Cancelled`] if the calling coroutine is cancelled, meanwhile or before.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// mco::coroutine::sleep(Duration::from_millis(5));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
#[track_caller]
pub fn sleep(duration: Duration) {
    // A thread has its own timer.
    let end = if is_coroutine() { Timestamp::coalesced_after } else { Timestamp::after };
    let wait = Wait::new(Reason::Sleep).until(Some(end(duration)));
    while wait.park() != Wake::TimedOut {}
}

/// Calls `f`, in which neither a cancel of the calling coroutine nor a deadline or a
/// [`CancelToken`] around it cuts anything off. What was kept off takes effect at the first blocking operation after.
///
/// For what must come to its end once it has begun, and does so soon: whoever cancels the coroutine waits for that, as
/// does the drop of its runtime. Limits that are set inside hold there.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::coroutine::{shield, sleep};
/// use mco::std::time::{Elapsed, timeout};
///
/// let mut saved = false;
/// let result = timeout(Duration::from_millis(1), || {
///     shield(|| {
///         sleep(Duration::from_millis(5));
///         saved = true;
///     });
///     mco::yield_now();
/// });
/// assert_eq!(result, Err(Elapsed));
/// assert!(saved);
/// ```
pub fn shield<T>(f: impl FnOnce() -> T) -> T {
    cancel::shield(f)
}

/// Waits until [`Coroutine::unpark`] is called for this coroutine; returns at once if it has been
/// since the last `park`. [May wait](crate#what-waits).
///
/// Unlike `std::thread::park` it does not return without reason. In a thread it is that function; cut
/// off by a [`timeout`](crate::std::time::timeout) there, it leaves a permit, since std does not say
/// whether it has used one up.
///
/// # Panics
///
/// Unwinds with [`Cancelled`] if the calling coroutine is cancelled, meanwhile or before.
///
/// # Examples
///
/// ```
/// let parked = mco::coroutine::spawn(mco::coroutine::park);
/// parked.coroutine().unpark();
/// parked.join().unwrap();
/// ```
#[track_caller]
pub fn park() {
    match try_current() {
        None => park_thread(None),
        Some(me) => {
            Wait::new(Reason::Park).wait_for(|| me.task().take_permit());
        }
    }
}

/// As [`park`], but for `duration` at most. [May wait](crate#what-waits).
///
/// # Errors
///
/// [`ParkError::Timeout`] if nobody has called `unpark` by then.
///
/// # Panics
///
/// As [`park`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::coroutine::park_timeout;
///
/// let waits = mco::spawn(|| park_timeout(Duration::from_secs(60)));
/// waits.coroutine().unpark();
/// assert_eq!(waits.join().unwrap(), Ok(()));
/// ```
#[track_caller]
pub fn park_timeout(duration: Duration) -> Result<(), ParkError> {
    let unparked = match try_current() {
        None => {
            // std does not say which it was, so the clock has to; and with no time at all it could
            // not.
            let deadline = Timestamp::after(duration.max(Duration::from_millis(1)));
            park_thread(Some(deadline));
            Timestamp::now() < deadline
        }
        Some(me) => {
            let wait = Wait::new(Reason::Park).until(Some(Timestamp::after(duration)));
            wait.wait_for(|| me.task().take_permit())
        }
    };
    if unparked { Ok(()) } else { Err(ParkError::Timeout) }
}

/// std's `park` of a thread, until a deadline or one of the caller's own, which unwinds.
#[track_caller]
fn park_thread(deadline: Option<Timestamp>) {
    Wait::new(Reason::Park).until(deadline).before().unwind_if_cancelled();
    let nearest = deadline::ahead(Timestamp::now());
    match [deadline, nearest].into_iter().flatten().min() {
        None => std::thread::park(),
        Some(until) => std::thread::park_timeout(until.since(Timestamp::now())),
    }
    if deadline.is_none_or(|at| Timestamp::now() < at)
        && let Some(due) = cancel::pending_unwind_here()
    {
        // std does not say whether it has used the permit up. If it has, this gives it back.
        std::thread::current().unpark();
        due.unwind();
    }
}

/// Why a park ended without an `unpark`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::coroutine::{ParkError, park_timeout};
///
/// assert_eq!(park_timeout(Duration::from_millis(5)), Err(ParkError::Timeout));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParkError {
    /// The time given is over.
    Timeout,
}

impl fmt::Display for ParkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParkError::Timeout => f.write_str("nobody called `unpark` in the time given"),
        }
    }
}

impl std::error::Error for ParkError {}
