//! A stream as async crates use it. What is different from blocking is at the head of the module above.

#[cfg(feature = "futures-io")]
use std::io::IoSliceMut;
use std::io::{self, BufRead, ErrorKind, IoSlice, Write};
use std::net::Shutdown;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker, ready};

#[cfg(feature = "futures-io")]
use super::blocking::read_into;
use super::half::{ReadHalf, WriteHalf};
use super::lock::{Lock, Locked};
use super::session::Session;
use super::stream::TlsStream;
use crate::net::poll_buffer::Room;
use crate::net::poll_stream::{PollRead, PollWrite};
use crate::reactor::Direction;
use crate::task::{TaskWaiter, has_budget};
use crate::wait::Waiter;

impl PollRead for TlsStream {
    fn poll_receive(&self, context: &Context<'_>, room: &mut Room<'_>) -> Poll<io::Result<usize>> {
        if room.len() == 0 {
            return Poll::Ready(Ok(0));
        }
        self.poll_receive_with(context, &mut |received| {
            let mut total = 0;
            while total < room.len() {
                match received.fill_buf() {
                    Ok([]) => break,
                    Ok(chunk) => {
                        let count = room.put(total, chunk);
                        received.consume(count);
                        total += count;
                    }
                    Err(_) if total > 0 => break,
                    Err(error) => return Err(error),
                }
            }
            Ok(total)
        })
    }

    #[cfg(feature = "futures-io")]
    fn poll_receive_vectored(
        &self,
        context: &Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.poll_receive_with(context, &mut |received| read_into(received, bufs))
    }
}

impl PollWrite for TlsStream {
    fn poll_transmit(&self, context: &Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.poll_transmit_with(context, &mut |writer| writer.write(buf))
    }

    fn poll_transmit_vectored(
        &self,
        context: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bufs.iter().all(|buf| buf.is_empty()) {
            return Poll::Ready(Ok(0));
        }
        self.poll_transmit_with(context, &mut |writer| writer.write_vectored(bufs))
    }

