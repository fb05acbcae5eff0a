//! How a worker ends while others hand unstarted coroutines over to it: `InboxGate`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore;
use super::inbox::Inbox;
use super::{inbox_gate, no_fence_inbox_gate, no_recheck_inbox_gate};
use mco_tests::child;

/// `InboxGate`, or a wrong one in its place.
trait InboxGate: Send + Sync + 'static {
    fn new() -> Self;
    fn open(&self);
    fn try_close(&self, is_inbox_empty: impl Fn() -> bool) -> bool;
    fn accepts_pushed(&self) -> bool;
}

macro_rules! inbox_gate {
    ($module:ident) => {
        impl InboxGate for $module::InboxGate {
            fn new() -> Self {
                $module::InboxGate::new()
            }

            fn open(&self) {
                $module::InboxGate::open(self);
            }

            fn try_close(&self, is_inbox_empty: impl Fn() -> bool) -> bool {
                $module::InboxGate::try_close(self, is_inbox_empty)
            }

            fn accepts_pushed(&self) -> bool {
                $module::InboxGate::accepts_pushed(self)
            }
        }
    };
}

inbox_gate!(inbox_gate);
inbox_gate!(no_fence_inbox_gate);
inbox_gate!(no_recheck_inbox_gate);

struct Worker<P> {
    inbox: Inbox,
    inbox_gate: P,
    /// What has been taken out, by whomever.
    seen: AtomicU64,
}

impl<P: InboxGate> Worker<P> {
    fn see(&self) {
        let items = self.inbox.drain();
        let before = self.seen.fetch_or(items, Ordering::Relaxed);
        assert_eq!(before & items, 0, "an item came twice");
    }

    /// As `RemoteWorker::hand_over`.
    fn hand_over(&self, item: u32) {
        self.inbox.push(item);
        if !self.inbox_gate.accepts_pushed() {
            self.see();
        }
    }

    /// As `LocalWorker::work` at the end of the runtime.
    fn end(&self) {
        loop {
            self.see();
            if self.inbox_gate.try_close(|| self.inbox.is_empty()) {
                return;
            }
        }
    }
}

fn model<P: InboxGate>(placers: u32) {
    let inbox_gate = P::new();
    inbox_gate.open();
    let worker = Arc::new(Worker { inbox: Inbox::new(), inbox_gate, seen: AtomicU64::new(0) });
    let place = |item| {
        let worker = worker.clone();
        thread::spawn(move || worker.hand_over(item))
    };
    let threads: Vec<_> = (0..placers).map(place).collect();
    worker.end();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let all = (1 << placers) - 1;
    assert_eq!(worker.seen.load(Ordering::Relaxed), all, "one was lost");
}

#[test]
fn what_is_handed_to_a_worker_that_ends_is_taken_by_it_or_taken_back() {
    explore(4, || model::<inbox_gate::InboxGate>(1));
    explore(3, || model::<inbox_gate::InboxGate>(2));
}

#[test]
fn without_the_fence_one_is_lost() {
    let end = child::run(|| explore(4, || model::<no_fence_inbox_gate::InboxGate>(1)));
    assert!(!end.status.success() && end.stderr.contains("one was lost"), "{end}");
}

#[test]
fn without_the_last_look_one_is_lost() {
    let end = child::run(|| explore(4, || model::<no_recheck_inbox_gate::InboxGate>(1)));
    assert!(!end.status.success() && end.stderr.contains("one was lost"), "{end}");
}
