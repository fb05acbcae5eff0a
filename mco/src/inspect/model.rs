//! What is known of coroutines: the parts of a dump.

use std::panic::Location;
use std::time::Instant;

use crate::coroutine_id::CoroutineId;
use crate::task::Reason;
#[cfg(feature = "dump")]
use crate::task::inspect::backtrace::Line;

/// What a coroutine does.
///
/// # Examples
///
/// ```
/// use mco::debug::{self, State};
///
/// let parked = mco::spawn(mco::coroutine::park);
/// let id = parked.coroutine().id();
/// let find = || debug::coroutines().into_iter().find(|info| info.id == id);
/// while find().is_none_or(|info| info.state != State::Blocked) {
///     mco::yield_now();
/// }
/// parked.coroutine().unpark();
/// parked.join().unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum State {
    /// It executes, on its worker.
    Running,
    /// It could go on, and waits for its turn.
    Ready,
    /// It waits for something.
    Blocked,
    /// It has been spawned, and waits for its first turn.
    NotStarted,
}

/// What is known of a coroutine. From [`debug::coroutines`](crate::debug::coroutines).
///
/// # Examples
///
/// ```
/// use mco::debug::{self, State};
///
/// let parked = mco::spawn(mco::coroutine::park);
/// let id = parked.coroutine().id();
/// let find = || debug::coroutines().into_iter().find(|info| info.id == id);
/// while find().is_none_or(|info| info.state != State::Blocked) {
///     mco::yield_now();
/// }
/// let info = find().unwrap();
/// assert_eq!(info.wait_reason, Some(debug::Reason::Park));
/// assert!(info.wait_site.is_some() && info.name.is_none());
/// parked.coroutine().unpark();
/// parked.join().unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CoroutineInfo {
    /// Its number, unique in the process.
    pub id: CoroutineId,
    /// The name that its `Builder` gave it.
    pub name: Option<String>,
    /// What it does.
    pub state: State,
    /// Where in the source it was spawned.
    pub spawned_at: &'static Location<'static>,
    /// What it waits for, if it is blocked.
    pub wait_reason: Option<Reason>,
    /// Where in the source it waits.
    pub wait_site: Option<&'static Location<'static>>,
    /// Since when it waits, to some 10 milliseconds.
    pub since: Option<Instant>,
    /// When its wait ends by itself, if it does. By a virtual clock: when it would if that went on.
    pub until: Option<Instant>,
    /// The coroutines without which its wait does not end, as far as that is known: the one that
    /// holds the lock, those that it joins.
    pub waits_for: Vec<CoroutineId>,
    /// The thread that holds the lock, if it is no coroutine. Empty if it has no name.
    pub held_by_thread: Option<String>,
    /// The address of what it waits for, by which two that wait for the same thing are recognised.
    pub object: Option<usize>,
    /// If it waits for a channel: what is known of the other end.
    pub other_end: Option<ChannelEnd>,
    /// If it waits in a `select!`: what each of its arms waits for, without those that are disabled.
    pub arms: Vec<ArmInfo>,
    /// If it has been asked to stop: by whom, where and why, as far as that is known.
    pub cancelled: Option<String>,
    /// Whether it will wait for ever, as far as that is known; see [`debug`](crate::debug).
    pub is_stuck: bool,
}

/// An arm of a `select!` in which a coroutine waits. The fields mean what those of [`CoroutineInfo`] do.
///
/// # Examples
///
/// ```
/// for coroutine in mco::debug::coroutines() {
///     for arm in &coroutine.arms {
///         println!("{:?} waits for {} among others", coroutine.name, arm.wait_reason);
///     }
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ArmInfo {
    /// What the arm waits for.
    pub wait_reason: Reason,
    /// When it is ready by itself, if ever.
    pub until: Option<Instant>,
    /// The coroutines that it takes for that.
    pub waits_for: Vec<CoroutineId>,
    /// The address of what it waits for.
    pub object: Option<usize>,
    /// If it waits for a channel: what is known of the other end.
    pub other_end: Option<ChannelEnd>,
    /// It is an expression that runs in a coroutine of its own, for whose end it waits.
    pub is_child: bool,
}

/// What is known of the end of a channel that somebody at the other end waits for. Each is true by itself: who was
/// the last to wait need not be who has used it last. Noted are uses that wait, those that never do (`try_send`,
/// `try_recv`), and sends into a channel without a bound; not those that might have waited and need not, nor what an
/// arm of a `select!` does.
///
/// # Examples
///
/// ```
/// for coroutine in mco::debug::coroutines() {
///     if let Some(end) = &coroutine.other_end {
///         println!("{} handles are at the other end of the channel of {}", end.handles, end.made_at);
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChannelEnd {
    /// How many handles there are: senders, if somebody waits to receive. Who has them is not known.
    pub handles: usize,
    /// Where in the source the channel was made.
    pub made_at: &'static Location<'static>,
    /// Where a handle was used last, as far as that is noted.
    pub last_used_at: Option<&'static Location<'static>>,
    /// Which coroutine was the last to wait with a handle; it may have ended.
    pub last_waited: Option<CoroutineId>,
    /// Which thread was, if it was no coroutine. Empty if it has no name, or has ended.
    pub last_waited_thread: Option<String>,
}

/// One runtime in a dump.
#[cfg(feature = "dump")]
#[derive(Debug)]
pub(super) struct Section {
    pub(super) name: String,
    pub(super) workers: usize,
    /// In the order of their ids.
    pub(super) coroutines: Vec<CoroutineInfo>,
    /// How many have not started: those among `coroutines`, and those that could not be listed.
    pub(super) unstarted: usize,
    pub(super) groups: Vec<Group>,
    /// What could not be found out, in sentences.
    pub(super) remarks: Vec<String>,
}

#[cfg(feature = "dump")]
impl Section {
    pub(super) fn members(&self, group: &Group) -> impl Iterator<Item = &CoroutineInfo> {
        group.members.iter().map(|index| &self.coroutines[*index])
    }
}

/// Coroutines that do the same at the same site.
#[cfg(feature = "dump")]
#[derive(Debug)]
pub(super) struct Group {
    /// Their indices in the section's list. Never empty.
    pub(super) members: Vec<usize>,
    pub(super) backtrace: Option<Backtrace>,
}

#[cfg(feature = "dump")]
#[derive(Debug)]
pub(super) struct Backtrace {
    pub(super) of: CoroutineId,
    pub(super) lines: Vec<Line>,
    /// What is missing, and why.
    pub(super) remark: Option<&'static str>,
}
