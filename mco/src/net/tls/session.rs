//! What belongs to rustls, and what is asked of it while its lock is held.

use std::io::{self, BufRead, ErrorKind, IoSlice, Write};

use rustls::Connection;

use super::buffer::Buffer;
use crate::net::TcpStream;

/// A connection that rustls keeps. Nothing in here waits.
pub(super) struct Session {
    pub(super) connection: Connection,
    /// The writing side has been shut down: close_notify is queued, or sent.
    pub(super) closed: bool,
    /// Why nothing can be read any more.
    failure: Option<rustls::Error>,
}

/// Why [`Session::read`] has failed.
pub(super) enum Failure {
    /// The connection has ended without a close_notify.
    Truncated,
    Tls(rustls::Error),
}

impl Session {
    pub(super) fn new(connection: Connection) -> Session {
        Session { connection, closed: false, failure: None }
    }

    /// Has `take` read what was received; gives rustls the content of the buffer until there is something.
    /// `None`: more has to come.
    pub(super) fn read(
        &mut self,
        buffer: &mut Buffer,
        take: &mut dyn FnMut(&mut dyn BufRead) -> io::Result<usize>,
    ) -> Result<Option<usize>, Failure> {
        loop {
            match take(&mut self.connection.reader()) {
                Ok(count) => return Ok(Some(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return Err(Failure::Truncated),
            }
            if let Some(failure) = &self.failure {
                return Err(Failure::Tls(failure.clone()));
            }
            if buffer.is_empty() {
                return Ok(None);
            }
            if let Err(error) = feed(&mut self.connection, buffer) {
                self.failure = Some(error);
            }
        }
    }

    /// Nothing comes any more from the socket.
    pub(super) fn end(&mut self) {
        // rustls notes that it was told so; nothing can go wrong with that.
        let _ = self.connection.read_tls(&mut io::empty());
    }

    /// Queues the close_notify, unless that was done.
    pub(super) fn close(&mut self) {
        if !self.closed {
            self.closed = true;
            self.connection.send_close_notify();
        }
    }
}

/// Gives rustls some of the buffer's content, and has it understood.
pub(super) fn feed(connection: &mut Connection, buffer: &mut Buffer) -> Result<(), rustls::Error> {
    let mut rest = buffer.content();
    let before = rest.len();
    let read = connection.read_tls(&mut rest);
    let taken = before - rest.len();
    buffer.consume(taken);
    match read {
        // It takes nothing more; what is left is of no use.
        Ok(0) => buffer.consume(before),
        Ok(_) => {}
        // A message that is longer than rustls allows for.
        Err(error) => return Err(rustls::Error::General(error.to_string())),
    }
    connection.process_new_packets().map(drop)
}

/// Sends what is queued, as far as there is room: `true` if that was all.
pub(super) fn push(connection: &mut Connection, stream: &TcpStream) -> io::Result<bool> {
    while connection.wants_write() {
        match connection.write_tls(&mut Now(stream)) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// A socket to which nobody waits to write.
struct Now<'a>(&'a TcpStream);

impl Write for Now<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.try_write(&[IoSlice::new(buf)])
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.0.try_write(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Takes what has come and nobody reads, so that closing the socket does not reset the connection and
/// destroy what was sent last. Whoever has left more than this unread means it.
pub(super) fn discard_received(stream: &TcpStream) {
    let mut scratch = [0; 4096];
    for _ in 0..16 {
        if !matches!(stream.try_read(&mut scratch), Ok(1..)) {
            return;
        }
    }
}
