//! What a thread does between two looks at what another thread will change soon.

/// Spins, longer with each attempt, and then lets other threads go first: who is awaited may have lost its processor.
pub(crate) fn relax(attempt: u32) {
    if attempt < 7 {
        (0..1 << attempt).for_each(|_| std::hint::spin_loop());
    } else {
        std::thread::yield_now();
    }
}
