//! Waits for what happens outside: a socket, a blocking job, the end of another runtime. As long as there
//! are any, a virtual clock stands still, and nothing is a deadlock.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// How many there are on this worker.
    static HOLDS: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, its coroutine waits for something outside. It stays on the thread of that coroutine.
pub(crate) struct Hold(PhantomData<*const ()>);

impl Hold {
    pub(crate) fn new() -> Hold {
        HOLDS.set(HOLDS.get() + 1);
        Hold(PhantomData)
    }

    /// How many there are on this thread.
    pub(crate) fn count() -> usize {
        HOLDS.get()
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        HOLDS.set(HOLDS.get() - 1);
    }
}
