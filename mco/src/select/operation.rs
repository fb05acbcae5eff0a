//! An arm as the macro makes it: a native one, or an expression for a child coroutine. Which it is
//! depends on a type that the macro does not see.

#![allow(unsafe_code)]

use std::fmt;
use std::marker::PhantomData;
use std::panic::{self, AssertUnwindSafe, Location};
use std::pin::Pin;
use std::sync::Arc;
use std::thread;

use parking_lot::Mutex;
use pin_project_lite::pin_project;

use super::{Arm, ArmEntry, ArmWaitInfo, Deadline};
use crate::coroutine::{Cancelled, Coroutine, Scope};
use crate::task::cancel::cause_here;
use crate::task::inspect::ArmWait;
use crate::task::{self, Reason};
use crate::wait::Waiter;

/// An operation that can be waited for among others, and is lost by none.
///
/// The methods are those of [`Arm`].
#[expect(clippy::missing_safety_doc, reason = "`Arm` has it")]
pub trait Selectable {
    type Output;

    fn poll(self: Pin<&mut Self>) -> bool;
    #[expect(unsafe_code, reason = "as in `Arm`")]
    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool;

    fn leave(self: Pin<&mut Self>) {}

    fn complete(self: Pin<&mut Self>) {}

    fn deadline(&self) -> Deadline {
        Deadline(None)
    }

    fn wait_info(&self) -> ArmWaitInfo;

    fn is_ready_now(&self) -> bool {
        false
    }

    /// The result of the operation.
    fn output(self: Pin<&mut Self>) -> Self::Output;
}

/// What an operation that has not happened gives back.
pub trait ReclaimOnLoss {
    type Reclaimed;

    fn back(self: Pin<&mut Self>) -> Self::Reclaimed;

    /// What stands for it if the operation is an expression for a child coroutine.
    fn of_child() -> Self::Reclaimed {
        unreachable!("an operation that has an arm of its own needs no child")
    }
}

/// Stands for a value that is not given back, since the operation was not mco's own.
#[derive(Debug)]
pub struct NotReclaimed;

/// Stands for the arm of an operation that has none of its own. There is no value of it.
pub struct NeverArm<O> {
    never: std::convert::Infallible,
    _output: PhantomData<fn() -> O>,
}

impl<O> Selectable for NeverArm<O> {
    type Output = O;

    fn poll(self: Pin<&mut Self>) -> bool {
        match self.never {}
    }

    #[expect(unsafe_code, reason = "as in `Arm`")]
    unsafe fn enter(self: Pin<&mut Self>, _: &ArmEntry<'_>) -> bool {
        match self.never {}
    }

    fn wait_info(&self) -> ArmWaitInfo {
        match self.never {}
    }

    fn output(self: Pin<&mut Self>) -> O {
        match self.never {}
    }
}

impl<O> ReclaimOnLoss for NeverArm<O> {
    type Reclaimed = NotReclaimed;

    fn back(self: Pin<&mut Self>) -> NotReclaimed {
        NotReclaimed
    }

    fn of_child() -> NotReclaimed {
        NotReclaimed
    }
}

pin_project! {
    /// See the module.
    #[project = Projected]
    pub enum Operation<'a, N, O> {
        #[doc(hidden)]
        Selectable { #[pin] arm: N },
        #[doc(hidden)]
        Child { child: Child<'a, O> },
    }
}

/// An expression for a child coroutine.
pub struct Child<'a, O> {
    /// Until it is started: stores the value of the expression in `result`. Boxed, so that the code for an operation
    /// is the same wherever its types are: a program with many `select!`s would otherwise be slow to compile.
    closure: Option<Box<dyn FnOnce() + Send + 'a>>,
    /// Where the expression stands.
    site: &'static Location<'static>,
    coroutine: Option<Coroutine>,
    /// Where the coroutine leaves its result.
    result: Left<O>,
}

/// What a child is to run, until it does.
struct ChildClosure<F>(Option<F>);

impl<F> Drop for ChildClosure<F> {
    fn drop(&mut self) {
        if let Some(closure) = self.0.take() {
            // A panic of its destructor is no panic of the scope's, nor of the `select!`'s.
            task::run_user_code_here(|| drop(closure));
        }
    }
}

/// A child's result. The selecting coroutine takes it or drops it.
struct Left<O>(Arc<Mutex<Option<thread::Result<O>>>>);

impl<O> Drop for Left<O> {
    fn drop(&mut self) {
        // The arm was not chosen. Nobody has asked for the result, so a panic of its destructor goes no further.
        if let Some(result) = self.0.lock().take() {
            task::run_user_code_here(|| drop(result));
        }
    }
}

