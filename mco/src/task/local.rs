//! Coroutine-local values: what `thread_local!` is to threads.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::current;
use super::locals::{BoundValues, Found, Locals};

/// A value of which each coroutine has its own; declared with
/// [`coroutine_local!`](crate::coroutine_local).
///
/// Outside a coroutine it is the thread's. Coroutines of one worker share what `thread_local!`
/// declares, so state that belongs to one of them goes here. The value is made on first use and
/// dropped when its coroutine ends; it need not be `Send`, since a coroutine never changes its
/// thread.
pub struct LocalKey<T: 'static> {
    init: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(init: fn() -> T) -> LocalKey<T> {
        LocalKey { init }
    }

    /// Calls `f` with the value of the current coroutine, or of the thread outside one.
    ///
    /// # Panics
    ///
    /// If the value has been destroyed, or cannot be made any more: see [`try_with`](LocalKey::try_with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// mco::coroutine_local! {
    ///     static DEPTH: Cell<u32> = Cell::new(0);
    /// }
    ///
    /// DEPTH.with(|depth| depth.set(7));
    /// let other = mco::coroutine::spawn(|| DEPTH.with(Cell::get));
    /// assert_eq!(other.join().unwrap(), 0);
    /// assert_eq!(DEPTH.with(Cell::get), 7);
    /// ```
    #[track_caller]
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        match self.try_with(f) {
            Ok(result) => result,
            Err(error) => no_access(error),
        }
    }

    /// As [`with`](LocalKey::with), for destructors, which may run when the value is gone.
    ///
    /// When a coroutine ends, its values are destroyed, the youngest first. Their destructors may use the
    /// others, and have new ones made by keys that the coroutine has not used yet.
    ///
    /// # Errors
    ///
    /// [`AccessError`] if the value has been destroyed or is being so, or if it would have to be made after
    /// all values of the coroutine or thread have been.
    ///
    /// # Examples
    ///
    /// ```
    /// mco::coroutine_local! {
    ///     static LOG: Log = Log(String::new());
    /// }
    ///
    /// struct Log(String);
    ///
    /// impl Drop for Log {
    ///     fn drop(&mut self) {
    ///         assert!(LOG.try_with(|log| log.0.len()).is_err());
    ///     }
    /// }
    ///
    /// mco::coroutine::spawn(|| LOG.with(|log| assert!(log.0.is_empty()))).join().unwrap();
    /// ```
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        self.try_with_or(self.init, f)
    }

    /// As `try_with`; the value is what `init` returns if there is none.
    fn try_with_or<R>(
        &'static self,
        init: impl FnOnce() -> T,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, AccessError> {
        let value = match with_table(|table| table.get(self.id())).ok_or(AccessError)? {
            Found::Made(value) => value.downcast().expect("a key has one type"),
            Found::Bound(value) => {
                return Ok(f(value.downcast_ref().expect("a key has one type")));
            }
            Found::Destroyed => return Err(AccessError),
            Found::Nothing => {
                // Not under a borrow of the table: it may use other keys, and even suspend.
                let value = Rc::new(init());
                let made: Rc<dyn Any> = value.clone();
                with_table(|table| table.insert(self.id(), made)).ok_or(AccessError)?;
                value
            }
        };
        Ok(f(&value))
    }

    /// Has the value be `T::from(content)` if there is none, or else calls `f` with it and the content.
    #[track_caller]
    fn set_by<C>(&'static self, content: C, f: impl FnOnce(&T, C))
    where
        T: From<C>,
    {
        let content = Cell::new(Some(content));
        let init = || T::from(content.take().expect("it is taken once"));
        let set = self.try_with_or(init, |value| {
            if let Some(content) = content.take() {
                f(value, content);
            }
        });
        set.unwrap_or_else(|error| no_access(error));
    }

    /// Calls `f`, during which the key has this value here, and in the coroutines of a
    /// [`scope`](crate::coroutine::scope()), a [`group`](crate::coroutine::group()) or a [`join!`](crate::join) that are
    /// spawned meanwhile, from their beginning to their end: what Java calls a scoped value. A bare `go!` does not
    /// pass it on.
    ///
    /// All of them share the one value. After `f` the key has the value that it had before, also if `f` panics.
    ///
    /// # Panics
    ///
    /// With the panic of `f`.
    ///
    /// # Examples
    ///
    /// ```
    /// mco::coroutine_local! {
    ///     static REQUEST: u64 = 0;
    /// }
    ///
    /// let seen = REQUEST.bind(7, || {
    ///     mco::coroutine::scope(|s| s.spawn(|| REQUEST.with(|id| *id)).join().unwrap())
    /// });
    /// assert_eq!(seen, 7);
    /// assert_eq!(REQUEST.with(|id| *id), 0);
    /// ```
    pub fn bind<R>(&'static self, value: T, f: impl FnOnce() -> R) -> R
    where
        T: Send + Sync,
    {
        struct Unbind(u64);
        impl Drop for Unbind {
            fn drop(&mut self) {
                drop(with_table(|table| table.unbind(self.0)));
            }
        }
        static NUMBERS: AtomicU64 = AtomicU64::new(1);
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let value = Arc::new(value);
        with_table(|table| table.bind(number, self.id(), value));
        let _bound = Unbind(number);
        f()
    }

    /// A key is a static, so its address names it.
    fn id(&'static self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}

#[cold]
#[track_caller]
fn no_access(error: AccessError) -> ! {
    panic!("a coroutine-local value cannot be used: {error}")
}

/// What std's keys have for such values. Each panics as [`with`](LocalKey::with) does.
impl<T: 'static> LocalKey<Cell<T>> {
    /// Puts a value in. If there was none yet, the initialiser is not called.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::Cell;
    ///
    /// mco::coroutine_local! {
    ///     static LEVEL: Cell<u32> = panic!("it is set before it is read");
    /// }
    ///
    /// LEVEL.set(1);
    /// assert_eq!(LEVEL.get(), 1);
    /// ```
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.set_by(value, Cell::set);
    }

    /// A copy of the value.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Takes the value, and leaves the default one.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(Cell::take)
    }

    /// Puts a value in, and returns the one that was there.
    ///
    /// # Panics
    ///
    /// As [`with`](LocalKey::with).
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

/// What std's keys have for such values. Each panics as [`with`](LocalKey::with) does.
impl<T: 'static> LocalKey<RefCell<T>> {
    /// Calls `f` with the value borrowed.
    ///
    /// # Panics
    ///
    /// If it is borrowed mutably, and as [`with`](LocalKey::with).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::cell::RefCell;
    ///
    /// mco::coroutine_local! {
    ///     static NAMES: RefCell<Vec<&'static str>> = RefCell::new(Vec::new());
    /// }
    ///
    /// NAMES.with_borrow_mut(|names| names.push("a"));
    /// assert_eq!(NAMES.with_borrow(Vec::len), 1);
    /// assert_eq!(NAMES.take(), ["a"]);
    /// ```
    #[track_caller]
    pub fn with_borrow<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.with(|cell| f(&cell.borrow()))
    }

    /// Calls `f` with the value borrowed mutably.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](LocalKey::with).
    #[track_caller]
    pub fn with_borrow_mut<R>(&'static self, f: impl FnOnce(&mut T) -> R) -> R {
        self.with(|cell| f(&mut cell.borrow_mut()))
    }

    /// Puts a value in. If there was none yet, the initialiser is not called.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](LocalKey::with).
    #[track_caller]
    pub fn set(&'static self, value: T) {
        self.set_by(value, |cell, value| drop(cell.replace(value)));
    }

    /// Takes the value, and leaves the default one.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](LocalKey::with).
    #[track_caller]
    pub fn take(&'static self) -> T
    where
        T: Default,
    {
        self.with(RefCell::take)
    }

    /// Puts a value in, and returns the one that was there.
    ///
    /// # Panics
    ///
    /// If it is borrowed, and as [`with`](LocalKey::with).
    #[track_caller]
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

/// Declares [`LocalKey`]s, in the form of `thread_local!`.
///
/// ```
/// use std::cell::RefCell;
///
/// mco::coroutine_local! {
///     /// Who asked.
///     pub static USER: RefCell<String> = RefCell::new(String::from("nobody"));
///     static RETRIES: u32 = 3
/// }
///
/// USER.with(|user| user.borrow_mut().push_str(", yet"));
/// assert_eq!(RETRIES.with(|n| *n), 3);
/// ```
#[macro_export]
macro_rules! coroutine_local {
    () => {};
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr) => {
        $(#[$attr])*
        $vis static $name: $crate::LocalKey<$t> = $crate::LocalKey::new(|| $init);
    };
    ($(#[$attr:meta])* $vis:vis static $name:ident : $t:ty = $init:expr ; $($rest:tt)*) => {
        $crate::coroutine_local!($(#[$attr])* $vis static $name: $t = $init);
        $crate::coroutine_local!($($rest)*);
    };
}

/// A coroutine-local value has been destroyed: see [`LocalKey::try_with`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessError;

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it has been destroyed, as its coroutine or thread comes to its end")
    }
}

impl std::error::Error for AccessError {}

/// What the caller has bound, for a coroutine of a scope that it spawns.
#[inline]
pub(crate) fn bound_values() -> Option<BoundValues> {
    with_table(|table| table.bound()).flatten()
}

/// Gives access to the values of the calling coroutine or thread. `None`: all have been destroyed, and none
/// is made any more.
fn with_table<R>(f: impl FnOnce(&mut Locals) -> R) -> Option<R> {
    match current::running() {
        Some(running) => {
            running.with_home_only(|own| (!own.locals_gone).then(|| f(&mut own.locals)))
        }
        None => with_table_of_thread(f),
    }
}

fn with_table_of_thread<R>(f: impl FnOnce(&mut Locals) -> R) -> Option<R> {
    /// Destroys the thread's values at its end.
    struct Guard;
    impl Drop for Guard {
        fn drop(&mut self) {
            while let Some(value) = OF_THREAD.with(|table| table.borrow_mut().pop()) {
                drop(value);
            }
            GONE.set(true);
        }
    }
    thread_local! {
        /// No destructor: those of the values may still look at it.
        static OF_THREAD: ManuallyDrop<RefCell<Locals>> = const { ManuallyDrop::new(RefCell::new(Locals::new())) };
        static GUARD: Guard = const { Guard };
        static GONE: Cell<bool> = const { Cell::new(false) };
    }
    if GONE.get() {
        return None;
    }
    // Fails while the values are being destroyed, when it is not needed any more.
    let _ = GUARD.try_with(|_| ());
    Some(OF_THREAD.with(|table| f(&mut table.borrow_mut())))
}
