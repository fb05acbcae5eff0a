//! `mco::debug`: what a dump says of coroutines, and that it disturbs nobody.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, Builder, JoinHandle};
use mco::debug::{self, ArmInfo, CoroutineInfo, Dump, Reason, State};
use mco::net::TcpListener;
use mco::runtime::Runtime;
use mco::select;
use mco::std::sync::channel::{Receiver, bounded, unbounded};
use mco::std::sync::{Condvar, Mutex, RwLock, Semaphore, SyncFlag, WaitGroup};
use mco_tests::{HUNG, eventually, everywhere, runtime};

/// As those of `mco_tests`, one test after the other: each sees all runtimes of the process.
fn within(limit: Duration, test: impl FnOnce() + Send + 'static) {
    let _alone = everywhere::alone();
    mco_tests::within(limit, test);
}

fn with_runtimes(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    for workers in [1, 2, 8] {
        // Shown only if the test fails.
        eprintln!("on {workers} workers:");
        let test = test.clone();
        within(HUNG, move || test(&runtime(workers)));
    }
}

/// The coroutine of that name, which must be there.
#[track_caller]
fn named(dump: &[CoroutineInfo], name: &str) -> CoroutineInfo {
    let found = dump.iter().find(|info| info.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("`{name}` is missing in {dump:#?}")).clone()
}

/// Spawns one that is to block; returns when it does.
#[track_caller]
fn blocked<T: Send + 'static>(
    runtime: &Runtime,
    name: &str,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let handle = runtime.run(|| Builder::new().name(name).spawn(f));
    eventually("it blocks", || is_blocked(name));
    handle
}

fn is_blocked(name: &str) -> bool {
    let all = debug::coroutines();
    all.iter().any(|info| info.name.as_deref() == Some(name) && info.state == State::Blocked)
}

fn infos(dump: &Dump) -> Vec<CoroutineInfo> {
    dump.coroutines().cloned().collect()
}

/// What the text says of cycles.
fn deadlocks_in(text: &str) -> String {
    text.split("runtime `").next().expect("the beginning").to_owned()
}

#[test]
fn a_blocked_one_is_shown_with_what_it_waits_for_and_where() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded::<()>();
        let line = line!() + 2;
        let handle = blocked(runtime, "receiver a", move || {
            receiver.recv().unwrap();
        });
        let info = named(&debug::coroutines(), "receiver a");
        assert_eq!(info.id, handle.coroutine().id());
        assert_eq!(info.spawned_at, handle.coroutine().spawned_at());
        assert_eq!(info.wait_reason, Some(Reason::Receive));
        let site = info.wait_site.expect("it waits somewhere");
        assert_eq!((site.file(), site.line()), (file!(), line));
        assert_eq!(info.until, None);
        assert!(info.object.is_some() && !info.is_stuck);
        sender.send(()).unwrap();
        handle.join().unwrap();
    });
}

#[test]
fn running_and_ready_coroutines_are_distinguished() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let ready = runtime.run(|| {
            Builder::new().name("ready one").spawn(|| {
                coroutine::yield_now();
                coroutine::park();
            })
        });
        eventually("it parks", || is_blocked("ready one"));
        let running = runtime.run(|| {
            Builder::new().name("running one").spawn(move || {
                while !stops.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            })
        });
        eventually("it runs", || {
            debug::coroutines().iter().any(|info| {
                info.name.as_deref() == Some("running one") && info.state == State::Running
            })
        });
        ready.coroutine().unpark();
        eventually("it is woken", || {
            named(&debug::coroutines(), "ready one").state == State::Ready
        });
        let unstarted = runtime.spawn(|| ());
        eventually("it is queued", || debug::dump().not_started() >= 1);
        stop.store(true, Ordering::SeqCst);
        running.join().unwrap();
        ready.join().unwrap();
        unstarted.join().unwrap();
    });
}

#[test]
fn one_that_has_never_been_suspended_is_shown_while_it_runs() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let running = runtime.spawn(move || {
            while !stops.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
        });
        let id = running.coroutine().id();
        eventually("it is shown", || {
            debug::coroutines().iter().any(|info| info.id == id && info.state == State::Running)
        });
        stop.store(true, Ordering::SeqCst);
        running.join().unwrap();
        assert!(!debug::coroutines().iter().any(|info| info.id == id));
    });
}

#[test]
fn the_coroutine_that_asks_is_shown_as_running() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let me = coroutine::current().id();
            let find = |all: &[CoroutineInfo]| all.iter().find(|info| info.id == me).cloned();
            for _ in 0..2 {
                // The second time it has been suspended.
                let listed = find(&debug::coroutines()).expect("it is listed");
                assert_eq!((listed.state, listed.wait_reason), (State::Running, None));
            }
            let dump = debug::dump();
            assert_eq!(find(&infos(&dump)).expect("it is in the dump").state, State::Running);
        });
    });
}

#[test]
fn a_coroutine_sees_those_of_its_own_runtime_and_a_dump_all() {
    within(HUNG, || {
        let (one, other) = (runtime(1), runtime(1));
        let parked = blocked(&other, "elsewhere", coroutine::park);
        assert!(
            one.run(|| debug::coroutines())
                .iter()
                .all(|info| { info.name.as_deref() != Some("elsewhere") })
        );
        let dump = one.run(debug::dump);
        named(&infos(&dump), "elsewhere");
        parked.coroutine().unpark();
        parked.join().unwrap();
    });
}

