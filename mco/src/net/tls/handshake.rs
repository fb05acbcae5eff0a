//! The handshake, during which the connection is the caller's alone.

use std::io::{self, ErrorKind, Read};
use std::time::Duration;

use rustls::Connection;

use super::buffer::Buffer;
use super::error::{Peer, TlsError};
use super::session::{discard_received, feed, push};
use super::stream::TlsStream;
use crate::clock::Timestamp;
use crate::net::TcpStream;

/// Makes a stream of a connection that has not begun.
#[track_caller]
pub(super) fn perform(
    connection: Connection,
    peer: Peer,
    stream: TcpStream,
    timeout: Option<Duration>,
) -> io::Result<TlsStream> {
    let nonblocking = stream.is_nonblocking();
    stream.set_nonblocking(false)?;
    let deadline = timeout.map(Timestamp::after);
    let mut handshake =
        Handshake { connection, stream, deadline, buffer: Buffer::new(), early: Vec::new() };
    if let Err(error) = handshake.run() {
        return Err(handshake.explain(error, &peer, timeout));
    }
    let Handshake { connection, stream, buffer, early, .. } = handshake;
    stream.set_nonblocking(nonblocking)?;
    Ok(TlsStream::new(connection, peer, stream, buffer, early))
}

struct Handshake {
    connection: Connection,
    stream: TcpStream,
    deadline: Option<Timestamp>,
    /// At the end: what came behind the handshake.
    buffer: Buffer,
    /// What the client has sent ahead, which the configuration bounds.
    early: Vec<u8>,
}

enum Failure {
    Tls(rustls::Error),
    Closed,
    Io(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Io(error)
    }
}

impl Handshake {
    #[track_caller]
    fn run(&mut self) -> Result<(), Failure> {
        loop {
            self.send()?;
            if !self.connection.is_handshaking() {
                return Ok(());
            }
            if self.buffer.is_empty() {
                self.receive()?;
            }
            if let Err(error) = feed(&mut self.connection, &mut self.buffer) {
                // The alert. To wait with it would let the peer decide when this fails.
                let _ = push(&mut self.connection, &self.stream);
                discard_received(&self.stream);
                return Err(Failure::Tls(error));
            }
            if let Connection::Server(server) = &mut self.connection
                && let Some(mut early) = server.early_data()
            {
                early.read_to_end(&mut self.early)?;
            }
        }
    }

    /// Sends all that is queued.
    #[track_caller]
    fn send(&mut self) -> io::Result<()> {
        while !push(&mut self.connection, &self.stream)? {
            self.stream.wait_writable(self.nearer(self.stream.write_deadline()))?;
        }
        Ok(())
    }

    #[track_caller]
    fn receive(&mut self) -> Result<(), Failure> {
        let deadline = self.nearer(self.stream.read_deadline());
        match self.stream.read_until(self.buffer.room(), || deadline)? {
            0 => Err(Failure::Closed),
            count => {
                self.buffer.filled(count);
                Ok(())
            }
        }
    }

    fn nearer(&self, own: Option<Timestamp>) -> Option<Timestamp> {
        [self.deadline, own].into_iter().flatten().min()
    }

    fn explain(&self, failure: Failure, peer: &Peer, timeout: Option<Duration>) -> io::Error {
        let tried = || format!("the TLS handshake with {}", peer.at(&self.stream));
        match failure {
            Failure::Tls(error) => TlsError::handshake(peer, &self.stream, error),
            Failure::Closed => io::Error::new(
                ErrorKind::UnexpectedEof,
                format!("{} failed: it closed the connection meanwhile", tried()),
            ),
            Failure::Io(error) if error.kind() == ErrorKind::TimedOut => {
                let limit = match timeout {
                    Some(limit) if self.deadline.is_some_and(|at| at <= Timestamp::now()) => {
                        format!(
                            "it was not done within {limit:?}; `handshake_timeout` sets the limit"
                        )
                    }
                    _ => error.to_string(),
                };
                io::Error::new(ErrorKind::TimedOut, format!("{} failed: {limit}", tried()))
            }
            Failure::Io(error) => {
                io::Error::new(error.kind(), format!("{} failed: {error}", tried()))
            }
        }
    }
}
