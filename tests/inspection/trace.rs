//! `MCO_TRACE`: what it records, when it is written, and what it does not cost.
//!
//! Each test records in a process of its own, and reads the file after.
#![cfg(unix)]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mco::coroutine::{self, Builder};
use mco::runtime::Runtime;
use mco::std::sync::Mutex;
use mco::std::sync::channel::{Receiver, Sender, bounded};
use mco_tests::child::{Child, End};
use mco_tests::runtime;
use mco_tests::started::settle;
use serde_json::Value;

/// A file for one test, which goes away with this.
struct TraceFile(PathBuf);

impl TraceFile {
    fn new() -> TraceFile {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("mco-trace-test-{}-{number}.json", std::process::id());
        TraceFile(std::env::temp_dir().join(name))
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("a path in UTF-8")
    }
}

impl Drop for TraceFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs `body` in a process that records, and reads what it has written.
#[track_caller]
fn record<F: FnOnce()>(body: F) -> Trace {
    let file = TraceFile::new();
    Child::new().env("MCO_TRACE", file.path()).run(body).assert_success();
    Trace::read(&file.0)
}

/// A trace, which has been checked as far as one can without knowing what it is of.
struct Trace {
    whole: Value,
    /// All that is not metadata.
    events: Vec<Event>,
    threads: HashMap<u64, String>,
}

#[derive(Clone, Debug)]
struct Event {
    phase: String,
    name: String,
    pid: u64,
    tid: u64,
    /// Nanoseconds.
    at: u64,
    until: u64,
    id: u64,
    args: Value,
}

impl Event {
    fn arg(&self, name: &str) -> &str {
        self.args[name].as_str().unwrap_or("")
    }

    fn is_of(&self, coroutine: &str) -> bool {
        self.phase == "X" && self.name.starts_with(&format!("{coroutine} #"))
    }
}

/// Microseconds with three digits as nanoseconds.
fn nanos(value: &Value) -> u64 {
    (value.as_f64().unwrap_or_else(|| panic!("no time: {value}")) * 1000.0).round() as u64
}

impl Trace {
    #[track_caller]
    fn read(path: &Path) -> Trace {
        let text = fs::read_to_string(path).expect("the trace is there");
        let whole: Value = serde_json::from_str(&text).expect("it is JSON");
        let mut trace = Trace { whole: Value::Null, events: Vec::new(), threads: HashMap::new() };
        for event in whole["traceEvents"].as_array().expect("a list of events") {
            let number =
                |key: &str| event[key].as_u64().unwrap_or_else(|| panic!("{key}: {event}"));
            let text = |key: &str| event[key].as_str().unwrap_or("").to_owned();
            if event["ph"] == "M" {
                if event["name"] == "thread_name" {
                    let name = event["args"]["name"].as_str().expect("a name").to_owned();
                    trace.threads.insert(number("tid"), name);
                }
                continue;
            }
            let at = nanos(&event["ts"]);
            trace.events.push(Event {
                phase: text("ph"),
                name: text("name"),
                pid: number("pid"),
                tid: number("tid"),
                at,
                until: event.get("dur").map_or(at, |dur| at + nanos(dur)),
                id: event["id"].as_u64().unwrap_or(0),
                args: event["args"].clone(),
            });
        }
        trace.whole = whole;
        trace.check();
        trace
    }

    /// What viewers rely on.
    #[track_caller]
    fn check(&self) {
        let mut tracks = HashMap::<u64, Vec<&Event>>::new();
        for event in &self.events {
            assert!(self.threads.contains_key(&event.tid), "a track without a name: {event:?}");
            tracks.entry(event.tid).or_default().push(event);
        }
        for (tid, events) in &tracks {
            let pid = events[0].pid;
            assert!(events.iter().all(|e| e.pid == pid), "track {tid} is in two processes");
            let slices: Vec<_> = events.iter().filter(|e| e.phase == "X").collect();
            for pair in slices.windows(2) {
                assert!(pair[0].until <= pair[1].at, "they overlap: {:?}", pair);
            }
            let inside = |arrow: &Event| {
                let next = slices.partition_point(|slice| slice.at <= arrow.at);
                next > 0 && arrow.at <= slices[next - 1].until
            };
            for arrow in events.iter().filter(|e| e.phase == "s" || e.phase == "f") {
                assert!(inside(arrow), "an end of an arrow that is in no slice: {arrow:?}");
            }
        }
        let mut ends = HashMap::<u64, (Vec<&Event>, Vec<&Event>)>::new();
        for event in &self.events {
            match event.phase.as_str() {
                "s" => ends.entry(event.id).or_default().0.push(event),
                "f" => ends.entry(event.id).or_default().1.push(event),
                "X" | "C" | "i" => {}
                phase => panic!("events of the kind {phase} are not written: {event:?}"),
            }
        }
        for (id, (tails, heads)) in &ends {
            assert!(tails.len() == 1 && heads.len() == 1, "arrow {id}: {tails:?} to {heads:?}");
            assert!(tails[0].at <= heads[0].at, "arrow {id} goes back: {tails:?} to {heads:?}");
            assert_eq!(tails[0].name, heads[0].name, "arrow {id}");
        }
    }

