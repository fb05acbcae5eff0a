//! What is the same for all types of sockets, as macros.

/// The methods for a socket's two timeouts, which are the fields given.
macro_rules! timeouts {
    ($read:ident, $write:ident) => {
        /// Limits how long a read waits; it then fails with `TimedOut`. `None`: without limit.
        ///
        /// # Errors
        ///
        /// `InvalidInput` for a timeout of zero.
        pub fn set_read_timeout(
            &self,
            timeout: Option<std::time::Duration>,
        ) -> std::io::Result<()> {
            self.$read.set(timeout)
        }

        /// Limits how long a write waits; it then fails with `TimedOut`. `None`: without limit.
        ///
        /// # Errors
        ///
        /// `InvalidInput` for a timeout of zero.
        pub fn set_write_timeout(
            &self,
            timeout: Option<std::time::Duration>,
        ) -> std::io::Result<()> {
            self.$write.set(timeout)
        }

        /// How long a read waits at most.
        ///
        /// # Errors
        ///
        /// None; the signature is std's.
        pub fn read_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
            Ok(self.$read.get())
        }

        /// How long a write waits at most.
        ///
        /// # Errors
        ///
        /// None; the signature is std's.
        pub fn write_timeout(&self) -> std::io::Result<Option<std::time::Duration>> {
            Ok(self.$write.get())
        }
    };
}

/// The methods that both streams have, for one with `from_mio`.
macro_rules! stream {
    ($Stream:ident, $io:ty, $SocketAddr:ty) => {
        /// The address of the other end.
        ///
        /// # Errors
        ///
        /// [What the system says](crate#errors).
        pub fn peer_addr(&self) -> std::io::Result<$SocketAddr> {
            self.socket.with(<$io>::peer_addr)
        }

        /// The address of this end.
        ///
        /// # Errors
        ///
        /// [What the system says](crate#errors).
        pub fn local_addr(&self) -> std::io::Result<$SocketAddr> {
            self.socket.with(<$io>::local_addr)
        }

        /// Ends one direction, or both. Who waits in a read or a write of that direction goes on.
        ///
        /// # Errors
        ///
        /// [What the system says](crate#errors).
        pub fn shutdown(&self, how: std::net::Shutdown) -> std::io::Result<()> {
            self.socket.with(|socket| socket.shutdown(how))
        }

        /// Another handle to the same connection, with timeouts of its own from here on.
        ///
        /// # Errors
        ///
        /// What the system says, if it is out of descriptors.
        pub fn try_clone(&self) -> std::io::Result<$Stream> {
            let socket = self.socket.with(|socket| socket2::SockRef::from(socket).try_clone())?;
            Ok($Stream::from_mio(<$io>::from_std(socket.into())).set_as(self))
        }

        $crate::net::socket_macros::timeouts!(read_timeout, write_timeout);
        $crate::net::socket_macros::common!($io, "Makes reads and writes");
        $crate::net::socket_macros::directions!($io);
    };
}

/// The methods that all sockets have. `$what` is what `set_nonblocking` concerns.
macro_rules! common {
    ($io:ty, $what:literal) => {
        /// Takes the error that is pending on the socket.
        ///
        /// # Errors
        ///
        /// [What the system says](crate#errors).
        pub fn take_error(&self) -> std::io::Result<Option<std::io::Error>> {
            self.socket.with(<$io>::take_error)
        }

        #[doc = concat!($what, " on this handle fail with `WouldBlock` from here on where they would")]
        /// wait; or wait again.
        ///
        /// # Errors
        ///
        /// None; the signature is std's.
        pub fn set_nonblocking(&self, nonblocking: bool) -> std::io::Result<()> {
            self.socket.set_nonblocking(nonblocking);
            Ok(())
        }
    };
}

/// The two ways to do something on a socket with timeouts, and what a clone takes over.
macro_rules! directions {
    ($io:ty) => {
        #[track_caller]
        fn receive<R>(
            &self,
            op: impl FnMut(&$io) -> std::io::Result<crate::reactor::Attempt<R>>,
        ) -> std::io::Result<R> {
            let wait = crate::wait::Wait::new(crate::task::Reason::Read);
            let direction = crate::reactor::Direction::Read;
            self.socket.run(direction, wait, || self.read_timeout.deadline(), op)
        }

        #[track_caller]
        fn transmit<R>(
            &self,
            op: impl FnMut(&$io) -> std::io::Result<crate::reactor::Attempt<R>>,
        ) -> std::io::Result<R> {
            let wait = crate::wait::Wait::new(crate::task::Reason::Write);
            let direction = crate::reactor::Direction::Write;
            self.socket.run(direction, wait, || self.write_timeout.deadline(), op)
        }

        /// A new handle with what was set on another one.
        fn set_as(mut self, other: &Self) -> Self {
            self.read_timeout = other.read_timeout.copy();
            self.write_timeout = other.write_timeout.copy();
            self.socket.set_nonblocking(other.socket.is_nonblocking());
            self
        }
    };
}

