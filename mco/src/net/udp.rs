//! Datagrams.

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use mio::net as sys;
use socket2::SockRef;

use super::addr::{self, ToSocketAddrs};
use super::error_context::with_context;
use super::socket_macros::{common, conversions, directions, timeouts};
use super::timeout::Timeout;
use crate::reactor::{Attempt, Registered};

/// A UDP socket, as `std::net::UdpSocket`.
///
/// All methods take `&self`, so several coroutines may send and receive at once; each datagram reaches
/// one of them.
///
/// # Examples
///
/// ```
/// use mco::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// let server = UdpSocket::bind("127.0.0.1:0")?;
/// let addr = server.local_addr()?;
/// let echo = mco::coroutine::spawn(move || {
///     let mut buffer = [0; 1500];
///     let (n, from) = server.recv_from(&mut buffer)?;
///     server.send_to(&buffer[..n], from)
/// });
///
/// let client = UdpSocket::bind("127.0.0.1:0")?;
/// client.connect(addr)?;
/// client.send(b"hello")?;
/// let mut buffer = [0; 1500];
/// assert_eq!(client.recv(&mut buffer)?, 5);
/// # echo.join().unwrap()?;
/// # Ok(())
/// # }
/// ```
pub struct UdpSocket {
    socket: Registered<sys::UdpSocket>,
    read_timeout: Timeout,
    write_timeout: Timeout,
}

impl UdpSocket {
    /// A socket on the first of the addresses that is free. Port 0 stands for any free one.
    ///
    /// # Errors
    ///
    /// What the system says, with the address: `AddrInUse`, `PermissionDenied`, and so on.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while a name is looked up.
    #[track_caller]
    pub fn bind<A: ToSocketAddrs>(addr: A) -> io::Result<UdpSocket> {
        let bind = |addr| {
            sys::UdpSocket::bind(addr)
                .map_err(|error| with_context(format!("bind a UDP socket to {addr}"), error, ""))
        };
        Ok(UdpSocket::from_mio(addr::each(addr, bind)?))
    }

    fn from_mio(socket: sys::UdpSocket) -> UdpSocket {
        UdpSocket {
            socket: Registered::new(socket),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
        }
    }

    /// Sets where [`send`](UdpSocket::send) sends, and from where alone to receive: the first of the
    /// addresses to which the system finds a way.
    ///
    /// # Errors
    ///
    /// What the system says, with the address, or that of looking up the name.
    ///
    /// # Panics
    ///
    /// As [`bind`](UdpSocket::bind).
    #[track_caller]
    pub fn connect<A: ToSocketAddrs>(&self, addr: A) -> io::Result<()> {
        addr::each(addr, |addr| {
            let connected = self.socket.with(|socket| socket.connect(addr));
            connected.map_err(|error| with_context(format!("connect to {addr}"), error, ""))
        })
    }

