//! The end of a coroutine.

use std::fmt;
use std::pin::Pin;
use std::thread;

use super::super::Entry;
use super::super::operation::Native;
use crate::coroutine::{JoinHandle, ScopedJoinHandle};
use crate::task::TaskRef;
use crate::wait::Waiter;

/// What `handle.join()` can wait for in a `select!`. Unlike the method it borrows the handle, which
/// is used up only if this arm is chosen.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be joined in a `select!`",
    label = "not a handle of a coroutine",
    note = "put the operation into braces, `{{ x.join() }}`, to run it in a child coroutine"
)]
pub trait SelectJoin {
    type Arm<'a>: Native
    where
        Self: 'a;

    fn join_arm(&self) -> Self::Arm<'_>;
}

/// The arm for `handle.join()`.
pub fn join_arm<H: SelectJoin + ?Sized>(handle: &H) -> H::Arm<'_> {
    handle.join_arm()
}

impl<H: SelectJoin + ?Sized> SelectJoin for &H {
    type Arm<'a>
        = H::Arm<'a>
    where
        Self: 'a;

    fn join_arm(&self) -> H::Arm<'_> {
        (**self).join_arm()
    }
}

impl<H: SelectJoin + ?Sized> SelectJoin for &mut H {
    type Arm<'a>
        = H::Arm<'a>
    where
        Self: 'a;

    fn join_arm(&self) -> H::Arm<'_> {
        (**self).join_arm()
    }
}

impl<T> SelectJoin for JoinHandle<T> {
    type Arm<'a>
        = JoinArm<'a, T>
    where
        Self: 'a;

    fn join_arm(&self) -> JoinArm<'_, T> {
        JoinArm { handle: self, entered: None }
    }
}

impl<'scope, T> SelectJoin for ScopedJoinHandle<'scope, T> {
    type Arm<'a>
        = ScopedJoinArm<'a, 'scope, T>
    where
        Self: 'a;

    fn join_arm(&self) -> ScopedJoinArm<'_, 'scope, T> {
        ScopedJoinArm { handle: self, entered: None }
    }
}

/// Waits for the end of a coroutine.
pub struct JoinArm<'a, T> {
    handle: &'a JoinHandle<T>,
    entered: Option<Waiter>,
}

impl<T> Native for JoinArm<'_, T> {
    type Output = thread::Result<T>;

    fn poll(self: Pin<&mut Self>) -> bool {
        self.handle.is_finished()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &Entry<'_>) -> bool {
        let this = self.get_mut();
        enter(this.handle.coroutine().task(), &mut this.entered, entry)
    }

    fn leave(self: Pin<&mut Self>) {
        let this = self.get_mut();
        leave(this.handle.coroutine().task(), &mut this.entered);
    }

    fn complete(self: Pin<&mut Self>) {}

    fn output(self: Pin<&mut Self>) -> thread::Result<T> {
        self.handle.take_output()
    }
}

/// Waits for the end of a coroutine of a scope.
pub struct ScopedJoinArm<'a, 'scope, T> {
    handle: &'a ScopedJoinHandle<'scope, T>,
    entered: Option<Waiter>,
}

impl<T> Native for ScopedJoinArm<'_, '_, T> {
    type Output = thread::Result<T>;

    fn poll(self: Pin<&mut Self>) -> bool {
        self.handle.is_finished()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &Entry<'_>) -> bool {
        let this = self.get_mut();
        enter(this.handle.coroutine().task(), &mut this.entered, entry)
    }

    fn leave(self: Pin<&mut Self>) {
        let this = self.get_mut();
        leave(this.handle.coroutine().task(), &mut this.entered);
    }

    fn complete(self: Pin<&mut Self>) {}

    fn output(self: Pin<&mut Self>) -> thread::Result<T> {
        self.handle.take_output()
    }
}

/// Enters for the end of `task`, unless it has ended.
fn enter(task: &TaskRef, entered: &mut Option<Waiter>, entry: &Entry<'_>) -> bool {
    let running = task.add_joiner(entry.waiter.clone());
    if running {
        *entered = Some(entry.waiter.clone());
    }
    running
}

fn leave(task: &TaskRef, entered: &mut Option<Waiter>) {
    if let Some(waiter) = entered.take() {
        task.remove_joiner(&waiter);
    }
}

impl<T> fmt::Debug for JoinArm<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinArm").finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for ScopedJoinArm<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScopedJoinArm").finish_non_exhaustive()
    }
}
