//! Waiting for less than a millisecond, in which `epoll_wait` counts.
//!
//! `epoll_pwait2` counts in nanoseconds, but its events cannot be given to mio. An epoll descriptor
//! can be waited for as others are, so `ppoll` does the waiting, and mio then fetches the events, if
//! there are any. That is one call more only if there are, and only before a timer that is near.

#![allow(unsafe_code)]

use std::os::fd::AsRawFd;
use std::ptr;
use std::time::Duration;

/// Waits until `poll` has events, for `timeout` at most, which is less than a second. `false`: there
/// are none. When in doubt it has some.
pub(super) fn wait(poll: &mio::Poll, timeout: Duration) -> bool {
    let mut fd = libc::pollfd { fd: poll.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // Both are zero before and small after, whatever their types.
    // SAFETY: `timespec` is made of integers.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    time.tv_nsec = timeout.subsec_nanos() as _;
    // SAFETY: one valid entry, a valid time, and no set of signals.
    unsafe { libc::ppoll(&raw mut fd, 1, &raw const time, ptr::null()) != 0 }
}
