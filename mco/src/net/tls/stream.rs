//! A connection on which the handshake is done. The protocol is at the head of the module above.

use std::cell::OnceCell;
use std::fmt;
use std::io::{self, BufRead, ErrorKind, IoSlice, IoSliceMut, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, TryLockError, TryLockResult};
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use rustls::{Connection, HandshakeKind, ProtocolVersion, SupportedCipherSuite};

use super::buffer::Buffer;
use super::error::{Peer, TlsError};
#[cfg(feature = "_bridge")]
use super::lock::Tasks;
use super::lock::{Lock, Locked};
use super::session::{Failure, Session, discard_received, push};
use crate::clock::Moment;
use crate::net::TcpStream;
use crate::std::sync::{Mutex, MutexGuard};

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
/// [`TlsError`]; the connection is of no use then.
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
pub struct TlsStream {
    pub(super) shared: Arc<Shared>,
}

/// The connection, of which the two halves are handles. The locks are as the module says.
pub(super) struct Shared {
    pub(super) stream: TcpStream,
    pub(super) session: Lock<Session>,
    pub(super) reading: Lock<Reading>,
    sending: Mutex<()>,
    /// There may be something in the queue that nobody is waiting to send. Written with `session` held.
    pub(super) unsent: AtomicBool,
    /// The futures that wait for room to send. Those that read are there if `Reading::in_room` says so.
    #[cfg(feature = "_bridge")]
    pub(super) room: Arc<Tasks>,
    /// The reading side has been shut down.
    deaf: AtomicBool,
    facts: Facts,
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
    ended: bool,
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
struct Facts {
    peer: Peer,
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
    /// What the system says.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.shared.stream.peer_addr()
    }

    /// The address of this end.
    ///
    /// # Errors
    ///
    /// What the system says.
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
    /// Unwinds if the calling coroutine is cancelled.
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
    /// Unwinds if the calling coroutine is cancelled.
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
    /// Unwinds if the calling coroutine is cancelled.
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

    #[track_caller]
    pub(super) fn receive(&self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.receive_with(&mut |received| received.read(buf))
    }

    #[track_caller]
    pub(super) fn receive_vectored(&self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.receive_with(&mut |received| read_into(received, bufs))
    }

    #[track_caller]
    pub(super) fn transmit(&self, buf: &[u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        self.transmit_with(|writer| writer.write(buf))
    }

    #[track_caller]
    pub(super) fn transmit_vectored(&self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Ok(0);
        }
        self.transmit_with(|writer| writer.write_vectored(bufs))
    }

    /// Sends what a write that was cut off has left.
    #[track_caller]
    pub(super) fn flush_queue(&self) -> io::Result<()> {
        // Relaxed: what the caller has left there itself, or has been told of, it sees.
        if !self.shared.unsent.load(Ordering::Relaxed) {
            return Ok(());
        }
        let _sending = self.sending()?;
        self.send(|_| Ok(())).map(drop)
    }

    /// Has `take` read what was received, and waits for it.
    #[track_caller]
    fn receive_with(
        &self,
        take: &mut dyn FnMut(&mut dyn BufRead) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let shared = &*self.shared;
        let mut reading = self.reading()?;
        let reading = &mut *reading;
        if let Some(done) = reading.take_early(take) {
            return done;
        }
        // For the whole of the read, however many pieces come; asked for when there is a wait.
        let deadline = OnceCell::new();
        loop {
            if reading.pending
                && let Some(done) = self.understand(reading, self.session()?, take)
            {
                return done;
            }
            let until = || *deadline.get_or_init(|| shared.stream.read_deadline());
            match self.receive_bytes(reading.buffer.room(), until) {
                Ok(_) | Err(_) if self.is_deaf() => return Ok(0),
                Ok(count) => reading.received(count),
                Err(error) => return Err(error),
            }
        }
    }

    /// Has rustls understand what was received, and `take` read what comes of it; sends what rustls has to
    /// say to that. `None`: more has to be received.
    pub(super) fn understand(
        &self,
        reading: &mut Reading,
        mut session: Locked<'_, Session>,
        take: &mut dyn FnMut(&mut dyn BufRead) -> io::Result<usize>,
    ) -> Option<io::Result<usize>> {
        if reading.ended {
            session.end();
        }
        let read = session.read(&mut reading.buffer, take);
        if session.connection.wants_write() {
            // If that fails, so will the next write.
            let _ = self.push(&mut session);
        }
        drop(session);
        match read {
            Ok(Some(count)) => Some(Ok(count)),
            Ok(None) => {
                reading.pending = false;
                None
            }
            Err(_) if self.is_deaf() => Some(Ok(0)),
            Err(Failure::Truncated) => Some(Err(self.truncated())),
            Err(Failure::Tls(error)) => Some(Err(self.failed(error))),
        }
    }

