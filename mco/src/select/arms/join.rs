//! The end of a coroutine.

#![allow(unsafe_code)]

use std::fmt;
use std::pin::Pin;
use std::thread;

use super::super::operation::Selectable;
use super::super::{ArmEntry, ArmWaitInfo};
use crate::coroutine::{Coroutine, JoinHandle, ScopedJoinHandle};
use crate::std::thread as std_thread;
use crate::task::Reason;
use crate::task::inspect::ArmWait;
use crate::wait::Waiter;

/// What `handle.join()` can wait for in a `select!`. Unlike the method it borrows the handle, which
/// is used up only if this arm is chosen.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be joined in a `select!`",
    label = "not a handle of a coroutine",
    note = "put the operation into braces, `{{ x.join() }}`, to run it in a child coroutine"
)]
pub trait SelectJoin {
    type Result;

    /// [`JoinArm`]. Asked for by this name, so that the compiler has one complaint about what is no
    /// handle, and not a second one about its arm.
    type Arm<'a>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine;

    /// The result of a coroutine that has ended, once.
    fn take(&self) -> thread::Result<Self::Result>;
}

impl<H: SelectJoin + ?Sized> SelectJoin for &H {
    type Result = H::Result;
    type Arm<'a>
        = JoinArm<'a, Self>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine {
        (**self).joined()
    }

    fn take(&self) -> thread::Result<H::Result> {
        (**self).take()
    }
}

impl<H: SelectJoin + ?Sized> SelectJoin for &mut H {
    type Result = H::Result;
    type Arm<'a>
        = JoinArm<'a, Self>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine {
        (**self).joined()
    }

    fn take(&self) -> thread::Result<H::Result> {
        (**self).take()
    }
}

impl<T> SelectJoin for JoinHandle<T> {
    type Result = T;
    type Arm<'a>
        = JoinArm<'a, Self>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine {
        self.coroutine()
    }

    fn take(&self) -> thread::Result<T> {
        self.take_output()
    }
}

impl<T> SelectJoin for std_thread::JoinHandle<T> {
    type Result = T;
    type Arm<'a>
        = JoinArm<'a, Self>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine {
        self.handle().coroutine()
    }

    fn take(&self) -> thread::Result<T> {
        self.handle().take_output()
    }
}

impl<T> SelectJoin for std_thread::ScopedJoinHandle<'_, T> {
    type Result = T;
    type Arm<'a>
        = JoinArm<'a, Self>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine {
        self.handle().coroutine()
    }

    fn take(&self) -> thread::Result<T> {
        self.handle().take_output()
    }
}

impl<T> SelectJoin for ScopedJoinHandle<'_, T> {
    type Result = T;
    type Arm<'a>
        = JoinArm<'a, Self>
    where
        Self: 'a;

    fn joined(&self) -> &Coroutine {
        self.coroutine()
    }

    fn take(&self) -> thread::Result<T> {
        self.take_output()
    }
}

/// Waits for the end of a coroutine.
pub struct JoinArm<'a, H: ?Sized> {
    handle: &'a H,
    entered: Option<Waiter>,
}

/// The arm for `handle.join()`.
pub fn join_arm<'a, H>(handle: &'a H) -> H::Arm<'a>
where
    H: SelectJoin<Arm<'a> = JoinArm<'a, H>> + ?Sized,
{
    JoinArm { handle, entered: None }
}

impl<H: SelectJoin + ?Sized> Selectable for JoinArm<'_, H> {
    type Output = thread::Result<H::Result>;

    fn poll(self: Pin<&mut Self>) -> bool {
        self.handle.joined().task().is_finished()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        let this = self.get_mut();
        let running = this.handle.joined().task().add_joiner(entry.waiter.clone());
        this.entered = running.then(|| entry.waiter.clone());
        running
    }

    fn leave(self: Pin<&mut Self>) {
        let this = self.get_mut();
        if let Some(waiter) = this.entered.take() {
            this.handle.joined().task().remove_joiner(&waiter);
        }
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait::of(Reason::Join, self.handle.joined().task()))
    }

    fn is_ready_now(&self) -> bool {
        self.handle.joined().task().is_finished()
    }

    fn output(self: Pin<&mut Self>) -> Self::Output {
        self.handle.take()
    }
}

impl<H: ?Sized> fmt::Debug for JoinArm<'_, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinArm").finish_non_exhaustive()
    }
}
