//! Waiting for the first of several operations: the runtime side of `select!`.
//!
//! The macro makes an [`Arm`] of each operation, and [`run`] lets exactly one of them happen:
//!
//! ```text
//!          ┌──────────────────────────────────────────────────────────────────┐
//!          v                                                                  │ woken, nothing has
//!   poll each arm ── none ──> enter each arm, with one token for all ──> park ┤ happened
//!          │                          │ one is ready now                      │
//!          │ one has happened         └──> leave all, poll again              │ the token is claimed:
//!          v                                                                  v that arm has happened
//!       its index  <───────────────────────────────────────────────── leave all the others
//! ```
//!
//! Arms are of two kinds. Where one of those who wait gets something (channels, semaphores), the arm
//! has a place in a [`Queue`](crate::wait::Queue), and whoever has something claims the token, so
//! that no two give at once. Where something becomes true for all (a coroutine has ended, a flag is
//! raised, a socket is ready), the arm is woken, and the next poll finds it so. Before such a poll
//! the token is closed: nobody gives any more, and the arms are outside of all queues.
//!
//! An expression that has no arm of its own runs in a child coroutine. Children are started when the
//! first poll finds nothing, in a scope that ends before `run` returns: those that lose are
//! cancelled, and waited for.
//!
//! Dumps ask the arms what they wait for ([`Arm::awaits`]), while the one who selects is parked and
//! [held](crate::task::awaited). What that costs a `select!` is the pointer to its arms that it leaves.

#![allow(unsafe_code)]
#![allow(missing_docs, reason = "only the expansion of a macro calls it")]

mod arms;
mod operation;
pub mod probe;

use std::pin::Pin;

use crate::clock::Moment;
use crate::coroutine::{self, Scope, scope_to_the_end};
use crate::random;
use crate::task::awaited::{ArmWait, Awaited, Enders};
use crate::task::{Reason, spend_budget};
use crate::wait::{Parked, Token, Wait, Waiter};

pub use arms::{
    AcceptArm, JoinArm, RecvArm, SelectJoin, SendArm, SleepArm, WaitArm, is_sleep, join_arm,
    sleep_arm,
};
pub use operation::{Back, Gone, Native, NoArm, Operation};

/// How to choose.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// The first arm that is ready, and not any.
    pub biased: bool,
    /// If none is ready, none, without waiting.
    pub default: bool,
}

/// What [`run`] returns if no arm was ready and the mode has a default.
pub const DEFAULT: usize = usize::MAX;
/// What [`run`] returns if no arm is enabled.
pub const ALL_DISABLED: usize = usize::MAX - 1;

/// One operation that a `select!` waits for, as the choice sees it.
pub trait Arm {
    /// Does the operation, if that is possible without waiting.
    fn poll(self: Pin<&mut Self>) -> bool;

    /// Has the caller woken, or the token claimed, when it is. `false`: it may be possible now, and
    /// nothing was entered.
    ///
    /// # Safety
    ///
    /// The caller must make the arm leave before the token goes away.
    unsafe fn enter(self: Pin<&mut Self>, entry: &Entry<'_>) -> bool;

    /// Undoes `enter`. To be called also for an arm that has not entered.
    fn leave(self: Pin<&mut Self>);

    /// By the one that has been claimed, after it has left: the operation has happened.
    fn complete(self: Pin<&mut Self>);

    /// When a poll will find more than now, if that is known.
    fn deadline(&self) -> Deadline;

    /// What it waits for. Called on any thread, while the one who selects is kept where it is parked:
    /// must neither block nor touch anything of the user's.
    fn awaits(&self) -> Awaits;

    /// Whether it needs a child coroutine that has not been started.
    fn wants_child(&self) -> bool;

    /// Starts the child coroutine.
    fn start<'scope>(self: Pin<&mut Self>, scope: &'scope Scope<'scope, '_>)
    where
        Self: 'scope;

    /// Cancels the child coroutine.
    fn cancel(self: Pin<&mut Self>);
}

/// When an arm becomes ready by itself.
#[derive(Clone, Copy, Debug)]
pub struct Deadline(Option<Moment>);

/// What an arm waits for, for those who look on.
#[derive(Debug)]
pub struct Awaits(ArmWait);

