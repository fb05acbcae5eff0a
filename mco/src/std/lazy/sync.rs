//! For coroutines and threads alike.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::OnceLock as Slot;

use crate::std::sync::once::{Failed, OnPanic, OnceLock};
use crate::task::{cancel, spend_budget};
use crate::wait::Spin;

/// A value that is set once and read often: [`std::sync::OnceLock`] under the name that the crate
/// `once_cell` gave it. An initialiser may block, and be waited for without blocking a worker.
///
/// An initialiser that panics or is cancelled leaves the cell empty, and the next one is called.
///
/// # Examples
///
/// ```
/// use mco::std::lazy::sync::OnceCell;
///
/// static NAME: OnceCell<String> = OnceCell::new();
///
/// assert_eq!(NAME.get(), None);
/// assert_eq!(NAME.get_or_init(|| "a".to_owned()), "a");
/// assert_eq!(NAME.set("b".to_owned()), Err("b".to_owned()));
/// ```
pub struct OnceCell<T> {
    once: OnceLock,
    /// Filled by the run that succeeds, so never by two at once.
    value: Slot<T>,
}

impl<T> OnceCell<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> OnceCell<T> {
        OnceCell { once: OnceLock::new(), value: Slot::new() }
    }

    /// One that has its value. [Never waits](crate#what-waits).
    #[must_use]
    pub fn with_value(value: T) -> OnceCell<T> {
        OnceCell { once: OnceLock::done(), value: Slot::from(value) }
    }

    /// The value, if it is there. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = mco::std::lazy::sync::OnceCell::with_value(1);
    /// assert_eq!(cell.get(), Some(&1));
    /// ```
    #[inline]
    #[must_use]
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, if it is there. Nobody else can reach it.
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value. Waits while an initialiser runs.
    /// [May wait](crate#what-waits), unless there is a value; then it [never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If there is a value; the error is the one that was to be set.
    ///
    /// # Panics
    ///
    /// If called by the initialiser. [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = mco::std::lazy::sync::OnceCell::new();
    /// assert_eq!(cell.set(1), Ok(()));
    /// assert_eq!(cell.set(2), Err(2));
    /// ```
    #[track_caller]
    pub fn set(&self, value: T) -> Result<(), T> {
        self.try_insert(value).map(drop).map_err(|(_, value)| value)
    }

    /// As [`set`](OnceCell::set), and gives the value that is there then.
    /// [May wait](crate#what-waits), unless there is a value; then it [never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// As `set`; the error is the value that is there and the one that was to be set.
    ///
    /// # Panics
    ///
    /// As `set`.
    #[track_caller]
    pub fn try_insert(&self, value: T) -> Result<&T, (&T, T)> {
        let mut value = Some(value);
        let there = self.get_or_init(|| value.take().expect("an initialiser is called once"));
        match value {
            None => Ok(there),
            Some(value) => Err((there, value)),
        }
    }

    /// The value, which `f` makes if it is not there. Waits while another one makes it.
    /// [May wait](crate#what-waits), unless there is a value; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// With the panic of `f`; if called by the initialiser. Unwinds if the calling coroutine is
    /// cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = mco::std::lazy::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_init(|| 1), &1);
    /// assert_eq!(cell.get_or_init(|| unreachable!()), &1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_init(&self, f: impl FnOnce() -> T) -> &T {
        enum Never {}
        match self.get_or_try_init(|| Ok::<T, Never>(f())) {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// As [`get_or_init`](OnceCell::get_or_init), for what may fail.
    /// [May wait](crate#what-waits), unless there is a value; then it [never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// That of `f`. The cell stays empty, and the next one is called.
    ///
    /// # Panics
    ///
    /// As `get_or_init`.
    ///
    /// # Examples
    ///
    /// ```
    /// let cell = mco::std::lazy::sync::OnceCell::<u32>::new();
    /// assert!(cell.get_or_try_init(|| "x".parse()).is_err());
    /// assert_eq!(cell.get_or_try_init(|| "1".parse()), Ok(&1));
    /// ```
    #[inline]
    #[track_caller]
    pub fn get_or_try_init<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        match self.get() {
            Some(value) => Ok(value),
            None => self.initialise(f),
        }
    }

    /// The value, which somebody else makes or sets: waits for that. Beside an initialiser that fails it waits for
    /// another one. [May wait](crate#what-waits), unless there is a value; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// If called by the initialiser. [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::lazy::sync::OnceCell;
    ///
    /// static ADDRESS: OnceCell<String> = OnceCell::new();
    ///
    /// let waits = mco::spawn(|| ADDRESS.wait().len());
    /// ADDRESS.set("here".to_owned()).unwrap();
    /// assert_eq!(waits.join().unwrap(), 4);
    /// ```
    #[inline]
    #[track_caller]
    pub fn wait(&self) -> &T {
        loop {
            match self.get() {
                Some(value) => return value,
                // No panic poisons it.
                None => _ = self.once.wait(true),
            }
        }
    }

    #[cold]
    #[track_caller]
    fn initialise<E>(&self, f: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        spend_budget();
        let fill = |_| {
            f().map(|value| {
                let filled = self.value.set(value);
                assert!(filled.is_ok(), "a cell is filled once");
            })
        };
        match self.once.run(OnPanic::Retry, false, fill) {
            Ok(()) => Ok(self.get().expect("the run that succeeded has filled it")),
            Err(Failed::By(error)) => Err(error),
            Err(Failed::Poisoned) => unreachable!("a panic leaves the cell empty"),
        }
    }

    /// The value itself.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(mco::std::lazy::sync::OnceCell::with_value(1).into_inner(), Some(1));
    /// ```
    pub fn into_inner(self) -> Option<T> {
        self.value.into_inner()
    }

    /// Takes the value out. The cell is as new.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut cell = mco::std::lazy::sync::OnceCell::with_value(1);
    /// assert_eq!((cell.take(), cell.get()), (Some(1), None));
    /// ```
    pub fn take(&mut self) -> Option<T> {
        self.once.reset();
        self.value.take()
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> OnceCell<T> {
        OnceCell::new()
    }
}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> OnceCell<T> {
        OnceCell::with_value(value)
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> OnceCell<T> {
        self.get().cloned().map(OnceCell::with_value).unwrap_or_default()
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &OnceCell<T>) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Some(value) => f.debug_tuple("OnceCell").field(value).finish(),
            None => f.write_str("OnceCell(<empty>)"),
        }
    }
}

