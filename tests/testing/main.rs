//! What `#[mco::test]` can do.

mod deadlock;
mod leaks;
mod seeds;
mod virtual_time;