#[test]
fn the_time_of_a_wait_is_shown_approximately() {
    within(HUNG, || {
        let runtime = runtime(1);
        let before = Instant::now();
        let handle = runtime.run(|| {
            Builder::new().name("late parker").spawn(|| {
                // The worker does not look at its clock in such a long turn.
                let start = Instant::now();
                while start.elapsed() < Duration::from_millis(300) {
                    std::hint::spin_loop();
                }
                coroutine::park();
            })
        });
        eventually("it parks", || is_blocked("late parker"));
        let since = named(&debug::coroutines(), "late parker").since.expect("it waits");
        let parked_after = since.saturating_duration_since(before);
        // 300 ms less what the clock is behind: the monitor looks every 10 ms, and may have to wait
        // for a processor.
        assert!(parked_after >= Duration::from_millis(200), "{parked_after:?}");
        handle.coroutine().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn one_that_waits_for_a_time_says_until_when() {
    within(HUNG, || {
        let runtime = runtime(1);
        let sleeper =
            blocked(&runtime, "sleeper b", || coroutine::sleep(Duration::from_secs(3599)));
        let info = named(&debug::coroutines(), "sleeper b");
        let left = info.until.expect("it ends").saturating_duration_since(Instant::now());
        // With others it may end a millisecond later.
        assert!(left > Duration::from_secs(3000) && left < Duration::from_secs(3600), "{left:?}");
        assert_eq!(info.wait_reason, Some(Reason::Sleep));
        let text = debug::dump().to_string();
        assert!(text.contains("waits for the end of a sleep"), "{text}");
        assert!(text.contains("59 min"), "{text}");
        sleeper.cancel();
        sleeper.join().unwrap_err();
    });
}

#[test]
fn ten_thousand_similar_coroutines_are_one_group() {
    within(HUNG, || {
        let runtime = runtime(2);
        let (sender, receiver) = unbounded::<()>();
        let waits = |receiver: mco::std::sync::Receiver<()>| move || receiver.recv().is_err();
        let handles: Vec<_> = (0..10_000).map(|_| runtime.spawn(waits(receiver.clone()))).collect();
        let site = handles[0].coroutine().spawned_at();
        let of_these =
            |info: &&CoroutineInfo| info.spawned_at == site && info.state == State::Blocked;
        eventually("all wait", || debug::coroutines().iter().filter(of_these).count() == 10_000);
        let text = runtime.run(debug::dump).to_string();
        let mut ids: Vec<u64> = handles.iter().map(|h| h.coroutine().id().into()).collect();
        ids.sort_unstable();
        let line = text.lines().find(|line| line.starts_with("10,000 coroutines: "));
        let line = line.unwrap_or_else(|| panic!("there is no such group in\n{text}"));
        let lowest: Vec<String> = ids.iter().take(8).map(u64::to_string).collect();
        assert!(line.contains(&format!(": {}, .. wait", lowest.join(", "))), "{line}");
        assert_eq!(text.matches(&format!("spawned at {site}")).count(), 1, "{text}");
        drop(sender);
        assert!(handles.into_iter().all(|handle| handle.join().unwrap()));
    });
}

/// A function with a name that is looked for, and not inlined.
#[inline(never)]
fn a_function_of_the_users(receiver: &mco::std::sync::Receiver<u32>) -> u32 {
    std::hint::black_box(receiver.recv().unwrap()) + 1
}

#[test]
fn a_backtrace_names_the_users_functions_and_nothing_of_mco() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded();
        let handle = blocked(runtime, "traced", move || a_function_of_the_users(&receiver));
        for text in [debug::dump().to_string(), runtime.run(debug::dump).to_string()] {
            let rest = text.split("`traced`").nth(1).unwrap_or_else(|| panic!("{text}"));
            let section = rest.split("\n\n").next().unwrap();
            let function = section.find("a_function_of_the_users").expect(section);
            // Where functions are inlined, line tables say no more than this of a closure.
            let closure = section.rfind("closure").expect(section);
            assert!(function < closure, "the innermost comes first:\n{section}");
            assert!(section.contains("at ") && section.contains("debug.rs:"), "{section}");
            for own in ["mco::", "generator::", "backtrace::", "core::", "std::panic"] {
                let lines = section.lines().skip(3);
                assert!(!lines.into_iter().any(|l| l.trim().starts_with(own)), "{section}");
            }
        }
        sender.send(4).unwrap();
        assert_eq!(handle.join().unwrap(), 5);
    });
}

#[test]
fn a_coroutine_with_the_smallest_stack_survives_it() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (sender, receiver) = unbounded();
        let handle = runtime.run(|| {
            Builder::new()
                .name("small")
                .stack_size(1)
                .spawn(move || a_function_of_the_users(&receiver))
        });
        eventually("it blocks", || is_blocked("small"));
        for _ in 0..10 {
            let text = debug::dump().to_string();
            let rest = text.split("`small`").nth(1).unwrap_or_else(|| panic!("{text}"));
            let section = rest.split("\n\n").next().unwrap();
            assert!(
                section.contains("a_function_of_the_users") || section.contains("too little"),
                "{section}"
            );
        }
        sender.send(4).unwrap();
        assert_eq!(handle.join().unwrap(), 5);
    });
}

#[test]
fn a_coroutine_with_the_smallest_stack_may_ask() {
    within(HUNG, || {
        let small =
            || Builder::new().name("asks").stack_size(1).spawn(|| debug::dump().to_string());
        let text = runtime(1).run(move || small().join().unwrap());
        assert!(text.contains("`asks`"), "{text}");
    });
}

#[test]
fn a_dump_changes_nothing_for_those_who_wait() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let rounds = Arc::new(AtomicUsize::new(0));
        let (to, from) = (bounded::<usize>(0), bounded::<usize>(0));
        let echo = runtime.spawn(move || {
            while let Ok(n) = to.1.recv() {
                from.0.send(n).unwrap();
            }
        });
        let asks = runtime.spawn({
            let (stop, rounds) = (stop.clone(), rounds.clone());
            move || {
                while !stop.load(Ordering::SeqCst) {
                    let n = rounds.fetch_add(1, Ordering::SeqCst);
                    to.0.send(n).unwrap();
                    assert_eq!(from.1.recv(), Ok(n));
                }
            }
        });
        // One that must not be woken without reason.
        let parked = blocked(runtime, "left alone", || {
            coroutine::park_timeout(Duration::from_secs(3600)).unwrap();
        });
        let start = Instant::now();
        let mut dumps = 0;
        while dumps < 5 || start.elapsed() < Duration::from_millis(300) {
            let dump = debug::dump();
            let info = named(&infos(&dump), "left alone");
            assert_eq!(info.wait_reason, Some(Reason::Park));
            let _ = debug::coroutines();
            dumps += 1;
        }
        let before = rounds.load(Ordering::SeqCst);
        eventually("they go on", || rounds.load(Ordering::SeqCst) > before);
        stop.store(true, Ordering::SeqCst);
        asks.join().unwrap();
        echo.join().unwrap();
        parked.coroutine().unpark();
        parked.join().unwrap();
    });
}

#[test]
fn coroutines_come_and_go_by_thousands_meanwhile() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let spawner = runtime.spawn(move || {
            let mut count = 0;
            while !stops.load(Ordering::SeqCst) {
                let (sender, receiver) = bounded::<usize>(1);
                let handles: Vec<_> = (0..200)
                    .map(|_| {
                        let receiver = receiver.clone();
                        coroutine::spawn(move || receiver.recv().unwrap())
                    })
                    .collect();
                (0..200).for_each(|n| sender.send(n).unwrap());
                let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
                assert_eq!(sum, 199 * 200 / 2);
                count += 200;
            }
            count
        });
        let start = Instant::now();
        let mut dumps = 0;
        while dumps < 5 || start.elapsed() < Duration::from_millis(300) {
            assert_eq!(deadlocks_in(&debug::dump().to_string()), "");
            dumps += 1;
        }
        stop.store(true, Ordering::SeqCst);
        assert!(spawner.join().unwrap() > 0);
    });
}

