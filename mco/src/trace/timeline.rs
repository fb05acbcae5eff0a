//! The timeline of a trace: slices and arrows, made of the records in the lanes.
//!
//! All slices of a coroutine are on one track, since it never changes its thread. Of its wakes and
//! slices this is the order, as far as nothing is missing:
//!
//! ```text
//!   spawn ─> slice, blocked ─> wake ─> slice, blocked ─> wake ─> slice, yielded ─> slice, returned
//! ```
//!
//! So the cause of a slice is the last wake before it that is not older than the slice before.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::Location;

use super::lane::Running;
use super::record::{self, Record};
use super::slice_end::SliceEnd;
use super::stamp::Scale;
use super::worker_lane::{ByThread, Cause, WorkerLane};

/// A run of a coroutine. Times are nanoseconds.
#[derive(Debug)]
pub(super) struct Slice {
    pub(super) id: u64,
    pub(super) site: Option<&'static Location<'static>>,
    pub(super) begin: u64,
    pub(super) end: u64,
    /// `None`: it runs when this is read.
    pub(super) why: Option<SliceEnd>,
    /// The coroutine's first.
    first: bool,
    /// Since when it could have begun.
    pub(super) ready: Option<u64>,
    /// Who made it possible, in which way.
    pub(super) by: Option<(WokenBy, Cause)>,
}

/// Who has woken or spawned a coroutine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WokenBy {
    /// The coroutine in a slice: which track, which slice.
    Slice(usize, usize),
    /// A worker outside of slices: its timers, its sockets.
    Worker(usize),
    /// One of the other threads.
    Thread(usize),
}

/// A wake or a spawn, in a slice of a track or outside.
#[derive(Debug)]
pub(super) struct WakeEdge {
    pub(super) cause: Cause,
    pub(super) target: u64,
    pub(super) at: u64,
    /// The one in which it happened, by its place; `None`: outside of slices.
    pub(super) slice: Option<usize>,
}

/// A number that changes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Count {
    Hosted(u64),
    Ready(u64),
}

/// What one lane has recorded.
#[derive(Debug, Default)]
pub(super) struct Track {
    pub(super) slices: Vec<Slice>,
    pub(super) edges: Vec<WakeEdge>,
    pub(super) counts: Vec<(u64, Count)>,
    /// Words that have been overwritten, and words that have not.
    pub(super) missing: u64,
    pub(super) kept: u64,
    /// When what is kept begins.
    pub(super) from: Option<u64>,
}

/// An arrow from a wake or spawn to the slice that it made possible.
#[derive(Debug)]
pub(super) struct Arrow {
    pub(super) cause: Cause,
    pub(super) at: u64,
    pub(super) from: WokenBy,
    pub(super) to: (usize, usize),
}

/// All tracks, and the arrows between them.
pub(super) struct Timeline {
    pub(super) tracks: Vec<Track>,
    /// By other threads: what, when, to whom, by which.
    pub(super) by_threads: Vec<(Cause, u64, u64, usize)>,
    pub(super) arrows: Vec<Arrow>,
}

impl Track {
    /// Reads a lane. What runs in it ends `now`, as far as is known.
    pub(super) fn read(lane: &WorkerLane, scale: &Scale, now: u64) -> Track {
        let (copied, running) = lane.lane.copy(&*lane.worker);
        let mut reader = Reader::new(scale);
        reader.track.missing = copied.missing;
        reader.track.kept = copied.len();
        for mut chunk in copied.chunks() {
            // SAFETY: `copied` holds records as they were written, and chunks begin with one.
            #[allow(unsafe_code)]
            while let Some(record) = unsafe { record::take(&mut chunk) } {
                reader.read(record);
            }
        }
        if let Some(Running { id, site, first, begin }) = running {
            let slice = Slice::new(id, Some(site), first);
            reader.slice(slice, begin, now.max(begin.unwrap_or(0)));
        }
        reader.track
    }
}

impl Slice {
    fn new(id: u64, site: Option<&'static Location<'static>>, first: bool) -> Slice {
        Slice { id, site, begin: 0, end: 0, why: None, first, ready: None, by: None }
    }
}

struct Reader<'a> {
    scale: &'a Scale,
    track: Track,
    /// The latest time that is known.
    now: u64,
    /// What the next slice has done: to whom, and when, if that is known.
    done: Vec<(Cause, u64, Option<u64>)>,
}

