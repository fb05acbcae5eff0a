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
//! Each poll looks at the arms in a [random order](super::order) of its own, so each of those that are ready is as
//! likely as any other.
//!
//! Arms are of two kinds. Where one waiter gets something (channels, semaphores), the arm has a node in a
//! [`Queue`](crate::wait::Queue). Whoever has something claims the token, so that no two give at once. Where
//! something becomes true for all waiters (a coroutine has ended, a flag is raised, a socket is ready), the arm is
//! woken, and the next poll finds it so. Before such a poll the token is closed: nobody gives any more, and the arms
//! are outside of all queues.
//!
//! With a `default` the same is done, without parking: default is taken only if all arms have entered, with the
//! token unclaimed when it is closed, and no arm that is woken has become ready by then ([`Arm::is_ready_now`]).
//! Then there was a moment at which none was ready, that after the last one had entered: an arm that is given
//! something would have been given it from when it entered, since the token was open; and an arm that is woken
//! waits for what stays true once it is, and it was not true later. Polls alone would not do: the value that
//! makes one arm ready may come to it after it was looked at, and the one of the other be gone before that is. What
//! is not the runtime's own, the connections that wait in a listener, is looked at once. Where only one arm
//! is enabled, so it is anyway.
//!
//! An expression that has no arm of its own runs in a child coroutine. Children are started when the
//! first poll finds nothing, in a scope that ends before `run` returns: those that lose are
//! cancelled, and waited for.
//!
//! Dumps ask the arms what they wait for ([`Arm::wait_info`]), while the selecting coroutine is parked and
//! [frozen](crate::task::inspect). It costs a `select!` the pointer to its arms that it leaves in its frame.

#![allow(unsafe_code)]
#![allow(missing_docs, reason = "only the expansion of a macro calls it")]

use std::pin::Pin;

use crate::clock::Timestamp;
use crate::coroutine::{self, Scope, scope_to_the_end};
use crate::task::inspect::{ArmWait, BlockedOn, WaitTarget};
use crate::task::{Reason, spend_budget};
use crate::wait::{Parked, SelectToken, Wait, Waiter};

use super::order::{Digits, LongOrder, Order, Positions};

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
    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool;

    /// Undoes `enter`. To be called also for an arm that has not entered.
    fn leave(self: Pin<&mut Self>);

    /// By the one that has been claimed, after it has left: the operation has happened.
    fn complete(self: Pin<&mut Self>);

    /// When a poll will find more than now, if that is known.
    fn deadline(&self) -> Deadline;

    /// What it waits for. Called on any thread, while the one who selects is kept where it is parked:
    /// must neither block nor touch anything of the user's.
    fn wait_info(&self) -> ArmWaitInfo;

    /// By one that has entered, if it is woken rather than given something: whether a poll would find now that
    /// the operation is possible.
    fn is_ready_now(&self) -> bool;

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
pub struct Deadline(pub(super) Option<Timestamp>);

/// What an arm waits for, for dumps.
#[derive(Debug)]
pub struct ArmWaitInfo(pub(super) ArmWait);

/// What an arm enters with.
pub struct ArmEntry<'a> {
    pub(super) token: &'a SelectToken,
    pub(super) index: usize,
    pub(super) waiter: &'a Waiter,
    /// Whether the caller will park, and not only see what comes of it.
    pub(super) parks: bool,
}

impl std::fmt::Debug for ArmEntry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ArmEntry").field("index", &self.index).finish_non_exhaustive()
    }
}

