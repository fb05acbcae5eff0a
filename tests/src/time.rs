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
