//! Points in time as the runtime counts them.

use std::time::{Duration, Instant};

use once_cell::sync::Lazy;
use time::UtcOffset;

/// Where [`Moment`]s count from.
static EPOCH: Lazy<Instant> = Lazy::new(Instant::now);

/// How far local time is from UTC, as it was when this was first asked for.
///
/// The system's answer depends on environment variables, which another thread might be changing. So
/// `time` does not ask in a process of several threads, and this is for a runtime to call before it
/// starts the first.
pub(crate) fn local_offset() -> UtcOffset {
    static OFFSET: Lazy<UtcOffset> =
        Lazy::new(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC));
    *OFFSET
}

/// A point in time, in nanoseconds since an epoch of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    pub(crate) fn now() -> Moment {
        Moment(nanos(EPOCH.elapsed()))
    }

    /// The moment `duration` after now, or as far away as can be represented.
    pub(crate) fn after(duration: Duration) -> Moment {
        Moment::now() + duration
    }

    pub(crate) fn from_nanos(nanos: u64) -> Moment {
        Moment(nanos)
    }

    pub(crate) fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long it is from `earlier` to here; zero if it is not earlier.
    pub(crate) fn since(self, earlier: Moment) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same as an `Instant`, at most some years away, which std can represent everywhere.
    pub(crate) fn to_std(self) -> Instant {
        const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
        *EPOCH + Duration::from_nanos(self.0).min(EPOCH.elapsed() + YEARS)
    }
}

impl std::ops::Add<Duration> for Moment {
    type Output = Moment;

    fn add(self, duration: Duration) -> Moment {
        Moment(self.0.saturating_add(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
