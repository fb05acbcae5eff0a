//! The recorder of the process: the lanes, what threads without lanes record, and the file.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once, OnceLock};
use std::{env, fmt, fs, io, process, thread};

use once_cell::sync::Lazy;
use parking_lot::Mutex;

use super::exit;
use super::json::{self, File};
use super::lane::{Lane, TracedWorker};
use super::slice_end::SliceEnd;
use super::stamp::{self, Clock};
use super::timeline::{Timeline, Track};
use super::worker_lane::{ByThread, Cause, WorkerLane};
use super::writer::Writer;
use crate::report;

/// Whether anything can be recorded.
pub(super) const IS_BUILT_IN: bool = cfg!(feature = "trace");

/// The file to write.
const FILE: &str = "MCO_TRACE";
/// How much each worker keeps, in KiB.
const BUFFER: &str = "MCO_TRACE_BUFFER";
const DEFAULT_BUFFER: usize = 2048;
const MAX_BUFFER: usize = 1024 * 1024;

/// The most names of coroutines that are kept.
const NAMES: usize = 64 * 1024;
/// The most wakes and spawns that are kept of threads that are no workers.
const BY_THREADS: usize = 64 * 1024;
/// The most such threads that are distinguished.
const THREADS: usize = 1024;

/// A trace is being recorded. For threads that have no lane.
static ON: AtomicBool = AtomicBool::new(false);

static RECORDER: OnceLock<Option<Recorder>> = OnceLock::new();

static WRITER: Lazy<Writer> = Lazy::new(Writer::default);

struct Recorder {
    /// The name of a reason, which only the layer above knows.
    reason: fn(u8) -> String,
    clock: Clock,
    /// The id of the process. A forked child inherits the recorder, but not the thread that writes.
    process: u32,
    /// The size of each ring, in words.
    words: usize,
    path: PathBuf,
    lanes: Mutex<WorkerLanes>,
    names: Mutex<Names>,
    by_threads: Mutex<ByThreads>,
    /// This lock is taken before any of the others.
    file: Mutex<File>,
}

/// A runtime, for the tracks of its workers. 0: nothing is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Runtime(u32);

/// The threads with lanes.
#[derive(Default)]
struct WorkerLanes {
    taken: Vec<WorkerLane>,
    /// Lanes of threads that have ended, and whose records have been written.
    free: Vec<&'static Lane>,
    /// The names of the runtimes, by id.
    runtimes: HashMap<u32, String>,
    /// The last id of a runtime or a thread. Viewers take a thread with the id of its process for the
    /// process's first.
    ids: u32,
}

/// Names of coroutines, by id; the oldest go first.
#[derive(Default)]
struct Names {
    by_id: HashMap<u64, Box<str>>,
    order: VecDeque<u64>,
}

/// What threads that are no workers do.
#[derive(Default)]
struct ByThreads {
    events: VecDeque<ByThread>,
    threads: Vec<String>,
    /// How many have been forgotten, and how many have been written.
    forgotten: u64,
    written: u64,
}

/// Begins to record, if that is asked for, with the first runtime. `reason` says what the reason of an
/// [`SliceEnd::Blocked`](super::SliceEnd) means.
pub(crate) fn begin(runtime: &str, reason: fn(u8) -> String) -> Runtime {
    if !IS_BUILT_IN {
        return none();
    }
    let recorder = RECORDER.get_or_init(|| {
        let recorder = Recorder::from_environment(reason)?;
        let write = |all| {
            // It has been stored by the time that anyone asks for this.
            if let Some(Some(recorder)) = RECORDER.get() {
                recorder.write(all);
            }
        };
        if let Err(error) = WRITER.start(write) {
            report::say(format_args!(
                "nothing is traced: the thread that writes cannot start: {error}"
            ));
            return None;
        }
        ON.store(true, Ordering::Relaxed);
        exit::install(finish);
        Some(recorder)
    });
    Runtime(recorder.as_ref().map_or(0, |recorder| {
        let mut lanes = recorder.lanes.lock();
        let id = lanes.next_id();
        lanes.runtimes.insert(id, runtime.to_owned());
        id
    }))
}

