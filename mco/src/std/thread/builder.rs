//! Spawning with a name or a stack size, and without a panic.

use std::io;
use std::panic::Location;

use super::{JoinHandle, Scope, ScopedJoinHandle};
use crate::coroutine;
use crate::runtime::global;

/// Says what a coroutine shall be like before it is spawned: [`std::thread::Builder`].
///
/// # Examples
///
/// ```
/// use mco::std::thread;
///
/// # fn main() -> std::io::Result<()> {
/// let builder = thread::Builder::new().name("small".to_owned()).stack_size(64 * 1024);
/// let small = builder.spawn(|| thread::current().name().map(str::to_owned))?;
/// assert_eq!(small.join().unwrap().as_deref(), Some("small"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder(coroutine::Builder);

impl Builder {
    /// No name, and a stack of the default size.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The name, for messages and dumps.
    pub fn name(self, name: String) -> Builder {
        Builder(self.0.name(name))
    }

    /// The size of the stack, in bytes: see [`coroutine::Builder::stack_size`]. Memory is taken as it is used, so
    /// there is little reason for less than the default.
    pub fn stack_size(self, size: usize) -> Builder {
        Builder(self.0.stack_size(size))
    }

    /// Spawns the coroutine: see [`spawn`](super::spawn). [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the global runtime is needed and cannot start.
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> io::Result<JoinHandle<T>>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        global::start_if_needed()?;
        Ok(self.0.spawn(f).into())
    }

    /// Spawns the coroutine in a scope: see [`Scope::spawn`]. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As [`spawn`](Builder::spawn).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::thread;
    ///
    /// let text = String::from("hello");
    /// let length = thread::scope(|s| {
    ///     let builder = thread::Builder::new().name("measures".to_owned());
    ///     builder.spawn_scoped(s, || text.len()).unwrap().join().unwrap()
    /// });
    /// assert_eq!(length, 5);
    /// ```
    #[track_caller]
    pub fn spawn_scoped<'scope, F, T>(
        self,
        scope: &'scope Scope<'scope, '_>,
        f: F,
    ) -> io::Result<ScopedJoinHandle<'scope, T>>
    where
        F: FnOnce() -> T + Send + 'scope,
        T: Send + 'scope,
    {
        global::start_if_needed()?;
        Ok(scope.spawn_with(self.0, Location::caller(), f))
    }
}
