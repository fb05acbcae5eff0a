//! mco's [channels](mod@super::channel) under the names that May has in its `spsc`.
//!
//! They can do more: both ends can be cloned, and used by any number of threads and coroutines.
//!
//! ```
//! use mco::std::sync::spsc;
//!
//! let (sender, receiver) = spsc::channel();
//! mco::spawn(move || (0..3).for_each(|n| sender.send(n).unwrap()));
//! assert_eq!(receiver.iter().collect::<Vec<_>>(), [0, 1, 2]);
//! ```

pub use super::channel::{
    IntoIter, Iter, Receiver, RecvError, RecvTimeoutError, SendError, Sender, TryIter,
    TryRecvError, unbounded as channel,
};
