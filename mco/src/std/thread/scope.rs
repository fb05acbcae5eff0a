//! Coroutines that borrow, with handles that name a [`Thread`].

#![allow(unsafe_code)]

use std::fmt;
use std::panic::Location;
use std::ptr;

use super::Thread;
use crate::coroutine;

/// Spawns coroutines that may borrow from the caller: [`std::thread::Scope`]. See [`scope`].
// Transparent: a reference to what it wraps is turned into one to it.
#[repr(transparent)]
pub struct Scope<'scope, 'env>(coroutine::Scope<'scope, 'env>);

/// Runs `f`, which may spawn coroutines that borrow, and returns when all of them have ended: see
/// [`coroutine::scope`](crate::coroutine::scope()). [May wait](crate#what-waits).
///
/// # Panics
///
/// With the panic of `f`, or if a child has panicked that was not joined.
///
/// # Examples
///
/// ```
/// use mco::std::thread;
///
/// let mut words = Vec::new();
/// let text = String::from("one two three");
/// thread::scope(|s| {
///     let length = s.spawn(|| text.len());
///     s.spawn(|| words.extend(text.split(' ')));
///     assert_eq!(length.join().unwrap(), 13);
/// });
/// assert_eq!(words.len(), 3);
/// ```
#[track_caller]
pub fn scope<'env, F, T>(f: F) -> T
where
    F: for<'scope> FnOnce(&'scope Scope<'scope, 'env>) -> T,
{
    coroutine::scope(|scope| f(Scope::of(scope)))
}

impl<'scope, 'env> Scope<'scope, 'env> {
    fn of<'a>(scope: &'a coroutine::Scope<'scope, 'env>) -> &'a Scope<'scope, 'env> {
        // SAFETY: it has the layout of its only field, and the lifetimes are the same.
        unsafe { &*ptr::from_ref(scope).cast::<Scope<'scope, 'env>>() }
    }

    /// Spawns a coroutine that may borrow what outlives the scope. [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If the global runtime is needed and cannot start.
    #[track_caller]
    pub fn spawn<F, T>(&'scope self, f: F) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        self.spawn_with(coroutine::Builder::new(), Location::caller(), f)
    }

    pub(super) fn spawn_with<F, T>(
        &'scope self,
        builder: coroutine::Builder,
        site: &'static Location<'static>,
        f: F,
    ) -> ScopedJoinHandle<'scope, T>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        let handle = self.0.spawn_with(builder, site, f);
        let thread = Thread::of(handle.coroutine());
        ScopedJoinHandle { handle, thread }
    }
}

impl fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The right to the result of a scoped coroutine: [`std::thread::ScopedJoinHandle`].
pub struct ScopedJoinHandle<'scope, T> {
    handle: coroutine::ScopedJoinHandle<'scope, T>,
    thread: Thread,
}

impl<'scope, T> ScopedJoinHandle<'scope, T> {
    pub(crate) fn handle(&self) -> &coroutine::ScopedJoinHandle<'scope, T> {
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
    /// If a coroutine joins itself. [Unwinds](crate#cancelling) if the calling coroutine is cancelled.
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

impl<T> fmt::Debug for ScopedJoinHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinHandle").finish_non_exhaustive()
    }
}
