//! For how long a thread was ready to run and got no processor. With it the monitor tells a busy machine from a
//! coroutine that blocks its worker.
//!
//! The kernel adds a delay to the thread's account when it is over: a thread that gets a processor at last has waited
//! for so long. Until then nothing tells a thread that waits from one that computes but that the time it has had on
//! a processor does not grow. So an account tells of the time up to the moment when the thread was seen to run, or
//! not to be ready ([`ThreadTimes::known_until`]); of what came after nobody knows as yet.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Reads the account of one thread, from any thread.
pub(super) struct RunDelay {
    /// Its folder in `/proc`. Elsewhere than on Linux there is none.
    thread: Option<PathBuf>,
}

/// What is known of a thread's time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ThreadTimes {
    /// How long it has waited for a processor, without the wait that may go on; zero if nobody knows.
    pub(super) delay: Duration,
    /// How long it has had one.
    ran: Duration,
    /// It runs, or would if it had a processor.
    is_ready: bool,
}

impl RunDelay {
    pub(super) fn of_this_thread() -> RunDelay {
        let thread = fs::read_link("/proc/thread-self").ok();
        RunDelay { thread: thread.map(|path| PathBuf::from("/proc").join(path)) }
    }

    pub(super) fn read(&self) -> ThreadTimes {
        // First, so that what it has waited until it was found to wait for something else is in the account.
        let is_ready = self.is_ready().unwrap_or(false);
        // Time on a processor, time waiting for one, both in nanoseconds, and a number of times.
        let thread_times = self.file("schedstat").unwrap_or_default();
        let mut times = thread_times.split_whitespace().map(|time| time.parse().unwrap_or(0));
        let mut time = || Duration::from_nanos(times.next().unwrap_or(0));
        let (ran, delay) = (time(), time());
        ThreadTimes { delay, ran, is_ready }
    }

    fn is_ready(&self) -> Option<bool> {
        // The state comes after the name, which is in brackets and may contain any itself.
        let stat = self.file("stat")?;
        Some(stat.rsplit_once(')')?.1.trim_start().starts_with('R'))
    }

    fn file(&self, name: &str) -> Option<String> {
        let bytes = fs::read(self.thread.as_ref()?.join(name)).ok()?;
        // The name of a thread need not be UTF-8.
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl ThreadTimes {
    /// Up to when the delay is known, of the times at which this one and the one `before` were read.
    pub(super) fn known_until<T>(self, now: T, before: (ThreadTimes, T)) -> Option<T> {
        match (self.is_ready, self.ran != before.0.ran) {
            (false, _) => Some(now),
            // If it waits again, then since a later moment.
            (true, true) => Some(before.1),
            (true, false) => None,
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::hint;

    use super::*;

    #[test]
    fn the_times_of_this_thread_can_be_read() {
        let meter = RunDelay::of_this_thread();
        let path = meter.thread.as_ref().expect("Linux has accounts");
        assert!(path.to_string_lossy().contains("/task/"), "{path:?}");
        let (first, second) = (meter.read(), meter.read());
        assert!(first.is_ready && second.is_ready);
        assert!(first.delay <= second.delay);
    }

    #[test]
    fn the_run_time_of_a_running_thread_grows() {
        let meter = RunDelay::of_this_thread();
        let first = meter.read();
        while meter.read().ran == first.ran {
            hint::spin_loop();
        }
    }

    #[test]
    fn what_comes_after_a_thread_was_seen_to_run_is_not_known() {
        let thread_times = |ran, is_ready| ThreadTimes {
            delay: Duration::ZERO,
            ran: Duration::from_millis(ran),
            is_ready,
        };
        let known_until = |now: ThreadTimes| now.known_until(2, (thread_times(5, true), 1));
        assert_eq!(known_until(thread_times(5, true)), None);
        assert_eq!(known_until(thread_times(6, true)), Some(1));
        assert_eq!(known_until(thread_times(5, false)), Some(2));
        assert_eq!(known_until(thread_times(6, false)), Some(2));
    }
}
