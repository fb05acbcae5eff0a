//! TCP connections.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mio::net as sys;
use socket2::SockRef;

use super::addr::{self, ToSocketAddrs};
#[cfg(feature = "tls")]
use super::bytes;
use super::error_context::with_context;
use super::socket_macros::{conversions, stream, stream_io};
use super::timeout::Timeout;
use crate::clock::Timestamp;
#[cfg(feature = "tls")]
use crate::reactor::Requested;
use crate::reactor::{Attempt, Direction, Registered};
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
    socket: Registered<sys::TcpStream>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl TcpStream {
    /// Connects to the first of the addresses that can be reached.
    ///
    /// # Errors
    ///
    /// That of the last address, which is named: `ConnectionRefused`, and so on; or that of looking up the
    /// name. The system's own error, with the `raw_os_error`, is its
    /// [`source`](std::error::Error::source).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(addr: A) -> io::Result<TcpStream> {
        let wait = Wait::new(Reason::Connect);
        addr::each(addr, |addr| {
            TcpStream::connect_until(&addr, wait, None).map_err(|error| cannot_connect(addr, error))
        })
    }

    /// Connects to `addr`, in the time given.
    ///
    /// # Errors
    ///
    /// `TimedOut`; `InvalidInput` for a timeout of zero; or what the system says.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
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
                _ => cannot_connect(*addr, error),
            },
        )
    }

    fn connect_until(
        addr: &SocketAddr,
        wait: Wait,
        deadline: Option<Timestamp>,
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
        stream.socket.run(Direction::Write, wait, || deadline, connected)?;
        Ok(stream)
    }

    pub(super) fn from_mio(socket: sys::TcpStream) -> TcpStream {
        TcpStream {
            socket: Registered::new(socket),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
        }
    }

    stream!(TcpStream, sys::TcpStream, SocketAddr);

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
        self.receive(|socket| socket.peek(buf).map(Attempt::More))
    }

    /// Sends small writes at once (`TCP_NODELAY`), or waits for more. As in std, and unlike in Go,
    /// it waits unless told otherwise; what exchanges messages wants `true`.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_nodelay(nodelay))
    }

    /// Whether small writes are sent at once.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn nodelay(&self) -> io::Result<bool> {
        self.socket.with(sys::TcpStream::nodelay)
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
        self.socket.with(sys::TcpStream::ttl)
    }

    /// Makes dropping the connection wait for what has been written to be sent, or reset the connection
    /// for a time of zero (`SO_LINGER`). `None`: what is left is sent in the background. Other times than
    /// zero block the worker while they last.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        self.socket.with(|socket| SockRef::from(socket).set_linger(linger))
    }

    /// What [`set_linger`](TcpStream::set_linger) has set.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        self.socket.with(|socket| SockRef::from(socket).linger())
    }
}

fn cannot_connect(addr: SocketAddr, error: io::Error) -> io::Error {
    with_context(format!("connect to {addr}"), error, "")
}

/// What TLS is made of.
#[cfg(feature = "tls")]
impl TcpStream {
    /// Reads, with this deadline instead of the read timeout. It is asked for when the wait begins.
    #[track_caller]
    pub(super) fn read_until(
        &self,
        buf: &mut [u8],
        deadline: impl FnOnce() -> Option<Timestamp>,
    ) -> io::Result<usize> {
        let asked = Requested::bytes(buf.len());
        self.socket.run(Direction::Read, Wait::new(Reason::Read), deadline, |socket| {
            Ok(Attempt::of_bytes(bytes::read(socket, buf)?, asked))
        })
    }

    /// Reads what is there, without waiting or suspending; else `WouldBlock`.
    pub(super) fn try_read(&self, buf: &mut [u8]) -> io::Result<usize> {
        let asked = Requested::bytes(buf.len());
        self.socket.try_now(Direction::Read, |socket| {
            Ok(Attempt::of_bytes(bytes::read(socket, buf)?, asked))
        })
    }

    /// Writes what there is room for, without waiting or suspending; else `WouldBlock`.
    pub(super) fn try_write(&self, bufs: &[io::IoSlice<'_>]) -> io::Result<usize> {
        let asked = Requested::slices(bufs.iter().map(|buf| buf.len()));
        self.socket.try_now(Direction::Write, |mut socket| {
            let done = match bufs {
                [buf] => bytes::write(socket, buf)?,
                _ => io::Write::write_vectored(&mut socket, bufs)?,
            };
            Ok(Attempt::of_bytes(done, asked))
        })
    }

    /// Waits until there may be something, once `try_read` has said that there is nothing; or also until
    /// there may be room to write.
    #[track_caller]
    pub(super) fn wait_readable(
        &self,
        deadline: Option<Timestamp>,
        or_writable: bool,
    ) -> io::Result<()> {
        let wait = Wait::new(Reason::Read).until(deadline);
        if or_writable {
            self.socket.block_either(&wait)
        } else {
            self.socket.block(Direction::Read, &wait)
        }
    }

    /// Ends a wait of a coroutine's in `wait_readable`.
    pub(super) fn interrupt_reader(&self) {
        self.socket.io_state().wake_spuriously();
    }

    /// Has `waiter` woken when `direction` may be ready, once an attempt has said that it is not; `false`: it may
    /// be now.
    #[cfg(feature = "_bridge")]
    pub(super) fn enter(
        &self,
        direction: Direction,
        waiter: &crate::wait::Waiter,
    ) -> io::Result<bool> {
        self.socket.enter(direction, waiter, super::accept::any_registrar)
    }

    /// Undoes `enter`.
    #[cfg(feature = "_bridge")]
    pub(super) fn leave(&self, direction: Direction, waiter: &crate::wait::Waiter) {
        self.socket.leave(direction, waiter);
    }

    /// Waits until there may be room again, once `try_write` has said that there is none.
    #[track_caller]
    pub(super) fn wait_writable(&self, deadline: Option<Timestamp>) -> io::Result<()> {
        self.socket.block(Direction::Write, &Wait::new(Reason::Write).until(deadline))
    }

    pub(super) fn read_deadline(&self) -> Option<Timestamp> {
        self.read_timeout.deadline()
    }

    pub(super) fn write_deadline(&self) -> Option<Timestamp> {
        self.write_timeout.deadline()
    }

    pub(super) fn is_nonblocking(&self) -> bool {
        self.socket.is_nonblocking()
    }
}

// A read that returns less has emptied the buffer, unless there is urgent data, of which the reactor
// knows.
stream_io!(TcpStream, Attempt::of_bytes);

#[cfg(feature = "_bridge")]
crate::net::poll_stream::socket_stream!(TcpStream, sys::TcpStream, Attempt::of_bytes);

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(TcpStream, std::net::TcpStream, |socket| TcpStream::from_mio(
    sys::TcpStream::from_std(socket)
));
