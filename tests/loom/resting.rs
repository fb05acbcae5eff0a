//! How the last of several workers to fall asleep finds that nothing happens any more, and sets the clock forward:
//! `Quiet`.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use loom::thread;

use super::explore;
use super::idle::Sleep;
use super::inbox::{Inbox, Poll};
use super::{careless_quiet, hasty_quiet, late_quiet, quiet};
use mco_tests::child;

/// `Quiet`, or a wrong one in its place.
trait Quiet: Send + Sync + 'static {
    fn new() -> Self;
    fn rise(&self);
    fn fall(&self) -> bool;
    /// Whether nobody was awake while there was `nothing`.
    fn is_at_rest(&self, nothing: impl FnOnce() -> bool) -> bool;
    /// If nobody is awake: does `then` with what `look` has seen, and keeps everybody asleep meanwhile.
    fn keep<T>(&self, look: impl FnOnce() -> T, then: impl FnOnce(T)) -> bool;
}

macro_rules! quiet {
    ($module:ident) => {
        impl Quiet for $module::Quiet {
            fn new() -> Self {
                $module::Quiet::new()
            }

            fn rise(&self) {
                $module::Quiet::rise(self);
            }

            fn fall(&self) -> bool {
                $module::Quiet::fall(self)
            }

            fn is_at_rest(&self, nothing: impl FnOnce() -> bool) -> bool {
                let Some(glance) = self.glance() else { return false };
                nothing() && self.holds(glance)
            }

            fn keep<T>(&self, look: impl FnOnce() -> T, then: impl FnOnce(T)) -> bool {
                let Some(glance) = self.glance() else { return false };
                let seen = look();
                let kept = self.holds(glance).then(|| $module::Quiet::keep(self, glance)).flatten();
                if kept.is_some() {
                    then(seen);
                }
                kept.is_some()
            }
        }
    };
}

quiet!(quiet);
quiet!(careless_quiet);
quiet!(late_quiet);
quiet!(hasty_quiet);

struct Worker {
    inbox: Inbox,
    sleep: Sleep,
    poll: Poll,
}

/// Workers that pass items around: each item is passed on to the next worker until it has made its way.
struct Runtime<Q> {
    workers: Vec<Worker>,
    quiet: Q,
    /// How many items have come to their end. Changed by whichever worker ends one, with no order but what
    /// the protocol gives; read by who finds everything at rest.
    ended: AtomicUsize,
    /// Set by who finds everything at rest: the workers end.
    over: AtomicUsize,
}

impl<Q: Quiet> Runtime<Q> {
    fn new(workers: usize) -> Runtime<Q> {
        let quiet = Q::new();
        (0..workers).for_each(|_| quiet.rise());
        let worker = |_| Worker { inbox: Inbox::new(), sleep: Sleep::new(), poll: Poll::new() };
        Runtime {
            workers: (0..workers).map(worker).collect(),
            quiet,
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

    /// As `Local::work`. `route` says where an item goes next, if anywhere.
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
                let last = self.quiet.fall();
                if last && self.is_at_rest() {
                    assert_eq!(self.ended.load(Ordering::Relaxed), items, "it was not at rest");
                    self.over.store(1, Ordering::SeqCst);
                    (0..self.workers.len()).for_each(|worker| self.interrupt(worker));
                }
                if self.over.load(Ordering::SeqCst) == 0 {
                    own.poll.poll();
                }
                self.quiet.rise();
            }
            own.sleep.end();
        }
    }

    /// As `Scheduler::at_rest`.
    fn is_at_rest(&self) -> bool {
        self.quiet.is_at_rest(|| self.workers.iter().all(|worker| worker.inbox.is_empty()))
    }
}

