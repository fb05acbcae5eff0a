//! In place of [`running`](super) where it cannot be had: nothing is known of a coroutine that runs.

use super::backtrace::Frames;

/// A thread that may be asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ThreadId;

impl ThreadId {
    pub(crate) fn current() -> ThreadId {
        ThreadId
    }
}

/// The frames of the coroutine with this number, which nobody knows.
pub(crate) fn ask(_: ThreadId, _: u64) -> Option<Frames> {
    None
}
