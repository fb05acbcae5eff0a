//! What can be waited for, and who could end the wait, for dumps: the types alone. Locks, channels, selects
//! and coroutines implement [`WaitTarget`]; one who looks at a parked coroutine calls it
//! ([`inspection`](super::inspection)).

use std::panic::Location;

use super::reason::Reason;
use crate::clock::Timestamp;

/// What a coroutine can wait for, as far as dumps are concerned.
pub(crate) trait WaitTarget: Sync {
    /// Its address, by which two waits for the same thing are recognised.
    fn address(&self) -> usize;

    /// Who could end a wait for it. Called on any thread, while the one who waits is frozen: must not
    /// block for long, nor run user code.
    fn blocked_on(&self) -> BlockedOn;

    /// For a wait that the first of several things ends: each of them. Called as `blocked_on`.
    fn arms(&self) -> Vec<ArmWait> {
        Vec::new()
    }
}

/// One of several things, the first of which ends a wait: an arm of a `select!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ArmWait {
    pub(crate) reason: Reason,
    /// Of what it waits for; 0 if that is not known.
    pub(crate) address: usize,
    /// It happens by itself then.
    pub(crate) until: Option<Timestamp>,
    pub(crate) blocked_on: BlockedOn,
    /// It is the end of a coroutine that runs the arm.
    pub(crate) is_child: bool,
}

impl ArmWait {
    /// An arm that waits for something at this address, of which no more is known.
    pub(crate) fn at(reason: Reason, address: usize) -> ArmWait {
        ArmWait { reason, address, until: None, blocked_on: BlockedOn::Unknown, is_child: false }
    }

    /// An arm that waits for this.
    pub(crate) fn of(reason: Reason, what: &dyn WaitTarget) -> ArmWait {
        ArmWait { blocked_on: what.blocked_on(), ..ArmWait::at(reason, what.address()) }
    }
}

/// Who can end a wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BlockedOn {
    /// Anyone, or it is not known.
    Unknown,
    /// The holder of the lock, and nobody else.
    Holder(LockOwner),
    /// These coroutines. The wait ends when each of them has ended.
    Each(Vec<u64>),
    /// Whoever has a handle of the other end of the channel: nobody knows who that is.
    Handles(Handles),
}

/// What is known of an end of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Handles {
    pub(crate) count: usize,
    /// Where the channel was made.
    pub(crate) made_at: &'static Location<'static>,
    /// Where a handle was used last, as far as that is noted.
    pub(crate) used_at: Option<&'static Location<'static>>,
    /// Who was the last to wait with one; not in a `select!`.
    pub(crate) waited: Option<LockOwner>,
}

/// The holder of a lock: a coroutine or a thread, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum LockOwner {
    Coroutine(u64),
    /// A thread outside of coroutines.
    Thread(u64),
}
