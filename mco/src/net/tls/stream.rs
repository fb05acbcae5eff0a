//! A connection on which the handshake is done. The protocol is at the head of the module above.

use std::fmt;
use std::io::{self, BufRead, ErrorKind};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion, SupportedCipherSuite};

use super::buffer::Buffer;
use super::error::Peer;
use super::lock::Lock;
#[cfg(feature = "_bridge")]
use super::lock::Tasks;
use super::session::{Session, discard_received, push};
use crate::net::TcpStream;
use crate::std::sync::Mutex;

/// A TLS connection: what is written is encrypted, what is read was.
///
/// [`TlsAcceptor::accept`](super::TlsAcceptor::accept) and
/// [`TlsConnector::connect`](super::TlsConnector::connect) make it. `&TlsStream` reads and writes too, so
/// one coroutine may read while another writes; [`split`](TlsStream::split) makes two that can go to
/// different places.
///
/// **Reading** ends with `Ok(0)` when the peer has said that nothing more will come (close_notify). If
/// the connection ends otherwise it fails with `UnexpectedEof`: what was received may have been cut
/// short by somebody in between. Errors of TLS are of the kind `InvalidData` and hold a
/// [`TlsError`](super::TlsError); the connection is of no use then.
///
/// **Writing** sends the data at once, one record of at most 16 KiB after the other, and takes at most 64 KiB
/// at a time. A write that its timeout cuts off when its data has been encrypted returns `Ok`: the
/// records stay with the stream and go out before whatever comes next, and it is the next write that
/// fails with `TimedOut`.
///
/// The **timeouts** are those of the TCP stream. A **cancel** or [`timeout`](crate::std::time::timeout) that
/// cuts a read off loses nothing. After a write that was cut off the stream is in order too, but
/// whether the peer will get the data of that write cannot be told, as with any socket.
///
/// **Dropping** the stream tells the peer so (close_notify), as far as that is possible without
/// waiting. [`shutdown`](TlsStream::shutdown) waits.
///
/// With the features for async crates it implements their traits: see [`mco::bridge`](crate::bridge).
///
/// As TCP streams do, it waits for more data before it sends small records, unless
/// [`TcpStream::set_nodelay`] is called beforehand or through [`get_ref`](TlsStream::get_ref).
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use mco::net::tls::TlsStream;
///
/// /// Writes and reads at once: both directions go by reference.
/// fn exchange(stream: &TlsStream, request: &[u8], answer: &mut Vec<u8>) -> std::io::Result<()> {
///     let (mut writer, reader) = (stream, stream);
///     let (sent, received) =
///         mco::join!(writer.write_all(request), reader.take(1024).read_to_end(answer));
///     sent?;
///     received?;
///     Ok(())
/// }
/// ```
pub struct TlsStream {
    pub(super) shared: Arc<Shared>,
}

/// The connection, of which the two halves are handles. The locks are as the module says.
pub(super) struct Shared {
    pub(super) stream: TcpStream,
    pub(super) session: Lock<Session>,
    pub(super) reading: Lock<Reading>,
    pub(super) sending: Mutex<()>,
    /// There may be something in the queue that nobody is waiting to send. Written with `session` held.
    pub(super) unsent: AtomicBool,
    /// The futures that wait for room to send. Those that read are there if `Reading::in_room` says so.
    #[cfg(feature = "_bridge")]
    pub(super) room: Arc<Tasks>,
    /// The reading side has been shut down.
    pub(super) deaf: AtomicBool,
    pub(super) facts: Facts,
}

/// What the reader has in hand.
pub(super) struct Reading {
    pub(super) buffer: Buffer,
    /// What the client had sent ahead, to be read first.
    early: Vec<u8>,
    /// How much of it has been read.
    early_read: usize,
    /// rustls may have something to be read, or the end.
    pub(super) pending: bool,
    /// The end of the TCP connection has come, of which rustls is to be told.
    pub(super) ended: bool,
    /// A future that reads waits for room to send, or did.
    #[cfg(feature = "_bridge")]
    pub(super) in_room: bool,
}

