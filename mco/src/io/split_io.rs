//! The two directions of a stream, each by itself, as May has them.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, RawFd};

use crate::net::TcpStream;
use crate::os::unix::net::UnixStream;

/// Splits a stream into one that reads and one that writes, for two coroutines.
///
/// As `&TcpStream` and `&UnixStream` read and write, an `Arc` or a [`scope`](crate::coroutine::scope()) does without
/// the second descriptor that this takes.
///
/// # Examples
///
/// ```
/// use mco::io::SplitIo;
/// use mco::os::unix::net::UnixStream;
/// use std::io::{Read, Write};
///
/// # fn main() -> std::io::Result<()> {
/// let (near, mut far) = UnixStream::pair()?;
/// let (mut reads, mut writes) = near.split()?;
/// let read = mco::spawn(move || {
///     let mut text = [0; 4];
///     reads.read_exact(&mut text).map(|()| text)
/// });
/// writes.write_all(b"ping")?;
/// let mut text = [0; 4];
/// far.read_exact(&mut text)?;
/// far.write_all(b"pong")?;
/// assert_eq!((&text, &read.join().unwrap()?), (b"ping", b"pong"));
/// # Ok(())
/// # }
/// ```
pub trait SplitIo: Sized {
    /// The half that reads, and the one that writes. Each has its own timeouts from here on.
    ///
    /// # Errors
    ///
    /// What the system says, if it is out of descriptors.
    fn split(self) -> io::Result<(SplitReader<Self>, SplitWriter<Self>)>;
}

macro_rules! split {
    ($($stream:ty),*) => {$(
        impl SplitIo for $stream {
            fn split(self) -> io::Result<(SplitReader<Self>, SplitWriter<Self>)> {
                Ok((SplitReader { inner: self.try_clone()? }, SplitWriter { inner: self }))
            }
        }
    )*};
}

split!(TcpStream, UnixStream);

macro_rules! half {
    ($(#[$doc:meta])* $half:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $half<T> {
            inner: T,
        }

        impl<T> $half<T> {
            /// The stream.
            pub fn inner(&self) -> &T {
                &self.inner
            }

            /// The stream.
            pub fn inner_mut(&mut self) -> &mut T {
                &mut self.inner
            }
        }

        impl<T: AsRawFd> AsRawFd for $half<T> {
            fn as_raw_fd(&self) -> RawFd {
                self.inner.as_raw_fd()
            }
        }
    };
}

half!(
    /// The half of a stream that reads: see [`SplitIo`].
    SplitReader
);
half!(
    /// The half of a stream that writes: see [`SplitIo`]. Dropping it does not end the direction, since the other half
    /// has the stream, too; `shutdown` of the stream does.
    SplitWriter
);

impl<T: Read> Read for SplitReader<T> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buf)
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        self.inner.read_vectored(bufs)
    }
}

impl<T: Write> Write for SplitWriter<T> {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.inner.write(buf)
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        self.inner.write_vectored(bufs)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
