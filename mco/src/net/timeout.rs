//! A socket's time limit for reads or writes.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Timestamp;

/// A timeout that can be changed while others wait with the old one.
#[derive(Debug, Default)]
pub(crate) struct Timeout(AtomicU64);

impl Timeout {
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    pub(crate) fn set(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            let text = "a timeout of zero; `None` stands for no timeout";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let nanos = timeout.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        self.0.store(nanos, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn get(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// When an operation that begins to wait now has waited long enough.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        self.get().map(Timestamp::after)
    }

    pub(crate) fn copy(&self) -> Timeout {
        Timeout(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}