#[test]
fn a_stuck_worker_is_named_and_the_others_are_shown() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (sender, receiver) = unbounded();
        let waiting = blocked(&runtime, "behind", move || a_function_of_the_users(&receiver));
        let (unblock, blocks) = mpsc::channel::<()>();
        let stuck =
            runtime.run(|| Builder::new().name("holds up").spawn(move || blocks.recv().unwrap()));
        eventually("it holds the worker up", || named_state("holds up") == Some(State::Running));
        let text = debug::dump().to_string();
        assert!(text.contains("no backtraces from worker 0: "), "{text}");
        assert!(text.contains("`holds up`, spawned at"), "{text}");
        assert!(text.contains("`behind` waits for a value to receive from a channel"), "{text}");
        unblock.send(()).unwrap();
        stuck.join().unwrap();
        // Later it works again.
        eventually("there is a backtrace", || {
            debug::dump().to_string().contains("a_function_of_the_users")
        });
        sender.send(1).unwrap();
        waiting.join().unwrap();
    });
}

fn named_state(name: &str) -> Option<State> {
    let all = debug::coroutines();
    all.iter().find(|info| info.name.as_deref() == Some(name)).map(|info| info.state)
}

#[test]
fn two_locks_in_opposite_order_are_a_cycle() {
    with_runtimes(|runtime| {
        let locks = Arc::new((Mutex::new(()), Mutex::new(())));
        let both = Arc::new(mco::std::sync::Barrier::new(2));
        let take = |crossed: bool| {
            let (locks, both) = (locks.clone(), both.clone());
            move || {
                let (first, second) =
                    if crossed { (&locks.1, &locks.0) } else { (&locks.0, &locks.1) };
                let _first = first.lock().unwrap();
                both.wait();
                let _second = second.lock().unwrap();
            }
        };
        let (straight, crossed) = runtime.run(|| {
            let straight = Builder::new().name("straight").spawn(take(false));
            (straight, Builder::new().name("crossed").spawn(take(true)))
        });
        eventually("they are stuck", || {
            let all = debug::coroutines();
            all.iter().filter(|info| info.is_stuck).count() >= 2
        });
        let all = debug::coroutines();
        let (one, other) = (named(&all, "straight"), named(&all, "crossed"));
        assert_eq!((one.waits_for, other.waits_for), (vec![other.id], vec![one.id]));
        assert_ne!(one.object, other.object);
        let text = debug::dump().to_string();
        let cycle = deadlocks_in(&text);
        assert!(cycle.contains("deadlock: 2 coroutines wait for each other"), "{text}");
        let says = |who: &CoroutineInfo, whom: &CoroutineInfo| {
            format!(
                "waits for a mutex at {}, held by coroutine {} `{}`",
                who.wait_site.unwrap(),
                whom.id,
                whom.name.as_ref().unwrap()
            )
        };
        let (one, other) = (named(&all, "straight"), named(&all, "crossed"));
        assert!(cycle.contains(&says(&one, &other)), "{cycle}");
        assert!(cycle.contains(&says(&other, &one)), "{cycle}");
        straight.cancel();
        straight.join().unwrap_err();
        crossed.join().unwrap();
        assert_eq!(deadlocks_in(&debug::dump().to_string()), "");
    });
}

#[test]
fn dining_philosophers_are_one_cycle() {
    with_runtimes(|runtime| {
        const SEATS: usize = 5;
        let forks: Arc<Vec<_>> = Arc::new((0..SEATS).map(|_| Mutex::new(())).collect());
        let all_have_one = Arc::new(mco::std::sync::Barrier::new(SEATS));
        let dine = |seat: usize| {
            let (forks, all) = (forks.clone(), all_have_one.clone());
            move || {
                let _left = forks[seat].lock().unwrap();
                all.wait();
                let _right = forks[(seat + 1) % SEATS].lock().unwrap();
            }
        };
        let handles: Vec<_> = runtime.run(|| {
            let spawn = |seat| Builder::new().name(format!("philosopher {seat}")).spawn(dine(seat));
            (0..SEATS).map(spawn).collect()
        });
        eventually("they are stuck", || stuck("philosopher") == SEATS);
        // One who waits for a philosopher is stuck too.
        let host = blocked(runtime, "host", {
            let first = forks.clone();
            move || drop(first[0].lock().unwrap())
        });
        eventually("they are stuck", || {
            debug::coroutines().iter().filter(|info| info.is_stuck).count() == SEATS + 1
        });
        let text = debug::dump().to_string();
        let cycle = deadlocks_in(&text);
        assert!(cycle.contains("deadlock: 5 coroutines wait for each other"), "{text}");
        assert!(cycle.contains("1 more waits for these"), "{text}");
        for (seat, handle) in handles.iter().enumerate() {
            let holder =
                format!("held by coroutine {} `philosopher {seat}`", handle.coroutine().id());
            assert!(cycle.contains(&holder), "{text}");
        }
        handles[0].cancel();
        let ends = handles.into_iter().map(|handle| handle.join().is_ok()).collect::<Vec<_>>();
        assert_eq!(ends, [false, true, true, true, true]);
        host.join().unwrap();
    });
}

#[test]
fn two_coroutines_that_join_each_other_are_a_cycle() {
    with_runtimes(|runtime| {
        let (to_one, for_one) = unbounded::<JoinHandle<()>>();
        let (to_other, for_other) = unbounded::<JoinHandle<()>>();
        let join = |handles: mco::std::sync::Receiver<JoinHandle<()>>| {
            move || drop(handles.recv().unwrap().join())
        };
        let one = runtime.spawn(join(for_one));
        let other = runtime.spawn(join(for_other));
        let stop = one.coroutine().clone();
        let ids = [one.coroutine().id(), other.coroutine().id()];
        to_one.send(other).unwrap();
        to_other.send(one).unwrap();
        let stuck = || {
            let all = debug::coroutines();
            let mut stuck: Vec<_> =
                all.iter().filter(|info| info.is_stuck).map(|info| info.id).collect();
            stuck.sort();
            stuck
        };
        eventually("they are stuck", || {
            stuck() == {
                let mut ids = ids;
                ids.sort();
                ids
            }
        });
        let text = debug::dump().to_string();
        assert!(
            deadlocks_in(&text).contains("waits for the end of another coroutine at"),
            "{text}"
        );
        stop.cancel();
        eventually("they end", || stuck().is_empty());
    });
}

#[test]
fn one_that_locks_twice_waits_for_itself() {
    with_runtimes(|runtime| {
        let handle = blocked(runtime, "twice", || {
            let mutex = Mutex::new(());
            let _once = mutex.lock().unwrap();
            drop(mutex.lock().unwrap());
        });
        let text = debug::dump().to_string();
        let who =
            format!("deadlock: coroutine {} `twice` waits for a mutex", handle.coroutine().id());
        assert!(text.contains(&who), "{text}");
        assert!(deadlocks_in(&text).contains("held by itself"), "{text}");
        handle.cancel();
        handle.join().unwrap_err();
    });
}

