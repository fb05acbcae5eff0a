//! Dumps, and what else is said of all coroutines of a runtime.

use std::sync::Arc;

#[cfg(feature = "dump")]
use super::backtraces::{self, BacktraceSource};
#[cfg(feature = "dump")]
use super::deadlock::{self, Deadlock};
use super::model::State;
#[cfg(feature = "dump")]
use super::model::{CoroutineInfo, Section};
#[cfg(feature = "dump")]
use super::unstarted;
use super::{names, snapshot};
use crate::scheduler::{self, Scheduler};
#[cfg(feature = "dump")]
use crate::task::TaskRef;

/// All coroutines at one moment. Its `Display` is a text of several lines. From
/// [`debug::dump`](crate::debug::dump).
///
/// # Examples
///
/// ```
/// let dump = mco::debug::dump();
/// println!("{dump}");
/// assert!(dump.coroutines().all(|coroutine| coroutine.spawned_at.line() > 0));
/// ```
#[cfg(feature = "dump")]
#[derive(Debug)]
pub struct Dump {
    pub(super) runtimes: Vec<Section>,
    pub(super) deadlocks: Vec<Deadlock>,
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

/// The dump of a runtime that is deadlocked, and of those that are with it, the deadlocks first, without any other
/// worker's help. To be called on a plain thread, or on a worker's outside any coroutine; then there are backtraces of
/// those coroutines that it hosts.
#[cfg(feature = "dump")]
pub(crate) fn report(scheduler: &Scheduler) -> String {
    let others = others_deadlocked(scheduler);
    let others = others.iter().map(|other| &**other);
    let all: Vec<&Scheduler> = std::iter::once(scheduler).chain(others).collect();
    Dump::take(&all, None, BacktraceSource::ThisWorker).to_string()
}

/// The other runtimes with coroutines that a deadlock of this one may be of: not those of other tests.
fn others_deadlocked(scheduler: &Scheduler) -> Vec<Arc<Scheduler>> {
    let is_of_it = |other: &Arc<Scheduler>| {
        !std::ptr::eq(&raw const **other, scheduler)
            && [0, scheduler.test_run()].contains(&other.test_run())
            && other.has_hosted()
    };
    scheduler::all().into_iter().filter(is_of_it).collect()
}

#[cfg(not(feature = "dump"))]
pub(crate) fn of(scheduler: &Scheduler) -> String {
    describe_remaining(scheduler)
}

/// Without dumps: what each waits for, and not who for whom.
#[cfg(not(feature = "dump"))]
pub(crate) fn report(scheduler: &Scheduler) -> String {
    let mut text = describe_remaining(scheduler);
    for other in others_deadlocked(scheduler) {
        let name = &other.settings().name;
        text.push_str(&format!("\nin the runtime `{name}`: {}", describe_remaining(&other)));
    }
    text
}