impl<'a, N, O> Operation<'a, N, O>
where
    N: Selectable<Output = O>,
{
    pub fn native(arm: N) -> Self {
        Operation::Selectable { arm }
    }

    #[track_caller]
    pub fn child(closure: impl FnOnce() -> O + Send + 'a) -> Self
    where
        O: Send + 'a,
    {
        let place = Arc::new(Mutex::new(None));
        let result = Left(place.clone());
        let mut closure = ChildClosure(Some(closure));
        let closure = Box::new(move || {
            let closure = closure.0.take().expect("it is called once");
            // Caught here, so that the panic of one that loses is no panic of the scope's.
            let output = panic::catch_unwind(AssertUnwindSafe(closure));
            *place.lock() = Some(output);
        });
        Operation::Child {
            child: Child {
                closure: Some(closure),
                site: Location::caller(),
                coroutine: None,
                result,
            },
        }
    }

    /// The result of the operation. To be called after it has been chosen. A panic of a child passes through.
    pub fn output(self: Pin<&mut Self>) -> O {
        match self.project() {
            Projected::Selectable { arm } => arm.output(),
            Projected::Child { child } => {
                let result = child.result.0.lock().take();
                let result = result.expect("the child that was chosen has ended");
                result.unwrap_or_else(|payload| {
                    if payload.is::<Cancelled>() {
                        // Maybe by the deadline that it has from the caller, who then is cut off as well.
                        task::cancel::check_here();
                    }
                    panic::resume_unwind(payload)
                })
            }
        }
    }

    /// What it gives back, if it has not been chosen.
    pub fn back(self: Pin<&mut Self>) -> N::Reclaimed
    where
        N: ReclaimOnLoss,
    {
        match self.project() {
            Projected::Selectable { arm } => arm.back(),
            Projected::Child { .. } => N::of_child(),
        }
    }
}

impl<N, O> Arm for Operation<'_, N, O>
where
    N: Selectable<Output = O>,
{
    fn poll(self: Pin<&mut Self>) -> bool {
        match self.project() {
            Projected::Selectable { arm } => arm.poll(),
            Projected::Child { child } => child.result.0.lock().is_some(),
        }
    }

    #[expect(unsafe_code, reason = "as in `Arm`")]
    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        match self.project() {
            // SAFETY: the caller's promise.
            Projected::Selectable { arm } => unsafe { arm.enter(entry) },
            // The child wakes the caller.
            Projected::Child { child } => child.result.0.lock().is_none(),
        }
    }

    fn leave(self: Pin<&mut Self>) {
        if let Projected::Selectable { arm } = self.project() {
            arm.leave();
        }
    }

    fn complete(self: Pin<&mut Self>) {
        if let Projected::Selectable { arm } = self.project() {
            arm.complete();
        }
    }

    fn deadline(&self) -> Deadline {
        match self {
            Operation::Selectable { arm } => arm.deadline(),
            Operation::Child { .. } => Deadline(None),
        }
    }

    fn wait_info(&self) -> ArmWaitInfo {
        match self {
            Operation::Selectable { arm } => arm.wait_info(),
            Operation::Child { child } => child_wait_info(child.coroutine.as_ref()),
        }
    }

    fn is_ready_now(&self) -> bool {
        match self {
            Operation::Selectable { arm } => arm.is_ready_now(),
            Operation::Child { child } => child.result.0.lock().is_some(),
        }
    }

    fn wants_child(&self) -> bool {
        matches!(self, Operation::Child { child } if child.closure.is_some())
    }

    fn start<'scope>(self: Pin<&mut Self>, scope: &'scope Scope<'scope, '_>)
    where
        Self: 'scope,
    {
        let Projected::Child { child } = self.project() else { return };
        let Some(closure) = child.closure.take() else { return };
        let selecting = Waiter::current();
        let handle = scope.spawn_at(child.site, move || {
            closure();
            selecting.wake();
        });
        child.coroutine = Some(handle.coroutine().clone());
    }

    fn cancel(self: Pin<&mut Self>) {
        if let Projected::Child { child } = self.project()
            && let Some(coroutine) = &child.coroutine
        {
            let reason = "another arm of its `select!` was chosen";
            coroutine.cancel_for(&cause_here(child.site, Some(reason.into())));
        }
    }
}

/// A function of its own, so that it is compiled once.
fn child_wait_info(child: Option<&Coroutine>) -> ArmWaitInfo {
    let wait = child.map_or_else(
        || ArmWait::at(Reason::Join, 0),
        |child| ArmWait::of(Reason::Join, child.task()),
    );
    ArmWaitInfo(ArmWait { is_child: true, ..wait })
}

impl<N, O> fmt::Debug for Operation<'_, N, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").finish_non_exhaustive()
    }
}
