//! Many readers or one writer.

#![allow(unsafe_code)]

// # The protocol
//
// Everything is under one `Spin`. A reader comes in unless there is a writer, inside or waiting. A writer comes in if
// nobody is inside. The lock is handed over: the last reader hands it to the first writer, and a writer hands it to all
// the readers that wait, or else to the next writer. So neither kind starves the other: a writer waits for the readers
// before it, and a reader for one writer.
//
// Readers may have waited for a writer that gives up, so that writer lets them in.

use std::cell::UnsafeCell;
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::ptr::NonNull;
use std::sync::{LockResult, TryLockResult};

use super::guard::{exclusive_guard, fmt_lock};
use super::poison::{Flag, Held};
use crate::std::defer;
use crate::task::inspect::LockHolder;
use crate::task::{Reason, spend_budget};
use crate::wait::{Outcome, Queue, Spin, Wait, WaitNode, Wakeup, Wakeups};

/// A value that many may read or one may change at a time: [`std::sync::RwLock`] for coroutines and
/// threads.
///
/// Guards may be held across anything that blocks. Neither readers nor writers starve: who comes to
/// read while a writer waits lets it go first, and who waits to read goes before the next
/// writer. So one that holds a read guard must not read again: it may wait for a writer that waits
/// for it.
///
/// A panic of a writer poisons it, as in std; a cancel does not.
///
/// # Examples
///
/// ```
/// use mco::std::sync::RwLock;
///
/// let lock = RwLock::new(1);
/// {
///     let (one, other) = (lock.read().unwrap(), lock.read().unwrap());
///     assert_eq!(*one, *other);
/// }
/// *lock.write().unwrap() = 2;
/// assert_eq!(*lock.read().unwrap(), 2);
/// ```
///
/// As in std, readers on several threads need a value that is `Sync`:
///
/// ```compile_fail,E0277
/// fn share(_: impl Sync) {}
/// share(mco::std::sync::RwLock::new(std::cell::Cell::new(1)));
/// ```
pub struct RwLock<T: ?Sized> {
    state: Spin<State>,
    /// The writer inside, for dumps. Kept by it.
    writer: LockHolder,
    poison: Flag,
    /// Read by those whom the state counts as readers, touched by the writer it knows of.
    value: UnsafeCell<T>,
}

/// What the `Spin` guards.
struct State {
    /// How many read guards there are, or are about to be: those who were handed one count.
    readers: usize,
    /// Whether there is a write guard, likewise.
    writer: bool,
    waiting_readers: Queue<()>,
    waiting_writers: Queue<()>,
}

impl State {
    fn readers(&mut self) -> &mut Queue<()> {
        &mut self.waiting_readers
    }

    fn writers(&mut self) -> &mut Queue<()> {
        &mut self.waiting_writers
    }

    #[inline]
    fn try_read(&mut self) -> bool {
        let free = !self.writer && self.waiting_writers.is_empty();
        self.readers += usize::from(free);
        free
    }

    #[inline]
    fn try_write(&mut self) -> bool {
        let free = !self.writer && self.readers == 0;
        self.writer |= free;
        free
    }

    /// Lets the first writer in that waits, if nobody is inside.
    fn admit_writer(&mut self) -> Option<Wakeup> {
        if self.writer || self.readers > 0 {
            return None;
        }
        let ((), wakeup) = self.waiting_writers.complete_first(Outcome::Completed, |_| ())?;
        self.writer = true;
        Some(wakeup)
    }

    /// Lets all readers in that wait. There must be no writer inside.
    fn admit_readers(&mut self) -> Wakeups {
        let wakeups = self.waiting_readers.complete_all(Outcome::Completed);
        self.readers += wakeups.len();
        wakeups
    }
}

// SAFETY: readers on several threads share the value, and a writer may take it to its own.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwLock<T> {}
// SAFETY: it owns the value; what waits in the state holds no reference to it.
unsafe impl<T: ?Sized + Send> Send for RwLock<T> {}

// After a panic the poison says so.
impl<T: ?Sized> UnwindSafe for RwLock<T> {}
impl<T: ?Sized> RefUnwindSafe for RwLock<T> {}

impl<T> RwLock<T> {
    /// A lock that is free.
    ///
    /// # Examples
    ///
    /// ```
    /// static LEVEL: mco::std::sync::RwLock<u32> = mco::std::sync::RwLock::new(1);
    /// assert_eq!(*LEVEL.read().unwrap(), 1);
    /// ```
    #[must_use]
    pub const fn new(value: T) -> RwLock<T> {
        let state = State {
            readers: 0,
            writer: false,
            waiting_readers: Queue::new(),
            waiting_writers: Queue::new(),
        };
        RwLock {
            state: Spin::new(state),
            writer: LockHolder::new(),
            poison: Flag::new(),
            value: UnsafeCell::new(value),
        }
    }

