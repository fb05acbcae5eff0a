//! The coroutines that a worker hosts and that have been suspended at least once. Shutdown, dumps and the monitor
//! need to see them all.
//!
//! Only the worker adds and removes, but there is a lock, since others must be able to read while the worker is stuck.
//! A coroutine that ends without ever suspending is not added, so that short ones pay nothing.

use std::num::NonZeroU32;

use super::cell::TaskRef;
use crate::shrinking::Slab;
use parking_lot::{Mutex, MutexGuard};

/// See the module.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Slab<TaskRef>>);

impl Registry {
    /// Adds a coroutine. Returns the key for its removal, which is small since each coroutine keeps one.
    pub(super) fn add(&self, task: TaskRef) -> NonZeroU32 {
        let index = self.0.lock().insert(task);
        let key = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        key.expect("a worker hosts fewer than 2^32 coroutines")
    }

    pub(super) fn remove(&self, key: NonZeroU32) {
        let task = self.0.lock().remove(key.get() as usize - 1);
        drop(task);
    }

    /// The coroutine with this id, if it is here.
    pub(crate) fn find(&self, id: u64) -> Option<TaskRef> {
        self.0.lock().iter().find(|task| task.id() == id).cloned()
    }

    /// Calls `f` for each coroutine, a few hundred under one lock, so that the worker need not wait long. Those that
    /// come or go meanwhile may be seen or not.
    pub(crate) fn visit(&self, mut f: impl FnMut(&TaskRef)) {
        const AT_A_TIME: usize = 512;
        let mut next = 0;
        loop {
            let entered = self.0.lock();
            let end = entered.end();
            if next >= end {
                return;
            }
            for index in next..end.min(next + AT_A_TIME) {
                entered.get(index).into_iter().for_each(&mut f);
            }
            next += AT_A_TIME;
            // Hands the lock over, if somebody waits for it.
            MutexGuard::unlock_fair(entered);
        }
    }

    /// The coroutines that are here now.
    pub(crate) fn snapshot(&self) -> Vec<TaskRef> {
        self.0.lock().iter().cloned().collect()
    }
}
