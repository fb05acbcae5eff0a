//! Spawning and joining: results, handles, names, and stacks that cannot be had.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use mco::coroutine::{self, Builder, JoinHandle, Spawn};
use mco::runtime::Handle;
use mco_tests::{HUNG, eventually, quiet, runtime, text_of, with_runtimes, within};

#[test]
fn join_returns_what_the_closure_returned() {
    with_runtimes(|runtime| {
        assert_eq!(runtime.spawn(|| vec![1, 2, 3]).join().unwrap(), [1, 2, 3]);
        assert_eq!(runtime.spawn(|| [7u8; 4096]).join().unwrap(), [7; 4096]);
        runtime.spawn(|| ()).join().unwrap();
    });
}

#[test]
fn the_global_runtime_starts_by_itself() {
    within(HUNG, || assert_eq!(coroutine::spawn(|| 5).join().unwrap(), 5));
}

#[test]
fn each_of_many_runs_once() {
    const MANY: usize = 10_000;
    with_runtimes(|runtime| {
        let runs: Arc<Vec<_>> = Arc::new((0..MANY).map(|_| AtomicUsize::new(0)).collect());
        let spawn = |n: usize| {
            let runs = runs.clone();
            runtime.spawn(move || _ = runs[n].fetch_add(1, Ordering::Relaxed))
        };
        let handles: Vec<_> = (0..MANY).map(spawn).collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert!(runs.iter().all(|n| n.load(Ordering::Relaxed) == 1));
    });
}

#[test]
fn a_tree_of_coroutines_adds_up() {
    fn tree(depth: u32) -> u64 {
        if depth == 0 {
            return 1;
        }
        let branches: Vec<_> = (0..4).map(|_| coroutine::spawn(move || tree(depth - 1))).collect();
        branches.into_iter().map(|branch| branch.join().unwrap()).sum()
    }
    with_runtimes(|runtime| assert_eq!(runtime.run(|| tree(6)), 4096));
}

#[test]
fn a_chain_of_joins_comes_back() {
    fn chain(length: u32) -> u32 {
        if length == 0 {
            0
        } else {
            1 + coroutine::spawn(move || chain(length - 1)).join().unwrap()
        }
    }
    with_runtimes(|runtime| assert_eq!(runtime.run(|| chain(1000)), 1000));
}

