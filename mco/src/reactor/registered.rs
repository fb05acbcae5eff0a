//! A nonblocking socket that is used as if it blocked, and the retry loop that all operations go through.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use super::io::Io;
use super::readiness::Snapshot;
use super::{Attempt, Direction, IoState, Registrar, thread_poll};
use crate::clock::Timestamp;
use crate::task::{current, spend_budget};
use crate::wait::{Wait, Waiter};

/// A socket `S` in nonblocking mode, with what the reactor knows about it.
pub(crate) struct Registered<S: Io> {
    /// Where it is registered, once somebody had to wait. Dropped before the socket is closed.
    registration: RwLock<Option<Registration>>,
    io: Shared<S>,
    state: Arc<IoState>,
    /// The user has asked for `WouldBlock` instead of waiting.
    nonblocking: AtomicBool,
}

/// A registration with a reactor. Dropping it deregisters the socket.
struct Registration {
    registrar: Arc<Registrar>,
    key: usize,
    #[cfg(unix)]
    fd: std::os::fd::RawFd,
}

impl Drop for Registration {
    fn drop(&mut self) {
        #[cfg(unix)]
        self.registrar
            .remove(self.key, |registry| registry.deregister(&mut mio::unix::SourceFd(&self.fd)));
        // There the socket leaves by itself when it is closed, and in `move_source`.
        #[cfg(windows)]
        self.registrar.remove(self.key, |_| Ok(()));
    }
}

/// On Unix a registration needs the descriptor only.
#[cfg(unix)]
type Shared<S> = S;
/// On Windows mio writes to the socket when it registers it, hence the lock. It is never held during a wait, so a
/// registration can always take it.
#[cfg(windows)]
type Shared<S> = parking_lot::RwLock<S>;

#[cfg(unix)]
fn shared<S>(io: S) -> Shared<S> {
    io
}

#[cfg(windows)]
fn shared<S>(io: S) -> Shared<S> {
    parking_lot::RwLock::new(io)
}

impl<S: Io> Registered<S> {
    /// `io` must be in nonblocking mode.
    pub(crate) fn new(io: S) -> Registered<S> {
        Registered {
            registration: RwLock::new(None),
            io: shared(io),
            state: Arc::new(IoState::new()),
            nonblocking: AtomicBool::new(false),
        }
    }

    /// Gives the socket back, in nonblocking mode and deregistered.
    pub(crate) fn into_io(self) -> S {
        drop(self.registration);
        #[cfg(unix)]
        return self.io;
        #[cfg(windows)]
        self.io.into_inner()
    }

    /// The socket itself.
    #[cfg(unix)]
    pub(crate) fn io(&self) -> &S {
        &self.io
    }

    pub(crate) fn is_nonblocking(&self) -> bool {
        self.nonblocking.load(Ordering::Relaxed)
    }

    /// Makes operations fail with `WouldBlock` where they would wait, or wait again.
    pub(crate) fn set_nonblocking(&self, nonblocking: bool) {
        self.nonblocking.store(nonblocking, Ordering::Relaxed);
    }

