//! Connections between processes of one machine.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::path::Path;

use mio::net as sys;
use socket2::SockRef;

use super::SocketAddr;
use super::calls::peek;
use crate::net::options::{Timeout, common, conversions, directions, stream_io, timeouts};
use crate::reactor::{Attempt, Evented, run_now_and_then};
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
    socket: Evented<sys::UnixStream>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl UnixStream {
    /// Connects to the socket at a path. Waits while the listener's queue is full.
    ///
    /// # Errors
    ///
    /// What the system says: `NotFound`, `ConnectionRefused` if nobody listens any more, and so on.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect<P: AsRef<Path>>(path: P) -> io::Result<UnixStream> {
        UnixStream::connect_addr(&SocketAddr::from_pathname(path)?)
    }

    /// Connects to an address. Waits while the listener's queue is full.
    ///
    /// # Errors
    ///
    /// As [`connect`](UnixStream::connect).
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect_addr(addr: &SocketAddr) -> io::Result<UnixStream> {
        // Nothing reports that there is room in the queue.
        let connect = || sys::UnixStream::connect_addr(addr);
        run_now_and_then(Wait::new(Reason::Connect), connect).map(UnixStream::from_mio)
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
            socket: Evented::new(socket),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
        }
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UnixStream::peer_addr)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UnixStream::local_addr)
    }

    /// Ends one direction, or both. Who waits in a read or a write of that direction goes on.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.with(|socket| socket.shutdown(how))
    }

    /// Another handle to the same connection, with timeouts of its own from here on.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn try_clone(&self) -> io::Result<UnixStream> {
        let socket = self.socket.with(|socket| SockRef::from(socket).try_clone())?;
        let mut clone = UnixStream::from_mio(sys::UnixStream::from_std(socket.into()));
        clone.read_timeout = self.read_timeout.copy();
        clone.write_timeout = self.write_timeout.copy();
        clone.socket.set_nonblocking(self.socket.is_nonblocking());
        Ok(clone)
    }

    timeouts!(read_timeout, write_timeout);

    /// Reads what is there, at least a byte, and leaves it to be read again.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or what the system says.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|socket| peek(socket.as_fd(), buf).map(Attempt::More))
    }

    common!(sys::UnixStream, "Makes reads and writes");
    directions!(sys::UnixStream);
}

// A read ends early where descriptors were passed along with the data, and more may be there: no edge
// would come for that.
stream_io!(UnixStream, |done: usize, _: usize| Attempt::More(done));

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(UnixStream, std::os::unix::net::UnixStream, |socket| UnixStream::from_mio(
    sys::UnixStream::from_std(socket)
));
