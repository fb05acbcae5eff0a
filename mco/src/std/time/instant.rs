//! Points of time to measure with.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

use crate::clock::Timestamp;

/// A point of time that nobody sets back: [`std::time::Instant`], by the clock of mco's own timers.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{Instant, sleep};
///
/// let start = Instant::now();
/// sleep(Duration::from_millis(5));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Since the epoch of this process, and before it: what is to be subtracted may be more than the
    /// process is old.
    nanos: i64,
}

impl Instant {
    /// This moment.
    #[must_use]
    pub fn now() -> Instant {
        Instant { nanos: i64::try_from(Timestamp::now().as_nanos()).unwrap_or(i64::MAX) }
    }

    /// As the runtime counts: the begin of its epoch if it is earlier.
    pub(super) fn to_timestamp(self) -> Timestamp {
        Timestamp::from_nanos(u64::try_from(self.nanos).unwrap_or(0))
    }

    /// How long ago it was; zero if it is still to come.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        Instant::now().duration_since(*self)
    }

    /// How long it is from `earlier` to here; zero if it is not earlier.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mco::std::time::Instant;
    ///
    /// let start = Instant::now();
    /// let later = start + Duration::from_secs(2);
    /// assert_eq!(later.duration_since(start), Duration::from_secs(2));
    /// assert_eq!(start.duration_since(later), Duration::ZERO);
    /// ```
    #[must_use]
    pub fn duration_since(&self, earlier: Instant) -> Duration {
        self.checked_duration_since(earlier).unwrap_or_default()
    }

    /// As [`duration_since`](Instant::duration_since); `None` if `earlier` is later.
    #[must_use]
    pub fn checked_duration_since(&self, earlier: Instant) -> Option<Duration> {
        (*self >= earlier).then(|| Duration::from_nanos(self.nanos.abs_diff(earlier.nanos)))
    }

    /// [`duration_since`](Instant::duration_since) under the name that says it.
    #[must_use]
    pub fn saturating_duration_since(&self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }

    /// The point of time `duration` later; `None` if it is centuries away.
    #[must_use]
    pub fn checked_add(&self, duration: Duration) -> Option<Instant> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.nanos.checked_add_unsigned(nanos).map(|nanos| Instant { nanos })
    }

    /// The point of time `duration` earlier; `None` if it is centuries away.
    #[must_use]
    pub fn checked_sub(&self, duration: Duration) -> Option<Instant> {
        let nanos = u64::try_from(duration.as_nanos()).ok()?;
        self.nanos.checked_sub_unsigned(nanos).map(|nanos| Instant { nanos })
    }
}

impl From<std::time::Instant> for Instant {
    /// The same point of time: as far from now here as it is from std's. On a virtual clock, which stands still, it
    /// is another one each time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mco::std::time::{Instant, sleep};
    ///
    /// let start = Instant::from(std::time::Instant::now());
    /// sleep(Duration::from_millis(2));
    /// assert!(start.elapsed() >= Duration::from_millis(2));
    /// ```
    fn from(at: std::time::Instant) -> Instant {
        let (now, real) = (Instant::now(), std::time::Instant::now());
        let converted = match at.checked_duration_since(real) {
            Some(ahead) => now.checked_add(ahead),
            None => now.checked_sub(real.duration_since(at)),
        };
        // Centuries away.
        converted.unwrap_or(Instant { nanos: if at < real { i64::MIN } else { i64::MAX } })
    }
}

impl From<Instant> for std::time::Instant {
    /// As the other way around. What std cannot represent is centuries away, and becomes what is nearest to it.
    fn from(at: Instant) -> std::time::Instant {
        let (now, real) = (Instant::now(), std::time::Instant::now());
        if at >= now {
            let mut ahead = at.duration_since(now);
            loop {
                match real.checked_add(ahead) {
                    Some(converted) => return converted,
                    None => ahead /= 2,
                }
            }
        }
        let mut ago = now.duration_since(at);
        loop {
            match real.checked_sub(ago) {
                Some(converted) => return converted,
                None => ago /= 2,
            }
        }
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.nanos < 0 { "-" } else { "" };
        write!(f, "Instant({sign}{:?})", Duration::from_nanos(self.nanos.unsigned_abs()))
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    /// # Panics
    ///
    /// If the result is centuries away.
    #[track_caller]
    fn add(self, duration: Duration) -> Instant {
        self.checked_add(duration).unwrap_or_else(|| too_far(duration))
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    /// # Panics
    ///
    /// If the result is centuries away.
    #[track_caller]
    fn sub(self, duration: Duration) -> Instant {
        self.checked_sub(duration).unwrap_or_else(|| too_far(duration))
    }
}

#[track_caller]
fn too_far(duration: Duration) -> Instant {
    panic!("{duration:?} is too far from an instant; `checked_add` and `checked_sub` tell")
}

impl AddAssign<Duration> for Instant {
    #[track_caller]
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl SubAssign<Duration> for Instant {
    #[track_caller]
    fn sub_assign(&mut self, duration: Duration) {
        *self = *self - duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// As [`duration_since`](Instant::duration_since).
    fn sub(self, earlier: Instant) -> Duration {
        self.duration_since(earlier)
    }
}
