//! What `#[mco::test]` expands to: it runs each test on a runtime of its own, and says clearly how a run has failed.

#![allow(missing_docs, reason = "only the expansion of a macro calls it")]

use std::panic::{self, AssertUnwindSafe, Location};
use std::process::{ExitCode, Termination};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use std::{env, thread};

use super::deadlock::{self, DeadlockPolicy};
use super::monitor::{TestMonitor, TestOutcome};
use crate::clock::Timestamp;
use crate::coroutine::Cancelled;
use crate::inspect;
use crate::report;
use crate::runtime::Runtime;
use crate::task::unjoined_panics::UnjoinedPanic;
use crate::task::{stack_check, unjoined_panics};
use crate::thread_count::RuntimeThread;

/// The variable that chooses the seed of the tests that have one.
const SEED: &str = "MCO_SEED";

/// The arguments of `#[mco::test]`.
#[derive(Clone, Debug)]
pub struct TestOptions {
    /// With the path of its module, from the crate on.
    name: &'static str,
    workers: usize,
    /// For all runs together.
    timeout: Duration,
    virtual_time: bool,
    seed: Option<u64>,
    seeds: Option<usize>,
    deadlock: bool,
    leaks: bool,
}

impl TestOptions {
    #[must_use]
    pub fn new(name: &'static str) -> TestOptions {
        TestOptions {
            name,
            workers: 1,
            timeout: Duration::from_secs(60),
            virtual_time: false,
            seed: None,
            seeds: None,
            deadlock: true,
            leaks: false,
        }
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

    #[must_use]
    pub fn virtual_time(mut self, virtual_time: bool) -> TestOptions {
        self.virtual_time = virtual_time;
        self
    }

    #[must_use]
    pub fn seed(mut self, seed: u64) -> TestOptions {
        self.seed = Some(seed);
        self
    }

    #[must_use]
    pub fn seeds(mut self, seeds: usize) -> TestOptions {
        self.seeds = Some(seeds);
        self
    }

    #[must_use]
    pub fn deadlock(mut self, deadlock: bool) -> TestOptions {
        self.deadlock = deadlock;
        self
    }

    #[must_use]
    pub fn leaks(mut self, leaks: bool) -> TestOptions {
        self.leaks = leaks;
        self
    }

    /// The seeds to run it with, if it is run with seeds at all.
    fn chosen_seeds(&self) -> Option<Vec<u64>> {
        if self.seed.is_none() && self.seeds.is_none() {
            return None;
        }
        if let Some(text) = env::var_os(SEED) {
            let seed = text.to_str().and_then(|text| text.trim().parse().ok());
            let seed = seed.unwrap_or_else(|| {
                panic!("`{SEED}` is {text:?}, which is no seed: set it to a number, or unset it")
            });
            return Some(vec![seed]);
        }
        let first = self.seed.unwrap_or(0);
        let count = self.seeds.unwrap_or(1) as u64;
        Some((0..count).map(|n| first.wrapping_add(n)).collect())
    }

    /// What to give to `cargo test` so that it runs this test.
    fn filter(&self) -> &'static str {
        self.name.split_once("::").map_or(self.name, |(_, path)| path)
    }

    /// Runs the test once.
    fn run<R: Termination>(
        &self,
        seed: Option<u64>,
        deadline: Timestamp,
        site: &'static Location<'static>,
        body: impl FnOnce() -> R + Send + 'static,
    ) -> ExitCode {
        let name = self.name;
        let builder = Runtime::builder().workers(self.workers).name("test").new_test_run();
        let runtime = match builder.virtual_time(self.virtual_time).seed(seed).build() {
            Ok(runtime) => runtime,
            Err(error) => panic!("the test `{name}` could not start: {error}"),
        };
        let unjoined = UnjoinedPanics { test_run: runtime.handle().scheduler().test_run() };
        let monitor = Arc::new(TestMonitor::new(self.deadlock));
        let policy = DeadlockPolicy::Test(monitor.clone());
        deadlock::watch(runtime.handle().scheduler(), policy, inspect::report);
        let ended = monitor.root();
        let root = runtime.handle().spawn_root(self.filter(), site, move || {
            let _ended = ended;
            body().report()
        });
        match monitor.wait(deadline) {
            TestOutcome::Ended => {}
            TestOutcome::Deadlock(report) => {
                drop_in_background(runtime);
                panic!(
                    "deadlock in the test `{name}`: every coroutine is blocked, and nothing is \
                     left that could wake one\n{report}"
                );
            }
            TestOutcome::TimedOut => {
                let list = inspect::of(runtime.handle().scheduler());
                let clock = describe_clock(&runtime);
                drop_in_background(runtime);
                let timeout = self.timeout;
                panic!(
                    "the test `{name}` did not end within {timeout:?}{clock}; its \
                     coroutines:\n{list}"
                );
            }
        }
        let code = match root.join() {
            Ok(code) => code,
            Err(payload) if payload.is::<Cancelled>() => {
                panic!("the root coroutine of the test `{name}` was cancelled")
            }
            Err(payload) => panic::resume_unwind(payload),
        };
        if self.leaks && code == ExitCode::SUCCESS {
            let quiescent = monitor.wait_until_quiescent(deadline);
            let left = runtime.metrics().live();
            if left > 0 {
                let list = inspect::of(runtime.handle().scheduler());
                let still = if quiescent { "" } else { ", some of which never come to rest" };
                drop_in_background(runtime);
                panic!(
                    "the test `{name}` has left {} behind{still}; join or cancel what it starts, or \
                     leave `leaks` out:\n{list}",
                    report::count(left as u64, "coroutine")
                );
            }
        } else {
            // Coroutines that can still run get the time to do so, whichever thread is quicker.
            monitor.wait_until_quiescent(deadline.min(Timestamp::after(QUIESCENCE_TIMEOUT)));
        }
        drop(runtime);
        let unjoined = unjoined.take();
        if !unjoined.is_empty() && code == ExitCode::SUCCESS {
            let panics = report::count(unjoined.len() as u64, "coroutine");
            let list: String = unjoined.iter().map(|p| format!("\n  {}", p.text)).collect();
            panic!(
                "in the test `{name}` {panics} panicked that nobody has joined; join what may panic, and \
                 look at the result:{list}"
            );
        }
        code
    }
}

