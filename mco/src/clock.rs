//! Points in time as the runtime counts them.
//!
//! There is one clock for the process, which follows the system's. A runtime may have a *virtual* clock
//! of its own instead, which stands still until the scheduler sets it forward: its workers enter it, and
//! from then on it is what "now" is on their threads. Other threads see the system's, also those of the
//! blocking pool that work for such a runtime.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use once_cell::sync::Lazy;

/// Where [`Timestamp`]s count from.
static EPOCH: Lazy<Instant> = Lazy::new(Instant::now);

/// How far local time is from UTC, as it was when this was first asked for.
///
/// The system's answer depends on environment variables, which another thread might be changing. So
/// `time` does not ask in a process of several threads, and this is for a runtime to call before it
/// starts the first.
#[cfg(feature = "calendar")]
pub(crate) fn local_offset() -> time::UtcOffset {
    use time::UtcOffset;
    static OFFSET: Lazy<UtcOffset> =
        Lazy::new(|| UtcOffset::current_local_offset().unwrap_or(UtcOffset::UTC));
    *OFFSET
}

thread_local! {
    /// The clock of the runtime whose worker this thread is, if it is virtual. Set once, by the worker
    /// before it does anything else.
    static VIRTUAL: OnceCell<Arc<VirtualClock>> = const { OnceCell::new() };
}

/// A clock that stands still until it is set forward.
pub(crate) struct VirtualClock {
    /// When it was made, by the clock of the process, from which it counts on: what a thread measures
    /// from or to a point in time of the runtime's is wrong, but not absurd.
    start: Timestamp,
    /// What it shows now. Written by the one worker that keeps all of them asleep meanwhile.
    now: AtomicU64,
}

impl VirtualClock {
    pub(crate) fn new() -> VirtualClock {
        let start = Timestamp::monotonic();
        VirtualClock { start, now: AtomicU64::new(start.0) }
    }

    /// Makes this the clock of the calling thread, for good.
    pub(crate) fn enter(self: &Arc<Self>) {
        let _ = VIRTUAL.with(|clock| clock.set(self.clone()));
    }

    pub(crate) fn now(&self) -> Timestamp {
        // Acquire and Release: whoever sees the new time sees what led to it.
        Timestamp(self.now.load(Ordering::Acquire))
    }

    /// Sets it forward; it never goes back.
    pub(crate) fn advance(&self, to: Timestamp) {
        let before = self.now.fetch_max(to.0, Ordering::AcqRel);
        debug_assert!(before <= to.0, "it was set forward by two at once");
    }

    /// How far it has been set forward.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now().since(self.start)
    }
}

impl fmt::Debug for VirtualClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VirtualClock").field(&self.elapsed()).finish()
    }
}

/// Calls `f` with the virtual clock of this thread, if it has one.
fn with_virtual<R>(f: impl FnOnce(&VirtualClock) -> R) -> Option<R> {
    // A thread that is ending has none any more.
    VIRTUAL.try_with(|clock| clock.get().map(|clock| f(clock))).ok().flatten()
}

/// Whether this thread has a virtual clock.
pub(crate) fn is_virtual() -> bool {
    with_virtual(|_| ()).is_some()
}

/// The calendar's time. A virtual clock begins with the year 2000, so that each run sees the same.
pub(crate) fn calendar() -> SystemTime {
    const YEAR_2000: Duration = Duration::from_secs((30 * 365 + 7) * 24 * 3600);
    with_virtual(|clock| SystemTime::UNIX_EPOCH + YEAR_2000 + clock.elapsed())
        .unwrap_or_else(SystemTime::now)
}

/// A point in time, in nanoseconds since an epoch of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timestamp(u64);

impl Timestamp {
    /// By the clock of the runtime, if this is a thread of its workers, or that of the process.
    pub(crate) fn now() -> Timestamp {
        with_virtual(VirtualClock::now).unwrap_or_else(Timestamp::monotonic)
    }

    /// By the clock of the process: for what the machine does, and not the user's program.
    pub(crate) fn monotonic() -> Timestamp {
        Timestamp(nanos(EPOCH.elapsed()))
    }

    /// As `now`, for one who has just asked for the `real` time.
    pub(crate) fn now_or(monotonic: Timestamp) -> Timestamp {
        with_virtual(VirtualClock::now).unwrap_or(monotonic)
    }

    /// The moment `duration` after now, or as far away as can be represented.
    pub(crate) fn after(duration: Duration) -> Timestamp {
        Timestamp::now() + duration
    }

    /// As `after`, or up to a 64th of the duration later, but no more than about a millisecond: so that of
    /// many who sleep those that are to end at almost the same time end together, and their worker wakes
    /// up once. A virtual clock stands at each moment anyway.
    pub(crate) fn coalesced_after(duration: Duration) -> Timestamp {
        const LATEST: u64 = 1 << 20;
        let at = Timestamp::after(duration);
        let late = (nanos(duration) / 64).min(LATEST);
        if late < 2 || is_virtual() {
            return at;
        }
        // The same points in time for all that may be so late.
        let grid = 1 << late.ilog2();
        Timestamp(at.0.checked_next_multiple_of(grid).unwrap_or(at.0))
    }

    pub(crate) const fn from_nanos(nanos: u64) -> Timestamp {
        Timestamp(nanos)
    }

    pub(crate) fn as_nanos(self) -> u64 {
        self.0
    }

    /// How long it is from `earlier` to here; zero if it is not earlier.
    pub(crate) fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The same as an `Instant`, at most some years away, which std can represent everywhere.
    pub(crate) fn to_std(self) -> Instant {
        const YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
        *EPOCH + Duration::from_nanos(self.0).min(EPOCH.elapsed() + YEARS)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Timestamp;

    fn add(self, duration: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos(duration)))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coalesced_times_are_never_earlier_and_hardly_later() {
        for nanos in [0, 1, 127, 128, 5_000, 1_000_000, 64_000_000, 10_000_000_000] {
            let duration = Duration::from_nanos(nanos);
            for _ in 0..100 {
                let earliest = Timestamp::after(duration);
                let at = Timestamp::coalesced_after(duration);
                let latest = Timestamp::after(duration);
                assert!(at >= earliest, "{duration:?}");
                let late = at.since(latest);
                assert!(late <= duration / 64 && late < Duration::from_micros(1049), "{late:?}");
            }
        }
        assert_eq!(Timestamp::coalesced_after(Duration::MAX), Timestamp::from_nanos(u64::MAX));
    }

    #[test]
    fn equal_sleeps_that_begin_close_together_end_together() {
        let duration = Duration::from_secs(1);
        let begun = Timestamp::monotonic();
        let mut ends: Vec<_> = (0..1000).map(|_| Timestamp::coalesced_after(duration)).collect();
        ends.dedup();
        // Spans of 2^20 ns.
        let spans = Timestamp::monotonic().since(begun).as_nanos() >> 20;
        assert!(ends.len() as u128 <= spans + 2, "{} ends in {spans} spans", ends.len());
    }
}
