//! The timeline as text, in the Chrome trace event format: an object with a list of events.
//!
//! There a runtime is a process, a worker is a thread of it, and a turn of a coroutine is a complete event (`X`). An
//! arrow is a flow: it begins (`s`) at a time inside of one slice, and ends (`f`) where another slice begins. Times are
//! microseconds with three decimals.

use std::collections::HashMap;
use std::fmt::{self, Display, Write as _};
use std::fs;
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::panic::Location;
use std::path::Path;

use super::slice_end::SliceEnd;
use super::timeline::{Count, Slice, Timeline, WokenBy};
use super::worker_lane::{Cause, WorkerLane};

/// The process in which the threads that are no workers are shown.
const THREADS: u32 = 1_000_000;

/// A file that is a valid trace after each part.
pub(super) struct File {
    file: fs::File,
    /// The position at which the events end.
    end: u64,
    /// Whether there are any.
    any: bool,
    arrows: u64,
    /// Which of them lack something, for the last lines.
    tracks: Vec<String>,
}

/// What is to be added to the file.
pub(super) struct Part<'a> {
    pub(super) timeline: &'a Timeline,
    /// Whose the tracks are, and which of them to write.
    pub(super) lanes: &'a [WorkerLane],
    pub(super) write: &'a [bool],
    /// The names of runtimes, by id.
    pub(super) runtimes: &'a HashMap<u32, String>,
    /// Those that are no workers; from which on what they have done is to be written; and how much of it is
    /// forgotten.
    pub(super) threads: &'a [String],
    pub(super) new: usize,
    pub(super) forgotten: u64,
    /// What a coroutine is called.
    pub(super) names: &'a dyn Fn(u64) -> Option<String>,
    pub(super) reason: fn(u8) -> String,
    pub(super) clock: &'static str,
}

const HEAD: &str = "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[";

impl File {
    /// A trace without events.
    pub(super) fn create(path: &Path) -> io::Result<File> {
        let mut file = fs::File::create(path)?;
        write!(file, "{HEAD}\n]}}\n")?;
        Ok(File { file, end: HEAD.len() as u64, any: false, arrows: 0, tracks: Vec::new() })
    }

    /// Adds to it.
    pub(super) fn add(&mut self, part: &Part<'_>) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        let mut events = Events {
            out: BufWriter::with_capacity(1 << 16, &self.file),
            any: self.any,
            arrows: self.arrows,
            labels: Labels { names: part.names, known: HashMap::new() },
        };
        self.tracks.extend(part.written().filter_map(|track| part.missing(track)));
        events.add(part)?;
        (self.any, self.arrows) = (events.any, events.arrows);
        let mut out = events.out;
        self.end = out.stream_position()?;
        write!(out, "\n],\"otherData\":{{\"recorded by\":\"mco {}\"", env!("CARGO_PKG_VERSION"))?;
        write!(out, ",\"clock\":{}", Text(part.clock))?;
        write!(out, ",\"wakes and spawns by other threads that were dropped\":{}", part.forgotten)?;
        write!(out, ",\"workers that dropped events\":[")?;
        for (index, track) in self.tracks.iter().enumerate() {
            write!(out, "{}\n{track}", if index > 0 { "," } else { "" })?;
        }
        writeln!(out, "]}}}}")?;
        out.flush()
    }
}

impl Part<'_> {
    /// The tracks to be written.
    fn written(&self) -> impl Iterator<Item = usize> {
        self.write.iter().enumerate().filter(|(_, write)| **write).map(|(track, _)| track)
    }

    /// What a track lacks, if anything.
    fn missing(&self, track: usize) -> Option<String> {
        let (lane, track_data) = (&self.lanes[track], &self.timeline.tracks[track]);
        (track_data.missing > 0).then(|| {
            let (tid, name, from) =
                (lane.thread, Text(&lane.name), Micros(track_data.from.unwrap_or(0)));
            let (dropped, kept) = (track_data.missing * 8, track_data.kept * 8);
            format!(
                "{{\"tid\":{tid},\"name\":{name},\"kept from, us\":{from},\
                 \"dropped before that, bytes of records\":{dropped},\
                 \"kept, bytes of records\":{kept}}}"
            )
        })
    }
}

/// The list of events.
struct Events<'a, W: Write> {
    out: W,
    any: bool,
    /// How many arrows there are so far, which are their ids.
    arrows: u64,
    labels: Labels<'a>,
}

/// An event of a track, in the order in which those of one time must come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Count(usize),
    Slice(usize),
    /// The head of an arrow.
    Woken(usize),
    /// Its tail.
    Wakes(usize),
    /// A wake that is in no slice.
    Instant(usize),
}