    /// Reads from the socket, and waits for it; and sends meanwhile what nobody else does.
    #[track_caller]
    fn receive_bytes(
        &self,
        room: &mut [u8],
        deadline: impl Fn() -> Option<Moment>,
    ) -> io::Result<usize> {
        let shared = &*self.shared;
        loop {
            match shared.stream.try_read(room) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    if shared.stream.is_nonblocking() {
                        return Err(error);
                    }
                }
                done => return done,
            }
            // After the attempt: whoever leaves something from here on interrupts the wait.
            let unsent = shared.unsent.load(Ordering::Relaxed)
                && matches!(self.push(&mut *self.session()?), Ok(false));
            shared.stream.wait_readable(deadline(), unsent)?;
        }
    }

    /// Has `put` write, and sends that.
    #[track_caller]
    fn transmit_with(
        &self,
        put: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        let _sending = self.sending()?;
        self.send(|session| self.write(session, put)).map(|(count, _)| count)
    }

    /// Has `put` write, and rustls queue what comes of it.
    pub(super) fn write(
        &self,
        session: &mut Session,
        put: impl FnOnce(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> io::Result<usize> {
        if session.closed {
            let text = "the writing side of the TLS stream has been shut down";
            return Err(io::Error::new(ErrorKind::BrokenPipe, text));
        }
        put(&mut session.connection.writer()).map_err(|error| match error.downcast() {
            Ok(cause) => self.failed(cause),
            Err(error) => error,
        })
    }

    /// Sends what is queued, then has `produce` queue something, and sends that, for one that has
    /// `sending`. What comes with the result is whether all of it was sent.
    ///
    /// # Errors
    ///
    /// If nothing was produced.
    #[track_caller]
    fn send<R>(
        &self,
        produce: impl FnOnce(&mut Session) -> io::Result<R>,
    ) -> io::Result<(R, io::Result<()>)> {
        /// Has the reader see to what is left, however the caller ends.
        struct Leaving<'a>(&'a Shared);
        impl Drop for Leaving<'_> {
            fn drop(&mut self) {
                if self.0.unsent.load(Ordering::Relaxed) {
                    self.0.stream.interrupt_reader();
                }
            }
        }
        let _leaving = Leaving(&self.shared);
        let mut produce = Some(produce);
        let mut produced = None;
        let mut deadline = None;
        loop {
            let mut session = self.session()?;
            let mut all_sent = self.push(&mut session)?;
            if all_sent && let Some(produce) = produce.take() {
                produced = Some(produce(&mut session)?);
                all_sent = self.push(&mut session)?;
            }
            drop(session);
            if all_sent {
                return Ok((produced.expect("the queue was empty, so it was produced"), Ok(())));
            }
            let waited = if self.shared.stream.is_nonblocking() {
                Err(ErrorKind::WouldBlock.into())
            } else {
                let until = *deadline.get_or_insert_with(|| self.shared.stream.write_deadline());
                self.shared.stream.wait_writable(until)
            };
            if let Err(error) = waited {
                return match produced {
                    Some(result) => Ok((result, Err(error))),
                    None => Err(error),
                };
            }
        }
    }

    /// Sends what is queued, as far as there is room: `true` if that was all.
    pub(super) fn push(&self, session: &mut Session) -> io::Result<bool> {
        let pushed = push(&mut session.connection, &self.shared.stream);
        // A connection that has failed sends nothing any more.
        self.shared.unsent.store(matches!(pushed, Ok(false)), Ordering::Relaxed);
        pushed
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.shared.deaf.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn session(&self) -> io::Result<Locked<'_, Session>> {
        self.shared.session.lock().map_err(|_| self.broken())
    }

    /// Waits for one's turn, unless the stream is not to wait.
    #[track_caller]
    fn reading(&self) -> io::Result<Locked<'_, Reading>> {
        if self.shared.stream.is_nonblocking() {
            self.at_once(self.shared.reading.try_lock())
        } else {
            self.shared.reading.lock().map_err(|_| self.broken())
        }
    }

    /// As `reading`.
    #[track_caller]
    fn sending(&self) -> io::Result<MutexGuard<'_, ()>> {
        if self.shared.stream.is_nonblocking() {
            self.at_once(self.shared.sending.try_lock())
        } else {
            self.shared.sending.lock().map_err(|_| self.broken())
        }
    }

    fn at_once<G>(&self, attempt: TryLockResult<G>) -> io::Result<G> {
        attempt.map_err(|error| match error {
            TryLockError::WouldBlock => ErrorKind::WouldBlock.into(),
            TryLockError::Poisoned(_) => self.broken(),
        })
    }

    fn failed(&self, error: rustls::Error) -> io::Error {
        TlsError::established(&self.shared.facts.peer, &self.shared.stream, error)
    }

    #[cold]
    pub(super) fn broken(&self) -> io::Error {
        let peer = self.shared.facts.peer.at(&self.shared.stream);
        io::Error::other(format!(
            "the TLS connection with {peer} is of no use any more: something in its configuration \
             has panicked"
        ))
    }

    #[cold]
    fn truncated(&self) -> io::Error {
        let peer = self.shared.facts.peer.at(&self.shared.stream);
        let text = format!(
            "the TLS connection with {peer} ended without a close_notify: what was received may be \
             incomplete"
        );
        io::Error::new(ErrorKind::UnexpectedEof, text)
    }
}

/// Reads into one buffer after the other.
pub(super) fn read_into(
    received: &mut dyn BufRead,
    bufs: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    let mut total = 0;
    for buf in bufs.iter_mut().filter(|buf| !buf.is_empty()) {
        match received.read(buf) {
            Ok(count) => total += count,
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
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
