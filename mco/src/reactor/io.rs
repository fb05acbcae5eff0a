//! What can be registered.

/// What can be waited for: anything with a descriptor.
#[cfg(unix)]
pub(crate) trait Io: std::os::fd::AsRawFd {}
#[cfg(unix)]
impl<S: std::os::fd::AsRawFd> Io for S {}

/// What can be waited for: a socket of mio's with a system handle.
#[cfg(windows)]
pub(crate) trait Io: mio::event::Source + std::os::windows::io::AsRawSocket {}
#[cfg(windows)]
impl<S: mio::event::Source + std::os::windows::io::AsRawSocket> Io for S {}
