//! The number of a coroutine.

use std::fmt;

/// The number of a coroutine, unique in the process.
///
/// # Examples
///
/// ```
/// let (one, other) = (mco::spawn(|| ()), mco::spawn(|| ()));
/// assert_ne!(one.coroutine().id(), other.coroutine().id());
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CoroutineId(pub(crate) u64);

impl CoroutineId {
    pub(crate) fn new(id: u64) -> CoroutineId {
        CoroutineId(id)
    }
}

impl fmt::Debug for CoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CoroutineId({})", self.0)
    }
}

impl fmt::Display for CoroutineId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
