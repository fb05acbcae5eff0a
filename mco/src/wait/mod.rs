//! How a coroutine or a thread blocks.
//!
//! [`park`] has the wait itself: until woken, until a deadline, or until cancelled. [`queue`] has those who wait for
//! something that one of them gets, [`lock`] what is inside a mutex.

mod external_wait;
mod lock;
mod park;
mod queue;
mod spin;
pub(crate) mod timers;

/// What the protocol modules build on, separate so that the models in `tests/loom` can include them
/// and supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};

    pub(super) use crate::backoff::relax;
}

mod blocked {
    pub(super) use crate::task::{Blocked, Wakeup};
}

pub(crate) use self::external_wait::ExternalWait;
pub(crate) use self::lock::RawLock;
pub(crate) use self::park::{Parked, Wait, Wake};
pub(crate) use self::queue::{Outcome, Queue, SelectToken, WaitNode, Wakeups};
pub(crate) use self::spin::{Spin, SpinGuard};
pub(crate) use crate::task::{Waiter, WaiterList, Wakeup};
