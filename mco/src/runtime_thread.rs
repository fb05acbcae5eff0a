//! The threads of the runtime, and user code that has to run on one outside a coroutine.
//!
//! **Nothing unwinds out of such a thread.** A worker that has unwound never resumes its coroutines, and frees
//! thread-locals that they borrow. So each is started by [`start`], which aborts the process if the body unwinds. User
//! code that runs there outside a coroutine, such as a destructor or a waker, runs inside [`contain_panic`].

#![allow(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::{io, mem, thread};

use crate::report;
use crate::thread_count::RuntimeThread;

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
        let _counted = RuntimeThread::new();
        abort_on_unwind(body);
    })
}

/// Calls `f` in a thread that std does not know of, and waits for it. For starting threads that serve the whole
/// process.
///
/// A thread inherits from its parent, by way of std, where its output goes; in a test that is the memory of that one
/// test. Threads that serve all tests must not inherit it: their messages would be shown with those of the first test,
/// or not at all.
#[cfg(unix)]
pub(crate) fn on_raw_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    use std::ffi::c_void;
    use std::ptr;

    struct Call<F, R>(Option<F>, Option<R>);

    extern "C" fn call<F: FnOnce() -> R, R>(data: *mut c_void) -> *mut c_void {
        // SAFETY: it is the `Call` below, whose owner waits for this thread.
        let call = unsafe { &mut *data.cast::<Call<F, R>>() };
        if let Some(f) = call.0.take() {
            abort_on_unwind(|| call.1 = Some(f()));
        }
        ptr::null_mut()
    }

    fn run<F: FnOnce() -> R + Send, R: Send>(f: F) -> R {
        let mut data = Call(Some(f), None);
        let mut thread = std::mem::MaybeUninit::uninit();
        // SAFETY: `call` is given what it expects, which stays where it is until the thread has been joined.
        unsafe {
            let data = (&raw mut data).cast();
            if libc::pthread_create(thread.as_mut_ptr(), ptr::null(), call::<F, R>, data) == 0 {
                libc::pthread_join(thread.assume_init(), ptr::null_mut());
            }
        }
        let Call(left, done) = data;
        // Without a thread it is done here.
        done.or_else(|| left.map(|f| f())).expect("it was called")
    }

    run(f)
}

/// Calls `f`. (Elsewhere than on Unix what it starts inherits the caller's output.)
#[cfg(not(unix))]
pub(crate) fn on_raw_thread<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    f()
}

/// Runs the body of a thread that is not started by [`start`]: aborts the process if it unwinds.
pub(crate) fn abort_on_unwind(body: impl FnOnce()) {
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

/// Runs user code where nothing may unwind. `None`: it has panicked, and the panic hook has reported that. The
/// payload is a user value too, whose destructor might panic in turn, so it is leaked.
pub(crate) fn contain_panic<R>(f: impl FnOnce() -> R) -> Option<R> {
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
        let outcome = contain_panic(|| {
            called.set(true);
            panic_any(Twice)
        });
        assert!(called.get() && outcome.is_none());
        assert_eq!(contain_panic(|| 7), Some(7));
    }
}
