//! Time: waiting for it, limiting it, telling it.
//!
//! | | |
//! | --- | --- |
//! | [`sleep`], [`after`], [`Timer`] | something happens once, later |
//! | [`Ticker`] | something happens again and again |
//! | [`timeout()`], [`deadline`] | something takes no longer than that, or until then |
//! | [`Instant`] | measuring |
//! | [`Time`] | the calendar |
//!
//! What waits here never ends early, and on an idle machine ends a fraction of a millisecond late.

mod instant;
#[cfg(feature = "calendar")]
mod layout;
pub mod tick;
#[expect(clippy::module_inception, reason = "the path is as old as mco")]
pub mod time;
mod timeout;
mod timer;
mod timer_channel;

pub use std::time::{Duration, SystemTime, SystemTimeError, TryFromFloatSecsError, UNIX_EPOCH};

#[cfg(feature = "calendar")]
pub use ::time::{Month, Weekday};

pub use self::instant::Instant;
pub use self::tick::Ticker;
pub use self::time::Time;
#[cfg(feature = "calendar")]
pub use self::time::{
    ANSIC, DATE_ONLY, DATE_TIME, KITCHEN, RFC822, RFC822Z, RFC850, RFC1123, RFC1123Z, RFC3339,
    RFC3339_NANO, TIME_ONLY, UNIX_DATE,
};
pub use self::timeout::{Elapsed, deadline, remaining, timeout};
pub use self::timer::{Timer, after, after_func};
pub use crate::coroutine::sleep;