/// If everything is at rest too early, an item has not ended; if that is never found, the workers sleep for
/// ever, which loom reports as a deadlock.
fn model(workers: usize, items: &'static [(usize, u32)], route: fn(usize, u32) -> Option<usize>) {
    let runtime = Arc::new(Runtime::<quiet::Quiet>::new(workers));
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
fn rest_is_found_when_the_item_has_ended_and_not_before() {
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

/// Only the moment that matters: one worker falls last while the other, which has been woken, rises and
/// takes its item.
fn one_rises<Q: Quiet>() {
    let runtime = Arc::new(Runtime::<Q>::new(2));
    runtime.quiet.fall();
    runtime.workers[1].inbox.push(0);
    let assert_at_rest = |runtime: &Runtime<Q>| {
        if runtime.quiet.fall() && runtime.is_at_rest() {
            assert_eq!(runtime.ended.load(Ordering::Relaxed), 1, "it was not at rest");
            runtime.over.fetch_add(1, Ordering::Relaxed);
        }
    };
    let woken = {
        let runtime = runtime.clone();
        thread::spawn(move || {
            runtime.quiet.rise();
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
fn one_that_rises_is_noticed() {
    explore(4, one_rises::<quiet::Quiet>);
}

#[test]
fn one_that_looks_once_takes_what_is_on_its_way_for_nothing() {
    // In a process of its own: what loom prints is no fault of this one.
    let end = child::run(|| explore(4, one_rises::<careless_quiet::Quiet>));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("it was not at rest");
}

/// Two workers with a virtual clock, each of which has a timer that it sets anew when it is due.
struct Clocked<Q> {
    quiet: Q,
    clock: AtomicU64,
    /// When the timer of each is due, as it was when it fell.
    due: [AtomicU64; 2],
}

impl<Q: Quiet> Clocked<Q> {
    /// By a worker that has been woken, for whatever reason.
    fn rise(&self, worker: usize) {
        self.quiet.rise();
        let now = self.clock.load(Ordering::Acquire);
        if self.due[worker].load(Ordering::Relaxed) <= now {
            self.due[worker].store(now + 2, Ordering::Relaxed);
        }
        let then = self.clock.load(Ordering::Acquire);
        assert_eq!(now, then, "the clock goes on while a worker is awake");
    }

    /// As `Local::fall_asleep`.
    fn fall(&self) {
        if self.quiet.fall() {
            let next = || {
                let due = self.due.each_ref().map(|due| due.load(Ordering::Relaxed));
                due.into_iter().min().unwrap()
            };
            self.quiet.keep(next, |next| {
                let now = self.clock.load(Ordering::Acquire);
                let before = self.clock.fetch_max(next.max(now), Ordering::AcqRel);
                assert!(before <= next.max(now), "the clock goes back");
            });
        }
    }
}

/// One falls last while the other one wakes up, more than once.
fn one_sets_the_clock_while_another_rises<Q: Quiet>() {
    let due = [AtomicU64::new(2), AtomicU64::new(1)];
    let runtime = Arc::new(Clocked { quiet: Q::new(), clock: AtomicU64::new(0), due });
    // The second one sleeps.
    runtime.quiet.rise();
    let woken = {
        let runtime = runtime.clone();
        thread::spawn(move || {
            for _ in 0..3 {
                runtime.rise(1);
                runtime.fall();
            }
        })
    };
    runtime.fall();
    woken.join().unwrap();
    assert!(runtime.clock.load(Ordering::Relaxed) > 0, "nobody has set the clock forward");
}

#[test]
fn a_clock_is_set_forward_by_one_at_a_time_and_while_nobody_is_awake() {
    explore(4, one_sets_the_clock_while_another_rises::<quiet::Quiet>);
}

#[test]
fn a_clock_goes_wrong_that_is_set_although_somebody_has_risen() {
    let end =
        child::run(|| explore(4, one_sets_the_clock_while_another_rises::<late_quiet::Quiet>));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("the clock goes");
}

#[test]
fn a_clock_goes_on_under_one_that_does_not_wait() {
    let end =
        child::run(|| explore(4, one_sets_the_clock_while_another_rises::<hasty_quiet::Quiet>));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("the clock goes on while a worker is awake");
}
