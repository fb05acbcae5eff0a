//! Time: waiting for it, limiting it, telling it.

mod timeout;

pub use crate::coroutine::sleep;
pub use timeout::{Elapsed, timeout};
