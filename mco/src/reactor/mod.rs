//! Waiting for sockets: one `mio::Poll` per worker.
//!
//! A socket ([`Registered`]) is registered once, when a coroutine would first block on it: with the reactor of that
//! coroutine's worker, for both directions, edge triggered. Its [`IoState`] remembers what the kernel reports from then
//! on, so that an operation is tried only when it is likely to succeed. Every operation goes through one retry loop,
//! [`Registered::run`].
//!
//! A plain thread waits for a socket in the system's own `poll` call, so that it does not stall because a worker is
//! busy.

mod attempt;
mod io;
mod io_state;
mod readiness;
mod registered;
#[cfg(unix)]
mod retry_backoff;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod sub_ms_wait;
mod thread_poll;

/// What `readiness` builds on, separate so that the models in `tests/loom` can supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering};
}

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Interest, Poll, Token};
use parking_lot::{Mutex, RwLock};

pub(crate) use self::io::Io;
pub(crate) use attempt::{Attempt, Requested, first_nonempty};
pub(crate) use io_state::IoState;
pub(crate) use readiness::Direction;
pub(crate) use registered::Registered;
#[cfg(unix)]
pub(crate) use retry_backoff::retry_with_backoff;

use crate::prefetch::prefetch;
use crate::shrinking::Slab;
use crate::wait::WaiterList;

/// The token of the waker. The token of a socket is its index in the slab.
const WAKER: Token = Token(usize::MAX);

thread_local! {
    /// The registrar of the worker that this thread is.
    static LOCAL: RefCell<Option<Arc<Registrar>>> = const { RefCell::new(None) };
}

/// The half of a reactor that its worker uses: it polls.
pub(crate) struct Reactor {
    poll: Poll,
    events: Events,
    registrar: Arc<Registrar>,
    /// The waiters to be woken for the events of a poll. Empty between two polls.
    woken: Vec<WaiterList>,
}

/// The half of a reactor that any thread may use: it adds sockets, removes them, and interrupts a poll.
pub(crate) struct Registrar {
    /// `None` from the end of the worker on, so that references to the registrar keep no descriptor open.
    open: RwLock<Option<Open>>,
    /// On Windows mio remembers in a socket where it is registered. To register it elsewhere after the worker's end it
    /// has to be deregistered here first.
    #[cfg(windows)]
    registry: mio::Registry,
    /// A dropped socket leaves at once, but an event for it may already have been fetched, and its index be in use
    /// again. The waiter of the other socket is then woken, tries in vain, and waits again.
    sources: Mutex<Slab<Arc<IoState>>>,
}

struct Open {
    registry: mio::Registry,
    waker: mio::Waker,
}

impl Reactor {
    /// # Errors
    ///
    /// The system's, if it is out of descriptors.
    pub(crate) fn new() -> std::io::Result<Reactor> {
        let poll = Poll::new()?;
        let open = Open {
            registry: poll.registry().try_clone()?,
            waker: mio::Waker::new(poll.registry(), WAKER)?,
        };
        let registrar = Registrar {
            open: RwLock::new(Some(open)),
            #[cfg(windows)]
            registry: poll.registry().try_clone()?,
            sources: Mutex::new(Slab::new()),
        };
        let registrar = Arc::new(registrar);
        let events = Events::with_capacity(1024);
        Ok(Reactor { poll, events, registrar, woken: Vec::new() })
    }

    pub(crate) fn registrar(&self) -> &Arc<Registrar> {
        &self.registrar
    }

    /// Makes this the reactor of the current thread.
    pub(crate) fn enter(&self) {
        LOCAL.set(Some(self.registrar.clone()));
    }