    /// Waits for a datagram, and says from where it comes. What does not fit the buffer is lost.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors). A datagram that nobody would have may come back as
    /// `ConnectionRefused` here.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn recv_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.receive(|socket| socket.recv_from(buf).map(Attempt::More))
    }

    /// As [`recv_from`](UdpSocket::recv_from), and leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors). A datagram that nobody would have may come back as
    /// `ConnectionRefused` here.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn peek_from(&self, buf: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.receive(|socket| socket.peek_from(buf).map(Attempt::More))
    }

    /// Waits for a datagram from where the socket is connected. What does not fit the buffer is lost.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors). A datagram that nobody would have may come back as
    /// `ConnectionRefused` here.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn recv(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|socket| socket.recv(buf).map(Attempt::More))
    }

    /// As [`recv`](UdpSocket::recv), and leaves the datagram to be received again.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors). A datagram that nobody would have may come back as
    /// `ConnectionRefused` here.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn peek(&self, buf: &mut [u8]) -> io::Result<usize> {
        self.receive(|socket| socket.peek(buf).map(Attempt::More))
    }

    /// Sends a datagram to where the socket is connected.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors). A datagram that nobody would have may come back as
    /// `ConnectionRefused` here.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn send(&self, buf: &[u8]) -> io::Result<usize> {
        self.transmit(|socket| socket.send(buf).map(Attempt::More))
    }

    /// Sends a datagram to the first of the addresses.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors). A datagram that nobody would have may come back as
    /// `ConnectionRefused` here.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn send_to<A: ToSocketAddrs>(&self, buf: &[u8], addr: A) -> io::Result<usize> {
        let Some(addr) = addr.to_socket_addrs()?.next() else {
            let text = "the name has no addresses";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        self.transmit(|socket| socket.send_to(buf, addr).map(Attempt::More))
    }

    /// Another handle to the same socket, with timeouts of its own from here on.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    pub fn try_clone(&self) -> io::Result<UdpSocket> {
        let socket = self.socket.with(|socket| SockRef::from(socket).try_clone())?;
        Ok(UdpSocket::from_mio(sys::UdpSocket::from_std(socket.into())).set_as(self))
    }

    /// The address of this socket.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UdpSocket::local_addr)
    }

    /// The address to which it is connected.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.socket.with(sys::UdpSocket::peer_addr)
    }

    /// Allows sending to broadcast addresses, or not.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_broadcast(&self, broadcast: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_broadcast(broadcast))
    }

    /// Whether sending to broadcast addresses is allowed.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn broadcast(&self) -> io::Result<bool> {
        self.socket.with(sys::UdpSocket::broadcast)
    }

    /// Whether the IPv4 multicast datagrams that it sends reach this machine too.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_multicast_loop_v4(&self, on: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_multicast_loop_v4(on))
    }

    /// What [`set_multicast_loop_v4`](UdpSocket::set_multicast_loop_v4) has set.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn multicast_loop_v4(&self) -> io::Result<bool> {
        self.socket.with(sys::UdpSocket::multicast_loop_v4)
    }

    /// Sets the time to live of IPv4 multicast datagrams; 1 keeps them in the local network.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_multicast_ttl_v4(&self, ttl: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.set_multicast_ttl_v4(ttl))
    }

    /// The time to live of IPv4 multicast datagrams.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn multicast_ttl_v4(&self) -> io::Result<u32> {
        self.socket.with(sys::UdpSocket::multicast_ttl_v4)
    }

    /// Whether the IPv6 multicast datagrams that it sends reach this machine too.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_multicast_loop_v6(&self, on: bool) -> io::Result<()> {
        self.socket.with(|socket| socket.set_multicast_loop_v6(on))
    }

    /// What [`set_multicast_loop_v6`](UdpSocket::set_multicast_loop_v6) has set.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn multicast_loop_v6(&self) -> io::Result<bool> {
        self.socket.with(sys::UdpSocket::multicast_loop_v6)
    }

    /// Joins a multicast group, on the interface with the address given, or `0.0.0.0` for any.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn join_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.socket.with(|socket| socket.join_multicast_v4(group, interface))
    }

    /// Joins a multicast group, on the interface with the index given, or 0 for any.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn join_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.join_multicast_v6(group, interface))
    }

    /// Leaves a group that it has joined.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn leave_multicast_v4(&self, group: &Ipv4Addr, interface: &Ipv4Addr) -> io::Result<()> {
        self.socket.with(|socket| socket.leave_multicast_v4(group, interface))
    }

    /// Leaves a group that it has joined.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn leave_multicast_v6(&self, group: &Ipv6Addr, interface: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.leave_multicast_v6(group, interface))
    }

    /// Sets the time to live of the datagrams that are sent.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.socket.with(|socket| socket.set_ttl(ttl))
    }

    /// The time to live of the datagrams that are sent.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn ttl(&self) -> io::Result<u32> {
        self.socket.with(sys::UdpSocket::ttl)
    }

    /// Whether a socket on an IPv6 address refuses IPv4.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn only_v6(&self) -> io::Result<bool> {
        self.socket.with(sys::UdpSocket::only_v6)
    }

    timeouts!(read_timeout, write_timeout);
    common!(sys::UdpSocket, "Makes what receives and sends");
    directions!(sys::UdpSocket);
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.socket.fmt(f)
    }
}

conversions!(UdpSocket, std::net::UdpSocket, |socket| UdpSocket::from_mio(
    sys::UdpSocket::from_std(socket)
));
