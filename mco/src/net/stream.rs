//! TCP connections.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

use mio::net as sys;
use socket2::SockRef;

use super::addr::{self, ToSocketAddrs};
use super::options::{Timeout, conversions};
use crate::clock::Moment;
use crate::reactor::{Attempt, Evented, Side};
use crate::task::Reason;
use crate::wait::Wait;

/// A TCP connection, as `std::net::TcpStream`.
///
/// `&TcpStream` reads and writes too, so one coroutine may read while another writes.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let listener = mco::net::TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
/// let server = mco::coroutine::spawn(move || listener.accept()?.0.write_all(b"hello"));
///
/// let mut text = String::new();
/// mco::net::TcpStream::connect(addr)?.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # server.join().unwrap()
/// # }
/// ```
pub struct TcpStream {
    socket: Evented<sys::TcpStream>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl TcpStream {
    /// Connects to the first of the addresses that can be reached.
    ///
    /// # Errors
    ///
    /// That of the last address: `ConnectionRefused`, and so on; or that of looking up the name.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let wait = Wait::new(Reason::Connect);
        addr::each(addr, |addr| TcpStream::connect_until(&addr, wait, None))
    }

    /// Connects to `addr`, in the time given.
    ///
    /// # Errors
    ///
    /// `TimedOut`; `InvalidInput` for a timeout of zero; or what the system says.
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect_timeout(addr: &SocketAddr, timeout: Duration) -> io::Result<TcpStream> {
        let limit = Timeout::default();
        limit.set(Some(timeout))?;
        TcpStream::connect_until(addr, Wait::new(Reason::Connect), limit.deadline()).map_err(
            |error| match error.kind() {
                io::ErrorKind::TimedOut => io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection to {addr} within {timeout:?}"),
                ),
                _ => error,
            },
        )
    }

    fn connect_until(
        addr: &SocketAddr,
        wait: Wait,
        deadline: Option<Moment>,
    ) -> io::Result<TcpStream> {
        let stream = TcpStream::from_mio(sys::TcpStream::connect(*addr)?);
        let connected = |socket: &sys::TcpStream| {
            if let Some(error) = socket.take_error()? {
                return Err(error);
            }
            match socket.peer_addr() {
                Ok(_) => Ok(Attempt::More(())),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {
                    Err(io::ErrorKind::WouldBlock.into())
                }
                Err(error) => Err(error),
            }
        };
        stream.socket.run(Side::Write, wait, || deadline, connected)?;
        Ok(stream)
    }

    pub(super) fn from_mio(socket: sys::TcpStream) -> TcpStream {
        TcpStream {
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
        self.socket.with(sys::TcpStream::peer_addr)
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::TcpStream::local_addr)
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
    pub fn try_clone(&self) -> io::Result<TcpStream> {
        let socket = self.socket.with(|socket| SockRef::from(socket).try_clone())?;
        let mut clone = TcpStream::from_mio(sys::TcpStream::from_std(socket.into()));
        clone.read_timeout = self.read_timeout.copy();
        clone.write_timeout = self.write_timeout.copy();
        clone.socket.set_nonblocking(self.socket.is_nonblocking());
        Ok(clone)
    }

    /// Limits how long a read waits; it then fails with `TimedOut`. `None`: without limit.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.read_timeout.set(timeout)
    }

    /// Limits how long a write waits; it then fails with `TimedOut`. `None`: without limit.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.write_timeout.set(timeout)
    }

    /// How long a read waits at most.
    ///
    /// # Errors
    ///
    /// None; the signature is std's.
    pub fn read_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.read_timeout.get())
    }

    /// How long a write waits at most.
    ///
    /// # Errors
    ///
    /// None; the signature is std's.
    pub fn write_timeout(&self) -> io::Result<Option<Duration>> {
        Ok(self.write_timeout.get())
    }

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
        self.receive(|socket| socket.peek(buf).map(Attempt::More))
    }

    /// Sends small writes at once (`TCP_NODELAY`), or waits for more. As in std, and unlike in Go,
    /// it waits unless told otherwise; what exchanges messages wants `true`.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_nodelay(nodelay))
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.with(sys::TcpStream::nodelay)
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
        self.socket.with(sys::TcpStream::ttl)
    }

    /// Takes the error that is pending on the socket.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.socket.with(sys::TcpStream::take_error)
    }

    /// Makes reads and writes on this handle fail with `WouldBlock` where they would wait.
    ///
    /// # Errors
    ///
    /// None; the signature is std's.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.socket.set_nonblocking(nonblocking);
        Ok(())
    }

    #[track_caller]
    fn receive<R>(
        &self,
        op: impl FnMut(&sys::TcpStream) -> io::Result<Attempt<R>>,
    ) -> io::Result<R> {
        let wait = Wait::new(Reason::Read);
        self.socket.run(Side::Read, wait, || self.read_timeout.deadline(), op)
    }

    #[track_caller]
    fn send<R>(&self, op: impl FnMut(&sys::TcpStream) -> io::Result<Attempt<R>>) -> io::Result<R> {
        let wait = Wait::new(Reason::Write);
        self.socket.run(Side::Write, wait, || self.write_timeout.deadline(), op)
    }
}

impl Read for &TcpStream {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let asked = buf.len();
        if asked == 0 {
            return Ok(0);
        }
        self.receive(|mut socket| Ok(Attempt::of_bytes(socket.read(buf)?, asked)))
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let asked = bufs.iter().map(|buf| buf.len()).sum();
        if asked == 0 {
            return Ok(0);
        }
        self.receive(|mut socket| Ok(Attempt::of_bytes(socket.read_vectored(bufs)?, asked)))
    }
}

impl Write for &TcpStream {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.send(|mut socket| Ok(Attempt::of_bytes(socket.write(buf)?, buf.len())))
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let asked = bufs.iter().map(|buf| buf.len()).sum();
        if asked == 0 {
            return Ok(0);
        }
        self.send(|mut socket| Ok(Attempt::of_bytes(socket.write_vectored(bufs)?, asked)))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for TcpStream {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        (&*self).read(buf)
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        (&*self).read_vectored(bufs)
    }
}

impl Write for TcpStream {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        (&*self).write(buf)
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        (&*self).write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(TcpStream, std::net::TcpStream, sys::TcpStream);