impl<W: Write> Events<'_, W> {
    fn add(&mut self, part: &Part<'_>) -> io::Result<()> {
        let mut runtimes: Vec<u32> = part.written().map(|t| part.lanes[t].runtime).collect();
        runtimes.sort_unstable();
        runtimes.dedup();
        for runtime in runtimes {
            let name = format!("runtime {}", part.runtimes[&runtime]);
            self.meta("process_name", runtime, 0, "name", Text(&name))?;
            self.meta("process_sort_index", runtime, 0, "sort_index", runtime)?;
        }
        for track in part.written() {
            let lane = &part.lanes[track];
            self.meta("thread_name", lane.runtime, lane.thread, "name", Text(&lane.name))?;
            let index = lane.index;
            self.meta("thread_sort_index", lane.runtime, lane.thread, "sort_index", index)?;
        }
        let mut events = Vec::new();
        for track in 0..part.lanes.len() {
            self.collect(part, track, &mut events);
            for &(_, event) in &events {
                self.event(part, track, event)?;
            }
        }
        self.arrows += part.timeline.arrows.len() as u64;
        self.by_threads(part)
    }

    /// The events of a track, in order. Of one that is not to be written these are the ends of arrows that
    /// have their other end in one that is.
    fn collect(&self, part: &Part<'_>, track: usize, events: &mut Vec<(u64, Event)>) {
        events.clear();
        let (timeline, track_data) = (part.timeline, &part.timeline.tracks[track]);
        if part.write[track] {
            let counts = track_data.counts.iter().enumerate();
            events.extend(counts.map(|(index, count)| (count.0, Event::Count(index))));
            let slices = track_data.slices.iter().enumerate();
            events.extend(slices.map(|(index, slice)| (slice.begin, Event::Slice(index))));
            let edges = track_data.edges.iter().enumerate();
            let outside = edges.filter(|(_, edge)| edge.slice.is_none());
            events.extend(outside.map(|(index, edge)| (edge.at, Event::Instant(index))));
        }
        for (index, arrow) in timeline.arrows.iter().enumerate() {
            let WokenBy::Slice(from, _) = arrow.from else { continue };
            if part.write[from] || part.write[arrow.to.0] {
                if from == track {
                    events.push((arrow.at, Event::Wakes(index)));
                }
                if arrow.to.0 == track {
                    events.push((timeline.slice(arrow.to).begin, Event::Woken(index)));
                }
            }
        }
        events.sort_unstable();
    }

    fn event(&mut self, part: &Part<'_>, track: usize, event: Event) -> io::Result<()> {
        let (lane, track_data) = (&part.lanes[track], &part.timeline.tracks[track]);
        let place = (lane.runtime, lane.thread);
        match event {
            Event::Slice(index) => self.slice(part, &track_data.slices[index], place),
            Event::Wakes(index) | Event::Woken(index) => {
                let arrow = &part.timeline.arrows[index];
                let begins = matches!(event, Event::Wakes(_));
                let at = if begins { arrow.at } else { part.timeline.slice(arrow.to).begin };
                self.begin(if begins { "s" } else { "f" }, place, at)?;
                let (name, id) = (name(arrow.cause), self.arrows + index as u64 + 1);
                let end = if begins { "" } else { ",\"bp\":\"e\"" };
                write!(self.out, ",\"cat\":\"{name}\",\"name\":\"{name}\",\"id\":{id}{end}}}")
            }
            Event::Count(index) => {
                let (at, count) = track_data.counts[index];
                let (what, number) = match count {
                    Count::Hosted(number) => ("live", number),
                    Count::Ready(number) => ("ready", number),
                };
                let name = format!("{}: {what}", lane.name);
                self.begin("C", place, at)?;
                write!(self.out, ",\"name\":{},\"args\":{{\"coroutines\":{number}}}}}", Text(&name))
            }
            Event::Instant(index) => {
                let edge = &track_data.edges[index];
                self.instant(edge.cause, place, edge.at, edge.target)
            }
        }
    }

    fn slice(&mut self, part: &Part<'_>, slice: &Slice, place: (u32, u32)) -> io::Result<()> {
        let label = self.labels.of(slice.id, slice.site);
        self.begin("X", place, slice.begin)?;
        write!(self.out, ",\"dur\":{}", Micros(slice.end - slice.begin))?;
        write!(self.out, ",\"cat\":\"coroutine\",\"name\":{}", Text(&label))?;
        write!(self.out, ",\"args\":{{\"id\":{}", slice.id)?;
        if let Some(site) = slice.site {
            write!(self.out, ",\"spawned at\":{}", Text(&site.to_string()))?;
        }
        let why = match slice.why {
            None => "running when the trace was written".to_owned(),
            Some(SliceEnd::YIELDED) => "yielded".to_owned(),
            Some(SliceEnd::RETURNED) => "finished".to_owned(),
            Some(SliceEnd::PANICKED) => "panicked".to_owned(),
            Some(SliceEnd::CANCELLED) => {
                let why = (part.names)(slice.id | SliceEnd::WHY_CANCELLED);
                format!("cancelled{}", why.unwrap_or_default())
            }
            Some(SliceEnd { code, site: None }) => format!("blocked in {}", (part.reason)(code)),
            Some(SliceEnd { code, site: Some(site) }) => {
                format!("blocked in {} at {site}", (part.reason)(code))
            }
        };
        write!(self.out, ",\"then\":{}", Text(&why))?;
        if let Some(ready) = slice.ready {
            let waited = slice.begin.saturating_sub(ready);
            write!(self.out, ",\"ready before, us\":{}", Micros(waited))?;
        }
        if let Some((by, cause)) = slice.by {
            let by = match by {
                WokenBy::Slice(track, index) => {
                    let slice = part.timeline.slice((track, index));
                    self.labels.of(slice.id, slice.site)
                }
                WokenBy::Worker(_) => "a timer or a socket of the worker".to_owned(),
                WokenBy::Thread(thread) => format!("thread {}", part.threads[thread]),
            };
            let what = if cause == Cause::Wake { "woken by" } else { "spawned by" };
            write!(self.out, ",\"{what}\":{}", Text(&by))?;
        }
        write!(self.out, "}}}}")
    }

    /// What threads that are no workers have done since the last part.
    fn by_threads(&mut self, part: &Part<'_>) -> io::Result<()> {
        let new = &part.timeline.by_threads[part.new..];
        let mut seen = vec![false; part.threads.len()];
        for &(_, _, _, thread) in new {
            seen[thread] = true;
        }
        if !new.is_empty() {
            self.meta("process_name", THREADS, 0, "name", Text("threads that are no workers"))?;
            self.meta("process_sort_index", THREADS, 0, "sort_index", THREADS)?;
        }
        for thread in (0..seen.len()).filter(|thread| seen[*thread]) {
            let (name, tid) = (&part.threads[thread], THREADS + 1 + thread as u32);
            self.meta("thread_name", THREADS, tid, "name", Text(name))?;
            for &(cause, at, id, by) in new.iter().filter(|event| event.3 == thread) {
                debug_assert_eq!(by, thread);
                self.instant(cause, (THREADS, tid), at, id)?;
            }
        }
        Ok(())
    }

    fn instant(&mut self, cause: Cause, place: (u32, u32), at: u64, id: u64) -> io::Result<()> {
        let label = self.labels.of(id, None);
        self.begin("i", place, at)?;
        let name = name(cause);
        write!(self.out, ",\"s\":\"t\",\"cat\":\"{name}\",\"name\":\"{name}\"")?;
        write!(self.out, ",\"args\":{{\"coroutine\":{}}}}}", Text(&label))
    }

    /// The begin of an event, which the caller completes.
    fn begin(&mut self, phase: &str, (pid, tid): (u32, u32), at: u64) -> io::Result<()> {
        self.separate()?;
        let at = Micros(at);
        write!(self.out, "{{\"ph\":\"{phase}\",\"pid\":{pid},\"tid\":{tid},\"ts\":{at}")
    }

    fn meta(
        &mut self,
        what: &str,
        pid: u32,
        tid: u32,
        key: &str,
        value: impl Display,
    ) -> io::Result<()> {
        self.separate()?;
        write!(
            self.out,
            "{{\"ph\":\"M\",\"pid\":{pid},\"tid\":{tid},\"name\":\"{what}\",\"args\":{{\"{key}\":{value}}}}}"
        )
    }

    fn separate(&mut self) -> io::Result<()> {
        let separator = if std::mem::replace(&mut self.any, true) { ",\n" } else { "\n" };
        self.out.write_all(separator.as_bytes())
    }
}

fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Wake => "wake",
        Cause::Spawn => "spawn",
    }
}

/// The labels of coroutines: their names, or else their spawn sites.
struct Labels<'a> {
    names: &'a dyn Fn(u64) -> Option<String>,
    known: HashMap<u64, String>,
}

impl Labels<'_> {
    fn of(&mut self, id: u64, site: Option<&'static Location<'static>>) -> String {
        if let Some(label) = self.known.get(&id) {
            return label.clone();
        }
        let name = (self.names)(id);
        let site = site.map(|site| format!("{}:{}", site.file(), site.line()));
        match name.or(site) {
            Some(name) => {
                let label = format!("{name} #{id}");
                self.known.insert(id, label.clone());
                label
            }
            None => format!("#{id}"),
        }
    }
}

/// Nanoseconds, in microseconds.
struct Micros(u64);

impl Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0 / 1000, self.0 % 1000)
    }
}

/// A string, quoted.
struct Text<'a>(&'a str);

impl Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                c if u32::from(c) < 0x20 => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}
