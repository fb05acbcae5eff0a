//! Waits for what happens outside of the runtime: a socket, a blocking job, the end of another runtime. As long as
//! there are any, a virtual clock stands still, and nothing is a deadlock.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    /// How many external waits there are on this thread.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

/// While it lives, its coroutine is in an external wait. It stays on the coroutine's thread.
pub(crate) struct ExternalWait(PhantomData<*const ()>);

impl ExternalWait {
    pub(crate) fn new() -> ExternalWait {
        COUNT.set(COUNT.get() + 1);
        ExternalWait(PhantomData)
    }

    /// How many there are on this thread.
    pub(crate) fn count() -> usize {
        COUNT.get()
    }
}

impl Drop for ExternalWait {
    fn drop(&mut self) {
        COUNT.set(COUNT.get() - 1);
    }
}
