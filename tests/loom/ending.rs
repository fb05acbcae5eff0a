//! How a worker ends while others hand fresh coroutines over to it: `Presence`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::thread;

use super::explore;
use super::inbox::Inbox;
use super::{careless_presence, hasty_presence, presence};
use mco_tests::child;

/// `Presence`, or a wrong one in its place.
trait Presence: Send + Sync + 'static {
    fn new() -> Self;
    fn enter(&self);
    fn leave(&self, is_inbox_empty: impl Fn() -> bool) -> bool;
    fn will_come(&self) -> bool;
}

macro_rules! presence {
    ($module:ident) => {
        impl Presence for $module::Presence {
            fn new() -> Self {
                $module::Presence::new()
            }

            fn enter(&self) {
                $module::Presence::enter(self);
            }

            fn leave(&self, is_inbox_empty: impl Fn() -> bool) -> bool {
                $module::Presence::leave(self, is_inbox_empty)
            }

            fn will_come(&self) -> bool {
                $module::Presence::will_come(self)
            }
        }
    };
}

presence!(presence);
presence!(careless_presence);
presence!(hasty_presence);

struct Worker<P> {
    inbox: Inbox,
    presence: P,
    /// What has been taken out, by whomever.
    seen: AtomicU64,
}

impl<P: Presence> Worker<P> {
    fn see(&self) {
        let items = self.inbox.drain();
        let before = self.seen.fetch_or(items, Ordering::Relaxed);
        assert_eq!(before & items, 0, "an item came twice");
    }

    /// As `Worker::place`.
    fn place(&self, item: u32) {
        self.inbox.push(item);
        if !self.presence.will_come() {
            self.see();
        }
    }

    /// As `Local::work` at the end of the runtime.
    fn end(&self) {
        loop {
            self.see();
            if self.presence.leave(|| self.inbox.is_empty()) {
                return;
            }
        }
    }
}

fn model<P: Presence>(placers: u32) {
    let presence = P::new();
    presence.enter();
    let worker = Arc::new(Worker { inbox: Inbox::new(), presence, seen: AtomicU64::new(0) });
    let place = |item| {
        let worker = worker.clone();
        thread::spawn(move || worker.place(item))
    };
    let threads: Vec<_> = (0..placers).map(place).collect();
    worker.end();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let all = (1 << placers) - 1;
    assert_eq!(worker.seen.load(Ordering::Relaxed), all, "one was lost");
}

#[test]
fn what_is_handed_to_a_worker_that_ends_is_taken_by_it_or_taken_back() {
    explore(4, || model::<presence::Presence>(1));
    explore(3, || model::<presence::Presence>(2));
}

#[test]
fn without_the_fence_one_is_lost() {
    let end = child::run(|| explore(4, || model::<careless_presence::Presence>(1)));
    assert!(!end.status.success() && end.stderr.contains("one was lost"), "{end}");
}

#[test]
fn without_the_last_look_one_is_lost() {
    let end = child::run(|| explore(4, || model::<hasty_presence::Presence>(1)));
    assert!(!end.status.success() && end.stderr.contains("one was lost"), "{end}");
}
