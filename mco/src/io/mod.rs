//! Waiting for any descriptor that the system can report on: pipes, terminals, `eventfd`, `inotify`.
//!
//! [`CoIo`] makes something of std's or of another crate that reads and writes wait as a socket of mco
//! does. [`WaitIo`] is the waiting alone, for what is neither read nor written, or by calls of its
//! own.
//!
//! Regular files are always ready, as the system sees it, and block all the same: they are for
//! [`blocking`](crate::blocking()).

mod co_io;
mod split_io;
mod wait_io;

pub use co_io::CoIo;
pub use split_io::{SplitIo, SplitReader, SplitWriter};
pub use wait_io::{WaitIo, WaitIoWaker};
pub(crate) use wait_io::{wait_event, wait_io, wait_ready};