    /// The value itself.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the value.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(mco::std::sync::RwLock::new(1).into_inner().unwrap(), 1);
    /// ```
    pub fn into_inner(self) -> LockResult<T> {
        let RwLock { poison, value, .. } = self;
        poison.result(value.into_inner())
    }
}

impl<T: ?Sized> RwLock<T> {
    /// Waits until no writer is inside or waits, and comes in to read. The place is given up when the
    /// guard is dropped. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the lock is poisoned: a panic has unwound a writer. The error holds the guard.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(*mco::std::sync::RwLock::new(1).read().unwrap(), 1);
    /// ```
    #[inline]
    #[track_caller]
    pub fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        spend_budget();
        if !self.state.lock().try_read() {
            self.wait_to_read(&Wait::new(Reason::ReadLock));
        }
        self.poison.result(self.read_guard())
    }

    #[cold]
    fn wait_to_read(&self, wait: &Wait) {
        let mut state = self.state.lock();
        if state.try_read() {
            return;
        }
        let node = pin!(WaitNode::new(&self.state, State::readers, None));
        node.as_ref().enter(&mut state);
        drop(state);
        // `Completed` is how it ends if it does not unwind: there is no deadline, and nobody closes.
        // SAFETY: `self` is borrowed during the call.
        node.wait(&unsafe { wait.of(&self.writer) });
    }

    /// Comes in to read, if no writer is inside or waits. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](::std::sync::TryLockError::WouldBlock) if one is, or
    /// [`Poisoned`](::std::sync::TryLockError::Poisoned) with the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = mco::std::sync::RwLock::new(1);
    /// let writes = lock.write().unwrap();
    /// assert!(lock.try_read().is_err());
    /// # drop(writes);
    /// ```
    #[inline]
    pub fn try_read(&self) -> TryLockResult<RwLockReadGuard<'_, T>> {
        let taken = self.state.lock().try_read();
        self.poison.try_result(taken.then(|| self.read_guard()))
    }

    fn read_guard(&self) -> RwLockReadGuard<'_, T> {
        let value = NonNull::new(self.value.get()).expect("a lock has an address");
        RwLockReadGuard { value, state: &self.state, _value: PhantomData }
    }

    /// Waits until nobody is inside, and comes in to write. The place is given up when the guard is
    /// dropped. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If the lock is poisoned: a panic has unwound a writer. The error holds the guard.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = mco::std::sync::RwLock::new(1);
    /// *lock.write().unwrap() += 1;
    /// assert_eq!(lock.into_inner().unwrap(), 2);
    /// ```
    #[inline]
    #[track_caller]
    pub fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        spend_budget();
        if !self.state.lock().try_write() {
            self.wait_to_write(&Wait::new(Reason::WriteLock));
        }
        self.poison.result(self.write_guard())
    }

    #[cold]
    fn wait_to_write(&self, wait: &Wait) {
        // Dropped last, and acts only if the wait unwinds: then readers may wait for a writer that is gone.
        let given_up = defer::Guard::new(|| {
            let mut state = self.state.lock();
            if !state.writer && state.waiting_writers.is_empty() {
                let wakeups = state.admit_readers();
                drop(state);
                wakeups.wake();
            }
        });
        let mut state = self.state.lock();
        if !state.try_write() {
            let node = pin!(WaitNode::new(&self.state, State::writers, None));
            node.as_ref().enter(&mut state);
            drop(state);
            // How it ends: as in `wait_to_read`.
            // SAFETY: as there.
            node.wait(&unsafe { wait.of(&self.writer) });
        }
        std::mem::forget(given_up);
    }

    /// Comes in to write, if nobody is inside. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`WouldBlock`](::std::sync::TryLockError::WouldBlock) if somebody is, or
    /// [`Poisoned`](::std::sync::TryLockError::Poisoned) with the guard.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = mco::std::sync::RwLock::new(1);
    /// let reads = lock.read().unwrap();
    /// assert!(lock.try_write().is_err());
    /// # drop(reads);
    /// ```
    #[inline]
    pub fn try_write(&self) -> TryLockResult<RwLockWriteGuard<'_, T>> {
        let taken = self.state.lock().try_write();
        self.poison.try_result(taken.then(|| self.write_guard()))
    }

    fn write_guard(&self) -> RwLockWriteGuard<'_, T> {
        self.writer.set();
        RwLockWriteGuard { lock: self, held: self.poison.held(), _here: PhantomData }
    }

    #[inline]
    fn end_write(&self) {
        self.writer.clear();
        let mut state = self.state.lock();
        state.writer = false;
        if !state.waiting_readers.is_empty() || !state.waiting_writers.is_empty() {
            let readers = state.admit_readers();
            let writer = state.admit_writer();
            drop(state);
            readers.wake();
            writer.into_iter().for_each(Wakeup::wake);
        }
    }

    /// Whether a panic has unwound a writer. Another thread may change that at any time.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poison.is_set()
    }

    /// Takes the poison away: the value is in order again.
    ///
    /// # Examples
    ///
    /// ```
    /// let lock = mco::std::sync::RwLock::new(1);
    /// let panics = || {
    ///     let _guard = lock.write();
    ///     panic!("with the lock held");
    /// };
    /// std::panic::catch_unwind(panics).unwrap_err();
    /// assert!(lock.is_poisoned());
    /// lock.clear_poison();
    /// assert!(lock.read().is_ok());
    /// ```
    pub fn clear_poison(&self) {
        self.poison.clear();
    }

    /// The value, without locking: nobody else can reach it.
    ///
    /// # Errors
    ///
    /// If the lock is poisoned; the error holds the reference.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut lock = mco::std::sync::RwLock::new(1);
    /// *lock.get_mut().unwrap() = 2;
    /// assert_eq!(lock.into_inner().unwrap(), 2);
    /// ```
    pub fn get_mut(&mut self) -> LockResult<&mut T> {
        self.poison.result(self.value.get_mut())
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> RwLock<T> {
        RwLock::new(T::default())
    }
}