    /// The events of a track are sorted by time, if it was written at once.
    #[track_caller]
    fn assert_sorted(&self) {
        let mut last = HashMap::<u64, u64>::new();
        for event in &self.events {
            let last = last.entry(event.tid).or_default();
            assert!(*last <= event.at, "it comes too late: {event:?}");
            *last = event.at;
        }
    }

    /// The slices of a coroutine, in order.
    fn slices(&self, coroutine: &str) -> Vec<&Event> {
        let mut slices: Vec<_> = self.events.iter().filter(|e| e.is_of(coroutine)).collect();
        slices.sort_by_key(|slice| slice.at);
        slices
    }

    #[track_caller]
    fn last_slice(&self, coroutine: &str) -> &Event {
        self.slices(coroutine).pop().unwrap_or_else(|| panic!("`{coroutine}` has not run"))
    }

    /// The arrows of a kind from slices of one coroutine to slices of another, as tail and head.
    fn arrows(&self, kind: &str, from: &str, to: &str) -> Vec<(&Event, &Event)> {
        let (from, to) = (self.slices(from), self.slices(to));
        let ends = |phase: &'static str| {
            self.events.iter().filter(move |e| e.phase == phase && e.name == kind)
        };
        let heads: HashMap<u64, &Event> = ends("f").map(|head| (head.id, head)).collect();
        let within = |slices: &[&Event], end: &Event| {
            slices.iter().any(|s| s.tid == end.tid && s.at <= end.at && end.at <= s.until)
        };
        let begins = |slices: &[&Event], end: &Event| {
            slices.iter().any(|s| s.tid == end.tid && s.at == end.at)
        };
        ends("s")
            .map(|tail| (tail, heads[&tail.id]))
            .filter(|(tail, head)| within(&from, tail) && begins(&to, head))
            .collect()
    }

    fn instants(&self, kind: &str, thread: &str) -> Vec<&Event> {
        let here = |e: &&Event| e.phase == "i" && e.name == kind && self.threads[&e.tid] == thread;
        self.events.iter().filter(here).collect()
    }
}

fn named(name: &str) -> Builder {
    Builder::new().name(name)
}

/// Two coroutines that answer each other so many times.
fn ping_pong(runtime: &Runtime, times: u32) {
    runtime.run(|| {
        let (ping, pings) = bounded::<u32>(1);
        let (pong, pongs) = bounded::<u32>(1);
        let answers = named("pong").spawn(move || {
            while let Ok(n) = pings.recv() {
                pong.send(n).unwrap();
            }
        });
        let asks = named("ping").spawn(move || {
            for n in 0..times {
                ping.send(n).unwrap();
                assert_eq!(pongs.recv(), Ok(n));
            }
        });
        asks.join().unwrap();
        answers.join().unwrap();
    });
}

#[test]
fn two_coroutines_over_a_channel() {
    let trace = record(|| ping_pong(&runtime(1), 50));
    trace.assert_sorted();
    for (name, to) in [("ping", "pong"), ("pong", "ping")] {
        let slices = trace.slices(name);
        assert!(slices.len() >= 50, "{} slices of `{name}`", slices.len());
        let (last, before) = slices.split_last().unwrap();
        for slice in before {
            let then = slice.arg("then");
            assert!(
                then.starts_with("blocked in receive at tests/inspection/trace.rs:"),
                "{slice:?}"
            );
        }
        assert_eq!(last.arg("then"), "finished");
        assert!(last.arg("spawned at").starts_with("tests/inspection/trace.rs:"), "{last:?}");
        let wakes = trace.arrows("wake", name, to);
        assert!(wakes.len() >= 49, "{} wakes of `{to}` by `{name}`", wakes.len());
        for slice in before.iter().skip(1) {
            assert!(slice.arg("woken by").starts_with(&format!("{to} #")), "{slice:?}");
        }
    }
}

