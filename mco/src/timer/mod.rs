//! Timers of one worker, a pure data structure: it reads no clock and knows no
//! coroutine. The worker tells it what time it is and gets back what is due.
//!
//! - [`wheel`]: which timers are near and which are far
//! - `heaps`: which timer of a slot is the earliest
//! - `slab`: where timers live in memory

mod heaps;
mod slab;
mod wheel;

pub(crate) use slab::TimerKey;
pub(crate) use wheel::Wheel;