#[test]
fn without_its_handle_a_coroutine_goes_on() {
    with_runtimes(|runtime| {
        let (sender, receiver) = mpsc::channel();
        drop(runtime.spawn(move || {
            coroutine::yield_now();
            sender.send(1)
        }));
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn wait_leaves_the_result_for_join() {
    with_runtimes(|runtime| {
        let gate = Arc::new(AtomicBool::new(false));
        let opened = gate.clone();
        let handle = runtime.spawn(move || {
            eventually("the gate opens", || opened.load(Ordering::Acquire));
            9
        });
        assert!(!handle.is_finished() && !handle.is_done());
        gate.store(true, Ordering::Release);
        handle.wait();
        assert!(handle.is_finished() && handle.is_done());
        handle.wait();
        assert_eq!(handle.join().unwrap(), 9);
    });
}

#[test]
fn all_who_wait_for_one_coroutine_go_on() {
    with_runtimes(|runtime| {
        let parked = Arc::new(runtime.spawn(coroutine::park));
        let waiting = Arc::new(AtomicUsize::new(0));
        let wait = |waiting: &Arc<AtomicUsize>| {
            let (parked, waiting) = (parked.clone(), waiting.clone());
            move || {
                waiting.fetch_add(1, Ordering::SeqCst);
                parked.wait();
            }
        };
        let coroutines: Vec<_> = (0..20).map(|_| runtime.spawn(wait(&waiting))).collect();
        let threads: Vec<_> = (0..5).map(|_| thread::spawn(wait(&waiting))).collect();
        eventually("all wait", || waiting.load(Ordering::SeqCst) == 25);
        parked.coroutine().unpark();
        coroutines.into_iter().for_each(|handle| handle.join().unwrap());
        threads.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn a_coroutine_can_be_joined_from_another_runtime() {
    within(HUNG, || {
        let (here, there) = (runtime(2), runtime(2));
        let handle = there.spawn(|| {
            coroutine::yield_now();
            3
        });
        assert_eq!(here.run(|| handle.join().unwrap()), 3);
    });
}

#[test]
fn joining_oneself_panics_instead_of_hanging() {
    with_runtimes(|runtime| {
        let place = Arc::new(Mutex::new(None::<JoinHandle<()>>));
        let own = place.clone();
        let (tell, told) = mpsc::channel();
        let handle = runtime.spawn(move || {
            eventually("the handle is there", || own.lock().unwrap().is_some());
            let me = own.lock().unwrap().take().unwrap();
            let join = std::panic::AssertUnwindSafe(|| me.join());
            let payload = std::panic::catch_unwind(join).unwrap_err();
            tell.send(text_of(&*payload).to_owned()).unwrap();
        });
        *place.lock().unwrap() = Some(handle);
        let text = told.recv().unwrap();
        assert!(text.contains("joins itself"), "{text}");
    });
}

#[test]
fn a_coroutine_knows_what_it_is() {
    with_runtimes(|runtime| {
        let builder = Builder::new().name("me").stack_size(100_000);
        let (handle, line) = runtime.run(|| (builder.spawn(coroutine::current), line!()));
        let outside = handle.coroutine().clone();
        let inside = handle.join().unwrap();
        for me in [&inside, &outside] {
            assert_eq!(me.name(), Some("me"));
            assert!(me.stack_size() >= 100_000);
            assert_eq!((me.spawned_at().file(), me.spawned_at().line()), (file!(), line));
        }
        assert_eq!(inside.id(), outside.id());
        let debug = format!("{inside:?}");
        assert!(debug.contains("me") && debug.contains(file!()), "{debug}");
    });
}

#[test]
fn all_ways_to_spawn_note_the_place_of_the_call() {
    within(HUNG, || {
        let runtime = runtime(1);
        let here = line!();
        let handles = [
            coroutine::spawn(|| ()), // here + 2, and so on
            Builder::new().spawn(|| ()),
            runtime.spawn(|| ()),
            runtime.handle().spawn(|| ()),
            Spawn::spawn_on("name", || ()),
            Spawn::spawn_on(Builder::new(), || ()),
        ];
        for (handle, line) in handles.iter().zip(here + 2..) {
            let site = handle.coroutine().spawned_at();
            assert_eq!((site.file(), site.line()), (file!(), line));
        }
        let (site, line) = coroutine::scope(|s| (s.spawn(|| ()).coroutine().spawned_at(), line!()));
        assert_eq!((site.file(), site.line()), (file!(), line));
        let (site, line) = (runtime.run(|| coroutine::current().spawned_at()), line!());
        assert_eq!((site.file(), site.line()), (file!(), line));
    });
}

#[test]
fn a_nameless_coroutine_has_no_name() {
    within(HUNG, || assert_eq!(coroutine::spawn(|| ()).coroutine().name(), None));
}

#[test]
fn no_two_coroutines_have_one_id() {
    const EACH: usize = 2_000;
    with_runtimes(|runtime| {
        let spawner = runtime.handle();
        let ids = |handle: Handle| {
            let spawn = move |_| u64::from(handle.spawn(|| ()).coroutine().id());
            move || (0..EACH).map(spawn).collect::<Vec<_>>()
        };
        let threads: Vec<_> = (0..3).map(|_| thread::spawn(ids(spawner.clone()))).collect();
        let coroutines: Vec<_> = (0..3).map(|_| runtime.spawn(ids(spawner.clone()))).collect();
        let mut all = HashSet::new();
        all.extend(threads.into_iter().flat_map(|t| t.join().unwrap()));
        all.extend(coroutines.into_iter().flat_map(|c| c.join().unwrap()));
        assert_eq!(all.len(), 6 * EACH);
    });
}

#[test]
fn a_thread_is_no_coroutine() {
    within(HUNG, || {
        assert!(!coroutine::is_coroutine());
        assert!(coroutine::try_current().is_none());
        assert!(!coroutine::is_cancelled());
        assert!(coroutine::spawn(coroutine::is_coroutine).join().unwrap());
    });
}

#[test]
fn current_outside_a_coroutine_says_what_is_wrong() {
    let payload = std::panic::catch_unwind(coroutine::current).unwrap_err();
    assert!(text_of(&*payload).contains("outside a coroutine"), "{}", text_of(&*payload));
}

#[test]
fn a_child_runs_on_the_runtime_of_its_parent() {
    with_runtimes(|runtime| {
        let child = || coroutine::spawn(|| thread::current().name().map(str::to_owned));
        let name = runtime.run(|| child().join().unwrap()).expect("workers have names");
        assert!(name.starts_with("test"), "it ran on {name}");
        assert_eq!(runtime.metrics().spawned(), 2);
    });
}

/// Counts how often a value is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_result_is_dropped_once_whether_joined_or_not() {
    const ROUNDS: usize = 2_000;
    with_runtimes(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        for round in 0..ROUNDS {
            let result = Counted(drops.clone());
            let handle = runtime.spawn(move || result);
            match round % 4 {
                0 => drop(handle.join().unwrap()),
                // A race with the end, on both sides of it.
                1 => drop(handle),
                2 => {
                    handle.wait();
                    drop(handle);
                }
                _ => {
                    coroutine::yield_now();
                    drop(handle);
                }
            }
        }
        eventually("all results are dropped", || drops.load(Ordering::SeqCst) >= ROUNDS);
        runtime.run(|| ());
        assert_eq!(drops.load(Ordering::SeqCst), ROUNDS);
    });
}

#[test]
fn what_a_closure_holds_is_gone_when_join_returns() {
    with_runtimes(|runtime| {
        for _ in 0..500 {
            let drops = Arc::new(AtomicUsize::new(0));
            let held = Counted(drops.clone());
            runtime.spawn(move || drop(held)).join().unwrap();
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        }
    });
}

/// A coroutine that cannot have its stack: `join` says what `words` say, and all goes on.
#[track_caller]
fn assert_refused(handle: JoinHandle<()>, drops: &AtomicUsize, words: &[&str]) {
    let payload = handle.join().expect_err("so large a stack cannot be had");
    let text = payload.downcast_ref::<String>().expect("a text that says why");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert_eq!(drops.load(Ordering::SeqCst), 1, "its closure was not dropped: {text}");
}

#[test]
fn a_stack_of_no_bytes_is_refused_with_a_remedy() {
    with_runtimes(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let held = Counted(drops.clone());
        let handle =
            runtime.run(|| Builder::new().name("nil").stack_size(0).spawn(move || drop(held)));
        assert_refused(handle, &drops, &["nil", file!(), "0 bytes", "at least 65536"]);
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
    });
}

/// Whether the system lends any amount of address space; then no stack is too large for it.
fn lends_everything() -> bool {
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    mode.trim() == "1"
}

#[test]
fn a_stack_of_a_pebibyte_is_refused_with_a_remedy() {
    if lends_everything() {
        eprintln!("SKIPPED: with `vm.overcommit_memory=1` such a stack can be had");
        return;
    }
    with_runtimes(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let held = Counted(drops.clone());
        let builder = Builder::new().name("huge").stack_size(1 << 50);
        let handle = runtime.run(|| builder.spawn(move || drop(held)));
        assert_refused(handle, &drops, &["huge", file!(), "1125899906842624", "ask for"]);
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn a_stack_beyond_all_addresses_is_refused() {
    with_runtimes(|runtime| {
        for size in [usize::MAX, usize::MAX - 4096, isize::MAX as usize, 1 << 62] {
            let drops = Arc::new(AtomicUsize::new(0));
            let held = Counted(drops.clone());
            let builder = Builder::new().stack_size(size);
            let handle = runtime.run(|| builder.spawn(move || drop(held)));
            assert_refused(handle, &drops, &["ask for"]);
        }
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn a_negative_stack_size_is_refused_with_a_remedy() {
    within(HUNG, || {
        let payload = Spawn::spawn_on(-5i32, || ()).join().expect_err("no stack");
        assert!(text_of(&*payload).contains("at least 65536"), "{}", text_of(&*payload));
    });
}

#[test]
fn refused_stacks_do_not_hold_up_others() {
    with_runtimes(|runtime| {
        let spawn = |n: usize| {
            let size = if n.is_multiple_of(2) { 0 } else { 64 * 1024 };
            Builder::new().stack_size(size).spawn(move || n)
        };
        let outcomes = runtime.run(move || {
            let handles: Vec<_> = (0..200).map(spawn).collect();
            handles.into_iter().map(|handle| handle.join().ok()).collect::<Vec<_>>()
        });
        let expected = (0..200).map(|n| (n % 2 == 1).then_some(n)).collect::<Vec<_>>();
        assert_eq!(outcomes, expected);
    });
}

#[test]
fn a_tiny_stack_is_rounded_up_so_that_a_panic_fits() {
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        let tiny = runtime.run(|| {
            let builder = Builder::new().stack_size(1);
            builder.spawn(|| panic!("on purpose: {} and {:?}", 1.5, Some("text")))
        });
        assert!(tiny.coroutine().stack_size() >= 64 * 1024);
        let payload = tiny.join().unwrap_err();
        assert_eq!(text_of(&*payload), r#"on purpose: 1.5 and Some("text")"#);
    });
}

#[test]
fn targets_say_name_and_stack_size() {
    const SIZE: usize = 128 * 1024;
    within(HUNG, || {
        let handles = [
            (Spawn::spawn_on("a", || ()), Some("a"), false),
            (Spawn::spawn_on(String::from("b"), || ()), Some("b"), false),
            (Spawn::spawn_on(SIZE, || ()), None, true),
            (Spawn::spawn_on(131_072i32, || ()), None, true),
            (Spawn::spawn_on(("c", SIZE), || ()), Some("c"), true),
            (Spawn::spawn_on(("d", 131_072i32), || ()), Some("d"), true),
            (Spawn::spawn_on((String::from("e"), SIZE), || ()), Some("e"), true),
            (Spawn::spawn_on((String::from("f"), 131_072i32), || ()), Some("f"), true),
            (Spawn::spawn_on(Builder::new().name("g").stack_size(SIZE), || ()), Some("g"), true),
        ];
        for (handle, name, sized) in handles {
            assert_eq!(handle.coroutine().name(), name);
            assert_eq!(handle.coroutine().stack_size() == SIZE, sized);
            handle.join().unwrap();
        }
        let words = [String::from("a"), String::from("b")];
        assert_eq!(coroutine::scope(|s| Spawn::spawn_on(s, || words.len()).join().unwrap()), 2);
    });
}

/// A coroutine that spawns its successor and ends, without end until `stop`.
fn chain(stop: Arc<AtomicBool>) {
    if !stop.load(Ordering::Relaxed) {
        coroutine::spawn(move || chain(stop));
    }
}

#[test]
fn a_chain_of_spawns_does_not_starve_one_from_outside() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..8 {
            let stop = stop.clone();
            runtime.spawn(move || chain(stop));
        }
        for n in 0..50 {
            assert_eq!(runtime.spawn(move || n).join().unwrap(), n);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn those_that_yield_without_end_do_not_starve_one_from_outside() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..20 {
            let stop = stop.clone();
            runtime.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    coroutine::yield_now();
                }
            });
        }
        for n in 0..50 {
            assert_eq!(runtime.spawn(move || n).join().unwrap(), n);
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn one_that_yields_lets_its_older_siblings_start() {
    within(HUNG, || {
        let order = runtime(1).run(|| {
            let order = Arc::new(Mutex::new(Vec::new()));
            let log = |n| {
                let order = order.clone();
                move || order.lock().unwrap().push(n)
            };
            let handles: Vec<_> = (0..5).map(|n| coroutine::spawn(log(n))).collect();
            coroutine::yield_now();
            order.lock().unwrap().push(5);
            handles.into_iter().for_each(|handle| handle.join().unwrap());
            let order = order.lock().unwrap();
            order.clone()
        });
        assert_ne!(order[0], 5, "`yield_now` went on at once: {order:?}");
        assert_eq!(order.iter().collect::<HashSet<_>>().len(), 6);
    });
}
