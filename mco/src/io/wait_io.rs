//! Waiting for a descriptor, without doing anything with it.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::net::accept::any_registrar;
use crate::reactor::{Direction, Io, IoState, Registered};
use crate::task::Reason;
use crate::wait::Wait;

/// What can be waited for by its descriptor. All sockets of mco can, and what is in a
/// [`CoIo`](super::CoIo).
///
/// There are two ways. [`wait_readable`](WaitIo::wait_readable) and
/// [`wait_writable`](WaitIo::wait_writable) return while the descriptor is ready. To wait for either
/// direction, or to be woken by somebody else too, there are [`reset_io`](WaitIo::reset_io) and
/// [`wait_io`](WaitIo::wait_io), which see events: forget them, try what you want to do, and if it
/// would block, wait for an event since.
///
/// Others may wait for and use the same descriptor meanwhile. So the wait says only that it is worth
/// trying.
///
/// # Examples
///
/// ```
/// use std::io::Write;
/// use mco::io::WaitIo;
/// use mco::os::unix::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// let (near, mut far) = UnixStream::pair()?;
/// mco::coroutine::spawn(move || far.write_all(b"x").unwrap());
/// near.wait_readable(None)?;
/// # Ok(())
/// # }
/// ```
pub trait WaitIo {
    /// Forgets the events until now, for [`wait_io`](WaitIo::wait_io).
    fn reset_io(&self);

    /// Waits for an event since the last [`reset_io`](WaitIo::reset_io): that something has arrived,
    /// that there is room again, that the other end has closed, or a call of the
    /// [waker](WaitIo::waker). May return without one.
    ///
    /// # Errors
    ///
    /// What the system says, if the descriptor cannot be watched.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    fn wait_io(&self) -> io::Result<()>;

    /// What makes [`wait_io`](WaitIo::wait_io) return, from anywhere.
    fn waker(&self) -> WaitIoWaker;

    /// Waits until there is something to read, or the other end has closed. `None`: without limit.
    ///
    /// # Errors
    ///
    /// `TimedOut`, or [what the system says](crate#errors), if the descriptor cannot be watched.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    fn wait_readable(&self, timeout: Option<Duration>) -> io::Result<()>;

    /// Waits until there is room to write, or the other end has closed. `None`: without limit.
    ///
    /// # Errors
    ///
    /// As [`wait_readable`](WaitIo::wait_readable).
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
    fn wait_writable(&self, timeout: Option<Duration>) -> io::Result<()>;
}

/// Makes a [`wait_io`](WaitIo::wait_io) return. It does not keep the descriptor open.
///
/// # Examples
///
/// ```no_run
/// use mco::io::WaitIo;
///
/// # fn main() -> std::io::Result<()> {
/// let socket = mco::net::UdpSocket::bind("127.0.0.1:0")?;
/// let waker = socket.waker();
/// let other = mco::spawn(move || waker.wakeup());
/// socket.wait_io();
/// other.join().unwrap();
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct WaitIoWaker(Arc<IoState>);

impl WaitIoWaker {
    pub(crate) fn new<S: Io>(registered: &Registered<S>) -> WaitIoWaker {
        WaitIoWaker(registered.io_state().clone())
    }

    /// Makes those who are in [`wait_io`](WaitIo::wait_io) return, and the next one that would wait.
    pub fn wakeup(&self) {
        self.0.wake_spuriously();
    }
}

impl fmt::Debug for WaitIoWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitIoWaker").finish_non_exhaustive()
    }
}

#[track_caller]
pub(crate) fn wait_event<S: Io>(registered: &Registered<S>) -> io::Result<()> {
    registered.wait_event(Wait::new(Reason::Read), any_registrar)
}

#[track_caller]
pub(crate) fn wait_ready<S: Io>(
    registered: &Registered<S>,
    direction: Direction,
    timeout: Option<Duration>,
) -> io::Result<()> {
    let (reason, what) = match direction {
        Direction::Read => (Reason::Read, "there was nothing to read"),
        Direction::Write => (Reason::Write, "there was no room to write"),
    };
    let ready =
        registered.wait_ready(direction, Wait::new(reason), || timeout.map(Timestamp::after));
    ready.map_err(|error| match (error.kind(), timeout) {
        (io::ErrorKind::TimedOut, Some(timeout)) => {
            io::Error::new(io::ErrorKind::TimedOut, format!("{what} within {timeout:?}"))
        }
        _ => error,
    })
}

/// Implements `WaitIo` for a type with an `Registered`, which `$evented` returns.
macro_rules! wait_io {
    ($type:ident $(<$T:ident: $bound:path>)?, |$this:ident| $evented:expr) => {
        impl $(<$T: $bound>)? crate::io::WaitIo for $type $(<$T>)? {
            fn reset_io(&self) {
                let $this = self;
                $evented.forget_events();
            }

            #[track_caller]
            fn wait_io(&self) -> std::io::Result<()> {
                let $this = self;
                crate::io::wait_event($evented)
            }

            fn waker(&self) -> crate::io::WaitIoWaker {
                let $this = self;
                crate::io::WaitIoWaker::new($evented)
            }

            #[track_caller]
            fn wait_readable(&self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
                let $this = self;
                crate::io::wait_ready($evented, crate::reactor::Direction::Read, timeout)
            }

            #[track_caller]
            fn wait_writable(&self, timeout: Option<std::time::Duration>) -> std::io::Result<()> {
                let $this = self;
                crate::io::wait_ready($evented, crate::reactor::Direction::Write, timeout)
            }
        }
    };
}

pub(crate) use wait_io;
