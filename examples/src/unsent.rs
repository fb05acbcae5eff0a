//! What a peer has not received yet.

#![allow(unsafe_code)]

use mco::net::TcpStream;

/// How many of the written bytes the peer's system has not acknowledged. `None`: this system does not tell, as
/// all but Linux here, or the connection is gone.
#[must_use]
pub fn unsent(stream: &TcpStream) -> Option<usize> {
    // A connection that was reset keeps its last count.
    stream.peer_addr().ok()?;
    count(stream)
}

#[cfg(target_os = "linux")]
fn count(stream: &TcpStream) -> Option<usize> {
    use std::os::fd::AsRawFd;

    let mut count: libc::c_int = 0;
    // SAFETY: the descriptor is open, since the stream is there; this request writes one `int`.
    let result = unsafe { libc::ioctl(stream.as_raw_fd(), libc::TIOCOUTQ, &raw mut count) };
    if result == 0 { usize::try_from(count).ok() } else { None }
}

#[cfg(not(target_os = "linux"))]
fn count(_: &TcpStream) -> Option<usize> {
    None
}
