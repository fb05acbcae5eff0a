//! The kinds of operations that block.

use std::fmt;

/// The kind of operation that a coroutine is blocked in.
///
/// # Examples
///
/// ```
/// assert_eq!(mco::debug::Reason::Mutex.to_string(), "mutex");
/// ```
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
    /// A [`CancelToken`](crate::coroutine::CancelToken) to be cancelled.
    Token,
    /// A coroutine of a [`Group`](crate::coroutine::Group) to end.
    Group,
}

/// What each is called, at the place of its number.
const TABLE: [(Reason, &str); 27] = [
    (Reason::None, "not blocked"),
    (Reason::Park, "park"),
    (Reason::Sleep, "sleep"),
    (Reason::Join, "join"),
    (Reason::Scope, "end of a scope"),
    (Reason::Read, "read"),
    (Reason::Write, "write"),
    (Reason::Accept, "accept"),
    (Reason::Connect, "connect"),
    (Reason::Blocking, "blocking job"),
    (Reason::Future, "future"),
    (Reason::Runtime, "end of a runtime"),
    (Reason::Send, "send"),
    (Reason::Receive, "receive"),
    (Reason::Select, "select"),
    (Reason::Mutex, "mutex"),
    (Reason::ReadLock, "read lock"),
    (Reason::WriteLock, "write lock"),
    (Reason::Condvar, "condition variable"),
    (Reason::Semaphore, "semaphore"),
    (Reason::Barrier, "barrier"),
    (Reason::WaitGroup, "wait group"),
    (Reason::SyncFlag, "sync flag"),
    (Reason::Once, "initialiser"),
    (Reason::Blocker, "blocker"),
    (Reason::Token, "cancel of a token"),
    (Reason::Group, "group"),
];

const _: () = {
    let mut code = 0;
    while code < TABLE.len() {
        assert!(TABLE[code].0 as usize == code, "the table is in the order of the numbers");
        code += 1;
    }
};

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(TABLE[*self as usize].1)
    }
}

impl Reason {
    /// The one with this number.
    pub(super) fn of_code(code: u8) -> Reason {
        TABLE[usize::from(code)].0
    }
}

/// The name of a reason, of which a trace has kept the code.
pub(crate) fn reason_text(code: u8) -> String {
    TABLE.get(usize::from(code)).map_or_else(String::new, |(_, text)| (*text).to_owned())
}
