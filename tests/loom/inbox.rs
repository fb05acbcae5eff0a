//! What the models have in place of mco's inboxes, queues and wakers.

use loom::sync::atomic::{AtomicU64, Ordering, fence};
use loom::sync::{Condvar, Mutex};

/// Items that anyone adds and one takes, as bits: `task::Inbox` with its memory orders.
pub(super) struct Inbox(AtomicU64);

impl Inbox {
    pub(super) fn new() -> Inbox {
        Inbox(AtomicU64::new(0))
    }

    pub(super) fn push(&self, item: u32) {
        let mut head = self.0.load(Ordering::Relaxed);
        while let Err(now) = self.0.compare_exchange_weak(
            head,
            head | 1 << item,
            Ordering::Release,
            Ordering::Relaxed,
        ) {
            head = now;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }

    /// Without the look that the real one begins with. Of several accesses to an atomic loom tries other
    /// orders with the last one only, and such a look would come after what matters.
    pub(super) fn drain(&self) -> u64 {
        self.0.swap(0, Ordering::AcqRel)
    }
}

/// Coroutines that anyone adds and anyone takes: the injector of `crossbeam-deque`.
pub(super) struct Queue(AtomicU64);

impl Queue {
    pub(super) fn new() -> Queue {
        Queue(AtomicU64::new(0))
    }

    pub(super) fn push(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    pub(super) fn take(&self) -> bool {
        let less = |n: u64| n.checked_sub(1);
        self.0.fetch_update(Ordering::Acquire, Ordering::Relaxed, less).is_ok()
    }

    /// The crate looks with sequentially consistent loads, which loom takes for weaker ones than
    /// they are. The fence makes up for it.
    pub(super) fn is_empty(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::Acquire) == 0
    }
}

/// A `mio::Poll` with nothing in it but its waker: a wake ends the poll that is under way, or the
/// next one.
pub(super) struct Poll {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Poll {
    pub(super) fn new() -> Poll {
        Poll { woken: Mutex::new(false), changed: Condvar::new() }
    }

    pub(super) fn poll(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }

    pub(super) fn wake(&self) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}
