//! Connections that are used again.

use std::error::Error as StdError;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::std::sync::Semaphore;
use crate::std::thread;
use crate::std::time::Instant;

/// Connections that are used again and again, no more than so many at once.
///
/// Who asks for one while all are in use waits, first come, first served. Of those that are idle the one that was
/// used last comes first. One whose holder is unwound, by a panic or a cancel, may be in the middle of something, and is
/// dropped.
///
/// # Examples
///
/// ```
/// use mco::net::{TcpListener, TcpStream};
/// use mco::std::pool::ConnectionPool;
/// use std::io::{Read, Write};
/// use std::time::Duration;
///
/// # fn main() -> std::io::Result<()> {
/// let listener = TcpListener::bind("127.0.0.1:0")?;
/// let addr = listener.local_addr()?;
/// mco::spawn(move || {
///     for mut stream in listener.incoming().flatten() {
///         mco::spawn(move || std::io::copy(&mut stream.try_clone()?, &mut stream));
///     }
/// });
///
/// let pool = ConnectionPool::new(4, move || TcpStream::connect(addr))
///     .max_wait(Duration::from_secs(5))
///     .check(|stream| matches!(stream.take_error(), Ok(None)));
/// mco::scope(|s| {
///     for n in 0..100u8 {
///         let pool = &pool;
///         s.spawn(move || {
///             let mut stream = pool.get().unwrap();
///             stream.write_all(&[n]).unwrap();
///             let mut answer = [0];
///             stream.read_exact(&mut answer).unwrap();
///             assert_eq!(answer, [n]);
///         });
///     }
/// });
/// assert!(pool.size() <= 4);
/// # Ok(())
/// # }
/// ```
pub struct ConnectionPool<C, E = std::io::Error> {
    shared: Arc<Shared<C>>,
    settings: Settings<C, E>,
}

/// What all handles of a pool, and the connections in use, have in common.
struct Shared<C> {
    /// How many connections more may be in use.
    free: Semaphore,
    max: usize,
    /// The one that was used last is the last. Connections are dropped, checked and made outside of the lock: that is
    /// user code, which may wait.
    idle: Mutex<Vec<Idle<C>>>,
    max_idle: Mutex<Option<usize>>,
}

struct Idle<C> {
    connection: C,
    since: Instant,
}

type Check<C> = Arc<dyn Fn(&mut C) -> bool + Send + Sync>;

struct Settings<C, E> {
    connect: Arc<dyn Fn() -> Result<C, E> + Send + Sync>,
    check: Option<Check<C>>,
    max_wait: Option<Duration>,
    idle_timeout: Option<Duration>,
}

/// Gives the right to a connection back when it is dropped.
struct Permit<C>(Arc<Shared<C>>);

impl<C> Drop for Permit<C> {
    fn drop(&mut self) {
        self.0.free.post();
    }
}

impl<C, E> ConnectionPool<C, E> {
    /// A pool of `max` connections at most, which `connect` makes when they are needed.
    ///
    /// # Panics
    ///
    /// If `max` is 0.
    #[track_caller]
    pub fn new<F>(max: usize, connect: F) -> ConnectionPool<C, E>
    where
        F: Fn() -> Result<C, E> + Send + Sync + 'static,
    {
        assert!(max > 0, "a pool of no connections would never have one");
        let shared = Shared {
            free: Semaphore::new(max),
            max,
            idle: Mutex::new(Vec::new()),
            max_idle: Mutex::new(None),
        };
        let connect = Arc::new(connect);
        let settings = Settings { connect, check: None, max_wait: None, idle_timeout: None };
        ConnectionPool { shared: Arc::new(shared), settings }
    }

    /// Limits how long [`get`](ConnectionPool::get) waits for a connection that is in use. How long connecting takes is
    /// up to `connect`.
    #[must_use]
    pub fn max_wait(mut self, max_wait: Duration) -> ConnectionPool<C, E> {
        self.settings.max_wait = Some(max_wait);
        self
    }

    /// Has `check` say of each connection that was idle whether it is still good. One that is not is dropped.
    #[must_use]
    pub fn check<F>(mut self, check: F) -> ConnectionPool<C, E>
    where
        F: Fn(&mut C) -> bool + Send + Sync + 'static,
    {
        self.settings.check = Some(Arc::new(check));
        self
    }

    /// Drops connections that have been idle for that long, when a connection is asked for.
    #[must_use]
    pub fn idle_timeout(mut self, idle_timeout: Duration) -> ConnectionPool<C, E> {
        self.settings.idle_timeout = Some(idle_timeout);
        self
    }

    /// Keeps so many idle connections at most: one that is given back beyond that is dropped.
    #[must_use]
    pub fn max_idle(self, max_idle: usize) -> ConnectionPool<C, E> {
        *self.shared.max_idle.lock() = Some(max_idle);
        self
    }

