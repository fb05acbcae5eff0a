//! The wake protocol of a coroutine, `State`: one coroutine, its home worker, and those who wake it.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use mco_tests::child;

use super::explore;
use super::state::State;

/// What the models need of a state, so that a wrong one can be put in its place.
trait Protocol: Send + Sync + 'static {
    fn new() -> Self;
    fn park(&self) -> bool;
    fn begin(&self);
    fn notify(&self) -> bool;

    fn notify_at_home(&self) -> bool {
        self.notify()
    }
}

impl Protocol for State {
    fn new() -> Self {
        State::new()
    }
    fn park(&self) -> bool {
        State::park(self)
    }
    fn begin(&self) {
        State::begin(self);
    }
    fn notify(&self) -> bool {
        State::notify(self)
    }
    fn notify_at_home(&self) -> bool {
        State::notify_at_home(self)
    }
}

/// One coroutine as others see it.
struct Task<P> {
    state: P,
    /// What it waits for. Relaxed on purpose: the protocol must make them visible.
    ready: Vec<AtomicBool>,
    /// Whether it is in its worker's queue.
    queued: Mutex<bool>,
    pushed: Condvar,
}

impl<P: Protocol> Task<P> {
    fn new(wakers: usize) -> Task<P> {
        Task {
            state: P::new(),
            ready: (0..wakers).map(|_| AtomicBool::new(false)).collect(),
            // `RUNNING` begins with the first queueing.
            queued: Mutex::new(true),
            pushed: Condvar::new(),
        }
    }

    /// By one of the wakers.
    fn wake(&self, waker: usize) {
        self.ready[waker].store(true, Ordering::Relaxed);
        if self.state.notify() {
            self.push();
        }
    }

    fn push(&self) {
        let mut queued = self.queued.lock().unwrap();
        assert!(!*queued, "it is queued twice");
        *queued = true;
        drop(queued);
        self.pushed.notify_one();
    }

    fn is_ready(&self) -> bool {
        self.ready.iter().all(|ready| ready.load(Ordering::Relaxed))
    }

    /// The home worker: takes the coroutine out of its queue and runs it, until it has seen all that
    /// it waits for. `yields`: so many times it goes to the end of the queue first. `wakes`: so many
    /// times another coroutine of the worker wakes it when it is parked.
    fn work(&self, mut yields: usize, mut wakes: usize) {
        loop {
            let mut queued = self.queued.lock().unwrap();
            while !*queued {
                queued = self.pushed.wait(queued).unwrap();
            }
            *queued = false;
            drop(queued);
            self.state.begin();
            if yields > 0 {
                yields -= 1;
                // It is the worker itself that queues it, in a queue of its own.
                *self.queued.lock().unwrap() = true;
                continue;
            }
            // The coroutine's own loop, as in `Wait::wait_for`.
            loop {
                if self.is_ready() {
                    return;
                }
                if self.state.park() {
                    break;
                }
            }
            if wakes > 0 {
                wakes -= 1;
                if self.state.notify_at_home() {
                    self.push();
                }
            }
        }
    }
}

/// If a wake is lost, the worker waits for ever, which loom reports as a deadlock.
fn model<P: Protocol>(wakers: usize, yields: usize, wakes: usize) {
    let task = Arc::new(Task::<P>::new(wakers));
    let wake = |waker| {
        let task = task.clone();
        thread::spawn(move || task.wake(waker))
    };
    let threads: Vec<_> = (0..wakers).map(wake).collect();
    task.work(yields, wakes);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_waker_is_seen() {
    explore(4, || model::<State>(1, 0, 0));
}

#[test]
fn two_wakers_are_seen_and_queue_once() {
    explore(3, || model::<State>(2, 0, 0));
}

#[test]
fn wakes_of_one_that_yields_are_seen() {
    explore(3, || model::<State>(2, 1, 0));
}

#[test]
fn wakes_from_home_and_from_elsewhere_are_seen_and_queue_once() {
    explore(3, || model::<State>(2, 0, 2));
}

#[test]
fn three_wakers_are_seen_and_queue_once() {
    explore(2, || model::<State>(3, 0, 0));
}

/// With a `begin` that only stores: it may overwrite a notification without having seen what came
/// before it. That the model finds this shows that it can find something.
struct Careless(loom::sync::atomic::AtomicU8);

impl Protocol for Careless {
    fn new() -> Self {
        Careless(loom::sync::atomic::AtomicU8::new(0))
    }
    fn park(&self) -> bool {
        let parked = self.0.compare_exchange(0, 1, Ordering::Release, Ordering::Relaxed).is_ok();
        if !parked {
            self.begin();
        }
        parked
    }
    fn begin(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
    fn notify(&self) -> bool {
        self.0.swap(2, Ordering::AcqRel) == 1
    }
}

#[test]
fn a_begin_that_only_stores_loses_a_wake() {
    // In a process of its own: loom takes it along when it finds a deadlock.
    let end = child::run(|| explore(3, || model::<Careless>(2, 0, 0)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}
