//! Accepting TCP connections.

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::net::SocketAddr;

use mio::net as sys;
use socket2::SockRef;

use super::accept::{self, Accepting};
use super::addr::{self, ToSocketAddrs};
use super::error_context::with_context;
use super::socket_macros::{common, conversions};
use super::stream::TcpStream;
use crate::reactor::Registered;
use crate::task::Reason;
use crate::wait::Wait;

/// A TCP socket that accepts connections, as `std::net::TcpListener`.
///
/// # Examples
///
/// An echo server:
///
/// ```no_run
/// use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = mco::net::TcpListener::bind("127.0.0.1:8000")?;
/// for stream in listener.incoming() {
///     let mut stream = stream?;
///     mco::coroutine::spawn(move || {
///         let mut buffer = [0; 16 * 1024];
///         while let Ok(n @ 1..) = stream.read(&mut buffer) {
///             if stream.write_all(&buffer[..n]).is_err() {
///                 break;
///             }
///         }
///     });
/// }
/// # Ok(())
/// # }
/// ```
pub struct TcpListener {
    socket: Registered<sys::TcpListener>,
}

impl TcpListener {
    /// Listens on an address. Port 0 stands for any free one, which
    /// [`local_addr`](TcpListener::local_addr) tells.
    ///
    /// # Errors
    ///
    /// What the system says, with the address: `AddrInUse`, `PermissionDenied`, and so on.
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<TcpListener> {
        let listen = |addr| {
            sys::TcpListener::bind(addr).map_err(|error| {
                let remedy = match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        "; another socket listens there: stop it, or choose another port, or 0 \
                         for any free one"
                    }
                    io::ErrorKind::PermissionDenied => {
                        "; ports below 1024 may need privileges: choose another one"
                    }
                    io::ErrorKind::AddrNotAvailable => {
                        "; this machine has no such address: `0.0.0.0` or `[::]` stand for all"
                    }
                    _ => "",
                };
                with_context(format!("listen on {addr}"), error, remedy)
            })
        };
        Ok(TcpListener::from_mio(addr::each(addr, listen)?))
    }

    fn from_mio(socket: sys::TcpListener) -> TcpListener {
        TcpListener { socket: Registered::new(socket) }
    }

    /// Waits for a connection.
    ///
    /// A connection that its client has given up is passed over. When the process is out of
    /// descriptors, this waits for one for about a second before it fails: the connection stays in
    /// the queue, and a server that calls `accept` again loses nothing.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        accept::accept(self, Wait::new(Reason::Accept))
    }

    /// The connections, one after the other, without end.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// The connections, one after the other, without end, of a listener that is given away.
    #[must_use]
    pub fn into_incoming(self) -> IntoIncoming {
        IntoIncoming { listener: self }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::TcpListener::local_addr)
    }

    /// Another handle to the same socket.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn try_clone(&self) -> io::Result<TcpListener> {
        let socket = self.socket.with(|socket| SockRef::from(socket).try_clone())?;
        let clone = TcpListener::from_mio(sys::TcpListener::from_std(socket.into()));
        clone.socket.set_nonblocking(self.socket.is_nonblocking());
        Ok(clone)
    }

    /// Sets the time to live of the packets that are sent.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.set_ttl(ttl))
    }

    /// The time to live of the packets that are sent.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.with(sys::TcpListener::ttl)
    }

    /// Whether a listener on an IPv6 address refuses IPv4 clients.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn only_v6(&self) -> io::Result<bool> {
        self.socket.with(|socket| SockRef::from(socket).only_v6())
    }

    common!(sys::TcpListener, "Makes [`accept`](TcpListener::accept)");
}

impl Accepting for TcpListener {
    type Io = sys::TcpListener;
    type Accepted = (TcpStream, SocketAddr);

    fn registered(&self) -> &Registered<sys::TcpListener> {
        &self.socket
    }

    fn accept_from(io: &sys::TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
        io.accept().map(|(stream, addr)| (TcpStream::from_mio(stream), addr))
    }
}

/// The connections of a [`TcpListener`], without end.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a TcpListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

/// The connections of a [`TcpListener`] that it owns, without end.
#[derive(Debug)]
pub struct IntoIncoming {
    listener: TcpListener,
}

impl Iterator for IntoIncoming {
    type Item = io::Result<TcpStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<TcpStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for IntoIncoming {}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(TcpListener, std::net::TcpListener, |socket| TcpListener::from_mio(
    sys::TcpListener::from_std(socket)
));
