//! Retrying with growing pauses, where the system reports no readiness: for a datagram that finds no room at its
//! receiver.

use std::io;
use std::time::Duration;

use super::Direction;
use super::registered::timed_out;
use crate::clock::{self, Timestamp};
use crate::task::{current, spend_budget};
use crate::wait::{ExternalWait, Wait};

/// Repeats `op` with growing pauses until it does not block, or until the deadline.
///
/// # Errors
///
/// What `op` fails with, and `TimedOut` at the deadline.
pub(crate) fn retry_with_backoff<R>(
    wait: Wait,
    mut op: impl FnMut() -> io::Result<R>,
) -> io::Result<R> {
    const FIRST_PAUSE: Duration = Duration::from_micros(50);
    const LAST_PAUSE: Duration = Duration::from_millis(10);
    spend_budget();
    let mut pause = FIRST_PAUSE;
    let _external_wait = ExternalWait::new();
    loop {
        match op() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            done => return done,
        }
        if wait.has_timed_out() {
            return Err(timed_out(Direction::Write));
        }
        match current::running() {
            // A virtual clock stands still meanwhile, so no pause would end.
            Some(running) if clock::is_virtual() => running.yield_now(wait.site()),
            _ => drop(wait.no_later_than(Timestamp::after(pause)).wait_for(|| false)),
        }
        pause = LAST_PAUSE.min(2 * pause);
    }
}
