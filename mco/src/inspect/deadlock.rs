//! Finds deadlocks: coroutines each of which waits for something that only others of them can do.
//!
//! What a coroutine *needs* follows from what it waits for. The stuck coroutines are the greatest set in which each
//! need leads into the set. To find it, all are suspected. Whoever could be helped from outside is cleared, then
//! those whom that one could help, and so on.
//!
//! Coroutines are inspected one after the other while they run, so what was found need never have been true at once.
//! Therefore the suspects are inspected twice more. The second time each must be in the same wait as the first time,
//! and need the same. The third time it must still be in that wait. Then none of them has run between the end of the
//! first round and the beginning of the third, and all the needs existed in between. If one of them was named as the
//! holder of a lock, it held the lock all that time, since it could only have taken it or given it back by running.
//!
//! # Select
//!
//! A coroutine in a `select!` needs any of those whom its arms need. It is a suspect only if each arm certainly needs
//! one coroutine: the one that it joins, or the child that runs it. If any arm is of another kind, a channel for
//! instance, nothing is claimed.
//!
//! # Channels
//!
//! It is not known who has a handle of a channel. So nothing is claimed of a coroutine that waits for one. The dump
//! shows what is known of the other end.

use std::collections::{HashMap, HashSet};

use super::snapshot::{CoroutineSnapshot, RuntimeSnapshot};
use crate::task::inspect::{ArmWait, BlockedOn, LockOwner};

/// What it takes for a wait to end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Something that any of these could do, and nobody else.
    Any(Vec<u64>),
    /// Something of each of these.
    Each(Vec<u64>),
}

/// Coroutines that wait for each other, in a cycle.
#[derive(Debug)]
pub(super) struct Deadlock {
    pub(super) links: Vec<Link>,
    /// How many other coroutines wait for these, directly or not.
    pub(super) others: usize,
}

/// One coroutine of a cycle. It waits for the next one, and the last for the first.
#[derive(Debug)]
pub(super) struct Link {
    /// `coroutine 3 `name``.
    pub(super) who: String,
    /// What it waits for and where.
    pub(super) waits: String,
    /// What the next one has to do with it: `held by`.
    pub(super) relation: &'static str,
}

/// Finds those that are stuck, marks them, and says which wait for each other in cycles.
pub(super) fn find(seen: &mut [RuntimeSnapshot]) -> Vec<Deadlock> {
    let stuck = suspects(seen);
    if stuck.is_empty() {
        return Vec::new();
    }
    let deadlocks = deadlocks(seen, &stuck);
    for coroutine in seen.iter_mut().flat_map(|section| &mut section.coroutines) {
        coroutine.info.is_stuck = stuck.contains_key(&coroutine.info.id.into());
    }
    deadlocks
}

/// Those that are stuck, with their needs.
fn suspects(seen: &[RuntimeSnapshot]) -> HashMap<u64, Need> {
    const ROUNDS: usize = 4;
    let all: HashMap<u64, &CoroutineSnapshot> = seen
        .iter()
        .flat_map(|section| &section.coroutines)
        .map(|coroutine| (u64::from(coroutine.info.id), coroutine))
        .collect();
    let mut needs: HashMap<u64, Need> =
        all.iter().filter_map(|(id, coroutine)| Some((*id, need(coroutine)?))).collect();
    for _ in 0..ROUNDS {
        remove_clear(&mut needs);
        let unchanged = |id: &u64| {
            let coroutine = all[id];
            let (Some(task), Some(wait)) = (&coroutine.task, &coroutine.wait) else { return false };
            let again = task.inspect();
            again.is_some_and(|now| {
                (now.number, &now.blocked_on, &now.arms)
                    == (wait.number, &wait.blocked_on, &wait.arms)
            })
        };
        let still_there = |id: &u64| {
            let coroutine = all[id];
            let (Some(task), Some(wait)) = (&coroutine.task, &coroutine.wait) else { return false };
            task.is_still_in(wait)
        };
        let mut moved: HashSet<u64> = needs.keys().copied().filter(|id| !unchanged(id)).collect();
        moved.extend(needs.keys().copied().filter(|id| !still_there(id)));
        if moved.is_empty() {
            return needs;
        }
        needs.retain(|id, _| !moved.contains(id));
    }
    // Too many of them keep running.
    HashMap::new()
}

