//! Finds all coroutines, and what each waits for.

use std::panic::Location;
use std::time::Instant;

use crate::clock::Timestamp;
use crate::coroutine_id::CoroutineId;
use crate::scheduler::Scheduler;
use crate::task::TaskRef;
use crate::task::inspect::{self, ArmWait, BlockedOn, Handles, Inspection, LockOwner};

use super::model::{ArmInfo, ChannelEnd, CoroutineInfo, State};

/// The coroutines of one runtime.
pub(super) struct RuntimeSnapshot {
    pub(super) coroutines: Vec<CoroutineSnapshot>,
    pub(super) unstarted: usize,
    /// What could not be found out.
    pub(super) remarks: Vec<String>,
}

pub(super) struct CoroutineSnapshot {
    pub(super) info: CoroutineInfo,
    /// The index of its worker.
    pub(super) worker: usize,
    /// `None` for a coroutine that has never been suspended, or not started.
    pub(super) task: Option<TaskRef>,
    pub(super) wait: Option<Inspection>,
}

/// Takes snapshots of these runtimes. `caller` is the coroutine that asks: it is shown as running, and not as waiting
/// for the dump.
pub(super) fn take(schedulers: &[&Scheduler], caller: Option<&TaskRef>) -> Vec<RuntimeSnapshot> {
    schedulers.iter().map(|scheduler| snapshot_runtime(scheduler, caller)).collect()
}

fn snapshot_runtime(scheduler: &Scheduler, caller: Option<&TaskRef>) -> RuntimeSnapshot {
    let mut coroutines = Vec::new();
    for worker in 0..scheduler.worker_slots() {
        let state = scheduler.inspect_worker(worker);
        let mut current = state.current;
        for task in state.tasks {
            if current.is_some_and(|(id, _)| id == task.id()) {
                current = None;
            }
            coroutines.extend(snapshot_one(scheduler, worker, task, caller));
        }
        if let Some(asks) = caller.filter(|task| current.is_some_and(|(id, _)| id == task.id())) {
            current = None;
            coroutines.extend(snapshot_one(scheduler, worker, asks.clone(), caller));
        }
        if let Some((id, spawned_at)) = current {
            // It has never been suspended, so nothing more is known.
            let info = minimal_info(id, None, State::Running, spawned_at);
            coroutines.push(CoroutineSnapshot { info, worker, task: None, wait: None });
        }
    }
    coroutines.sort_by_key(|seen| seen.info.id);
    // One may have been found as a worker's current one, and then in its registry.
    coroutines.dedup_by(|one, other| {
        let same = one.info.id == other.info.id;
        if same && other.task.is_none() {
            std::mem::swap(one, other);
        }
        same
    });
    RuntimeSnapshot { coroutines, unstarted: scheduler.unstarted(), remarks: Vec::new() }
}

/// `None`: it has ended.
fn snapshot_one(
    scheduler: &Scheduler,
    worker: usize,
    task: TaskRef,
    caller: Option<&TaskRef>,
) -> Option<CoroutineSnapshot> {
    if task.is_finished() {
        return None;
    }
    let id = task.id();
    let asks = caller.is_some_and(|caller| caller.id() == id);
    let wait = if asks { None } else { task.inspect() };
    let state = match &wait {
        Some(_) => State::Blocked,
        None if asks || scheduler.turn_of(worker).1 == Some(id) => State::Running,
        None => State::Ready,
    };
    let held_by_thread = match wait.as_ref().map(|wait| &wait.blocked_on) {
        Some(BlockedOn::Holder(LockOwner::Thread(number))) => {
            Some(inspect::thread_name(*number).unwrap_or_default())
        }
        _ => None,
    };
    // The clock of the runtime may be another one.
    let to_std =
        |until: Timestamp| (Timestamp::monotonic() + until.since(scheduler.now())).to_std();
    let info = CoroutineInfo {
        id: CoroutineId::new(id),
        name: task.name().map(str::to_owned),
        state,
        spawned_at: task.spawned_at(),
        wait_reason: wait.as_ref().map(|wait| wait.reason),
        wait_site: wait.as_ref().and_then(|wait| wait.site),
        since: wait.as_ref().map(|wait| wait.since.to_std()),
        until: wait.as_ref().and_then(|wait| wait.until).map(to_std),
        waits_for: wait.as_ref().map_or_else(Vec::new, |wait| needed_coroutines(&wait.blocked_on)),
        held_by_thread,
        object: wait.as_ref().and_then(|wait| object(wait.address)),
        other_end: wait.as_ref().and_then(|wait| other_end(&wait.blocked_on)),
        arms: wait
            .iter()
            .flat_map(|wait| &wait.arms)
            .map(|arm| snapshot_arm(arm, to_std))
            .collect(),
        cancelled: cancelled(&task),
        is_stuck: false,
    };
    Some(CoroutineSnapshot { info, worker, task: Some(task), wait })
}

/// What is said of a coroutine that is cancelled.
fn cancelled(task: &TaskRef) -> Option<String> {
    let why = || task.cancel_cause().map_or_else(String::new, |cause| cause.to_string());
    task.is_cancelled().then(|| format!("cancelled{}", why()))
}

/// What is known of a coroutine that has never been suspended, or not started.
pub(super) fn minimal_info(
    id: u64,
    name: Option<String>,
    state: State,
    spawned_at: &'static Location<'static>,
) -> CoroutineInfo {
    CoroutineInfo {
        id: CoroutineId::new(id),
        name,
        state,
        spawned_at,
        wait_reason: None,
        wait_site: None,
        since: None,
        until: None,
        waits_for: Vec::new(),
        held_by_thread: None,
        object: None,
        other_end: None,
        arms: Vec::new(),
        cancelled: None,
        is_stuck: false,
    }
}

fn snapshot_arm(arm: &ArmWait, to_std: impl Fn(Timestamp) -> Instant) -> ArmInfo {
    ArmInfo {
        wait_reason: arm.reason,
        until: arm.until.map(to_std),
        waits_for: needed_coroutines(&arm.blocked_on),
        object: object(arm.address),
        other_end: other_end(&arm.blocked_on),
        is_child: arm.is_child,
    }
}

/// The coroutines without which a wait does not end.
fn needed_coroutines(blocked_on: &BlockedOn) -> Vec<CoroutineId> {
    match blocked_on {
        BlockedOn::Holder(LockOwner::Coroutine(id)) => vec![CoroutineId::new(*id)],
        BlockedOn::Each(ids) => ids.iter().copied().map(CoroutineId::new).collect(),
        _ => Vec::new(),
    }
}

/// What is known of the other end of a channel.
fn other_end(blocked_on: &BlockedOn) -> Option<ChannelEnd> {
    let BlockedOn::Handles(Handles { count, made_at, used_at, waited }) = *blocked_on else {
        return None;
    };
    let (last_waited, last_waited_thread) = match waited {
        Some(LockOwner::Coroutine(id)) => (Some(CoroutineId::new(id)), None),
        Some(LockOwner::Thread(number)) => {
            (None, Some(inspect::thread_name(number).unwrap_or_default()))
        }
        None => (None, None),
    };
    let (handles, last_used_at) = (count, used_at);
    Some(ChannelEnd { handles, made_at, last_used_at, last_waited, last_waited_thread })
}

fn object(address: usize) -> Option<usize> {
    Some(address).filter(|address| *address != 0)
}