    fn poll_deliver(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        // Relaxed: as in `flush_queue`.
        while self.shared.unsent.load(Ordering::Relaxed) {
            let mut session = ready!(self.poll_session(Direction::Write, context))?;
            if self.push(&mut session)? {
                break;
            }
            drop(session);
            ready!(self.poll_room(Direction::Write, context))?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_end(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut session = ready!(self.poll_session(Direction::Write, context))?;
            let mut sent = self.push(&mut session);
            let closes = matches!(sent, Ok(true)) && !session.closed;
            if closes {
                session.close();
                sent = self.push(&mut session);
            }
            // Behind the close_notify there is nothing that the peer could miss.
            let closed = session.closed;
            drop(session);
            match sent {
                Ok(true) => break,
                Ok(false) if closes => self.shared.stream.interrupt_reader(),
                Ok(false) => {}
                Err(error) if closed && is_gone(&error) => break,
                Err(error) => return Poll::Ready(Err(error)),
            }
            ready!(self.poll_room(Direction::Write, context))?;
        }
        Poll::Ready(match self.shared.stream.shutdown(Shutdown::Write) {
            // There is nobody to be told.
            Err(error) if error.kind() == ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }
}

impl PollRead for ReadHalf {
    fn poll_receive(&self, context: &Context<'_>, room: &mut Room<'_>) -> Poll<io::Result<usize>> {
        self.tls().poll_receive(context, room)
    }

    #[cfg(feature = "futures-io")]
    fn poll_receive_vectored(
        &self,
        context: &Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tls().poll_receive_vectored(context, bufs)
    }
}

impl PollWrite for WriteHalf {
    fn poll_transmit(&self, context: &Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.tls().poll_transmit(context, buf)
    }

    fn poll_transmit_vectored(
        &self,
        context: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.tls().poll_transmit_vectored(context, bufs)
    }

    fn poll_deliver(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.tls().poll_deliver(context)
    }

    fn poll_end(&self, context: &Context<'_>) -> Poll<io::Result<()>> {
        self.tls().poll_end(context)
    }
}

/// Whether there is nobody any more to whom something could be sent.
fn is_gone(error: &io::Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, NotConnected};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | NotConnected)
}

impl TlsStream {
    /// Has `take` read what was received; else the task is woken when there may be something.
    fn poll_receive_with(
        &self,
        context: &Context<'_>,
        take: &mut dyn FnMut(&mut dyn BufRead) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        let shared = &*self.shared;
        let mut reading = ready!(self.poll_lock(&shared.reading, Direction::Read, context))?;
        let reading = &mut *reading;
        if reading.in_room {
            reading.in_room = false;
            shared.room.remove(Direction::Read);
        }
        if let Some(done) = reading.take_early(take) {
            return Poll::Ready(done);
        }
        loop {
            // Each time, since the peer may send much that is nothing to be read.
            if !has_budget() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if reading.pending {
                let session = ready!(self.poll_session(Direction::Read, context))?;
                if let Some(done) = self.understand(reading, session, take) {
                    return Poll::Ready(done);
                }
            }
            match shared.stream.try_read(reading.buffer.room()) {
                Ok(_) | Err(_) if self.is_deaf() => return Poll::Ready(Ok(0)),
                Ok(count) => reading.received(count),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    ready!(self.poll_readable(&mut reading.in_room, context))?;
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    /// Has the task woken when there may be something to be read, and sends meanwhile what nobody else
    /// does. Ready: there may be something now.
    fn poll_readable(&self, in_room: &mut bool, context: &Context<'_>) -> Poll<io::Result<()>> {
        let shared = &*self.shared;
        let task = Waiter::Task(TaskWaiter::for_external_wait(context.waker()));
        if !shared.stream.enter(Direction::Read, &task)? {
            return Poll::Ready(Ok(()));
        }
        // After the entry: whoever leaves something from here on wakes the task.
        if shared.unsent.load(Ordering::Relaxed) {
            let mut session = ready!(self.poll_session(Direction::Read, context))?;
            // If it fails, so will the next write.
            let left = matches!(self.push(&mut session), Ok(false));
            drop(session);
            if left {
                if self.poll_room(Direction::Read, context)?.is_ready() {
                    shared.stream.leave(Direction::Read, &task);
                    return Poll::Ready(Ok(()));
                }
                *in_room = true;
            }
        }
        Poll::Pending
    }

    /// Has `put` write, and sends that, as far as there is room.
    fn poll_transmit_with(
        &self,
        context: &Context<'_>,
        put: &mut dyn FnMut(&mut rustls::Writer<'_>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        if !has_budget() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let mut session = ready!(self.poll_session(Direction::Write, context))?;
            if self.push(&mut session)? {
                let count = self.write(&mut session, put)?;
                let all_sent = self.push(&mut session)?;
                drop(session);
                if !all_sent {
                    // The caller may never come back.
                    self.shared.stream.interrupt_reader();
                }
                return Poll::Ready(Ok(count));
            }
            drop(session);
            ready!(self.poll_room(Direction::Write, context))?;
        }
    }

    /// Has the task of that side woken when there may be room to send. Ready: there may be some now.
    fn poll_room(&self, direction: Direction, context: &Context<'_>) -> Poll<io::Result<()>> {
        let shared = &*self.shared;
        shared.room.put(direction, TaskWaiter::for_external_wait(context.waker()));
        let both = Waiter::Task(TaskWaiter::new(&Waker::from(shared.room.clone())));
        match shared.stream.enter(Direction::Write, &both) {
            Ok(true) => Poll::Pending,
            // The entry that stood for both may have been the other's, and is gone.
            Ok(false) => {
                shared.room.remove(direction);
                shared.room.wake_all();
                Poll::Ready(Ok(()))
            }
            Err(error) => {
                shared.room.remove(direction);
                Poll::Ready(Err(error))
            }
        }
    }

    fn poll_session(
        &self,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<io::Result<Locked<'_, Session>>> {
        self.poll_lock(&self.shared.session, direction, context)
    }

    fn poll_lock<'a, T>(
        &self,
        lock: &'a Lock<T>,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<io::Result<Locked<'a, T>>> {
        lock.poll(direction, context).map_err(|_| self.broken())
    }
}
