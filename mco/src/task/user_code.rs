//! Running user code, such as destructors and wakers, that a worker meets between two turns.
//!
//! Such code may block or panic. If the worker ran it itself, it would hold up all coroutines there, or wait for one of
//! them for ever. So it runs in a coroutine of its own.

use std::mem;
use std::ops::Deref;

use super::current;
use super::unwind::cancel;
use crate::runtime_thread;

/// Calls `f`, which is user code: in a coroutine of its own if the caller is a worker between two turns, else here. A
/// panic of `f` goes no further.
pub(crate) fn run_user_code(f: impl FnOnce() + Send + 'static) {
    let mut f = Some(f);
    let handed_over = current::with_home_between_turns(|home| {
        if let Some(f) = f.take() {
            home.run_user_code(Box::new(f));
        }
    });
    if !handed_over && let Some(f) = f {
        run_user_code_here(f);
    }
}

/// As `run_user_code`, for a caller that is no worker between two turns.
pub(crate) fn run_user_code_here(f: impl FnOnce()) {
    match current::running() {
        // A cancel is for the caller and not for `f`; its payload would be lost here.
        Some(_) => cancel::shield(|| runtime_thread::contain_panic(f)),
        None => runtime_thread::contain_panic(f),
    };
}

/// A user value that a worker may have to drop between two turns.
pub(crate) struct UserValue<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> UserValue<T> {
    pub(crate) fn new(value: T) -> UserValue<T> {
        UserValue(Some(value))
    }
}

impl<T: Send + 'static> Deref for UserValue<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for UserValue<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take().filter(|_| mem::needs_drop::<T>()) else { return };
        if current::is_between_turns() {
            run_user_code(move || drop(value));
        }
        // Elsewhere the value is dropped here, as any other.
    }
}
