//! Jobs that block their thread, next to the coroutines.

use crate::blocking_pool;
use crate::coroutine::{Builder, JoinHandle};
use crate::task::{Reason, cancel};
use crate::wait::Wait;

/// Runs `f` on the blocking pool, and returns a handle to its result. See [`blocking`] for what the
/// pool is, and for the form that waits right away and may borrow. [Never waits](crate#what-waits).
///
/// The handle is that of a coroutine which waits for `f`. Cancelling it before `f` has begun takes
/// `f` out of the pool's queue and drops it. Once `f` has begun, nothing stops it, and `join`
/// returns its result even so, unless the cancel was so early that the coroutine had not begun to wait.
/// Dropping a [`Runtime`](crate::runtime::Runtime)
/// cancels it, as all that runs there, and so waits for jobs that have begun. A job that is handed over while
/// the runtime ends, by a destructor for example, runs: the pool is the process's, and goes on. Nothing waits
/// for that one, and its handle says [`Cancelled`](crate::coroutine::Cancelled). At the end of the process
/// jobs that still run are cut off, as threads are, and those in the queue never begin.
///
/// # Panics
///
/// If the global runtime is needed and cannot start. A panic of `f` reaches
/// [`JoinHandle::join`].
///
/// # Examples
///
/// ```
/// let sum = mco::std::blocking::spawn_blocking(|| (1..=1_000_000u64).sum::<u64>());
/// assert_eq!(sum.join().unwrap(), 500_000_500_000);
/// ```
///
/// [`blocking`]: crate::blocking()
#[track_caller]
pub fn spawn_blocking<F, T>(f: F) -> JoinHandle<T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let wait = Wait::new(Reason::Blocking);
    // Now, and not in the coroutine, which may have to wait for its first turn.
    let mut job = blocking_pool::submit(f);
    let belongs_to = job.for_coroutine();
    let handle = Builder::new().spawn(move || {
        let (result, _) = job.wait(&wait, false);
        result.unwrap_or_else(|payload| cancel::resume_unwind(payload))
    });
    belongs_to(handle.coroutine().id().into());
    handle
}

/// Runs a closure on the blocking pool: [`spawn_blocking`] as a
/// macro.
///
/// # Examples
///
/// ```
/// let answer = mco::spawn_blocking!(|| 6 * 7);
/// assert_eq!(answer.join().unwrap(), 42);
/// ```
#[macro_export]
macro_rules! spawn_blocking {
    ($closure:expr $(,)?) => {
        $crate::std::blocking::spawn_blocking($closure)
    };
}
