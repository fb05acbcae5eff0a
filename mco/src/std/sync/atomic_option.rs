//! A place for a value that may be exchanged by anyone.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::wait::Spin;

/// A place that holds a value or nothing, to be exchanged at once.
///
/// It is for any type; the larger it is, the longer an exchange keeps others from theirs. Never
/// blocks.
///
/// # Examples
///
/// ```
/// use mco::std::sync::AtomicOption;
///
/// let place = AtomicOption::none();
/// assert_eq!(place.swap(Box::new(1)), None);
/// assert_eq!(place.take(), Some(Box::new(1)));
/// assert!(place.is_none());
/// ```
pub struct AtomicOption<T> {
    /// Values are dropped outside of it: destructors are the user's.
    value: Spin<Option<T>>,
}

impl<T> UnwindSafe for AtomicOption<T> {}
impl<T> RefUnwindSafe for AtomicOption<T> {}

impl<T> AtomicOption<T> {
    /// An empty place.
    #[must_use]
    pub const fn none() -> AtomicOption<T> {
        AtomicOption { value: Spin::new(None) }
    }

    /// A place with a value.
    #[must_use]
    pub const fn some(value: T) -> AtomicOption<T> {
        AtomicOption { value: Spin::new(Some(value)) }
    }

    /// Puts a value in, and gives the one back that was there. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let place = mco::std::sync::AtomicOption::some(1);
    /// assert_eq!(place.swap(2), Some(1));
    /// ```
    pub fn swap(&self, value: T) -> Option<T> {
        self.value.lock().replace(value)
    }

    /// Puts a value in, and drops the one that was there. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let place = mco::std::sync::AtomicOption::none();
    /// place.store(1);
    /// assert!(place.is_some());
    /// ```
    pub fn store(&self, value: T) {
        drop(self.swap(value));
    }

    /// Takes the value out. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let place = mco::std::sync::AtomicOption::some(1);
    /// assert_eq!(place.take(), Some(1));
    /// assert_eq!(place.take(), None);
    /// ```
    pub fn take(&self) -> Option<T> {
        self.value.lock().take()
    }

    /// Empties it, and drops the value that was there. [Never waits](crate#what-waits).
    ///
    /// # Examples
    ///
    /// ```
    /// let place = mco::std::sync::AtomicOption::some(1);
    /// place.clear();
    /// assert!(place.is_none());
    /// ```
    pub fn clear(&self) {
        drop(self.take());
    }

    /// Whether it is empty now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.value.lock().is_none()
    }

    /// Whether a value is in it now. [Never waits](crate#what-waits).
    #[must_use]
    pub fn is_some(&self) -> bool {
        !self.is_none()
    }
}

impl<T> Default for AtomicOption<T> {
    fn default() -> AtomicOption<T> {
        AtomicOption::none()
    }
}

impl<T> From<Option<T>> for AtomicOption<T> {
    fn from(value: Option<T>) -> AtomicOption<T> {
        AtomicOption { value: Spin::new(value) }
    }
}

impl<T> fmt::Debug for AtomicOption<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtomicOption").field("is_some", &self.is_some()).finish_non_exhaustive()
    }
}
