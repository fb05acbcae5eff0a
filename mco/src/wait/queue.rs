//! Those who wait for something that one of them at a time gets: a value, a permit, a lock.
//!
//! Each waits at a [`Place`], which lies in its own frame and is linked into the [`Queue`] of the
//! object, whose lock (a [`Spin`]) guards all of it. Whoever has something takes the first place out
//! of the queue and exchanges with it ([`Queue::serve`]): nobody else can get in between, and nothing
//! is woken that then finds nothing.
//!
//! ```text
//!                  enter                serve, by another
//!     (outside) ──────────> waiting ─────────────────────────> served: the outcome says how
//!         ^                    │
//!         └────────────────────┘ leave, at a deadline or a cancel
//! ```
//!
//! Who may touch what of a place:
//!
//! | field | touched by |
//! | --- | --- |
//! | the links, `linked`, `entrant` | whoever holds the lock |
//! | `value` | its owner outside and when served; in between whoever holds the lock |
//! | `outcome` | written once, under the lock; read by its owner at any time |
//!
//! # The end of a wait
//!
//! `serve` does, under the lock: exchange the value, [notify](Blocked::notify) the one who waits,
//! store the outcome. After the lock is free it queues the coroutine that it has notified, which it
//! then holds a reference to. The order matters: once its owner sees an outcome it may return, and
//! its frame, and the coroutine, may be gone. So the outcome is the last that `serve` touches. An
//! owner that was woken by somebody else and sees no outcome takes the lock to look again: a `serve`
//! that has notified it already has stored the outcome by then, and one that comes later will notify
//! again. (Without the lock it might park between the two, and the notification would be used up.)
//!
//! # Select
//!
//! One that waits in several queues has a place in each and a [`Token`] for all: `serve` passes over
//! places whose token it cannot claim. So one of the queues serves it, or it closes the token itself
//! and none does. It leaves all the queues before the token goes.

#![allow(unsafe_code)]

use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::ptr::NonNull;

use super::atomic::{AtomicU8, AtomicUsize, Ordering};
use super::blocked::{Blocked, Wakeup};
use super::spin::Spin;

/// How a wait has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Outcome {
    /// It got what it waited for.
    Served = 1,
    /// It will not get it: the other side is gone.
    Closed = 2,
}

const WAITING: u8 = 0;

/// The places of those who wait, first come, first served. Part of what the lock guards.
pub(crate) struct Queue<T> {
    first: Option<NonNull<Node<T>>>,
    last: Option<NonNull<Node<T>>>,
}

// SAFETY: the places belong to whoever holds the lock around the queue, on whichever thread; through
// them values of `T` go from thread to thread.
unsafe impl<T: Send> Send for Queue<T> {}

/// What a queue knows of a place.
struct Node<T> {
    previous: Cell<Option<NonNull<Node<T>>>>,
    next: Cell<Option<NonNull<Node<T>>>>,
    linked: Cell<bool>,
    entrant: Cell<Option<Entrant>>,
    value: UnsafeCell<Option<T>>,
    outcome: AtomicU8,
}

