//! Who holds a lock: a coroutine or a thread, by a number that a lock keeps beside itself.
//!
//! Coroutines are numbered when they are spawned; threads are here, when they first hold a lock.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::target::{BlockedOn, LockOwner, WaitTarget};
use crate::task::current;

/// The bit that distinguishes the numbers of threads.
const THREAD: u64 = 1 << 63;

impl LockOwner {
    /// The calling coroutine or thread.
    pub(crate) fn current() -> LockOwner {
        LockOwner::from_number(LockOwner::current_number()).expect("it is not 0")
    }

    /// The caller as one number. Never 0.
    #[inline]
    pub(crate) fn current_number() -> u64 {
        match current::running() {
            Some(running) => running.id(),
            None => thread_number(),
        }
    }

    pub(crate) fn from_number(number: u64) -> Option<LockOwner> {
        match number {
            0 => None,
            number if number & THREAD != 0 => Some(LockOwner::Thread(number & !THREAD)),
            number => Some(LockOwner::Coroutine(number)),
        }
    }
}

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// The names of the live threads that have a number.
static NAMES: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

#[inline]
fn thread_number() -> u64 {
    match NUMBER.get() {
        0 => number_thread(),
        number => number,
    }
}

#[cold]
fn number_thread() -> u64 {
    /// Removes the name at the end of the thread.
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            NAMES.lock().remove(&self.0);
        }
    }
    thread_local! {
        static NAMED: Named = Named(NUMBER.get());
    }
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = THREAD | NUMBERS.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(number);
    // In the destructor of another thread-local value it may be too late for one of these: then
    // the thread stays without a name.
    if NAMED.try_with(|_| ()).is_ok() {
        let name = thread::current().name().map_or_else(String::new, str::to_owned);
        NAMES.lock().insert(number, name);
    }
    number
}

/// The name of a thread, if it has one and runs.
pub(crate) fn thread_name(number: u64) -> Option<String> {
    NAMES.lock().get(&(THREAD | number)).filter(|name| !name.is_empty()).cloned()
}

/// Who holds a lock. Kept beside the lock by whoever takes it and gives it back. In between it may say that nobody
/// holds it, but it never names a suspended coroutine that does not.
pub(crate) struct LockHolder(AtomicU64);

impl LockHolder {
    pub(crate) const fn new() -> LockHolder {
        LockHolder(AtomicU64::new(0))
    }

    /// By the calling coroutine or thread, when it has the lock.
    #[inline]
    pub(crate) fn set(&self) {
        // Relaxed, here and below: who looks has acquired what a parked coroutine wrote before, and
        // others it does not name.
        self.0.store(LockOwner::current_number(), Ordering::Relaxed);
    }

    /// By the same, before it gives the lock back.
    #[inline]
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<LockOwner> {
        LockOwner::from_number(self.0.load(Ordering::Relaxed))
    }
}

impl WaitTarget for LockHolder {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn blocked_on(&self) -> BlockedOn {
        self.get().map_or(BlockedOn::Unknown, BlockedOn::Holder)
    }
}
