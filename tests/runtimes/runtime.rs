//! Runtimes: how they are built, what they run, and how they end.

use std::cell::Cell;
use std::io::{self, Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Cancelled, JoinHandle};
use mco::runtime::{Handle, Runtime};
use mco_tests::{
    HUNG, child, eventually, process, quiet, runtime, sockets, text_of, with_runtimes, within,
};

/// Counts that it was dropped.
struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[track_caller]
fn assert_invalid(outcome: io::Result<Runtime>, words: &[&str]) {
    let error = outcome.expect_err("this cannot be built");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    let text = error.to_string();
    assert!(words.iter().all(|word| text.contains(word)), "{words:?} are not in: {text}");
}

#[test]
fn no_workers_is_refused() {
    assert_invalid(Runtime::builder().workers(0).build(), &["0 workers", "1 to"]);
}

#[test]
fn too_many_workers_are_refused() {
    assert_invalid(Runtime::builder().workers(5_000).build(), &["5000 workers", "1 to"]);
    assert_invalid(Runtime::builder().workers(usize::MAX).build(), &["workers", "1 to"]);
}

#[test]
fn a_stack_size_of_zero_is_refused() {
    assert_invalid(Runtime::builder().stack_size(0).build(), &["0 bytes", "65536"]);
}

#[test]
fn a_stack_size_that_cannot_be_had_is_told_by_each_spawn() {
    let mode = std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap_or_default();
    if mode.trim() == "1" {
        eprintln!("SKIPPED: with `vm.overcommit_memory=1` such a stack can be had");
        return;
    }
    within(HUNG, || {
        // Refused here, or by each spawn; not silently.
        let runtime = match Runtime::builder().workers(1).stack_size(1 << 50).build() {
            Ok(runtime) => runtime,
            Err(error) => return assert!(error.to_string().contains("ask for"), "{error}"),
        };
        let payload = runtime.spawn(|| ()).join().unwrap_err();
        assert!(text_of(&*payload).contains("ask for"), "{}", text_of(&*payload));
        let payload = panic::catch_unwind(AssertUnwindSafe(|| runtime.run(|| ()))).unwrap_err();
        assert!(text_of(&*payload).contains("ask for"), "`run` says {}", text_of(&*payload));
    });
}

#[test]
fn the_settings_of_the_global_runtime_refuse_zero() {
    quiet::panics_on_purpose();
    for set in [|| mco::config().set_workers(0), || mco::config().set_stack_size(0)] {
        let payload = panic::catch_unwind(set).unwrap_err();
        assert!(text_of(&*payload).contains("(0)"), "{}", text_of(&*payload));
    }
}

#[test]
fn the_global_runtime_is_built_as_config_says() {
    child::pass(|| {
        mco::config().set_workers(3).set_stack_size(1 << 20).set_pool_capacity(7);
        assert_eq!(mco::config().get_workers(), 3);
        assert_eq!(mco::config().get_pool_capacity(), 7);
        let handle = coroutine::spawn(|| ());
        assert_eq!(handle.coroutine().stack_size(), 1 << 20);
        handle.join().unwrap();
        assert_eq!(mco::runtime::metrics().workers().len(), 3);
    });
}

#[test]
fn run_returns_what_its_closure_does_and_lets_it_borrow() {
    with_runtimes(|runtime| {
        let text = String::from("borrowed");
        let mut out = Vec::new();
        let length = runtime.run(|| {
            out.extend(text.bytes());
            text.len()
        });
        assert_eq!((length, out.len()), (8, 8));
    });
}

#[test]
fn run_works_from_threads_coroutines_and_other_runtimes() {
    with_runtimes(|outer| {
        let inner = runtime(1);
        assert_eq!(outer.run(|| inner.run(|| 1) + outer.run(|| 2)), 3);
        let handle = outer.handle();
        let thread = thread::spawn(move || runtime(1).run(|| handle.spawn(|| 4).join().unwrap()));
        assert_eq!(thread.join().unwrap(), 4);
    });
}