/// A value that is made when it is first needed: [`std::sync::LazyLock`] whose initialiser may block.
///
/// If the initialiser panics, whoever needs the value panics. It is not cut off by a cancel of the
/// coroutine that happens to run it, for there is no other to call instead: the cancel takes effect
/// at that one's next blocking operation afterwards. So whoever ends a runtime waits for
/// initialisers that run.
///
/// # Examples
///
/// ```
/// use mco::std::lazy::sync::Lazy;
///
/// static WORDS: Lazy<Vec<&str>> = Lazy::new(|| "one two".split(' ').collect());
///
/// assert_eq!(WORDS.len(), 2);
/// ```
pub struct Lazy<T, F = fn() -> T> {
    cell: OnceCell<T>,
    /// Taken by whoever makes the value. `None` and no value: it panicked.
    initialiser: Spin<Option<F>>,
}

impl<T: RefUnwindSafe + UnwindSafe, F: UnwindSafe> RefUnwindSafe for Lazy<T, F> {}

impl<T, F> Lazy<T, F> {
    /// A value that `f` will make.
    #[must_use]
    pub const fn new(f: F) -> Lazy<T, F> {
        Lazy { cell: OnceCell::new(), initialiser: Spin::new(Some(f)) }
    }

    /// The value, if it has been made. [Never waits](crate#what-waits).
    #[must_use]
    pub fn get(this: &Lazy<T, F>) -> Option<&T> {
        this.cell.get()
    }

    /// The value, if it has been made. Nobody else can reach it.
    pub fn get_mut(this: &mut Lazy<T, F>) -> Option<&mut T> {
        this.cell.get_mut()
    }

    /// The value itself.
    ///
    /// # Errors
    ///
    /// If it has not been made; the error is the initialiser.
    ///
    /// # Panics
    ///
    /// If the initialiser has panicked.
    #[track_caller]
    pub fn into_value(this: Lazy<T, F>) -> Result<T, F> {
        let Lazy { cell, initialiser } = this;
        cell.into_inner().ok_or_else(|| initialiser.into_inner().unwrap_or_else(|| poisoned()))
    }
}

impl<T, F: FnOnce() -> T> Lazy<T, F> {
    /// The value, which is made now if it has not been. Waits while another one makes it.
    /// [May wait](crate#what-waits), unless there is a value; then it [never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// With the panic of the initialiser, or if it has panicked before; if called by it. Unwinds if
    /// the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::lazy::sync::Lazy;
    ///
    /// let lazy = Lazy::new(|| 1);
    /// assert_eq!(Lazy::force(&lazy), &1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn force(this: &Lazy<T, F>) -> &T {
        this.cell.get_or_init(|| {
            let initialiser = this.initialiser.lock().take();
            cancel::shield(initialiser.unwrap_or_else(|| poisoned()))
        })
    }

    /// As [`force`](Lazy::force), for one that nobody else can reach.
    ///
    /// # Panics
    ///
    /// As `force`.
    #[track_caller]
    pub fn force_mut(this: &mut Lazy<T, F>) -> &mut T {
        Lazy::force(this);
        this.cell.get_mut().expect("it has been made")
    }
}

#[cold]
#[track_caller]
fn poisoned() -> ! {
    panic!("the initialiser of this `Lazy` has panicked before, so there is no value")
}

impl<T, F: FnOnce() -> T> Deref for Lazy<T, F> {
    type Target = T;

    #[inline]
    #[track_caller]
    fn deref(&self) -> &T {
        Lazy::force(self)
    }
}

impl<T, F: FnOnce() -> T> DerefMut for Lazy<T, F> {
    #[track_caller]
    fn deref_mut(&mut self) -> &mut T {
        Lazy::force_mut(self)
    }
}

impl<T: Default> Default for Lazy<T> {
    fn default() -> Lazy<T> {
        Lazy::new(T::default)
    }
}

impl<T: fmt::Debug, F> fmt::Debug for Lazy<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cell.get() {
            Some(value) => f.debug_tuple("Lazy").field(value).finish(),
            None => f.write_str("Lazy(<not made>)"),
        }
    }
}
