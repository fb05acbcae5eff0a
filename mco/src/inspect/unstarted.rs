//! Finds the coroutines that have not started.

use std::collections::{BTreeMap, HashSet};

use crate::scheduler::{Request, Scheduler, Unstarted, UnstartedList};

use super::model::State;
use super::query::Queries;
use super::snapshot::{CoroutineSnapshot, RuntimeSnapshot, minimal_info};

/// The unstarted coroutines of one runtime.
#[derive(Default)]
pub(super) struct Found {
    /// By id, since one that was stolen may have been seen in two queues.
    listed: BTreeMap<u64, Unstarted>,
    /// How many others are queued, which could not be listed.
    others: usize,
    remarks: Vec<String>,
}

impl Found {
    fn add(&mut self, list: UnstartedList) {
        self.listed.extend(list.seen.into_iter().map(|unstarted| (unstarted.id, unstarted)));
        if list.others > 0 {
            self.others += list.others;
            self.remarks.push(format!(
                "not listed are {} of those that have not started: there are too many",
                list.others
            ));
        }
    }

    /// Counts those of a worker that does not list them in time.
    fn add_count(&mut self, worker: usize, others: usize) {
        if others > 0 {
            self.others += others;
            self.remarks.push(format!(
                "not listed are {others} of those that have not started: worker {worker}, which has \
                 them, is held up"
            ));
        }
    }
}

/// Finds those of each runtime. Asks workers to list what they have queued, and waits for a limited time.
pub(super) fn find(schedulers: &[&Scheduler]) -> Vec<Found> {
    let mut found: Vec<Found> = schedulers.iter().map(|_| Found::default()).collect();
    let mut queries = Queries::new(schedulers);
    let mut asked = Vec::new();
    for (section, scheduler) in schedulers.iter().enumerate() {
        found[section].add(scheduler.list_global_queue());
        for worker in (0..scheduler.worker_slots()).filter(|w| scheduler.may_list_unstarted(*w)) {
            if scheduler.is_held_up(worker) {
                found[section].add_count(worker, scheduler.unstarted_of(worker));
            } else {
                queries.add((section, worker), Request::ListUnstarted);
                asked.push(section);
            }
        }
    }
    let busy = queries.send_and_wait(|index, list| found[asked[index]].add(list));
    for busy in busy {
        let others = schedulers[busy.section].unstarted_of(busy.worker);
        found[busy.section].add_count(busy.worker, others);
    }
    found
}

/// Adds those that were found to the snapshots taken since, except those that had started by then.
pub(super) fn add(seen: &mut [RuntimeSnapshot], found: Vec<Found>) {
    for (seen, found) in seen.iter_mut().zip(found) {
        let started: HashSet<u64> = seen.coroutines.iter().map(|one| one.info.id.into()).collect();
        let before = seen.coroutines.len();
        let unstarted =
            found.listed.into_values().filter(|unstarted| !started.contains(&unstarted.id));
        seen.coroutines.extend(unstarted.map(|unstarted| {
            let info =
                minimal_info(unstarted.id, unstarted.name, State::NotStarted, unstarted.spawned_at);
            CoroutineSnapshot { info, worker: 0, task: None, wait: None }
        }));
        seen.unstarted = seen.coroutines.len() - before + found.others;
        seen.remarks.extend(found.remarks);
        seen.coroutines.sort_by_key(|seen| seen.info.id);
    }
}