/// Without the feature `trace`: reports that if a trace was asked for.
fn none() -> Runtime {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        if env::var_os(FILE).is_some_and(|path| !path.is_empty()) {
            report::say(format_args!(
                "nothing is traced: `{FILE}` is set, but `mco` is built without its feature `trace`"
            ));
        }
    });
    Runtime(0)
}

/// Whether anything is recorded.
#[inline(always)]
pub(super) fn is_recording() -> bool {
    IS_BUILT_IN && ON.load(Ordering::Relaxed)
}

/// The one that records.
fn current() -> Option<&'static Recorder> {
    if is_recording() { RECORDER.get()?.as_ref() } else { None }
}

/// A lane for the calling thread, a worker's.
pub(super) fn enter(
    runtime: Runtime,
    index: usize,
    worker: Arc<dyn TracedWorker>,
) -> Option<&'static Lane> {
    let recorder = current()?;
    let mut lanes = recorder.lanes.lock();
    let lane = match lanes.free.pop() {
        Some(lane) => {
            lane.reset();
            lane
        }
        None => Box::leak(Box::new(Lane::new(recorder.words))),
    };
    let name = thread::current().name().unwrap_or("a worker").to_owned();
    let thread = lanes.next_id();
    lanes.taken.push(WorkerLane { lane, worker, runtime: runtime.0, thread, index, name });
    Some(lane)
}

/// Keeps the name of a coroutine.
pub(super) fn named(id: u64, name: Option<&str>) {
    if let (Some(name), Some(recorder)) = (name, current()) {
        let mut names = recorder.names.lock();
        if names.order.len() == NAMES
            && let Some(oldest) = names.order.pop_front()
        {
            names.by_id.remove(&oldest);
        }
        names.order.push_back(id);
        names.by_id.insert(id, name.into());
    }
}

/// Keeps why a coroutine is cancelled.
#[cold]
pub(super) fn cancelled(id: u64, why: &dyn fmt::Display) {
    if current().is_some() {
        named(id | SliceEnd::WHY_CANCELLED, Some(&why.to_string()));
    }
}

/// By a thread that is no worker.
#[cold]
pub(super) fn woken_by_thread(id: u64) {
    if let Some(recorder) = current() {
        recorder.by_threads.lock().add(Cause::Wake, id);
    }
}

/// As above.
#[cold]
pub(super) fn spawned_by_thread(id: u64, name: Option<&str>) {
    if let Some(recorder) = current() {
        named(id, name);
        recorder.by_threads.lock().add(Cause::Spawn, id);
    }
}

/// Writes what threads that have ended have recorded.
pub(crate) fn flush() {
    if current().is_some_and(Recorder::is_of_this_process) {
        WRITER.write(false);
    }
}

/// Writes all that has been recorded. Nothing is after that.
pub(super) fn finish() {
    if current().is_some_and(Recorder::is_of_this_process) {
        ON.store(false, Ordering::Relaxed);
        WRITER.write(true);
    }
}

impl WorkerLanes {
    fn next_id(&mut self) -> u32 {
        self.ids += 1;
        self.ids
    }
}

impl ByThreads {
    fn add(&mut self, cause: Cause, id: u64) {
        thread_local! {
            /// The thread's place, plus 1.
            static PLACE: Cell<u32> = const { Cell::new(0) };
        }
        if PLACE.get() == 0 {
            if self.threads.len() == THREADS {
                self.threads.push("other threads".to_owned());
            }
            if self.threads.len() <= THREADS {
                self.threads.push(match thread::current().name() {
                    Some(name) => name.to_owned(),
                    None => format!("thread {}", self.threads.len() + 1),
                });
            }
            PLACE.set(self.threads.len() as u32);
        }
        if self.events.len() == BY_THREADS {
            self.events.pop_front();
            self.forgotten += 1;
        }
        self.events.push_back(ByThread { stamp: stamp::now(), cause, id, thread: PLACE.get() - 1 });
    }
}

