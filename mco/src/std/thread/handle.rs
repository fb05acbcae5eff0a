//! Handles: to a coroutine or a thread, and to a coroutine's result.

use std::fmt;

use crate::coroutine::{self, Coroutine, CoroutineId};

/// A coroutine, or a plain thread: [`std::thread::Thread`].
#[derive(Clone)]
pub struct Thread(Who);

#[derive(Clone)]
enum Who {
    Coroutine(Coroutine),
    Thread(std::thread::Thread),
}

/// The caller. [Never waits](crate#what-waits).
///
/// # Examples
///
/// ```
/// use mco::std::thread;
///
/// let caller = thread::current();
/// let woken = thread::spawn(move || caller.unpark());
/// thread::park();
/// woken.join().unwrap();
/// ```
#[must_use]
pub fn current() -> Thread {
    Thread(match coroutine::try_current() {
        Some(coroutine) => Who::Coroutine(coroutine),
        None => Who::Thread(std::thread::current()),
    })
}

impl Thread {
    pub(super) fn of(coroutine: &Coroutine) -> Thread {
        Thread(Who::Coroutine(coroutine.clone()))
    }

    /// Its number, which no other one in this process ever has.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::thread;
    ///
    /// let other = thread::spawn(|| thread::current().id());
    /// assert_eq!(other.thread().id(), other.join().unwrap());
    /// ```
    #[must_use]
    pub fn id(&self) -> ThreadId {
        ThreadId(match &self.0 {
            Who::Coroutine(coroutine) => Id::Coroutine(coroutine.id()),
            Who::Thread(thread) => Id::Thread(thread.id()),
        })
    }

    /// The name that its [`Builder`](super::Builder) gave it.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::thread;
    ///
    /// let named = thread::Builder::new().name("reader".to_owned()).spawn(|| ()).unwrap();
    /// assert_eq!(named.thread().name(), Some("reader"));
    /// ```
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match &self.0 {
            Who::Coroutine(coroutine) => coroutine.name(),
            Who::Thread(thread) => thread.name(),
        }
    }

    /// Makes its [`park`](super::park) return, the one that it is in or the next one.
    /// [Never waits](crate#what-waits).
    pub fn unpark(&self) {
        match &self.0 {
            Who::Coroutine(coroutine) => coroutine.unpark(),
            Who::Thread(thread) => thread.unpark(),
        }
    }
}

impl fmt::Debug for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Thread");
        debug.field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

/// The number of a coroutine or a thread: [`std::thread::ThreadId`].
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ThreadId(Id);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Id {
    Coroutine(CoroutineId),
    Thread(std::thread::ThreadId),
}

impl fmt::Debug for ThreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Id::Coroutine(id) => f.debug_tuple("ThreadId").field(&id).finish(),
            Id::Thread(id) => id.fmt(f),
        }
    }
}

/// The right to a coroutine's result: [`std::thread::JoinHandle`]. Dropping it lets the coroutine go on alone.
///
/// It turns into a [`coroutine::JoinHandle`], which can do more, and back.
///
/// # Examples
///
/// ```
/// use mco::std::thread;
///
/// let sleeps = thread::spawn(|| thread::sleep(std::time::Duration::from_secs(3600)));
/// let sleeps = mco::coroutine::JoinHandle::from(sleeps);
/// sleeps.cancel();
/// assert!(sleeps.join().is_err());
/// ```
pub struct JoinHandle<T> {
    handle: coroutine::JoinHandle<T>,
    thread: Thread,
}

impl<T> JoinHandle<T> {
    pub(crate) fn handle(&self) -> &coroutine::JoinHandle<T> {
        &self.handle
    }

    /// The coroutine itself.
    #[must_use]
    pub fn thread(&self) -> &Thread {
        &self.thread
    }

    /// Waits for the end of the coroutine and returns its result. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// The payload with which it ended, as in [`coroutine::JoinHandle::join`].
    ///
    /// # Panics
    ///
    /// If a coroutine joins itself. [Unwinds](crate#cancelling) if the calling coroutine is cancelled; the other one
    /// then goes on alone.
    #[track_caller]
    pub fn join(self) -> super::Result<T> {
        self.handle.join()
    }

    /// Whether the coroutine has ended, so that `join` would not wait.
    /// [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }
}

impl<T> From<coroutine::JoinHandle<T>> for JoinHandle<T> {
    fn from(handle: coroutine::JoinHandle<T>) -> JoinHandle<T> {
        let thread = Thread::of(handle.coroutine());
        JoinHandle { handle, thread }
    }
}

impl<T> From<JoinHandle<T>> for coroutine::JoinHandle<T> {
    fn from(handle: JoinHandle<T>) -> coroutine::JoinHandle<T> {
        handle.handle
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").finish_non_exhaustive()
    }
}