/// For how long to wait, after the end of a test's root coroutine, until the runtime is quiescent.
const QUIESCENCE_TIMEOUT: Duration = Duration::from_millis(50);

/// The panics in a test run that nobody has received.
struct UnjoinedPanics {
    test_run: u64,
}

impl UnjoinedPanics {
    fn take(&self) -> Vec<UnjoinedPanic> {
        unjoined_panics::take(self.test_run)
    }
}

impl Drop for UnjoinedPanics {
    fn drop(&mut self) {
        // If any are left, the test fails for another reason.
        self.take();
    }
}

/// Runs a test's body as the root coroutine of a runtime of its own, which ends with it; with seeds, once
/// for each of them.
///
/// # Panics
///
/// With the body's panic; with that of any other of its coroutines that nobody has joined. At the timeout, at a
/// deadlock, and if coroutines are left behind that must not, with a list of the coroutines and what they wait for.
/// With seeds, the failing one is printed.
#[track_caller]
pub fn test<R: Termination>(
    options: TestOptions,
    body: impl FnOnce() -> R + Clone + Send + 'static,
) -> ExitCode {
    // This thread only waits, so it wakes nobody.
    let _counted = RuntimeThread::new();
    stack_check::find_initialisers();
    let site = Location::caller();
    let deadline = Timestamp::after(options.timeout);
    let Some(seeds) = options.chosen_seeds() else {
        return options.run(None, deadline, site, body);
    };
    assert!(
        options.workers == 1,
        "the test `{}` has {} workers, but a seed decides the order of one: leave `workers` out, or \
         the seeds",
        options.name,
        options.workers
    );
    for (index, seed) in seeds.iter().enumerate() {
        let run = || options.run(Some(*seed), deadline, site, body.clone());
        let result = panic::catch_unwind(AssertUnwindSafe(run));
        if !matches!(result, Ok(ExitCode::SUCCESS)) {
            eprintln!(
                "mco: the test `{}` failed with the seed {seed}, number {} of {}; to replay it: \
                 {SEED}={seed} cargo test {}",
                options.name,
                index + 1,
                seeds.len(),
                options.filter()
            );
            return result.unwrap_or_else(|payload| panic::resume_unwind(payload));
        }
    }
    ExitCode::SUCCESS
}

/// Why the clock may be to blame for a test that does not end.
fn describe_clock(runtime: &Runtime) -> String {
    match runtime.handle().scheduler().virtual_time() {
        Some((elapsed, held @ 1..)) => format!(
            " (its virtual clock stands at {elapsed:?}, held by {} for sockets or blocking jobs, during \
             which no time passes)",
            report::count(held as u64, "wait")
        ),
        Some((elapsed, 0)) => format!(" (its virtual clock stands at {elapsed:?})"),
        None => String::new(),
    }
}

/// Ends a runtime that may have coroutines which never end. The others are cancelled, so that their destructors run.
fn drop_in_background(runtime: Runtime) {
    const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);
    let (done, wait) = mpsc::channel();
    let end = move || {
        // The workers do all that this needs.
        let _counted = RuntimeThread::new();
        drop(runtime);
        drop(done);
    };
    if thread::Builder::new().name("test-end".to_owned()).spawn(end).is_ok() {
        // Disconnected, or too late.
        let _: Result<(), _> = wait.recv_timeout(SHUTDOWN_TIMEOUT);
    }
}