impl Reading {
    /// Has `take` read what the client had sent ahead, if there is any left.
    pub(super) fn take_early(
        &mut self,
        take: &mut dyn FnMut(&mut dyn BufRead) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        if self.early_read == self.early.len() {
            return None;
        }
        let done = take(&mut &self.early[self.early_read..]);
        if let Ok(count) = done {
            self.early_read += count;
            if self.early_read == self.early.len() {
                self.early = Vec::new();
                self.early_read = 0;
            }
        }
        Some(done)
    }

    /// So many bytes have come from the socket, into the buffer.
    pub(super) fn received(&mut self, count: usize) {
        self.buffer.filled(count);
        self.ended = count == 0;
        self.pending = true;
    }
}

/// What the handshake has settled.
pub(super) struct Facts {
    pub(super) peer: Peer,
    alpn_protocol: Option<Vec<u8>>,
    peer_certificates: Option<Vec<CertificateDer<'static>>>,
    protocol_version: Option<ProtocolVersion>,
    cipher_suite: Option<SupportedCipherSuite>,
    handshake_kind: Option<HandshakeKind>,
    server_name: Option<String>,
}

impl Facts {
    fn new(connection: &Connection, peer: Peer) -> Facts {
        let server_name = match (connection, &peer) {
            (Connection::Server(server), _) => server.server_name().map(str::to_owned),
            (_, Peer::Server(name)) => Some(name.clone()),
            (_, Peer::Client) => None,
        };
        Facts {
            peer,
            alpn_protocol: connection.alpn_protocol().map(<[u8]>::to_vec),
            peer_certificates: connection.peer_certificates().map(<[_]>::to_vec),
            protocol_version: connection.protocol_version(),
            cipher_suite: connection.negotiated_cipher_suite(),
            handshake_kind: connection.handshake_kind(),
            server_name,
        }
    }
}

impl TlsStream {
    /// Of a handshake that is done. `buffer` is what came behind it.
    pub(super) fn new(
        connection: Connection,
        peer: Peer,
        stream: TcpStream,
        buffer: Buffer,
        early: Vec<u8>,
    ) -> TlsStream {
        let facts = Facts::new(&connection, peer);
        let reading = Reading {
            buffer,
            early,
            early_read: 0,
            pending: true,
            ended: false,
            #[cfg(feature = "_bridge")]
            in_room: false,
        };
        let shared = Shared {
            stream,
            session: Lock::new(Session::new(connection)),
            reading: Lock::new(reading),
            sending: Mutex::new(()),
            unsent: AtomicBool::new(false),
            #[cfg(feature = "_bridge")]
            room: Arc::default(),
            deaf: AtomicBool::new(false),
            facts,
        };
        TlsStream { shared: Arc::new(shared) }
    }

    /// Another handle. Not public: a clone of a stream of std's has timeouts of its own.
    pub(super) fn share(&self) -> TlsStream {
        TlsStream { shared: self.shared.clone() }
    }

    pub(super) fn is_same(&self, other: &TlsStream) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// The connection underneath, for its options and addresses. To read or write there, or to shut it
    /// down, breaks the TLS connection.
    #[must_use]
    pub fn get_ref(&self) -> &TcpStream {
        &self.shared.stream
    }

