//! Tests of concurrent programs: what `#[mco::test]` runs, and how deadlocks are found.

mod deadlock;
mod monitor;
mod runner;

pub(crate) use deadlock::{DeadlockPolicy, watch};
pub use runner::{TestOptions, test};
