//! The lock inside a mutex, `RawLock`: one at a time has it, and nobody is left behind.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
use loom::sync::Arc;

use mco_tests::child;

use super::explore;
use super::task::Reason;
use super::wait::{NoHandoffLock, RawLock, Task, Wait};

/// What the models need of a lock, so that a wrong one can be put in its place.
trait Lock: Send + Sync + 'static {
    fn new() -> Self;
    fn lock(&self, wait: Wait);
    fn unlock(&self);
}

impl Lock for RawLock {
    fn new() -> Self {
        RawLock::new()
    }
    fn lock(&self, wait: Wait) {
        RawLock::lock(self, || wait);
    }
    fn unlock(&self) {
        RawLock::unlock(self);
    }
}

impl Lock for NoHandoffLock {
    fn new() -> Self {
        NoHandoffLock::new()
    }
    fn lock(&self, wait: Wait) {
        NoHandoffLock::lock(self, || wait);
    }
    fn unlock(&self) {
        NoHandoffLock::unlock(self);
    }
}

/// What it guards: loom finds two that are inside at once, and a write that is not visible.
struct Guarded<L> {
    lock: L,
    count: UnsafeCell<usize>,
}

impl<L: Lock> Guarded<L> {
    fn new() -> Arc<Guarded<L>> {
        Arc::new(Guarded { lock: L::new(), count: UnsafeCell::new(0) })
    }

    fn lock(&self) {
        self.lock.lock(Wait::new(Reason::Mutex));
    }

    /// By the holder.
    fn add_and_unlock(&self) {
        self.count.with_mut(add_one);
        self.lock.unlock();
    }

    fn add(&self) {
        self.lock();
        self.add_and_unlock();
    }

    fn count(&self) -> usize {
        self.lock();
        let count = self.count.with(read);
        self.lock.unlock();
        count
    }
}

/// So many lock so often, and this one too.
fn contend<L: Lock>(others: usize, times: usize) {
    let guarded = Guarded::<L>::new();
    let threads: Vec<_> = (0..others)
        .map(|_| {
            let guarded = guarded.clone();
            Task::new().run(move || (0..times).for_each(|_| guarded.add()))
        })
        .collect();
    guarded.add();
    threads.into_iter().for_each(|thread| assert!(thread.join().unwrap().is_some()));
    assert_eq!(guarded.count(), others * times + 1);
}

fn add_one(count: *mut usize) {
    // SAFETY: loom has checked that nobody else uses it.
    unsafe { *count += 1 }
}

fn read(count: *const usize) -> usize {
    // SAFETY: as above.
    unsafe { *count }
}

#[test]
fn two_lock_in_turn() {
    explore(5, || contend::<RawLock>(1, 2));
}

#[test]
fn three_lock_in_turn() {
    explore(3, || contend::<RawLock>(2, 1));
}

/// One of two that wait, or come to, is cancelled. The other one gets the lock in any case.
#[test]
fn a_cancel_leaves_nobody_behind() {
    explore(2, || {
        let guarded = Guarded::<RawLock>::new();
        guarded.lock();
        let spawn = |task: &std::sync::Arc<Task>| {
            let guarded = guarded.clone();
            task.run(move || guarded.add())
        };
        let (first, second) = (Task::new(), Task::new());
        let (one, other) = (spawn(&first), spawn(&second));
        first.cancel();
        guarded.add_and_unlock();
        let got = one.join().unwrap().is_some();
        assert!(other.join().unwrap().is_some());
        assert_eq!(guarded.count(), 2 + usize::from(got));
    });
}

#[test]
fn without_a_handoff_request_a_waiter_is_forgotten() {
    // In a process of its own: loom takes it along when it finds a deadlock.
    let end = child::run(|| explore(3, || contend::<NoHandoffLock>(1, 2)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}
