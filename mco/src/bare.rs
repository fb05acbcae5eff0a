//! The runtime's own threads, and code of others that has to run on one outside a coroutine.
//!
//! **Nothing unwinds out of such a thread.** A worker that is gone without a word never resumes its
//! coroutines, and frees thread-locals that they borrow. So each is started by [`start`], which ends the
//! process if its body unwinds; and whatever is not mco's own that runs there outside a coroutine, such as a
//! destructor or a waker, runs inside [`quietly`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{io, mem, thread};

use crate::report;
use crate::threads::Ours;

/// Starts a thread of the runtime.
///
/// # Errors
///
/// The system's, if it is out of threads.
pub(crate) fn start(
    name: String,
    body: impl FnOnce() + Send + 'static,
) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name(name).spawn(move || {
        let _ours = Ours::new();
        guarded(body);
    })
}

/// The body of a thread that is started otherwise.
pub(crate) fn guarded(body: impl FnOnce()) {
    let unwound = Unwound;
    body();
    mem::forget(unwound);
}

/// Dropped only when the body of a thread unwinds.
struct Unwound;

impl Drop for Unwound {
    fn drop(&mut self) {
        let thread = thread::current();
        report::die(format_args!(
            "the thread `{}` of the runtime has panicked, as said above; what waits for it would wait \
             for ever, so the process is aborted; this is a fault of mco's: please report it",
            thread.name().unwrap_or("without a name")
        ));
    }
}

/// Runs code of others where nothing may unwind. If it panics, the panic hook has said so by then. The
/// payload is a value of others too: its destructor might panic in turn, so it is leaked.
pub(crate) fn quietly<R>(f: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(f)).map_err(mem::forget).ok()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::panic::panic_any;

    use super::*;

    /// A payload whose destructor panics.
    struct Twice;

    impl Drop for Twice {
        fn drop(&mut self) {
            panic!("on purpose, once more");
        }
    }

    #[test]
    fn neither_a_panic_nor_its_payload_comes_through() {
        let called = Cell::new(false);
        let outcome = quietly(|| {
            called.set(true);
            panic_any(Twice)
        });
        assert!(called.get() && outcome.is_none());
        assert_eq!(quietly(|| 7), Some(7));
    }
}