    /// Waits for events, at most for `timeout`, and wakes their waiters. May return earlier: the system counts in
    /// milliseconds, so a first call waits for whole ones, and the next one for the rest.
    pub(crate) fn poll(&mut self, timeout: Option<Duration>) {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let timeout = match timeout {
            None | Some(Duration::ZERO) => timeout,
            Some(short) if short.as_millis() == 0 => {
                if !sub_ms_wait::wait(&self.poll, short) {
                    return;
                }
                Some(Duration::ZERO)
            }
            Some(long) => Some(Duration::from_millis(long.as_millis() as u64)),
        };
        match self.poll.poll(&mut self.events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => return,
            Err(error) => panic!("mco: the reactor cannot poll: {error}"),
        }
        if self.events.is_empty() {
            return;
        }
        self.dispatch();
    }

    /// Wakes those who wait for the events that the last poll has brought.
    ///
    /// With many sockets, the state and the waiters of each lie outside the cache. So the next ones are fetched while
    /// one is processed, and all are processed before the first waiter is woken.
    fn dispatch(&mut self) {
        const AHEAD: usize = 4;
        let sources = self.registrar.sources.lock();
        let mut ahead = self.events.iter();
        let mut fetch = || {
            if let Some(source) = ahead.next().and_then(|event| sources.get(event.token().0)) {
                prefetch(Arc::as_ptr(source).cast(), 1);
            }
        };
        (0..AHEAD).for_each(|_| fetch());
        for event in &self.events {
            fetch();
            if let Some(source) = sources.get(event.token().0) {
                source.dispatch(event, |waiters| {
                    waiters.prefetch();
                    self.woken.push(waiters);
                });
            }
        }
        drop(sources);
        // Without the lock: a waker may drop a socket.
        self.woken.drain(..).for_each(WaiterList::wake_all);
    }
}

impl Registrar {
    /// That of the current worker.
    fn local() -> Option<Arc<Registrar>> {
        LOCAL.with_borrow(Clone::clone)
    }

    /// Interrupts the poll that the worker is in, or the next one.
    pub(crate) fn wake(&self) {
        if let Some(open) = &*self.open.read() {
            open.waker.wake().expect("mco: a worker's waker cannot be written to");
        }
    }

    /// For a socket that is registered here: whether the worker still polls, so that the socket's state is kept up to
    /// date.
    fn is_open_for(&self, source: &IoState) -> bool {
        // Held meanwhile: the worker's end clears what this sets.
        let open = self.open.read();
        if open.is_some() {
            source.readiness().begin();
        }
        open.is_some()
    }

    /// Adds a socket. `register` is given what to pass to mio.
    fn add(
        &self,
        source: Arc<IoState>,
        register: impl FnOnce(&mio::Registry, Token, Interest) -> std::io::Result<()>,
    ) -> std::io::Result<usize> {
        let open = self.open.read();
        let open = open.as_ref().expect("the worker that enters a source polls");
        source.readiness().begin();
        let key = self.sources.lock().insert(source);
        let both = Interest::READABLE | Interest::WRITABLE;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        let both = both | Interest::PRIORITY;
        register(&open.registry, Token(key), both).inspect_err(|_| {
            self.sources.lock().remove(key).readiness().end();
        })?;
        Ok(key)
    }

    fn remove(&self, key: usize, deregister: impl FnOnce(&mio::Registry) -> std::io::Result<()>) {
        if let Some(open) = &*self.open.read() {
            // It fails only if the descriptor is not registered, which is what is wanted.
            let _ = deregister(&open.registry);
            let source = self.sources.lock().remove(key);
            drop(source);
        }
    }
}

impl Reactor {
    /// To be called at the end of the worker. Sockets outlive it: who waits for one on another worker tries again, and
    /// registers it there.
    pub(crate) fn close(&mut self) {
        // In the thread's last moments it may be gone.
        let _ = LOCAL.try_with(|local| local.take());
        *self.registrar.open.write() = None;
        let sources = std::mem::take(&mut *self.registrar.sources.lock());
        for source in sources.into_values() {
            source.readiness().end();
        }
    }
}

impl Drop for Reactor {
    /// Also closes the reactor of a worker whose thread could not be started.
    fn drop(&mut self) {
        self.close();
    }
}
