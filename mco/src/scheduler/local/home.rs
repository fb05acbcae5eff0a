//! What coroutines ask of the worker on which they live.

use std::sync::atomic::AtomicU64;

use super::super::worker::RemoteWorker;
use super::state::LocalWorker;
use crate::runtime_thread;
use crate::task::{Home, TaskRef, current};

impl Home for RemoteWorker {
    fn should_spin(&self) -> bool {
        LocalWorker::with(LocalWorker::should_spin) == Some(true)
    }

    fn spin_wait(&self, has_happened: &mut dyn FnMut() -> bool) {
        LocalWorker::with(|local| local.spin_wait(has_happened));
    }

    fn test_run(&self) -> u64 {
        LocalWorker::with(|local| local.scheduler.settings.test_run).unwrap_or(0)
    }

    fn run_user_code(&self, f: Box<dyn FnOnce() + Send>) {
        let mut f = Some(f);
        LocalWorker::with(|local| f.take().into_iter().for_each(|f| local.run_user_code(f)));
        if let Some(f) = f {
            // The process exits by a call from this thread, whose own half of the worker is gone.
            runtime_thread::contain_panic(f);
        }
    }

    fn coarse_clock(&self) -> &AtomicU64 {
        &self.clock
    }

    fn schedule_from_elsewhere(&self, task: TaskRef) {
        current::note_remote_wake();
        self.inbox.push(task);
        self.interrupt();
    }
}
