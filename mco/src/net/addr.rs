//! Addresses to connect to and to listen on, names among them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::vec;

use super::address_name::{Name, name};
use crate::blocking_pool;
use crate::task::Reason;
use crate::wait::Wait;

/// What can be turned into socket addresses: whatever [`std::net::ToSocketAddrs`] can, and types of one's own.
///
/// A name is looked up by the system, which blocks: in a coroutine that happens on a thread of the
/// [blocking](crate::blocking()) pool, while the coroutine waits. That is why this is not std's trait. If a type of
/// another crate looks names up in its implementation of std's, it blocks the worker. Of a type that has this trait only, a
/// reference has it not.
///
/// # Examples
///
/// ```
/// use mco::net::ToSocketAddrs;
///
/// let addrs: Vec<_> = ("127.0.0.1", 80).to_socket_addrs().unwrap().collect();
/// assert_eq!(addrs, ["127.0.0.1:80".parse().unwrap()]);
/// ```
pub trait ToSocketAddrs {
    /// The addresses.
    type Iter: Iterator<Item = SocketAddr>;

    /// The addresses, in the order in which to try them.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a text without a port; what the system says if it does not know a name.
    fn to_socket_addrs(&self) -> io::Result<Self::Iter>;
}

impl<A: std::net::ToSocketAddrs + ?Sized> ToSocketAddrs for A {
    type Iter = vec::IntoIter<SocketAddr>;

    #[track_caller]
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        match name(self) {
            Some(Name::WithPort(text)) => with_port(text),
            Some(Name::Host(host, port)) => of_host(host, port),
            None => {
                let addrs = std::net::ToSocketAddrs::to_socket_addrs(self)?;
                Ok(addrs.collect::<Vec<_>>().into_iter())
            }
        }
    }
}

#[track_caller]
fn with_port(text: &str) -> io::Result<vec::IntoIter<SocketAddr>> {
    if let Ok(addr) = text.parse::<SocketAddr>() {
        return Ok(vec![addr].into_iter());
    }
    let parts = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    let Some((host, port)) = parts else {
        let text = format!(
            "`{text}` is no socket address; write `host:port` with a port from 0 to 65535, as \
             `example.org:80` or `[::1]:80`"
        );
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    of_host(host, port)
}

#[track_caller]
fn of_host(host: &str, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    match host.parse::<IpAddr>() {
        Ok(ip) => Ok(vec![SocketAddr::new(ip, port)].into_iter()),
        Err(_) => look_up(host.to_owned(), port),
    }
}

/// Asks the system for the addresses of a name, on the blocking pool.
#[track_caller]
fn look_up(host: String, port: u16) -> io::Result<vec::IntoIter<SocketAddr>> {
    // Owned and separate, so that a coroutine which is cancelled need not wait for a slow server.
    let blocking = move || {
        std::net::ToSocketAddrs::to_socket_addrs(&(host.as_str(), port)).map_err(|error| {
            io::Error::new(error.kind(), format!("no address for `{host}`: {error}"))
        })
    };
    blocking_pool::run_detached(blocking, &Wait::new(Reason::Blocking))
}

/// Tries `f` with each address until one succeeds.
pub(super) fn each<A: ToSocketAddrs, R>(
    addrs: A,
    mut f: impl FnMut(SocketAddr) -> io::Result<R>,
) -> io::Result<R> {
    let mut last = None;
    for addr in addrs.to_socket_addrs()? {
        match f(addr) {
            Ok(done) => return Ok(done),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, "the name has no addresses")
    }))
}
