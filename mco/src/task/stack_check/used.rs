//! Which part of a stack is in use.

use std::ptr;

use crate::fiber::Bounds;

/// How much of a stack is in use by the caller's callers: from where to where. `None`: it is on another one.
pub(super) fn used(bounds: Bounds) -> Option<std::ops::Range<usize>> {
    let here = ptr::from_ref(&bounds).addr() & !(size_of::<usize>() - 1);
    bounds.contains(here).then_some(here..bounds.top)
}
