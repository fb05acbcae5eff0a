//! TLS over TCP, by [`rustls`]: what has been agreed on is a stream that reads and writes like a
//! [`TcpStream`].
//!
//! mco chooses neither the cryptography nor the protocol versions. The program depends on `rustls` by
//! itself, with a provider (`ring`, `aws-lc-rs`) and the versions that it wants among the features, and
//! makes a `rustls::ServerConfig` or `rustls::ClientConfig`: certificates, trust, ALPN and resumption
//! are settled there. This module is there with mco's feature `tls`, and exports the [`rustls`] that
//! it is built with.
//!
//! A connection is read and written by several coroutines or threads at once, through
//! [`&TlsStream`](TlsStream) or the two halves of [`TlsStream::split`]. A reader that waits does not
//! hold up a writer, nor a writer a reader.
//!
//! # Examples
//!
//! A server:
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use std::sync::Arc;
//! use mco::net::TcpListener;
//! use mco::net::tls::TlsAcceptor;
//! use mco::net::tls::rustls::ServerConfig;
//! use mco::net::tls::rustls::pki_types::pem::PemObject;
//! use mco::net::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let chain = CertificateDer::pem_file_iter("chain.pem")?.collect::<Result<_, _>>()?;
//! let key = PrivateKeyDer::from_pem_file("key.pem")?;
//! let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
//! let acceptor = TlsAcceptor::new(Arc::new(config));
//!
//! for stream in TcpListener::bind("0.0.0.0:8443")?.incoming() {
//!     let (stream, acceptor) = (stream?, acceptor.clone());
//!     // The handshake takes its time, so it is done in a coroutine of the connection's own.
//!     mco::coroutine::spawn(move || -> std::io::Result<()> {
//!         let mut stream = acceptor.accept(stream)?;
//!         let mut buffer = [0; 16 * 1024];
//!         loop {
//!             match stream.read(&mut buffer)? {
//!                 0 => return Ok(()),
//!                 n => stream.write_all(&buffer[..n])?,
//!             }
//!         }
//!     });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! A client:
//!
//! ```no_run
//! use std::io::{Read, Write};
//! use std::sync::Arc;
//! use mco::net::TcpStream;
//! use mco::net::tls::TlsConnector;
//! use mco::net::tls::rustls::pki_types::CertificateDer;
//! use mco::net::tls::rustls::pki_types::pem::PemObject;
//! use mco::net::tls::rustls::{ClientConfig, RootCertStore};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut roots = RootCertStore::empty();
//! for root in CertificateDer::pem_file_iter("/etc/ssl/certs/ca-certificates.crt")? {
//!     roots.add(root?)?;
//! }
//! let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
//! let connector = TlsConnector::new(Arc::new(config));
//!
//! let stream = TcpStream::connect("example.com:443")?;
//! let mut stream = connector.connect("example.com".try_into()?, stream)?;
//! stream.write_all(b"GET / HTTP/1.1\r\nhost: example.com\r\nconnection: close\r\n\r\n")?;
//! let mut answer = Vec::new();
//! stream.read_to_end(&mut answer)?;
//! # Ok(())
//! # }
//! ```