#[test]
fn several_threads_run_on_one_runtime() {
    with_runtimes(|runtime| {
        thread::scope(|s| {
            for n in 0..4 {
                s.spawn(move || {
                    for round in 0..200 {
                        let sum = runtime.run(|| {
                            coroutine::yield_now();
                            n + round
                        });
                        assert_eq!(sum, n + round);
                    }
                });
            }
        });
    });
}

#[test]
fn a_panic_passes_through_run() {
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        let run = || runtime.run(|| panic!("on purpose: root"));
        let payload = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: root");
        assert_eq!(runtime.run(|| 1), 1);
    });
}

#[test]
fn what_run_leaves_behind_goes_on() {
    with_runtimes(|runtime| {
        let (tell, told) = mpsc::channel();
        runtime.run(move || {
            coroutine::spawn(move || {
                coroutine::sleep(Duration::from_millis(5));
                tell.send(1)
            });
        });
        assert_eq!(told.recv(), Ok(1));
    });
}

#[test]
fn a_cancelled_run_takes_its_root_along() {
    with_runtimes(|outer| {
        let inner = Arc::new(runtime(1));
        let drops = Arc::new(AtomicUsize::new(0));
        let (runs, count) = (inner.clone(), Count(drops.clone()));
        let started = Arc::new(AtomicBool::new(false));
        let starts = started.clone();
        let caller = outer.spawn(move || {
            runs.run(move || {
                let _count = count;
                starts.store(true, Ordering::SeqCst);
                coroutine::park();
            });
        });
        eventually("the root has started", || started.load(Ordering::SeqCst));
        caller.cancel();
        assert!(caller.join().unwrap_err().is::<Cancelled>());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        assert_eq!(inner.metrics().live(), 0);
    });
}

#[test]
fn drop_cancels_what_waits_and_unwinds_it() {
    with_runtimes(|outer| {
        let runtime = runtime(outer.metrics().workers().len());
        let (drops, started) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (listener, _) = sockets::listener();
        let (mut near, _far) = sockets::mixed_pair();
        let waits: [Box<dyn FnOnce() + Send>; 7] = [
            Box::new(coroutine::park),
            Box::new(|| coroutine::sleep(HUNG)),
            Box::new(move || drop(listener.accept())),
            Box::new(move || drop(near.read(&mut [0]))),
            Box::new(|| drop(coroutine::spawn(coroutine::park).join())),
            Box::new(|| coroutine::scope(|s| drop(s.spawn(coroutine::park)))),
            Box::new(|| {
                loop {
                    coroutine::yield_now();
                }
            }),
        ];
        let spawn = |wait: Box<dyn FnOnce() + Send>| {
            let (count, started) = (Count(drops.clone()), started.clone());
            runtime.spawn(move || {
                let _count = count;
                started.fetch_add(1, Ordering::SeqCst);
                wait();
            })
        };
        let handles: Vec<_> = waits.into_iter().map(spawn).collect();
        eventually("all have started", || started.load(Ordering::SeqCst) == 7);
        drop(runtime);
        // Not after a while: the drop waits.
        assert_eq!(drops.load(Ordering::SeqCst), 7);
        assert!(handles.iter().all(JoinHandle::is_finished));
        let cancelled = handles.into_iter().filter_map(|handle| handle.join().err());
        assert!(cancelled.filter(|payload| payload.is::<Cancelled>()).count() >= 6);
    });
}

