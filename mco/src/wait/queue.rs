//! Those who wait for something that one of them at a time gets: a value, a permit, a lock.
//!
//! Each waits at a [`WaitNode`], which lies in its own frame and is linked into the [`Queue`] of the
//! object, whose lock (a [`Spin`]) guards all of it. Whoever has something takes the first node out
//! of the queue and exchanges with it ([`Queue::complete_first`]): nobody else can get in between, and nothing
//! is woken that then finds nothing.
//!
//! ```text
//!                  enter                complete, by another
//!     (outside) ──────────> waiting ─────────────────────────> completed: the outcome says how
//!         ^                    │
//!         └────────────────────┘ leave, at a deadline or a cancel
//! ```
//!
//! Who may touch what of a node:
//!
//! | field | touched by |
//! | --- | --- |
//! | the links, `linked` | whoever holds the lock |
//! | `blocked`, `token`, `index` | its owner outside; in between they are constant |
//! | `value` | its owner outside and when completed; in between whoever holds the lock |
//! | `outcome` | `complete_first`, under the lock, once; its owner at any time, to read it or to spin |
//!
//! # The end of a wait
//!
//! `complete_first` does, under the lock: exchange the value, [notify](Blocked::notify) the one who waits,
//! store the outcome. After the lock is free it queues the coroutine that it has notified, which it
//! then holds a reference to. The order matters: once its owner sees an outcome it may return, and
//! its frame, and the coroutine, may be gone. So the outcome is the last that `complete_first` touches. An
//! owner that was woken by somebody else and sees no outcome takes the lock to look again: a `complete_first`
//! that has notified it already has stored the outcome by then, and one that comes later will notify
//! again. (Without the lock it might park between the two, and the notification would be used up.)
//!
//! One that [spins](WaitNode::spin_wait) for the outcome says so in the same atomic, and is completed by
//! one exchange there, without a notification. It takes the mark back before it parks; a `complete_first` that
//! comes first has then won, and one that comes later notifies.
//!
//! # Select
//!
//! One that waits in several queues has a node in each and a [`SelectToken`] for all: `complete_first` passes over
//! nodes whose token it cannot claim. So one of the queues completes it, or it closes the token itself
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
    Completed = 1,
    /// It will not get it: the other side is gone.
    Closed = 2,
}

const WAITING: u8 = 0;
/// It waits, and looks at the outcome all the time.
const SPINNING: u8 = 3;

/// The nodes of those who wait, first come, first served. Part of what the lock guards.
pub(crate) struct Queue<T> {
    first: Option<NonNull<RawNode<T>>>,
    last: Option<NonNull<RawNode<T>>>,
    len: usize,
}

// SAFETY: the nodes belong to whoever holds the lock around the queue, on whichever thread; through
// them values of `T` go from thread to thread.
unsafe impl<T: Send> Send for Queue<T> {}

/// What a queue knows of a node.
struct RawNode<T> {
    previous: Cell<Option<NonNull<RawNode<T>>>>,
    next: Cell<Option<NonNull<RawNode<T>>>>,
    linked: Cell<bool>,
    /// Who waits here. Constant while it is linked.
    blocked: UnsafeCell<Option<Blocked>>,
    /// If it waits at several nodes: the token that they share, and the number of this one.
    /// Constant while it is linked.
    token: Cell<Option<NonNull<SelectToken>>>,
    index: Cell<usize>,
    value: UnsafeCell<Option<T>>,
    outcome: AtomicU8,
}

impl<T> Queue<T> {
    pub(crate) const fn new() -> Queue<T> {
        Queue { first: None, last: None, len: 0 }
    }

    /// How many nodes are linked.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Whether somebody waits who has not been completed elsewhere: not the one of `token`, who asks. It
    /// may be completed by the time of the answer.
    pub(crate) fn has_others(&self, token: &SelectToken) -> bool {
        let mut next = self.first;
        while let Some(node) = next {
            // SAFETY: linked nodes are alive, and the lock, which the caller holds, is theirs.
            let node = unsafe { node.as_ref() };
            if node.waits_beside(token) {
                return true;
            }
            next = node.next.get();
        }
        false
    }

    /// How many wait who have not been completed elsewhere, but for the one of `own`. As `has_others`.
    pub(crate) fn count_others(&self, own: Option<&SelectToken>) -> usize {
        let (mut count, mut next) = (0, self.first);
        while let Some(node) = next {
            // SAFETY: as in `has_others`.
            let node = unsafe { node.as_ref() };
            let waits = match own {
                Some(own) => node.waits_beside(own),
                None => node.token().is_none_or(SelectToken::is_open),
            };
            count += usize::from(waits);
            next = node.next.get();
        }
        count
    }

