//! The passing of time.

#![allow(unsafe_code)]

use std::any::{Any, TypeId};
use std::pin::Pin;
use std::time::Duration;

use super::super::operation::Selectable;
use super::super::{ArmEntry, ArmWaitInfo, Deadline};
use crate::clock::Timestamp;
use crate::coroutine;
use crate::task::Reason;
use crate::task::inspect::ArmWait;

/// Becomes ready at a point in time.
#[derive(Debug)]
pub struct SleepArm {
    deadline: Timestamp,
}

/// Whether this is mco's own `sleep`, for which [`sleep_arm`] stands in.
pub fn is_sleep<F: 'static>(_: &F) -> bool {
    fn type_of<F: 'static>(_: F) -> TypeId {
        TypeId::of::<F>()
    }
    TypeId::of::<F>() == type_of(coroutine::sleep)
}

/// The arm for `sleep(duration)`, which counts from here.
///
/// # Panics
///
/// If `duration` is no `Duration`: then the function was not [mco's](is_sleep).
pub fn sleep_arm<D: Any>(duration: D) -> SleepArm {
    let duration: &Duration = (&duration as &dyn Any).downcast_ref().expect("a duration");
    SleepArm { deadline: Timestamp::after(*duration) }
}

impl Selectable for SleepArm {
    type Output = ();

    fn poll(self: Pin<&mut Self>) -> bool {
        Timestamp::now() >= self.deadline
    }

    unsafe fn enter(self: Pin<&mut Self>, _: &ArmEntry<'_>) -> bool {
        true
    }

    fn deadline(&self) -> Deadline {
        Deadline(Some(self.deadline))
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait { until: Some(self.deadline), ..ArmWait::at(Reason::Sleep, 0) })
    }

    fn is_ready_now(&self) -> bool {
        Timestamp::now() >= self.deadline
    }

    fn output(self: Pin<&mut Self>) {}
}
