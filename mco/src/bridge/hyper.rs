//! What hyper asks of a runtime: the traits of its streams, where its futures run, its timers.

use std::fmt;
use std::pin::Pin;
use std::time::{Duration, Instant};

use super::sleep::Sleep;
use crate::clock::Timestamp;
use crate::runtime::Handle;
use crate::{block_on, coroutine};

macro_rules! read {
    ($stream:ty) => {
        impl ::hyper::rt::Read for $stream {
            fn poll_read(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                mut buf: ::hyper::rt::ReadBufCursor<'_>,
            ) -> Poll<io::Result<()>> {
                // SAFETY: what is initialised there stays so (`Room`).
                let memory = unsafe { buf.as_mut() };
                let done = ready!(self.poll_receive(context, &mut Room::of_memory(memory)))?;
                // SAFETY: that is what `poll_receive` has initialised.
                unsafe { buf.advance(done) };
                Poll::Ready(Ok(()))
            }
        }
    };
}

macro_rules! write {
    ($stream:ty) => {
        impl ::hyper::rt::Write for $stream {
            fn poll_write(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                self.poll_transmit(context, buf)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
                bufs: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.poll_transmit_vectored(context, bufs)
            }

            fn is_write_vectored(&self) -> bool {
                true
            }

            fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
                self.poll_deliver(context)
            }

            /// Ends the writing direction. What is left to be read can be read.
            fn poll_shutdown(
                self: Pin<&mut Self>,
                context: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                self.poll_end(context)
            }
        }
    };
}

pub(super) use {read, write};

/// Runs hyper's futures, each in a coroutine of its own, in [`block_on`](crate::block_on()).
///
/// hyper asks for one where a connection has more than one thing to do at once: in HTTP/2, where each
/// request is one, and in clients. So what answers a request may block.
///
/// A future that panics ends its coroutine, and nothing else.
///
/// # Examples
///
/// ```
/// use hyper::rt::Executor as _;
/// use mco::runtime::Executor;
/// use mco::std::sync::channel::unbounded;
///
/// let (sender, receiver) = unbounded();
/// Executor::new().execute(async move { sender.send("done").unwrap() });
/// assert_eq!(receiver.recv(), Ok("done"));
/// ```
#[derive(Clone, Default)]
pub struct Executor {
    /// `None`: whichever runtime the caller is on.
    handle: Option<Handle>,
}

impl Executor {
    /// One that spawns onto the runtime of the coroutine that asks, or the global one.
    #[must_use]
    pub fn new() -> Executor {
        Executor { handle: None }
    }

    /// One that spawns onto this runtime, whoever asks.
    #[must_use]
    pub fn on(handle: Handle) -> Executor {
        Executor { handle: Some(handle) }
    }
}

impl<F> ::hyper::rt::Executor<F> for Executor
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    #[track_caller]
    fn execute(&self, future: F) {
        let run = move || drop(block_on(future));
        drop(match &self.handle {
            Some(handle) => handle.spawn(run),
            None => coroutine::spawn(run),
        });
    }
}

impl fmt::Debug for Executor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Executor").field("handle", &self.handle).finish()
    }
}

/// hyper's timers on mco's. Without one, hyper has no timeouts: a server that sets
/// `header_read_timeout` needs it.
///
/// A sleep costs a place in the timing wheel of a worker while it lasts, and no coroutine. The default
/// timeouts of a protocol are hyper's.
///
/// # Examples
///
/// ```
/// use hyper::rt::Timer as _;
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// mco::block_on(mco::runtime::Timer.sleep(Duration::from_millis(5)));
/// assert!(start.elapsed() >= Duration::from_millis(5));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Timer;

impl Timer {
    /// The timer; there is one for all.
    #[must_use]
    pub fn new() -> Timer {
        Timer
    }
}

/// When hyper's `deadline` is by our clock, which it has asked for the time.
fn moment(deadline: Instant) -> Timestamp {
    let now = Timestamp::now();
    now + deadline.saturating_duration_since(now.to_std())
}

impl ::hyper::rt::Timer for Timer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep::until(Timestamp::after(duration)))
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn ::hyper::rt::Sleep>> {
        Box::pin(Sleep::until(moment(deadline)))
    }

    /// By the runtime's clock, which in a test may be a virtual one.
    fn now(&self) -> Instant {
        Timestamp::now().to_std()
    }

    /// Keeps what has been allocated for `sleep`.
    fn reset(&self, sleep: &mut Pin<Box<dyn ::hyper::rt::Sleep>>, deadline: Instant) {
        match sleep.as_mut().downcast_mut_pin::<Sleep>() {
            Some(sleep) => sleep.get_mut().reset(moment(deadline)),
            None => *sleep = self.sleep_until(deadline),
        }
    }
}

impl ::hyper::rt::Sleep for Sleep {}
