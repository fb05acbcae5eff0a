//! Accepting TCP connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net as sys;
use socket2::SockRef;

use super::addr::{self, ToSocketAddrs};
use super::options::conversions;
use super::stream::TcpStream;
use crate::coroutine;
use crate::reactor::{Attempt, Evented, Side};
use crate::runtime;
use crate::task::Reason;
use crate::wait::{Wait, Waiter};

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
    socket: Evented<sys::TcpListener>,
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
                let text = format!("cannot listen on {addr}: {error}{remedy}");
                io::Error::new(error.kind(), text)
            })
        };
        Ok(TcpListener::from_mio(addr::each(addr, listen)?))
    }

    fn from_mio(socket: sys::TcpListener) -> TcpListener {
        TcpListener { socket: Evented::new(socket) }
    }

    /// Waits for a connection.
    ///
    /// A connection that its client has given up is passed over. When the process is out of
    /// descriptors, this waits for one for about a second before it fails: the connection stays in
    /// the queue, and a server that calls `accept` again loses nothing.
    ///
    /// # Errors
    ///
    /// What the system says.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let wait = Wait::new(Reason::Accept);
        let mut pause = FIRST_PAUSE;
        loop {
            let accept = |socket: &sys::TcpListener| socket.accept().map(Attempt::More);
            match self.socket.run(Side::Read, wait, || None, accept) {
                Ok((stream, addr)) => return Ok((TcpStream::from_mio(stream), addr)),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) if is_out_of_descriptors(&error) => {
                    if pause > LAST_PAUSE || self.socket.is_nonblocking() {
                        return Err(out_of_descriptors(&error));
                    }
                    coroutine::sleep(pause);
                    pause *= 2;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Accepts a connection if there is one. Passes over those that their clients have given up.
    pub(crate) fn try_accept(&self) -> io::Result<Option<(TcpStream, SocketAddr)>> {
        loop {
            match self.socket.attempt(Side::Read, sys::TcpListener::accept) {
                Ok(accepted) => {
                    return Ok(accepted.map(|(stream, addr)| (TcpStream::from_mio(stream), addr)));
                }
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Has `waiter` woken when there may be a connection; `false`: there may be one now.
    pub(crate) fn enter_accept(&self, waiter: &Waiter) -> io::Result<bool> {
        self.socket.enter(Side::Read, waiter, || {
            runtime::global().handle().scheduler().registrar().ok_or_else(|| {
                io::Error::new(io::ErrorKind::WouldBlock, "the runtime is still starting")
            })
        })
    }

    pub(crate) fn leave_accept(&self, waiter: &Waiter) {
        self.socket.leave(Side::Read, waiter);
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
    /// What the system says.
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
    /// What the system says.
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.set_ttl(ttl))
    }

    /// The time to live of the packets that are sent.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.with(sys::TcpListener::ttl)
    }

    /// Takes the error that is pending on the socket.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.with(sys::TcpListener::take_error)
    }

    /// Makes [`accept`](TcpListener::accept) on this handle fail with `WouldBlock` where it would
    /// wait.
    ///
    /// # Errors
    ///
    /// None; the signature is std's.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking);
        Ok(())
    }
}

pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// With the doubling, about a second in all.
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(640);

#[cfg(unix)]
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(windows)]
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    /// `WSAEMFILE` and `WSAENOBUFS`.
    const CODES: [i32; 2] = [10024, 10055];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

pub(crate) fn out_of_descriptors(error: &io::Error) -> io::Error {
    let text = format!(
        "cannot accept a connection: {error}; it stays in the queue: close other connections, or \
         raise the limit (`ulimit -n`), and accept again"
    );
    io::Error::new(error.kind(), text)
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

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(TcpListener, std::net::TcpListener, sys::TcpListener);
