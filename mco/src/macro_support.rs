//! What the expansions of the macros call. Not for use by hand: it changes without notice.

pub mod join;

use std::panic::{self, Location};
use std::process::{ExitCode, Termination};

use crate::config::config;
use crate::coroutine::Cancelled;
use crate::inspect;
use crate::report;
use crate::runtime::Handle;
use crate::testing::{self, DeadlockPolicy};
pub use crate::testing::{TestOptions, test};
use crate::thread_count::RuntimeThread;
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
    let global = match Handle::try_global() {
        Ok(global) => global,
        Err(error) => {
            report::say(format_args!("{error}"));
            return ExitCode::FAILURE;
        }
    };
    let _written = trace::UntilReturn;
    // This thread only waits, so it wakes nobody.
    let _counted = RuntimeThread::new();
    testing::watch(global.scheduler(), DeadlockPolicy::Main, inspect::report);
    // The result is reported inside, since it need not be `Send`.
    let site = Location::caller();
    match global.spawn_root("main", site, || body().report()).join() {
        Ok(code) => code,
        Err(payload) if payload.is::<Cancelled>() => {
            report::say(format_args!("the main coroutine was cancelled"));
            ExitCode::FAILURE
        }
        Err(payload) => panic::resume_unwind(payload),
    }
}
