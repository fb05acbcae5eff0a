//! A lock that coroutines and threads wait for: what is inside a mutex, without what it guards.
//!
//! One that is free goes to whoever takes it first, as long as that works: handing it to the first in
//! the queue at each unlock would make everyone wait until that one's worker gets to it. So an unlock
//! only *wakes* the first, which keeps its node. What keeps that one from waiting for ever: when it
//! has been woken, has tried for a while and found the lock held all the time, it asks for *handoffs*.
//! Then the lock is handed over, first come, first served, so many times or until nobody waits.
//!
//! # The state
//!
//! | bit | meaning | changed by |
//! | --- | --- | --- |
//! | `LOCKED` | somebody holds it | set by who takes it, cleared by its holder |
//! | `QUEUED` | the queue is not empty | who holds the `Spin` |
//! | `WAKING` | the first has been woken, and will try, or pass it on | who holds the `Spin` |
//! | `HANDOFF` | unlocking is handing over | who holds the `Spin` |
//!
//! `QUEUED` is unset exactly if the queue is empty, and the others of the queue's bits only if it
//! is set, whenever the `Spin` is free. So whoever has `LOCKED` and the `Spin` has the whole state:
//! nobody else changes it.
//!
//! Nobody is left behind. One enters the queue under the `Spin`, and sets `QUEUED` in a step that
//! sees `LOCKED` set; so the unlock that clears `LOCKED` sees `QUEUED`, and wakes the first, or sees
//! that it has been woken. One that was woken and does not get the lock exchanges its `WAKING` for
//! `HANDOFF`, again in a step that sees `LOCKED` set. One that leaves wakes the next.

use std::pin::{Pin, pin};

use super::atomic::{AtomicU8, Ordering, relax};
use super::{Outcome, Queue, Spin, Wait, WaitNode};

const LOCKED: u8 = 1;
const QUEUED: u8 = 2;
const WAKING: u8 = 4;
const HANDOFF: u8 = 8;

/// How often it is handed over once somebody has asked for handoffs. More make it slower where it is
/// held for short only, and the one who asked had bad luck; fewer let more be overtaken where it is
/// held for long.
const HANDOFFS: u8 = 16;

/// How often to look at a lock that is held before waiting for it, for longer each time: about a
/// microsecond, less than it takes to be woken on another worker.
const TRIES: u32 = 6;

/// See the module.
pub(crate) struct RawLock {
    state: AtomicU8,
    waiting: Spin<Waiters>,
}

/// What the `Spin` guards.
struct Waiters {
    queue: Queue<()>,
    /// How many times more it is handed over, while `HANDOFF` is set.
    handoffs: u8,
}

impl Waiters {
    fn queue(&mut self) -> &mut Queue<()> {
        &mut self.queue
    }
}

impl RawLock {
    pub(crate) const fn new() -> RawLock {
        let waiting = Waiters { queue: Queue::new(), handoffs: 0 };
        RawLock { state: AtomicU8::new(0), waiting: Spin::new(waiting) }
    }

