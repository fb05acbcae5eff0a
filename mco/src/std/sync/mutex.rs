//! Mutual exclusion.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{Location, RefUnwindSafe, UnwindSafe};
use std::sync::{LockResult, TryLockResult};

use super::guard::{exclusive_guard, fmt_lock};
use super::poison::{Flag, Held};
use crate::task::inspect::LockHolder;
use crate::task::{Reason, spend_budget};
use crate::wait::{RawLock, Wait};

/// A value that one coroutine or thread at a time may use: [`std::sync::Mutex`] that makes a
/// coroutine wait, and not its worker.
///
/// The guard may be held across anything that blocks. Whoever waits gets its turn: one that was
/// overtaken by others for a while is handed the lock.
///
/// The lock is poisoned if a panic unwinds its holder, as in std. It is not poisoned if the holder is
/// cancelled, and a neighbour on the same thread that panics has nothing to do with it. While a
/// coroutine keeps the payload [`Cancelled`](crate::coroutine::Cancelled) that it has caught, its
/// panics poison nothing either.
///
/// # Examples
///
/// ```
/// use mco::std::sync::Mutex;
///
/// let count = Mutex::new(0);
/// mco::coroutine::scope(|s| {
///     for _ in 0..10 {
///         s.spawn(|| *count.lock().unwrap() += 1);
///     }
/// });
/// assert_eq!(count.into_inner().unwrap(), 10);
/// ```
pub struct Mutex<T: ?Sized> {
    lock: RawLock,
    /// For observers. Kept by whoever has the lock.
    holder: LockHolder,
    poison: Flag,
    /// Touched by the holder of the lock, through its guard.
    value: UnsafeCell<T>,
}

// SAFETY: the lock lets one at a time reach the value, on whichever thread.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: it owns the value; what waits in the lock holds no reference to it.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

// After a panic the poison says so.
impl<T: ?Sized> UnwindSafe for Mutex<T> {}
impl<T: ?Sized> RefUnwindSafe for Mutex<T> {}

impl<T> Mutex<T> {
    /// A mutex that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// static NAMES: mco::std::sync::Mutex<Vec<String>> = mco::std::sync::Mutex::new(Vec::new());
    /// NAMES.lock().unwrap().push("a".to_owned());
    /// assert_eq!(NAMES.lock().unwrap().len(), 1);
    /// ```
    #[must_use]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex {
            lock: RawLock::new(),
            holder: LockHolder::new(),
            poison: Flag::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// The value itself.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(mco::std::sync::Mutex::new(1).into_inner().unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        let Mutex { poison, value, .. } = self;
        poison.result(value.into_inner())
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, and waits for it. It is given back when the guard is dropped.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned: a panic has unwound a holder. The error holds the guard.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits. One that locks the mutex again
    /// waits for ever.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = mco::std::sync::Mutex::new(1);
    /// *mutex.lock().unwrap() += 1;
    /// assert_eq!(*mutex.lock().unwrap(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let site = Location::caller();
        spend_budget();
        self.lock_again(|| Wait::new_at(Reason::Mutex, site))
    }

    /// Takes the lock, as part of an operation that has cost budget.
    #[inline]
    pub(super) fn lock_again(&self, wait: impl FnOnce() -> Wait) -> LockResult<MutexGuard<'_, T>> {
        // SAFETY: `self` is borrowed during the call, in which the wait is used.
        self.lock.lock(|| unsafe { wait().of(&self.holder) });
        self.poison.result(self.guard())
    }

    /// Takes the lock if it is free. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](::std::sync::TryLockError::WouldBlock) if it is not, or
    /// [`Poisoned`](::std::sync::TryLockError::Poisoned) with the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = mco::std::sync::Mutex::new(1);
    /// let guard = mutex.try_lock().unwrap();
    /// assert!(mutex.try_lock().is_err());
    /// drop(guard);
    /// assert!(mutex.try_lock().is_ok());
    /// ```
    #[inline]
    pub fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.poison.try_result(self.lock.try_lock().then(|| self.guard()))
    }

    /// Of the lock that the caller has taken.
    #[inline]
    fn guard(&self) -> MutexGuard<'_, T> {
        self.holder.set();
        MutexGuard { mutex: self, held: self.poison.held(), _here: PhantomData }
    }

    /// Whether a panic has unwound a holder. Another thread may change that at any time.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Takes the poison away: the value is in order again.
    ///
    /// # Examples
    ///
    /// ```
    /// let mutex = mco::std::sync::Mutex::new(1);
    /// let panics = || {
    ///     let _guard = mutex.lock();
    ///     panic!("with the lock held");
    /// };
    /// std::panic::catch_unwind(panics).unwrap_err();
    /// let guard = mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    /// mutex.clear_poison();
    /// drop(guard);
    /// assert!(mutex.lock().is_ok());
    /// ```
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The value, without locking: nobody else can reach it.
    ///
    /// # Errors
    ///
    /// If the mutex is poisoned; the error holds the reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut mutex = mco::std::sync::Mutex::new(1);
    /// *mutex.get_mut().unwrap() = 2;
    /// assert_eq!(*mutex.lock().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(self.value.get_mut())
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Mutex<T> {
        Mutex::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Mutex<T> {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_lock(f, "Mutex", self.try_lock(), self.is_poisoned())
    }
}

/// The lock of a [`Mutex`], which is given back when this is dropped.
///
/// It stays on its thread, as a coroutine does:
///
/// ```compile_fail,E0277
/// static MUTEX: mco::std::sync::Mutex<u8> = mco::std::sync::Mutex::new(1);
/// let guard = MUTEX.lock().unwrap();
/// mco::coroutine::spawn(move || drop(guard));
/// ```
///
/// What it holds can be exchanged, so it cannot stand in for what lives shorter:
///
/// ```compile_fail
/// use mco::std::sync::MutexGuard;
///
/// fn shorter<'a, 'b>(guard: MutexGuard<'a, &'static str>) -> MutexGuard<'a, &'b str> {
///     guard
/// }
/// ```
#[must_use = "the lock is given back when the guard is dropped, which is at once if it has no name"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    held: Held,
    /// Not `Send`: whether its holder panics is known on its own thread only.
    _here: PhantomData<*const ()>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    pub(super) fn mutex(&self) -> &'a Mutex<T> {
        self.mutex
    }
}

exclusive_guard!(MutexGuard, mutex, |mutex: &Mutex<T>| {
    mutex.holder.clear();
    mutex.lock.unlock();
});