#[test]
fn spawns_go_from_the_parent_to_the_first_slice() {
    let trace = record(|| {
        runtime(2).run(|| {
            let parent = named("parent").spawn(|| {
                (0..10).map(|_| named("child").spawn(|| ())).for_each(|c| c.join().unwrap());
            });
            parent.join().unwrap();
        });
    });
    let spawns = trace.arrows("spawn", "parent", "child");
    assert_eq!(spawns.len(), 10);
    for child in trace.slices("child") {
        assert!(child.arg("spawned by").starts_with("parent #"), "{child:?}");
        assert_eq!(child.arg("then"), "finished");
    }
}

#[test]
fn a_sleeper_is_woken_by_its_worker() {
    let trace = record(|| {
        let sleeper = named("sleeper").spawn(|| coroutine::sleep(Duration::from_millis(20)));
        sleeper.join().unwrap();
    });
    let slices = trace.slices("sleeper");
    let [first, second] = slices[..] else { panic!("{slices:?}") };
    assert!(
        first.arg("then").starts_with("blocked in sleep at tests/inspection/trace.rs:"),
        "{first:?}"
    );
    assert!(second.at - first.until >= 19_000_000, "{slices:?}");
    assert_eq!(second.arg("woken by"), "a timer or a socket of the worker");
    let instants = trace.instants("wake", &trace.threads[&second.tid]);
    let woken = instants.iter().any(|e| first.until <= e.at && e.at <= second.at);
    assert!(woken, "no instant for the timer: {instants:?}");
}

#[test]
fn a_mutex_is_handed_on_by_who_unlocks_it() {
    let trace = record(|| {
        let runtime = runtime(1);
        let mutex = Arc::new(Mutex::new(()));
        let spawn = |name, f: Box<dyn FnOnce() + Send>| runtime.run(|| named(name).spawn(f));
        let held = mutex.clone();
        let holder = spawn(
            "holder",
            Box::new(move || {
                let _guard = held.lock().unwrap();
                coroutine::park();
            }),
        );
        settle(&runtime);
        let waiter = spawn("waiter", Box::new(move || drop(mutex.lock().unwrap())));
        settle(&runtime);
        holder.coroutine().unpark();
        holder.join().unwrap();
        waiter.join().unwrap();
    });
    let [first, second] = trace.slices("waiter")[..] else { panic!("two slices") };
    assert!(
        first.arg("then").starts_with("blocked in mutex at tests/inspection/trace.rs:"),
        "{first:?}"
    );
    assert!(second.arg("woken by").starts_with("holder #"), "{second:?}");
    assert_eq!(trace.arrows("wake", "holder", "waiter").len(), 1);
}

#[test]
fn how_a_coroutine_ends() {
    let trace = record(|| {
        let runtime = runtime(1);
        let panics = runtime.run(|| named("panics").spawn(|| panic!("on purpose")));
        assert!(panics.join().is_err());
        let cancelled = runtime.run(|| named("cancelled").spawn(coroutine::park));
        settle(&runtime);
        cancelled.cancel();
        drop(cancelled.join());
        let yields = || {
            // With another, so that there is somebody to yield to.
            let other = named("other").spawn(coroutine::yield_now);
            coroutine::yield_now();
            other.join().unwrap();
        };
        runtime.run(|| named("yields").spawn(yields)).join().unwrap();
    });
    assert_eq!(trace.last_slice("panics").arg("then"), "panicked");
    let end = trace.last_slice("cancelled").arg("then").to_string();
    assert!(end.contains("cancelled at ") && end.contains("trace.rs:"), "{end}");
    let yields = trace.slices("yields");
    assert!(yields.iter().any(|slice| slice.arg("then") == "yielded"), "{yields:?}");
    assert_eq!(trace.last_slice("yields").arg("then"), "finished");
}

#[test]
fn a_wake_by_a_thread_is_an_instant_of_that_thread() {
    let trace = record(|| {
        let runtime = runtime(1);
        let (sender, receiver): (Sender<u32>, Receiver<u32>) = bounded(1);
        let waits = runtime.run(|| named("waits").spawn(move || receiver.recv().unwrap()));
        settle(&runtime);
        let thread = std::thread::Builder::new().name("outsider".to_owned());
        thread.spawn(move || sender.send(7).unwrap()).unwrap().join().unwrap();
        assert_eq!(waits.join().unwrap(), 7);
        named("from outside").spawn(|| ()).join().unwrap();
    });
    let last = trace.last_slice("waits");
    assert_eq!(last.arg("woken by"), "thread outsider");
    let [wake] = trace.instants("wake", "outsider")[..] else { panic!("one wake") };
    assert!(wake.at <= last.at, "{wake:?} after {last:?}");
    let outside = trace.last_slice("from outside");
    assert!(outside.arg("spawned by").starts_with("thread "), "{outside:?}");
}

