//! How one waits for a socket: `mco/src/reactor/readiness.rs`, those who try and wait, in several threads,
//! and the reactor that reports events.

use loom::sync::atomic::AtomicBool;
use loom::sync::{Arc, Condvar, Mutex as LoomMutex};
use loom::thread;

use mco_tests::child;

use super::explore;
use atomic::Ordering;

/// `mco/src/reactor/readiness.rs` takes its atomics from beside itself.
mod atomic {
    pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
}

/// As parking_lot's.
struct Mutex<T>(LoomMutex<T>);

impl<T> Mutex<T> {
    fn new(value: T) -> Mutex<T> {
        Mutex(LoomMutex::new(value))
    }

    fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// What is woken: it counts its wakes, and one can wait for them.
struct Task {
    wakes: LoomMutex<usize>,
    woken: Condvar,
}

impl Task {
    fn new() -> Arc<Task> {
        Arc::new(Task { wakes: LoomMutex::new(0), woken: Condvar::new() })
    }

    fn wait(&self) {
        let mut wakes = self.wakes.lock().unwrap();
        while *wakes == 0 {
            wakes = self.woken.wait(wakes).unwrap();
        }
        *wakes = 0;
    }
}

#[derive(Clone)]
struct Waiter(Arc<Task>);

impl Waiter {
    fn wake(&self) {
        *self.0.wakes.lock().unwrap() += 1;
        self.0.woken.notify_one();
    }
}

#[derive(Default)]
struct WaiterList(Vec<Waiter>);

impl WaiterList {
    fn new() -> WaiterList {
        WaiterList::default()
    }

    fn add(&mut self, waiter: Waiter) -> Option<Waiter> {
        let replaced = self.remove(&waiter);
        self.0.push(waiter);
        replaced
    }

    fn remove(&mut self, waiter: &Waiter) -> Option<Waiter> {
        let at = self.0.iter().position(|known| Arc::ptr_eq(&known.0, &waiter.0))?;
        Some(self.0.remove(at))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn wake_all(self) {
        self.0.iter().for_each(Waiter::wake);
    }
}

/// What the models need of a socket's readiness, so that a wrong one can be put in its place.
trait Readiness: Send + Sync + 'static {
    type Snapshot: Copy;
    /// Registered with a reactor.
    fn new() -> Self;
    /// `None`: not ready.
    fn ready(&self, direction: usize) -> Option<Self::Snapshot>;
    fn would_block(&self, direction: usize, snapshot: Self::Snapshot);
    fn did_less(&self, direction: usize, snapshot: Self::Snapshot);
    fn enter(&self, direction: usize, waiter: &Waiter) -> bool;
    fn give_up(&self, direction: usize, waiter: &Waiter);
    fn event(&self, direction: usize);
}

macro_rules! readiness {
    ($module:ident, $file:literal) => {
        #[allow(dead_code, clippy::drop_non_drop, reason = "the models use most of it")]
        mod $module {
            include!(concat!(env!("OUT_DIR"), $file));

            impl super::Readiness for Readiness {
                type Snapshot = Snapshot;

                fn new() -> Readiness {
                    let readiness = Readiness::new();
                    readiness.begin();
                    readiness
                }

                fn ready(&self, direction: usize) -> Option<Snapshot> {
                    Some(self.snapshot())
                        .filter(|snapshot| snapshot.is_ready(DIRECTIONS[direction]))
                }

                fn would_block(&self, direction: usize, snapshot: Snapshot) {
                    self.clear(DIRECTIONS[direction], snapshot);
                }

                fn did_less(&self, direction: usize, snapshot: Snapshot) {
                    self.clear_if_open(DIRECTIONS[direction], snapshot);
                }

                fn enter(&self, direction: usize, waiter: &Waiter) -> bool {
                    Readiness::enter(self, DIRECTIONS[direction], waiter)
                }

                fn give_up(&self, direction: usize, waiter: &Waiter) {
                    Readiness::leave(self, DIRECTIONS[direction], |list| list.remove(waiter));
                }

                fn event(&self, direction: usize) {
                    self.note(
                        Event::default().ready(DIRECTIONS[direction], false),
                        WaiterList::wake_all,
                    );
                }
            }
        }
    };
}

readiness!(right, "/readiness.rs");
readiness!(careless, "/early_check_readiness.rs");
readiness!(hasty, "/waited_cleared_readiness.rs");

/// A socket on which things happen, one for each event: bytes come, or there is room for some.
struct Socket<R> {
    readiness: R,
    /// Relaxed on purpose: the protocol must make them visible.
    happened: Vec<AtomicBool>,
}

impl<R: Readiness> Socket<R> {
    fn new(things: usize) -> Arc<Socket<R>> {
        let happened = (0..things).map(|_| AtomicBool::new(false)).collect();
        Arc::new(Socket { readiness: R::new(), happened })
    }

