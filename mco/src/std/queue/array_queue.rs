//! A queue with a bound.

use std::collections::{VecDeque, vec_deque};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::wait::Spin;

/// A queue for so many values, for any number of threads and coroutines: crossbeam's `ArrayQueue`, on a short lock.
/// Its memory is taken at the beginning.
///
/// # Examples
///
/// ```
/// use mco::std::queue::ArrayQueue;
///
/// let last = ArrayQueue::new(2);
/// assert_eq!((last.push(1), last.push(2), last.push(3)), (Ok(()), Ok(()), Err(3)));
/// assert_eq!(last.force_push(4), Some(1));
/// assert_eq!(last.into_iter().collect::<Vec<_>>(), [2, 4]);
/// ```
pub struct ArrayQueue<T> {
    /// Values are dropped outside of it: destructors are the user's.
    values: Spin<VecDeque<T>>,
    capacity: usize,
}

impl<T> UnwindSafe for ArrayQueue<T> {}
impl<T> RefUnwindSafe for ArrayQueue<T> {}

impl<T> ArrayQueue<T> {
    /// An empty one for `capacity` values.
    ///
    /// # Panics
    ///
    /// If that is 0.
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> ArrayQueue<T> {
        assert!(capacity > 0, "an `ArrayQueue` of capacity 0 could hold nothing");
        ArrayQueue { values: Spin::new(VecDeque::with_capacity(capacity)), capacity }
    }

    /// Adds a value at the end. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If it is full; the error is the value.
    pub fn push(&self, value: T) -> Result<(), T> {
        let mut values = self.values.lock();
        if values.len() == self.capacity {
            return Err(value);
        }
        values.push_back(value);
        Ok(())
    }

    /// Adds a value at the end; if it is full, in place of the first one, which is returned.
    /// [Never waits](crate#what-waits).
    pub fn force_push(&self, value: T) -> Option<T> {
        let mut values = self.values.lock();
        let first = if values.len() == self.capacity { values.pop_front() } else { None };
        values.push_back(value);
        first
    }

    /// Takes the first value, if there is one. [Never waits](crate#what-waits).
    pub fn pop(&self) -> Option<T> {
        self.values.lock().pop_front()
    }

    /// How many values it may hold.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether there is no value now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether a value more would be refused now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity
    }

    /// How many values there are now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.lock().len()
    }
}

impl<T> IntoIterator for ArrayQueue<T> {
    type Item = T;
    type IntoIter = vec_deque::IntoIter<T>;

    fn into_iter(self) -> vec_deque::IntoIter<T> {
        self.values.into_inner().into_iter()
    }
}

impl<T> fmt::Debug for ArrayQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ArrayQueue");
        debug.field("len", &self.len()).field("capacity", &self.capacity).finish_non_exhaustive()
    }
}
