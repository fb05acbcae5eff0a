//! Queues that nobody waits at: who takes from an empty one is told so. To wait there are
//! [channels](mod@crate::std::sync::channel).
//!
//! None of their operations waits, so they may be used with a std lock held, or in a destructor.

pub mod array_queue;
pub mod mpsc_list;
pub mod seg_queue;

pub use self::array_queue::ArrayQueue;
pub use self::seg_queue::SegQueue;
