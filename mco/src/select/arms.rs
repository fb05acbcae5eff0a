//! The operations that have arms of their own.

mod accept;
mod channel;
mod join;
mod sleep;
mod wait;

pub use accept::AcceptArm;
pub(super) use channel::PlaceArm;
pub use channel::{RecvArm, SendArm};
pub use join::{JoinArm, SelectJoin, join_arm};
pub use sleep::{SleepArm, is_sleep, sleep_arm};
pub use wait::WaitArm;
