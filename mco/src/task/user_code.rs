//! User code that a worker comes to between two turns: destructors and wakers.
//!
//! It may block, as any code may, and it may panic. On the worker's own stack, between two turns, it would hold up all
//! coroutines there, or wait for one of them for ever. So it is given a coroutine.

use std::mem;
use std::ops::Deref;

use super::{cancel, current};
use crate::runtime_thread;

/// Calls `f`, user code that unwinds no further than this: here if the caller is a coroutine, or a thread
/// that is no worker's, and else in a coroutine of its own.
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

/// As `run_user_code`, for one that knows that the caller is no worker between two turns.
pub(crate) fn run_user_code_here(f: impl FnOnce()) {
    match current::running() {
        // A cancel of the caller is not for that code, whose payload would be lost.
        Some(_) => cancel::shield(|| runtime_thread::contain_panic(f)),
        None => runtime_thread::contain_panic(f),
    };
}

/// A user value that may come to be dropped by a worker between two turns.
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
        // Elsewhere it is dropped as any other.
    }
}
