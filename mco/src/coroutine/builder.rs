//! Spawning with a name or a stack size.

use std::panic::Location;

use super::{Coroutine, JoinHandle};
use crate::runtime::global;
use crate::task::TaskRef;

/// Says what a coroutine shall be like before it is spawned.
///
/// # Examples
///
/// ```
/// use mco::coroutine::Builder;
///
/// let small = Builder::new().name("small").stack_size(64 * 1024).spawn(|| {
///     mco::coroutine::current().name().map(str::to_owned)
/// });
/// assert_eq!(small.join().unwrap().as_deref(), Some("small"));
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a builder does nothing until it spawns"]
pub struct Builder {
    name: Option<String>,
    stack_size: Option<usize>,
}

impl Builder {
    /// No name, and a stack of the default size.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// The name, for messages and dumps.
    pub fn name(mut self, name: impl Into<String>) -> Builder {
        self.name = Some(name.into());
        self
    }

    /// The size of the stack, in bytes; at least 64 KiB are given, into which a panic with a backtrace fits. If
    /// so much cannot be mapped, or 0 is asked for, the coroutine does not start, and its `join` returns a
    /// `String` that says why.
    ///
    /// Memory is taken as the stack is used, a page at a time. In a process that locks its memory
    /// (`mlockall` with `MCL_FUTURE`) all of it is taken at once: see
    /// [`Config::set_stack_size`](crate::Config::set_stack_size).
    pub fn stack_size(mut self, bytes: usize) -> Builder {
        self.stack_size = Some(bytes);
        self
    }

    /// Spawns the coroutine. See [`spawn`](super::spawn). [Never waits](crate#what-waits).
    #[track_caller]
    pub fn spawn<F, T>(self, f: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let create = |options| TaskRef::create(f, options);
        JoinHandle::new(self.spawn_task(Location::caller(), create))
    }

    pub(super) fn spawn_task(
        self,
        site: &'static Location<'static>,
        create: impl FnOnce(crate::task::SpawnOptions) -> TaskRef,
    ) -> Coroutine {
        Coroutine::new(global::spawn_current(self.name, self.stack_size, site, create))
    }
}