// # The protocol
//
// rustls does no I/O. It is given the bytes that came and gives the bytes that are to go, and one object,
// the session, does both: it holds the keys, the sequence numbers and the queue of finished records.
//
//     reader:  [reading]  socket -> buffer            waits here, for the socket, without the session
//                         [session] buffer -> rustls -> the caller's buffer
//     writer:  [sending]  [session] the caller's bytes -> rustls -> queue -> socket, as far as there is room
//                         waits here, for room in the socket, without the session
//
// There are three locks, all of them mco's, so that whoever waits for one suspends:
//
// - `session` is held while rustls computes, and for system calls that do not wait. Nothing under it
//   waits for the peer. (What the user has put into the configuration runs under it and may block: that
//   is why it is no OS lock.)
// - `reading` belongs to the one reader that may take bytes from the socket, `sending` to the one writer
//   whose records are in the queue. They are held while waiting for the socket, and nobody holds both.
//   `session` is taken after either of them, never before.
//
// Records are made and queued in one step, under `session`, and leave the queue in order, by whoever has
// `session`, so that they go out in the order of their sequence numbers whoever sends them. A record that
// went out in part stays at the head of the queue. So a writer that is cancelled or timed out leaves
// nothing broken: what it had queued goes out before anything else, with the next write, flush or read.
// A reader that is cut off has lost nothing either: bytes from the socket are in the buffer in the same
// breath in which they are taken.
//
// A write makes records only when the queue is empty, and of 64 KiB at most, so the queue is bounded. It
// returns when its records are with the kernel. If that takes longer than the write timeout, it has
// written all the same, since the records cannot be taken back; the next write then waits for them first,
// and is what times out.
//
// What is in the queue and has nobody who waits to send it, says `unsent`: what such a writer has left, and
// what reading produces, an alert or the refusal to negotiate anew. (The answer to a key update waits in
// rustls for the next write anyway; rustls bounds how much of the rest there may be.) A reader must not
// wait for room alone: the peer's reader might be doing the same. So it sends what goes without waiting,
// and if there is more, waits for either direction of the socket: the peer may not answer before it has the
// rest. A writer that leaves something interrupts a reader that waits already; `unsent` is set before, and
// the reader looks at it after its attempt to read, so it sees one or the other. Only a plain thread that is
// in the system's `poll` by then is not interrupted, and what was left waits for the next operation.
//
// A request that comes in one piece is one read, its answer one
// write, as over TCP. A read takes as much as the buffer holds, 4 KiB at first and up to 32 KiB while it is
// filled each time; rustls keeps the one record that is not complete. The buffer is empty whenever the
// socket is read.
//
// # Futures
//
// A poll neither waits nor switches, whatever it finds (`bridge`). It does what its blocking counterpart does
// between two waits, and then leaves its task where it would have waited:
//
// - for `session` or `reading`, with the lock (`lock.rs`), whose holder wakes it. So it does not matter for
//   how long the lock is held. It holds them during the poll only. `sending` it leaves alone: that one is
//   for waiting writers to be in order, and what is queued is in order by `session`;
// - for bytes to read, in the socket's list, as with TCP;
// - for room to send, in `Shared::room`. Of each direction a socket knows one task, but the one that writes
//   and the one that reads may both wait for room, the latter with what is `unsent`. So what is in the
//   socket's list stands for both, and wakes both. Where it was taken back, because there was room by then,
//   the other is woken, since it may have been its entry.
//
// A write is ready when its records are queued: it cannot be pending and have taken something. What is left
// is `unsent`, and interrupts a reader as above, which may be a future. One that reads looks at `unsent`
// after it has entered the socket's list.
//
// A task that waits for the socket or for room holds a virtual clock. One that waits for a lock does not: if
// the holder waits for the peer, it does so itself. A reader that goes on takes back that it waits for room.
//
// # The end
//
// `close_notify` is sent once: by shutting the writing side down, or when the stream is dropped. It goes
// into the queue behind what is there. A drop does what it can without waiting; it has the session to
// itself. It also takes what has come and was not read: to close a TCP socket with unread bytes resets the
// connection, which may destroy what was just sent; and in TLS there may well be some that the
// application never asked for, as a server's session tickets or the peer's close_notify.

mod blocking;
mod buffer;
mod error;
mod half;
mod handshake;
mod lock;
#[cfg(feature = "_bridge")]
mod poll;
mod session;
mod stream;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

pub use rustls;
pub use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

pub use self::error::TlsError;
pub use self::half::{ReadHalf, WriteHalf};
pub use self::stream::TlsStream;
use super::TcpStream;
use error::Peer;

/// How long a handshake may take unless told otherwise.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// The server's side: makes TLS streams of accepted connections.
///
/// Cheap to clone. The [module](self) shows a server.
///
/// # Examples
///
/// ```
/// use mco::net::TcpListener;
/// use mco::net::tls::TlsAcceptor;
///
/// fn serve(listener: &TcpListener, acceptor: &TlsAcceptor) -> std::io::Result<()> {
///     let (stream, _) = listener.accept()?;
///     let stream = acceptor.accept(stream)?;
///     println!("a connection over {:?}", stream.protocol_version());
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct TlsAcceptor {
    config: Arc<ServerConfig>,
    timeout: Option<Duration>,
}

/// The client's side: makes TLS streams of connections to servers.
///
/// Cheap to clone. The [module](self) shows a client.
///
/// # Examples
///
/// ```
/// use mco::net::TcpStream;
/// use mco::net::tls::{TlsConnector, TlsStream};
///
/// fn connect(connector: &TlsConnector, host: &'static str) -> std::io::Result<TlsStream> {
///     let name = host.try_into().map_err(std::io::Error::other)?;
///     connector.connect(name, TcpStream::connect((host, 443))?)
/// }
/// ```
#[derive(Clone)]
pub struct TlsConnector {
    config: Arc<ClientConfig>,
    timeout: Option<Duration>,
}

