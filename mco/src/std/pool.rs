//! Pools: of connections, and of tasks.

mod connections;
mod tasks;

pub use self::connections::{ConnectionPool, PoolError, Pooled};
pub use self::tasks::{Pool, Task};
