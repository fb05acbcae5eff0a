//! mco's [channels](mod@super::channel) under the names that they have in `std::sync::mpsc`.
//!
//! They can do more: a [`Receiver`] can be cloned, and any number of threads and coroutines may receive.
//!
//! ```
//! use mco::std::sync::mpsc;
//!
//! let (sender, receiver) = mpsc::channel();
//! mco::spawn(move || sender.send(7).unwrap());
//! assert_eq!(receiver.recv(), Ok(7));
//!
//! let (sender, receiver): (mpsc::SyncSender<u32>, _) = mpsc::sync_channel(1);
//! sender.send(8).unwrap();
//! assert_eq!(receiver.iter().next(), Some(8));
//! ```

pub use super::channel::{
    IntoIter, Iter, Receiver, RecvError, RecvTimeoutError, SendError, Sender, TryIter,
    TryRecvError, TrySendError, bounded as sync_channel, unbounded as channel,
};

/// [`Sender`], which here is the same for both kinds of channels.
pub type SyncSender<T> = Sender<T>;
