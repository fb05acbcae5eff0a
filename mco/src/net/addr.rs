//! Addresses to connect to and to listen on, names among them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::vec;

use crate::blocking_pool;
use crate::task::Reason;
use crate::wait::Wait;

/// What can be turned into socket addresses, as `std::net::ToSocketAddrs`.
///
/// A name is looked up by the system, which blocks: in a coroutine that happens on a thread of the
/// [blocking](crate::blocking()) pool, while the coroutine waits. That is why this is not std's trait.
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
    /// The addresses, in the order in which to try them.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a text without a port; what the system says if it does not know a name.
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>>;
}

/// Types that are an address.
macro_rules! addresses {
    ($($type:ty),*) => {$(
        impl ToSocketAddrs for $type {
            fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
                Ok(vec![SocketAddr::from(*self)].into_iter())
            }
        }
    )*};
}

addresses!(SocketAddr, SocketAddrV4, SocketAddrV6, (IpAddr, u16), (Ipv4Addr, u16), (Ipv6Addr, u16));

impl ToSocketAddrs for [SocketAddr] {
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        Ok(Vec::from(self).into_iter())
    }
}

impl ToSocketAddrs for (&str, u16) {
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        let (host, port) = *self;
        match host.parse::<IpAddr>() {
            Ok(ip) => (ip, port).to_socket_addrs(),
            Err(_) => look_up(host.to_owned(), port),
        }
    }
}

impl ToSocketAddrs for (String, u16) {
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        (self.0.as_str(), self.1).to_socket_addrs()
    }
}

impl ToSocketAddrs for str {
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        if let Ok(addr) = self.parse::<SocketAddr>() {
            return addr.to_socket_addrs();
        }
        let parts = self.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let Some((host, port)) = parts else {
            let text = format!(
                "`{self}` is no socket address; write `host:port` with a port from 0 to 65535, as \
                 `example.org:80` or `[::1]:80`"
            );
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        (host, port).to_socket_addrs()
    }
}

impl ToSocketAddrs for String {
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        self.as_str().to_socket_addrs()
    }
}

impl<T: ToSocketAddrs + ?Sized> ToSocketAddrs for &T {
    fn to_socket_addrs(&self) -> io::Result<vec::IntoIter<SocketAddr>> {
        (**self).to_socket_addrs()
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
