//! The coroutines of this thread's worker that can go on, in the order in which they will.
//!
//! A list through the coroutines' own [links](super::cell): to queue one takes no memory, and none stays behind after a
//! burst. It lies in a thread-local variable, so that a wake on the worker's own thread need not ask for the worker.
//!
//! Who may call: the worker's own thread. On others the list is empty; what they have to queue goes into the
//! [inbox](super::inbox).

#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::Ordering;

use super::cell::{Header, TaskRef};

thread_local! {
    /// No destructor: a worker ends with nothing queued, and one that ends the process leaves all as it is.
    static READY: Ready = const {
        Ready { first: Cell::new(ptr::null_mut()), last: Cell::new(ptr::null_mut()), len: Cell::new(0) }
    };
}

/// The list owns a reference to each. The link of the last one is not valid.
struct Ready {
    first: Cell<*mut Header>,
    last: Cell<*mut Header>,
    len: Cell<usize>,
}

/// Queues a coroutine at the end: a started one of this worker, or one that is to start here. The caller has the right
/// to queue it.
#[inline(always)]
pub(crate) fn push(task: TaskRef) {
    let raw = task.into_raw().as_ptr();
    READY.with(|ready| {
        let last = ready.last.replace(raw);
        let len = ready.len.get();
        ready.len.set(len + 1);
        if len == 0 {
            ready.first.set(raw);
        } else {
            // SAFETY: the list has a reference to it; and its link belongs to whoever has it queued.
            unsafe { &*last }.link.store(raw, Ordering::Relaxed);
        }
    });
}

/// Takes the one that is to run next.
///
/// With many of them each lies outside the cache. So the processor is told to fetch those behind it meanwhile: the
/// stack of the one after the next, and the header of the one after that, in which its link is.
#[inline(always)]
pub(crate) fn pop() -> Option<TaskRef> {
    READY.with(|ready| {
        let len = ready.len.get().checked_sub(1)?;
        ready.len.set(len);
        let popped = ready.first.get();
        if len > 0 {
            // SAFETY: as in `push`. One that is not the last has a valid link.
            let next = unsafe { &*popped }.link.load(Ordering::Relaxed);
            ready.first.set(next);
            prefetch_behind(next, len);
        }
        // SAFETY: the list's reference to it becomes the caller's.
        Some(unsafe { TaskRef::from_raw(ptr::NonNull::new_unchecked(popped)) })
    })
}

/// `next` is the first of `len`.
#[inline(always)]
fn prefetch_behind(next: *mut Header, len: usize) {
    if len > 1 {
        // SAFETY: as in `pop`.
        let behind = unsafe { &*next }.link.load(Ordering::Relaxed);
        // SAFETY: it is queued on this thread.
        unsafe { (*behind).prefetch_stack() };
        if len > 2 {
            // SAFETY: as in `pop`.
            Header::prefetch(unsafe { &*behind }.link.load(Ordering::Relaxed));
        }
    }
}

/// Has the processor fetch what it needs for the first ones. After a poll, which has woken several: they are better
/// looked up together than one by one.
pub(crate) fn prefetch() {
    /// For at most so many the addresses of the stacks are looked up at once.
    const LOOK_UPS: usize = 32;
    /// `pop` begins with the one after these.
    const STACKS: usize = 2;
    // SAFETY: they are queued on this thread.
    visit(LOOK_UPS, |header| unsafe { header.look_up_stack() });
    // SAFETY: as above.
    visit(STACKS, |header| unsafe { header.prefetch_stack() });
}

/// Calls `f` for each of the first so many, in order. `f` must not queue any.
fn visit(at_most: usize, mut f: impl FnMut(&Header)) {
    READY.with(|ready| {
        let mut next = ready.first.get();
        for _ in 0..ready.len.get().min(at_most) {
            // SAFETY: as in `push`; that of the last one is not followed.
            let header = unsafe { &*next };
            f(header);
            next = header.link.load(Ordering::Relaxed);
        }
    });
}

/// How many are queued.
#[inline(always)]
pub(crate) fn len() -> usize {
    READY.with(|ready| ready.len.get())
}

#[inline(always)]
pub(crate) fn is_empty() -> bool {
    len() == 0
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::task::SpawnOptions;

    fn task(id: u64) -> TaskRef {
        let spawned_at = Location::caller();
        TaskRef::create(|| (), SpawnOptions { id, spawned_at, stack_size: 0, name: None })
    }

    fn popped() -> Option<u64> {
        pop().map(|task| task.id())
    }

    #[test]
    fn what_is_queued_first_is_taken_first() {
        assert_eq!((popped(), is_empty()), (None, true));
        let mut next = 1;
        for round in 1..20 {
            (next..next + round).for_each(|id| push(task(id)));
            assert_eq!(len(), round as usize);
            prefetch();
            // One is queued while another is taken, as by one that yields.
            assert_eq!(popped(), Some(next));
            push(task(next + round));
            for id in next + 1..=next + round {
                assert_eq!(popped(), Some(id));
            }
            assert_eq!((popped(), is_empty()), (None, true));
            next += round + 1;
        }
    }

    #[test]
    fn each_thread_has_its_own() {
        push(task(1));
        std::thread::spawn(|| assert_eq!(popped(), None)).join().unwrap();
        assert_eq!(popped(), Some(1));
    }
}