/// What it takes for its wait to end, if that is known.
fn need(coroutine: &CoroutineSnapshot) -> Option<Need> {
    let wait = coroutine.wait.as_ref()?;
    if wait.until.is_some() {
        return None;
    }
    if !wait.arms.is_empty() {
        return need_of_arms(&wait.arms);
    }
    match &wait.blocked_on {
        BlockedOn::Holder(LockOwner::Coroutine(id)) => Some(Need::Any(vec![*id])),
        BlockedOn::Each(ids) => Some(Need::Each(ids.clone())),
        _ => None,
    }
}

/// What it takes for a `select!` to end, if it is known of each arm that it takes one coroutine, and which.
fn need_of_arms(arms: &[ArmWait]) -> Option<Need> {
    let needs = arms.iter().map(|arm| match &arm.blocked_on {
        BlockedOn::Holder(LockOwner::Coroutine(id)) if arm.until.is_none() => Some(*id),
        BlockedOn::Each(ids) if arm.until.is_none() && ids.len() == 1 => Some(ids[0]),
        _ => None,
    });
    needs.collect::<Option<Vec<u64>>>().map(Need::Any)
}

/// Removes those who could be helped by a coroutine that is not in `needs`.
pub(super) fn remove_clear(needs: &mut HashMap<u64, Need>) {
    // For whom each one's clearing matters.
    let mut dependants: HashMap<u64, Vec<u64>> = HashMap::new();
    // How many of those whom one needs are suspects.
    let mut left: HashMap<u64, usize> = HashMap::new();
    let mut cleared = Vec::new();
    for (id, need) in &*needs {
        let (Need::Any(ids) | Need::Each(ids)) = need;
        for other in ids {
            dependants.entry(*other).or_default().push(*id);
        }
        let suspected = ids.iter().filter(|other| needs.contains_key(other)).count();
        left.insert(*id, suspected);
        if is_clear(need, suspected) {
            cleared.push(*id);
        }
    }
    while let Some(id) = cleared.pop() {
        if needs.remove(&id).is_none() {
            continue;
        }
        for dependant in dependants.remove(&id).unwrap_or_default() {
            let (Some(need), Some(left)) = (needs.get(&dependant), left.get_mut(&dependant)) else {
                continue;
            };
            *left -= 1;
            if is_clear(need, *left) {
                cleared.push(dependant);
            }
        }
    }
}

/// Whether the need can be met, if so many of those that it names are suspects.
fn is_clear(need: &Need, suspected: usize) -> bool {
    match need {
        // One that is no suspect is enough.
        Need::Any(ids) => suspected < ids.len() || ids.is_empty(),
        // None may be a suspect.
        Need::Each(_) => suspected == 0,
    }
}

/// The cycles among those that are stuck.
fn deadlocks(seen: &[RuntimeSnapshot], stuck: &HashMap<u64, Need>) -> Vec<Deadlock> {
    let cycles = cycles(stuck);
    let all: HashMap<u64, &CoroutineSnapshot> = seen
        .iter()
        .flat_map(|section| &section.coroutines)
        .map(|coroutine| (u64::from(coroutine.info.id), coroutine))
        .collect();
    let link = |id: &u64| {
        let coroutine = all[id];
        let wait = coroutine.wait.as_ref().expect("it waits");
        let at = wait.site.map_or_else(String::new, |site| format!(" at {site}"));
        let relation = match wait.blocked_on {
            _ if !wait.arms.is_empty() => "of which one is up to",
            BlockedOn::Holder(_) => "held by",
            _ => "which takes the end of",
        };
        Link {
            who: super::names::name(&coroutine.info),
            waits: format!("{}{at}", super::names::what(wait.reason)),
            relation,
        }
    };
    cycles
        .into_iter()
        .map(|(ids, others)| Deadlock { links: ids.iter().map(link).collect(), others })
        .collect()
}

