//! Forms groups of similar coroutines, and has the backtrace of one coroutine of each group taken.

use std::collections::{BTreeMap, HashMap};
use std::panic::Location;

use crate::scheduler::{Request, Scheduler};
use crate::task::Reason;
use crate::task::inspect::backtrace::{self, Frames};
use crate::task::inspect::lines::lines;

use super::model::{Backtrace, Group, Section, State};
use super::query::{Busy, Queries};
use super::snapshot::{CoroutineSnapshot, RuntimeSnapshot};

/// Who takes backtraces.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum BacktraceSource {
    /// Each worker takes those of its own coroutines, if it does so in time.
    Workers,
    /// The calling thread takes those of the coroutines of which it is the worker.
    ThisWorker,
}

/// The most groups for which backtraces are taken, the largest first.
const MAX_BACKTRACES: usize = 256;
/// How many coroutines of a group are asked, in case the first has just ended.
const ASKED: usize = 2;

/// What similar coroutines have in common.
type Kind =
    (State, Option<Reason>, Option<SourcePosition>, Vec<(Reason, bool)>, SourcePosition, bool);
/// A location, to be compared.
type SourcePosition = (&'static str, u32, u32);

fn position(site: &'static Location<'static>) -> SourcePosition {
    (site.file(), site.line(), site.column())
}

/// Makes the sections of the dump.
pub(super) fn add(
    schedulers: &[&Scheduler],
    seen: Vec<RuntimeSnapshot>,
    source: BacktraceSource,
) -> Vec<Section> {
    let groups: Vec<Vec<Vec<usize>>> = seen.iter().map(|s| groups(&s.coroutines)).collect();
    let mut answers = match source {
        _ if !backtrace::IS_BUILT_IN => none_built_in(schedulers.len()),
        BacktraceSource::Workers => ask_workers(schedulers, &seen, &groups),
        BacktraceSource::ThisWorker => take_here(&seen, &groups),
    };
    let mut known = HashMap::new();
    let mut sections = Vec::new();
    for (index, (seen, groups)) in seen.into_iter().zip(groups).enumerate() {
        let settings = schedulers[index].settings();
        let groups = groups.into_iter().map(|members| {
            let frames = members.iter().take(ASKED).find_map(|member| {
                let frames = answers.frames.remove(&(index, *member))?;
                Some((seen.coroutines[*member].info.id, frames))
            });
            let backtrace = frames.map(|(of, frames)| {
                let remark = if frames.no_room {
                    Some("no backtrace: too little of its stack is left")
                } else if frames.cut_off {
                    Some("and further frames")
                } else {
                    None
                };
                Backtrace { of, lines: lines(&frames, &mut known), remark }
            });
            Group { members, backtrace }
        });
        let groups = groups.collect();
        sections.push(Section {
            name: settings.name.clone(),
            workers: settings.workers,
            unstarted: seen.unstarted,
            groups,
            remarks: [seen.remarks, answers.remarks.remove(&index).unwrap_or_default()].concat(),
            coroutines: seen.coroutines.into_iter().map(|seen| seen.info).collect(),
        });
    }
    sections
}

/// The groups, each as indices with the lowest id first, in the order in which they are shown: stuck ones, then those
/// that run, then by size.
fn groups(coroutines: &[CoroutineSnapshot]) -> Vec<Vec<usize>> {
    let mut groups = BTreeMap::<Kind, Vec<usize>>::new();
    for (index, seen) in coroutines.iter().enumerate() {
        let info = &seen.info;
        let kind = (
            info.state,
            info.wait_reason,
            info.wait_site.map(position),
            info.arms.iter().map(|arm| (arm.wait_reason, arm.is_child)).collect(),
            position(info.spawned_at),
            info.is_stuck,
        );
        groups.entry(kind).or_default().push(index);
    }
    let mut groups: Vec<_> = groups.into_iter().collect();
    groups.sort_by_key(|((state, .., stuck), members)| {
        (!stuck, *state, std::cmp::Reverse(members.len()), members[0])
    });
    groups.into_iter().map(|(_, members)| members).collect()
}

/// The replies, by the index of the runtime and that of the coroutine in it.
#[derive(Default)]
struct Answers {
    frames: HashMap<(usize, usize), Frames>,
    remarks: HashMap<usize, Vec<String>>,
}

/// The coroutines of which backtraces are wanted.
fn wanted<'a>(groups: &'a [Vec<Vec<usize>>]) -> impl Iterator<Item = (usize, usize)> + 'a {
    let of_section = |(section, groups): (usize, &'a Vec<Vec<usize>>)| {
        let groups = groups.iter().take(MAX_BACKTRACES);
        groups.flat_map(move |members| members.iter().take(ASKED).map(move |m| (section, *m)))
    };
    groups.iter().enumerate().flat_map(of_section)
}

fn none_built_in(sections: usize) -> Answers {
    let remark = "no backtraces: `mco` is built without its feature `backtrace`";
    let remarks = (0..sections).map(|section| (section, vec![remark.to_owned()])).collect();
    Answers { remarks, ..Answers::default() }
}

fn take_here(seen: &[RuntimeSnapshot], groups: &[Vec<Vec<usize>>]) -> Answers {
    let mut answers = Answers::default();
    for key in wanted(groups) {
        let task = seen[key.0].coroutines[key.1].task.as_ref();
        if let Some(frames) = task.and_then(|task| task.capture()) {
            answers.frames.insert(key, frames);
        }
    }
    answers
}

fn ask_workers(
    schedulers: &[&Scheduler],
    seen: &[RuntimeSnapshot],
    groups: &[Vec<Vec<usize>>],
) -> Answers {
    let mut queries = Queries::new(schedulers);
    let mut keys = Vec::new();
    for key in wanted(groups) {
        let seen = &seen[key.0].coroutines[key.1];
        let Some(task) = seen.task.clone() else { continue };
        queries.add((key.0, seen.worker), |reply| Request::Backtrace(task, reply));
        keys.push(key);
    }
    let mut answers = Answers::default();
    let busy = queries.send_and_wait(|index, frames| {
        frames.into_iter().for_each(|frames| drop(answers.frames.insert(keys[index], frames)));
    });
    for Busy { section, worker, current } in busy {
        let running = current.and_then(|id| {
            let all = seen[section].coroutines.iter();
            all.map(|seen| &seen.info).find(|info| u64::from(info.id) == id)
        });
        let busy = match (running, current) {
            (Some(info), _) => {
                format!("{}, spawned at {}, holds it up", super::names::name(info), info.spawned_at)
            }
            (None, Some(id)) => format!("coroutine {id} holds it up"),
            (None, None) => "it has not come to it in time".to_owned(),
        };
        let remark = format!("no backtraces from worker {worker}: {busy}");
        answers.remarks.entry(section).or_default().push(remark);
    }
    answers
}