#[test]
fn drop_discards_what_has_not_started() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (held, holds) = mpsc::channel();
        let go_on = Arc::new(AtomicBool::new(false));
        let waits = go_on.clone();
        let holder = runtime.spawn(move || {
            held.send(()).unwrap();
            while !waits.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        });
        holds.recv().unwrap();
        let (ran, drops) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let spawn = |_| {
            let (count, ran) = (Count(drops.clone()), ran.clone());
            runtime.spawn(move || {
                let _count = count;
                ran.fetch_add(1, Ordering::SeqCst);
            })
        };
        let handles: Vec<_> = (0..100).map(spawn).collect();
        let dropper = thread::spawn(move || drop(runtime));
        eventually("the drop has begun", || !holder.is_finished());
        go_on.store(true, Ordering::SeqCst);
        dropper.join().unwrap();
        assert_eq!(drops.load(Ordering::SeqCst), 100);
        let finished = handles.into_iter().filter_map(|handle| match handle.join() {
            Ok(()) => Some(()),
            Err(payload) => {
                assert!(payload.is::<Cancelled>());
                None
            }
        });
        assert_eq!(finished.count(), ran.load(Ordering::SeqCst));
    });
}

#[test]
fn drop_waits_for_destructors_that_block() {
    with_runtimes(|outer| {
        struct Slow(Arc<AtomicUsize>);
        impl Drop for Slow {
            fn drop(&mut self) {
                coroutine::sleep(Duration::from_millis(5));
                coroutine::spawn(|| ()).join().unwrap_err();
                coroutine::yield_now();
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let runtime = runtime(outer.metrics().workers().len());
        let (drops, started) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..20 {
            let (slow, started) = (Slow(drops.clone()), started.clone());
            runtime.spawn(move || {
                let _slow = slow;
                started.fetch_add(1, Ordering::SeqCst);
                coroutine::park();
            });
        }
        eventually("all have started", || started.load(Ordering::SeqCst) == 20);
        drop(runtime);
        assert_eq!(drops.load(Ordering::SeqCst), 20);
    });
}

#[test]
fn drop_leaves_no_thread_descriptor_or_stack() {
    child::pass(|| {
        // Starts the global one, whose own threads and descriptors stay.
        drop(mco::runtime::metrics());
        let before = (process::threads(), process::descriptors());
        for workers in [1, 2, 8] {
            let runtime = runtime(workers);
            let parked: Vec<_> = (0..50).map(|_| runtime.spawn(coroutine::park)).collect();
            eventually("all have started", || runtime.metrics().live() == 50);
            let (listener, _) = sockets::listener();
            runtime.spawn(move || drop(listener.accept()));
            assert!(process::threads() >= before.0 + workers);
            drop(runtime);
            // The system lists a thread a moment longer than others have to wait for its end.
            eventually("no thread is left", || process::threads() == before.0);
            assert!(parked.into_iter().all(|handle| handle.join().is_err()));
            assert_eq!(process::descriptors(), before.1, "descriptors are left");
            assert_eq!(mco::runtime::metrics().stacks(), 0, "stacks are left");
        }
    });
}

#[test]
fn handles_that_are_kept_keep_no_descriptor_of_a_dropped_runtime() {
    child::pass(|| {
        let before = process::descriptors();
        let runtime = runtime(2);
        let handle = runtime.handle();
        let coroutine = runtime.spawn(coroutine::park);
        eventually("it has started", || runtime.metrics().live() == 1);
        drop(runtime);
        assert!(coroutine.is_finished());
        assert_eq!(process::descriptors(), before);
        assert!(handle.spawn(|| ()).join().is_err());
    });
}

#[test]
fn two_hundred_one_after_the_other_leave_nothing() {
    child::pass(|| {
        // The first brings what stays: handlers, the check of the guard pages.
        let cycle = || {
            let runtime = runtime(2);
            let (mut near, mut far) = sockets::pair();
            let handle = runtime.spawn(move || near.read_exact(&mut [0]));
            let parked = runtime.spawn(coroutine::park);
            runtime.run(|| far.write_all(b"x").unwrap());
            handle.join().unwrap().unwrap();
            drop(runtime);
            assert!(parked.join().is_err());
        };
        let count =
            || (process::threads(), process::descriptors(), mco::runtime::metrics().stacks());
        // Asking starts the global one.
        count();
        cycle();
        let before = count();
        let (maps, memory) = (process::maps(), process::resident());
        for _ in 0..200 {
            cycle();
        }
        // The system lists a thread a moment longer than others have to wait for its end.
        eventually("threads, descriptors and stacks are as before", || count() == before);
        assert!(process::maps() <= maps + 20, "{maps} mappings became {}", process::maps());
        let grown = process::resident().saturating_sub(memory);
        assert!(grown < 4 << 20, "it grew by {grown} bytes");
    });
}

#[test]
fn dropped_by_its_own_coroutine_it_ends_too() {
    child::pass(|| {
        let before = (process::threads(), process::descriptors());
        for workers in [1, 2, 8] {
            let runtime = runtime(workers);
            let handle = runtime.handle();
            let parked = runtime.spawn(coroutine::park);
            let (tell, told) = mpsc::channel();
            let dropper = handle.spawn(move || {
                coroutine::yield_now();
                drop(runtime);
                tell.send(()).unwrap();
                coroutine::park();
            });
            told.recv().unwrap();
            assert!(dropper.join().unwrap_err().is::<Cancelled>());
            assert!(parked.join().unwrap_err().is::<Cancelled>());
            assert!(handle.spawn(|| ()).join().unwrap_err().is::<Cancelled>());
            drop(handle);
            eventually("its threads end", || process::threads() == before.0);
            eventually("its descriptors go", || process::descriptors() == before.1);
        }
    });
}

#[test]
fn a_handle_of_a_dropped_runtime_cancels_what_it_spawns() {
    with_runtimes(|outer| {
        let runtime = runtime(outer.metrics().workers().len());
        let handle = runtime.handle();
        drop(runtime);
        let drops = Arc::new(AtomicUsize::new(0));
        let count = Count(drops.clone());
        let outcome = handle.spawn(move || drop(count)).join();
        assert!(outcome.unwrap_err().is::<Cancelled>());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
        drop(handle.metrics());
        drop(format!("{handle:?}"));
    });
}

#[test]
fn no_spawn_that_races_with_the_drop_is_forgotten() {
    within(2 * HUNG, || {
        for round in 0..600 {
            let runtime = runtime(1 + round % 3);
            let drops = Arc::new(AtomicUsize::new(0));
            let spawners: Vec<_> = (0..3)
                .map(|_| {
                    let (handle, drops) = (runtime.handle(), drops.clone());
                    let started = Arc::new(AtomicBool::new(false));
                    let starts = started.clone();
                    let thread = thread::spawn(move || {
                        let spawn = |_| {
                            let count = Count(drops.clone());
                            let handle = handle.spawn(move || drop(count));
                            starts.store(true, Ordering::SeqCst);
                            handle
                        };
                        (0..200).map(spawn).collect::<Vec<_>>()
                    });
                    eventually("it spawns", || started.load(Ordering::SeqCst));
                    thread
                })
                .collect();
            drop(runtime);
            let handles: Vec<_> = spawners.into_iter().flat_map(|t| t.join().unwrap()).collect();
            assert_eq!(handles.len(), 600);
            for handle in handles {
                eventually("each has run or was cancelled", || handle.is_finished());
            }
            assert_eq!(drops.load(Ordering::SeqCst), 600);
        }
    });
}

#[test]
fn what_is_spawned_by_those_that_unwind_is_cancelled() {
    with_runtimes(|outer| {
        struct Spawns(Handle, mpsc::Sender<bool>);
        impl Drop for Spawns {
            fn drop(&mut self) {
                let child = coroutine::spawn(|| ());
                let other = self.0.spawn(|| ());
                self.1.send(child.join().is_err() && other.join().is_err()).unwrap();
            }
        }
        let runtime = runtime(outer.metrics().workers().len());
        let (tell, told) = mpsc::channel();
        let started = Arc::new(AtomicBool::new(false));
        let (spawns, starts) = (Spawns(runtime.handle(), tell), started.clone());
        runtime.spawn(move || {
            let _spawns = spawns;
            starts.store(true, Ordering::SeqCst);
            coroutine::park();
        });
        eventually("it has started", || started.load(Ordering::SeqCst));
        drop(runtime);
        assert_eq!(told.recv(), Ok(true));
    });
}

#[test]
fn a_thread_that_joins_is_woken_by_the_drop() {
    with_runtimes(|outer| {
        let runtime = runtime(outer.metrics().workers().len());
        let handle = runtime.spawn(coroutine::park);
        let joiner = thread::spawn(move || handle.join().unwrap_err().is::<Cancelled>());
        eventually("it parks", || runtime.metrics().live() == 1);
        drop(runtime);
        assert!(joiner.join().unwrap());
    });
}

#[test]
fn a_coroutine_of_another_runtime_that_joins_is_woken_by_the_drop() {
    with_runtimes(|outer| {
        let runtime = runtime(1);
        let handle = runtime.spawn(coroutine::park);
        let joiner = outer.spawn(move || handle.join().unwrap_err().is::<Cancelled>());
        eventually("it parks", || runtime.metrics().live() == 1);
        drop(runtime);
        assert!(joiner.join().unwrap());
    });
}

#[test]
fn dropping_a_runtime_in_a_coroutine_of_another_holds_up_nobody() {
    struct Slow;
    impl Drop for Slow {
        fn drop(&mut self) {
            coroutine::sleep(Duration::from_millis(600));
        }
    }
    within(HUNG, || {
        let (here, there) = (runtime(1), runtime(1));
        there.spawn(|| {
            let _slow = Slow;
            coroutine::park();
        });
        eventually("it parks", || there.metrics().live() == 1);
        // A neighbour that has started, so that no spare worker can run it.
        let ticks = Arc::new(AtomicUsize::new(0));
        let counts = ticks.clone();
        let neighbour = here.spawn(move || {
            loop {
                coroutine::sleep(Duration::from_millis(1));
                counts.fetch_add(1, Ordering::SeqCst);
            }
        });
        eventually("it ticks", || ticks.load(Ordering::SeqCst) > 0);
        let before = ticks.load(Ordering::SeqCst);
        here.run(move || drop(there));
        let during = ticks.load(Ordering::SeqCst) - before;
        assert!(during > 50, "its neighbour had {during} turns of a millisecond in 600 ms");
        neighbour.cancel();
        assert!(neighbour.join().is_err());
    });
}

#[test]
fn dropping_a_runtime_whose_coroutines_wait_for_the_dropper_ends() {
    // A coroutine of one runtime drops another one, a coroutine of which says good-bye to a third,
    // which lives on the worker of the first.
    struct Farewell(coroutine::Coroutine, Arc<AtomicBool>);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.unpark();
            eventually("an answer", || self.1.load(Ordering::SeqCst));
        }
    }
    within(HUNG, || {
        let (here, there) = (runtime(1), runtime(1));
        let answered = Arc::new(AtomicBool::new(false));
        let answers = answered.clone();
        let third = here.spawn(move || {
            coroutine::park();
            answers.store(true, Ordering::SeqCst);
        });
        eventually("it parks", || here.metrics().live() == 1);
        let farewell = Farewell(third.coroutine().clone(), answered);
        there.spawn(move || {
            let _farewell = farewell;
            coroutine::park();
        });
        eventually("it parks", || there.metrics().live() == 1);
        here.run(move || drop(there));
        third.join().unwrap();
    });
}

