//! A worker's own half: its queues, its loop, and what it does without work.
//!
//! Only the worker's thread comes here. Coroutines that run on it do so by a thread-local variable
//! ([`LocalWorker::with`]), so no borrow of it may last while one runs.

mod home;
mod idling;
mod placement;
mod requests;
mod run;
mod seeded;
mod state;
mod turn;
#[cfg(feature = "dump")]
mod unstarted;

pub(super) use run::{mark_forked_worker, run};
pub(super) use state::LocalWorker;
