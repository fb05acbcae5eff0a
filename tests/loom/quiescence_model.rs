//! How the last of several workers to fall asleep finds that nothing happens any more, and sets the clock forward:
//! `Quiescence`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread;

use super::explore;
use super::idle::Sleep;
use super::inbox::{Inbox, Poll};
use super::{forced_lock_quiescence, no_wait_quiescence, quiescence, single_check_quiescence};
use mco_tests::child;

/// `Quiescence`, or a wrong one in its place.
trait Quiescence: Send + Sync + 'static {
    fn new() -> Self;
    fn activate(&self);
    fn deactivate(&self) -> bool;
    /// Whether nobody was awake while there was `nothing`.
    fn is_at_rest(&self, nothing: impl FnOnce() -> bool) -> bool;
    /// If nobody is active: does `then` with what `look` has seen, and keeps everybody asleep meanwhile.
    fn lock<T>(&self, look: impl FnOnce() -> T, then: impl FnOnce(T)) -> bool;
}

macro_rules! quiescence {
    ($module:ident) => {
        impl Quiescence for $module::Quiescence {
            fn new() -> Self {
                $module::Quiescence::new()
            }

            fn activate(&self) {
                $module::Quiescence::activate(self);
            }

            fn deactivate(&self) -> bool {
                $module::Quiescence::deactivate(self)
            }

            fn is_at_rest(&self, nothing: impl FnOnce() -> bool) -> bool {
                let Some(epoch) = self.epoch() else { return false };
                nothing() && self.is_current(epoch)
            }

            fn lock<T>(&self, look: impl FnOnce() -> T, then: impl FnOnce(T)) -> bool {
                let Some(epoch) = self.epoch() else { return false };
                let seen = look();
                let locked = self
                    .is_current(epoch)
                    .then(|| $module::Quiescence::lock(self, epoch))
                    .flatten();
                if locked.is_some() {
                    then(seen);
                }
                locked.is_some()
            }
        }
    };
}

quiescence!(quiescence);
quiescence!(single_check_quiescence);
quiescence!(forced_lock_quiescence);
quiescence!(no_wait_quiescence);

struct Worker {
    inbox: Inbox,
    sleep: Sleep,
    poll: Poll,
}

/// Workers that pass items around: each item is passed on to the next worker until it has made its way.
struct Runtime<Q> {
    workers: Vec<Worker>,
    quiescence: Q,
    /// How many items have come to their end. Changed by whichever worker ends one, with no order but what
    /// the protocol gives; read by who finds everything at rest.
    ended: AtomicUsize,
    /// Set by who finds everything at rest: the workers end.
    over: AtomicUsize,
}

impl<Q: Quiescence> Runtime<Q> {
    fn new(workers: usize) -> Runtime<Q> {
        let quiescence = Q::new();
        (0..workers).for_each(|_| quiescence.activate());
        let worker = |_| Worker { inbox: Inbox::new(), sleep: Sleep::new(), poll: Poll::new() };
        Runtime {
            workers: (0..workers).map(worker).collect(),
            quiescence,
            ended: AtomicUsize::new(0),
            over: AtomicUsize::new(0),
        }
    }

    fn schedule(&self, worker: usize, item: u32) {
        self.workers[worker].inbox.push(item);
        self.interrupt(worker);
    }

    fn interrupt(&self, worker: usize) {
        if self.workers[worker].sleep.interrupt() {
            self.workers[worker].poll.wake();
        }
    }

    /// As `LocalWorker::work`. `route` says where an item goes next, if anywhere.
    fn work(&self, index: usize, items: usize, route: fn(usize, u32) -> Option<usize>) {
        let own = &self.workers[index];
        while self.over.load(Ordering::SeqCst) == 0 {
            let came = own.inbox.drain();
            for item in (0..8).filter(|item| came & 1 << item != 0) {
                match route(index, item) {
                    Some(next) => self.schedule(next, item),
                    None => drop(self.ended.fetch_add(1, Ordering::Relaxed)),
                }
            }
            own.sleep.begin();
            if own.inbox.is_empty() && self.over.load(Ordering::SeqCst) == 0 {
                let last = self.quiescence.deactivate();
                if last && self.is_at_rest() {
                    assert_eq!(self.ended.load(Ordering::Relaxed), items, "it was not at rest");
                    self.over.store(1, Ordering::SeqCst);
                    (0..self.workers.len()).for_each(|worker| self.interrupt(worker));
                }
                if self.over.load(Ordering::SeqCst) == 0 {
                    own.poll.poll();
                }
                self.quiescence.activate();
            }
            own.sleep.end();
        }
    }

    /// As `Scheduler::at_rest`.
    fn is_at_rest(&self) -> bool {
        self.quiescence.is_at_rest(|| self.workers.iter().all(|worker| worker.inbox.is_empty()))
    }
}

