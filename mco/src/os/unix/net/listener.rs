//! Accepting connections on a path.

use std::fmt;
use std::io;
use std::iter::FusedIterator;
use std::path::Path;

use mio::net as sys;
use socket2::SockRef;

use super::calls::address;
use super::{SocketAddr, UnixStream};
use crate::net::accept::{self, Accepting};
use crate::net::error_context::with_context;
use crate::net::socket_macros::{common, conversions};
use crate::reactor::Registered;
use crate::task::Reason;
use crate::wait::Wait;

/// A Unix socket that accepts connections, as [`std::os::unix::net::UnixListener`].
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use mco::os::unix::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("mco-listener-{}", std::process::id()));
/// let listener = UnixListener::bind(&path)?;
/// let server = mco::coroutine::spawn(move || listener.accept()?.0.write_all(b"hello"));
///
/// let mut text = String::new();
/// UnixStream::connect(&path)?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// std::fs::remove_file(&path)?;
/// # server.join().unwrap()
/// # }
/// ```
pub struct UnixListener {
    socket: Registered<sys::UnixListener>,
}

impl UnixListener {
    /// Listens on a path, at which a socket is made. It stays when the listener is dropped, and must be
    /// removed before the path can be listened on again.
    ///
    /// # Errors
    ///
    /// What the system says, with the path: `AddrInUse` if there is something, and so on.
    pub fn bind<P: AsRef<Path>>(path: P) -> io::Result<UnixListener> {
        let path = path.as_ref();
        UnixListener::bind_addr(&address(path, "listen on")?)
    }

    /// Listens on an address.
    ///
    /// # Errors
    ///
    /// As [`bind`](UnixListener::bind).
    pub fn bind_addr(addr: &SocketAddr) -> io::Result<UnixListener> {
        sys::UnixListener::bind_addr(addr).map(UnixListener::from_mio).map_err(|error| {
            let remedy = match error.kind() {
                io::ErrorKind::AddrInUse => {
                    "; if no process listens there any more, remove the file first"
                }
                _ => "",
            };
            with_context(format!("listen on {addr:?}"), error, remedy)
        })
    }

    fn from_mio(socket: sys::UnixListener) -> UnixListener {
        UnixListener { socket: Registered::new(socket) }
    }

    /// Waits for a connection. As with [`TcpListener`](crate::net::TcpListener::accept), it waits for
    /// about a second when the process is out of descriptors, before it fails.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        accept::accept(self, Wait::new(Reason::Accept))
    }

    /// The connections, one after the other, without end.
    #[must_use]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming { listener: self }
    }

    /// The address on which it listens.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UnixListener::local_addr)
    }

    /// Another handle to the same socket.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn try_clone(&self) -> io::Result<UnixListener> {
        let socket = self.socket.with(|socket| SockRef::from(socket).try_clone())?;
        let clone = UnixListener::from_mio(sys::UnixListener::from_std(socket.into()));
        clone.socket.set_nonblocking(self.socket.is_nonblocking());
        Ok(clone)
    }

    common!(sys::UnixListener, "Makes [`accept`](UnixListener::accept)");
}

impl Accepting for UnixListener {
    type Io = sys::UnixListener;
    type Accepted = (UnixStream, SocketAddr);

    fn registered(&self) -> &Registered<sys::UnixListener> {
        &self.socket
    }

    fn accept_from(io: &sys::UnixListener) -> io::Result<(UnixStream, SocketAddr)> {
        io.accept().map(|(stream, addr)| (UnixStream::from_mio(stream), addr))
    }
}

/// The connections of a [`UnixListener`], without end.
#[derive(Debug)]
pub struct Incoming<'a> {
    listener: &'a UnixListener,
}

impl Iterator for Incoming<'_> {
    type Item = io::Result<UnixStream>;

    #[track_caller]
    fn next(&mut self) -> Option<io::Result<UnixStream>> {
        Some(self.listener.accept().map(|(stream, _)| stream))
    }
}

impl FusedIterator for Incoming<'_> {}

impl<'a> IntoIterator for &'a UnixListener {
    type Item = io::Result<UnixStream>;
    type IntoIter = Incoming<'a>;

    fn into_iter(self) -> Incoming<'a> {
        self.incoming()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(UnixListener, std::os::unix::net::UnixListener, |socket| UnixListener::from_mio(
    sys::UnixListener::from_std(socket)
));
