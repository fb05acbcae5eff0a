//! A stream socket's two system calls.
//!
//! On Linux they are made without the C library: in a process with several threads its `recv` and `send`
//! mark the thread as cancellable before the call and unmark it afterwards, with an atomic operation each,
//! for `pthread_cancel`, which no Rust program uses. There is little else that mco does in a read or write
//! that succeeds at once. Elsewhere it is std, through mio.

use std::io;

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use super::io;
    use rustix::net::{RecvFlags, SendFlags, recv, send};
    use std::os::fd::AsFd;

    /// A stream socket.
    pub(crate) trait Stream: AsFd {}
    impl<S: AsFd> Stream for S {}

    #[inline(always)]
    pub(super) fn read(socket: &impl Stream, buf: &mut [u8]) -> io::Result<usize> {
        let (done, _) = recv(socket, buf, RecvFlags::empty())?;
        Ok(done)
    }

    #[inline(always)]
    pub(super) fn write(socket: &impl Stream, buf: &[u8]) -> io::Result<usize> {
        // As std does: an error instead of a signal where the peer has gone.
        Ok(send(socket, buf, SendFlags::NOSIGNAL)?)
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::io::{self, Read, Write};

    /// A stream socket. Of mio's, which on Windows has to know of what would have blocked.
    pub(crate) trait Stream {
        fn reader(&self) -> impl Read;
        fn writer(&self) -> impl Write;
    }

    impl Stream for mio::net::TcpStream {
        fn reader(&self) -> impl Read {
            self
        }

        fn writer(&self) -> impl Write {
            self
        }
    }

    #[cfg(unix)]
    impl Stream for mio::net::UnixStream {
        fn reader(&self) -> impl Read {
            self
        }

        fn writer(&self) -> impl Write {
            self
        }
    }

    pub(super) fn read(socket: &impl Stream, buf: &mut [u8]) -> io::Result<usize> {
        socket.reader().read(buf)
    }

    pub(super) fn write(socket: &impl Stream, buf: &[u8]) -> io::Result<usize> {
        socket.writer().write(buf)
    }
}

pub(crate) use system::Stream;

/// Reads what is there.
///
/// # Errors
///
/// What the system says; `WouldBlock` if there is nothing.
#[inline(always)]
pub(crate) fn read(socket: &impl Stream, buf: &mut [u8]) -> io::Result<usize> {
    system::read(socket, buf)
}

/// Writes what there is room for.
///
/// # Errors
///
/// What the system says; `WouldBlock` if there is none.
#[inline(always)]
pub(crate) fn write(socket: &impl Stream, buf: &[u8]) -> io::Result<usize> {
    system::write(socket, buf)
}
