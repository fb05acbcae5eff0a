//! What sockets have in common: their timeouts.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// A timeout that can be changed while others wait with the old one.
#[derive(Debug, Default)]
pub(super) struct Timeout(AtomicU64);

impl Timeout {
    /// # Errors
    ///
    /// `InvalidInput` for zero, as in std.
    pub(super) fn set(&self, timeout: Option<Duration>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) {
            let text = "a timeout of zero; `None` stands for no timeout";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let nanos = timeout.map_or(0, |t| u64::try_from(t.as_nanos()).unwrap_or(u64::MAX));
        self.0.store(nanos, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn get(&self) -> Option<Duration> {
        let nanos = self.0.load(Ordering::Relaxed);
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// When an operation that begins to wait now has waited long enough.
    pub(super) fn deadline(&self) -> Option<Moment> {
        self.get().map(Moment::after)
    }

    pub(super) fn copy(&self) -> Timeout {
        Timeout(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// Implements the conversions of a socket type from and into std's and the system's.
macro_rules! conversions {
    ($socket:ident, $std:ty, $mio:ty) => {
        impl TryFrom<$std> for $socket {
            type Error = std::io::Error;

            /// Takes the socket over, and makes it nonblocking.
            fn try_from(socket: $std) -> std::io::Result<$socket> {
                socket.set_nonblocking(true)?;
                Ok($socket::from_mio(<$mio>::from_std(socket)))
            }
        }

        impl TryFrom<$socket> for $std {
            type Error = std::io::Error;

            /// Gives the socket away, and makes it blocking again.
            fn try_from(socket: $socket) -> std::io::Result<$std> {
                let socket = <$std>::from(socket.socket.into_io());
                socket.set_nonblocking(false)?;
                Ok(socket)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket.with(std::os::fd::AsRawFd::as_raw_fd)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket.io().as_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::IntoRawFd for $socket {
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.socket.into_io().into_raw_fd()
            }
        }

        #[cfg(unix)]
        impl From<$socket> for std::os::fd::OwnedFd {
            fn from(socket: $socket) -> std::os::fd::OwnedFd {
                socket.socket.into_io().into()
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawSocket for $socket {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                self.socket.with(std::os::windows::io::AsRawSocket::as_raw_socket)
            }
        }
    };
}

pub(super) use conversions;
