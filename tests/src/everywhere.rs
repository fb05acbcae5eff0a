//! The same in coroutines and in plain threads.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{HUNG, assert_punctual, runtime, with_runtimes, within};

/// Runs a test in a coroutine and in a plain thread, where blocking operations do the same.
///
/// # Panics
///
/// With the test's panic, or if one of the runs hangs.
#[track_caller]
pub fn everywhere(test: impl Fn() + Clone + Send + Sync + 'static) {
    let here = test.clone();
    with_runtimes(move |runtime| runtime.run(&test));
    within(HUNG, here);
}

/// Those that measure, or that need much of what the system has, do not disturb each other: of all tests in a binary
/// that call this, one runs at a time.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs an operation that must fail with `TimedOut` after `limit`, and soon then. More than once if need be:
/// see [`assert_punctual`].
///
/// # Panics
///
/// If it does otherwise.
#[track_caller]
pub fn assert_times_out<T>(limit: Duration, mut operation: impl FnMut() -> io::Result<T>) {
    assert_punctual(limit, || {
        let outcome = operation();
        let error = outcome.err().expect("nothing comes");
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
    });
}

/// As [`assert_times_out`], in a coroutine of a worker of its own, and in a thread.
///
/// # Panics
///
/// As there.
#[track_caller]
pub fn assert_times_out_everywhere(
    operation: impl Fn(Duration) -> io::Result<()> + Clone + Send + Sync + 'static,
) {
    let _alone = alone();
    within(HUNG, move || {
        for millis in [1, 5, 20, 100] {
            let limit = Duration::from_millis(millis);
            runtime(1).run(|| assert_times_out(limit, || operation(limit)));
            assert_times_out(limit, || operation(limit));
        }
    });
}
