//! Datagrams between processes of one machine.

use std::fmt;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::os::unix::net as sys;
use std::path::Path;

use super::SocketAddr;
use super::calls::{address, is_shut, peek};
use crate::net::error_context::with_context;
use crate::net::socket_macros::{common, conversions, directions, timeouts};
use crate::net::timeout::Timeout;
use crate::reactor::{Attempt, Registered, retry_with_backoff};
use crate::task::Reason;
use crate::wait::Wait;

/// A Unix datagram socket, as [`std::os::unix::net::UnixDatagram`].
///
/// # Examples
///
/// ```
/// use mco::os::unix::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// let (near, far) = UnixDatagram::pair()?;
/// mco::coroutine::spawn(move || far.send(b"hello").unwrap());
/// let mut buffer = [0; 16];
/// let n = near.recv(&mut buffer)?;
/// assert_eq!(&buffer[..n], b"hello");
/// # Ok(())
/// # }
/// ```
pub struct UnixDatagram {
    socket: Registered<sys::UnixDatagram>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl UnixDatagram {
    /// A socket at a path. The file stays when it is dropped.
    ///
    /// # Errors
    ///
    /// What the system says, with the path: `AddrInUse` if there is something there, and so on.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixDatagram> {
        UnixDatagram::bind_addr(&address(path.as_ref(), "bind a datagram socket to")?)
    }

    /// A socket at an address.
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixDatagram::bind).
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixDatagram> {
        let bound = sys::UnixDatagram::bind_addr(addr);
        UnixDatagram::try_from(bound.map_err(|error| {
            with_context(format!("bind a datagram socket to {addr:?}"), error, "")
        })?)
    }

    /// A socket without an address.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn unbound() -> io::Result<UnixDatagram> {
        UnixDatagram::try_from(sys::UnixDatagram::unbound()?)
    }

    /// Two connected sockets.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn pair() -> io::Result<(UnixDatagram, UnixDatagram)> {
        let (one, other) = sys::UnixDatagram::pair()?;
        Ok((UnixDatagram::try_from(one)?, UnixDatagram::try_from(other)?))
    }

    /// `socket` must be in nonblocking mode.
    fn from_nonblocking(socket: sys::UnixDatagram) -> UnixDatagram {
        UnixDatagram {
            socket: Registered::new(socket),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
        }
    }

    /// Sets where [`send`](UnixDatagram::send) sends, and from where alone to receive.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn connect<P: AsRef<Path>>(&self, path: P) -> io::Result<()> {
        self.connect_addr(&address(path.as_ref(), "connect to")?)
    }

    /// As [`connect`](UnixDatagram::connect), with an address.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn connect_addr(&self, addr: &SocketAddr) -> io::Result<()> {
        let connected = self.socket.with(|socket| socket.connect_addr(addr));
        connected.map_err(|error| with_context(format!("connect to {addr:?}"), error, ""))
    }

    /// Another handle to the same socket, with timeouts of its own from here on.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn try_clone(&self) -> io::Result<UnixDatagram> {
        let socket = self.socket.with(|socket| socket.try_clone())?;
        Ok(UnixDatagram::from_nonblocking(socket).set_as(self))
    }

    /// The address of this socket.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UnixDatagram::local_addr)
    }

    /// The address to which it is connected.
    ///
    /// # Errors
    ///
    /// What the system says: `NotConnected` if it is not.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UnixDatagram::peer_addr)
    }

    /// Waits for a datagram, and says from where it comes. What does not fit the buffer is lost.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let nothing = || Ok((0, SocketAddr::from_pathname("")?));
        self.receive_or(nothing, |socket| socket.recv_from(buf))
    }

    /// Waits for a datagram. What does not fit the buffer is lost.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive_or(|| Ok(0), |socket| socket.recv(buf))
    }

    /// As [`recv`](UnixDatagram::recv), and leaves the datagram to be received again.
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
        self.receive_or(|| Ok(0), |socket| peek(socket.as_fd(), buf))
    }

    /// Receives, or returns `nothing` if reading has been shut down.
    #[track_caller]
    fn receive_or<R>(
        &self,
        nothing: impl Fn() -> io::Result<R>,
        mut op: impl FnMut(&sys::UnixDatagram) -> io::Result<R>,
    ) -> io::Result<R> {
        self.receive(|socket| match op(socket) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && is_shut(socket.as_fd()) => {
                nothing().map(Attempt::More)
            }
            received => received.map(Attempt::More),
        })
    }

    /// Sends a datagram to the socket at a path. Waits while its queue is full.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn send_to<P: AsRef<Path>>(&self, buf: &[u8], path: P) -> io::Result<usize> {
        let path = path.as_ref();
        self.send_elsewhere(|socket| socket.send_to(buf, path))
    }

    /// As [`send_to`](UnixDatagram::send_to), with an address.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn send_to_addr(&self, buf: &[u8], addr: &SocketAddr) -> io::Result<usize> {
        self.send_elsewhere(|socket| socket.send_to_addr(buf, addr))
    }

    /// Sends where the socket is not connected. Whether there is room in that queue, nothing reports:
    /// this socket is writable all the while.
    #[track_caller]
    fn send_elsewhere(
        &self,
        op: impl Fn(&sys::UnixDatagram) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if self.socket.is_nonblocking() {
            return self.socket.with(op);
        }
        let wait = Wait::new(Reason::Write).until(self.write_timeout.deadline());
        retry_with_backoff(wait, || self.socket.with(&op))
    }

    /// Sends a datagram to where the socket is connected. Waits while the queue there is full.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.transmit(|socket| socket.send(buf).map(Attempt::More))
    }

    /// Ends one direction, or both. Who waits there goes on.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.socket.with(|socket| socket.shutdown(how))
    }

    timeouts!(read_timeout, write_timeout);
    common!(sys::UnixDatagram, "Makes what receives and sends");
    directions!(sys::UnixDatagram);
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(UnixDatagram, sys::UnixDatagram, UnixDatagram::from_nonblocking);
