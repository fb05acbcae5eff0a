//! What the expansions of the macros call. Not for use by hand: it changes without notice.

pub mod join;

use std::process::{ExitCode, Termination};
use std::time::Duration;
use std::{mem, panic};

use crate::clock::Moment;
use crate::config::config;
use crate::coroutine::Cancelled;
use crate::runtime::{self, Runtime};
use crate::trace;

/// What `select!` expands to calls.
pub mod select {
    pub use crate::select::probe::*;
    pub use crate::select::*;
}

/// The arguments of `#[mco::main]`.
#[derive(Debug, Default)]
pub struct MainOptions {
    workers: Option<usize>,
    stack_size: Option<usize>,
}

impl MainOptions {
    #[must_use]
    pub fn new() -> MainOptions {
        MainOptions::default()
    }

    #[must_use]
    pub fn workers(mut self, workers: usize) -> MainOptions {
        self.workers = Some(workers);
        self
    }

    #[must_use]
    pub fn stack_size(mut self, bytes: usize) -> MainOptions {
        self.stack_size = Some(bytes);
        self
    }
}

/// Runs the body of `main` as the first coroutine of the global runtime. As in a program of
/// threads, the process ends with it, whatever the others are doing.
#[track_caller]
pub fn main<R: Termination>(
    options: MainOptions,
    body: impl FnOnce() -> R + Send + 'static,
) -> ExitCode {
    if let Some(workers) = options.workers {
        config().set_workers(workers);
    }
    if let Some(bytes) = options.stack_size {
        config().set_stack_size(bytes);
    }
    let runtime = match runtime::try_global() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("mco: {error}");
            return ExitCode::FAILURE;
        }
    };
    let _written = trace::UntilReturn;
    // The result is reported inside, since it need not be `Send`.
    match runtime.spawn(|| body().report()).join() {
        Ok(code) => code,
        Err(payload) if payload.is::<Cancelled>() => {
            eprintln!("mco: the main coroutine was cancelled");
            ExitCode::FAILURE
        }
        Err(payload) => panic::resume_unwind(payload),
    }
}

/// The arguments of `#[mco::test]`.
#[derive(Debug)]
pub struct TestOptions {
    name: &'static str,
    workers: usize,
    timeout: Duration,
}

impl TestOptions {
    #[must_use]
    pub fn new(name: &'static str) -> TestOptions {
        TestOptions { name, workers: 1, timeout: Duration::from_secs(60) }
    }

    #[must_use]
    pub fn workers(mut self, workers: usize) -> TestOptions {
        self.workers = workers;
        self
    }

    #[must_use]
    pub fn timeout_ms(mut self, millis: u64) -> TestOptions {
        self.timeout = Duration::from_millis(millis);
        self
    }
}

/// Runs a test's body as the root coroutine of a runtime of its own, which ends with it.
///
/// # Panics
///
/// With the body's panic; or at the timeout, with a list of the coroutines and what they wait for.
#[track_caller]
pub fn test<R: Termination>(
    options: TestOptions,
    body: impl FnOnce() -> R + Send + 'static,
) -> ExitCode {
    let TestOptions { name, workers, timeout } = options;
    let runtime = match Runtime::builder().workers(workers).name("test").build() {
        Ok(runtime) => runtime,
        Err(error) => panic!("the test `{name}` could not start: {error}"),
    };
    let root = runtime.spawn(|| body().report());
    if !root.wait_until(Moment::after(timeout)) {
        let list = runtime::dump(runtime.handle().scheduler());
        // Its drop would wait for what does not end.
        mem::forget(runtime);
        panic!("the test `{name}` did not end within {timeout:?}; its coroutines:\n{list}");
    }
    match root.join() {
        Ok(code) => code,
        Err(payload) if payload.is::<Cancelled>() => {
            panic!("the root coroutine of the test `{name}` was cancelled")
        }
        Err(payload) => panic::resume_unwind(payload),
    }
}
