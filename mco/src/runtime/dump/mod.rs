//! Dumps: what each coroutine does, what it waits for, and which of them are deadlocked.
//!
//! [`snapshot`] finds the coroutines and asks each what it waits for. [`unstarted`] lists those that have not
//! started. [`deadlock`] finds those that are stuck. [`backtraces`] has workers take backtraces. [`render`] writes
//! the text. Only backtraces and unstarted coroutines need the help of workers, for which a dump waits for a limited
//! time.

#[cfg(feature = "dump")]
mod backtraces;
#[cfg(feature = "dump")]
mod deadlock;
mod names;
#[cfg(feature = "dump")]
mod query;
#[cfg(feature = "dump")]
mod render;
#[cfg(all(unix, feature = "dump"))]
pub(crate) mod sigquit;
mod snapshot;
#[cfg(feature = "dump")]
mod unstarted;

use std::panic::Location;
#[cfg(feature = "dump")]
use std::sync::Arc;
use std::time::Instant;

use crate::coroutine::CoroutineId;
#[cfg(feature = "dump")]
use crate::scheduler;
use crate::scheduler::Scheduler;
use crate::task::Reason;
#[cfg(feature = "dump")]
use crate::task::TaskRef;
#[cfg(feature = "dump")]
use crate::task::capture::Line;

#[cfg(feature = "dump")]
use backtraces::BacktraceSource;
#[cfg(feature = "dump")]
use deadlock::Deadlock;

/// What a coroutine does.
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
    /// Whether it will wait for ever, as far as that is known; see [`debug`](crate::debug).
    pub is_stuck: bool,
}

/// An arm of a `select!` in which a coroutine waits. The fields mean what those of [`CoroutineInfo`] do.
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

/// All coroutines at one moment. Its `Display` is a text of several lines. From
/// [`debug::dump`](crate::debug::dump).
#[cfg(feature = "dump")]
#[derive(Debug)]
pub struct Dump {
    runtimes: Vec<Section>,
    deadlocks: Vec<Deadlock>,
}

/// One runtime in a dump.
#[cfg(feature = "dump")]
#[derive(Debug)]
struct Section {
    name: String,
    workers: usize,
    /// In the order of their ids.
    coroutines: Vec<CoroutineInfo>,
    /// How many have not started: those among `coroutines`, and those that could not be listed.
    unstarted: usize,
    groups: Vec<Group>,
    /// What could not be found out, in sentences.
    remarks: Vec<String>,
}

#[cfg(feature = "dump")]
impl Section {
    fn members(&self, group: &Group) -> impl Iterator<Item = &CoroutineInfo> {
        group.members.iter().map(|index| &self.coroutines[*index])
    }
}

/// Coroutines that do the same at the same site.
#[cfg(feature = "dump")]
#[derive(Debug)]
struct Group {
    /// Their indices in the section's list. Never empty.
    members: Vec<usize>,
    backtrace: Option<Backtrace>,
}

#[cfg(feature = "dump")]
#[derive(Debug)]
struct Backtrace {
    of: CoroutineId,
    lines: Vec<Line>,
    /// What is missing, and why.
    remark: Option<&'static str>,
}

#[cfg(feature = "dump")]
impl Dump {
    pub(crate) fn of_all(caller: Option<&TaskRef>) -> Dump {
        let schedulers = scheduler::all();
        let schedulers: Vec<&Scheduler> = schedulers.iter().map(|s| &**s).collect();
        Dump::take(&schedulers, caller, BacktraceSource::Workers)
    }

    fn take(schedulers: &[&Scheduler], caller: Option<&TaskRef>, source: BacktraceSource) -> Dump {
        // A detector that asks has found it at rest, and must not be disturbed by it.
        let asks = source == BacktraceSource::Workers;
        // First, so that one that starts meanwhile is seen by one of the looks.
        let unstarted = if asks { unstarted::find(schedulers) } else { Vec::new() };
        let awake: Vec<_> = schedulers.iter().filter(|_| asks).map(|s| s.keep_active()).collect();
        let mut seen = snapshot::take(schedulers, caller);
        let deadlocks = deadlock::find(&mut seen);
        drop(awake);
        unstarted::add(&mut seen, unstarted);
        let runtimes = backtraces::add(schedulers, seen, source);
        Dump { runtimes, deadlocks }
    }