/// If everything is at rest too early, an item has not ended; if that is never found, the workers sleep for
/// ever, which loom reports as a deadlock.
fn model(workers: usize, items: &'static [(usize, u32)], route: fn(usize, u32) -> Option<usize>) {
    let runtime = Arc::new(Runtime::<quiescence::Quiescence>::new(workers));
    for (worker, item) in items {
        runtime.schedule(*worker, *item);
    }
    let start = |index| {
        let runtime = runtime.clone();
        thread::spawn(move || runtime.work(index, items.len(), route))
    };
    let threads: Vec<_> = (1..workers).map(start).collect();
    runtime.work(0, items.len(), route);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn quiescence_is_found_when_the_item_has_ended_and_not_before() {
    explore(3, || model(2, &[(0, 0)], |worker, _| (worker == 0).then_some(1)));
}

#[test]
fn an_item_that_comes_back_is_waited_for() {
    // From the second worker to the first, where it ends.
    explore(3, || model(2, &[(1, 0)], |worker, _| (worker == 1).then_some(0)));
}

#[test]
fn three_workers_pass_one_on() {
    explore(2, || model(3, &[(0, 0)], |worker, _| (worker < 2).then_some(worker + 1)));
}

/// Only the moment that matters: one worker deactivates last while the other, which has been woken, activates and
/// takes its item.
fn one_activates<Q: Quiescence>() {
    let runtime = Arc::new(Runtime::<Q>::new(2));
    runtime.quiescence.deactivate();
    runtime.workers[1].inbox.push(0);
    let assert_at_rest = |runtime: &Runtime<Q>| {
        if runtime.quiescence.deactivate() && runtime.is_at_rest() {
            assert_eq!(runtime.ended.load(Ordering::Relaxed), 1, "it was not at rest");
            runtime.over.fetch_add(1, Ordering::Relaxed);
        }
    };
    let woken = {
        let runtime = runtime.clone();
        thread::spawn(move || {
            runtime.quiescence.activate();
            assert_eq!(runtime.workers[1].inbox.drain(), 1);
            runtime.ended.fetch_add(1, Ordering::Relaxed);
            assert_at_rest(&runtime);
        })
    };
    assert_at_rest(&runtime);
    woken.join().unwrap();
    assert!(runtime.over.load(Ordering::Relaxed) > 0, "the rest was never found");
}

#[test]
fn a_worker_that_activates_is_noticed() {
    explore(4, one_activates::<quiescence::Quiescence>);
}

#[test]
fn a_single_check_misses_an_item_that_is_moving() {
    // In a process of its own: what loom prints is no fault of this one.
    let end = child::run(|| explore(4, one_activates::<single_check_quiescence::Quiescence>));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("it was not at rest");
}

/// Two workers with a virtual clock, each of which has a timer that it sets anew when it is due.
struct Clocked<Q> {
    quiescence: Q,
    clock: AtomicU64,
    /// When the timer of each is due, as it was when it deactivated.
    due: [AtomicU64; 2],
}

impl<Q: Quiescence> Clocked<Q> {
    /// By a worker that has been woken, for whatever reason.
    fn activate(&self, worker: usize) {
        self.quiescence.activate();
        let now = self.clock.load(Ordering::Acquire);
        if self.due[worker].load(Ordering::Relaxed) <= now {
            self.due[worker].store(now + 2, Ordering::Relaxed);
        }
        let then = self.clock.load(Ordering::Acquire);
        assert_eq!(now, then, "the clock goes on while a worker is awake");
    }

    /// As `LocalWorker::fall_asleep`.
    fn deactivate(&self) {
        if self.quiescence.deactivate() {
            let next = || {
                let due = self.due.each_ref().map(|due| due.load(Ordering::Relaxed));
                due.into_iter().min().unwrap()
            };
            self.quiescence.lock(next, |next| {
                let now = self.clock.load(Ordering::Acquire);
                let before = self.clock.fetch_max(next.max(now), Ordering::AcqRel);
                assert!(before <= next.max(now), "the clock goes back");
            });
        }
    }
}

/// One deactivates last while the other one wakes up, more than once.
fn one_sets_the_clock_while_another_activates<Q: Quiescence>() {
    let due = [AtomicU64::new(2), AtomicU64::new(1)];
    let runtime = Arc::new(Clocked { quiescence: Q::new(), clock: AtomicU64::new(0), due });
    // The second one sleeps.
    runtime.quiescence.activate();
    let woken = {
        let runtime = runtime.clone();
        thread::spawn(move || {
            for _ in 0..3 {
                runtime.activate(1);
                runtime.deactivate();
            }
        })
    };
    runtime.deactivate();
    woken.join().unwrap();
    assert!(runtime.clock.load(Ordering::Relaxed) > 0, "nobody has set the clock forward");
}

#[test]
fn a_clock_is_set_forward_by_one_at_a_time_and_while_nobody_is_awake() {
    explore(4, one_sets_the_clock_while_another_activates::<quiescence::Quiescence>);
}

#[test]
fn a_forced_lock_lets_the_clock_go_back() {
    let end = child::run(|| {
        explore(4, one_sets_the_clock_while_another_activates::<forced_lock_quiescence::Quiescence>)
    });
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("the clock goes");
}

#[test]
fn without_waiting_for_the_lock_a_worker_sees_the_clock_move() {
    let end = child::run(|| {
        explore(4, one_sets_the_clock_while_another_activates::<no_wait_quiescence::Quiescence>)
    });
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("the clock goes on while a worker is awake");
}
