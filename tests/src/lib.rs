//! What mco's integration tests share.
//!
//! - [`within`] fails a test that hangs, [`eventually`] waits for a condition.
//! - [`with_runtimes`] runs a test on one, two and eight workers.
//! - [`everywhere`] runs one in coroutines and in threads, and times it out there.
//! - [`child`] runs a test's body in a process of its own: what is counted per process, what ends
//!   the process, and what is printed is tested there.
//! - [`peer`] runs a test in coroutines and in threads, and tells when one is blocked.
//! - [`process`] counts what this process has, [`Stopwatch`] and [`assert_punctual`] measure time on a busy
//!   machine.
//! - [`quiet`] silences the panics that a test makes on purpose.
//! - [`started`] has coroutines that have come to the point, and what is counted of them.

/// The examples of the README and of the macros are compiled, and run.
#[cfg(doctest)]
macro_rules! examples {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[doc = include_str!($file)]
            pub struct $name;
        )*
    };
}

#[cfg(doctest)]
examples! {
    Readme: "../../README.md",
    Co: "../../mco-macros/docs/co.md",
    Defer: "../../mco-macros/docs/defer.md",
    Go: "../../mco-macros/docs/go.md",
    Join: "../../mco-macros/docs/join.md",
    Main: "../../mco-macros/docs/main.md",
    Select: "../../mco-macros/docs/select.md",
    Spawn: "../../mco-macros/docs/spawn.md",
    Test: "../../mco-macros/docs/test.md",
}

pub mod child;
pub mod everywhere;
pub mod peer;
pub mod process;
pub mod quiet;
pub mod sockets;
pub mod started;
mod time;

use std::panic::Location;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use std::{panic, thread};

use mco::coroutine;
use mco::runtime::Runtime;

pub use time::{Stopwatch, assert_punctual};

/// When a test counts as hung. What it waits for takes milliseconds; the rest is for a machine on
/// which much else runs.
pub const HUNG: Duration = Duration::from_secs(60);

/// Calls `f` in a thread of its own, and panics if it has not returned within `limit`.
///
/// # Panics
///
/// At the limit, and with the panic of `f`.
#[track_caller]
pub fn within<T: Send + 'static>(limit: Duration, f: impl FnOnce() -> T + Send + 'static) -> T {
    quiet::panics_on_purpose();
    let caller = Location::caller();
    let (done, wait) = mpsc::channel();
    let body = move || drop(done.send(panic::catch_unwind(panic::AssertUnwindSafe(f))));
    let name = thread::current().name().unwrap_or("test").to_owned();
    let thread = thread::Builder::new().name(name).spawn(body).expect("a thread for the test");
    match wait.recv_timeout(limit) {
        Ok(Ok(value)) => {
            thread.join().expect("it has caught what it could");
            value
        }
        Ok(Err(payload)) => panic::resume_unwind(payload),
        Err(RecvTimeoutError::Timeout) => {
            panic!("it hangs: what begins at {caller} has not ended within {limit:?}")
        }
        Err(RecvTimeoutError::Disconnected) => unreachable!("the thread sends what it caught"),
    }
}

/// Waits until `condition` holds, letting others run meanwhile: the other coroutines if the caller
/// is one, the other threads if not.
///
/// # Panics
///
/// If it does not hold within [`HUNG`].
#[track_caller]
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    eventually_within(HUNG, what, condition);
}

/// As [`eventually`], for what takes its time.
///
/// # Panics
///
/// If it does not hold within `limit`.
#[track_caller]
pub fn eventually_within(limit: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    let mut looks = 0u32;
    while !condition() {
        assert!(start.elapsed() < limit, "this did not come about within {limit:?}: {what}");
        looks += 1;
        if looks < 100 {
            coroutine::yield_now();
        } else {
            // Between two looks, so that what is awaited gets the processor.
            coroutine::sleep(Duration::from_micros(200));
        }
    }
}

/// A runtime for one test.
///
/// # Panics
///
/// If it cannot start.
#[must_use]
#[track_caller]
pub fn runtime(workers: usize) -> Runtime {
    quiet::panics_on_purpose();
    let runtime = Runtime::builder().workers(workers).name(format!("test{workers}")).build();
    runtime.expect("a runtime for the test")
}

/// Runs a test on runtimes of one, two and eight workers, one after the other.
///
/// # Panics
///
/// With the test's panic, or if one of the runs hangs.
#[track_caller]
pub fn with_runtimes(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    for workers in [1, 2, 8] {
        // Shown only if the test fails.
        eprintln!("on {workers} workers:");
        let test = test.clone();
        within(HUNG, move || test(&runtime(workers)));
    }
}

/// The text of a panic's payload.
#[must_use]
pub fn text_of(payload: &(dyn std::any::Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("(no text)")
}
