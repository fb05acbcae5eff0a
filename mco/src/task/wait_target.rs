//! What a blocked coroutine waits for, and who could end the wait, for dumps.
//!
//! A coroutine that waits leaves a [`WaitInfo`] in the frame from which it parks, and the address of that in its
//! record. The frame, and what it borrows, stays as it is while the coroutine is parked; so one who
//! [freezes](TaskRef::inspect) it there may follow the address, on any thread, even while the coroutine's own worker
//! is stuck.

#![allow(unsafe_code)]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::record::Reason;
use super::{TaskRef, current};
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

/// The bit that distinguishes the numbers of threads.
const THREAD: u64 = 1 << 63;

impl LockOwner {
    /// The calling coroutine or thread.
    pub(crate) fn current() -> LockOwner {
        LockOwner::from_number(LockOwner::current_number()).expect("it is not 0")
    }

    /// The caller as one number. Never 0.
    #[inline]
    pub(crate) fn current_number() -> u64 {
        match current::running() {
            Some(running) => running.id(),
            None => thread_number(),
        }
    }

    pub(crate) fn from_number(number: u64) -> Option<LockOwner> {
        match number {
            0 => None,
            number if number & THREAD != 0 => Some(LockOwner::Thread(number & !THREAD)),
            number => Some(LockOwner::Coroutine(number)),
        }
    }
}

thread_local! {
    static NUMBER: Cell<u64> = const { Cell::new(0) };
}

/// The names of the live threads that have a number.
static NAMES: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());

#[inline]
fn thread_number() -> u64 {
    match NUMBER.get() {
        0 => number_thread(),
        number => number,
    }
}

#[cold]
fn number_thread() -> u64 {
    /// Removes the name at the end of the thread.
    struct Named(u64);
    impl Drop for Named {
        fn drop(&mut self) {
            NAMES.lock().remove(&self.0);
        }
    }
    thread_local! {
        static NAMED: Named = Named(NUMBER.get());
    }
    static NUMBERS: AtomicU64 = AtomicU64::new(1);
    let number = THREAD | NUMBERS.fetch_add(1, Ordering::Relaxed);
    NUMBER.set(number);
    // In the destructor of another thread-local value it may be too late for one of these: then
    // the thread stays without a name.
    if NAMED.try_with(|_| ()).is_ok() {
        let name = thread::current().name().map_or_else(String::new, str::to_owned);
        NAMES.lock().insert(number, name);
    }
    number
}

/// The name of a thread, if it has one and runs.
pub(crate) fn thread_name(number: u64) -> Option<String> {
    NAMES.lock().get(&(THREAD | number)).filter(|name| !name.is_empty()).cloned()
}

/// Who holds a lock. Kept beside the lock by whoever takes it and gives it back. In between it may say that nobody
/// holds it, but it never names a suspended coroutine that does not.
pub(crate) struct LockHolder(AtomicU64);

impl LockHolder {
    pub(crate) const fn new() -> LockHolder {
        LockHolder(AtomicU64::new(0))
    }

    /// By the calling coroutine or thread, when it has the lock.
    #[inline]
    pub(crate) fn set(&self) {
        // Relaxed, here and below: who looks has acquired what a parked coroutine wrote before, and
        // others it does not name.
        self.0.store(LockOwner::current_number(), Ordering::Relaxed);
    }

    /// By the same, before it gives the lock back.
    #[inline]
    pub(crate) fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<LockOwner> {
        LockOwner::from_number(self.0.load(Ordering::Relaxed))
    }
}

impl WaitTarget for LockHolder {
    fn address(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }

    fn blocked_on(&self) -> BlockedOn {
        self.get().map_or(BlockedOn::Unknown, BlockedOn::Holder)
    }
}

/// The end of a coroutine.
impl WaitTarget for TaskRef {
    fn address(&self) -> usize {
        self.as_raw().addr().get()
    }

    fn blocked_on(&self) -> BlockedOn {
        BlockedOn::Each(vec![self.id()])
    }
}

/// What the frame of a parked coroutine says of its wait.
#[derive(Clone, Copy)]
pub(crate) struct WaitInfo {
    /// Stays where it is as long as the coroutine parks with this.
    pub(crate) what: Option<NonNull<dyn WaitTarget>>,
    /// The address of what it waits for, if that is all that is known.
    pub(crate) address: usize,
    /// When the wait ends by itself.
    pub(crate) until: Option<Timestamp>,
}

// SAFETY: what it points to is `Sync`, so it may be used on any thread.
unsafe impl Send for WaitInfo {}

/// The wait of a parked coroutine, as it was while it was frozen.
#[derive(Clone, Debug)]
pub(crate) struct Inspection {
    pub(crate) reason: Reason,
    pub(crate) site: Option<&'static Location<'static>>,
    /// About when it began.
    pub(crate) since: Timestamp,
    pub(crate) until: Option<Timestamp>,
    /// Of what it waits for; 0 if that is not known.
    pub(crate) address: usize,
    pub(crate) blocked_on: BlockedOn,
    /// If it is for the first of several things. Then these are those of each.
    pub(crate) arms: Vec<ArmWait>,
    /// Which of the coroutine's waits it is.
    pub(crate) number: u32,
}

impl TaskRef {
    /// Inspects what the coroutine waits for. `None`: it is not parked. Callable from any thread.
    ///
    /// The coroutine does not go on meanwhile. A wake takes effect at the end of the call.
    pub(crate) fn inspect(&self) -> Option<Inspection> {
        let frozen = self.freeze()?;
        let record = &self.header().record;
        // SAFETY: it is parked, and frozen. So the frame from which it parked is there, with what it
        // borrows, and what was written there is visible.
        let info = unsafe { record.info() }?;
        // SAFETY: as above: it is borrowed by the frame.
        let what = info.what.map(|what| unsafe { what.as_ref() });
        let inspection = Inspection {
            reason: record.reason(),
            site: record.site(),
            since: record.since(),
            until: info.until,
            address: what.map_or(info.address, WaitTarget::address),
            blocked_on: what.map_or(BlockedOn::Unknown, WaitTarget::blocked_on),
            arms: what.map_or_else(Vec::new, WaitTarget::arms),
            number: record.number(),
        };
        drop(frozen);
        Some(inspection)
    }

    /// Whether it is still parked in the same wait.
    pub(crate) fn is_still_in(&self, wait: &Inspection) -> bool {
        self.freeze().is_some_and(|_frozen| self.header().record.number() == wait.number)
    }

    /// Keeps a parked coroutine from going on until what this returns is dropped. The caller must neither block nor
    /// wait for others meanwhile.
    pub(super) fn freeze(&self) -> Option<Frozen<'_>> {
        self.header().state.freeze().then(|| Frozen(self))
    }
}

/// See [`TaskRef::freeze`].
pub(super) struct Frozen<'a>(&'a TaskRef);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.0.header().state.unfreeze() {
            // SAFETY: it was woken while it was frozen, so the reference that it held on itself, and
            // the duty to queue it, are this one's.
            unsafe { TaskRef::from_raw(self.0.as_raw()) }.schedule();
        }
    }
}