/// Each cycle, beginning with the lowest id, and how many others lead into it, if each is followed to
/// one of those that it needs.
pub(super) fn cycles(stuck: &HashMap<u64, Need>) -> Vec<(Vec<u64>, usize)> {
    let next = |id: &u64| {
        let (Need::Any(ids) | Need::Each(ids)) = &stuck[id];
        *ids.iter().find(|other| stuck.contains_key(other)).expect("its need leads to another one")
    };
    let mut ids: Vec<u64> = stuck.keys().copied().collect();
    ids.sort_unstable();
    // By cycle, once it is known.
    let mut belongs: HashMap<u64, usize> = HashMap::new();
    let mut cycles: Vec<(Vec<u64>, usize)> = Vec::new();
    for id in ids {
        let mut path = Vec::new();
        let mut on_path: HashMap<u64, usize> = HashMap::new();
        let mut at = id;
        while !belongs.contains_key(&at) && !on_path.contains_key(&at) {
            on_path.insert(at, path.len());
            path.push(at);
            at = next(&at);
        }
        let cycle = match on_path.get(&at) {
            // A new one, from here on.
            Some(start) => {
                let mut members = path.split_off(*start);
                let lowest = (0..members.len()).min_by_key(|i| members[*i]).expect("not empty");
                members.rotate_left(lowest);
                belongs.extend(members.iter().map(|member| (*member, cycles.len())));
                cycles.push((members, 0));
                cycles.len() - 1
            }
            None => belongs[&at],
        };
        cycles[cycle].1 += path.len();
        belongs.extend(path.into_iter().map(|id| (id, cycle)));
    }
    cycles
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::task::Reason;
    use crate::task::inspect::Handles;

    fn any<const N: usize>(ids: [u64; N]) -> Need {
        Need::Any(ids.into())
    }

    fn each<const N: usize>(ids: [u64; N]) -> Need {
        Need::Each(ids.into())
    }

    fn stuck<const N: usize>(needs: [(u64, Need); N]) -> Vec<u64> {
        let mut needs = HashMap::from(needs);
        remove_clear(&mut needs);
        let mut ids: Vec<u64> = needs.into_keys().collect();
        ids.sort_unstable();
        ids
    }

    #[test]
    fn two_that_need_each_other_are_stuck() {
        assert_eq!(stuck([(1, any([2])), (2, any([1]))]), [1, 2]);
    }

    #[test]
    fn one_that_needs_itself_is_stuck() {
        assert_eq!(stuck([(1, any([1]))]), [1]);
    }

    #[test]
    fn who_needs_a_stuck_one_is_stuck() {
        assert_eq!(stuck([(1, any([2])), (2, any([1])), (3, each([2]))]), [1, 2, 3]);
    }

    #[test]
    fn a_chain_to_one_that_goes_on_is_not_stuck() {
        assert_eq!(stuck([(1, any([2])), (2, each([3])), (3, any([9]))]), []);
    }

    #[test]
    fn one_helper_outside_is_enough_for_any() {
        assert_eq!(stuck([(1, any([2, 9])), (2, any([1]))]), []);
    }

    #[test]
    fn one_stuck_one_is_too_many_for_each() {
        assert_eq!(stuck([(1, each([2, 9])), (2, any([1]))]), [1, 2]);
    }

    #[test]
    fn a_select_needs_any_of_its_arms_if_all_are_known() {
        let arm = |blocked_on| ArmWait { blocked_on, ..ArmWait::at(Reason::Join, 0) };
        let joins = |id| arm(BlockedOn::Each(vec![id]));
        assert_eq!(need_of_arms(&[joins(1), joins(2)]), Some(any([1, 2])));
        let made_at = std::panic::Location::caller();
        let handles =
            arm(BlockedOn::Handles(Handles { count: 1, made_at, used_at: None, waited: None }));
        let thread = arm(BlockedOn::Holder(LockOwner::Thread(1)));
        for unknown in [arm(BlockedOn::Unknown), handles, thread, arm(BlockedOn::Each(vec![1, 2]))]
        {
            assert_eq!(need_of_arms(&[joins(1), unknown]), None);
        }
        let sleep = ArmWait { until: Some(Timestamp::from_nanos(1)), ..joins(2) };
        assert_eq!(need_of_arms(&[joins(1), sleep]), None);
    }

    #[test]
    fn an_empty_need_claims_nothing() {
        assert_eq!(stuck([(1, any([])), (2, each([]))]), []);
    }

    #[test]
    fn a_long_chain_is_cleared_in_one_go() {
        let mut needs: HashMap<u64, Need> =
            (0..200_000).map(|id| (id, Need::Any(vec![id + 1]))).collect();
        remove_clear(&mut needs);
        assert!(needs.is_empty());
    }

    #[test]
    fn a_cycle_begins_with_the_lowest_id_and_counts_those_that_lead_into_it() {
        let needs = HashMap::from([
            (7, any([5])),
            (5, any([9])),
            (9, any([7])),
            (2, each([1])),
            (1, any([9])),
            (20, any([20])),
        ]);
        assert_eq!(cycles(&needs), [(vec![5, 9, 7], 2), (vec![20], 0)]);
    }
}