impl<T> From<T> for RwLock<T> {
    fn from(value: T) -> RwLock<T> {
        RwLock::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt_lock(f, "RwLock", self.try_read(), self.is_poisoned())
    }
}

/// A reader's place in a [`RwLock`], given up when this is dropped.
#[must_use = "the place is given up when the guard is dropped, at once if it has no name"]
pub struct RwLockReadGuard<'a, T: ?Sized> {
    /// That of the lock, which is borrowed. Not a reference to the lock, in whose type `T` could not be exchanged for
    /// what it may stand in for; and not one to the value, which must not outlive the place. Not `Send`, as in std.
    value: NonNull<T>,
    state: &'a Spin<State>,
    _value: PhantomData<&'a T>,
}

// SAFETY: a shared guard gives shared access to the value and nothing else.
unsafe impl<T: ?Sized + Sync> Sync for RwLockReadGuard<'_, T> {}

impl<T: ?Sized> Deref for RwLockReadGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is borrowed, and nobody writes while the guard is there.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for RwLockReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized> Drop for RwLockReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.readers -= 1;
        if !state.waiting_writers.is_empty() {
            let wakeup = state.admit_writer();
            drop(state);
            wakeup.into_iter().for_each(Wakeup::wake);
        }
    }
}

/// The writer's place in a [`RwLock`], given up when this is dropped.
#[must_use = "the place is given up when the guard is dropped, at once if it has no name"]
pub struct RwLockWriteGuard<'a, T: ?Sized> {
    lock: &'a RwLock<T>,
    held: Held,
    /// Not `Send`: whether the writer panics is known on its own thread only.
    _here: PhantomData<*const ()>,
}

impl<'a, T: ?Sized> RwLockWriteGuard<'a, T> {
    /// Becomes a reader, without a moment in which another one could write. The readers that wait come in, too.
    /// [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::sync::{RwLock, RwLockWriteGuard};
    ///
    /// let lock = RwLock::new(1);
    /// let mut writes = lock.write().unwrap();
    /// *writes += 1;
    /// let reads = RwLockWriteGuard::downgrade(writes);
    /// assert_eq!((*reads, *lock.read().unwrap()), (2, 2));
    /// ```
    pub fn downgrade(guard: RwLockWriteGuard<'a, T>) -> RwLockReadGuard<'a, T> {
        let lock = guard.lock;
        lock.poison.done(guard.held);
        // Its destructor would give the place up.
        std::mem::forget(guard);
        lock.writer.clear();
        let mut state = lock.state.lock();
        state.writer = false;
        state.readers += 1;
        let readers = state.admit_readers();
        drop(state);
        readers.wake();
        lock.read_guard()
    }
}

exclusive_guard!(RwLockWriteGuard, lock, RwLock::end_write);
