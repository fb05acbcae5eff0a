//! The wake protocol of a coroutine, `State`: one coroutine, its home worker, and those who wake it.

#![allow(unsafe_code)]

use loom::cell::UnsafeCell;
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

    fn freeze(&self) -> bool {
        false
    }

    fn unfreeze(&self) -> bool {
        unreachable!("nobody holds it")
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
    fn freeze(&self) -> bool {
        State::freeze(self)
    }
    fn unfreeze(&self) -> bool {
        State::unfreeze(self)
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
    /// What lies in its frame: it is there, and stays as it is, while it is parked. Loom finds whoever
    /// reads it otherwise.
    frame: UnsafeCell<usize>,
}

// SAFETY: the frame is written by the coroutine and read by those who freeze it; that these exclude each
// other is what the models show.
unsafe impl<P: Protocol> Send for Task<P> {}
// SAFETY: as above.
unsafe impl<P: Protocol> Sync for Task<P> {}

impl<P: Protocol> Task<P> {
    fn new(wakers: usize) -> Task<P> {
        Task {
            state: P::new(),
            ready: (0..wakers).map(|_| AtomicBool::new(false)).collect(),
            // `RUNNING` begins with the first queueing.
            queued: Mutex::new(true),
            pushed: Condvar::new(),
            frame: UnsafeCell::new(0),
        }
    }

    /// By one an observer: reads what lies in the frame, if it is parked.
    fn look(&self) {
        if self.state.freeze() {
            // SAFETY: see above.
            self.frame.with(|frame| assert_ne!(unsafe { *frame }, 0, "it has not parked"));
            if self.state.unfreeze() {
                self.push();
            }
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
                // SAFETY: see above.
                self.frame.with_mut(|frame| unsafe { *frame += 1 });
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

/// As `model`, with so many observers.
fn observing<P: Protocol>(wakers: usize, wakes: usize, observers: usize) {
    let task = Arc::new(Task::<P>::new(wakers));
    let wakers = (0..wakers).map(|waker| {
        let task = task.clone();
        thread::spawn(move || task.wake(waker))
    });
    let mut threads: Vec<_> = wakers.collect();
    threads.extend((0..observers).map(|_| {
        let task = task.clone();
        thread::spawn(move || task.look())
    }));
    task.work(0, wakes);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn an_observer_sees_the_frame_of_a_parked_coroutine_and_no_wake_is_lost() {
    explore(3, || observing::<State>(1, 0, 1));
    explore(2, || observing::<State>(2, 0, 1));
}

#[test]
fn wakes_at_home_during_an_observation_are_not_lost() {
    explore(3, || observing::<State>(1, 2, 1));
}

#[test]
fn two_observers_wait_for_each_other() {
    explore(2, || observing::<State>(1, 0, 2));
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

/// With a `release` that does not look whether there was a wake.
struct Forgetful(State);

impl Protocol for Forgetful {
    fn new() -> Self {
        Forgetful(State::new())
    }
    fn park(&self) -> bool {
        self.0.park()
    }
    fn begin(&self) {
        self.0.begin();
    }
    fn notify(&self) -> bool {
        self.0.notify()
    }
    fn freeze(&self) -> bool {
        self.0.freeze()
    }
    fn unfreeze(&self) -> bool {
        let _ = self.0.unfreeze();
        false
    }
}

#[test]
fn an_unfreeze_that_does_not_queue_loses_a_wake() {
    let end = child::run(|| explore(3, || observing::<Forgetful>(1, 0, 1)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}
