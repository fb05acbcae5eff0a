//! How long an operation takes: on average over many, or each by itself.

use crate::runtimes::Setup;
use hdrhistogram::Histogram;
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

/// A span of time in which round trips are timed one by one.
#[derive(Clone, Copy)]
pub(crate) struct Window {
    begin: Instant,
    end: Instant,
}

impl Window {
    /// As long as a measurement lasts, from now on.
    pub(crate) fn now(setup: &Setup) -> Self {
        let begin = Instant::now();
        Self { begin, end: begin + setup.at_least }
    }

    /// As long, when what is measured has warmed up.
    pub(crate) fn after_warm_up(setup: &Setup) -> Self {
        let Self { begin, end } = Self::now(setup);
        Self { begin: begin + WARM_UP, end: end + WARM_UP }
    }

    /// How much of it there is for each of so many.
    pub(crate) fn nanoseconds_for_each(&self, count: u64) -> f64 {
        (self.end - self.begin).as_nanos() as f64 / count as f64
    }
}

/// Times round trips that follow each other, with one look at the clock for each.
pub(crate) struct Trips {
    window: Window,
    /// When the trip began that is under way.
    began: Instant,
    /// In nanoseconds.
    times: Histogram<u64>,
}

impl Trips {
    /// The first trip begins now.
    pub(crate) fn begin(window: Window) -> Self {
        let times = Histogram::new(3).expect("three digits can be had");
        Self { window, began: Instant::now(), times }
    }

    /// A trip is over and the next one begins, or `false` when the window is over.
    pub(crate) fn next(&mut self) -> bool {
        let now = Instant::now();
        if self.began >= self.window.begin {
            let took = (now - self.began).as_nanos() as u64;
            self.times.record(took).expect("this histogram grows");
        }
        self.began = now;
        now < self.window.end
    }

    /// Takes in those of another.
    pub(crate) fn add(&mut self, other: &Self) {
        self.times.add(&other.times).expect("this histogram grows");
    }

    pub(crate) fn count(&self) -> u64 {
        self.times.len()
    }

    /// The median and the 99th percentile, in nanoseconds.
    pub(crate) fn percentiles(&self) -> [f64; 2] {
        assert!(!self.times.is_empty(), "no trip was made");
        [0.5, 0.99].map(|quantile| self.times.value_at_quantile(quantile) as f64)
    }
}