    /// A connection: one that was idle, or a new one. Waits while all are in use. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Timeout`](PoolError::Timeout), or [`Connect`](PoolError::Connect) with the error of `connect`.
    ///
    /// # Panics
    ///
    /// With the panic of `connect` or of the check. Unwinds if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn get(&self) -> Result<Pooled<C>, PoolError<E>> {
        match self.settings.max_wait {
            None => self.shared.free.wait(),
            Some(max_wait) if self.shared.free.wait_timeout(max_wait) => {}
            Some(max_wait) => return Err(PoolError::Timeout(max_wait)),
        }
        self.connection().map_err(PoolError::Connect)
    }

    /// As [`get`](ConnectionPool::get), if not all connections are in use; `None` if they are.
    ///
    /// # Errors
    ///
    /// The error of `connect`.
    ///
    /// # Panics
    ///
    /// With the panic of `connect` or of the check.
    pub fn try_get(&self) -> Result<Option<Pooled<C>>, E> {
        if self.shared.free.try_wait() { self.connection().map(Some) } else { Ok(None) }
    }

    /// By one that has taken a permit.
    fn connection(&self) -> Result<Pooled<C>, E> {
        let permit = Permit(self.shared.clone());
        drop(self.outdated());
        // In a statement of its own: the lock is free when the connection is checked.
        while let Some(idle) = self.pop() {
            let mut connection = idle.connection;
            if self.settings.check.as_ref().is_none_or(|check| check(&mut connection)) {
                return Ok(Pooled { connection: Some(connection), permit });
            }
        }
        let connection = (self.settings.connect)()?;
        Ok(Pooled { connection: Some(connection), permit })
    }

    fn pop(&self) -> Option<Idle<C>> {
        self.shared.idle.lock().pop()
    }

    /// Takes those out that have been idle for too long.
    fn outdated(&self) -> Vec<Idle<C>> {
        let Some(limit) = self.settings.idle_timeout else { return Vec::new() };
        let now = Instant::now();
        let mut idle = self.shared.idle.lock();
        // The one that was given back first is the first.
        let count = idle.iter().take_while(|idle| now.duration_since(idle.since) >= limit).count();
        idle.drain(..count).collect()
    }

    /// How many connections there are now, idle or in use.
    #[must_use]
    pub fn size(&self) -> usize {
        self.in_use() + self.idle()
    }

    /// How many connections are in use now, or being made.
    #[must_use]
    pub fn in_use(&self) -> usize {
        self.shared.max - self.shared.free.get_value().min(self.shared.max)
    }

    /// How many connections are idle now.
    #[must_use]
    pub fn idle(&self) -> usize {
        self.shared.idle.lock().len()
    }

    /// Drops the connections that are idle now, for example since the server has gone.
    pub fn clear(&self) {
        let idle = std::mem::take(&mut *self.shared.idle.lock());
        drop(idle);
    }
}

/// Another handle to the same pool.
impl<C, E> Clone for ConnectionPool<C, E> {
    fn clone(&self) -> ConnectionPool<C, E> {
        let Settings { connect, check, max_wait, idle_timeout } = &self.settings;
        let settings = Settings {
            connect: connect.clone(),
            check: check.clone(),
            max_wait: *max_wait,
            idle_timeout: *idle_timeout,
        };
        ConnectionPool { shared: self.shared.clone(), settings }
    }
}

impl<C, E> fmt::Debug for ConnectionPool<C, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ConnectionPool");
        debug.field("max", &self.shared.max).field("in_use", &self.in_use());
        debug.field("idle", &self.idle()).finish_non_exhaustive()
    }
}

/// A connection of a [`ConnectionPool`], which has it again when this is dropped.
///
/// # Examples
///
/// ```
/// use mco::std::pool::ConnectionPool;
///
/// let pool = ConnectionPool::<Vec<u8>, std::io::Error>::new(1, || Ok(Vec::new()));
/// let mut connection = pool.get().unwrap();
/// connection.push(1);
/// drop(connection);
/// assert_eq!(**pool.get().unwrap(), [1]);
/// ```
#[must_use = "the connection goes back to its pool when this is dropped"]
pub struct Pooled<C> {
    /// `None` once it has been taken out.
    connection: Option<C>,
    /// Dropped after the connection is back.
    permit: Permit<C>,
}

impl<C> Pooled<C> {
    /// Drops the connection instead of giving it back: it is of no use any more.
    pub fn discard(mut self) {
        drop(self.connection.take());
    }

    /// The connection itself, which is not the pool's any more.
    #[must_use]
    pub fn into_inner(mut self) -> C {
        self.connection.take().expect("it has been there all the time")
    }
}

impl<C> Deref for Pooled<C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection.as_ref().expect("it is there until this is dropped")
    }
}

impl<C> DerefMut for Pooled<C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection.as_mut().expect("it is there until this is dropped")
    }
}

impl<C> Drop for Pooled<C> {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let shared = &self.permit.0;
        let max_idle = *shared.max_idle.lock();
        let idle = Idle { connection, since: Instant::now() };
        let too_many = {
            let mut all = shared.idle.lock();
            if thread::panicking() || max_idle.is_some_and(|max| all.len() >= max) {
                Some(idle)
            } else {
                all.push(idle);
                None
            }
        };
        // Without the lock.
        drop(too_many);
    }
}

impl<C: fmt::Debug> fmt::Debug for Pooled<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pooled").field(&**self).finish()
    }
}

/// Why there is no connection.
///
/// # Examples
///
/// ```
/// use mco::std::pool::{ConnectionPool, PoolError};
/// use std::time::Duration;
///
/// let wait = Duration::from_millis(5);
/// let pool = ConnectionPool::<(), std::io::Error>::new(1, || Ok(())).max_wait(wait);
/// let only = pool.get().unwrap();
/// assert!(matches!(pool.get(), Err(PoolError::Timeout(waited)) if waited == wait));
/// drop(only);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolError<E> {
    /// All connections were in use for that long.
    Timeout(Duration),
    /// No connection could be made.
    Connect(E),
}

impl<E> fmt::Display for PoolError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PoolError::Timeout(limit) => write!(
                f,
                "all connections of the pool were in use for {limit:?}; allow more, or wait longer"
            ),
            PoolError::Connect(_) => f.write_str("no connection for the pool"),
        }
    }
}

impl<E: StdError + 'static> StdError for PoolError<E> {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            PoolError::Timeout(_) => None,
            PoolError::Connect(error) => Some(error),
        }
    }
}
