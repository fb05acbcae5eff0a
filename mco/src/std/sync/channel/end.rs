//! The handles of one end of a channel, and what is known of them to dumps.
//!
//! Nobody knows who has a handle, since Rust does not say where a value is. What is known is how many there are,
//! where the channel was made, where a handle was used last, and who was the last to wait with one. Each is a word of
//! its own, and true by itself.
//!
//! Noted are uses that wait, those that never do (`try_send`, `try_recv`), and sends into a channel without a bound.
//! One that might have waited and need not is not noted, since that would cost it a twentieth; nor is what an arm of
//! a `select!` does.

use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::task::AtomicSite;
use crate::task::inspect::{BlockedOn, Handles, LockOwner, WaitTarget};

/// One end. Those at the other one wait for it.
pub(crate) struct ChannelEnd {
    /// How many handles there are.
    pub(super) count: AtomicUsize,
    made_at: &'static Location<'static>,
    /// Where one was used last. Written by whoever uses one, read by anyone.
    used_at: AtomicSite,
    /// Who was the last to wait with one, as the number of a `LockOwner`; 0: nobody. As `used_at`.
    waited: AtomicU64,
}

impl ChannelEnd {
    /// An end with one handle.
    pub(super) fn new(made_at: &'static Location<'static>) -> ChannelEnd {
        let (count, waited) = (AtomicUsize::new(1), AtomicU64::new(0));
        ChannelEnd { count, made_at, used_at: AtomicSite::new(), waited }
    }

    /// By whoever uses a handle.
    #[inline(always)]
    pub(super) fn used(&self, site: &'static Location<'static>) {
        self.used_at.set(site);
    }

    /// By the one who uses a handle, and waits.
    #[inline(always)]
    pub(super) fn waits(&self, site: &'static Location<'static>) {
        self.used_at.set(site);
        self.waited.store(LockOwner::current_number(), Ordering::Relaxed);
    }
}

impl WaitTarget for ChannelEnd {
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn blocked_on(&self) -> BlockedOn {
        // Relaxed: it is true of some moment.
        BlockedOn::Handles(Handles {
            count: self.count.load(Ordering::Relaxed),
            made_at: self.made_at,
            used_at: self.used_at.get(),
            waited: LockOwner::from_number(self.waited.load(Ordering::Relaxed)),
        })
    }
}
