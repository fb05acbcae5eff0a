//! What a blocked coroutine waits for. It writes the record before it suspends, and dumps read it.

#![allow(unsafe_code)]

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicU64, Ordering};

use super::wait_target::WaitInfo;
use crate::clock::Timestamp;
use crate::trace;

/// The kind of operation that a coroutine is blocked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum Reason {
    /// Not blocked.
    None,
    /// [`park`](crate::coroutine::park).
    Park,
    /// [`sleep`](crate::coroutine::sleep).
    Sleep,
    /// The end of a coroutine.
    Join,
    /// The end of a scope, for its children.
    Scope,
    /// Reading from a socket or another descriptor.
    Read,
    /// Writing to one.
    Write,
    /// A connection that comes in.
    Accept,
    /// A connection that is made.
    Connect,
    /// A job that runs on a thread of its own.
    Blocking,
    /// A future.
    Future,
    /// The end of another runtime.
    Runtime,
    /// Sending into a channel.
    Send,
    /// Receiving from a channel.
    Receive,
    /// One of the arms of a `select!`.
    Select,
    /// A mutex.
    Mutex,
    /// A lock for reading.
    ReadLock,
    /// A lock for writing.
    WriteLock,
    /// A condition variable.
    Condvar,
    /// A permit of a semaphore.
    Semaphore,
    /// The others at a barrier.
    Barrier,
    /// The others of a wait group.
    WaitGroup,
    /// A flag to be fired.
    SyncFlag,
    /// An initialiser that runs elsewhere.
    Once,
    /// The permit of a blocker.
    Blocker,
}

const REASONS: [Reason; 25] = [
    Reason::None,
    Reason::Park,
    Reason::Sleep,
    Reason::Join,
    Reason::Scope,
    Reason::Read,
    Reason::Write,
    Reason::Accept,
    Reason::Connect,
    Reason::Blocking,
    Reason::Future,
    Reason::Runtime,
    Reason::Send,
    Reason::Receive,
    Reason::Select,
    Reason::Mutex,
    Reason::ReadLock,
    Reason::WriteLock,
    Reason::Condvar,
    Reason::Semaphore,
    Reason::Barrier,
    Reason::WaitGroup,
    Reason::SyncFlag,
    Reason::Once,
    Reason::Blocker,
];

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::None => "not blocked",
            Reason::Park => "park",
            Reason::Sleep => "sleep",
            Reason::Join => "join",
            Reason::Scope => "end of a scope",
            Reason::Read => "read",
            Reason::Write => "write",
            Reason::Accept => "accept",
            Reason::Connect => "connect",
            Reason::Blocking => "blocking job",
            Reason::Future => "future",
            Reason::Runtime => "end of a runtime",
            Reason::Send => "send",
            Reason::Receive => "receive",
            Reason::Select => "select",
            Reason::Mutex => "mutex",
            Reason::ReadLock => "read lock",
            Reason::WriteLock => "write lock",
            Reason::Condvar => "condition variable",
            Reason::Semaphore => "semaphore",
            Reason::Barrier => "barrier",
            Reason::WaitGroup => "wait group",
            Reason::SyncFlag => "sync flag",
            Reason::Once => "initialiser",
            Reason::Blocker => "blocker",
        })
    }
}

/// The name of a reason, of which a trace has kept the code.
pub(crate) fn reason_text(code: u8) -> String {
    REASONS.get(usize::from(code)).map_or_else(String::new, Reason::to_string)
}

/// A source location that other threads may read at any time.
pub(crate) struct AtomicSite(AtomicPtr<Location<'static>>);

impl AtomicSite {
    pub(crate) const fn new() -> AtomicSite {
        AtomicSite(AtomicPtr::new(ptr::null_mut()))
    }

    pub(crate) fn set(&self, site: &'static Location<'static>) {
        self.0.store(ptr::from_ref(site).cast_mut(), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or from a reference to something constant that lives for ever.
        unsafe { self.0.load(Ordering::Relaxed).as_ref() }
    }
}

/// For a reader that may come at any time the fields are independent statistics, so their order does not matter. For
/// one that has frozen the parked coroutine they belong together.
pub(super) struct WaitRecord {
    reason: AtomicU8,
    /// Counts the waits.
    number: AtomicU32,
    site: AtomicSite,
    /// The worker's coarse clock when the wait began.
    since: AtomicU64,
    /// Points into the frame from which the coroutine parks. Dangles when it is not parked.
    info: AtomicPtr<()>,
}

impl WaitRecord {
    pub(super) fn new() -> WaitRecord {
        WaitRecord {
            reason: AtomicU8::new(Reason::None as u8),
            number: AtomicU32::new(0),
            site: AtomicSite::new(),
            since: AtomicU64::new(0),
            info: AtomicPtr::new(ptr::null_mut()),
        }
    }

    /// By the coroutine, before it parks. `info` must stay as long as it is parked.
    #[inline]
    pub(super) fn set(
        &self,
        reason: Reason,
        site: &'static Location<'static>,
        since: u64,
        info: &WaitInfo,
    ) {
        self.reason.store(reason as u8, Ordering::Relaxed);
        // Nobody else writes.
        let number = self.number.load(Ordering::Relaxed).wrapping_add(1);
        self.number.store(number, Ordering::Relaxed);
        self.site.set(site);
        self.since.store(since, Ordering::Relaxed);
        self.info.store(ptr::from_ref(info).cast_mut().cast(), Ordering::Relaxed);
    }

    #[inline]
    pub(super) fn clear(&self) {
        self.reason.store(Reason::None as u8, Ordering::Relaxed);
    }

    pub(super) fn reason(&self) -> Reason {
        REASONS[usize::from(self.reason.load(Ordering::Relaxed))]
    }

    /// Of a coroutine that is blocked, for a trace.
    #[inline(always)]
    pub(super) fn as_end(&self) -> trace::SliceEnd {
        trace::SliceEnd::blocked(self.reason.load(Ordering::Relaxed), self.site.get())
    }

    /// Where the wait was called from, if the coroutine is blocked.
    pub(super) fn site(&self) -> Option<&'static Location<'static>> {
        self.site.get().filter(|_| self.reason() != Reason::None)
    }

    pub(super) fn since(&self) -> Timestamp {
        Timestamp::from_nanos(self.since.load(Ordering::Relaxed))
    }

    pub(super) fn number(&self) -> u32 {
        self.number.load(Ordering::Relaxed)
    }

    /// What it waits for.
    ///
    /// # Safety
    ///
    /// The coroutine must be parked, and be kept so as long as the answer is used.
    pub(super) unsafe fn info(&self) -> Option<&WaitInfo> {
        // SAFETY: the frame is there, by the caller's promise.
        unsafe { self.info.load(Ordering::Relaxed).cast::<WaitInfo>().as_ref() }
    }
}
