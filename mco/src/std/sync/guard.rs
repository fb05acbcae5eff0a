//! What the guards of locks have in common.

#![allow(unsafe_code)]

use std::fmt;
use std::ops::Deref;
use std::sync::{TryLockError, TryLockResult};

/// A guard, whose `$lock` is the lock: shares the value with whoever shares the guard, and shows as
/// the value does.
macro_rules! guard {
    ($Guard:ident, $lock:ident) => {
        // SAFETY: a shared guard gives shared access to the value and nothing else.
        unsafe impl<T: ?Sized + Sync> Sync for $Guard<'_, T> {}

        impl<T: ?Sized> Deref for $Guard<'_, T> {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                // SAFETY: while the guard is there nobody writes, except through it.
                unsafe { &*self.$lock.value.get() }
            }
        }

        impl<T: ?Sized + fmt::Debug> fmt::Debug for $Guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: ?Sized + fmt::Display> fmt::Display for $Guard<'_, T> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}

/// A guard through which the value may be written: the only one there is. Its drop does `$give_back`
/// with the lock, and poisons it before if a panic has begun meanwhile.
macro_rules! exclusive_guard {
    ($Guard:ident, $lock:ident, $give_back:expr) => {
        $crate::std::sync::guard::guard!($Guard, $lock);

        impl<T: ?Sized> DerefMut for $Guard<'_, T> {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                // SAFETY: the guard is the only one, and is borrowed exclusively.
                unsafe { &mut *self.$lock.value.get() }
            }
        }

        impl<T: ?Sized> Drop for $Guard<'_, T> {
            #[inline]
            fn drop(&mut self) {
                self.$lock.poison.done(self.held);
                $give_back(self.$lock);
            }
        }
    };
}

pub(super) use {exclusive_guard, guard};

/// Shows a lock of that name with its value, if that could be had now.
pub(super) fn fmt_lock<G: Deref<Target: fmt::Debug>>(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    now: TryLockResult<G>,
    is_poisoned: bool,
) -> fmt::Result {
    let mut debug = f.debug_struct(name);
    match now {
        Ok(guard) => debug.field("data", &&*guard),
        Err(TryLockError::Poisoned(poisoned)) => debug.field("data", &&**poisoned.get_ref()),
        Err(TryLockError::WouldBlock) => debug.field("data", &format_args!("<locked>")),
    };
    debug.field("poisoned", &is_poisoned).finish_non_exhaustive()
}
