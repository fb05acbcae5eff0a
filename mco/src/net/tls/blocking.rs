//! A stream as one that blocks: what waits for the socket, or for one's turn. The protocol is at the head of
//! the module above.

use std::cell::OnceCell;
use std::io::{self, BufRead, ErrorKind, IoSlice, IoSliceMut, Write};
use std::sync::atomic::Ordering;
use std::sync::{TryLockError, TryLockResult};

use super::error::TlsError;
use super::lock::Locked;
use super::session::{Failure, Session, push};
use super::stream::{Reading, Shared, TlsStream};
use crate::clock::Timestamp;
use crate::std::sync::MutexGuard;

impl TlsStream {
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
        deadline: impl Fn() -> Option<Timestamp>,
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
    pub(super) fn send<R>(
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
    pub(super) fn session(&self) -> io::Result<Locked<'_, Session>> {
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
    pub(super) fn sending(&self) -> io::Result<MutexGuard<'_, ()>> {
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

    pub(super) fn failed(&self, error: rustls::Error) -> io::Error {
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
