//! The blocking pool: threads for what would block a worker.
//!
//! There is one pool for the process, started by its first job. A coroutine submits a job and parks; a thread of the
//! pool runs the job and wakes the coroutine. No coroutine ever runs on a thread of the pool. To the job that is a
//! plain thread.
//!
//! ```text
//!            submit ──> queue ──oldest first──> a thread ──> outcome, wake
//!               │         │ │
//!               │         │ └── refuse: no thread can be had; who waits for it runs it
//!               │         └── withdraw: whoever waits was cancelled before it began
//!               └── wakes the thread that fell idle last, or starts one up to the limit
//! ```
//!
//! The thread that has slept for the shortest time is woken first. So with little to do the same few threads are used,
//! and the others reach their idle timeout and end.
//!
//! [`pool`] has the queue and the threads, [`job`] what is handed over and who waits for it.

mod job;
mod pool;

pub(crate) use job::{run, run_detached, run_user_code, submit};
pub(crate) use pool::{PoolCounters, counters};
