//! Runtimes: a number of workers and the coroutines that they run.
//!
//! Most programs need none of this: the global runtime starts when the first coroutine is spawned,
//! with what [`config`](crate::config()) says. A [`Runtime`] of its own is for tests, for a library
//! that wants its own workers, and for ending everything at a certain point: dropping it does.

pub(crate) mod global;
mod handle;
mod metrics;

pub use handle::{Builder, Handle, Runtime, metrics};
pub use metrics::{Metrics, WorkerMetrics};

#[cfg(feature = "hyper")]
pub use crate::bridge::{Executor, Timer};
