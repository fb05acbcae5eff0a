//! A lock of loom's in place of the one that spins.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};

use loom::sync::{Mutex, MutexGuard};

pub(crate) struct Spin<T> {
    lock: Mutex<()>,
    data: UnsafeCell<T>,
}

// SAFETY: the lock lets one at a time reach the data.
unsafe impl<T: Send> Sync for Spin<T> {}

impl<T> Spin<T> {
    pub(crate) fn new(data: T) -> Spin<T> {
        Spin { lock: Mutex::new(()), data: UnsafeCell::new(data) }
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard { spin: self, _lock: self.lock.lock().unwrap() }
    }

    pub(crate) fn data_ptr(&self) -> *mut T {
        self.data.get()
    }
}

impl<T: Default> Default for Spin<T> {
    fn default() -> Spin<T> {
        Spin::new(T::default())
    }
}

pub(crate) struct Guard<'a, T> {
    spin: &'a Spin<T>,
    _lock: MutexGuard<'a, ()>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.spin.data_ptr() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.spin.data_ptr() }
    }
}