    /// The kernel and the reactor.
    fn happen(&self, direction: usize, thing: usize) {
        self.happened[thing].store(true, Ordering::Relaxed);
        self.readiness.event(direction);
    }

    /// `Registered::poll`, until all of these things have happened. Each attempt takes those that have.
    fn poll(&self, direction: usize, things: &[usize], task: &Arc<Task>) -> bool {
        let mut taken = 0;
        loop {
            if let Some(snapshot) = self.readiness.ready(direction) {
                let there = things.iter().filter(|&&thing| self.has_happened(thing)).count();
                if there > taken {
                    taken = there;
                    self.readiness.did_less(direction, snapshot);
                    if taken == things.len() {
                        return true;
                    }
                    continue;
                }
                self.readiness.would_block(direction, snapshot);
            }
            if self.readiness.enter(direction, &Waiter(task.clone())) {
                return false;
            }
        }
    }

    fn has_happened(&self, thing: usize) -> bool {
        self.happened[thing].load(Ordering::Relaxed)
    }

    /// `block_on` it.
    fn wait(&self, direction: usize, things: &[usize], task: &Arc<Task>) {
        while !self.poll(direction, things, task) {
            task.wait();
        }
    }
}

/// If a wake is lost, the reader waits for ever, which loom reports as a deadlock.
fn reads_all<R: Readiness>(bytes: usize) {
    let socket = Socket::<R>::new(bytes);
    let arrives = socket.clone();
    let reactor = thread::spawn(move || (0..bytes).for_each(|byte| arrives.happen(0, byte)));
    let all: Vec<_> = (0..bytes).collect();
    socket.wait(0, &all, &Task::new());
    reactor.join().unwrap();
}

#[test]
fn what_arrives_is_read() {
    explore(4, || reads_all::<right::Readiness>(1));
    explore(3, || reads_all::<right::Readiness>(2));
}

/// Polled by one thread with one task, then by another with its own: the last one is woken.
#[test]
fn a_future_that_moves_is_woken_where_it_is() {
    explore(3, || {
        let socket = Socket::<right::Readiness>::new(1);
        let arrives = socket.clone();
        let reactor = thread::spawn(move || arrives.happen(0, 0));
        let first = Task::new();
        if !socket.poll(0, &[0], &first) {
            let moved = socket.clone();
            thread::spawn(move || {
                moved.readiness.give_up(0, &Waiter(first));
                moved.wait(0, &[0], &Task::new());
            })
            .join()
            .unwrap();
        }
        reactor.join().unwrap();
    });
}

/// Events of two reactors, as when a socket is registered elsewhere while one of the old ones is on its
/// way.
#[test]
fn events_from_two_threads_are_seen() {
    explore(2, || {
        let socket = Socket::<right::Readiness>::new(2);
        let threads = [0, 1].map(|byte| {
            let arrives = socket.clone();
            thread::spawn(move || arrives.happen(0, byte))
        });
        socket.wait(0, &[0, 1], &Task::new());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// What clears the readiness of one direction leaves the other's alone.
#[test]
fn events_of_both_directions_are_seen() {
    explore(3, || {
        let socket = Socket::<right::Readiness>::new(2);
        let happens = socket.clone();
        let reactor = thread::spawn(move || [1, 0].iter().for_each(|&it| happens.happen(it, it)));
        socket.wait(0, &[0], &Task::new());
        socket.wait(1, &[1], &Task::new());
        reactor.join().unwrap();
    });
}

/// Of two that wait for the same direction, one gives up.
fn one_gives_up<R: Readiness>() {
    let socket = Socket::<R>::new(1);
    let given_up = socket.clone();
    let other = thread::spawn(move || {
        let waiter = Waiter(Task::new());
        if Readiness::enter(&given_up.readiness, 0, &waiter) {
            given_up.readiness.give_up(0, &waiter);
        }
    });
    let arrives = socket.clone();
    let reactor = thread::spawn(move || arrives.happen(0, 0));
    socket.wait(0, &[0], &Task::new());
    other.join().unwrap();
    reactor.join().unwrap();
}

#[test]
fn one_that_gives_up_takes_nobody_along() {
    explore(2, one_gives_up::<right::Readiness>);
}

#[test]
fn a_check_before_entering_misses_an_event() {
    // In a process of its own: loom takes it along when it finds a deadlock.
    let end = child::run(|| explore(3, || reads_all::<careless::Readiness>(1)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}

#[test]
fn clearing_waited_while_others_wait_makes_them_miss_an_event() {
    let end = child::run(|| explore(2, one_gives_up::<hasty::Readiness>));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}
