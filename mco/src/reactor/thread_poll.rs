//! How a plain thread waits for a socket: in the system's `poll`.

#![allow(unsafe_code)]

use std::io;
use std::time::Duration;

use super::Direction;
use super::io::Io;
use crate::clock::Timestamp;

/// Waits until one of the `directions` of the socket is ready: `true`, or until the deadline: `false`.
pub(super) fn wait<S: Io>(
    io: &S,
    directions: &[Direction],
    deadline: Option<Timestamp>,
) -> io::Result<bool> {
    loop {
        let left = deadline.map(|at| at.since(Timestamp::now()));
        match poll(io, directions, left) {
            Ok(ready) if ready => return Ok(true),
            // The longest that can be asked for at once may be less than what is left.
            Ok(_) if left.is_some_and(|left| left.is_zero()) => return Ok(false),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Whether `direction` is ready now.
#[cfg(unix)]
pub(super) fn is_ready<S: Io>(io: &S, direction: Direction) -> io::Result<bool> {
    poll(io, &[direction], Some(Duration::ZERO))
}

/// Milliseconds for the system, rounded up so that the deadline has passed when it returns.
fn millis(timeout: Option<Duration>) -> i32 {
    timeout.map_or(-1, |t| i32::try_from(t.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX))
}

#[cfg(unix)]
fn poll<S: Io>(io: &S, directions: &[Direction], timeout: Option<Duration>) -> io::Result<bool> {
    let events = directions.iter().fold(0, |events, direction| {
        events
            | match direction {
                Direction::Read => libc::POLLIN,
                Direction::Write => libc::POLLOUT,
            }
    });
    let mut fd = libc::pollfd { fd: io.as_raw_fd(), events, revents: 0 };
    // SAFETY: one valid entry.
    match unsafe { libc::poll(&raw mut fd, 1, millis(timeout)) } {
        -1 => Err(io::Error::last_os_error()),
        n => Ok(n > 0),
    }
}

#[cfg(windows)]
fn poll<S: Io>(io: &S, directions: &[Direction], timeout: Option<Duration>) -> io::Result<bool> {
    use windows_sys::Win32::Networking::WinSock::{
        POLLRDNORM, POLLWRNORM, SOCKET_ERROR, WSAPOLLFD, WSAPoll,
    };
    let events = directions.iter().fold(0, |events, direction| {
        events
            | match direction {
                Direction::Read => POLLRDNORM,
                Direction::Write => POLLWRNORM,
            }
    });
    let socket = usize::try_from(io.as_raw_socket()).expect("a socket fits a pointer");
    let mut fd = WSAPOLLFD { fd: socket, events, revents: 0 };
    // SAFETY: one valid entry.
    match unsafe { WSAPoll(&raw mut fd, 1, millis(timeout)) } {
        SOCKET_ERROR => Err(io::Error::last_os_error()),
        n => Ok(n > 0),
    }
}