impl TlsAcceptor {
    /// An acceptor with a configuration of rustls's. Handshakes take 10 seconds at most.
    #[must_use]
    pub fn new(config: Arc<ServerConfig>) -> TlsAcceptor {
        TlsAcceptor { config, timeout: Some(HANDSHAKE_TIMEOUT) }
    }

    /// Limits how long a handshake takes, from the first to the last byte, instead of 10 seconds.
    /// `None`: without limit, so that a client that says nothing keeps its connection for ever.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn f(config: std::sync::Arc<mco::net::tls::rustls::ServerConfig>) {
    /// use mco::net::tls::TlsAcceptor;
    /// use std::time::Duration;
    ///
    /// let acceptor = TlsAcceptor::new(config).handshake_timeout(Duration::from_secs(3));
    /// # }
    /// ```
    #[must_use]
    pub fn handshake_timeout(self, timeout: impl Into<Option<Duration>>) -> TlsAcceptor {
        TlsAcceptor { timeout: timeout.into(), ..self }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// Does the handshake with a client that has connected. Waits for it even if the stream has been
    /// told not to wait; the stream's own timeouts hold too.
    ///
    /// A server does this in a coroutine per connection, so that a slow client delays nobody else.
    ///
    /// Data that a resuming client sends ahead (0-RTT, only if the configuration's
    /// `max_early_data_size` allows it) is read as the first of the stream. It is there when the
    /// handshake has been completed, and so cannot be a replay.
    ///
    /// # Errors
    ///
    /// `TimedOut`; `UnexpectedEof` if the client closes the connection meanwhile; `InvalidData` with a
    /// [`TlsError`] if TLS fails, of which the client is told by an alert; or what the system says.
    /// The connection is closed then.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn accept(&self, stream: TcpStream) -> io::Result<TlsStream> {
        let peer = Peer::Client;
        let connection = ServerConnection::new(self.config.clone());
        let connection = connection.map_err(|error| TlsError::handshake(&peer, &stream, error))?;
        handshake::perform(Connection::Server(connection), peer, stream, self.timeout)
    }
}

impl TlsConnector {
    /// A connector with a configuration of rustls's. Handshakes take 10 seconds at most.
    #[must_use]
    pub fn new(config: Arc<ClientConfig>) -> TlsConnector {
        TlsConnector { config, timeout: Some(HANDSHAKE_TIMEOUT) }
    }

    /// Limits how long a handshake takes, from the first to the last byte, instead of 10 seconds.
    /// `None`: without limit.
    #[must_use]
    pub fn handshake_timeout(self, timeout: impl Into<Option<Duration>>) -> TlsConnector {
        TlsConnector { timeout: timeout.into(), ..self }
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &Arc<ClientConfig> {
        &self.config
    }

    /// Does the handshake with the server that `stream` is connected to, and which has to prove that it
    /// is `name`: a DNS name, as in `"example.com".try_into()?`, or an IP address. Waits for it even
    /// if the stream has been told not to wait; the stream's own timeouts hold too.
    ///
    /// In TLS 1.3 the client has done its part before the server looks at the client's certificate. If
    /// the server refuses it, the first read says so.
    ///
    /// # Errors
    ///
    /// `TimedOut`; `UnexpectedEof` if the server closes the connection meanwhile; `InvalidData` with a
    /// [`TlsError`] if TLS fails, of which the server is told by an alert; or what the system says.
    /// The connection is closed then.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn connect(&self, name: ServerName<'static>, stream: TcpStream) -> io::Result<TlsStream> {
        let peer = Peer::Server(name.to_str().into_owned());
        let connection = ClientConnection::new(self.config.clone(), name);
        let connection = connection.map_err(|error| TlsError::handshake(&peer, &stream, error))?;
        handshake::perform(Connection::Client(connection), peer, stream, self.timeout)
    }
}

impl From<Arc<ServerConfig>> for TlsAcceptor {
    fn from(config: Arc<ServerConfig>) -> TlsAcceptor {
        TlsAcceptor::new(config)
    }
}

impl From<Arc<ClientConfig>> for TlsConnector {
    fn from(config: Arc<ClientConfig>) -> TlsConnector {
        TlsConnector::new(config)
    }
}

impl fmt::Debug for TlsAcceptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsAcceptor")
            .field("handshake_timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TlsConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsConnector")
            .field("handshake_timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
