//! The coroutines that a worker hosts and that have been suspended at least once, for those who
//! need to see them all: shutdown, dumps, the monitor.
//!
//! Behind a lock, although the worker alone adds and removes: others must be able to look while
//! the worker is stuck. A coroutine that ends without ever suspending is not entered, so that
//! short ones pay nothing.

use std::num::NonZeroU32;

use parking_lot::Mutex;
use slab::Slab;

use super::TaskRef;

/// See the module.
#[derive(Default)]
pub(crate) struct Registry(Mutex<Slab<TaskRef>>);

impl Registry {
    /// Enters a coroutine; returns by what to remove it. Small, since each coroutine keeps one.
    pub(super) fn add(&self, task: TaskRef) -> NonZeroU32 {
        let index = self.0.lock().insert(task);
        let key = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        key.expect("a worker hosts fewer than 2^32 coroutines")
    }

    pub(super) fn remove(&self, key: NonZeroU32) {
        let task = self.0.lock().remove(key.get() as usize - 1);
        drop(task);
    }

    /// The coroutine with this id, if it is entered.
    pub(crate) fn find(&self, id: u64) -> Option<TaskRef> {
        self.0.lock().iter().map(|(_, task)| task).find(|task| task.id() == id).cloned()
    }

    /// The coroutines that are entered now.
    pub(crate) fn snapshot(&self) -> Vec<TaskRef> {
        self.0.lock().iter().map(|(_, task)| task.clone()).collect()
    }
}
