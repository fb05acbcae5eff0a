//! A lock for a few instructions: the state of a channel or a lock, while nobody waits inside.
//!
//! Under it no coroutine suspends, no user code runs, and nobody is woken. So it is held
//! for some ten nanoseconds, and taking it costs one read-modify-write where a lock that threads can
//! sleep on costs two. Whoever finds it held spins, then lets other threads run: its holder may have
//! lost its processor.

#![allow(unsafe_code)]

use parking_lot::lock_api;

use super::atomic::{AtomicBool, Ordering, relax};

/// A value under such a lock.
pub(crate) type Spin<T> = lock_api::Mutex<RawSpin, T>;

/// Access to the value, until it is dropped.
pub(crate) type SpinGuard<'a, T> = lock_api::MutexGuard<'a, RawSpin, T>;

/// The lock itself. See the module.
pub(crate) struct RawSpin {
    locked: AtomicBool,
}

impl RawSpin {
    #[cold]
    fn lock_contended(&self) {
        let mut attempt = 0;
        loop {
            // Reading first leaves the line of the cache to its holder.
            while self.locked.load(Ordering::Relaxed) {
                relax(attempt);
                attempt += 1;
            }
            if lock_api::RawMutex::try_lock(self).is_some() {
                return;
            }
        }
    }
}

// SAFETY: `try_lock` succeeds for one caller until `unlock`: the exchange from `false` to `true` is
// atomic, and only the holder stores `false`.
unsafe impl lock_api::RawMutex for RawSpin {
    const INIT: RawSpin = RawSpin { locked: AtomicBool::new(false) };

    type Guard = ();

    #[inline]
    fn lock(&self) {
        if self.try_lock().is_none() {
            self.lock_contended();
        }
    }

    #[inline]
    fn try_lock(&self) -> Option<()> {
        // Acquire pairs with the Release of `unlock`.
        self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).ok()?;
        Some(())
    }

    #[inline]
    unsafe fn unlock(&self, (): ()) {
        self.locked.store(false, Ordering::Release);
    }

    fn is_locked(&self) -> bool {
        self.locked.load(Ordering::Relaxed)
    }
}
