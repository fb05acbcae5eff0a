//! A lock that coroutines and threads wait for, and the tasks of futures too.
//!
//! A poll must not wait for the lock, nor does it know how long that would take: a blocking reader keeps
//! `reading` while it waits for the peer. So it leaves its task with the lock, and whoever gives the lock
//! back wakes it:
//!
//! ```text
//!   a poll:           try;  held? leave the task (under the list's lock),  try again
//!   whoever has it:   give the lock back,  take the tasks out (under the list's lock),  wake them
//! ```
//!
//! If the tasks were taken out before this one was left, the lock was given back before that, and the second
//! try sees it, or somebody who has taken it since and has yet to do the same. If they were taken out after,
//! the task was among them.
//!
//! So everyone who has had the lock, however short, must wake the tasks afterwards: one may have found it held
//! by just that one. Everyone has a `Locked`, which does both in this order when it is dropped, also while it
//! unwinds. One that is cancelled when it has been handed the mutex, or has just taken it, gets its `Locked` all
//! the same: a wait for a mutex ends with it, or without ever having had it.
//!
//! All tasks are woken, and each tries again, so one whose future is gone takes nothing from another. (Those
//! who block are woken one by one; `wait/lock.rs` says how none of them is left behind.) There is room for one task
//! of each direction, since of each direction one future is polled at a time; it may be another each time, and
//! the last one counts. A task stays until the lock is given back, at the most with the stream, and may be woken
//! in vain.
//!
//! `tests/loom/tls_lock.rs` explores this file.

#[cfg(feature = "_bridge")]
use std::ops::{Deref, DerefMut};
#[cfg(feature = "_bridge")]
use std::sync::{LockResult, PoisonError, TryLockError, TryLockResult};
#[cfg(feature = "_bridge")]
use std::task::{Context, Poll, Wake};

#[cfg(feature = "_bridge")]
use crate::reactor::Direction;
#[cfg(feature = "_bridge")]
use crate::std::sync::{Mutex, MutexGuard};
#[cfg(feature = "_bridge")]
use crate::task::TaskWaiter;

// Without futures it is a mutex.
#[cfg(not(feature = "_bridge"))]
pub(super) use crate::std::sync::{Mutex as Lock, MutexGuard as Locked};

#[cfg(feature = "_bridge")]
pub(super) struct Lock<T> {
    mutex: Mutex<T>,
    tasks: Tasks,
}

#[cfg(feature = "_bridge")]
impl<T> Lock<T> {
    pub(super) fn new(value: T) -> Lock<T> {
        Lock { mutex: Mutex::new(value), tasks: Tasks::default() }
    }

    #[track_caller]
    pub(super) fn lock(&self) -> LockResult<Locked<'_, T>> {
        match self.mutex.lock() {
            Ok(guard) => Ok(self.locked(guard)),
            Err(poisoned) => Err(PoisonError::new(self.locked(poisoned.into_inner()))),
        }
    }

    pub(super) fn try_lock(&self) -> TryLockResult<Locked<'_, T>> {
        self.locked_now(self.mutex.try_lock())
    }

    /// Takes the lock, or has the task of `context` woken when it is given back. Never switches, and never
    /// unwinds. Of each side the task that came last is woken.
    ///
    /// # Errors
    ///
    /// If a panic has unwound a holder.
    pub(super) fn poll(
        &self,
        direction: Direction,
        context: &Context<'_>,
    ) -> Poll<Result<Locked<'_, T>, Poisoned>> {
        let attempt = || match self.locked_now(self.mutex.try_lock()) {
            Ok(locked) => Poll::Ready(Ok(locked)),
            Err(TryLockError::Poisoned(_)) => Poll::Ready(Err(Poisoned)),
            Err(TryLockError::WouldBlock) => Poll::Pending,
        };
        let first = attempt();
        if first.is_ready() {
            return first;
        }
        // Not for what happens outside: if the holder waits for that, it says so itself.
        self.tasks.put(direction, TaskWaiter::new(context.waker()));
        let second = attempt();
        if second.is_ready() {
            self.tasks.remove(direction);
        }
        second
    }

    pub(super) fn get_mut(&mut self) -> LockResult<&mut T> {
        self.mutex.get_mut()
    }

    fn locked_now<'a>(
        &'a self,
        now: TryLockResult<MutexGuard<'a, T>>,
    ) -> TryLockResult<Locked<'a, T>> {
        match now {
            Ok(guard) => Ok(self.locked(guard)),
            Err(TryLockError::WouldBlock) => Err(TryLockError::WouldBlock),
            Err(TryLockError::Poisoned(poisoned)) => {
                Err(PoisonError::new(self.locked(poisoned.into_inner())).into())
            }
        }
    }

    fn locked<'a>(&'a self, guard: MutexGuard<'a, T>) -> Locked<'a, T> {
        Locked { guard, _tasks: WakeAll(&self.tasks) }
    }
}

/// What a poll finds if a panic has unwound a holder.
#[cfg(feature = "_bridge")]
pub(super) struct Poisoned;

/// The lock, which is given back when this is dropped.
#[cfg(feature = "_bridge")]
#[must_use]
pub(super) struct Locked<'a, T> {
    // Dropped in this order.
    guard: MutexGuard<'a, T>,
    _tasks: WakeAll<'a>,
}

#[cfg(feature = "_bridge")]
impl<T> Deref for Locked<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.guard
    }
}

#[cfg(feature = "_bridge")]
impl<T> DerefMut for Locked<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.guard
    }
}

/// Wakes the tasks when it is dropped.
#[cfg(feature = "_bridge")]
struct WakeAll<'a>(&'a Tasks);

#[cfg(feature = "_bridge")]
impl Drop for WakeAll<'_> {
    fn drop(&mut self) {
        self.0.wake_all();
    }
}

/// The tasks of futures that wait for one thing: one that reads and one that writes.
#[cfg(feature = "_bridge")]
#[derive(Default)]
pub(super) struct Tasks(parking_lot::Mutex<[Option<TaskWaiter>; 2]>);

// What is taken out is dropped and woken without the lock: that runs user code.
#[cfg(feature = "_bridge")]
impl Tasks {
    pub(super) fn put(&self, direction: Direction, task: TaskWaiter) {
        let _replaced = self.0.lock()[direction as usize].replace(task);
    }

    pub(super) fn remove(&self, direction: Direction) {
        let _removed = self.0.lock()[direction as usize].take();
    }

    pub(super) fn wake_all(&self) {
        let tasks = std::mem::take(&mut *self.0.lock());
        tasks.iter().flatten().for_each(TaskWaiter::wake);
    }
}

/// So that they are woken by one event, of which a socket wakes one task.
#[cfg(feature = "_bridge")]
impl Wake for Tasks {
    fn wake(self: std::sync::Arc<Self>) {
        self.wake_all();
    }

    fn wake_by_ref(self: &std::sync::Arc<Self>) {
        self.wake_all();
    }
}
