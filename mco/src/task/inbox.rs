//! Where coroutines are handed from thread to thread without a lock and without an allocation: a
//! worker's [`Inbox`], and the [`Slot`] for its newest unstarted one.
//!
//! The inbox is a stack of coroutines linked through their own headers. Anyone pushes; draining takes the whole
//! stack at once, so there is no pop and no ABA. The link of a coroutine belongs to whoever has
//! the duty to queue it: a wake that saw it parked, or the worker that hands it over at its start.
//! So it is in one inbox at most.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use super::cell::{Header, TaskRef};

/// See the module.
pub(crate) struct Inbox {
    /// The coroutine that was pushed last. Release on push pairs with Acquire on drain. Release on drain is for whoever
    /// finds the inbox empty and asks whether any worker is active.
    head: AtomicPtr<Header>,
}

impl Inbox {
    pub(crate) const fn new() -> Inbox {
        Inbox { head: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Adds a coroutine; the caller has the right to queue it.
    pub(crate) fn push(&self, task: TaskRef) {
        let task = task.into_raw();
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            // SAFETY: the inbox owns a reference from here on, so the header is alive; its link
            // is the pusher's until the exchange below succeeds.
            unsafe { task.as_ref() }.link.store(head, Ordering::Relaxed);
            match self.head.compare_exchange_weak(
                head,
                task.as_ptr(),
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.head.load(Ordering::Relaxed).is_null()
    }

    /// Takes everything, and passes it on in the order in which it came.
    pub(crate) fn drain(&self, mut each: impl FnMut(TaskRef)) {
        if self.is_empty() {
            return;
        }
        let mut newest = self.head.swap(ptr::null_mut(), Ordering::AcqRel);
        let mut oldest = ptr::null_mut::<Header>();
        while !newest.is_null() {
            // SAFETY: the swap made the chain ours; each element carries a reference.
            let link = unsafe { &(*newest).link };
            let next = link.load(Ordering::Relaxed);
            link.store(oldest, Ordering::Relaxed);
            oldest = newest;
            newest = next;
        }
        while let Some(task) = ptr::NonNull::new(oldest) {
            // SAFETY: as above; the link is read before the reference is passed on, since the
            // receiver may queue the coroutine elsewhere.
            unsafe {
                oldest = task.as_ref().link.load(Ordering::Relaxed);
                each(TaskRef::from_raw(task));
            }
        }
    }
}

/// Room for one coroutine. Whoever swaps it out owns it.
pub(crate) struct Slot(AtomicPtr<Header>);

impl Slot {
    pub(crate) const fn new() -> Slot {
        Slot(AtomicPtr::new(ptr::null_mut()))
    }

    /// Puts `task` in and takes out what was there.
    pub(crate) fn swap(&self, task: Option<TaskRef>) -> Option<TaskRef> {
        let new = task.map_or(ptr::null_mut(), |task| task.into_raw().as_ptr());
        // Release publishes the coroutine to whoever takes it out; Acquire is that one's side.
        let old = self.0.swap(new, Ordering::AcqRel);
        // SAFETY: what is in the slot came from `into_raw`, and the swap made it ours alone.
        ptr::NonNull::new(old).map(|raw| unsafe { TaskRef::from_raw(raw) })
    }

    /// As `swap(None)`, without the write if there is nothing.
    pub(crate) fn take(&self) -> Option<TaskRef> {
        if self.is_empty() { None } else { self.swap(None) }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Relaxed).is_null()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        drop(self.swap(None));
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.drain(drop);
    }
}
