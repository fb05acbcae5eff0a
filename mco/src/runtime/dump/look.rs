//! Finding all coroutines, and what each waits for.

use std::panic::Location;
use std::time::Instant;

use crate::clock::Moment;
use crate::coroutine::CoroutineId;
use crate::scheduler::Scheduler;
use crate::task::TaskRef;
use crate::task::awaited::{self, ArmWait, Enders, Inspection, Owner};

use super::{ArmInfo, CoroutineInfo, State};

/// One runtime, as it was found.
pub(super) struct Seen {
    pub(super) coroutines: Vec<SeenCoroutine>,
    pub(super) fresh: usize,
    /// What could not be found out.
    pub(super) remarks: Vec<String>,
}

pub(super) struct SeenCoroutine {
    pub(super) info: CoroutineInfo,
    /// The place of its worker.
    pub(super) worker: usize,
    /// None of one that has never been suspended, or not started.
    pub(super) task: Option<TaskRef>,
    pub(super) wait: Option<Inspection>,
}

/// `caller` is the coroutine that asks, which is not to be shown as one that waits for the answer.
pub(super) fn look(schedulers: &[&Scheduler], caller: Option<&TaskRef>) -> Vec<Seen> {
    schedulers.iter().map(|scheduler| look_at(scheduler, caller)).collect()
}

fn look_at(scheduler: &Scheduler, caller: Option<&TaskRef>) -> Seen {
    let mut coroutines = Vec::new();
    for worker in 0..scheduler.worker_places() {
        let state = scheduler.inspect_worker(worker);
        let mut current = state.current;
        for task in state.tasks {
            if current.is_some_and(|(id, _)| id == task.id()) {
                current = None;
            }
            coroutines.extend(look_at_one(scheduler, worker, task, caller));
        }
        if let Some(asks) = caller.filter(|task| current.is_some_and(|(id, _)| id == task.id())) {
            current = None;
            coroutines.extend(look_at_one(scheduler, worker, asks.clone(), caller));
        }
        if let Some((id, spawned_at)) = current {
            // It has never been suspended, so nothing more is known.
            let info = little_known(id, None, State::Running, spawned_at);
            coroutines.push(SeenCoroutine { info, worker, task: None, wait: None });
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
    Seen { coroutines, fresh: scheduler.fresh(), remarks: Vec::new() }
}

/// `None`: it has ended.
fn look_at_one(
    scheduler: &Scheduler,
    worker: usize,
    task: TaskRef,
    caller: Option<&TaskRef>,
) -> Option<SeenCoroutine> {
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
    let held_by_thread = match wait.as_ref().map(|wait| &wait.enders) {
        Some(Enders::Holder(Owner::Thread(number))) => {
            Some(awaited::thread_name(*number).unwrap_or_default())
        }
        _ => None,
    };
    // The clock of the runtime may be another one.
    let to_std = |until: Moment| (Moment::real() + until.since(scheduler.now())).to_std();
    let info = CoroutineInfo {
        id: CoroutineId::new(id),
        name: task.name().map(str::to_owned),
        state,
        spawned_at: task.spawned_at(),
        wait_reason: wait.as_ref().map(|wait| wait.reason),
        wait_site: wait.as_ref().and_then(|wait| wait.site),
        since: wait.as_ref().map(|wait| wait.since.to_std()),
        until: wait.as_ref().and_then(|wait| wait.until).map(to_std),
        waits_for: wait.as_ref().map_or_else(Vec::new, |wait| it_takes(&wait.enders)),
        held_by_thread,
        object: wait.as_ref().and_then(|wait| object(wait.address)),
        arms: wait.iter().flat_map(|wait| &wait.arms).map(|arm| look_at_arm(arm, to_std)).collect(),
        is_stuck: false,
    };
    Some(SeenCoroutine { info, worker, task: Some(task), wait })
}

/// One that has never been suspended, or not started.
pub(super) fn little_known(
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
        arms: Vec::new(),
        is_stuck: false,
    }
}

fn look_at_arm(arm: &ArmWait, to_std: impl Fn(Moment) -> Instant) -> ArmInfo {
    ArmInfo {
        wait_reason: arm.reason,
        until: arm.until.map(to_std),
        waits_for: it_takes(&arm.enders),
        object: object(arm.address),
        is_child: arm.is_child,
    }
}

/// The coroutines without which a wait does not end.
fn it_takes(enders: &Enders) -> Vec<CoroutineId> {
    match enders {
        Enders::Holder(Owner::Coroutine(id)) => vec![CoroutineId::new(*id)],
        Enders::Each(ids) => ids.iter().copied().map(CoroutineId::new).collect(),
        _ => Vec::new(),
    }
}

fn object(address: usize) -> Option<usize> {
    Some(address).filter(|address| *address != 0)
}