#[test]
fn fifty_at_once() {
    within(HUNG, || {
        let runtimes: Vec<_> = (0..50).map(|_| runtime(2)).collect();
        let spawn = |(n, runtime): (usize, &Runtime)| {
            runtime.spawn(move || {
                coroutine::sleep(Duration::from_millis(1));
                n
            })
        };
        let handles: Vec<_> = runtimes.iter().enumerate().map(spawn).collect();
        let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
        assert_eq!(sum, 50 * 49 / 2);
    });
}

#[test]
fn programs_that_are_started_inherit_no_descriptor() {
    child::pass(|| {
        let runtime = runtime(2);
        let (listener, addr) = sockets::listener();
        let accept = runtime.spawn(move || (listener.accept().unwrap(), listener));
        let stream = runtime.run(|| mco::net::TcpStream::connect(addr).unwrap());
        let clone = stream.try_clone().unwrap();
        let accepted = accept.join().unwrap();
        let count = |listing: &str| listing.lines().count();
        let list = || {
            let output = std::process::Command::new("ls").arg("/proc/self/fd").output();
            String::from_utf8(output.expect("`ls` runs").stdout).unwrap()
        };
        let with = list();
        drop((stream, clone, accepted, runtime));
        let without = list();
        assert_eq!(count(&with), count(&without), "with:\n{with}without:\n{without}");
    });
}

