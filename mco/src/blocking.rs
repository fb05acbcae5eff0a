//! Calling what blocks its thread.

use crate::blocking_pool;
use crate::coroutine::is_coroutine;
use crate::task::{Reason, cancel};
use crate::wait::Wait;

/// Runs `f` on a thread of the blocking pool while the calling coroutine waits. `f` may borrow.
/// [May wait](crate#what-waits).
///
/// This is for what would block the worker with all its coroutines: files, a database client that
/// knows nothing of mco, long computations. In a plain thread it just calls `f`.
///
/// The pool is one for the process. It starts a thread when a job finds none idle, up to
/// [`set_blocking_threads`](crate::Config::set_blocking_threads); further jobs wait in a queue, and
/// if they do for long, a line on standard error says so. While no thread can be started at all, a job
/// runs in the coroutine that waits for it, and holds its worker up. A thread without a job ends after ten
/// seconds. Jobs that wait for other jobs of the pool can block it for good.
///
/// In `f` the caller's coroutine is out of reach: it runs in a plain thread, with other thread-local
/// and coroutine-local values.
///
/// # Panics
///
/// If `f` panics, with its payload. If the calling coroutine is cancelled, it unwinds: at once if `f`
/// has not begun, and otherwise when `f` has returned, which nothing can hurry.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let manifest = String::from("Cargo.toml");
/// let text = mco::blocking(|| std::fs::read_to_string(&manifest))?;
/// assert!(text.contains("[package]"));
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn blocking<F, T>(f: F) -> T
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    if !is_coroutine() {
        return f();
    }
    match blocking_pool::run(f, &Wait::new(Reason::Blocking)) {
        (Ok(value), parked) => {
            parked.unwind_if_cancelled();
            value
        }
        (Err(payload), _) => cancel::resume_unwind(payload),
    }
}