    /// Calls `f` with the socket, for what never blocks.
    #[cfg(unix)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&S) -> R) -> R {
        f(&self.io)
    }

    /// Calls `f` with the socket, for what never blocks.
    #[cfg(windows)]
    pub(crate) fn with<R>(&self, f: impl FnOnce(&S) -> R) -> R {
        f(&self.io.read())
    }

    /// Does `op`. As often as that says `WouldBlock`, waits for `direction` to be ready and repeats it, until the
    /// deadline. `timeout` is asked for the deadline when the first wait begins.
    ///
    /// # Errors
    ///
    /// What `op` fails with, and `TimedOut` at the deadline.
    pub(crate) fn run<R>(
        &self,
        direction: Direction,
        wait: Wait,
        timeout: impl FnOnce() -> Option<Timestamp>,
        op: impl FnMut(&S) -> io::Result<Attempt<R>>,
    ) -> io::Result<R> {
        self.retry(|| self.is_nonblocking(), direction, wait, timeout, op)
    }

    /// As `run`; `impatient` says whether not to wait.
    fn retry<R>(
        &self,
        impatient: impl Fn() -> bool,
        direction: Direction,
        wait: Wait,
        timeout: impl FnOnce() -> Option<Timestamp>,
        mut op: impl FnMut(&S) -> io::Result<Attempt<R>>,
    ) -> io::Result<R> {
        spend_budget();
        // What is remembered is kept up to date by a reactor, for coroutines; a thread just tries.
        let in_thread = current::running().is_none();
        let mut wait = wait;
        let mut timeout = Some(timeout);
        loop {
            let snapshot = self.state.snapshot();
            if snapshot.is_ready(direction) || in_thread || impatient() {
                match self.once(direction, snapshot, &mut op) {
                    Ok(done) => return done,
                    Err(would_block) if impatient() => return Err(would_block),
                    Err(_) => {}
                }
            }
            if let Some(timeout) = timeout.take() {
                wait = wait.until(timeout());
            }
            if !in_thread {
                self.clear(direction, snapshot);
            }
            self.block(direction, &wait)?;
        }
    }

    /// Waits until `direction` may be ready again, once an attempt has said that it is not.
    ///
    /// # Errors
    ///
    /// `TimedOut` at the deadline, or what the system says.
    pub(crate) fn block(&self, direction: Direction, wait: &Wait) -> io::Result<()> {
        let ready = match current::running() {
            None => self.block_thread(&[direction], wait)?,
            Some(_) => {
                wait.check_exit()?;
                self.register()?;
                self.state.wait(direction, wait)
            }
        };
        if ready { Ok(()) } else { Err(timed_out(direction)) }
    }

    /// As [`block`](Registered::block), until either direction may be ready. The error of a timeout is that of a read.
    #[cfg(feature = "tls")]
    pub(crate) fn block_either(&self, wait: &Wait) -> io::Result<()> {
        let ready = match current::running() {
            None => self.block_thread(&[Direction::Read, Direction::Write], wait)?,
            Some(_) => {
                wait.check_exit()?;
                self.register()?;
                self.state.wait_either(wait)
            }
        };
        if ready { Ok(()) } else { Err(timed_out(Direction::Read)) }
    }

    fn block_thread(&self, directions: &[Direction], wait: &Wait) -> io::Result<bool> {
        wait.check_exit()?;
        wait.before().unwind_if_cancelled();
        let ready = self.with(|io| thread_poll::wait(io, directions, wait.limit()))?;
        // A deadline of the caller's: the next look at it unwinds, unless it must not.
        Ok(ready || !wait.has_timed_out())
    }

    /// Does `op` without waiting, for a caller that may hold a lock: it costs no budget, and so neither suspends nor
    /// unwinds.
    ///
    /// # Errors
    ///
    /// What `op` fails with; `WouldBlock` if `direction` is not ready, and then [`block`](Registered::block)
    /// waits for it.
    #[cfg(feature = "tls")]
    pub(crate) fn try_now<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&S) -> io::Result<Attempt<R>>,
    ) -> io::Result<R> {
        let snapshot = self.state.snapshot();
        // A thread does not rely on what is remembered, as in `retry`.
        if !snapshot.is_ready(direction) && snapshot.is_registered() && current::running().is_some()
        {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.once(direction, snapshot, &mut op).unwrap_or_else(|would_block| {
            self.clear(direction, snapshot);
            Err(would_block)
        })
    }

    /// Does `op` once, and clears the readiness that `snapshot` saw if it did less than it was asked for.
    /// `Err`: it would block.
    #[inline]
    fn once<R>(
        &self,
        direction: Direction,
        snapshot: Snapshot,
        op: &mut impl FnMut(&S) -> io::Result<Attempt<R>>,
    ) -> Result<io::Result<R>, io::Error> {
        loop {
            return match self.with(&mut *op) {
                Ok(Attempt::More(result)) => Ok(Ok(result)),
                Ok(Attempt::Partial(result)) => {
                    self.state.readiness().clear_if_open(direction, snapshot);
                    Ok(Ok(result))
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(error),
                Err(error) => Ok(Err(error)),
            };
        }
    }

    /// Does `op`, or, where it would have to wait, has the task of `context` woken when `direction` may be
    /// ready. `elsewhere` as in [`enter`](Registered::enter).
    ///
    /// Never switches, and never unwinds a coroutine that is cancelled: see [`has_budget`](crate::task::has_budget).
    ///
    /// # Errors
    ///
    /// What `op` fails with, but for `WouldBlock`.
    #[cfg(feature = "_bridge")]
    pub(crate) fn poll<R>(
        &self,
        direction: Direction,
        context: &std::task::Context<'_>,
        elsewhere: impl Fn() -> io::Result<Arc<Registrar>>,
        mut op: impl FnMut(&S) -> io::Result<Attempt<R>>,
    ) -> std::task::Poll<io::Result<R>> {
        use std::task::Poll;
        if !crate::task::has_budget() {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        loop {
            let snapshot = self.state.snapshot();
            if snapshot.is_ready(direction) {
                if let Ok(done) = self.once(direction, snapshot, &mut op) {
                    return Poll::Ready(done);
                }
                self.clear(direction, snapshot);
            }
            let task = crate::task::TaskWaiter::for_external_wait(context.waker());
            if self.enter(direction, &Waiter::Task(task), &elsewhere)? {
                return Poll::Pending;
            }
        }
    }

    /// Does `op` if that is possible without waiting.
    ///
    /// # Errors
    ///
    /// What `op` fails with; `WouldBlock` only if the user does not want to wait.
    pub(crate) fn attempt<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&S) -> io::Result<R>,
    ) -> io::Result<Option<R>> {
        let snapshot = self.state.snapshot();
        if !snapshot.is_ready(direction) && snapshot.is_registered() {
            return Ok(None);
        }
        match self.once(direction, snapshot, &mut |io| op(io).map(Attempt::More)) {
            Ok(done) => done.map(Some),
            Err(would_block) if self.is_nonblocking() => Err(would_block),
            Err(_) => {
                self.clear(direction, snapshot);
                Ok(None)
            }
        }
    }

    /// Adds `waiter`, to be woken when `direction` is ready. `false`: it may be ready now, and the waiter was not
    /// added. `elsewhere` supplies a reactor if this is no worker's thread.
    pub(crate) fn enter(
        &self,
        direction: Direction,
        waiter: &Waiter,
        elsewhere: impl FnOnce() -> io::Result<Arc<Registrar>>,
    ) -> io::Result<bool> {
        self.register_with(|| Registrar::local().map_or_else(elsewhere, Ok))?;
        Ok(self.state.readiness().enter(direction, waiter))
    }

    /// Undoes `enter`.
    pub(crate) fn leave(&self, direction: Direction, waiter: &Waiter) {
        self.state.readiness().leave(direction, |list| list.remove(waiter));
    }

    /// Waits until the system says that `direction` is ready, whatever is remembered, and even if the user has asked
    /// not to wait.
    #[cfg(unix)]
    pub(crate) fn wait_ready(
        &self,
        direction: Direction,
        wait: Wait,
        timeout: impl FnOnce() -> Option<Timestamp>,
    ) -> io::Result<()> {
        self.retry(
            || false,
            direction,
            wait,
            timeout,
            |io| match thread_poll::is_ready(io, direction)? {
                true => Ok(Attempt::More(())),
                false => Err(io::ErrorKind::WouldBlock.into()),
            },
        )
    }

    /// From here on, [`wait_event`](Registered::wait_event) waits for an event.
    #[cfg(unix)]
    pub(crate) fn forget_events(&self) {
        self.state.forget_events();
    }

    /// Waits for an event, of either direction, since the last `forget_events`. `elsewhere` as in
    /// [`enter`](Registered::enter).
    #[cfg(unix)]
    pub(crate) fn wait_event(
        &self,
        wait: Wait,
        elsewhere: impl FnOnce() -> io::Result<Arc<Registrar>>,
    ) -> io::Result<()> {
        spend_budget();
        self.register_with(|| Registrar::local().map_or_else(elsewhere, Ok))?;
        self.state.wait_event(&wait);
        Ok(())
    }

    /// What [`wait_event`](Registered::wait_event) can be woken by.
    #[cfg(any(unix, feature = "tls"))]
    pub(crate) fn io_state(&self) -> &Arc<IoState> {
        &self.state
    }

    /// Deregisters the socket, because its descriptor may be replaced.
    #[cfg(unix)]
    pub(crate) fn deregister(&mut self) {
        *self.registration.get_mut() = None;
        self.state.readiness().end();
    }

    /// The attempt that began with this snapshot would have blocked.
    fn clear(&self, direction: Direction, snapshot: Snapshot) {
        self.state.readiness().clear(direction, snapshot);
    }

    /// Registers the socket with the reactor of this worker, unless it is registered. If it is
    /// ready by now, that is reported as its first event.
    fn register(&self) -> io::Result<()> {
        self.register_with(|| Ok(Registrar::local().expect("a coroutine runs on a worker")))
    }

    fn register_with(
        &self,
        registrar: impl FnOnce() -> io::Result<Arc<Registrar>>,
    ) -> io::Result<()> {
        if self.state.snapshot().is_registered() {
            return Ok(());
        }
        let mut registration = self.registration.write();
        if registration.as_ref().is_some_and(|r| r.registrar.is_open_for(&self.state)) {
            return Ok(());
        }
        let registrar = registrar()?;
        // Of a worker that has ended.
        let _before = registration.take();
        #[cfg(unix)]
        let fd = self.io.as_raw_fd();
        let key = registrar.add(self.state.clone(), |registry, token, interest| {
            #[cfg(unix)]
            return registry.register(&mut mio::unix::SourceFd(&fd), token, interest);
            #[cfg(windows)]
            {
                let from = _before.as_ref().map(|before| &before.registrar.registry);
                move_source(&mut *self.io.write(), from, registry, token, interest)
            }
        })?;
        *registration = Some(Registration {
            registrar,
            key,
            #[cfg(unix)]
            fd,
        });
        Ok(())
    }
}

