//! What a blocked coroutine waits for: written by it before it switches away, read by dumps.

#![allow(unsafe_code)]

use std::fmt;
use std::panic::Location;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU8, Ordering};

use crate::trace;

/// The kind of operation that a coroutine is blocked in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reason {
    /// Not blocked.
    None,
    Park,
    Sleep,
    Join,
    /// The end of a scope, for its children.
    Scope,
    Read,
    Write,
    Accept,
    Connect,
    /// A job that runs on a thread of its own.
    Blocking,
    Future,
    /// The end of another runtime.
    Runtime,
    Send,
    Receive,
    Select,
    Mutex,
    /// A lock for reading.
    ReadLock,
    /// A lock for writing.
    WriteLock,
    Condvar,
    Semaphore,
    Barrier,
    WaitGroup,
    SyncFlag,
    /// An initialiser that runs elsewhere.
    Once,
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

/// What a reason is called, of which a trace has kept the code.
pub(crate) fn reason_text(code: u8) -> String {
    REASONS.get(usize::from(code)).map_or_else(String::new, Reason::to_string)
}

/// A place in the source that others may read at any time.
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

/// The fields are independent statistics for a reader that may see them in between, so their
/// order does not matter.
pub(super) struct WaitRecord {
    reason: AtomicU8,
    site: AtomicSite,
}

impl WaitRecord {
    pub(super) fn new() -> WaitRecord {
        WaitRecord { reason: AtomicU8::new(Reason::None as u8), site: AtomicSite::new() }
    }

    pub(super) fn set(&self, reason: Reason, site: &'static Location<'static>) {
        self.reason.store(reason as u8, Ordering::Relaxed);
        self.site.set(site);
    }

    pub(super) fn clear(&self) {
        self.reason.store(Reason::None as u8, Ordering::Relaxed);
    }

    pub(super) fn reason(&self) -> Reason {
        REASONS[usize::from(self.reason.load(Ordering::Relaxed))]
    }

    /// Of a coroutine that is blocked, for a trace.
    #[inline(always)]
    pub(super) fn as_end(&self) -> trace::End {
        trace::End::blocked(self.reason.load(Ordering::Relaxed), self.site.get())
    }

    /// Where the wait was called from, if the coroutine is blocked.
    pub(super) fn site(&self) -> Option<&'static Location<'static>> {
        self.site.get().filter(|_| self.reason() != Reason::None)
    }
}
