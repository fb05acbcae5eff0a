//! Lets only so many in at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mco::coroutine::{self, Coroutine};

/// One coroutine, its keeper, lets others in and parks when too many are inside.
pub(crate) struct Gate {
    keeper: Coroutine,
    limit: usize,
    inside: Arc<AtomicUsize>,
}

/// Whoever holds it is inside.
pub(crate) struct Pass {
    keeper: Coroutine,
    inside: Arc<AtomicUsize>,
}

impl Gate {
    /// The caller becomes the keeper.
    pub(crate) fn new(limit: usize) -> Gate {
        Gate { keeper: coroutine::current(), limit, inside: Arc::default() }
    }

    /// Waits until there is room for one more.
    pub(crate) fn admit(&self) -> Pass {
        self.wait_until_below(self.limit);
        self.inside.fetch_add(1, Ordering::Relaxed);
        Pass { keeper: self.keeper.clone(), inside: self.inside.clone() }
    }

    /// Waits until nobody is inside.
    pub(crate) fn wait_until_empty(&self) {
        self.wait_until_below(1);
    }

    fn wait_until_below(&self, limit: usize) {
        while self.inside.load(Ordering::Acquire) >= limit {
            coroutine::park();
        }
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.inside.fetch_sub(1, Ordering::Release);
        self.keeper.unpark();
    }
}