impl<S: Io + fmt::Debug> fmt::Debug for Registered<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.with(|io| io.fmt(f))
    }
}

/// Registers a source of mio's that may have been registered elsewhere: it remembers that, and is refused
/// unless it leaves there first.
#[cfg(any(windows, test))]
fn move_source(
    source: &mut impl mio::event::Source,
    from: Option<&mio::Registry>,
    to: &mio::Registry,
    token: mio::Token,
    interest: mio::Interest,
) -> io::Result<()> {
    if let Some(from) = from {
        // It fails only if the source is not registered there, which is what is wanted.
        let _ = from.deregister(source);
    }
    to.register(source, token, interest)
}

pub(super) fn timed_out(direction: Direction) -> io::Error {
    let message = match direction {
        Direction::Read => "the read timed out; `set_read_timeout` sets the limit",
        Direction::Write => "the write timed out; `set_write_timeout` sets the limit",
    };
    io::Error::new(io::ErrorKind::TimedOut, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As it is where a socket outlives the runtime on which it has waited. mio's sockets remember in builds
    /// with debug assertions, and on Windows always.
    #[test]
    fn a_source_is_registered_anew_when_its_poll_has_ended() {
        let both = mio::Interest::READABLE | mio::Interest::WRITABLE;
        let token = mio::Token(0);
        let mut socket = mio::net::UdpSocket::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let ended = mio::Poll::new().expect("a poll");
        let kept = ended.registry().try_clone().expect("a descriptor");
        move_source(&mut socket, None, ended.registry(), token, both).expect("for the first time");
        drop(ended);

        let mut poll = mio::Poll::new().expect("another");
        #[cfg(debug_assertions)]
        move_source(&mut socket, None, poll.registry(), token, both).expect_err("it remembers");
        move_source(&mut socket, Some(&kept), poll.registry(), token, both).expect("it has left");
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, None).expect("it is writable");
        assert!(events.iter().any(|event| event.token() == token && event.is_writable()));
        // Nothing to leave.
        let mut other = mio::net::UdpSocket::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        move_source(&mut other, Some(&kept), poll.registry(), token, both).expect("as well");
    }
}