#[test]
fn a_writer_is_the_holder_of_its_lock() {
    with_runtimes(|runtime| {
        let lock = Arc::new(RwLock::new(()));
        let both = Arc::new(mco::std::sync::Barrier::new(2));
        let mutex = Arc::new(Mutex::new(()));
        let writer = {
            let (lock, mutex, both) = (lock.clone(), mutex.clone(), both.clone());
            runtime.run(|| {
                Builder::new().name("writer").spawn(move || {
                    let _lock = lock.write().unwrap();
                    both.wait();
                    let _mutex = mutex.lock().unwrap();
                })
            })
        };
        let reader = runtime.run(|| {
            Builder::new().name("reader").spawn(move || {
                let _mutex = mutex.lock().unwrap();
                both.wait();
                let _lock = lock.read().unwrap();
            })
        });
        eventually("they are stuck", || {
            debug::coroutines().iter().filter(|info| info.is_stuck).count() == 2
        });
        let text = debug::dump().to_string();
        assert!(deadlocks_in(&text).contains("waits for a read lock at"), "{text}");
        reader.cancel();
        reader.join().unwrap_err();
        writer.join().unwrap();
    });
}

#[test]
fn a_scope_waits_for_its_children() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| {
            let mutex = Mutex::new(());
            let held = mutex.lock().unwrap();
            coroutine::scope(|s| {
                s.spawn(|| drop(mutex.lock().unwrap()));
            });
            drop(held);
        });
        eventually("they are stuck", || {
            debug::coroutines().iter().filter(|info| info.is_stuck).count() == 2
        });
        let text = debug::dump().to_string();
        assert!(deadlocks_in(&text).contains("waits for the end of a scope at"), "{text}");
        handle.cancel();
        handle.join().unwrap_err();
    });
}

#[test]
fn a_lock_that_a_thread_holds_names_it_and_is_no_deadlock() {
    with_runtimes(|runtime| {
        let mutex = Arc::new(Mutex::new(()));
        let (locked, is_locked) = mpsc::channel();
        let (release, released) = mpsc::channel::<()>();
        let holder = thread::Builder::new().name("outsider".to_owned()).spawn({
            let mutex = mutex.clone();
            move || {
                let _guard = mutex.lock().unwrap();
                locked.send(()).unwrap();
                released.recv().unwrap();
            }
        });
        is_locked.recv().unwrap();
        let waits = blocked(runtime, "inside", move || drop(mutex.lock().unwrap()));
        let info = named(&debug::coroutines(), "inside");
        assert_eq!(info.held_by_thread.as_deref(), Some("outsider"));
        assert!(!info.is_stuck);
        let text = debug::dump().to_string();
        assert!(text.contains("held by the thread `outsider`"), "{text}");
        release.send(()).unwrap();
        holder.unwrap().join().unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn a_cycle_with_a_way_out_is_no_deadlock() {
    with_runtimes(|runtime| {
        let mutex = Arc::new(Mutex::new(()));
        let permits = Arc::new(Semaphore::new(0));
        let holder = {
            let (mutex, permits) = (mutex.clone(), permits.clone());
            blocked(runtime, "holder", move || {
                let _guard = mutex.lock().unwrap();
                permits.wait();
            })
        };
        let waits = blocked(runtime, "waits", {
            let mutex = mutex.clone();
            move || drop(mutex.lock().unwrap())
        });
        let all = debug::coroutines();
        assert_eq!(named(&all, "waits").waits_for, [holder.coroutine().id()]);
        assert!(!all.iter().any(|info| info.is_stuck));
        permits.post();
        holder.join().unwrap();
        waits.join().unwrap();
        // With a deadline, or a condition that anyone could make true.
        let sleeper = blocked(runtime, "sleeps with it", {
            let mutex = mutex.clone();
            move || {
                let _guard = mutex.lock().unwrap();
                coroutine::sleep(Duration::from_secs(3600));
            }
        });
        let waits = blocked(runtime, "waits for it", {
            let mutex = mutex.clone();
            move || drop(mutex.lock())
        });
        let changed = blocked(runtime, "condition", || {
            let (mutex, changed) = (Mutex::new(()), Condvar::new());
            drop(changed.wait(mutex.lock().unwrap()));
        });
        assert_eq!(deadlocks_in(&debug::dump().to_string()), "");
        changed.cancel();
        sleeper.cancel();
        waits.join().unwrap();
        changed.join().unwrap_err();
        sleeper.join().unwrap_err();
    });
}

/// Locks that are taken and given back all the time, in one order: now and then everyone waits for
/// somebody, but never in a cycle.
#[test]
fn no_coroutine_is_called_stuck_while_all_make_progress() {
    with_runtimes(|runtime| {
        let locks: Arc<Vec<_>> = Arc::new((0..4).map(|_| Mutex::new(0u64)).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let handles: Vec<_> = (0..16)
            .map(|n: usize| {
                let (locks, stop) = (locks.clone(), stop.clone());
                runtime.spawn(move || {
                    while !stop.load(Ordering::SeqCst) {
                        let mut low = locks[n % 3].lock().unwrap();
                        if n.is_multiple_of(2) {
                            coroutine::yield_now();
                        }
                        *locks[n % 3 + 1].lock().unwrap() += 1;
                        *low += 1;
                    }
                })
            })
            .collect();
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(500) {
            let all = debug::coroutines();
            let accused: Vec<_> = all.iter().filter(|info| info.is_stuck).collect();
            assert!(accused.is_empty(), "{accused:#?}");
        }
        stop.store(true, Ordering::SeqCst);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn ids_are_unique_and_in_order() {
    within(HUNG, || {
        let runtime = runtime(2);
        let handles: Vec<_> = (0..100).map(|_| runtime.spawn(coroutine::park)).collect();
        let ids: HashSet<_> = handles.iter().map(|handle| handle.coroutine().id()).collect();
        let seen = || -> Vec<_> {
            let all = debug::coroutines();
            all.iter().map(|info| info.id).filter(|id| ids.contains(id)).collect()
        };
        eventually("all are seen", || seen().len() == 100);
        assert!(seen().is_sorted());
        for handle in handles {
            handle.coroutine().unpark();
            handle.join().unwrap();
        }
    });
}

/// How many of those whose names begin so are stuck.
fn stuck(prefix: &str) -> usize {
    let all = debug::coroutines();
    let names = |info: &&CoroutineInfo| info.name.as_deref().is_some_and(|n| n.starts_with(prefix));
    all.iter().filter(names).filter(|info| info.is_stuck).count()
}

#[test]
fn of_a_channel_it_is_said_where_the_other_end_was_used_last_and_who_waited() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded::<u8>(0);
        let made = line!() - 1;
        let _another = sender.clone();
        let sends = sender.clone();
        let used = line!() + 1;
        let uses = runtime.run(|| Builder::new().name("end user").spawn(move || sends.send(1)));
        eventually("it waits to send", || is_blocked("end user"));
        let waits = blocked(runtime, "end waiter", {
            let receiver = receiver.clone();
            move || [receiver.recv().unwrap(), receiver.recv().unwrap()]
        });
        let user = uses.coroutine().id();
        uses.join().unwrap().unwrap();
        eventually("its handle is gone, and it waits again", || {
            let end = named(&debug::coroutines(), "end waiter").other_end;
            end.is_some_and(|end| end.handles == 2)
        });
        let end = named(&debug::coroutines(), "end waiter").other_end.unwrap();
        assert_eq!((end.made_at.file(), end.made_at.line()), (file!(), made));
        let at = end.last_used_at.unwrap();
        assert_eq!((at.file(), at.line()), (file!(), used));
        let text = debug::dump().to_string();
        let said = format!(
            "  the channel, made at {}, has 2 senders, last used at {at}; the last to wait with one was \
             coroutine {user}\n",
            end.made_at
        );
        assert_eq!((end.last_waited, end.last_waited_thread), (Some(user), None));
        assert!(section_of(&text, "end waiter").contains(&said), "{text}");
        sender.send(2).unwrap();
        assert_eq!(waits.join().unwrap(), [1, 2]);
    });
}

#[test]
fn a_thread_that_has_waited_at_the_other_end_is_named() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded::<u8>(0);
        let (release, released) = mpsc::channel::<()>();
        let (waited, has_waited) = mpsc::channel();
        let uses = thread::Builder::new().name("uses an end".to_owned()).spawn(move || {
            sender.send_timeout(1, Duration::from_millis(1)).unwrap_err();
            waited.send(()).unwrap();
            let _ = released.recv();
            drop(sender);
        });
        has_waited.recv().unwrap();
        let waits = blocked(runtime, "thread waiter", move || receiver.recv().unwrap_err());
        let end = named(&debug::coroutines(), "thread waiter").other_end.unwrap();
        assert_eq!(end.last_waited_thread.as_deref(), Some("uses an end"));
        drop(release);
        uses.unwrap().join().unwrap();
        waits.join().unwrap();
    });
}

#[test]
fn of_an_end_that_nobody_has_used_no_use_is_told() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded::<u8>(0);
        let waits = blocked(runtime, "unused waiter", move || sender.send(1));
        let end = named(&debug::coroutines(), "unused waiter").other_end.unwrap();
        assert_eq!((end.handles, end.last_used_at, end.last_waited), (1, None, None));
        let text = debug::dump().to_string();
        let section = section_of(&text, "unused waiter");
        assert!(section.contains(", has 1 receiver\n"), "{text}");
        drop(receiver);
        waits.join().unwrap().unwrap_err();
    });
}

