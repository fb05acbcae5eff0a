//! The child of a `fork`, in which only the thread lives that has forked.
//!
//! The runtimes of its parent have no threads there: what is handed to one would wait for ever, and the thread
//! of a worker, if it was one that forked, would run copies of its coroutines beside the originals, with the
//! same sockets. So nothing of a runtime works in such a child, and says so. What does not need one goes on:
//! waits of a plain thread, `exec`, `_exit`, and in the coroutine that has forked whatever does not wait.
//!
//! The handler that the system calls in the child may do next to nothing. It leaves a mark; and a worker that
//! has forked is marked as held up, since it looks at that after each turn anyway.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};

use crate::report;

/// This process is the child of one that has had a runtime.
static FORKED: AtomicBool = AtomicBool::new(false);

const WHY: &str = "this process is the child of a `fork`, in which the runtimes of its parent have no threads; \
                   call `exec` there, start it with `std::process::Command`, or fork before the first runtime \
                   starts";

/// Has the children of this process marked. When a runtime starts. In the child `mark_worker` is called on the
/// thread that has forked; it may do next to nothing.
pub(crate) fn install(mark_worker: fn()) {
    #[cfg(unix)]
    {
        static MARK_WORKER: std::sync::OnceLock<fn()> = std::sync::OnceLock::new();
        extern "C" fn mark() {
            FORKED.store(true, Ordering::Relaxed);
            MARK_WORKER.get().into_iter().for_each(|mark_worker| mark_worker());
        }
        MARK_WORKER.get_or_init(|| {
            // It fails only without memory; then there are no messages.
            // SAFETY: the handler writes to memory of its own thread and of this crate.
            unsafe {
                libc::pthread_atfork(None, None, Some(mark));
            }
            mark_worker
        });
    }
    #[cfg(not(unix))]
    let _ = mark_worker;
}

/// Whether this process is such a child.
pub(crate) fn is_child() -> bool {
    FORKED.load(Ordering::Relaxed)
}

/// Why nothing starts here.
pub(crate) fn why() -> &'static str {
    WHY
}

/// Before something is handed to threads that there may not be.
///
/// # Panics
///
/// In such a child.
#[inline]
pub(crate) fn check(what: &str) {
    #[cold]
    fn refuse(what: &str) -> ! {
        panic!("mco: {what}: {WHY}")
    }
    if is_child() {
        refuse(what);
    }
}

/// By a worker that is marked as held up, between two turns.
pub(crate) fn end_worker() {
    if is_child() {
        report::die(format_args!("a coroutine waits, or has ended, but {WHY}"));
    }
}
