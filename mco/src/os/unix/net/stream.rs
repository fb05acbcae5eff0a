//! Connections between processes of one machine.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use mio::net as sys;

use super::SocketAddr;
use super::calls::{address, peek};
use crate::net::error_context::with_context;
use crate::net::socket_macros::{conversions, stream, stream_io};
use crate::net::timeout::Timeout;
use crate::reactor::{Attempt, Registered, Requested, retry_with_backoff};
use crate::task::Reason;
use crate::wait::Wait;

/// A connection over a Unix socket, as [`std::os::unix::net::UnixStream`].
///
/// `&UnixStream` reads and writes too, so one coroutine may read while another writes.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use mco::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (mut near, mut far) = UnixStream::pair()?;
/// mco::coroutine::spawn(move || far.write_all(b"hello").unwrap());
/// let mut text = String::new();
/// near.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixStream {
    socket: Registered<sys::UnixStream>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl UnixStream {
    /// Connects to the socket at a path. Waits while the listener's queue is full.
    ///
    /// # Errors
    ///
    /// What the system says, with the path: `NotFound`, `ConnectionRefused` if nobody listens any more, and so on.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&address(path.as_ref(), "connect to")?)
    }

    /// Connects to an address. Waits while the listener's queue is full.
    ///
    /// # Errors
    ///
    /// As [`connect`](UnixStream::connect).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect_addr(addr: &SocketAddr) -> io::Result<UnixStream> {
        // Nothing reports that there is room in the queue.
        let connect = || sys::UnixStream::connect_addr(addr);
        retry_with_backoff(Wait::new(Reason::Connect), connect)
            .map(UnixStream::from_mio)
            .map_err(|error| with_context(format!("connect to {addr:?}"), error, ""))
    }

    /// Two connected streams.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn pair() -> io::Result<(UnixStream, UnixStream)> {
        let (one, other) = sys::UnixStream::pair()?;
        Ok((UnixStream::from_mio(one), UnixStream::from_mio(other)))
    }

    pub(super) fn from_mio(socket: sys::UnixStream) -> UnixStream {
        UnixStream {
            socket: Registered::new(socket),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
        }
    }

    stream!(UnixStream, sys::UnixStream, SocketAddr);

    /// Reads what is there, at least a byte, and leaves it to be read again.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|socket| peek(socket.as_fd(), buf).map(Attempt::More))
    }
}

// A read ends early where descriptors were passed along with the data, and more may be there: no edge
// would come for that.
stream_io!(UnixStream, |done: usize, _: Requested| Attempt::More(done));

#[cfg(feature = "_bridge")]
crate::net::poll_stream::socket_stream!(
    UnixStream,
    sys::UnixStream,
    |done: usize, _: Requested| { Attempt::More(done) }
);

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(UnixStream, std::os::unix::net::UnixStream, |socket| UnixStream::from_mio(
    sys::UnixStream::from_std(socket)
));