impl Reader<'_> {
    fn new(scale: &Scale) -> Reader<'_> {
        Reader { scale, track: Track::default(), now: 0, done: Vec::new() }
    }

    fn read(&mut self, record: Record) {
        match record {
            Record::Slice { id, site, first, begin, end, why, woken } => {
                self.done.extend(woken.map(|woken| (Cause::Wake, woken, None)));
                let slice = Slice { why: Some(why), ..Slice::new(id, site, first) };
                self.slice(slice, begin, end);
            }
            Record::Wake { id, at } => self.done.push((Cause::Wake, id, at)),
            Record::Spawn { id, at } => self.done.push((Cause::Spawn, id, Some(at))),
            Record::OutsideWake { id, at } => self.outside(Cause::Wake, id, at),
            Record::OutsideSpawn { id, at } => self.outside(Cause::Spawn, id, at),
            Record::Hosted { hosted } => self.track.counts.push((self.now, Count::Hosted(hosted))),
            Record::Ready { ready, at } => {
                self.advance_to(at);
                self.track.counts.push((self.now, Count::Ready(ready)));
            }
        }
    }

    /// It is as late as the stamp says, unless it was later already: another processor's counter may be
    /// a little behind.
    fn advance_to(&mut self, stamp: u64) {
        self.now = self.now.max(self.scale.nanos(stamp));
        if self.track.from.is_none() {
            self.track.from = Some(self.now);
            // The first time that is known.
            self.track.counts.iter_mut().for_each(|count| count.0 = self.now);
        }
    }

    fn outside(&mut self, cause: Cause, target: u64, at: u64) {
        self.advance_to(at);
        self.track.edges.push(WakeEdge { cause, target, at: self.now, slice: None });
    }

    fn slice(&mut self, mut slice: Slice, begin: Option<u64>, end: u64) {
        let place = self.track.slices.len();
        let begun = begin.is_some() || self.track.from.is_some();
        if let Some(begin) = begin {
            self.advance_to(begin);
        }
        slice.begin = self.now;
        let mut timed = self.track.edges.len();
        for (cause, target, at) in std::mem::take(&mut self.done) {
            if let Some(at) = at {
                self.interpolate(timed, at);
                timed = self.track.edges.len() + 1;
            }
            self.track.edges.push(WakeEdge { cause, target, at: self.now, slice: Some(place) });
        }
        self.interpolate(timed, end);
        slice.end = self.now;
        if begun {
            self.track.slices.push(slice);
        } else {
            // The first that is kept, and where the one before it has ended is not.
            self.track.edges.retain(|edge| edge.slice.is_none());
        }
    }

    /// It is as late as the stamp says; the effects that have no time of their own are spread evenly until
    /// then.
    fn interpolate(&mut self, untimed: usize, stamp: u64) {
        let before = self.now;
        self.advance_to(stamp);
        let edges = &mut self.track.edges[untimed..];
        let parts = edges.len() as u64 + 1;
        for (part, edge) in (1..).zip(edges) {
            edge.at = before + (self.now - before) * part / parts;
        }
    }
}

impl Timeline {
    pub(super) fn new(tracks: Vec<Track>, by_threads: &[ByThread], scale: &Scale) -> Timeline {
        let by_threads = by_threads
            .iter()
            .map(|by| (by.cause, scale.nanos(by.stamp), by.id, by.thread as usize))
            .collect();
        let mut timeline = Timeline { tracks, by_threads, arrows: Vec::new() };
        timeline.link();
        timeline
    }

    /// Finds what has made each slice possible.
    fn link(&mut self) {
        let mut causes = self.causes();
        let mut arrows = Vec::new();
        for (track_index, track) in self.tracks.iter_mut().enumerate() {
            let mut last_of = HashMap::<u64, usize>::new();
            for index in 0..track.slices.len() {
                let (before, slices) = track.slices.split_at_mut(index);
                let slice = &mut slices[0];
                let last = last_of.insert(slice.id, index).map(|last| &before[last]);
                let (cause, not_before) = match last {
                    None if slice.first => (Cause::Spawn, 0),
                    Some(Slice { why: Some(why), begin, .. }) if why.is_blocked() => {
                        (Cause::Wake, *begin)
                    }
                    Some(Slice { why: Some(SliceEnd::YIELDED), end, .. }) => {
                        slice.ready = Some(*end);
                        continue;
                    }
                    // What came before is missing.
                    _ => continue,
                };
                let Some(causes) = causes.get_mut(&slice.id) else { continue };
                // Both are in the order of time: what is passed over here is over.
                let mut found = None;
                while let Some(next) = causes.pop_if(|next| next.at <= slice.begin) {
                    found = Some(next).filter(|next| next.cause == cause).or(found);
                }
                if let Some(found) = found.filter(|found| found.at >= not_before) {
                    slice.ready = Some(found.at);
                    slice.by = Some((found.by, cause));
                    let to = (track_index, index);
                    arrows.push(Arrow { cause, at: found.at, from: found.by, to });
                }
            }
        }
        self.arrows = arrows;
    }

    /// What has been done to each coroutine, the latest first.
    fn causes(&self) -> HashMap<u64, Vec<Possible>> {
        let mut causes = HashMap::<u64, Vec<Possible>>::new();
        for (track, lane) in self.tracks.iter().enumerate() {
            for edge in &lane.edges {
                let by =
                    edge.slice.map_or(WokenBy::Worker(track), |slice| WokenBy::Slice(track, slice));
                let possible = Possible { at: edge.at, cause: edge.cause, by };
                causes.entry(edge.target).or_default().push(possible);
            }
        }
        for &(cause, at, id, thread) in &self.by_threads {
            let by = WokenBy::Thread(thread);
            causes.entry(id).or_default().push(Possible { at, cause, by });
        }
        causes.values_mut().for_each(|all| all.sort_by_key(|possible| Reverse(possible.at)));
        causes
    }

    pub(super) fn slice(&self, (track, slice): (usize, usize)) -> &Slice {
        &self.tracks[track].slices[slice]
    }
}

/// Something that may have made a slice possible.
struct Possible {
    at: u64,
    cause: Cause,
    by: WokenBy,
}