#[test]
fn signals_that_interrupt_system_calls_disturb_nobody() {
    child::pass(|| {
        count_signals();
        let runtime = runtime(2);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let storm = thread::spawn(move || {
            while !stops.load(Ordering::SeqCst) {
                signal_all_threads();
                thread::sleep(Duration::from_micros(200));
            }
        });
        let (served, near) = sockets::mixed_pair();
        runtime.spawn(move || sockets::echo(served));
        let sleeper = runtime.spawn(|| {
            let start = std::time::Instant::now();
            (0..50).for_each(|_| coroutine::sleep(Duration::from_millis(2)));
            start.elapsed()
        });
        // Threads wait in system calls of their own.
        let mut ours = mco::net::TcpStream::try_from(near.try_clone().unwrap()).unwrap();
        for n in 0..500u32 {
            ours.write_all(&n.to_ne_bytes()).unwrap();
            let mut answer = [0; 4];
            ours.read_exact(&mut answer).unwrap();
            assert_eq!(u32::from_ne_bytes(answer), n);
        }
        for n in 0..500 {
            assert_eq!(runtime.spawn(move || n).join().unwrap(), n);
        }
        assert!(sleeper.join().unwrap() >= Duration::from_millis(100));
        stop.store(true, Ordering::SeqCst);
        storm.join().unwrap();
        near.shutdown(std::net::Shutdown::Both).unwrap();
        let signals = SIGNALS.load(Ordering::SeqCst);
        assert!(signals > 100, "only {signals} signals came");
    });
}