    /// The address of the other end.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.stream.peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.shared.stream.local_addr()
    }

    /// Limits how long a read waits; it then fails with `TimedOut`. `None`: without limit.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_read_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.shared.stream.set_read_timeout(timeout)
    }

    /// Limits how long a write waits; it then fails with `TimedOut`, or returns what it has taken. `None`:
    /// without limit.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a timeout of zero.
    pub fn set_write_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        self.shared.stream.set_write_timeout(timeout)
    }

    /// The protocol that was agreed on (ALPN), as `b"h2"`. `None`: one side had named none.
    #[must_use]
    pub fn alpn_protocol(&self) -> Option<&[u8]> {
        self.shared.facts.alpn_protocol.as_deref()
    }

    /// The certificates with which the peer has proved who it is, its own first. `None`: it has not, as
    /// most clients.
    #[must_use]
    pub fn peer_certificates(&self) -> Option<&[CertificateDer<'static>]> {
        self.shared.facts.peer_certificates.as_deref()
    }

    /// The version of TLS.
    #[must_use]
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.shared.facts.protocol_version
    }

    /// The cipher suite.
    #[must_use]
    pub fn cipher_suite(&self) -> Option<SupportedCipherSuite> {
        self.shared.facts.cipher_suite
    }

    /// Whether an earlier session was resumed.
    #[must_use]
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        self.shared.facts.handshake_kind
    }

    /// Which server the client wants: on the server's side what the client has said (SNI), if it has;
    /// on the client's side the name it was given.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.shared.facts.server_name.as_deref()
    }

    /// Derives a secret of the two ends from the connection (RFC 5705), and fills `output` with it.
    ///
    /// # Errors
    ///
    /// `InvalidData` with what rustls says: for one if `output` is empty.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn export_keying_material<T: AsMut<[u8]>>(
        &self,
        output: T,
        label: &[u8],
        context: Option<&[u8]>,
    ) -> io::Result<T> {
        let material = self.session()?.connection.export_keying_material(output, label, context);
        material.map_err(|error| self.failed(error))
    }

    /// Encrypts with new keys from here on, and asks the peer to do the same. rustls does so by itself
    /// before a key has been used too often.
    ///
    /// # Errors
    ///
    /// `InvalidData` if the connection is not of TLS 1.3; or as for writing.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn refresh_traffic_keys(&self) -> io::Result<()> {
        let _sending = self.sending()?;
        let refresh = |session: &mut Session| {
            session.connection.refresh_traffic_keys().map_err(|error| self.failed(error))
        };
        self.send(refresh).map(drop)
    }

    /// Ends one direction, or both.
    ///
    /// - `Write`: tells the peer that nothing more will come (close_notify), and ends the writing side of
    ///   the TCP connection. Waits for those who are writing, and for room to send it, as a write does.
    ///   What the peer sends can still be read.
    /// - `Read`: reads get what has been received already, then `Ok(0)`. Who waits in one goes on.
    /// - `Both`: at once. The peer is told if that is possible without waiting. Who waits in a read or
    ///   a write goes on.
    ///
    /// # Errors
    ///
    /// `TimedOut` if there is no room within the write timeout, or what the system says.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let shared = &*self.shared;
        if how != Shutdown::Write {
            shared.deaf.store(true, Ordering::Relaxed);
        }
        match how {
            Shutdown::Read => {}
            Shutdown::Write => {
                let _sending = self.sending()?;
                let close = |session: &mut Session| {
                    session.close();
                    Ok(())
                };
                let ((), all_sent) = self.send(close)?;
                all_sent?;
            }
            Shutdown::Both => {
                // Whether that works cannot matter any more.
                if let Ok(mut session) = self.session() {
                    session.close();
                    let _ = self.push(&mut session);
                }
            }
        }
        match shared.stream.shutdown(how) {
            // The peer has been told, and has closed the connection before this.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            done => done,
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Ok(session) = self.session.get_mut() {
            session.close();
            if push(&mut session.connection, &self.stream).is_ok() {
                discard_received(&self.stream);
            }
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = &self.shared.facts;
        f.debug_struct("TlsStream")
            .field("stream", &self.shared.stream)
            .field("protocol_version", &facts.protocol_version)
            .field("cipher_suite", &facts.cipher_suite.map(|suite| suite.suite()))
            .field("alpn_protocol", &facts.alpn_protocol.as_deref().map(String::from_utf8_lossy))
            .finish_non_exhaustive()
    }
}

#[cfg(unix)]
impl std::os::fd::AsFd for TlsStream {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.shared.stream.as_fd()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for TlsStream {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.shared.stream.as_raw_fd()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsSocket for TlsStream {
    fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
        self.shared.stream.as_socket()
    }
}

#[cfg(windows)]
impl std::os::windows::io::AsRawSocket for TlsStream {
    fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
        self.shared.stream.as_raw_socket()
    }
}
