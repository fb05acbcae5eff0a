//! Whether a worker still takes what is handed over to it, or is about to end.
//!
//! What is handed over is pushed into the worker's queue for that, here its *inbox*.
//!
//! At the end of a runtime each worker ends by itself, when it hosts nothing any more. Woken coroutines are no
//! matter: they are hosted. But a neighbour that hosts too many may hand over an unstarted one at that very moment:
//!
//! ```text
//!   who hands over                       the worker, which has nothing left
//!   a. pushes into the inbox             1. is not here any more
//!   b. a fence                           2. a fence
//!   c. is it here? then it will come     3. is the inbox empty? then it ends
//!      to it; otherwise takes all back   4. otherwise it is here again, and goes on
//! ```
//!
//! The fences are sequentially consistent, so either c sees 1, or 3 sees a. Where both do, each takes out what
//! it finds, and an inbox gives everything out once. If c sees what 4 has written, or a time before 1, then the
//! worker's next 1 comes after it, and the 3 behind that finds what was pushed.

use super::atomic::{AtomicBool, Ordering, fence};

/// See the module.
pub(super) struct InboxGate(AtomicBool);

impl InboxGate {
    /// The gate of a worker without a thread: closed.
    pub(super) fn new() -> InboxGate {
        InboxGate(AtomicBool::new(false))
    }

    /// Before its thread begins.
    pub(super) fn open(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// By the worker that has nothing left, or if its thread could not be started: closes the gate. `false`: something
    /// has come, and the gate stays open.
    pub(super) fn try_close(&self, is_inbox_empty: impl Fn() -> bool) -> bool {
        self.0.store(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        let closes = is_inbox_empty();
        if !closes {
            self.0.store(true, Ordering::SeqCst);
        }
        closes
    }

    /// By whoever has pushed: whether the worker will come to it.
    pub(super) fn accepts_pushed(&self) -> bool {
        fence(Ordering::SeqCst);
        self.is_open()
    }

    pub(super) fn is_open(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
