//! A worker does what it was asked for.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::requests::Request;
use super::state::LocalWorker;
use crate::clock::Timestamp;

/// After this time no further request is begun. One takes some 10 to 100 microseconds.
const MAX_RUN: Duration = Duration::from_millis(2);

impl LocalWorker {
    /// Runs requests, between two turns. Returns whether there were any: if so, this worker's queues may hold more
    /// than before.
    #[inline]
    pub(super) fn run_requests(&self) -> bool {
        let any = self.worker().requests.are_waiting();
        if any {
            self.run_some_requests();
        }
        any
    }

    #[cold]
    fn run_some_requests(&self) {
        let requests = &self.worker().requests;
        requests.waiting.store(false, Ordering::Release);
        let begun = Timestamp::monotonic();
        while let Some(request) = requests.next() {
            if request.is_cancelled() {
                continue;
            }
            match request {
                #[cfg(feature = "dump")]
                Request::Backtrace(task, reply) => reply.send(task.capture()),
                #[cfg(feature = "dump")]
                Request::ListUnstarted(reply) => reply.send(self.list_unstarted()),
                Request::TrimStacks => self.trim_stacks(),
            }
            if Timestamp::monotonic().since(begun) >= MAX_RUN {
                // Maybe for nothing.
                requests.waiting.store(true, Ordering::Release);
                return;
            }
        }
    }
}