/// Who waits at a place.
struct Entrant {
    blocked: Blocked,
    /// If it waits at several: the token that they share, and the number of this one.
    shared: Option<(NonNull<Token>, usize)>,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Queue<T> {
        Queue { first: None, last: None }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Whether somebody waits who has not been served elsewhere: not the one of `token`, who asks. It
    /// may be served by the time of the answer.
    pub(crate) fn has_others(&self, token: &Token) -> bool {
        let mut next = self.first;
        while let Some(node) = next {
            // SAFETY: linked nodes are alive, and the lock, which the caller holds, is theirs.
            let node = unsafe { node.as_ref() };
            let entrant = node.entrant.take();
            let waiting = entrant.as_ref().is_some_and(|entrant| entrant.waits_beside(token));
            node.entrant.set(entrant);
            if waiting {
                return true;
            }
            next = node.next.get();
        }
        false
    }

    /// Ends the wait of the first one that has not been served elsewhere: exchanges the value at its
    /// place, and makes it go on. The wake-up is for when the lock is free.
    pub(crate) fn serve<R>(
        &mut self,
        outcome: Outcome,
        exchange: impl FnOnce(&mut Option<T>) -> R,
    ) -> Option<(R, Wakeup)> {
        loop {
            let node = self.first?;
            // SAFETY: `first` is linked.
            unsafe { self.unlink(node) };
            // SAFETY: its owner cannot go away before the lock is free or it sees an outcome.
            let node = unsafe { node.as_ref() };
            let entrant = node.entrant.take().expect("a linked node has an entrant");
            if !entrant.claim() {
                continue;
            }
            // SAFETY: under the lock, and its owner does not touch it before the outcome.
            let result = exchange(unsafe { &mut *node.value.get() });
            // SAFETY: the entrant's frame is there, as above, and so its coroutine is alive.
            let wakeup = unsafe { entrant.blocked.notify() };
            // Release pairs with the Acquire of `outcome`. Nothing of the node is touched after it.
            node.outcome.store(outcome as u8, Ordering::Release);
            return Some((result, wakeup));
        }
    }

    fn link(&mut self, node: NonNull<Node<T>>) {
        // SAFETY: the caller's node is alive, and so is whatever is linked.
        unsafe {
            node.as_ref().previous.set(self.last);
            node.as_ref().next.set(None);
            node.as_ref().linked.set(true);
            match self.last {
                Some(last) => last.as_ref().next.set(Some(node)),
                None => self.first = Some(node),
            }
        }
        self.last = Some(node);
    }

    /// # Safety
    ///
    /// The node must be linked into this queue.
    unsafe fn unlink(&mut self, node: NonNull<Node<T>>) {
        // SAFETY: it is alive, as are its neighbours, since all are linked.
        unsafe {
            let (previous, next) = (node.as_ref().previous.get(), node.as_ref().next.get());
            match previous {
                Some(previous) => previous.as_ref().next.set(next),
                None => self.first = next,
            }
            match next {
                Some(next) => next.as_ref().previous.set(previous),
                None => self.last = previous,
            }
            node.as_ref().linked.set(false);
        }
    }
}

impl Entrant {
    fn token(&self) -> Option<(&Token, usize)> {
        // SAFETY: a token outlives the links of its places.
        self.shared.map(|(token, index)| (unsafe { token.as_ref() }, index))
    }

    /// Whether it is another one than that of `own`, and waits.
    fn waits_beside(&self, own: &Token) -> bool {
        self.token().is_none_or(|(token, _)| !std::ptr::eq(token, own) && token.is_open())
    }

    /// Takes the right to serve it.
    fn claim(&self) -> bool {
        self.token().is_none_or(|(token, index)| token.claim(index))
    }
}

/// A place in the queue of an object, in the frame of the one who waits.
pub(crate) struct Place<'a, S, T> {
    lock: &'a Spin<S>,
    /// Which of the object's queues.
    queue: fn(&mut S) -> &mut Queue<T>,
    node: Node<T>,
    /// By the owner, who need not lock to leave if it is not.
    entered: Cell<bool>,
    _pinned: PhantomPinned,
}

// SAFETY: the owner of a place may move to another thread before it is pinned and linked, as far as
// its value may; after that others reach it only under the lock or through the atomic.
unsafe impl<S: Send, T: Send> Send for Place<'_, S, T> {}

