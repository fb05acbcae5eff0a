//! What a coroutine, or a plain thread, knows of its own unwinding: the data. Only for its own thread, by
//! [`with_unwinding`](super::payload::with_unwinding).

use std::panic::Location;
use std::sync::Arc;

use crate::clock::Timestamp;

/// A reason for which the caller is to be unwound: a point in time, or what somebody else decides. Those that hold form
/// a list, the innermost first. See [`deadline`](super::deadline).
pub(in crate::task) struct Limit {
    /// Unique in the process. [`INHERITED`](Limit::INHERITED) if no call of this coroutine or thread has set it.
    pub(super) number: u64,
    /// Where in the source it was set.
    pub(super) site: &'static Location<'static>,
    pub(super) at: Option<Timestamp>,
    pub(super) interrupt: Option<Arc<dyn Interrupt>>,
    /// The one around it.
    pub(super) outer: Option<Arc<Limit>>,
    /// The nearest point in time of this one and of those around it.
    pub(super) nearest: Option<Timestamp>,
    /// Whether this one, or one around it, has an `interrupt`.
    pub(super) has_interrupt: bool,
}

/// Whether somebody wants what a coroutine or thread does now to be cut off.
pub(crate) trait Interrupt: Send + Sync {
    /// Asked by the one who would be cut off, before and after each of its waits. Once it says yes, whoever made it
    /// say so has to wake that one.
    fn is_due(&self) -> bool;
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
    /// The innermost of the limits that hold here.
    pub(super) limit: Option<Arc<Limit>>,
    /// How many calls of [`shield`](super::cancel::shield) are on the stack.
    pub(super) shields: u32,
}

impl Unwinding {
    pub(super) const fn new() -> Unwinding {
        Unwinding { injected: 0, in_hook: false, limit: None, shields: 0 }
    }

    /// Before its coroutine starts: a limit that it has from the one who spawned it.
    pub(in crate::task) fn inherit(&mut self, limit: Arc<Limit>) {
        self.limit = Some(limit);
    }
}