    /// Ends the wait of the first one that has not been completed elsewhere: exchanges the value at its
    /// node, and makes it go on. The wake-up is for when the lock is free.
    #[inline(always)]
    pub(crate) fn complete_first<R>(
        &mut self,
        outcome: Outcome,
        exchange: impl FnOnce(&mut Option<T>) -> R,
    ) -> Option<(R, Wakeup)> {
        self.claim_first().map(|claimed| claimed.complete(outcome, exchange))
    }

    /// Takes the first one out that has not been completed elsewhere. For who completes it next, under the same lock.
    #[inline(always)]
    pub(crate) fn claim_first(&mut self) -> Option<Claimed<'_, T>> {
        loop {
            let node = self.first?;
            // SAFETY: `first` is linked.
            unsafe { self.unlink(node) };
            // SAFETY: its owner cannot go away before the lock is free or it sees an outcome.
            let node = unsafe { node.as_ref() };
            if node.token().is_none_or(|token| token.claim(node.index.get())) {
                return Some(Claimed(node));
            }
        }
    }

    /// Ends the wait of everyone who has not been completed elsewhere.
    ///
    /// Takes a time that grows with their number. Where nobody can enter any more, `complete_first` again and
    /// again keeps the lock for less.
    pub(crate) fn complete_all(&mut self, outcome: Outcome) -> Wakeups {
        let mut wakeups = Wakeups { first: None, others: Vec::new() };
        while let Some(((), wakeup)) = self.complete_first(outcome, |_| ()) {
            if wakeups.first.is_none() {
                wakeups.first = Some(wakeup);
                wakeups.others.reserve_exact(self.len);
            } else {
                wakeups.others.push(wakeup);
            }
        }
        wakeups
    }

    /// Makes the first one look again at what it waits for, without ending its wait: it keeps its
    /// node. The wake-up is for when the lock is free.
    pub(crate) fn notify_first(&mut self) -> Option<Wakeup> {
        // SAFETY: linked nodes are alive, and the lock, which the caller holds, is theirs.
        let node = unsafe { self.first?.as_ref() };
        // SAFETY: constant while it is linked; and its owner cannot leave, and so not go away, before
        // the lock is free.
        unsafe { (*node.blocked.get()).as_ref().map(|blocked| blocked.notify()) }
    }

    #[inline(always)]
    fn link(&mut self, node: NonNull<RawNode<T>>) {
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
        self.len += 1;
    }

    /// # Safety
    ///
    /// The node must be linked into this queue.
    #[inline(always)]
    unsafe fn unlink(&mut self, node: NonNull<RawNode<T>>) {
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
        self.len -= 1;
    }
}

/// A node that has been taken out of its queue, for the caller alone to complete: its owner waits for that.
#[must_use = "its owner waits to be completed"]
pub(crate) struct Claimed<'a, T>(&'a RawNode<T>);

impl<T> Claimed<'_, T> {
    /// Exchanges the value at the node, and makes its owner go on. The wake-up is for when the lock is free.
    #[inline(always)]
    pub(crate) fn complete<R>(
        self,
        outcome: Outcome,
        exchange: impl FnOnce(&mut Option<T>) -> R,
    ) -> (R, Wakeup) {
        let node = self.0;
        // SAFETY: under the lock, and its owner does not touch it before the outcome.
        let result = exchange(unsafe { &mut *node.value.get() });
        let (spinning, ended) = (SPINNING, outcome as u8);
        // Release pairs with the Acquire of `outcome`. Nothing of the node is touched after it.
        // The load spares those who do not look the exchange.
        if node.outcome.load(Ordering::Relaxed) == spinning
            && node
                .outcome
                .compare_exchange(spinning, ended, Ordering::Release, Ordering::Relaxed)
                .is_ok()
        {
            return (result, Wakeup::unneeded());
        }
        // SAFETY: constant until now; and its frame is there, since its owner waits for the outcome.
        let wakeup = unsafe {
            let blocked = (*node.blocked.get()).as_ref();
            blocked.expect("somebody waits at a linked node").notify()
        };
        // As above.
        node.outcome.store(ended, Ordering::Release);
        (result, wakeup)
    }
}

