//! Synchronisation, in the manner of [`std::sync`](::std::sync), for coroutines and threads alike.

mod chan;
pub mod channel;

pub use channel::{Receiver, Sender, bounded, channel, channel_buf, unbounded};
