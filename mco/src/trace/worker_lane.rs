//! Who records: the workers with their lanes, and threads that are none.

use std::sync::Arc;

use super::lane::{Lane, TracedWorker};

/// A lane and the thread that writes it.
#[derive(Clone)]
pub(super) struct WorkerLane {
    pub(super) lane: &'static Lane,
    pub(super) worker: Arc<dyn TracedWorker>,
    pub(super) runtime: u32,
    pub(super) thread: u32,
    /// The worker's number in its runtime.
    pub(super) index: usize,
    pub(super) name: String,
}

/// A wake, or a spawn, by a thread that is no worker.
#[derive(Clone, Copy)]
pub(super) struct ByThread {
    pub(super) stamp: u64,
    pub(super) cause: Cause,
    pub(super) id: u64,
    /// The index of the thread.
    pub(super) thread: u32,
}

/// What makes a slice possible.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    Wake,
    Spawn,
}
