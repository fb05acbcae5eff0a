//! Doing something at the end of a scope, whichever way it ends.

use std::fmt;

/// Calls a closure when it is dropped: what the `defer!` macro makes.
///
/// # Examples
///
/// ```
/// use mco::std::defer::Guard;
/// use std::cell::Cell;
///
/// let open = Cell::new(true);
/// {
///     let _close = Guard::new(|| open.set(false));
///     assert!(open.get());
/// }
/// assert!(!open.get());
/// ```
#[must_use = "the closure runs when the guard is dropped, which is at once if it has no name"]
pub struct Guard<F: FnOnce()> {
    f: Option<F>,
}

impl<F: FnOnce()> Guard<F> {
    /// A guard that calls `f` at the end of the scope it is in, also when that unwinds.
    pub fn new(f: F) -> Guard<F> {
        Guard { f: Some(f) }
    }
}

impl<F: FnOnce()> Drop for Guard<F> {
    fn drop(&mut self) {
        if let Some(f) = self.f.take() {
            f();
        }
    }
}

impl<F: FnOnce()> fmt::Debug for Guard<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
