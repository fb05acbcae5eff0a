//! A queue without a bound.

use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::shrinking;
use crate::wait::Spin;

/// A queue without a bound, for any number of threads and coroutines: crossbeam's `SegQueue`, on a short lock.
///
/// # Examples
///
/// ```
/// use mco::std::queue::SegQueue;
///
/// static JOBS: SegQueue<u32> = SegQueue::new();
///
/// JOBS.push(1);
/// JOBS.push(2);
/// assert_eq!((JOBS.pop(), JOBS.pop(), JOBS.pop()), (Some(1), Some(2), None));
/// ```
pub struct SegQueue<T> {
    /// Values are dropped outside of it: destructors are the user's.
    values: Spin<VecDeque<T>>,
}

impl<T> UnwindSafe for SegQueue<T> {}
impl<T> RefUnwindSafe for SegQueue<T> {}

impl<T> SegQueue<T> {
    /// An empty one.
    #[must_use]
    pub const fn new() -> SegQueue<T> {
        SegQueue { values: Spin::new(VecDeque::new()) }
    }

    /// Adds a value at the end. [Never waits](crate#what-waits).
    pub fn push(&self, value: T) {
        self.values.lock().push_back(value);
    }

    /// Takes the first value, if there is one. [Never waits](crate#what-waits).
    pub fn pop(&self) -> Option<T> {
        shrinking::pop_front(&mut self.values.lock())
    }

    /// Whether there is no value now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values there are now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.lock().len()
    }
}

impl<T> Default for SegQueue<T> {
    fn default() -> SegQueue<T> {
        SegQueue::new()
    }
}

impl<T> FromIterator<T> for SegQueue<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> SegQueue<T> {
        SegQueue { values: Spin::new(values.into_iter().collect()) }
    }
}

impl<T> IntoIterator for SegQueue<T> {
    type Item = T;
    type IntoIter = vec_deque::IntoIter<T>;

    fn into_iter(self) -> vec_deque::IntoIter<T> {
        self.values.into_inner().into_iter()
    }
}

impl<T> fmt::Debug for SegQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SegQueue").field("len", &self.len()).finish_non_exhaustive()
    }
}
