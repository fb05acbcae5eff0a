//! The lock of a TLS stream, `mco/src/net/tls/lock.rs`: coroutines wait for it, and tasks of futures, which are
//! woken when it is given back.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::panic::{self, AssertUnwindSafe};
use std::sync::{LockResult, TryLockError, TryLockResult};
use std::task::{Context, Poll, Wake, Waker};

use loom::sync::{Arc, Condvar, Mutex as LoomMutex};
use loom::thread;

use mco_tests::child;

use super::explore;
use super::task::Reason;
use super::wait::{RawLock, Spin, Task, Wait};

/// As the reactor's.
#[derive(Clone, Copy)]
enum Direction {
    Read,
    Write,
}

/// As mco's, without what only keeps a virtual clock from going on.
struct TaskWaiter(Waker);

impl TaskWaiter {
    fn new(waker: &Waker) -> TaskWaiter {
        TaskWaiter(waker.clone())
    }

    fn wake(&self) {
        self.0.wake_by_ref();
    }
}

/// mco's mutex, without poison.
struct Mutex<T> {
    lock: RawLock,
    value: UnsafeCell<T>,
}

// SAFETY: what the models put into it finds two that use it at once.
unsafe impl<T: Send> Sync for Mutex<T> {}

struct MutexGuard<'a, T>(&'a Mutex<T>);

impl<T> Mutex<T> {
    fn new(value: T) -> Mutex<T> {
        Mutex { lock: RawLock::new(), value: UnsafeCell::new(value) }
    }

    fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        self.lock.lock(|| Wait::new(Reason::Mutex));
        Ok(MutexGuard(self))
    }

    fn try_lock(&self) -> TryLockResult<MutexGuard<'_, T>> {
        self.try_lock_now()
    }

    fn try_lock_now(&self) -> TryLockResult<MutexGuard<'_, T>> {
        let taken = self.lock.try_lock();
        taken.then(|| MutexGuard(self)).ok_or(TryLockError::WouldBlock)
    }

    fn get_mut(&mut self) -> LockResult<&mut T> {
        Ok(self.value.get_mut())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0.lock.unlock();
    }
}

/// What is inside: loom finds two that are in there at once, and a write that is not visible.
type Count = loom::cell::UnsafeCell<usize>;

fn add_one(count: &Count) {
    // SAFETY: loom has checked that nobody else uses it.
    count.with_mut(|count| unsafe { *count += 1 });
}

/// What the models need of the lock, so that a wrong one can be put in its place.
trait Counted: Send + Sync + 'static {
    fn at_zero() -> Self;

    /// Takes the lock, and waits for it; runs `f` and adds one.
    fn add_after(&self, f: impl FnOnce());

    fn poll_add(&self, direction: Direction, context: &Context<'_>) -> Poll<()>;

    fn count(&self) -> usize;

    fn add(&self) {
        self.add_after(|| {});
    }

    /// `block_on` a future that adds one.
    fn add_by_polling(&self, direction: Direction) {
        let task = Alarm::new();
        while self.poll_add(direction, &Context::from_waker(&task.waker())).is_pending() {
            task.wait();
        }
    }

    /// One poll by one who does not come back. `true`: it was ready.
    fn add_by_one_poll(&self, direction: Direction) -> bool {
        self.poll_add(direction, &Context::from_waker(&Alarm::new().waker())).is_ready()
    }
}

macro_rules! lock {
    ($module:ident, $file:literal) => {
        #[allow(dead_code, reason = "the models use most of it")]
        mod $module {
            include!(concat!(env!("OUT_DIR"), $file));

            impl super::Counted for Lock<super::Count> {
                fn at_zero() -> Self {
                    Lock::new(super::Count::new(0))
                }
                fn add_after(&self, f: impl FnOnce()) {
                    let locked = self.lock().unwrap();
                    f();
                    super::add_one(&locked);
                }
                fn poll_add(&self, direction: Direction, context: &Context<'_>) -> Poll<()> {
                    self.poll(direction, context).map(|locked| match locked {
                        Ok(locked) => super::add_one(&locked),
                        Err(Poisoned) => unreachable!("nothing panics"),
                    })
                }
                fn count(&self) -> usize {
                    // SAFETY: loom has checked that nobody writes it.
                    self.lock().unwrap().with(|count| unsafe { *count })
                }
            }
        }
    };
}

lock!(right, "/tls_lock.rs");
lock!(careless, "/single_try_tls_lock.rs");
lock!(hasty, "/early_wake_tls_lock.rs");

type Right = right::Lock<Count>;

/// What a waker wakes.
struct Alarm {
    woken: LoomMutex<bool>,
    changed: Condvar,
}

impl Alarm {
    fn new() -> std::sync::Arc<Alarm> {
        let woken = LoomMutex::new(false);
        std::sync::Arc::new(Alarm { woken, changed: Condvar::new() })
    }

    fn waker(self: &std::sync::Arc<Alarm>) -> Waker {
        self.clone().into()
    }

