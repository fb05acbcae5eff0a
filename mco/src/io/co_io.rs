//! Anything with a descriptor, read and written as a socket of mco is.

#![allow(unsafe_code)]

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use mio::unix::SourceFd;
use mio::{Interest, Token};

use super::wait_io;
use crate::net::socket_macros::timeouts;
use crate::net::timeout::Timeout;
use crate::reactor::{Attempt, Direction, Registered};
use crate::task::Reason;
use crate::wait::Wait;

/// Something with a descriptor whose reads and writes wait as those of mco's sockets do: the calling
/// coroutine, and not its worker. For pipes, terminals, `eventfd`, `inotify`, sockets of other kinds.
///
/// What reads or writes here is `T` itself, by std's traits; if `&T` does, so does `&CoIo<T>`, and one
/// coroutine may read while another writes. Only one `CoIo` should be made for a descriptor: share it by
/// reference, or duplicate the descriptor.
///
/// # Examples
///
/// ```
/// use std::io::{Read, Write};
/// use mco::io::CoIo;
///
/// # fn main() -> std::io::Result<()> {
/// let (reader, writer) = std::io::pipe()?;
/// let (mut reader, mut writer) = (CoIo::new(reader)?, CoIo::new(writer)?);
/// mco::coroutine::spawn(move || writer.write_all(b"hello").unwrap());
///
/// let mut text = String::new();
/// reader.read_to_string(&mut text)?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
pub struct CoIo<T: AsFd> {
    /// Goes before `inner`, which closes the descriptor.
    registered: Registered<Handle>,
    /// The descriptor may have changed since it was last looked at.
    stale: AtomicBool,
    read_timeout: Timeout,
    write_timeout: Timeout,
    inner: T,
}

/// The number of the descriptor of `inner`.
struct Handle(AtomicI32);

impl AsRawFd for Handle {
    fn as_raw_fd(&self) -> RawFd {
        self.0.load(Ordering::Relaxed)
    }
}

impl<T: AsFd> CoIo<T> {
    /// Makes the descriptor nonblocking (`O_NONBLOCK`), and takes `inner` over.
    ///
    /// That mode belongs to what is open and not to the descriptor: it is seen through every duplicate
    /// of it, in other processes too, as with a terminal on standard input.
    /// [`into_inner`](CoIo::into_inner) undoes it, dropping does not.
    ///
    /// # Errors
    ///
    /// `Unsupported` for what the system cannot watch, regular files and directories above all;
    /// otherwise what the system says.
    pub fn new(inner: T) -> io::Result<CoIo<T>> {
        check(inner.as_fd())?;
        set_nonblocking(inner.as_fd(), true)?;
        let handle = Handle(AtomicI32::new(inner.as_fd().as_raw_fd()));
        Ok(CoIo {
            registered: Registered::new(handle),
            stale: AtomicBool::new(false),
            read_timeout: Timeout::default(),
            write_timeout: Timeout::default(),
            inner,
        })
    }

    /// What is inside. Its own calls fail with `WouldBlock` where they would wait.
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// What is inside. If something else is put there, that is made nonblocking by the next operation.
    pub fn inner_mut(&mut self) -> &mut T {
        // The descriptor's number could come to stand for something else.
        self.registered.deregister();
        self.stale.store(true, Ordering::Relaxed);
        &mut self.inner
    }

    /// Makes the descriptor blocking again, and gives `inner` back.
    ///
    /// # Errors
    ///
    /// [What the system says](crate#errors).
    pub fn into_inner(self) -> io::Result<T> {
        let CoIo { registered, inner, .. } = self;
        drop(registered);
        set_nonblocking(inner.as_fd(), false)?;
        Ok(inner)
    }

    timeouts!(read_timeout, write_timeout);

    /// Makes reads and writes fail with `WouldBlock` where they would wait; or wait again.
    ///
    /// # Errors
    ///
    /// None; the signature is that of mco's sockets.
    pub fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        self.registered.set_nonblocking(nonblocking);
        Ok(())
    }

    /// Looks at the descriptor again, if `inner_mut` was called.
    fn refresh(&self) -> io::Result<()> {
        if self.stale.load(Ordering::Relaxed) {
            let fd = self.inner.as_fd();
            check(fd)?;
            set_nonblocking(fd, true)?;
            self.registered.io().0.store(fd.as_raw_fd(), Ordering::Relaxed);
            self.stale.store(false, Ordering::Relaxed);
        }
        Ok(())
    }
}

