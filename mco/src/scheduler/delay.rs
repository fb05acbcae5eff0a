//! How long a thread was ready to run and got no processor, so that a busy machine is not taken for a
//! coroutine that does not let go.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// Reads the delays of one thread, from any thread.
pub(super) struct DelayMeter {
    /// The kernel's account of the thread. Elsewhere than on Linux there is none.
    account: Option<PathBuf>,
}

impl DelayMeter {
    pub(super) fn of_this_thread() -> DelayMeter {
        let thread = fs::read_link("/proc/thread-self").ok();
        DelayMeter {
            account: thread.map(|path| PathBuf::from("/proc").join(path).join("schedstat")),
        }
    }

    /// The delays so far; zero if nobody knows.
    pub(super) fn read(&self) -> Duration {
        // Time on a processor, time waiting for one, both in nanoseconds, and a number of times.
        let account = self.account.as_ref().and_then(|path| fs::read_to_string(path).ok());
        let delay = account.and_then(|text| text.split_whitespace().nth(1)?.parse().ok());
        Duration::from_nanos(delay.unwrap_or(0))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_account_of_this_thread_can_be_read() {
        let meter = DelayMeter::of_this_thread();
        let path = meter.account.as_ref().expect("Linux has accounts");
        assert!(path.to_string_lossy().contains("/task/"), "{path:?}");
        assert!(meter.read() <= meter.read());
    }
}
