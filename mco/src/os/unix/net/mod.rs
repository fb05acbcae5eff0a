//! Unix sockets, with the types and methods of [`::std::os::unix::net`].
//!
//! As with the sockets of [`mco::net`](crate::net), what blocks here blocks the calling coroutine only,
//! or the calling thread; one socket may be used by several coroutines at once; an operation that
//! exceeds its timeout fails with [`ErrorKind::TimedOut`](std::io::ErrorKind).

mod calls;
mod datagram;
mod listener;
mod stream;

pub use std::os::unix::net::SocketAddr;

pub use datagram::UnixDatagram;
pub use listener::{Incoming, UnixListener};
pub use stream::UnixStream;