    fn wait(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Alarm {
    fn wake(self: std::sync::Arc<Alarm>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &std::sync::Arc<Alarm>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

fn poller<L: Counted>(lock: &Arc<L>, direction: Direction) -> thread::JoinHandle<()> {
    let lock = lock.clone();
    thread::spawn(move || lock.add_by_polling(direction))
}

fn blocker<L: Counted>(
    lock: &Arc<L>,
    task: &std::sync::Arc<Task>,
) -> thread::JoinHandle<Option<()>> {
    let lock = lock.clone();
    task.run(move || lock.add())
}

/// If a wake is lost, somebody waits for ever, which loom reports as a deadlock.
fn one_blocks_and_one_polls<L: Counted>() {
    let lock = Arc::new(L::at_zero());
    let polls = poller(&lock, Direction::Read);
    lock.add();
    polls.join().unwrap();
    assert_eq!(lock.count(), 2);
}

#[test]
fn a_task_is_woken_when_the_lock_is_given_back() {
    explore(5, one_blocks_and_one_polls::<Right>);
}

#[test]
fn tasks_of_both_directions_are_woken() {
    explore(3, || {
        let lock = Arc::new(Right::at_zero());
        let polls = [poller(&lock, Direction::Read), poller(&lock, Direction::Write)];
        lock.add();
        polls.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(lock.count(), 3);
    });
}

/// Among them one that waits in the lock's own queue, and may be handed the lock.
#[test]
fn those_who_block_and_those_who_poll_have_it_in_turn() {
    explore(3, || {
        let lock = Arc::new(Right::at_zero());
        let (polls, blocks) = (poller(&lock, Direction::Read), blocker(&lock, &Task::new()));
        lock.add();
        polls.join().unwrap();
        assert!(blocks.join().unwrap().is_some());
        assert_eq!(lock.count(), 3);
    });
}

/// It may have been called, and have the lock for a moment: a task that finds it held then is woken, too.
#[test]
fn a_coroutine_that_is_cancelled_leaves_no_task_behind() {
    explore(2, || {
        let lock = Arc::new(Right::at_zero());
        let task = Task::new();
        let mut others = None;
        lock.add_after(|| {
            others = Some((poller(&lock, Direction::Read), blocker(&lock, &task)));
            task.cancel();
        });
        let (polls, gives_up) = others.unwrap();
        polls.join().unwrap();
        let got = gives_up.join().unwrap().is_some();
        assert_eq!(lock.count(), 2 + usize::from(got));
    });
}

/// As one that is cancelled while it has the lock and waits for something else.
#[test]
fn one_that_unwinds_with_the_lock_wakes_the_task() {
    explore(3, || {
        let lock = Arc::new(Right::at_zero());
        let unwinds = lock.clone();
        let unwinds = thread::spawn(move || {
            let unwind = || unwinds.add_after(|| panic::resume_unwind(Box::new(())));
            panic::catch_unwind(AssertUnwindSafe(unwind)).unwrap_err();
        });
        lock.add_by_polling(Direction::Read);
        unwinds.join().unwrap();
        assert_eq!(lock.count(), 1);
    });
}

/// A future that was dropped: its task is in the list, and does nothing when it is woken.
#[test]
fn a_task_that_does_not_come_back_leaves_nobody_behind() {
    explore(2, || {
        let lock = Arc::new(Right::at_zero());
        let polls_once = lock.clone();
        let polls_once = thread::spawn(move || polls_once.add_by_one_poll(Direction::Write));
        let polls = poller(&lock, Direction::Read);
        lock.add();
        polls.join().unwrap();
        let got = polls_once.join().unwrap();
        assert_eq!(lock.count(), 2 + usize::from(got));
    });
    // The same, and the one that is left blocks.
    explore(3, || {
        let lock = Arc::new(Right::at_zero());
        let polls_once = lock.clone();
        let polls_once = thread::spawn(move || polls_once.add_by_one_poll(Direction::Write));
        let blocks = blocker(&lock, &Task::new());
        lock.add();
        assert!(blocks.join().unwrap().is_some());
        let got = polls_once.join().unwrap();
        assert_eq!(lock.count(), 2 + usize::from(got));
    });
}

/// Polled by one thread with one task, then by another with its own: the last one is woken.
#[test]
fn a_future_that_moves_is_woken_where_it_is() {
    explore(4, || {
        let lock = Arc::new(Right::at_zero());
        let holds = lock.clone();
        let holds = thread::spawn(move || holds.add());
        if !lock.add_by_one_poll(Direction::Read) {
            poller(&lock, Direction::Read).join().unwrap();
        }
        holds.join().unwrap();
        assert_eq!(lock.count(), 2);
    });
}

/// In a process of its own: loom takes it along when it finds a deadlock.
macro_rules! assert_deadlock {
    ($model:expr) => {
        let end = child::run(|| explore(3, $model));
        assert!(!end.status.success(), "the model finds nothing");
        end.assert_says("deadlock");
    };
}

#[test]
fn without_a_second_try_the_task_is_forgotten() {
    assert_deadlock!(one_blocks_and_one_polls::<careless::Lock<Count>>);
}

#[test]
fn a_wake_before_the_unlock_is_lost() {
    assert_deadlock!(one_blocks_and_one_polls::<hasty::Lock<Count>>);
}
