//! Who waits: a coroutine or a thread, for which every blocking operation works alike, or the task of a future.
//!
//! Who may call: anyone. To drop and to wake a [`Waiter`] may run user code: not under a lock.

use std::mem;
use std::sync::Arc;

use super::cell::{Header, Waiter, WaiterList};
use super::current;
use super::thread_parker::ThreadParker;
use crate::shrinking;

impl Waiter {
    /// The calling coroutine or thread.
    pub(crate) fn current() -> Waiter {
        match current::task() {
            Some(task) => Waiter::Coroutine(task),
            None => Waiter::Thread(ThreadParker::current()),
        }
    }

    /// Wakes it, so that it checks again what it waits for.
    pub(crate) fn wake(&self) {
        match self {
            Waiter::Coroutine(task) => task.wake(),
            Waiter::Thread(parker) => parker.unpark(),
            Waiter::Task(task) => task.wake(),
        }
    }

    /// Whether both are the same. All tasks count as the same, since only the task that polled an object last is
    /// woken.
    fn is(&self, other: &Waiter) -> bool {
        match (self, other) {
            (Waiter::Coroutine(a), Waiter::Coroutine(b)) => a.as_raw() == b.as_raw(),
            (Waiter::Thread(a), Waiter::Thread(b)) => Arc::ptr_eq(a, b),
            (Waiter::Task(_), Waiter::Task(_)) => true,
            _ => false,
        }
    }
}

impl WaiterList {
    pub(crate) const fn new() -> WaiterList {
        WaiterList::Empty
    }

    /// Adds a waiter. Returns the entry that it replaces, if any. If that may be a task, it has to be dropped without
    /// the list's lock.
    #[inline]
    pub(crate) fn add(&mut self, waiter: Waiter) -> Option<Waiter> {
        if self.is_empty() {
            *self = WaiterList::One(waiter);
            return None;
        }
        self.add_to_others(waiter)
    }

    #[cold]
    fn add_to_others(&mut self, waiter: Waiter) -> Option<Waiter> {
        let replaced;
        (*self, replaced) = match mem::take(self) {
            WaiterList::Empty => (WaiterList::One(waiter), None),
            WaiterList::One(first) if first.is(&waiter) => (WaiterList::One(waiter), Some(first)),
            WaiterList::One(first) => (WaiterList::Many(Box::new(vec![first, waiter])), None),
            WaiterList::Many(mut all) => {
                let replaced = match all.iter_mut().find(|w| w.is(&waiter)) {
                    Some(known) => Some(mem::replace(known, waiter)),
                    None => {
                        all.push(waiter);
                        None
                    }
                };
                (WaiterList::Many(all), replaced)
            }
        };
        replaced
    }

    /// Removes a waiter that gives up, if it is in the list. What is returned has to be dropped as that of `add`.
    pub(crate) fn remove(&mut self, waiter: &Waiter) -> Option<Waiter> {
        match self {
            WaiterList::One(first) if first.is(waiter) => match mem::take(self) {
                WaiterList::One(first) => Some(first),
                _ => None,
            },
            WaiterList::Many(all) => {
                let at = all.iter().position(|w| w.is(waiter))?;
                let removed = all.remove(at);
                if all.is_empty() {
                    *self = WaiterList::Empty;
                } else {
                    shrinking::trim_list(all);
                }
                Some(removed)
            }
            _ => None,
        }
    }

    /// Wakes everyone and forgets them. To be called on a list taken out from under its lock.
    #[inline]
    pub(crate) fn wake_all(self) {
        match self {
            WaiterList::Empty => {}
            WaiterList::One(waiter) => waiter.wake(),
            WaiterList::Many(all) => all.iter().for_each(Waiter::wake),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, WaiterList::Empty)
    }

    /// Has the processor fetch what waking them touches first.
    #[inline]
    pub(crate) fn prefetch(&self) {
        if let WaiterList::One(Waiter::Coroutine(task)) = self {
            Header::prefetch(task.as_raw().as_ptr());
        }
    }
}
