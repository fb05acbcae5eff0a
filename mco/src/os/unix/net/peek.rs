//! Looking at what has arrived, for which std has no stable method.

#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

pub(super) fn peek(socket: BorrowedFd<'_>, buf: &mut [u8]) -> io::Result<usize> {
    // SAFETY: an open descriptor, and a buffer of that length to write to.
    let n = unsafe {
        libc::recv(socket.as_raw_fd(), buf.as_mut_ptr().cast(), buf.len(), libc::MSG_PEEK)
    };
    usize::try_from(n).map_err(|_| io::Error::last_os_error())
}
