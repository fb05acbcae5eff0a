//! What the others see of the monitor.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Thread;

/// The half of the monitor that other threads use.
pub(in super::super) struct Monitor {
    /// The monitor sleeps until a worker wakes up. Whoever resets this has to wake it.
    pub(super) dormant: AtomicBool,
    pub(super) thread: OnceLock<Thread>,
}

impl Monitor {
    pub(in super::super) fn new() -> Monitor {
        Monitor { dormant: AtomicBool::new(false), thread: OnceLock::new() }
    }

    /// By a worker that has stopped sleeping.
    pub(in super::super) fn worker_woke(&self) {
        // Either this sees the flag, or the monitor, which sets the flag first, sees the worker
        // awake; or it misses this short moment of being awake, which does not matter.
        if self.dormant.load(Ordering::SeqCst) && self.dormant.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(in super::super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}
