//! System calls for which std has no stable method, and addresses.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;

use super::SocketAddr;
use crate::net::error_context::with_context;

/// The address of a path, for one who is about to do `what` with it.
pub(super) fn address(path: &Path, what: &str) -> io::Result<SocketAddr> {
    SocketAddr::from_pathname(path)
        .map_err(|error| with_context(format!("{what} {path:?}"), error, ""))
}

pub(super) fn peek(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: an open descriptor, and a buffer of that length to write to.
    let n = unsafe {
        libc::recv(socket.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), libc::MSG_PEEK)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}

/// Whether reading has been shut down. To be asked after a receive that would block: then Linux says so
/// of a nonblocking datagram socket even if it is shut down, of which a blocking one is told.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn is_shut(socket: BorrowedFd<'_>) -> bool {
    let mut fd = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLRDHUP, revents: 0 };
    // SAFETY: one valid entry.
    let ready = unsafe { libc::poll(&raw mut fd, 1, 0) };
    ready > 0 && fd.revents & libc::POLLRDHUP != 0
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn is_shut(_: BorrowedFd<'_>) -> bool {
    false
}