/// Lets one of the enabled arms happen, and says which; or [`DEFAULT`], or [`ALL_DISABLED`].
///
/// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits; then no arm has happened.
#[track_caller]
pub fn run(arms: &mut [Pin<&mut (dyn Arm + '_)>], enabled: &[bool], mode: Mode) -> usize {
    if !mode.default {
        spend_budget();
    }
    if !enabled.contains(&true) {
        return if mode.default { DEFAULT } else { ALL_DISABLED };
    }
    run_arms(Arms { arms, enabled, biased: mode.biased, order: Order::as_written() }, mode)
}

/// As [`run`], for any number of arms, all of which are enabled; the last `fixed` ones are looked at last.
#[track_caller]
pub(super) fn run_many(arms: &mut [Pin<&mut (dyn Arm + '_)>], mode: Mode, fixed: usize) -> usize {
    if !mode.default {
        spend_budget();
    }
    let (order, enabled) = (LongOrder::as_written(arms.len(), fixed), vec![true; arms.len()]);
    run_arms(Arms { arms, enabled: &enabled, biased: mode.biased, order }, mode)
}

#[inline(always)]
#[track_caller]
fn run_arms<O: Positions>(mut arms: Arms<'_, '_, '_, O>, mode: Mode) -> usize {
    if let Some(index) = arms.poll() {
        return index;
    }
    let wait = Wait::new(Reason::Select);
    if arms.enabled().any(|index| arms.arms[index].wants_child()) {
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
    if mode.default { arms.poll_entered().unwrap_or(DEFAULT) } else { arms.wait(&wait) }
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
struct Arms<'a, 'b, 'env, O> {
    arms: &'a mut [Pin<&'b mut (dyn Arm + 'env)>],
    enabled: &'a [bool],
    /// Whether they are looked at as they are written.
    biased: bool,
    /// In which they were looked at last.
    order: O,
}

impl<'a, 'env, O: Positions> Arms<'a, '_, 'env, O> {
    /// The enabled ones, as they are written.
    fn enabled(&self) -> impl Iterator<Item = usize> + use<'a, 'env, O> {
        let enabled = self.enabled;
        (0..enabled.len()).filter(|index| enabled[*index])
    }

    /// Has one happen that is ready, if any is.
    fn poll(&mut self) -> Option<usize> {
        let (count, mut digits) = (self.arms.len(), Digits::new());
        for position in 0..count {
            if !self.biased {
                self.order.draw(position, count, &mut digits);
            }
            let index = self.order.at(position);
            if self.enabled[index] && self.arms[index].as_mut().poll() {
                return Some(index);
            }
        }
        None
    }

    /// For one that does not wait, after a poll that has found nothing: has one happen that is ready. `None`: there
    /// was a moment at which none was. See the module.
    #[inline(never)]
    fn poll_entered(&mut self) -> Option<usize> {
        // Of one arm a poll is such a moment.
        self.enabled().nth(1)?;
        loop {
            let token = SelectToken::new();
            let entered = EnteredArms { arms: self, token: &token };
            let none_is_ready =
                entered.arms.enter(&token, false) && !entered.arms.is_any_ready_now();
            drop(entered);
            if let Some(index) = token.claimed() {
                self.arms[index].as_mut().complete();
                return Some(index);
            }
            if none_is_ready {
                return None;
            }
            if let Some(index) = self.poll() {
                return Some(index);
            }
        }
    }

    fn is_any_ready_now(&self) -> bool {
        self.enabled().any(|index| self.arms[index].is_ready_now())
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
        let token = SelectToken::new();
        let entered = EnteredArms { arms: self, token: &token };
        let mut parked = wait.before();
        if entered.arms.enter(&token, true) && token.claimed().is_none() && !parked.is_cancelled() {
            // SAFETY: `entered` stays where it is until the park is over.
            let wait = unsafe { wait.of(&entered) };
            parked = wait.until(entered.arms.deadline()).park_uncancellable();
        }
        drop(entered);
        (parked, token.claimed())
    }

    /// When one of them becomes ready by itself, as far as is known once they have entered.
    fn deadline(&self) -> Option<Timestamp> {
        self.enabled().filter_map(|index| self.arms[index].deadline().0).min()
    }

    /// Enters them; `false`, if one was ready instead.
    fn enter(&mut self, token: &SelectToken, parks: bool) -> bool {
        let waiter = Waiter::current();
        (0..self.arms.len()).map(|position| self.order.at(position)).all(|index| {
            if !self.enabled[index] {
                return true;
            }
            let entry = ArmEntry { token, index, waiter: &waiter, parks };
            // SAFETY: the caller has an `EnteredArms`, which is dropped before the token.
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
        // In the order of the poll: what starts last runs first.
        for index in (0..self.arms.len()).map(|position| self.order.at(position)) {
            if self.enabled[index] && self.arms[index].wants_child() {
                self.arms[index].as_mut().start(scope);
            }
        }
        let chosen = if default {
            // So that those which do not block come to their end.
            coroutine::yield_now();
            self.poll().or_else(|| self.poll_entered()).unwrap_or(DEFAULT)
        } else {
            self.wait(wait)
        };
        for index in self.enabled().filter(|index| *index != chosen) {
            self.arms[index].as_mut().cancel();
        }
        chosen
    }
}

/// Has all arms leave, however their wait ends, after closing their token.
struct EnteredArms<'t, 'r, 'a, 'b, 'env, O: Positions> {
    arms: &'r mut Arms<'a, 'b, 'env, O>,
    token: &'t SelectToken,
}

// SAFETY: others see it only by way of `WaitTarget`, while the one who selects is parked. So nobody writes to
// the arms but those who hold the lock of a queue, to what is there for them to write to; and of an
// arm nothing is called but `wait_info`, which reads no user value.
unsafe impl<O: Positions> Sync for EnteredArms<'_, '_, '_, '_, '_, O> {}

impl<O: Positions> WaitTarget for EnteredArms<'_, '_, '_, '_, '_, O> {
    fn address(&self) -> usize {
        0
    }

    fn blocked_on(&self) -> BlockedOn {
        BlockedOn::Unknown
    }

    fn arms(&self) -> Vec<ArmWait> {
        // As they are written, whichever was looked at first.
        let enabled = self.arms.arms.iter().zip(self.arms.enabled).filter(|(_, enabled)| **enabled);
        enabled.map(|(arm, _)| arm.wait_info().0).collect()
    }
}

impl<O: Positions> Drop for EnteredArms<'_, '_, '_, '_, '_, O> {
    fn drop(&mut self) {
        self.token.close();
        for index in self.arms.enabled() {
            self.arms.arms[index].as_mut().leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;
    use crate::select::{Operation, RecvArm, SendArm};
    use crate::std::sync::unbounded;

    /// An arm that never happens, and does something when it is polled first, and when it enters first.
    struct Meanwhile<P, E>(Option<P>, Option<E>);

    impl<P: FnOnce() + Unpin, E: FnOnce() + Unpin> Arm for Meanwhile<P, E> {
        fn poll(self: Pin<&mut Self>) -> bool {
            self.get_mut().0.take().into_iter().for_each(|f| f());
            false
        }

        unsafe fn enter(self: Pin<&mut Self>, _: &ArmEntry<'_>) -> bool {
            self.get_mut().1.take().into_iter().for_each(|f| f());
            true
        }

        fn leave(self: Pin<&mut Self>) {}

        fn complete(self: Pin<&mut Self>) {}

        fn deadline(&self) -> Deadline {
            Deadline(None)
        }

        fn wait_info(&self) -> ArmWaitInfo {
            ArmWaitInfo(ArmWait::at(Reason::Receive, 0))
        }

        fn is_ready_now(&self) -> bool {
            false
        }

        fn wants_child(&self) -> bool {
            false
        }

        fn start<'scope>(self: Pin<&mut Self>, _: &'scope Scope<'scope, '_>)
        where
            Self: 'scope,
        {
        }

        fn cancel(self: Pin<&mut Self>) {}
    }

    const IN_ORDER: Mode = Mode { biased: true, default: true };

    #[test]
    fn a_value_that_moves_between_arms_during_a_poll_is_found() {
        let (a, b) = (unbounded(), unbounded());
        b.0.send(1).unwrap();
        // The first one has been looked at, and the last one has not.
        let moves = || a.0.send(b.1.try_recv().unwrap()).unwrap();
        let mut first = pin!(Operation::native(RecvArm::new(a.1.channel())));
        let mut between = pin!(Meanwhile(Some(moves), None::<fn()>));
        let mut last = pin!(Operation::native(RecvArm::new(b.1.channel())));
        let arms: &mut [Pin<&mut dyn Arm>] = &mut [first.as_mut(), between.as_mut(), last.as_mut()];
        assert_eq!(run(arms, &[true; 3], IN_ORDER), 0);
        assert_eq!(first.output(), Ok(1));
    }

    #[test]
    fn a_value_that_comes_during_the_second_poll_is_taken() {
        let (a, b) = (unbounded(), unbounded::<u8>());
        let sends = || a.0.send(1).unwrap();
        let mut first = pin!(Operation::native(RecvArm::new(a.1.channel())));
        let mut between = pin!(Meanwhile(None::<fn()>, Some(sends)));
        let mut last = pin!(Operation::native(RecvArm::new(b.1.channel())));
        let arms: &mut [Pin<&mut dyn Arm>] = &mut [first.as_mut(), between.as_mut(), last.as_mut()];
        assert_eq!(run(arms, &[true; 3], IN_ORDER), 0);
        assert_eq!(first.output(), Ok(1));
        assert!(a.1.is_empty());
    }

    #[test]
    fn a_value_that_was_not_sent_is_given_back_after_two_polls() {
        let (a, b) = (crate::std::sync::bounded(0), unbounded::<u8>());
        let mut first = pin!(Operation::native(SendArm::new(a.0.channel(), 7)));
        let mut last = pin!(Operation::native(RecvArm::new(b.1.channel())));
        let arms: &mut [Pin<&mut dyn Arm>] = &mut [first.as_mut(), last.as_mut()];
        assert_eq!(run(arms, &[true; 2], IN_ORDER), DEFAULT);
        assert_eq!(first.back(), 7);
    }
}
