//! What mco's queue of waiting places, its lock and its semaphore are built on, as simple as it can
//! be: who waits is a thread of loom's, with the wake protocol of a coroutine.

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

    /// Nothing is gained by looking later: loom lets the others go first as well.
    pub(crate) fn relax(_attempt: u32) {}
}

mod blocked {
    pub(super) use super::{Blocked, Wakeup};
}

mod cell {
    pub(super) use std::cell::{Cell, UnsafeCell};
}

/// `mco/src/wait/queue.rs`, prepared by `build.rs`.
#[allow(dead_code, unsafe_code, reason = "the models use most of it")]
mod queue {
    include!(concat!(env!("OUT_DIR"), "/queue.rs"));
}
mod spin;

/// `mco/src/wait/lock.rs`, prepared by `build.rs`.
#[allow(dead_code, reason = "the models use most of it")]
mod lock {
    include!(concat!(env!("OUT_DIR"), "/lock.rs"));
}

/// The same, but one that has been woken and does not get the lock does not ask for a handoff.
#[allow(dead_code, reason = "as above")]
mod no_handoff_lock {
    include!(concat!(env!("OUT_DIR"), "/no_handoff_lock.rs"));
}

/// `WaitNode::wait` of `mco/src/wait/park.rs`.
mod node_wait {
    use super::{Outcome, Queue, Wait, WaitNode, Wake};

    include!(concat!(env!("OUT_DIR"), "/node_wait.rs"));
}

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Condvar, Mutex};
use loom::thread::{self, JoinHandle};

pub(crate) use self::lock::RawLock;
pub(crate) use self::no_handoff_lock::RawLock as NoHandoffLock;
pub(crate) use self::queue::{Outcome, Queue, WaitNode};
pub(crate) use self::spin::Spin;
use crate::clock::Timestamp;
use crate::state::State;
use crate::task::Reason;

loom::thread_local! {
    static ME: RefCell<Option<Arc<Task>>> = RefCell::new(None);
}

/// One who may wait.
pub(crate) struct Task {
    state: State,
    /// Whether it is in its worker's queue.
    queued: Mutex<bool>,
    pushed: Condvar,
    cancelled: AtomicBool,
    expired: AtomicBool,
}

impl Task {
    pub(crate) fn new() -> Arc<Task> {
        Arc::new(Task {
            state: State::new(),
            queued: Mutex::new(false),
            pushed: Condvar::new(),
            cancelled: AtomicBool::new(false),
            expired: AtomicBool::new(false),
        })
    }

    /// Runs `f` as this one. `None`: it was cancelled.
    pub(crate) fn run<T: 'static>(
        self: &Arc<Task>,
        f: impl FnOnce() -> T + 'static,
    ) -> JoinHandle<Option<T>> {
        let me = self.clone();
        thread::spawn(move || {
            ME.with(|place| *place.borrow_mut() = Some(me));
            match panic::catch_unwind(AssertUnwindSafe(f)) {
                Ok(value) => Some(value),
                Err(payload) if payload.is::<Cancelled>() => None,
                Err(payload) => panic::resume_unwind(payload),
            }
        })
    }

    fn current() -> Arc<Task> {
        ME.with(|me| me.borrow_mut().get_or_insert_with(Task::new).clone())
    }

    pub(crate) fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
        self.wake();
    }

    /// Its deadline, if it waits with one, has passed.
    pub(crate) fn expire(&self) {
        self.expired.store(true, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if self.state.notify() {
            self.push();
        }
    }

    fn push(&self) {
        let mut queued = self.queued.lock().unwrap();
        assert!(!*queued, "it is queued twice");
        *queued = true;
        self.pushed.notify_one();
    }

    /// Suspends it until it is notified, if it has not been.
    fn park(&self) {
        if self.state.park() {
            let mut queued = self.queued.lock().unwrap();
            while !*queued {
                queued = self.pushed.wait(queued).unwrap();
            }
            *queued = false;
            drop(queued);
            self.state.begin();
        }
    }
}

struct Cancelled;

/// As mco's, which points to the coroutine.
pub(crate) struct Blocked(Arc<Task>);

impl Blocked {
    pub(crate) fn current() -> Blocked {
        Blocked(Task::current())
    }

    /// # Safety
    ///
    /// None here; it is mco's signature.
    #[allow(unsafe_code)]
    pub(crate) unsafe fn notify(&self) -> Wakeup {
        Wakeup(self.0.state.notify().then(|| self.0.clone()))
    }
}

pub(crate) struct Wakeup(Option<Arc<Task>>);

impl Wakeup {
    pub(crate) fn unneeded() -> Wakeup {
        Wakeup(None)
    }

    pub(crate) fn wake(self) {
        self.0.into_iter().for_each(|task| task.push());
    }
}

#[derive(Clone, Copy)]
pub(crate) struct Wait {
    limited: bool,
}

#[derive(PartialEq, Eq)]
pub(crate) enum Wake {
    Notified,
    TimedOut,
}

impl Wait {
    pub(crate) fn new(_: Reason) -> Wait {
        Wait { limited: false }
    }

    pub(crate) fn until(self, deadline: Option<Timestamp>) -> Wait {
        Wait { limited: deadline.is_some() }
    }

    pub(crate) fn at<T: ?Sized>(self, _: &T) -> Wait {
        self
    }

    /// Without a deadline: the others spin before.
    pub(crate) fn park_simply(&self) -> bool {
        let me = Task::current();
        let is_simple = !self.limited && !me.cancelled.load(Ordering::Relaxed);
        if is_simple {
            me.park();
        }
        is_simple
    }

    /// Always: whether it is worth it makes no difference to what may happen.
    pub(crate) fn should_spin(&self) -> bool {
        true
    }

    /// Once: more looks find nothing new.
    pub(crate) fn spin_wait(&self, has_happened: &mut dyn FnMut() -> bool) {
        has_happened();
    }

    pub(crate) fn before(&self) -> Parked {
        let cancelled = Task::current().cancelled.load(Ordering::Relaxed);
        Parked { wake: Wake::Notified, cancelled }
    }

    pub(crate) fn park_uncancellable(&self) -> Parked {
        let me = Task::current();
        me.park();
        let expired = self.limited && me.expired.load(Ordering::Relaxed);
        let wake = if expired { Wake::TimedOut } else { Wake::Notified };
        Parked { wake, cancelled: me.cancelled.load(Ordering::Relaxed) }
    }
}

pub(crate) struct Parked {
    pub(crate) wake: Wake,
    cancelled: bool,
}

impl Parked {
    pub(crate) fn is_cancelled(&self) -> bool {
        self.cancelled
    }

    pub(crate) fn unwind_if_cancelled(&self) {
        if self.cancelled {
            panic::resume_unwind(Box::new(Cancelled));
        }
    }
}