#[test]
fn an_arm_for_a_channel_says_what_is_known_of_its_other_end() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded::<u8>();
        let (_quit, quits) = unbounded::<u8>();
        let waits = blocked(runtime, "arm waiter", move || {
            select! {
                v = receiver.recv() => v.unwrap_err(),
                v = quits.recv() => panic!("nobody sends {v:?}"),
            }
        });
        let info = named(&debug::coroutines(), "arm waiter");
        assert_eq!(info.other_end, None);
        assert_eq!(info.arms[0].other_end.as_ref().unwrap().handles, 1);
        let text = debug::dump().to_string();
        let made_at = info.arms[1].other_end.as_ref().unwrap().made_at;
        let said = format!("  arm 2: the channel, made at {made_at}, has 1 sender\n");
        assert!(section_of(&text, "arm waiter").contains(&said), "{text}");
        drop(sender);
        waits.join().unwrap();
    });
}

/// A coroutine that has given the sender, with which it was spawned, to a thread, and joins the receiver.
#[test]
fn who_has_given_a_handle_away_is_not_accused() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded::<()>();
        let (release, released) = mpsc::channel::<()>();
        let receives = blocked(runtime, "fair receiver", move || receiver.recv());
        let (give, given) = mpsc::channel();
        let outside = thread::spawn(move || {
            let sender: mco::std::sync::Sender<()> = given.recv().unwrap();
            let _ = released.recv();
            drop(sender);
        });
        let joins = blocked(runtime, "fair giver", move || {
            give.send(sender).unwrap();
            receives.join().unwrap().unwrap_err();
        });
        for _ in 0..10 {
            let dump = debug::dump();
            assert!(!dump.coroutines().any(|info| info.is_stuck), "{dump}");
            assert_eq!(deadlocks_in(&dump.to_string()), "");
        }
        drop(release);
        outside.join().unwrap();
        joins.join().unwrap();
    });
}

/// Each of these waits for a channel whose other end somebody has who could use it.
#[test]
fn a_receiver_with_a_free_sender_is_not_stuck() {
    with_runtimes(|runtime| {
        // By a thread, to which it has gone.
        let (sender, receiver) = unbounded::<()>();
        let (release, released) = mpsc::channel::<()>();
        let outside = thread::spawn(move || {
            let _ = released.recv();
            drop(sender);
        });
        // A coroutine made it, has its bytes in its frames, and waits for the receiver.
        let waits_for_receiver = runtime.run(move || {
            Builder::new().name("fed parent").spawn(move || {
                let child = Builder::new().name("fed by thread").spawn(move || receiver.recv());
                child.join().unwrap().unwrap_err();
            })
        });
        // By one that sleeps.
        let (sender, receiver) = unbounded::<()>();
        let sleeps = runtime.run(|| {
            Builder::new().name("fed sleeper").spawn(move || {
                coroutine::sleep(Duration::from_secs(3600));
                drop(sender);
            })
        });
        let by_sleeper =
            runtime.run(|| Builder::new().name("fed by sleeper").spawn(move || receiver.recv()));
        // By one that was spawned with it and has passed it on to a child that lives.
        let (sender, receiver) = unbounded::<()>();
        let (to_child, for_child) = unbounded::<()>();
        let passed_on = runtime.run(|| {
            let receives = Builder::new().name("fed by child").spawn(move || receiver.recv());
            Builder::new().name("fed passer").spawn(move || {
                let child = Builder::new().name("fed child").spawn(move || {
                    for_child.recv().unwrap_err();
                    drop(sender);
                });
                receives.join().unwrap().unwrap_err();
                child.join().unwrap();
            })
        });
        // By another clone, in a structure.
        let (sender, receiver) = unbounded::<()>();
        let registry = Arc::new(std::sync::Mutex::new(vec![sender.clone()]));
        let holds = runtime.run(|| {
            Builder::new().name("fed holder").spawn(move || {
                let own = sender;
                receiver.recv().unwrap_err();
                drop(own);
            })
        });
        let all = || {
            let all = debug::coroutines();
            let fed = |info: &&CoroutineInfo| {
                info.name.as_deref().is_some_and(|name| name.starts_with("fed"))
            };
            all.iter().filter(fed).filter(|info| info.state == State::Blocked).count()
        };
        eventually("all are blocked", || all() == 8);
        for _ in 0..10 {
            assert_eq!(stuck("fed"), 0, "{}", debug::dump());
        }
        drop(release);
        outside.join().unwrap();
        waits_for_receiver.join().unwrap();
        sleeps.cancel();
        sleeps.join().unwrap_err();
        by_sleeper.join().unwrap().unwrap_err();
        drop(to_child);
        passed_on.join().unwrap();
        drop(registry);
        holds.cancel();
        holds.join().unwrap_err();
    });
}