/// What an arm enters with.
pub struct Entry<'a> {
    token: &'a Token,
    index: usize,
    waiter: &'a Waiter,
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Lets one of the enabled arms happen, and says which; or [`DEFAULT`], or [`ALL_DISABLED`].
///
/// Unwinds if the calling coroutine is cancelled while it waits; then no arm has happened.
#[track_caller]
pub fn run(arms: &mut [Pin<&mut (dyn Arm + '_)>], enabled: &[bool], mode: Mode) -> usize {
    if !mode.default {
        spend_budget();
    }
    if !enabled.contains(&true) {
        return if mode.default { DEFAULT } else { ALL_DISABLED };
    }
    let first = if mode.biased { 0 } else { random::below(arms.len()) };
    let mut arms = Arms { arms, enabled, first };
    if let Some(index) = arms.poll() {
        return index;
    }
    let wait = Wait::new(Reason::Select);
    if arms.order().any(|index| arms.arms[index].wants_child()) {
        if mode.default {
            // They are waited for.
            spend_budget();
        }
        // Once an arm has happened, no cancel may take that back: it hits the next operation.
        return scope_to_the_end(&Wait::new(Reason::Scope), |scope| {
            arms.run_with_children(scope, &wait, mode.default)
        })
        .0;
    }
    if mode.default { DEFAULT } else { arms.wait(&wait) }
}

/// All arms have been disabled, and there is no `else`.
#[track_caller]
pub fn no_arm_left() -> ! {
    panic!(
        "no arm of this `select!` is left: each one's pattern has refused what came, or its `if` \
         was false; add an `else` arm for that case"
    )
}

/// The arms of one `select!`.
struct Arms<'a, 'b, 'env> {
    arms: &'a mut [Pin<&'b mut (dyn Arm + 'env)>],
    enabled: &'a [bool],
    /// Which one is looked at first.
    first: usize,
}

impl<'a, 'env> Arms<'a, '_, 'env> {
    /// The enabled ones, in the order in which they are looked at.
    fn order(&self) -> impl Iterator<Item = usize> + use<'a, 'env> {
        let enabled = self.enabled;
        (self.first..enabled.len()).chain(0..self.first).filter(|index| enabled[*index])
    }

    fn poll(&mut self) -> Option<usize> {
        self.order().find(|index| self.arms[*index].as_mut().poll())
    }

    /// Waits until one has happened.
    fn wait(&mut self, wait: &Wait) -> usize {
        loop {
            let (parked, claimed) = self.wait_once(wait);
            if let Some(index) = claimed {
                self.arms[index].as_mut().complete();
                return index;
            }
            parked.unwind_if_cancelled();
            if let Some(index) = self.poll() {
                return index;
            }
        }
    }

    /// Waits until something may have happened; says which arm has been claimed.
    fn wait_once(&mut self, wait: &Wait) -> (Parked, Option<usize>) {
        let token = Token::new();
        let entered = Entered { arms: self, token: &token };
        let mut parked = wait.before();
        if entered.arms.enter(&token) && token.claimed().is_none() && !parked.is_cancelled() {
            // SAFETY: `entered` stays where it is until the park is over.
            let wait = unsafe { wait.of(&entered) };
            parked = wait.until(entered.arms.deadline()).park_uncancellable();
        }
        drop(entered);
        (parked, token.claimed())
    }

    /// When one of them becomes ready by itself, as far as is known once they have entered.
    fn deadline(&self) -> Option<Moment> {
        self.order().filter_map(|index| self.arms[index].deadline().0).min()
    }

    /// Enters them; `false`, if one was ready instead.
    fn enter(&mut self, token: &Token) -> bool {
        let waiter = Waiter::current();
        self.order().all(|index| {
            let entry = Entry { token, index, waiter: &waiter };
            // SAFETY: the caller has an `Entered`, which is dropped before the token.
            unsafe { self.arms[index].as_mut().enter(&entry) }
        })
    }

    /// As `run`, for arms with child coroutines.
    fn run_with_children<'scope>(
        &mut self,
        scope: &'scope Scope<'scope, 'env>,
        wait: &Wait,
        default: bool,
    ) -> usize {
        for index in self.order() {
            if self.arms[index].wants_child() {
                self.arms[index].as_mut().start(scope);
            }
        }
        let chosen = if default {
            // So that those which do not block come to their end.
            coroutine::yield_now();
            self.poll().unwrap_or(DEFAULT)
        } else {
            self.wait(wait)
        };
        for index in self.order().filter(|index| *index != chosen) {
            self.arms[index].as_mut().cancel();
        }
        chosen
    }
}

/// Has all arms leave, however their wait ends, after closing their token.
struct Entered<'t, 'r, 'a, 'b, 'env> {
    arms: &'r mut Arms<'a, 'b, 'env>,
    token: &'t Token,
}

// SAFETY: others see it only by way of `Awaited`, while the one who selects is parked. So nobody writes to
// the arms but those who hold the lock of a queue, to what is there for them to write to; and of an
// arm nothing is called but `awaits`, which reads no value of the user's.
unsafe impl Sync for Entered<'_, '_, '_, '_, '_> {}

impl Awaited for Entered<'_, '_, '_, '_, '_> {
    fn address(&self) -> usize {
        0
    }

    fn enders(&self) -> Enders {
        Enders::Unknown
    }

    fn arms(&self) -> Vec<ArmWait> {
        // As they are written, whichever was looked at first.
        let enabled = self.arms.arms.iter().zip(self.arms.enabled).filter(|(_, enabled)| **enabled);
        enabled.map(|(arm, _)| arm.awaits().0).collect()
    }
}

impl Drop for Entered<'_, '_, '_, '_, '_> {
    fn drop(&mut self) {
        self.token.close();
        for index in self.arms.order() {
            self.arms.arms[index].as_mut().leave();
        }
    }
}