/// Lets those go on whose waits [`Queue::complete_all`] has ended.
#[must_use = "whoever was notified waits for it"]
pub(crate) struct Wakeups {
    /// Separate, since there is often one only, which then needs no allocation.
    first: Option<Wakeup>,
    others: Vec<Wakeup>,
}

impl Wakeups {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    pub(crate) fn wake(self) {
        self.first.into_iter().chain(self.others).for_each(Wakeup::wake);
    }
}

impl<T> RawNode<T> {
    #[inline]
    fn token(&self) -> Option<&SelectToken> {
        // SAFETY: a token outlives the links of its nodes, and this is called for linked nodes.
        self.token.get().map(|token| unsafe { token.as_ref() })
    }

    /// Whether it is another one than that of `own` who waits here, and not completed elsewhere.
    fn waits_beside(&self, own: &SelectToken) -> bool {
        self.token().is_none_or(|token| !std::ptr::eq(token, own) && token.is_open())
    }
}

/// A node in the queue of an object, in the frame of the one who waits.
///
/// `Q` says in which of the object's queues.
pub(crate) struct WaitNode<'a, S, T, Q: Fn(&mut S) -> &mut Queue<T> = fn(&mut S) -> &mut Queue<T>> {
    lock: &'a Spin<S>,
    queue: Q,
    raw: RawNode<T>,
    /// By the owner, who need not lock to leave if it is not.
    entered: Cell<bool>,
    _pinned: PhantomPinned,
}

// SAFETY: the owner of a node may move to another thread before it is pinned and linked, as far as
// its value may; after that others reach it only under the lock or through the atomic.
unsafe impl<S: Send, T: Send, Q: Fn(&mut S) -> &mut Queue<T> + Send> Send
    for WaitNode<'_, S, T, Q>
{
}

impl<'a, S, T, Q: Fn(&mut S) -> &mut Queue<T>> WaitNode<'a, S, T, Q> {
    /// A node with `value` to be exchanged, outside the queue.
    #[inline(always)]
    pub(crate) fn new(lock: &'a Spin<S>, queue: Q, value: Option<T>) -> WaitNode<'a, S, T, Q> {
        let raw = RawNode {
            previous: Cell::new(None),
            next: Cell::new(None),
            linked: Cell::new(false),
            blocked: UnsafeCell::new(None),
            token: Cell::new(None),
            index: Cell::new(0),
            value: UnsafeCell::new(value),
            outcome: AtomicU8::new(WAITING),
        };
        WaitNode { lock, queue, raw, entered: Cell::new(false), _pinned: PhantomPinned }
    }

    /// Joins the queue, at its end. `state` is what the lock guards, so the caller holds it.
    // Always: left to the compiler it costs a round trip over channels 60 instructions of 1,450.
    #[inline(always)]
    pub(crate) fn enter(self: Pin<&Self>, state: &mut S) {
        self.enter_as(state, None);
    }

    /// As `enter`, as one of several nodes of which one is to be completed.
    ///
    /// # Safety
    ///
    /// The node must [leave](WaitNode::leave) before the token goes away.
    pub(crate) unsafe fn enter_shared(
        self: Pin<&Self>,
        state: &mut S,
        token: &SelectToken,
        index: usize,
    ) {
        self.enter_as(state, Some((NonNull::from(token), index)));
    }

    #[inline(always)]
    fn enter_as(self: Pin<&Self>, state: &mut S, shared: Option<(NonNull<SelectToken>, usize)>) {
        assert!(std::ptr::eq(self.lock.data_ptr(), state), "the state of another object");
        let node = &self.get_ref().raw;
        assert!(!node.linked.get(), "a node is entered once at a time");
        // The one thing that is asked of others comes first, so that nothing is left half done.
        let blocked = Blocked::current();
        self.entered.set(true);
        node.outcome.store(WAITING, Ordering::Relaxed);
        node.token.set(shared.map(|(token, _)| token));
        node.index.set(shared.map_or(0, |(_, index)| index));
        // SAFETY: outside the queue it is its owner's.
        unsafe { *node.blocked.get() = Some(blocked) }
        // It is pinned, and leaves when it is dropped.
        (self.queue)(state).link(NonNull::from(node));
    }

    /// How the wait has ended, as far as can be told without the lock.
    #[inline(always)]
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        // Acquire pairs with the Release in `complete_first`: the value is there, and `complete_first` has done.
        match self.raw.outcome.load(Ordering::Acquire) {
            WAITING | SPINNING => None,
            n if n == Outcome::Completed as u8 => Some(Outcome::Completed),
            _ => Some(Outcome::Closed),
        }
    }