/// `Read` and `Write` for a stream with `directions`, and for references to it. `$read` is what a number
/// of bytes read says, of those [`Requested`](crate::reactor::Requested) for.
macro_rules! stream_io {
    ($stream:ident, $read:expr) => {
        impl std::io::Read for &$stream {
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                if buf.is_empty() {
                    return Ok(0);
                }
                let asked = crate::reactor::Requested::bytes(buf.len());
                self.receive(|socket| Ok($read($crate::net::bytes::read(socket, buf)?, asked)))
            }

            #[track_caller]
            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                let lens = bufs.iter().map(|buf| buf.len());
                let Some(first) = crate::reactor::first_nonempty(lens) else { return Ok(0) };
                let bufs = &mut bufs[first..];
                let asked = crate::reactor::Requested::slices(bufs.iter().map(|buf| buf.len()));
                self.receive(|mut socket| {
                    Ok($read(std::io::Read::read_vectored(&mut socket, bufs)?, asked))
                })
            }
        }

        impl std::io::Write for &$stream {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                if buf.is_empty() {
                    return Ok(0);
                }
                let asked = crate::reactor::Requested::bytes(buf.len());
                self.transmit(|socket| {
                    let done = $crate::net::bytes::write(socket, buf)?;
                    Ok(crate::reactor::Attempt::of_bytes(done, asked))
                })
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                let lens = bufs.iter().map(|buf| buf.len());
                let Some(first) = crate::reactor::first_nonempty(lens) else { return Ok(0) };
                let bufs = &bufs[first..];
                let asked = crate::reactor::Requested::slices(bufs.iter().map(|buf| buf.len()));
                self.transmit(|mut socket| {
                    let done = std::io::Write::write_vectored(&mut socket, bufs)?;
                    Ok(crate::reactor::Attempt::of_bytes(done, asked))
                })
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }

        impl std::io::Read for $stream {
            #[track_caller]
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                (&*self).read(buf)
            }

            #[track_caller]
            fn read_vectored(
                &mut self,
                bufs: &mut [std::io::IoSliceMut<'_>],
            ) -> std::io::Result<usize> {
                (&*self).read_vectored(bufs)
            }
        }

        impl std::io::Write for $stream {
            #[track_caller]
            fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
                (&*self).write(buf)
            }

            #[track_caller]
            fn write_vectored(&mut self, bufs: &[std::io::IoSlice<'_>]) -> std::io::Result<usize> {
                (&*self).write_vectored(bufs)
            }

            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
    };
}