/// What the text says of the coroutine of that name.
#[track_caller]
fn section_of<'a>(text: &'a str, name: &str) -> &'a str {
    let rest = text.split(&format!("`{name}` wait")).nth(1);
    rest.unwrap_or_else(|| panic!("{text}")).split("\n\n").next().unwrap()
}

fn reasons(arms: &[ArmInfo]) -> Vec<Reason> {
    arms.iter().map(|arm| arm.wait_reason).collect()
}

#[test]
fn a_select_is_shown_with_what_each_arm_waits_for() {
    with_runtimes(|runtime| {
        let joined = blocked(runtime, "joined", coroutine::park);
        let id = joined.coroutine().id();
        let (stop, joined) = (joined.coroutine().clone(), Arc::new(joined));
        let (_sender, values) = unbounded::<u8>();
        let (room, _receiver) = bounded::<u8>(0);
        let (permits, flag, group) = (Semaphore::new(0), SyncFlag::new(), WaitGroup::new());
        let (quit, quits) = unbounded::<()>();
        let selects = blocked(runtime, "selects", {
            let (handle, others) = (joined.clone(), group.clone());
            move || {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let handle = &*handle;
                select! {
                    _ = values.recv() => panic!("nothing was sent"),
                    _ = room.send(1) => panic!("nobody receives"),
                    _ = coroutine::sleep(Duration::from_secs(3600)) => panic!("an hour has passed"),
                    _ = handle.join() => panic!("it is parked"),
                    _ = permits.wait() => panic!("there is no permit"),
                    _ = flag.wait() => panic!("it is not fired"),
                    _ = others.wait() => panic!("the group has others"),
                    _ = listener.accept() => panic!("nobody connects"),
                    _ = quits.recv() => (),
                }
            }
        });
        let info = named(&debug::coroutines(), "selects");
        assert_eq!(info.wait_reason, Some(Reason::Select));
        assert_eq!(
            reasons(&info.arms),
            [
                Reason::Receive,
                Reason::Send,
                Reason::Sleep,
                Reason::Join,
                Reason::Semaphore,
                Reason::SyncFlag,
                Reason::WaitGroup,
                Reason::Accept,
                Reason::Receive
            ]
        );
        assert_eq!(info.arms[3].waits_for, [id]);
        assert!(info.arms.iter().all(|arm| !arm.is_child));
        let until = info.arms[2].until.expect("the sleep ends");
        assert!(until > Instant::now() + Duration::from_secs(3000));
        let text = debug::dump().to_string();
        let line = section_of(&text, "selects").lines().find(|line| line.contains("its arms"));
        let line = line.unwrap_or_else(|| panic!("{text}"));
        assert!(
            line.contains(
                "  its arms: a value to receive from a channel; room to send into a channel; the end \
                 of a sleep, for 59 min"
            ),
            "{line}"
        );
        let rest = format!(
            "; the end of coroutine {id} `joined`; a permit of a semaphore; a sync flag; the end of a \
             wait group; a connection to accept; a value to receive from a channel"
        );
        assert!(line.ends_with(&rest), "{line}");
        quit.send(()).unwrap();
        selects.join().unwrap();
        stop.unpark();
        Arc::into_inner(joined).expect("the other is gone").join().unwrap();
        drop(group);
    });
}

#[test]
fn an_arm_and_a_wait_for_the_same_thing_are_recognised() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded::<()>();
        let permits = Arc::new(Semaphore::new(0));
        let receives = |receiver: Receiver<()>| move || assert!(receiver.recv().is_err());
        let handles = [
            blocked(runtime, "receives", receives(receiver.clone())),
            blocked(runtime, "takes a permit", {
                let permits = permits.clone();
                move || permits.wait()
            }),
            blocked(runtime, "either", {
                let permits = permits.clone();
                move || {
                    select! {
                        _ = receiver.recv() => (),
                        _ = permits.wait() => (),
                    }
                }
            }),
        ];
        let all = debug::coroutines();
        let objects: Vec<_> = named(&all, "either").arms.iter().map(|arm| arm.object).collect();
        assert_eq!(objects, [named(&all, "receives").object, named(&all, "takes a permit").object]);
        assert!(objects[0].is_some() && objects[1].is_some() && objects[0] != objects[1]);
        drop(sender);
        permits.post();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn an_arm_that_a_child_runs_names_the_child() {
    with_runtimes(|runtime| {
        let mutex = Arc::new(Mutex::new(()));
        let held = blocked(runtime, "holds it", {
            let mutex = mutex.clone();
            move || {
                let _guard = mutex.lock().unwrap();
                coroutine::park();
            }
        });
        let (sender, receiver) = unbounded::<()>();
        let selects = blocked(runtime, "has a child", move || {
            select! {
                _ = { drop(mutex.lock().unwrap()) } => (),
                _ = receiver.recv() => panic!("nothing was sent"),
            }
        });
        let child = || {
            let all = debug::coroutines();
            let arms = named(&all, "has a child").arms;
            let [child, receive] = arms.as_slice() else { panic!("{all:#?}") };
            assert!(child.is_child && !receive.is_child);
            let waits = |info: &&CoroutineInfo| info.wait_reason == Some(Reason::Mutex);
            let waiting = all.iter().find(waits)?;
            assert_eq!(child.waits_for, [waiting.id]);
            // Where the arm is written, and not where mco spawns it.
            assert_eq!(waiting.spawned_at.file(), file!());
            Some(waiting.id)
        };
        eventually("the child waits", || child().is_some());
        let id = child().expect("it goes on waiting");
        let text = debug::dump().to_string();
        let section = section_of(&text, "has a child");
        let arms = format!(
            "  its arms: an expression, which coroutine {id} runs; a value to receive from a channel\n"
        );
        assert!(section.contains(&arms), "{section}");
        held.coroutine().unpark();
        held.join().unwrap();
        selects.join().unwrap();
        drop(sender);
    });
}

