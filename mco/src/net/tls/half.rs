//! The two directions of a stream, each owned by whom it is given to.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;

use super::stream::TlsStream;

/// The half of a [`TlsStream`] that reads. [`TlsStream::split`] makes it.
///
/// With the features for async crates it implements their traits for reading: see [`mco::bridge`](crate::bridge).
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use mco::net::tls::ReadHalf;
///
/// fn first_byte(mut half: ReadHalf) -> std::io::Result<u8> {
///     let mut byte = [0];
///     half.read_exact(&mut byte)?;
///     Ok(byte[0])
/// }
/// ```
pub struct ReadHalf(TlsStream);

/// The half of a [`TlsStream`] that writes. [`TlsStream::split`] makes it.
///
/// Dropping it does not end the stream as long as the other half is there;
/// [`shutdown`](WriteHalf::shutdown) tells the peer that nothing more will come.
///
/// With the features for async crates it implements their traits for writing: see [`mco::bridge`](crate::bridge).
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use mco::net::tls::WriteHalf;
///
/// fn say_goodbye(mut half: WriteHalf) -> std::io::Result<()> {
///     half.write_all(b"goodbye")?;
///     half.shutdown()
/// }
/// ```
pub struct WriteHalf(TlsStream);

impl TlsStream {
    /// Makes two halves of the stream, for a reader and a writer that work at the same time. The
    /// connection is closed when both have been dropped.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # fn f(stream: mco::net::tls::TlsStream) -> std::io::Result<()> {
    /// use std::io::{Read, Write};
    ///
    /// let (mut reader, mut writer) = stream.split();
    /// let all = mco::coroutine::spawn(move || {
    ///     let mut all = Vec::new();
    ///     reader.read_to_end(&mut all).map(|_| all)
    /// });
    /// writer.write_all(b"question")?;
    /// writer.shutdown()?;
    /// let answer = all.join().unwrap()?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn split(self) -> (ReadHalf, WriteHalf) {
        (ReadHalf(self.share()), WriteHalf(self))
    }
}

impl ReadHalf {
    /// The stream, for what it knows about the connection.
    #[must_use]
    pub fn get_ref(&self) -> &TlsStream {
        &self.0
    }

    /// Makes one stream of the two halves again.
    ///
    /// # Errors
    ///
    /// The halves, if they are not of the same stream.
    pub fn unsplit(self, writer: WriteHalf) -> Result<TlsStream, (ReadHalf, WriteHalf)> {
        if self.0.is_same(&writer.0) { Ok(writer.0) } else { Err((self, writer)) }
    }
}

impl WriteHalf {
    /// The stream, for what it knows about the connection.
    #[must_use]
    pub fn get_ref(&self) -> &TlsStream {
        &self.0
    }

    /// Tells the peer that nothing more will come: [`TlsStream::shutdown`] with `Shutdown::Write`.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    #[track_caller]
    pub fn shutdown(&self) -> io::Result<()> {
        self.0.shutdown(Shutdown::Write)
    }
}

impl fmt::Debug for ReadHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ReadHalf").field(&self.0).finish()
    }
}

impl fmt::Debug for WriteHalf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WriteHalf").field(&self.0).finish()
    }
}

impl TlsStream {
    /// As the halves have it.
    fn tls(&self) -> &TlsStream {
        self
    }
}

impl ReadHalf {
    pub(super) fn tls(&self) -> &TlsStream {
        &self.0
    }
}

impl WriteHalf {
    pub(super) fn tls(&self) -> &TlsStream {
        &self.0
    }
}

/// `Read` for what has `tls`.
macro_rules! read {
    ($reader:ty) => {
        impl Read for $reader {
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
                self.tls().receive(buf)
            }

            #[track_caller]
            fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
                self.tls().receive_vectored(bufs)
            }
        }
    };
}

/// `Write` for what has `tls`.
macro_rules! write {
    ($writer:ty) => {
        impl Write for $writer {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
                self.tls().transmit(buf)
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
                self.tls().transmit_vectored(bufs)
            }

            /// Waits until all that was written is with the system. It is, unless a write was cut off by
            /// its timeout or by a cancel.
            #[track_caller]
            fn flush(&mut self) -> io::Result<()> {
                self.tls().flush_queue()
            }
        }
    };
}

read!(TlsStream);
read!(&TlsStream);
read!(ReadHalf);
read!(&ReadHalf);
write!(TlsStream);
write!(&TlsStream);
write!(WriteHalf);
write!(&WriteHalf);
