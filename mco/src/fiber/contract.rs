//! What an engine is given, and what it gives: see [the module above](super).

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

/// The smallest stack that a coroutine can have, in bytes; smaller requests are rounded up to it.
///
/// A panic that prints a backtrace fits into it, for it must not end the process. What that takes is std's, and
/// was measured: between 20 and 24 KiB with and without optimisation, 16 without a backtrace. The rest is for
/// names that are nested deeper, and for where the panic comes from. Memory is taken as it is touched, so that
/// costs addresses only.
pub(crate) const MIN_STACK_SIZE: usize = 64 * 1024;

/// What a fiber runs: a function and its argument, as one step of the fiber's loop.
#[derive(Clone, Copy)]
pub(crate) struct Body {
    pub(super) run: unsafe fn(*const ()),
    pub(super) data: *const (),
}

impl Body {
    /// A body that calls `run(data)`.
    ///
    /// # Safety
    ///
    /// `run(data)` must be sound to call once, on the fiber, at any time before the body returns,
    /// and must not unwind.
    pub(crate) unsafe fn new(run: unsafe fn(*const ()), data: *const ()) -> Body {
        Body { run, data }
    }
}

/// Where a stack and its guard lie; addresses grow from `guard` over `bottom` to `top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) guard: usize,
    pub(crate) bottom: usize,
    pub(crate) top: usize,
}

impl Bounds {
    /// Whether `address` lies on the stack.
    pub(crate) fn contains(&self, address: usize) -> bool {
        (self.bottom..self.top).contains(&address)
    }

    /// Whether `address` lies in the guard: a fault there is an overflow of this stack.
    pub(crate) fn is_guard(&self, address: usize) -> bool {
        (self.guard..self.bottom).contains(&address)
    }
}

/// Fibers that exist now, in all runtimes. A statistic.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// How many stacks are in use or kept for the next coroutine, in all runtimes.
pub(crate) fn mapped() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

/// By the engine: there is one more fiber.
pub(super) fn made() {
    MAPPED.fetch_add(1, Ordering::Relaxed);
}

/// By the engine: there is one less.
pub(super) fn gone() {
    MAPPED.fetch_sub(1, Ordering::Relaxed);
}
