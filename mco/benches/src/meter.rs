//! How long an operation takes.

use crate::runtimes::Setup;
use std::time::{Duration, Instant};

/// At least so long, a measurement's work is done before anything counts.
const WARM_UP: Duration = Duration::from_millis(100);
/// A batch shorter than this says too little about how large the measured one must be.
const TELLING: Duration = Duration::from_millis(20);

/// Hands out batches of operations and times them: first to warm up, then until the measured ones have lasted
/// long enough.
///
/// It knows nothing of runtimes: the loop is the row's, so it is the same for blocking and for `async` code.
///
/// ```ignore
/// let mut meter = Meter::growing(setup, 1);
/// while let Some(operations) = meter.next_batch() {
///     for _ in 0..operations { yield_now(); }
/// }
/// meter.nanoseconds()
/// ```
pub(crate) struct Meter {
    /// Operations of the next batch; always a multiple of `unit`.
    batch: u64,
    unit: u64,
    /// Whether batches may become larger than they began.
    grows: bool,
    at_least: Duration,
    warming_up: bool,
    /// When the batch that is being done was handed out.
    started: Option<Instant>,
    /// Of the phase that is on: what its batches have taken, and how many operations they were.
    spent: Duration,
    done: u64,
}

impl Meter {
    /// Batches grow until a single one lasts long enough. Each is a multiple of `unit`.
    pub(crate) fn growing(setup: &Setup, unit: u64) -> Self {
        Self::new(setup, unit, true)
    }

    /// Every batch is of so many operations, as many times as it takes.
    pub(crate) fn fixed(setup: &Setup, operations: u64) -> Self {
        Self::new(setup, operations, false)
    }

    fn new(setup: &Setup, unit: u64, grows: bool) -> Self {
        Self {
            batch: unit,
            unit,
            grows,
            at_least: setup.at_least,
            warming_up: true,
            started: None,
            spent: Duration::ZERO,
            done: 0,
        }
    }

    /// How many operations to do now, or `None` when all has been measured. The clock runs from here until the
    /// next call.
    pub(crate) fn next_batch(&mut self) -> Option<u64> {
        if let Some(started) = self.started.take() {
            self.account(started.elapsed());
        }
        if !self.warming_up && self.spent >= self.at_least {
            return None;
        }
        self.started = Some(Instant::now());
        Some(self.batch)
    }

    /// What one operation took, of the batches measured.
    pub(crate) fn nanoseconds(&self) -> f64 {
        assert!(!self.warming_up && self.done > 0, "nothing has been measured");
        self.spent.as_nanos() as f64 / self.done as f64
    }

    fn account(&mut self, took: Duration) {
        self.spent += took;
        self.done += self.batch;
        if !self.warming_up {
            return;
        }
        let telling = !self.grows || took >= TELLING;
        if self.grows {
            // A quarter more than is needed, so that one batch does; at most eightfold, as short ones mislead.
            let wanted = self.batch as f64 * 1.25 * self.at_least.as_secs_f64()
                / took.as_secs_f64().max(1e-9);
            let bounded = (wanted as u64).min(self.batch.saturating_mul(8));
            self.batch = bounded.div_ceil(self.unit).max(1) * self.unit;
        }
        if telling && self.spent >= WARM_UP {
            self.warming_up = false;
            self.spent = Duration::ZERO;
            self.done = 0;
        }
    }
}