#[test]
fn arms_that_are_disabled_are_not_shown_and_make_another_group() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded::<()>();
        let permits = Arc::new(Semaphore::new(0));
        let spawn = |name: &str, on: bool| {
            let (receiver, permits) = (receiver.clone(), permits.clone());
            blocked(runtime, name, move || {
                select! {
                    _ = permits.wait(), if on => (),
                    _ = receiver.recv() => (),
                }
            })
        };
        let handles = [spawn("with both", true), spawn("also both", true), spawn("one arm", false)];
        let all = debug::coroutines();
        assert_eq!(reasons(&named(&all, "one arm").arms), [Reason::Receive]);
        let text = debug::dump().to_string();
        let section = section_of(&text, "one arm");
        assert!(section.contains("  its arms: a value to receive from a channel\n"), "{section}");
        let section = section_of(&text, "also both");
        assert!(
            text.contains("2 coroutines: ") && section.contains("semaphore; a value"),
            "{text}"
        );
        drop(sender);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn arms_are_looked_at_while_selects_go_on() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let (a, b, c) = (bounded::<usize>(0), bounded::<usize>(1), unbounded::<usize>());
        let sends = runtime.spawn({
            let stop = stop.clone();
            move || {
                let mut sent = 0;
                while !stop.load(Ordering::SeqCst) {
                    select! {
                        r = a.0.send(sent) => r.unwrap(),
                        r = b.0.send(sent) => r.unwrap(),
                        r = { c.0.send(sent) } => r.unwrap(),
                    }
                    sent += 1;
                }
                sent
            }
        });
        let receives = runtime.run(|| {
            Builder::new().name("busy select").spawn(move || {
                let (mut got, mut open) = (0, [true; 3]);
                loop {
                    let (index, more) = select! {
                        v = a.1.recv(), if open[0] => (0, v.is_ok()),
                        v = b.1.recv(), if open[1] => (1, v.is_ok()),
                        v = c.1.recv(), if open[2] => (2, v.is_ok()),
                        else => break got,
                    };
                    got += usize::from(more);
                    open[index] = more;
                }
            })
        });
        let start = Instant::now();
        let mut seen = 0;
        while seen < 20 || start.elapsed() < Duration::from_millis(300) {
            let all = debug::coroutines();
            let info = all.iter().find(|info| info.wait_reason == Some(Reason::Select));
            if let Some(info) = info {
                assert!((1..=3).contains(&info.arms.len()), "{info:#?}");
                seen += 1;
            }
            assert!(!all.iter().any(|info| info.is_stuck));
        }
        stop.store(true, Ordering::SeqCst);
        let sent = sends.join().unwrap();
        assert!(receives.join().unwrap() >= sent);
    });
}

/// One selects over the end of another, and an expression that locks what that one has locked; that one
/// waits for a lock of the first. `quit` is for a third arm.
fn select_in_a_cycle(
    runtime: &Runtime,
    quit: Option<Receiver<()>>,
) -> (JoinHandle<()>, Arc<JoinHandle<()>>) {
    let (gate, inner) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let both = Arc::new(mco::std::sync::Barrier::new(2));
    let other = runtime.run(|| {
        let (gate, inner, both) = (gate.clone(), inner.clone(), both.clone());
        Builder::new().name("cycle other").spawn(move || {
            let _inner = inner.lock().unwrap();
            both.wait();
            drop(gate.lock().unwrap());
        })
    });
    let other = Arc::new(other);
    let joins = other.clone();
    let selects = runtime.run(|| {
        Builder::new().name("cycle select").spawn(move || {
            let _gate = gate.lock().unwrap();
            both.wait();
            let joins = &*joins;
            let quits = |quit: &Receiver<()>| quit.recv().unwrap();
            match quit {
                Some(quit) => select! {
                    _ = joins.join() => panic!("it waits for this one"),
                    _ = { drop(inner.lock()) } => panic!("it is locked"),
                    _ = { quits(&quit) } => (),
                },
                None => select! {
                    _ = joins.join() => panic!("it waits for this one"),
                    _ = { drop(inner.lock()) } => panic!("it is locked"),
                },
            }
        })
    });
    (selects, other)
}

#[test]
fn a_select_of_which_all_arms_are_stuck_is_stuck() {
    with_runtimes(|runtime| {
        let (selects, other) = select_in_a_cycle(runtime, None);
        eventually("they are stuck", || stuck("cycle") == 2);
        // And the child that runs an arm.
        let all = debug::coroutines();
        assert_eq!(all.iter().filter(|info| info.is_stuck).count(), 3);
        let text = debug::dump().to_string();
        let cycle = deadlocks_in(&text);
        assert!(cycle.contains("deadlock: 2 coroutines wait for each other"), "{text}");
        let id = selects.coroutine().id();
        let held_by = format!("held by coroutine {id} `cycle select`");
        assert!(cycle.contains("of which one is up to coroutine"), "{text}");
        assert!(cycle.contains(&held_by), "{text}");
        selects.cancel();
        selects.join().unwrap_err();
        Arc::into_inner(other).expect("the select is over").join().unwrap();
        assert_eq!(deadlocks_in(&debug::dump().to_string()), "");
    });
}

#[test]
fn a_select_with_one_arm_that_could_happen_is_not_stuck() {
    with_runtimes(|runtime| {
        let (quit, quits) = unbounded();
        let (selects, other) = select_in_a_cycle(runtime, Some(quits));
        let waits = |name: &str, reason| {
            let all = debug::coroutines();
            all.iter().any(|i| i.name.as_deref() == Some(name) && i.wait_reason == Some(reason))
        };
        eventually("both wait", || {
            waits("cycle select", Reason::Select) && waits("cycle other", Reason::Mutex)
        });
        for _ in 0..10 {
            let dump = debug::dump();
            assert!(!dump.coroutines().any(|info| info.is_stuck), "{dump}");
        }
        quit.send(()).unwrap();
        selects.join().unwrap();
        Arc::into_inner(other).expect("the select is over").join().unwrap();
    });
}

fn not_started(dump: &Dump) -> Vec<&CoroutineInfo> {
    dump.coroutines().filter(|info| info.state == State::NotStarted).collect()
}