/// Does `op` on what is inside, one way or the other, as often as need be. A macro, since `op` may
/// need the one field for itself.
macro_rules! operate {
    ($this:ident, $direction:ident, $timeout:ident, $op:expr) => {{
        $this.refresh()?;
        let wait = Wait::new(Reason::$direction);
        let deadline = || $this.$timeout.deadline();
        // What is short of what was asked for says nothing: a terminal gives a line at a time.
        $this
            .registered
            .run(Direction::$direction, wait, deadline, |_| $op.map(Attempt::More))
            .map_err(explain)
    }};
}

impl<T: AsFd + Read> Read for CoIo<T> {
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        operate!(self, Read, read_timeout, self.inner.read(buf))
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        operate!(self, Read, read_timeout, self.inner.read_vectored(bufs))
    }
}

impl<T: AsFd + Write> Write for CoIo<T> {
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        operate!(self, Write, write_timeout, self.inner.write(buf))
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        operate!(self, Write, write_timeout, self.inner.write_vectored(bufs))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        operate!(self, Write, write_timeout, self.inner.flush())
    }
}

impl<'a, T: AsFd> Read for &'a CoIo<T>
where
    &'a T: Read,
{
    #[track_caller]
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let this: &'a CoIo<T> = self;
        let mut inner = &this.inner;
        operate!(this, Read, read_timeout, inner.read(buf))
    }

    #[track_caller]
    fn read_vectored(&mut self, bufs: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        let this: &'a CoIo<T> = self;
        let mut inner = &this.inner;
        operate!(this, Read, read_timeout, inner.read_vectored(bufs))
    }
}

impl<'a, T: AsFd> Write for &'a CoIo<T>
where
    &'a T: Write,
{
    #[track_caller]
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let this: &'a CoIo<T> = self;
        let mut inner = &this.inner;
        operate!(this, Write, write_timeout, inner.write(buf))
    }

    #[track_caller]
    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let this: &'a CoIo<T> = self;
        let mut inner = &this.inner;
        operate!(this, Write, write_timeout, inner.write_vectored(bufs))
    }

    #[track_caller]
    fn flush(&mut self) -> io::Result<()> {
        let this: &'a CoIo<T> = self;
        let mut inner = &this.inner;
        operate!(this, Write, write_timeout, inner.flush())
    }
}

wait_io!(CoIo<T: AsFd>, |this| {
    // What fails is met again by the wait.
    let _ = this.refresh();
    &this.registered
});

impl<T: AsFd> AsFd for CoIo<T> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.inner.as_fd()
    }
}

impl<T: AsFd> AsRawFd for CoIo<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.inner.as_fd().as_raw_fd()
    }
}

impl<T: AsFd + fmt::Debug> fmt::Debug for CoIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CoIo").field(&self.inner).finish()
    }
}

/// Whether the system can watch the descriptor, asked before it is made nonblocking.
fn check(fd: BorrowedFd<'_>) -> io::Result<()> {
    let poll = mio::Poll::new()?;
    let fd = fd.as_raw_fd();
    let both = Interest::READABLE | Interest::WRITABLE;
    poll.registry().register(&mut SourceFd(&fd), Token(0), both).map_err(|error| {
        // `EPERM` is what Linux says of them, `EINVAL` what macOS says of some.
        if [libc::EPERM, libc::EINVAL].contains(&error.raw_os_error().unwrap_or_default()) {
            let text = format!(
                "the system cannot watch descriptor {fd}: {error}; it is a regular file, a \
                 directory or a device that is always ready; use it inside `mco::blocking`"
            );
            return io::Error::new(io::ErrorKind::Unsupported, text);
        }
        error
    })
}

/// Says what to do if the descriptor is registered with the same worker already.
fn explain(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::EEXIST) {
        let text = "a descriptor is watched through two handles at once; share one `CoIo` by \
                    reference, or duplicate the descriptor (`try_clone`)";
        return io::Error::new(io::ErrorKind::AlreadyExists, text);
    }
    error
}

fn set_nonblocking(fd: BorrowedFd<'_>, nonblocking: bool) -> io::Result<()> {
    let fd = fd.as_raw_fd();
    // SAFETY: an open descriptor, of which only the flags are read and written.
    let flags = unsafe { libc::fcntl(fd, libc::F_GETFL) };
    if flags == -1 {
        return Err(io::Error::last_os_error());
    }
    let wanted = if nonblocking { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
    // SAFETY: as above.
    if wanted != flags && unsafe { libc::fcntl(fd, libc::F_SETFL, wanted) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}
