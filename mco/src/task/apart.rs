//! Code of others that a worker comes to between two turns: destructors and wakers.
//!
//! It may block, as any code may, and it may panic. On the worker's bare thread it would hold up all
//! coroutines there, or wait for one of them for ever. So it is given a coroutine.

use std::mem;
use std::ops::Deref;

use super::{cancel, current};
use crate::bare;

/// Calls `f`, code of others that unwinds no further than this: here if the caller is a coroutine, or a thread
/// that is no worker's, and else in a coroutine of its own.
pub(crate) fn apart(f: impl FnOnce() + Send + 'static) {
    let mut f = Some(f);
    let handed_over = current::with_bare_home(|home| {
        if let Some(f) = f.take() {
            home.run_apart(Box::new(f));
        }
    });
    if !handed_over && let Some(f) = f {
        here(f);
    }
}

/// As `apart`, for one that knows that the caller is no worker between two turns.
pub(crate) fn here(f: impl FnOnce()) {
    match current::running() {
        // A cancel of the caller is not for that code, whose payload would be lost.
        Some(_) => cancel::shield(|| bare::quietly(f)),
        None => bare::quietly(f),
    };
}

/// A value of others that may come to be dropped by a worker between two turns.
pub(crate) struct Apart<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Apart<T> {
    pub(crate) fn new(value: T) -> Apart<T> {
        Apart(Some(value))
    }
}

impl<T: Send + 'static> Deref for Apart<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl<T: Send + 'static> Drop for Apart<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take().filter(|_| mem::needs_drop::<T>()) else { return };
        if current::is_bare_home() {
            apart(move || drop(value));
        }
        // Elsewhere it is dropped as any other.
    }
}
