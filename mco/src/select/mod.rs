//! Waiting for the first of several operations: the runtime side of `select!`.
//!
//! [`choice`] lets one of several arms happen, and has the protocol. [`arms`] are the operations with arms of their own,
//! [`operation`] makes an arm of any expression, and [`probe`] finds out by its type which it is. [`dynamic`] is the
//! [`Select`] whose operations are added at run time.

#![allow(missing_docs, reason = "only the expansion of a macro calls it")]

mod arms;
mod choice;
mod dynamic;
mod operation;
mod order;
pub mod probe;

pub use arms::{
    AcceptArm, JoinArm, RecvArm, SelectJoin, SendArm, SleepArm, WaitArm, is_sleep, join_arm,
    sleep_arm,
};
pub use choice::{
    ALL_DISABLED, Arm, ArmEntry, ArmWaitInfo, DEFAULT, Deadline, Mode, no_arm_left, run,
};
pub use dynamic::{
    ReadyTimeoutError, Select, SelectTimeoutError, SelectedOperation, TryReadyError, TrySelectError,
};
pub use operation::{NeverArm, NotReclaimed, Operation, ReclaimOnLoss, Selectable};