impl Recorder {
    fn from_environment(reason: fn(u8) -> String) -> Option<Recorder> {
        let given = env::var_os(FILE).filter(|path| !path.is_empty())?;
        let path = expand(&given);
        let file = match create(&path) {
            Ok(file) => file,
            Err(error) => {
                report::say(format_args!(
                    "nothing is traced: `{}`, which `{FILE}` names, cannot be written: {error}; \
                     name a file in a folder that exists and may be written to",
                    path.display()
                ));
                return None;
            }
        };
        let recorder = Recorder {
            reason,
            clock: Clock::begin(),
            process: process::id(),
            words: buffer() * 1024 / size_of::<u64>(),
            path,
            lanes: Mutex::default(),
            names: Mutex::default(),
            by_threads: Mutex::default(),
            file: Mutex::new(file),
        };
        Some(recorder)
    }

    fn is_of_this_process(&self) -> bool {
        self.process == process::id()
    }

    /// Adds to the file what lanes hold whose threads have ended, or what `all` do.
    fn write(&self, all: bool) {
        let mut file = self.file.lock();
        let (lanes, runtimes) = {
            let lanes = self.lanes.lock();
            (lanes.taken.clone(), lanes.runtimes.clone())
        };
        let ended: Vec<bool> = lanes.iter().map(|lane| lane.lane.has_ended()).collect();
        if !all && !ended.contains(&true) {
            return;
        }
        let now = stamp::now();
        let scale = self.clock.scale();
        let tracks = lanes.iter().map(|s| Track::read(s, &scale, now)).collect();
        let (threads, by_threads, new, forgotten) = self.by_threads();
        let timeline = Timeline::new(tracks, &by_threads, &scale);
        let part = json::Part {
            timeline: &timeline,
            lanes: &lanes,
            write: &ended.iter().map(|ended| all || *ended).collect::<Vec<_>>(),
            runtimes: &runtimes,
            threads: &threads,
            new,
            forgotten,
            names: &|id| self.names.lock().by_id.get(&id).map(ToString::to_string),
            reason: self.reason,
            clock: self.clock.name(),
        };
        if let Err(error) = file.add(&part) {
            let path = self.path.display();
            report::say(format_args!("the trace cannot be written to `{path}`: {error}"));
        }
        let mut places = self.lanes.lock();
        for (lane, _) in lanes.iter().zip(&ended).filter(|(_, ended)| **ended) {
            places.taken.retain(|taken| !std::ptr::eq(taken.lane, lane.lane));
            places.free.push(lane.lane);
            if !places.taken.iter().any(|taken| taken.runtime == lane.runtime) {
                places.runtimes.remove(&lane.runtime);
            }
        }
    }

    /// The threads that are no workers, what they have done, how much of that has been written, and how
    /// much is forgotten.
    fn by_threads(&self) -> (Vec<String>, Vec<ByThread>, usize, u64) {
        let mut by = self.by_threads.lock();
        let end = by.forgotten + by.events.len() as u64;
        let new = by.written.saturating_sub(by.forgotten) as usize;
        by.written = end;
        (by.threads.clone(), by.events.iter().copied().collect(), new, by.forgotten)
    }
}

/// Puts the process's id in the place of `%p`.
fn expand(path: &std::ffi::OsStr) -> PathBuf {
    match path.to_str() {
        Some(text) => text.replace("%p", &process::id().to_string()).into(),
        None => path.into(),
    }
}

/// Opens the file, if it is one: a pipe would have the program wait for a reader, and cannot be added to.
fn create(path: &Path) -> io::Result<File> {
    if fs::metadata(path).is_ok_and(|existing| !existing.is_file()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no regular file"));
    }
    File::create(path)
}

/// In KiB.
fn buffer() -> usize {
    let Some(given) = env::var_os(BUFFER).filter(|given| !given.is_empty()) else {
        return DEFAULT_BUFFER;
    };
    let number = given.to_str().and_then(|text| text.trim().parse().ok());
    match number {
        Some(kib @ 1..=MAX_BUFFER) => kib,
        _ => {
            report::say(format_args!(
                "`{BUFFER}={}` is no number of KiB from 1 to {MAX_BUFFER}; each worker keeps \
                 {DEFAULT_BUFFER}",
                given.display()
            ));
            DEFAULT_BUFFER
        }
    }
}