    /// Takes it if that is possible without waiting.
    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        // Acquire pairs with the Release of the unlock.
        self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
            || self.try_lock_queued()
    }

    /// Takes it, if it is free, while others are in the queue.
    #[cold]
    fn try_lock_queued(&self) -> bool {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & LOCKED == 0 {
            match self.exchange(state, state | LOCKED) {
                Ok(()) => return true,
                Err(now) => state = now,
            }
        }
        false
    }

    /// Acquire pairs with the Release of the unlock; nothing is published by this.
    fn exchange(&self, from: u8, to: u8) -> Result<(), u8> {
        let result = self.state.compare_exchange(from, to, Ordering::Acquire, Ordering::Relaxed);
        result.map(drop)
    }

    /// Takes it, and waits for it. [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[inline]
    pub(crate) fn lock(&self, wait: impl FnOnce() -> Wait) {
        let fast = self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed);
        if fast.is_err() {
            self.lock_contended(wait);
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_contended(&self, wait: impl FnOnce() -> Wait) {
        if self.try_for_a_while() {
            return;
        }
        let node = pin!(WaitNode::new(&self.waiting, Waiters::queue as _, None));
        if self.enter(node.as_ref()) {
            return;
        }
        let wait = wait();
        let mut parked = wait.before();
        loop {
            if parked.is_cancelled() {
                if self.leave(&node) {
                    return;
                }
                parked.unwind_if_cancelled();
            }
            parked = wait.park_uncancellable();
            if node.final_outcome().is_some() || self.lock_or_ask_handoff(&node) {
                return;
            }
        }
    }

    /// Takes it if it becomes free soon.
    fn try_for_a_while(&self) -> bool {
        for look in 0..TRIES {
            if self.state.load(Ordering::Relaxed) & HANDOFF != 0 {
                return false;
            }
            if self.try_lock_queued() {
                return true;
            }
            relax(look);
        }
        false
    }

    /// Joins the queue. `true`: the lock was free, and is the caller's.
    fn enter(&self, node: Pin<&WaitNode<'_, Waiters, ()>>) -> bool {
        let mut waiting = self.waiting.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        loop {
            let free = state & LOCKED == 0;
            match self.exchange(state, state | if free { LOCKED } else { QUEUED }) {
                Ok(()) if free => return true,
                Ok(()) => break,
                Err(now) => state = now,
            }
        }
        node.enter(&mut waiting);
        false
    }

    /// By one in the queue that has been woken and not been handed the lock: tries, and asks for handoffs
    /// if it is held. `true`: it has it.
    #[cold]
    fn lock_or_ask_handoff(&self, node: &WaitNode<'_, Waiters, ()>) -> bool {
        let mut taken = self.try_for_a_while();
        let mut waiting = self.waiting.lock();
        let mut state = self.state.load(Ordering::Relaxed);
        while !taken && node.outcome().is_none() {
            let free = state & LOCKED == 0;
            match self
                .exchange(state, if free { state | LOCKED } else { state & !WAKING | HANDOFF })
            {
                Ok(()) if free => taken = true,
                Ok(()) => {
                    waiting.handoffs = HANDOFFS;
                    return false;
                }
                Err(now) => state = now,
            }
        }
        if taken {
            // Its holder, so nobody has completed it.
            node.leave_locked(&mut waiting);
            self.set_locked(if waiting.queue.is_empty() { LOCKED } else { LOCKED | QUEUED });
        }
        true
    }

    /// Gives the wait up. `true`: the lock has been handed to the caller meanwhile.
    #[cold]
    fn leave(&self, node: &WaitNode<'_, Waiters, ()>) -> bool {
        let mut waiting = self.waiting.lock();
        if node.leave_locked(&mut waiting) == Some(Outcome::Completed) {
            return true;
        }
        let mut wakeup = None;
        if waiting.queue.is_empty() {
            // Relaxed: the bits speak of the queue, which the `Spin` publishes.
            self.state.fetch_and(LOCKED, Ordering::Relaxed);
        } else if self.state.load(Ordering::Relaxed) & WAKING != 0 {
            // It may have been this one that was woken.
            wakeup = waiting.queue.notify_first();
        }
        drop(waiting);
        wakeup.into_iter().for_each(super::Wakeup::wake);
        false
    }

    /// By the holder, under the `Spin`, so nobody else changes the state.
    fn set_locked(&self, state: u8) {
        debug_assert!(state & LOCKED != 0);
        self.state.store(state, Ordering::Relaxed);
    }

    /// Gives it back. To be called by the holder.
    #[inline]
    pub(crate) fn unlock(&self) {
        // Release pairs with the Acquire of the next one that takes it.
        let fast = self.state.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed);
        if fast.is_err() {
            self.unlock_queued();
        }
    }

    #[cold]
    fn unlock_queued(&self) {
        let mut state = self.state.load(Ordering::Relaxed);
        while state & WAKING != 0 {
            let free = state & !LOCKED;
            // As in `unlock`.
            match self.state.compare_exchange(state, free, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => state = now,
            }
        }
        let mut waiting = self.waiting.lock();
        let wakeup = if self.state.load(Ordering::Relaxed) & HANDOFF != 0 {
            self.hand_off(&mut waiting)
        } else {
            let queued = !waiting.queue.is_empty();
            // Release as in `unlock`. Before the wake, so that who is woken finds it free.
            self.state.store(if queued { QUEUED | WAKING } else { 0 }, Ordering::Release);
            waiting.queue.notify_first()
        };
        drop(waiting);
        wakeup.into_iter().for_each(super::Wakeup::wake);
    }

    /// Makes the first in the queue the holder. What this one did is published by its outcome.
    fn hand_off(&self, waiting: &mut Waiters) -> Option<super::Wakeup> {
        let completed = waiting.queue.complete_first(Outcome::Completed, |_| ());
        waiting.handoffs -= 1;
        self.set_locked(match (waiting.queue.is_empty(), waiting.handoffs) {
            (true, _) => LOCKED,
            (false, 0) => LOCKED | QUEUED,
            (false, _) => LOCKED | QUEUED | HANDOFF,
        });
        let ((), wakeup) = completed.expect("somebody waits while there are handoffs");
        Some(wakeup)
    }
}