    /// Waits for the outcome by looking at it, as long as `look` does, which is given the question
    /// whether it is there.
    ///
    /// Whoever completes it meanwhile need not notify. That spares both of them the coroutine's header
    /// and the worker's inbox, and the caches as many journeys.
    pub(crate) fn spin_wait(&self, look: impl FnOnce(&mut dyn FnMut() -> bool)) -> Option<Outcome> {
        let outcome = &self.raw.outcome;
        // Relaxed: nothing is passed on by it. It fails if the node has been completed.
        let set = |from, to| {
            outcome.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        };
        if set(WAITING, SPINNING) {
            look(&mut || self.outcome().is_some());
            // From here on it has to be notified.
            set(SPINNING, WAITING);
        }
        self.outcome()
    }

    /// How the wait has ended; `None`: it has not, and whoever ends it will notify.
    #[inline(always)]
    pub(crate) fn final_outcome(&self) -> Option<Outcome> {
        let outcome = self.outcome().or_else(|| self.outcome_under_lock());
        if outcome.is_some() {
            // It has been taken out of the queue.
            self.entered.set(false);
        }
        outcome
    }

    #[cold]
    fn outcome_under_lock(&self) -> Option<Outcome> {
        drop(self.lock.lock());
        self.outcome()
    }

    /// Gives the wait up, unless it has ended meanwhile.
    #[inline]
    pub(crate) fn leave(&self) -> Option<Outcome> {
        if !self.entered.replace(false) {
            return self.outcome();
        }
        self.outcome().or_else(|| self.leave_locked(&mut self.lock.lock()))
    }

    /// As `leave`, by a caller that holds the lock, so that nobody sees what is between this and
    /// what it does next.
    pub(crate) fn leave_locked(&self, state: &mut S) -> Option<Outcome> {
        assert!(std::ptr::eq(self.lock.data_ptr(), state), "the state of another object");
        self.entered.set(false);
        if self.raw.linked.get() {
            // SAFETY: it is linked, into this queue.
            unsafe { (self.queue)(state).unlink(NonNull::from(&self.raw)) };
        }
        self.outcome()
    }

    /// Leaves a value at the node, outside the queue.
    pub(crate) fn put(&self, value: Option<T>) {
        assert!(!self.entered.get(), "a node is filled before it is entered");
        // SAFETY: outside the queue it is its owner's, and this is no reference that stays.
        unsafe { *self.raw.value.get() = value }
    }

    /// Takes the value at the node, and gives a wait up that has not ended: what was received, or
    /// what was not sent.
    #[inline(always)]
    pub(crate) fn take(&self) -> Option<T> {
        if self.entered.get() {
            self.leave();
        }
        // SAFETY: outside the queue it is its owner's, and this is no reference that stays.
        unsafe { (*self.raw.value.get()).take() }
    }
}

impl<S, T, Q: Fn(&mut S) -> &mut Queue<T>> Drop for WaitNode<'_, S, T, Q> {
    #[inline(always)]
    fn drop(&mut self) {
        if self.entered.get() {
            self.leave();
        }
    }
}

/// What several nodes of one that waits share. See the module.
pub(crate) struct SelectToken(AtomicUsize);

const OPEN: usize = usize::MAX;
const CLOSED: usize = usize::MAX - 1;

impl SelectToken {
    pub(crate) fn new() -> SelectToken {
        SelectToken(AtomicUsize::new(OPEN))
    }

    fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed) == OPEN
    }

    /// By whoever has something for node `index`, under the lock of its object: takes the right to
    /// complete it, and that of everyone else.
    fn claim(&self, index: usize) -> bool {
        // Relaxed: what is exchanged is published by the outcome, and the notification.
        self.0.compare_exchange(OPEN, index, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Which node has been claimed.
    pub(crate) fn claimed(&self) -> Option<usize> {
        let claimed = self.0.load(Ordering::Relaxed);
        (claimed != OPEN && claimed != CLOSED).then_some(claimed)
    }

    /// By the one who waits: nobody may complete it any more. Says which node has been claimed before.
    pub(crate) fn close(&self) -> Option<usize> {
        match self.0.compare_exchange(OPEN, CLOSED, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) | Err(CLOSED) => None,
            Err(index) => Some(index),
        }
    }
}

#[cfg(test)]
mod tests;