static SIGNALS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn on_signal(_: libc::c_int) {
    SIGNALS.fetch_add(1, Ordering::SeqCst);
}

/// From here on, `SIGUSR1` interrupts whatever system call it meets.
#[allow(unsafe_code)]
fn count_signals() {
    // SAFETY: a zeroed `sigaction` is a valid value, without `SA_RESTART`; the handler only counts.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_signal as *const () as libc::sighandler_t;
        assert_eq!(libc::sigaction(libc::SIGUSR1, &raw const action, std::ptr::null_mut()), 0);
    }
}

#[allow(unsafe_code)]
fn signal_all_threads() {
    for entry in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok())
        else {
            continue;
        };
        // SAFETY: sends a signal that has a handler to a thread of this process; one that has
        // ended is refused.
        unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, libc::SIGUSR1) };
    }
}

#[test]
fn runtimes_do_not_share_their_workers() {
    within(HUNG, || {
        let (one, other) = (runtime(2), runtime(2));
        let names = |runtime: &Runtime| {
            let name = |_| runtime.run(|| thread::current().id());
            (0..50).map(name).collect::<std::collections::HashSet<_>>()
        };
        assert!(names(&one).is_disjoint(&names(&other)));
    });
}

#[test]
fn threads_are_named_after_their_runtime() {
    within(HUNG, || {
        let runtime = Runtime::builder().workers(1).name("kitchen").build().unwrap();
        let name = runtime.run(|| thread::current().name().map(str::to_owned)).unwrap();
        assert!(name.starts_with("kitchen"), "{name}");
        let debug = format!("{runtime:?}");
        assert!(debug.contains("kitchen"), "{debug}");
    });
}