impl<'a, S, T> Place<'a, S, T> {
    /// A place with `value` to be exchanged, outside the queue.
    pub(crate) fn new(
        lock: &'a Spin<S>,
        queue: fn(&mut S) -> &mut Queue<T>,
        value: Option<T>,
    ) -> Place<'a, S, T> {
        let node = Node {
            previous: Cell::new(None),
            next: Cell::new(None),
            linked: Cell::new(false),
            entrant: Cell::new(None),
            value: UnsafeCell::new(value),
            outcome: AtomicU8::new(WAITING),
        };
        Place { lock, queue, node, entered: Cell::new(false), _pinned: PhantomPinned }
    }

    /// Joins the queue, at its end. `state` is what the lock guards, so the caller holds it.
    pub(crate) fn enter(self: Pin<&Self>, state: &mut S) {
        self.enter_as(state, None);
    }

    /// As `enter`, as one of several places of which one is to be served.
    ///
    /// # Safety
    ///
    /// The place must [leave](Place::leave) before the token goes away.
    pub(crate) unsafe fn enter_shared(
        self: Pin<&Self>,
        state: &mut S,
        token: &Token,
        index: usize,
    ) {
        self.enter_as(state, Some((NonNull::from(token), index)));
    }

    fn enter_as(self: Pin<&Self>, state: &mut S, shared: Option<(NonNull<Token>, usize)>) {
        assert!(std::ptr::eq(self.lock.data_ptr(), state), "the state of another object");
        let node = &self.get_ref().node;
        assert!(!self.entered.replace(true), "a place is entered once at a time");
        node.outcome.store(WAITING, Ordering::Relaxed);
        node.entrant.set(Some(Entrant { blocked: Blocked::current(), shared }));
        // It is pinned, and leaves when it is dropped.
        (self.queue)(state).link(NonNull::from(node));
    }

    /// How the wait has ended, as far as can be told without the lock.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // Acquire pairs with the Release in `serve`: the value is there, and `serve` has done.
        match self.node.outcome.load(Ordering::Acquire) {
            WAITING => None,
            n if n == Outcome::Served as u8 => Some(Outcome::Served),
            _ => Some(Outcome::Closed),
        }
    }

    /// How the wait has ended; `None`: it has not, and whoever ends it will notify.
    pub(crate) fn settled_outcome(&self) -> Option<Outcome> {
        self.outcome().or_else(|| {
            drop(self.lock.lock());
            self.outcome()
        })
    }

    /// Gives the wait up, unless it has ended meanwhile.
    pub(crate) fn leave(&self) -> Option<Outcome> {
        if !self.entered.replace(false) {
            return self.outcome();
        }
        self.outcome().or_else(|| {
            let mut state = self.lock.lock();
            if self.node.linked.get() {
                // SAFETY: it is linked, into this queue.
                unsafe { (self.queue)(&mut state).unlink(NonNull::from(&self.node)) };
                self.node.entrant.take();
            }
            drop(state);
            self.outcome()
        })
    }

    /// Leaves a value at the place, outside the queue.
    pub(crate) fn put(&self, value: Option<T>) {
        assert!(!self.entered.get(), "a place is filled before it is entered");
        // SAFETY: outside the queue it is its owner's, and this is no reference that stays.
        unsafe { *self.node.value.get() = value }
    }

    /// Takes the value at the place, and gives a wait up that has not ended: what was received, or
    /// what was not sent.
    pub(crate) fn take(&self) -> Option<T> {
        self.leave();
        // SAFETY: outside the queue it is its owner's, and this is no reference that stays.
        unsafe { (*self.node.value.get()).take() }
    }
}

impl<S, T> Drop for Place<'_, S, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

/// What several places of one that waits share. See the module.
pub(crate) struct Token(AtomicUsize);

const OPEN: usize = usize::MAX;
const CLOSED: usize = usize::MAX - 1;

impl Token {
    pub(crate) fn new() -> Token {
        Token(AtomicUsize::new(OPEN))
    }

    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OPEN
    }

    /// By whoever has something for place `index`, under the lock of its object: takes the right to
    /// serve it, and that of everyone else.
    fn claim(&self, index: usize) -> bool {
        // Relaxed: what is exchanged is published by the outcome, and the notification.
        self.0.compare_exchange(OPEN, index, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Which place has been claimed.
    pub(crate) fn claimed(&self) -> Option<usize> {
        let claimed = self.0.load(Ordering::Relaxed);
        (claimed != OPEN && claimed != CLOSED).then_some(claimed)
    }

    /// By the one who waits: nobody may serve it any more. Says which place has been claimed before.
    pub(crate) fn close(&self) -> Option<usize> {
        match self.0.compare_exchange(OPEN, CLOSED, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) | Err(CLOSED) => None,
            Err(index) => Some(index),
        }
    }
}

#[cfg(test)]
mod tests;
