//! Measuring how quickly mco reacts, on a machine that others use too.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::process;

/// Measures time without what the threads of this process have waited for a processor meanwhile.
///
/// On a busy machine a thread that is ready may wait tens of milliseconds until the kernel lets it
/// run, which says nothing about mco. A wake-up that got lost does not hide in this: then the
/// threads sleep, and sleeping is not waiting for a processor.
#[derive(Debug)]
pub struct Stopwatch {
    start: Instant,
    delays: HashMap<u64, Duration>,
}

impl Stopwatch {
    /// Begins to measure.
    #[must_use]
    pub fn start() -> Stopwatch {
        Stopwatch { delays: process::run_delays(), start: Instant::now() }
    }

    /// The time since the start, on the wall clock.
    #[must_use]
    pub fn wall(&self) -> Duration {
        self.start.elapsed()
    }

    /// The time since the start that this process is to blame for.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.without_delays(self.start.elapsed())
    }

    /// What of `wall`, a time since the start, this process is to blame for. To be asked for soon
    /// after it has passed.
    #[must_use]
    pub fn without_delays(&self, wall: Duration) -> Duration {
        let now = process::run_delays();
        let before = |thread| self.delays.get(thread).copied().unwrap_or_default();
        let delays = now.iter().map(|(thread, delay)| delay.saturating_sub(before(thread)));
        wall.saturating_sub(delays.sum())
    }

    /// The instant of the start.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.start
    }
}

/// How late something may be, without what the kernel kept this process waiting.
const PRECISION: Duration = Duration::from_millis(10);
/// How late it may be if the machine is to blame.
const STOLEN: Duration = Duration::from_millis(100);
/// The machine may be to blame twice in a row. At its worst its gaps would fall on one of a thousand tries.
const TRIES: usize = 3;

/// Runs something that must take `expected`, and next to nothing longer.
///
/// It is done again if it was late: the host of a virtual machine may have taken a processor away, for which
/// the guest's kernel has no reliable figure. Gaps of up to 20 ms in a thread that does nothing but read the
/// clock were seen, several in a second. That is chance, and what mco does is not.
///
/// # Panics
///
/// If it is over earlier, or it is late each time, or very late.
#[track_caller]
pub fn assert_punctual(expected: Duration, mut run: impl FnMut()) {
    let mut all = Vec::new();
    while all.len() < TRIES {
        let watch = Stopwatch::start();
        run();
        let wall = watch.wall();
        assert!(wall >= expected, "{expected:?} were over after {wall:?}");
        let late = watch.without_delays(wall).saturating_sub(expected);
        assert!(late < STOLEN, "it was {late:?} late after {expected:?}");
        if late < PRECISION {
            return;
        }
        eprintln!("it was {late:?} late after {expected:?}");
        all.push(late);
    }
    panic!("each time it was late after {expected:?}: {all:?}");
}