    /// The coroutines of all runtimes. Of those that have not started only those that could be listed; see
    /// [`debug::dump`](crate::debug::dump).
    pub fn coroutines(&self) -> impl Iterator<Item = &CoroutineInfo> {
        self.runtimes.iter().flat_map(|section| &section.coroutines)
    }

    /// How many coroutines were waiting to be started, about: those that are listed, and others.
    #[must_use]
    pub fn not_started(&self) -> usize {
        self.runtimes.iter().map(|section| section.unstarted).sum()
    }
}

/// The runtime of the calling coroutine; in a plain thread all.
#[cfg(feature = "dump")]
pub(crate) fn current() -> Vec<Arc<Scheduler>> {
    scheduler::with_current(Arc::clone).map_or_else(scheduler::all, |current| vec![current])
}

/// What [`debug::coroutines`](crate::debug::coroutines) returns.
#[cfg(feature = "dump")]
pub(crate) fn list(schedulers: &[Arc<Scheduler>], caller: Option<&TaskRef>) -> Vec<CoroutineInfo> {
    let schedulers: Vec<&Scheduler> = schedulers.iter().map(|s| &**s).collect();
    let awake: Vec<_> = schedulers.iter().map(|s| s.keep_active()).collect();
    let mut seen = snapshot::take(&schedulers, caller);
    deadlock::find(&mut seen);
    drop(awake);
    let mut all: Vec<_> =
        seen.into_iter().flat_map(|s| s.coroutines).map(|seen| seen.info).collect();
    all.sort_by_key(|info| info.id);
    all
}

/// The dump of one runtime, for a plain thread.
#[cfg(feature = "dump")]
pub(crate) fn of(scheduler: &Scheduler) -> String {
    Dump::take(&[scheduler], None, BacktraceSource::Workers).to_string()
}

/// The coroutines that keep a runtime from ending, in a sentence or some lines. For any thread, without the workers'
/// help.
pub(crate) fn describe_remaining(scheduler: &Scheduler) -> String {
    /// The most that are named.
    const NAMED: usize = 8;
    let mut seen = snapshot::take(&[scheduler], None);
    // In the order of their ids.
    let all: Vec<_> = seen.drain(..).flat_map(|s| s.coroutines).map(|seen| seen.info).collect();
    if all.is_empty() {
        return "what runs there is no coroutine that has been suspended".to_owned();
    }
    let verb = if all.len() == 1 { "has" } else { "have" };
    let mut text =
        format!("{} {verb} not ended", crate::report::count(all.len() as u64, "coroutine"));
    for info in all.iter().take(NAMED) {
        let doing = match (info.state, info.wait_reason, info.wait_site) {
            (State::Blocked, Some(reason), Some(site)) => {
                let end = info.other_end.as_ref().map_or_else(String::new, |end| {
                    format!("; {}", names::channel(reason, end, |id| format!("coroutine {id}")))
                });
                format!("waits for {} at {site}{end}", names::what(reason))
            }
            (State::Running, ..) => "runs, or blocks its thread".to_owned(),
            _ => "could go on".to_owned(),
        };
        let name = names::name(info);
        text.push_str(&format!("\n  {name} (spawned at {}) {doing}", info.spawned_at));
    }
    if all.len() > NAMED {
        text.push_str(&format!("\n  and {} more", all.len() - NAMED));
    }
    text
}

/// The dump of one runtime, the deadlocks first, without any other worker's help. To be called on a
/// plain thread, or on a worker's outside any coroutine; then there are backtraces of those coroutines
/// that it hosts.
#[cfg(feature = "dump")]
pub(crate) fn report(scheduler: &Scheduler) -> String {
    Dump::take(&[scheduler], None, BacktraceSource::ThisWorker).to_string()
}

#[cfg(not(feature = "dump"))]
pub(crate) fn of(scheduler: &Scheduler) -> String {
    describe_remaining(scheduler)
}

/// Without dumps: what each waits for, and not who for whom.
#[cfg(not(feature = "dump"))]
pub(crate) fn report(scheduler: &Scheduler) -> String {
    describe_remaining(scheduler)
}
