//! How a future waits for a socket: `Direction` of `mco/src/reactor/source.rs`, those who poll, which may
//! be in several threads one after the other, and the reactor that reports events.

use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use loom::sync::{Arc, Condvar, Mutex as LoomMutex};
use loom::thread;

use mco_tests::child;

use super::explore;

const READY: u64 = 1;
const CLOSED: u64 = 2;
const ONE_EVENT: u64 = 4;

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

/// A task's. There are no others in these models.
#[derive(Clone)]
struct Waiter(Arc<Task>);

impl Waiter {
    fn current() -> Waiter {
        unreachable!("only tasks wait here")
    }

    fn wake(&self) {
        *self.0.wakes.lock().unwrap() += 1;
        self.0.woken.notify_one();
    }
}

/// What is left to be woken later. Here everything is woken at once.
struct TaskWaiter;

/// One task at most.
#[derive(Default)]
struct WaiterList(Option<Waiter>);

impl WaiterList {
    fn new() -> WaiterList {
        WaiterList::default()
    }

    fn add(&mut self, waiter: Waiter) -> Option<Waiter> {
        self.0.replace(waiter)
    }

    fn remove(&mut self, _: &Waiter) -> Option<Waiter> {
        self.0.take()
    }

    fn wake_all(self) {
        self.0.iter().for_each(Waiter::wake);
    }

    fn wake_all_but_task(self, _: &mut Vec<TaskWaiter>) {
        // Only later than in the product.
        self.wake_all();
    }
}

/// What `Direction::wait` needs, which a coroutine calls.
struct Wait;

#[derive(PartialEq)]
enum Wake {
    TimedOut,
}

impl Wait {
    fn park(&self) -> Wake {
        Wake::TimedOut
    }
}

/// Nobody looks whether it waits.
struct Hold;

impl Hold {
    fn new() -> Hold {
        Hold
    }
}

struct Entered;

impl Entered {
    fn new(_: Waiter, _: impl FnMut(&Waiter)) -> Entered {
        Entered
    }
}

#[derive(Clone, Copy)]
struct Glance(u64);

impl Glance {
    fn is_ready(self) -> bool {
        self.0 & READY != 0
    }
}

macro_rules! direction {
    ($module:ident, $file:literal) => {
        #[allow(dead_code, clippy::drop_non_drop, reason = "the models use most of it")]
        mod $module {
            use super::{
                AtomicU64, CLOSED, Entered, Glance, Hold, Mutex, ONE_EVENT, Ordering, READY,
                TaskWaiter, Wait, Waiter, WaiterList, Wake,
            };

            pub(super) struct Direction {
                word: AtomicU64,
                waiters: Mutex<WaiterList>,
            }

            include!(concat!(env!("OUT_DIR"), $file));

            impl super::Side for Direction {
                fn new() -> Direction {
                    Direction::new()
                }
                fn glance(&self) -> Glance {
                    Direction::glance(self)
                }
                fn clear(&self, glance: Glance) {
                    Direction::clear(self, glance);
                }
                fn enter(&self, waiter: &Waiter) -> bool {
                    Direction::enter(self, waiter)
                }
                fn dispatch(&self) {
                    Direction::dispatch(self, false, &mut Vec::new());
                }
            }
        }
    };
}

direction!(right, "/readiness.rs");
direction!(careless, "/careless_readiness.rs");

/// What the models need of a direction, so that a wrong one can be put in its place.
trait Side: Send + Sync + 'static {
    fn new() -> Self;
    fn glance(&self) -> Glance;
    fn clear(&self, glance: Glance);
    fn enter(&self, waiter: &Waiter) -> bool;
    fn dispatch(&self);
}

/// A socket into which bytes come, one for each event.
struct Socket<D> {
    direction: D,
    /// Relaxed on purpose: the protocol must make them visible.
    bytes: Vec<AtomicBool>,
}

impl<D: Side> Socket<D> {
    fn new(bytes: usize) -> Arc<Socket<D>> {
        let bytes = (0..bytes).map(|_| AtomicBool::new(false)).collect();
        Arc::new(Socket { direction: D::new(), bytes })
    }

    /// The kernel and the reactor.
    fn arrive(&self, byte: usize) {
        self.bytes[byte].store(true, Ordering::Relaxed);
        self.direction.dispatch();
    }

    /// `Evented::poll`, for a read of byte number `byte`.
    fn poll(&self, byte: usize, task: &Arc<Task>) -> bool {
        loop {
            let glance = self.direction.glance();
            if glance.is_ready() {
                if self.bytes[byte].load(Ordering::Relaxed) {
                    return true;
                }
                self.direction.clear(glance);
            }
            if self.direction.enter(&Waiter(task.clone())) {
                return false;
            }
        }
    }

    /// `block_on` a read.
    fn read(&self, byte: usize, task: &Arc<Task>) {
        while !self.poll(byte, task) {
            task.wait();
        }
    }
}

/// If a wake is lost, the reader waits for ever, which loom reports as a deadlock.
fn reads_all<D: Side>(bytes: usize) {
    let socket = Socket::<D>::new(bytes);
    let arrives = socket.clone();
    let reactor = thread::spawn(move || (0..bytes).for_each(|byte| arrives.arrive(byte)));
    let task = Task::new();
    (0..bytes).for_each(|byte| socket.read(byte, &task));
    reactor.join().unwrap();
}

#[test]
fn what_arrives_is_read() {
    explore(4, || reads_all::<right::Direction>(1));
    explore(3, || reads_all::<right::Direction>(2));
}

/// Polled by one thread with one task, then by another with its own: the last one is woken.
#[test]
fn a_future_that_moves_is_woken_where_it_is() {
    explore(3, || {
        let socket = Socket::<right::Direction>::new(1);
        let arrives = socket.clone();
        let reactor = thread::spawn(move || arrives.arrive(0));
        if !socket.poll(0, &Task::new()) {
            let moved = socket.clone();
            thread::spawn(move || moved.read(0, &Task::new())).join().unwrap();
        }
        reactor.join().unwrap();
    });
}

/// Events of two reactors, as when a socket is registered elsewhere while one of the old ones is on its
/// way.
#[test]
fn events_from_two_threads_are_seen() {
    explore(2, || {
        let socket = Socket::<right::Direction>::new(2);
        let threads = [0, 1].map(|byte| {
            let arrives = socket.clone();
            thread::spawn(move || arrives.arrive(byte))
        });
        let task = Task::new();
        (0..2).for_each(|byte| socket.read(byte, &task));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn one_that_looks_before_it_enters_misses_an_event() {
    // In a process of its own: loom takes it along when it finds a deadlock.
    let end = child::run(|| explore(3, || reads_all::<careless::Direction>(1)));
    assert!(!end.status.success(), "the model finds nothing");
    end.assert_says("deadlock");
}
