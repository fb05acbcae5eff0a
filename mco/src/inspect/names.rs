//! What coroutines and their waits are called.

use super::model::{ChannelEnd, CoroutineInfo};
use crate::coroutine_id::CoroutineId;
use crate::task::Reason;

/// A coroutine in a sentence.
pub(super) fn name(info: &CoroutineInfo) -> String {
    match &info.name {
        Some(name) => format!("coroutine {} `{name}`", info.id),
        None => format!("coroutine {}", info.id),
    }
}

/// What one waits for, in a sentence.
pub(super) fn what(reason: Reason) -> &'static str {
    match reason {
        Reason::None => "nothing",
        Reason::Park => "an `unpark`",
        Reason::Sleep => "the end of a sleep",
        Reason::Join => "the end of another coroutine",
        Reason::Scope => "the end of a scope",
        Reason::Read => "something to read",
        Reason::Write => "room to write",
        Reason::Accept => "a connection to accept",
        Reason::Connect => "a connection",
        Reason::Blocking => "a blocking job",
        Reason::Future => "a future",
        Reason::Runtime => "the end of a runtime",
        Reason::Send => "room to send into a channel",
        Reason::Receive => "a value to receive from a channel",
        Reason::Select => "one of the arms of a `select!`",
        Reason::Mutex => "a mutex",
        Reason::ReadLock => "a read lock",
        Reason::WriteLock => "a write lock",
        Reason::Condvar => "a condition variable",
        Reason::Semaphore => "a permit of a semaphore",
        Reason::Barrier => "the others at a barrier",
        Reason::WaitGroup => "the end of a wait group",
        Reason::SyncFlag => "a sync flag",
        Reason::Once => "an initialiser",
        Reason::Blocker => "the permit of a blocker",
        Reason::Token => "the cancel of a token",
        Reason::Group => "a coroutine of a group",
    }
}

/// What is known of the channel for which one waits.
pub(super) fn channel(
    reason: Reason,
    end: &ChannelEnd,
    name: impl Fn(CoroutineId) -> String,
) -> String {
    let handle = if reason == Reason::Send { "receiver" } else { "sender" };
    let handles = crate::report::count(end.handles as u64, handle);
    let mut text = format!("the channel, made at {}, has {handles}", end.made_at);
    if let Some(site) = end.last_used_at {
        text.push_str(&format!(", last used at {site}"));
    }
    let who = match (end.last_waited, end.last_waited_thread.as_deref()) {
        (Some(id), _) => name(id),
        (None, Some("")) => "a thread".to_owned(),
        (None, Some(thread)) => format!("the thread `{thread}`"),
        (None, None) => return text,
    };
    text.push_str(&format!("; the last to wait with one was {who}"));
    text
}