#[test]
fn two_workers_have_a_track_each() {
    let trace = record(|| {
        static MET: AtomicU32 = AtomicU32::new(0);
        // Each waits for the other without letting go of its worker.
        let meet = || {
            MET.fetch_add(1, Ordering::SeqCst);
            while MET.load(Ordering::SeqCst) < 2 {
                std::hint::spin_loop();
            }
        };
        let runtime = runtime(2);
        let both = [runtime.spawn(meet), runtime.spawn(meet)];
        both.into_iter().for_each(|one| one.join().unwrap());
    });
    let tracks: Vec<_> = trace.events.iter().filter(|e| e.phase == "X").map(|e| e.tid).collect();
    assert_eq!(tracks.len(), 2);
    assert_ne!(tracks[0], tracks[1]);
    let names: Vec<_> = tracks.iter().map(|tid| trace.threads[tid].as_str()).collect();
    assert!(names.contains(&"test2-worker-0") && names.contains(&"test2-worker-1"), "{names:?}");
}

#[test]
fn a_runtime_after_another_is_in_the_same_file() {
    let trace = record(|| {
        ping_pong(&runtime(1), 3);
        let file = PathBuf::from(std::env::var("MCO_TRACE").unwrap());
        // The first one has been dropped.
        assert!(Trace::read(&file).slices("ping").len() >= 3);
        ping_pong(&runtime(2), 3);
        assert!(Trace::read(&file).slices("ping").len() >= 6);
        let global = named("global").spawn(|| ());
        global.join().unwrap();
    });
    let names: Vec<&str> = trace.threads.values().map(String::as_str).collect();
    for name in ["test1-worker-0", "test2-worker-0", "test2-worker-1"] {
        assert!(names.contains(&name), "{names:?}");
    }
    // Of the global runtime another worker need not have begun yet.
    assert!(names.iter().any(|name| name.starts_with("mco-worker-")), "{names:?}");
    let pids = ["ping", "global"].map(|name| trace.last_slice(name).pid);
    assert_ne!(pids[0], pids[1]);
}

#[test]
fn a_process_that_is_left_by_exit_writes_it_also_from_a_coroutine() {
    let file = TraceFile::new();
    let end = Child::new().env("MCO_TRACE", file.path()).run(|| {
        let leaves = named("leaves").stack_size(64 * 1024).spawn(|| std::process::exit(7));
        drop(leaves.join());
    });
    assert_eq!(end.status.code(), Some(7), "{end}");
    let trace = Trace::read(&file.0);
    assert_eq!(trace.last_slice("leaves").arg("then"), "running when the trace was written");
}

#[test]
fn a_worker_that_is_stuck_does_not_hold_it_up() {
    let trace = record(|| {
        let (begun, wait) = std::sync::mpsc::channel();
        let stuck = named("stuck").spawn(move || {
            begun.send(()).unwrap();
            loop {
                std::thread::sleep(Duration::from_secs(1));
            }
        });
        wait.recv().unwrap();
        drop(stuck);
    });
    let last = trace.last_slice("stuck");
    assert_eq!(last.arg("then"), "running when the trace was written");
}

