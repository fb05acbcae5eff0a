//! TCP and UDP, with the types and methods of `std::net`; with the feature `tls` also TLS over TCP.
//!
//! What blocks here blocks the calling coroutine only; in a plain thread it blocks the thread. One
//! socket may be used by several coroutines at once, a reader and a writer in parallel. An
//! operation that exceeds its timeout fails with [`ErrorKind::TimedOut`](std::io::ErrorKind) on
//! every system.

pub(crate) mod accept;
mod addr;
mod address_name;
pub(crate) mod bytes;
pub(crate) mod error_context;
mod listener;
#[cfg(feature = "_bridge")]
pub(crate) mod poll_buffer;
#[cfg(feature = "_bridge")]
pub(crate) mod poll_stream;
pub(crate) mod socket_macros;
mod stream;
pub(crate) mod timeout;
#[cfg(feature = "tls")]
pub mod tls;
mod udp;

pub use std::net::{
    AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, SocketAddrV4, SocketAddrV6,
};

pub use addr::ToSocketAddrs;
pub use listener::{Incoming, IntoIncoming, TcpListener};
pub use stream::TcpStream;
pub use udp::UdpSocket;
