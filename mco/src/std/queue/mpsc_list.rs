//! The queue that was a list for one receiver, under its older name.

/// [`SegQueue`](super::SegQueue), which any number may receive from.
///
/// # Examples
///
/// ```
/// use mco::std::queue::mpsc_list::Queue;
///
/// let queue = Queue::new();
/// queue.push(1);
/// assert_eq!(queue.pop(), Some(1));
/// assert!(queue.is_empty());
/// ```
pub type Queue<T> = super::SegQueue<T>;
