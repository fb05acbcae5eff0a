//! The atomics of the wake protocol ([`state`](super::state)), separate so that the models in `tests/loom` can
//! include that file and supply loom's.

pub(super) use std::sync::atomic::{AtomicU8, Ordering};

/// Between two reads of what another thread will change soon.
pub(super) fn relax(attempt: u32) {
    if attempt < 7 { std::hint::spin_loop() } else { std::thread::yield_now() }
}