#[test]
fn metrics_count() {
    with_runtimes(|runtime| {
        let workers = runtime.metrics().workers().len();
        let parked: Vec<_> = (0..20).map(|_| runtime.spawn(coroutine::park)).collect();
        eventually("all have started", || runtime.metrics().live() == 20);
        let metrics = runtime.metrics();
        assert_eq!(metrics.spawned(), 20);
        assert!(metrics.resumed() >= 20);
        assert!(metrics.stacks() >= 20);
        assert_eq!(metrics.workers().len(), workers);
        assert_eq!(metrics.workers().iter().map(|w| w.live()).sum::<usize>(), 20);

        parked.iter().for_each(|handle| handle.coroutine().unpark());
        parked.into_iter().for_each(|handle| handle.join().unwrap());
        runtime.run(|| {
            let children: Vec<_> = (0..30).map(|_| coroutine::spawn(|| ())).collect();
            children.into_iter().for_each(|child| child.join().unwrap());
        });
        let metrics = runtime.metrics();
        assert_eq!((metrics.live(), metrics.spawned()), (0, 51));
        assert!(metrics.resumed() >= 71);
        assert!(metrics.workers().iter().map(|w| w.spawned()).sum::<u64>() >= 30);
    });
}

#[test]
fn metrics_are_those_of_the_callers_runtime() {
    with_runtimes(|runtime| {
        let workers = runtime.metrics().workers().len();
        let inside = runtime.run(|| {
            let metrics = mco::runtime::metrics();
            (metrics.live(), metrics.spawned(), metrics.workers().len())
        });
        assert_eq!(inside, (1, 1, workers));
    });
}

#[test]
fn stolen_work_is_counted() {
    within(HUNG, || {
        let runtime = runtime(4);
        assert_eq!(runtime.metrics().stolen(), 0);
        runtime.run(|| {
            let start = std::time::Instant::now();
            let compute = move || while start.elapsed() < Duration::from_millis(50) {};
            let children: Vec<_> = (0..100).map(|_| coroutine::spawn(compute)).collect();
            children.into_iter().for_each(|child| child.join().unwrap());
        });
        assert!(runtime.metrics().stolen() > 0);
    });
}

#[test]
fn the_current_handle_is_the_callers_runtime() {
    with_runtimes(|runtime| {
        let spawned = runtime.metrics().spawned();
        runtime.run(|| Handle::current().spawn(|| ()).join().unwrap());
        assert_eq!(runtime.metrics().spawned(), spawned + 2);
    });
}

#[test]
fn a_runtime_that_cannot_have_its_descriptors_says_so_and_leaves_nothing() {
    child::pass(|| {
        let before = (process::threads(), process::descriptors());
        process::leave_descriptors(12);
        let error = Runtime::builder().workers(64).build().unwrap_err();
        let text = error.to_string();
        assert!(text.contains("64 workers") && text.contains("ulimit -n"), "{text}");
        eventually("it has cleaned up", || (process::threads(), process::descriptors()) == before);
        // There is still room for a small one.
        assert_eq!(runtime(1).run(|| 1), 1);
    });
}

#[test]
fn an_idle_runtime_costs_no_processor() {
    child::pass(|| {
        let runtime = runtime(8);
        let parked: Vec<_> = (0..100).map(|_| runtime.spawn(coroutine::park)).collect();
        eventually("all have started", || runtime.metrics().live() == 100);
        let ticks = || {
            let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
            let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
            // User and system time, in hundredths of a second.
            fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
        };
        thread::sleep(Duration::from_millis(200));
        let before = ticks();
        thread::sleep(Duration::from_secs(2));
        let used = ticks() - before;
        assert!(used <= 2, "{used} hundredths of a second of work in 2 s of nothing to do");
        drop(runtime);
        drop(parked);
    });
}

#[test]
fn a_result_that_is_not_static_comes_back_through_run() {
    with_runtimes(|runtime| {
        let data = [3, 1, 2];
        let largest: &i32 = runtime.run(|| data.iter().max().unwrap());
        assert_eq!(largest, &3);
        let count = Cell::new(0);
        count.set(runtime.run(|| 5));
        assert_eq!(count.get(), 5);
    });
}