#[test]
fn what_was_spawned_from_outside_and_has_not_started_is_listed() {
    within(HUNG, || {
        // Another worker is started for them after a while, maybe before they are seen.
        eventually("they are listed", || {
            let runtime = runtime(1);
            let (stop, stopped) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            let holds_up = runtime.spawn(move || {
                begin.send(()).unwrap();
                stopped.recv().unwrap_err();
            });
            begun.recv().unwrap();
            let unstarted: Vec<_> = (0..3).map(|_| runtime.spawn(|| ())).collect();
            let dump = debug::dump();
            let text = dump.to_string();
            let listed = not_started(&dump);
            let all = listed.len() == 3;
            if all {
                let ids: Vec<_> = unstarted.iter().map(|handle| handle.coroutine().id()).collect();
                assert_eq!(listed.iter().map(|info| info.id).collect::<Vec<_>>(), ids);
                for info in listed {
                    assert_eq!(info.spawned_at, unstarted[0].coroutine().spawned_at());
                    assert!(info.since.is_none() && info.wait_reason.is_none() && !info.is_stuck);
                }
                assert_eq!(dump.not_started(), 3);
                assert!(
                    text.contains("1 coroutine: 1 running, 0 ready, 0 blocked; 3 not"),
                    "{text}"
                );
                let [a, b, c] = ids.as_slice() else { unreachable!("there are three") };
                let group = format!(
                    "3 coroutines: {a}, {b}, {c} not started\n  spawned at {}\n",
                    unstarted[0].coroutine().spawned_at()
                );
                assert!(text.contains(&group), "{text}");
            }
            drop(stop);
            holds_up.join().unwrap();
            unstarted.into_iter().for_each(|handle| handle.join().unwrap());
            all
        });
    });
}

#[test]
fn what_a_worker_has_queued_is_listed_and_stays_in_order() {
    within(HUNG, || {
        const COUNT: usize = 3000;
        let runtime = runtime(1);
        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let parent = runtime.spawn({
            let order = order.clone();
            move || {
                let child = |number| {
                    let order = order.clone();
                    Builder::new().name(format!("child {number}")).spawn(move || {
                        order.lock().unwrap().push(number);
                        let start = Instant::now();
                        while start.elapsed() < Duration::from_micros(200) {
                            std::hint::spin_loop();
                        }
                    })
                };
                (0..COUNT).map(child).collect::<Vec<_>>()
            }
        });
        let mut most = 0;
        while order.lock().unwrap().len() < COUNT {
            let dump = debug::dump();
            let listed = not_started(&dump);
            for info in &listed {
                let name = info.name.as_deref();
                let known = name.is_some_and(|name| name.starts_with("child "));
                assert!(known || info.name.is_none(), "{info:?}");
                assert_eq!(info.spawned_at.file(), file!());
            }
            assert!(dump.not_started() >= listed.len());
            most = most.max(listed.len());
        }
        parent.join().unwrap().into_iter().for_each(|child| child.join().unwrap());
        assert!(most >= 100, "{most} were listed at most");
        let order = std::mem::take(&mut *order.lock().unwrap());
        // Each runs once: the newest first, but now and then the oldest.
        let mut left: std::collections::BTreeSet<usize> = (0..COUNT).collect();
        let mut out_of_turn = 0;
        for number in order {
            let ends = [left.first().copied(), left.last().copied()];
            out_of_turn += usize::from(!ends.contains(&Some(number)));
            assert!(left.remove(&number), "{number} has run twice");
        }
        assert!(left.is_empty(), "{left:?} have not run");
        // Others may come in between while the worker has no processor for long.
        assert!(out_of_turn <= 10, "{out_of_turn} were not in their turn");
    });
}

#[test]
fn unstarted_coroutines_of_a_blocked_worker_are_counted() {
    within(HUNG, || {
        let runtime = runtime(1);
        // As many as may ever have a worker, so that all are held up.
        const WORKERS: usize = 17;
        let (begin, begun) = mpsc::channel();
        let (spawn, spawns) = mpsc::channel::<()>();
        let mut spawns = Some(spawns);
        let (stops, handles): (Vec<_>, Vec<_>) = (0..WORKERS)
            .map(|_| {
                let (stop, stopped) = mpsc::channel::<()>();
                let (begin, spawns) = (begin.clone(), spawns.take());
                let handle = runtime.spawn(move || {
                    begin.send(()).unwrap();
                    let asked = spawns.is_some_and(|spawns| spawns.recv().is_ok());
                    let count = if asked { 5 } else { 0 };
                    let children: Vec<_> = (0..count).map(|_| coroutine::spawn(|| ())).collect();
                    begin.send(()).unwrap();
                    stopped.recv().unwrap_err();
                    children
                });
                begun.recv().unwrap();
                (stop, handle)
            })
            .unzip();
        spawn.send(()).unwrap();
        (0..WORKERS).for_each(|_| begun.recv().unwrap());
        // The newest one is offered to all by then, and can be listed.
        let mut text = String::new();
        eventually("they are counted", || {
            let dump = debug::dump();
            text = dump.to_string();
            (dump.not_started(), not_started(&dump).len()) == (5, 1)
        });
        assert!(
            text.contains("not listed are 4 of those that have not started: worker 0,"),
            "{text}"
        );
        assert!(text.contains("; 5 not started"), "{text}");
        drop(stops);
        for handle in handles {
            handle.join().unwrap().into_iter().for_each(|child| child.join().unwrap());
        }
    });
}

#[test]
fn nothing_that_has_not_started_gets_lost_while_it_is_listed() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let ran = Arc::new(AtomicUsize::new(0));
        let spawned = Arc::new(AtomicUsize::new(0));
        let burst = |runtime: &Runtime| -> Vec<_> {
            let one = || {
                let ran = ran.clone();
                spawned.fetch_add(1, Ordering::SeqCst);
                move || {
                    ran.fetch_add(1, Ordering::SeqCst);
                }
            };
            let outside = (0..50).map(|_| runtime.spawn(one())).collect::<Vec<_>>();
            let inside = {
                let all: Vec<_> = (0..50).map(|_| one()).collect();
                runtime.run(|| all.into_iter().map(coroutine::spawn).collect::<Vec<_>>())
            };
            outside.into_iter().chain(inside).collect()
        };
        let dumps = thread::spawn({
            let stop = stop.clone();
            move || {
                let mut listed = 0;
                while !stop.load(Ordering::SeqCst) {
                    listed += not_started(&debug::dump()).len();
                }
                listed
            }
        });
        let start = Instant::now();
        let mut bursts = 0;
        while bursts < 20 || start.elapsed() < Duration::from_millis(500) {
            // Each join would hang if one got lost, or nobody woke up for it.
            burst(runtime).into_iter().for_each(|handle| handle.join().unwrap());
            bursts += 1;
        }
        stop.store(true, Ordering::SeqCst);
        dumps.join().unwrap();
        assert_eq!(ran.load(Ordering::SeqCst), spawned.load(Ordering::SeqCst));
    });
}