/// Implements the conversions of a socket type from and into std's and the system's. `$from_std` takes
/// a nonblocking one of std's.
macro_rules! conversions {
    ($socket:ident, $std:ty, $from_std:expr) => {
        // As std's: what a panic interrupts leaves a socket in order.
        impl std::panic::UnwindSafe for $socket {}
        impl std::panic::RefUnwindSafe for $socket {}

        impl TryFrom<$std> for $socket {
            type Error = std::io::Error;

            /// Takes the socket over, and makes it nonblocking.
            fn try_from(socket: $std) -> std::io::Result<$socket> {
                let from_std: fn($std) -> $socket = $from_std;
                socket.set_nonblocking(true)?;
                Ok(from_std(socket))
            }
        }

        impl TryFrom<$socket> for $std {
            type Error = std::io::Error;

            /// Gives the socket away, and makes it blocking again.
            fn try_from(socket: $socket) -> std::io::Result<$std> {
                let socket = <$std>::from(socket.socket.into_io());
                socket.set_nonblocking(false)?;
                Ok(socket)
            }
        }

        #[cfg(unix)]
        crate::io::wait_io!($socket, |this| &this.socket);

        #[cfg(unix)]
        impl std::os::fd::AsRawFd for $socket {
            fn as_raw_fd(&self) -> std::os::fd::RawFd {
                self.socket.with(std::os::fd::AsRawFd::as_raw_fd)
            }
        }

        #[cfg(unix)]
        impl std::os::fd::AsFd for $socket {
            fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
                self.socket.io().as_fd()
            }
        }

        #[cfg(unix)]
        impl std::os::fd::IntoRawFd for $socket {
            /// The descriptor stays nonblocking.
            fn into_raw_fd(self) -> std::os::fd::RawFd {
                self.socket.into_io().into_raw_fd()
            }
        }

        #[cfg(unix)]
        #[expect(unsafe_code, reason = "std's trait")]
        impl std::os::fd::FromRawFd for $socket {
            /// # Panics
            ///
            /// If the descriptor cannot be made nonblocking.
            #[track_caller]
            unsafe fn from_raw_fd(fd: std::os::fd::RawFd) -> $socket {
                // SAFETY: the caller's promise.
                let socket = unsafe { <$std as std::os::fd::FromRawFd>::from_raw_fd(fd) };
                $socket::try_from(socket)
                    .unwrap_or_else(|e| panic!("descriptor {fd} cannot be made nonblocking: {e}"))
            }
        }

        #[cfg(unix)]
        impl From<$socket> for std::os::fd::OwnedFd {
            /// The descriptor stays nonblocking.
            fn from(socket: $socket) -> std::os::fd::OwnedFd {
                socket.socket.into_io().into()
            }
        }

        #[cfg(unix)]
        impl From<std::os::fd::OwnedFd> for $socket {
            /// Takes the socket over, and makes it nonblocking.
            ///
            /// # Panics
            ///
            /// If it cannot be made nonblocking; `try_from` of std's socket returns an error then.
            #[track_caller]
            fn from(fd: std::os::fd::OwnedFd) -> $socket {
                $socket::try_from(<$std>::from(fd))
                    .unwrap_or_else(|e| panic!("a descriptor cannot be made nonblocking: {e}"))
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::AsRawSocket for $socket {
            fn as_raw_socket(&self) -> std::os::windows::io::RawSocket {
                self.socket.with(std::os::windows::io::AsRawSocket::as_raw_socket)
            }
        }

        #[cfg(windows)]
        #[expect(unsafe_code, reason = "the socket is behind a lock")]
        impl std::os::windows::io::AsSocket for $socket {
            fn as_socket(&self) -> std::os::windows::io::BorrowedSocket<'_> {
                let socket = std::os::windows::io::AsRawSocket::as_raw_socket(self);
                // SAFETY: it is open as long as `self` is there, which owns it.
                unsafe { std::os::windows::io::BorrowedSocket::borrow_raw(socket) }
            }
        }

        #[cfg(windows)]
        impl std::os::windows::io::IntoRawSocket for $socket {
            /// The socket stays nonblocking.
            fn into_raw_socket(self) -> std::os::windows::io::RawSocket {
                std::os::windows::io::IntoRawSocket::into_raw_socket(<$std>::from(
                    self.socket.into_io(),
                ))
            }
        }

        #[cfg(windows)]
        #[expect(unsafe_code, reason = "std's trait")]
        impl std::os::windows::io::FromRawSocket for $socket {
            /// # Panics
            ///
            /// If the socket cannot be made nonblocking.
            #[track_caller]
            unsafe fn from_raw_socket(socket: std::os::windows::io::RawSocket) -> $socket {
                // SAFETY: the caller's promise.
                let std = unsafe {
                    <$std as std::os::windows::io::FromRawSocket>::from_raw_socket(socket)
                };
                $socket::try_from(std)
                    .unwrap_or_else(|e| panic!("socket {socket} cannot be made nonblocking: {e}"))
            }
        }

        #[cfg(windows)]
        impl From<$socket> for std::os::windows::io::OwnedSocket {
            /// The socket stays nonblocking.
            fn from(socket: $socket) -> std::os::windows::io::OwnedSocket {
                <$std>::from(socket.socket.into_io()).into()
            }
        }

        #[cfg(windows)]
        impl From<std::os::windows::io::OwnedSocket> for $socket {
            /// Takes the socket over, and makes it nonblocking.
            ///
            /// # Panics
            ///
            /// If it cannot be made nonblocking; `try_from` of std's socket returns an error then.
            #[track_caller]
            fn from(socket: std::os::windows::io::OwnedSocket) -> $socket {
                $socket::try_from(<$std>::from(socket))
                    .unwrap_or_else(|e| panic!("a socket cannot be made nonblocking: {e}"))
            }
        }
    };
}

pub(crate) use {common, conversions, directions, stream, stream_io, timeouts};
