//! A stream for async code: every operation as a poll. The bridge makes the traits of each async crate of it.

#![allow(unsafe_code)]

#[cfg(feature = "futures-io")]
use std::io::IoSliceMut;
use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::task::{Context, Poll};

use super::accept::any_registrar;
use super::poll_buffer::Room;
use crate::reactor::{Attempt, Direction, Io, Registered, Requested, first_nonempty};

/// A stream of bytes as async crates read from it, with names that no trait of theirs has. None of this
/// switches coroutines or unwinds them, since the callers may hold locks.
pub(crate) trait PollRead {
    /// Reads what is there, at least a byte unless the stream has ended or there is no room. Returns how
    /// many: so many at the beginning of `room` have been initialised.
    fn poll_receive(&self, context: &Context<'_>, room: &mut Room<'_>) -> Poll<io::Result<usize>>;

    /// Of these crates one knows it.
    #[cfg(feature = "futures-io")]
    fn poll_receive_vectored(
        &self,
        context: &Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>>;
}

/// The same for writing.
pub(crate) trait PollWrite {
    fn poll_transmit(&self, context: &Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>>;

    fn poll_transmit_vectored(
        &self,
        context: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>>;

    /// Sends what has been written and is kept here.
    fn poll_deliver(&self, context: &Context<'_>) -> Poll<io::Result<()>>;

    /// The same, and then tells the peer that nothing more comes.
    fn poll_end(&self, context: &Context<'_>) -> Poll<io::Result<()>>;
}

/// A stream that is a socket.
pub(crate) trait SocketStream {
    type Io: Io;

    fn registered(&self) -> &Registered<Self::Io>;

    /// A system call, as those that follow. Returns how many bytes at the beginning it has initialised,
    /// and writes nothing else.
    fn receive(io: &Self::Io, bytes: &mut [MaybeUninit<u8>]) -> io::Result<usize>;

    #[cfg(feature = "futures-io")]
    fn receive_vectored(io: &Self::Io, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize>;

    fn transmit(io: &Self::Io, buf: &[u8]) -> io::Result<usize>;

    fn transmit_vectored(io: &Self::Io, bufs: &[IoSlice<'_>]) -> io::Result<usize>;

    /// What it says about the next read that `done` of the bytes that were asked for have been read.
    fn after_read(done: usize, asked: Requested) -> Attempt<usize>;

    fn end_writing(&self) -> io::Result<()>;
}

impl<S: SocketStream> PollRead for S {
    fn poll_receive(&self, context: &Context<'_>, room: &mut Room<'_>) -> Poll<io::Result<usize>> {
        if room.len() == 0 {
            return Poll::Ready(Ok(0));
        }
        let asked = Requested::bytes(room.len());
        self.registered().poll(Direction::Read, context, any_registrar, |socket| {
            // SAFETY: the system has written as many bytes as it says, and we write nothing.
            let done = unsafe { room.fill(|bytes| S::receive(socket, bytes)) }?;
            Ok(S::after_read(done, asked))
        })
    }

    #[cfg(feature = "futures-io")]
    fn poll_receive_vectored(
        &self,
        context: &Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
    ) -> Poll<io::Result<usize>> {
        let lens = bufs.iter().map(|buf| buf.len());
        let Some(first) = first_nonempty(lens) else { return Poll::Ready(Ok(0)) };
        let bufs = &mut bufs[first..];
        let asked = Requested::slices(bufs.iter().map(|buf| buf.len()));
        self.registered().poll(Direction::Read, context, any_registrar, |socket| {
            Ok(S::after_read(S::receive_vectored(socket, bufs)?, asked))
        })
    }
}

impl<S: SocketStream> PollWrite for S {
    fn poll_transmit(&self, context: &Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        let asked = Requested::bytes(buf.len());
        self.registered().poll(Direction::Write, context, any_registrar, |socket| {
            Ok(Attempt::of_bytes(S::transmit(socket, buf)?, asked))
        })
    }

    fn poll_transmit_vectored(
        &self,
        context: &Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let lens = bufs.iter().map(|buf| buf.len());
        let Some(first) = first_nonempty(lens) else { return Poll::Ready(Ok(0)) };
        let bufs = &bufs[first..];
        let asked = Requested::slices(bufs.iter().map(|buf| buf.len()));
        self.registered().poll(Direction::Write, context, any_registrar, |socket| {
            Ok(Attempt::of_bytes(S::transmit_vectored(socket, bufs)?, asked))
        })
    }

    /// Nothing is kept here.
    fn poll_deliver(&self, _: &Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_end(&self, _: &Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.end_writing() {
            // There is nobody to be told.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(()),
            done => done,
        })
    }
}

/// Makes a stream with a field `socket` one of these. `$read` is as in `stream_io!`.
macro_rules! socket_stream {
    ($stream:ident, $io:ty, $read:expr) => {
        impl crate::net::poll_stream::SocketStream for $stream {
            type Io = $io;

            fn registered(&self) -> &Registered<$io> {
                &self.socket
            }

            fn receive(
                io: &$io,
                bytes: &mut [std::mem::MaybeUninit<u8>],
            ) -> std::io::Result<usize> {
                // Through mio, which on Windows has to know of it.
                io.try_io(|| socket2::SockRef::from(io).recv(bytes))
            }

            #[cfg(feature = "futures-io")]
            fn receive_vectored(
                mut io: &$io,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                std::io::Read::read_vectored(&mut io, bufs)
            }

            fn transmit(io: &$io, buf: &[u8]) -> std::io::Result<usize> {
                $crate::net::bytes::write(io, buf)
            }

            fn transmit_vectored(
                mut io: &$io,
                bufs: &[std::io::IoSlice<'_>],
            ) -> std::io::Result<usize> {
                std::io::Write::write_vectored(&mut io, bufs)
            }

            fn after_read(
                done: usize,
                asked: crate::reactor::Requested,
            ) -> crate::reactor::Attempt<usize> {
                let after: fn(usize, crate::reactor::Requested) -> crate::reactor::Attempt<usize> =
                    $read;
                after(done, asked)
            }

            fn end_writing(&self) -> std::io::Result<()> {
                self.shutdown(std::net::Shutdown::Write)
            }
        }
    };
}

pub(crate) use socket_stream;