#[test]
fn off_it_leaves_no_file() {
    let folder = std::env::temp_dir().join(format!("mco-trace-off-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let before = folder.to_str().unwrap().to_owned();
    let end = Child::new().env("MCO_TRACE", "").env("OFF", &before).run(|| {
        std::env::set_current_dir(std::env::var("OFF").unwrap()).unwrap();
        ping_pong(&runtime(1), 3);
    });
    end.assert_success();
    end.assert_does_not_say("trace");
    let left: Vec<_> = fs::read_dir(&folder).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    fs::remove_dir(&folder).unwrap();
}

/// Of a program that was to be traced into something where that cannot be.
#[track_caller]
fn assert_refused(end: &End, path: &str) {
    end.assert_success();
    assert_eq!(end.stderr.matches("nothing is traced").count(), 1, "{end}");
    end.assert_says(path);
}

#[test]
fn where_no_file_can_be_the_program_says_so_and_goes_on() {
    const PATH: &str = "/proc/no/such/folder/trace.json";
    let end = Child::new().env("MCO_TRACE", PATH).run(|| {
        ping_pong(&runtime(1), 3);
        ping_pong(&runtime(1), 3);
    });
    assert_refused(&end, PATH);
}

#[test]
fn what_is_no_file_is_not_written_to() {
    let end = Child::new().env("MCO_TRACE", "/dev/null").run(|| ping_pong(&runtime(1), 3));
    assert_refused(&end, "/dev/null");
    end.assert_says("no regular file");
}

#[test]
fn the_id_of_the_process_can_be_in_the_name() {
    let file = TraceFile::new();
    let pattern = file.path().replace(".json", "-%p.json");
    let end = Child::new().env("MCO_TRACE", &pattern).run(|| {
        ping_pong(&runtime(1), 1);
        println!("process={}", std::process::id());
    });
    end.assert_success();
    let id = end.stdout.split("process=").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    let written = TraceFile(pattern.replace("%p", id).into());
    assert!(!Trace::read(&written.0).slices("ping").is_empty());
}

#[test]
fn names_may_hold_anything() {
    const NAME: &str = "a \"quoted\" \\ name\n\t\u{0}\u{1f}\u{7f}\u{2028} {}[], ünï 🦀";
    let trace = record(|| named(NAME).spawn(|| ()).join().unwrap());
    assert_eq!(trace.slices(NAME).len(), 1);
}

#[test]
fn a_million_events_take_bounded_memory_and_leave_the_newest() {
    /// KiB that are kept by each worker.
    const KEPT: u64 = 512;
    let file = TraceFile::new();
    let child = Child::new().env("MCO_TRACE", file.path()).env("MCO_TRACE_BUFFER", "512");
    let end = child.run(|| {
        let runtime = runtime(1);
        ping_pong(&runtime, 1_000);
        let before = mco_tests::process::resident();
        // Two switches and two wakes each.
        ping_pong(&runtime, 250_000);
        named("last").spawn(|| ()).join().unwrap();
        let grown = mco_tests::process::resident().saturating_sub(before);
        println!("grown={grown}");
    });
    end.assert_success();
    let grown = end.stdout.split("grown=").nth(1).and_then(|rest| rest.lines().next()).unwrap();
    // The ring, the stacks, and some room for the allocator. A word for each event would be 8 MB.
    assert!(grown.parse::<usize>().unwrap() < 4 * 1024 * 1024, "it has grown by {grown} bytes");
    assert!(fs::metadata(&file.0).unwrap().len() < KEPT * 1024 * 20);
    let trace = Trace::read(&file.0);
    assert_eq!(trace.last_slice("ping").arg("then"), "finished");
    let worker = &trace.whole["otherData"]["workers that dropped events"][0];
    let number = |key: &str| worker[key].as_u64().unwrap_or_else(|| panic!("{key}: {worker}"));
    assert!(number("kept, bytes of records") <= KEPT * 1024, "{worker}");
    assert!(number("kept, bytes of records") > KEPT * 1024 / 2, "{worker}");
    assert!(number("dropped before that, bytes of records") > 10 * 1024 * 1024, "{worker}");
}

#[test]
fn many_runtimes_one_after_the_other_leave_no_more_than_their_file() {
    let trace = record(|| {
        for _ in 0..20 {
            ping_pong(&runtime(2), 2);
        }
    });
    assert_eq!(trace.slices("ping").iter().filter(|e| e.arg("then") == "finished").count(), 20);
}

#[test]
fn a_wrong_size_is_said_and_not_used() {
    let file = TraceFile::new();
    let child = Child::new().env("MCO_TRACE", file.path()).env("MCO_TRACE_BUFFER", "much");
    let end = child.run(|| ping_pong(&runtime(1), 3));
    end.assert_success();
    end.assert_says("`MCO_TRACE_BUFFER=much` is no number of KiB");
    assert!(!Trace::read(&file.0).slices("ping").is_empty());
}

#[test]
fn a_slice_lasts_as_long_as_the_coroutine_ran() {
    let trace = record(|| {
        let spins = named("spins").spawn(|| {
            let start = Instant::now();
            while start.elapsed() < Duration::from_millis(30) {
                std::hint::spin_loop();
            }
        });
        spins.join().unwrap();
    });
    let [slice] = trace.slices("spins")[..] else { panic!("one slice") };
    let took = Duration::from_nanos(slice.until - slice.at);
    // Of the clock that is used: not early by more than it may drift. Later is the machine's business.
    assert!(took >= Duration::from_micros(29_700), "{took:?}");
    assert!(took < Duration::from_secs(30), "{took:?}");
}
