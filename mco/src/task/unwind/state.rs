//! What a coroutine, or a plain thread, knows of its own unwinding: the data. Only for its own thread, by
//! [`with_unwinding`](super::payload::with_unwinding).

use crate::clock::Timestamp;

/// A point in time at which the caller is to be unwound.
#[derive(Clone, Copy)]
pub(in crate::task) struct Deadline {
    pub(super) at: Timestamp,
    /// Unique in the process.
    pub(super) number: u64,
}

/// See the module.
#[derive(Default)]
pub(in crate::task) struct Unwinding {
    /// The number of the [`Injection`](super::payload::Injection) that came last, if its payload is on its way up
    /// this stack, or was caught and is being kept; else 0. Tells a cancel from a panic, for who is unwound; decides
    /// nothing else.
    pub(super) injected: u64,
    /// The panic hook is running, and nothing may unwind out of it.
    pub(super) in_hook: bool,
    /// The nearest of the deadlines that hold here.
    pub(super) deadline: Option<Deadline>,
    /// How many calls of [`shield`](super::cancel::shield) are on the stack.
    pub(super) shields: u32,
}
