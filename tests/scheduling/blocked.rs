//! Coroutines that hold their worker up: the others get help, and the blocker is named.
//!
//! In processes of their own: what is told on standard error is part of it.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{Builder, JoinHandle};
use mco::runtime::Runtime;
use mco_tests::{child, eventually, process, runtime};

/// For so long a coroutine blocks its thread.
const HELD: Duration = Duration::from_secs(3);

/// How soon a coroutine must run although all workers are held up.
const HELP: Duration = Duration::from_millis(500);

/// Holds each of the two workers of `runtime` up, with the names `blocker-0` and `blocker-1`.
fn hold_both(runtime: &Runtime) -> Vec<JoinHandle<()>> {
    let held = Arc::new(AtomicUsize::new(0));
    let hold = |n: usize| {
        let holds = held.clone();
        let blocker = runtime.run(move || {
            Builder::new().name(format!("blocker-{n}")).spawn(move || {
                holds.fetch_add(1, Ordering::SeqCst);
                thread::sleep(HELD);
            })
        });
        eventually("the worker is held up", || held.load(Ordering::SeqCst) > n);
        blocker
    };
    (0..2).map(hold).collect()
}

#[test]
fn a_coroutine_spawned_from_outside_runs_soon() {
    child::pass(|| {
        let runtime = runtime(2);
        let blockers = hold_both(&runtime);
        let start = Instant::now();
        runtime.spawn(|| ()).join().unwrap();
        let took = start.elapsed();
        assert!(blockers.iter().all(|blocker| !blocker.is_finished()), "they have ended");
        assert!(took < HELP, "it took {took:?}");
        blockers.into_iter().for_each(|blocker| blocker.join().unwrap());
    });
}

#[test]
fn each_coroutine_that_blocks_its_worker_is_reported_once() {
    let end = child::pass(|| {
        let runtime = runtime(2);
        let blockers = hold_both(&runtime);
        blockers.into_iter().for_each(|blocker| blocker.join().unwrap());
    });
    for blocker in ["blocker-0", "blocker-1"] {
        let says_so = |line: &&str| line.contains(blocker) && line.contains("has held a worker up");
        assert_eq!(end.stderr.lines().filter(says_so).count(), 1, "{blocker}: {end}");
    }
    // Where it was spawned.
    end.assert_says(&format!("{}:", file!()));
    end.assert_says("has held a worker up");
}

#[test]
fn a_blocking_coroutine_without_a_name_is_reported_with_its_spawn_site() {
    let line = line!() + 4;
    let end = child::pass(|| {
        let runtime = runtime(2);
        runtime.spawn(|| thread::sleep(Duration::from_secs(1))).join().unwrap();
    });
    end.assert_says(&format!("{}:{}:", file!(), line - 1));
    assert_eq!(end.stderr.matches("has held a worker up").count(), 1, "{end}");
}

/// Computes until the thread has had a processor for so long. Without inlining, so that it has a frame of its own.
#[cfg(target_os = "linux")]
#[inline(never)]
fn computes_for(time: Duration) {
    let ran = || {
        let mut ran = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: the place is there.
        unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut ran) };
        Duration::new(ran.tv_sec as u64, ran.tv_nsec as u32)
    };
    let end = ran() + time;
    while ran() < end {}
    // So that the call is none in tail position.
    std::hint::black_box(());
}

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
#[test]
fn the_report_says_where_the_coroutine_is() {
    let end = child::pass(|| {
        let runtime = runtime(1);
        runtime.spawn(|| computes_for(Duration::from_secs(1))).join().unwrap();
        runtime.spawn(|| thread::sleep(Duration::from_secs(1))).join().unwrap();
        // Those who resolve names may still be at it.
        thread::sleep(Duration::from_secs(2));
    });
    end.assert_says("which holds a worker up, is in");
    end.assert_says("computes_for");
    end.assert_says("thread::functions::sleep");
    end.assert_says(&format!("{}:", file!()));
}

#[test]
fn the_report_says_how_many_could_go_on() {
    let end = child::pass(|| {
        let runtime = runtime(1);
        runtime.run(|| {
            let (ready, told) = mco::std::sync::unbounded::<()>();
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let told = told.clone();
                    mco::coroutine::spawn(move || told.recv())
                })
                .collect();
            // So that they wait.
            while told.is_empty() && mco::runtime::metrics().live() < 4 {
                mco::coroutine::yield_now();
            }
            mco::coroutine::yield_now();
            (0..2).for_each(|_| ready.send(()).unwrap());
            thread::sleep(Duration::from_secs(1));
            drop(ready);
            waiting.into_iter().for_each(|handle| drop(handle.join()));
        });
    });
    end.assert_says("of the 3 other coroutines of that worker 2 could go on and wait behind it");
}

#[cfg(target_os = "linux")]
#[test]
fn a_handler_of_the_programs_own_is_left_alone() {
    let end = child::pass(|| {
        extern "C" fn own(_: libc::c_int) {}
        // SAFETY: the handler does nothing.
        unsafe { libc::signal(libc::SIGURG, own as *const () as libc::sighandler_t) };
        let runtime = runtime(1);
        runtime.spawn(|| thread::sleep(Duration::from_secs(1))).join().unwrap();
        // SAFETY: it has no requirements.
        let now = unsafe { libc::signal(libc::SIGURG, libc::SIG_DFL) };
        assert_eq!(now, own as *const () as libc::sighandler_t);
    });
    end.assert_says("has held a worker up");
    end.assert_does_not_say("is in\n");
}

#[test]
fn those_that_hold_a_worker_up_are_counted() {
    child::pass(|| {
        let runtime = runtime(1);
        assert_eq!(runtime.metrics().held_up(), 0);
        let done = Arc::new(AtomicBool::new(false));
        let computes = runtime.spawn({
            let done = done.clone();
            move || while !done.load(Ordering::Relaxed) {}
        });
        eventually("one is counted", || runtime.metrics().held_up() == 1);
        done.store(true, Ordering::Relaxed);
        computes.join().unwrap();
        runtime.spawn(|| thread::sleep(Duration::from_millis(400))).join().unwrap();
        assert_eq!(runtime.metrics().held_up(), 2);
    });
}

#[test]
fn a_coroutine_that_blocks_again_is_not_reported_again() {
    let end = child::pass(|| {
        let runtime = runtime(2);
        let again = runtime.run(|| {
            Builder::new().name("again").spawn(|| {
                for _ in 0..3 {
                    thread::sleep(Duration::from_millis(700));
                    mco::coroutine::sleep(Duration::from_millis(20));
                }
            })
        });
        again.join().unwrap();
    });
    assert_eq!(end.stderr.matches("has held a worker up").count(), 1, "{end}");
}

#[test]
fn what_a_blocking_coroutine_has_just_spawned_runs_soon() {
    child::pass(|| {
        let runtime = runtime(2);
        let (tell, told) = mpsc::channel();
        let hold = |_| {
            let tell = tell.clone();
            runtime.spawn(move || {
                let start = Instant::now();
                // The newest one, which only this worker would look at.
                mco::coroutine::spawn(move || tell.send(start.elapsed()).unwrap());
                thread::sleep(HELD);
            })
        };
        let blockers: Vec<_> = (0..2).map(hold).collect();
        for _ in 0..2 {
            let took = told.recv().unwrap();
            assert!(took < HELP, "it took {took:?}");
        }
        assert!(blockers.iter().all(|blocker| !blocker.is_finished()), "they have ended");
    });
}

#[test]
fn the_queue_behind_a_blocking_coroutine_is_run_by_other_workers() {
    child::pass(|| {
        let runtime = runtime(2);
        let (tell, told) = mpsc::channel();
        let blocker = runtime.spawn(move || {
            for _ in 0..1000 {
                let tell = tell.clone();
                mco::coroutine::spawn(move || tell.send(()).unwrap());
            }
            drop(tell);
            thread::sleep(HELD);
        });
        let start = Instant::now();
        assert_eq!(told.iter().count(), 1000);
        let took = start.elapsed();
        assert!(!blocker.is_finished() && took < HELP, "it took {took:?}");
    });
}

#[test]
fn those_that_run_on_a_spare_worker_block_and_wake_as_usual() {
    child::pass(|| {
        let runtime = runtime(2);
        let blockers = hold_both(&runtime);
        let sum = runtime.run(|| {
            let add = |n: u64| {
                mco::coroutine::spawn(move || {
                    mco::coroutine::sleep(Duration::from_millis(n));
                    n
                })
            };
            let parts: Vec<_> = (0..50).map(add).collect();
            parts.into_iter().map(|part| part.join().unwrap()).sum::<u64>()
        });
        assert_eq!(sum, 1225);
        assert!(blockers.iter().all(|blocker| !blocker.is_finished()), "they have ended");
    });
}

#[test]
fn a_spare_worker_hosts_what_it_has_started_to_its_end() {
    child::pass(|| {
        let runtime = runtime(1);
        let (held, holds) = mpsc::channel();
        let blocker = runtime.spawn(move || {
            held.send(()).unwrap();
            thread::sleep(Duration::from_secs(1));
        });
        holds.recv().unwrap();
        let long = runtime.spawn(|| {
            let home = thread::current().id();
            mco::coroutine::park();
            assert_eq!(thread::current().id(), home);
        });
        eventually("it has started elsewhere", || runtime.metrics().live() == 2);
        assert!(!blocker.is_finished());
        blocker.join().unwrap();
        // The regular worker is back; the spare one still serves its own.
        for _ in 0..100 {
            runtime.run(|| ());
        }
        long.coroutine().unpark();
        long.join().unwrap();
    });
}

#[test]
fn a_spare_worker_is_used_again() {
    child::pass(|| {
        let runtime = runtime(1);
        let mut threads = Vec::new();
        for _ in 0..5 {
            let (held, holds) = mpsc::channel();
            let blocker = runtime.spawn(move || {
                held.send(()).unwrap();
                thread::sleep(Duration::from_millis(600));
            });
            holds.recv().unwrap();
            let start = Instant::now();
            runtime.spawn(|| ()).join().unwrap();
            assert!(start.elapsed() < HELP, "it took {:?}", start.elapsed());
            blocker.join().unwrap();
            threads.push(process::threads());
        }
        assert_eq!(threads.first(), threads.last(), "more and more threads: {threads:?}");
    });
}

#[test]
fn each_of_many_blocked_workers_gets_a_spare() {
    child::pass(|| {
        let runtime = runtime(2);
        // More than there are workers: each needs a worker of its own to block on.
        let started = Arc::new(AtomicUsize::new(0));
        let hold = |_| {
            let started = started.clone();
            runtime.spawn(move || {
                started.fetch_add(1, Ordering::SeqCst);
                thread::sleep(HELD);
            })
        };
        let blockers: Vec<_> = (0..8).map(hold).collect();
        eventually("all eight block at once", || started.load(Ordering::SeqCst) == 8);
        assert!(blockers.iter().all(|blocker| !blocker.is_finished()), "they had to queue");
        let start = Instant::now();
        runtime.spawn(|| ()).join().unwrap();
        assert!(start.elapsed() < HELP, "it took {:?}", start.elapsed());
    });
}

#[test]
fn a_busy_coroutine_that_yields_is_not_reported() {
    let end = child::pass(|| {
        let runtime = runtime(2);
        let spin = |_| {
            runtime.spawn(|| {
                let start = Instant::now();
                while start.elapsed() < Duration::from_secs(1) {
                    mco::coroutine::yield_now();
                }
            })
        };
        let busy: Vec<_> = (0..4).map(spin).collect();
        busy.into_iter().for_each(|handle| handle.join().unwrap());
    });
    end.assert_does_not_say("has held a worker up");
}

/// Has the calling thread run on `processor` alone, and there as a guest of all others if it is `idle`.
#[cfg(target_os = "linux")]
fn pin(processor: usize, idle: bool) {
    // SAFETY: no processor, for which all zeros stand; then one of those that the set has room for.
    let set = unsafe {
        let mut set = std::mem::zeroed::<libc::cpu_set_t>();
        libc::CPU_SET(processor, &mut set);
        set
    };
    // SAFETY: 0 is the calling thread, and the set is there.
    let pinned = unsafe { libc::sched_setaffinity(0, size_of_val(&set), &raw const set) };
    assert_eq!(pinned, 0, "{}", std::io::Error::last_os_error());
    if idle {
        let priority = libc::sched_param { sched_priority: 0 };
        // SAFETY: as above.
        let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const priority) };
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

/// One of the processors that the calling thread may use, and how much time it has had on any.
#[cfg(target_os = "linux")]
fn processor_and_time() -> (usize, Duration) {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is a place for the answer.
    let told = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(told, 0);
    // SAFETY: it only tells a number.
    let processor = usize::try_from(unsafe { libc::sched_getcpu() }).unwrap();
    (processor, Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).unwrap()))
}

/// That wait is in no account of the system's before it is over.
#[cfg(target_os = "linux")]
#[test]
fn a_worker_that_waits_for_a_processor_is_not_reported() {
    let end = child::pass(|| {
        let runtime = runtime(1);
        let (processor, _) = processor_and_time();
        let (begin, begun) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let (ends, is_over) = (over.clone(), over);
        // Has the processor for so long.
        let hog = thread::spawn(move || {
            pin(processor, false);
            begun.recv().unwrap();
            let start = Instant::now();
            while start.elapsed() < Duration::from_secs(2) {
                std::hint::spin_loop();
            }
            ends.store(true, Ordering::SeqCst);
        });
        let computes = runtime.spawn(move || {
            pin(processor, true);
            begin.send(()).unwrap();
            let (_, start) = processor_and_time();
            // Far less than what anybody is blamed for.
            while !is_over.load(Ordering::SeqCst)
                && processor_and_time().1 - start < Duration::from_millis(100)
            {
                std::hint::spin_loop();
            }
        });
        computes.join().unwrap();
        hog.join().unwrap();
    });
    end.assert_does_not_say("has held a worker up");
}

#[test]
fn coroutines_that_wait_are_not_reported() {
    let end = child::pass(|| {
        let runtime = runtime(2);
        let wait = |_| runtime.spawn(|| mco::coroutine::sleep(Duration::from_secs(1)));
        let waiting: Vec<_> = (0..20).map(wait).collect();
        waiting.into_iter().for_each(|handle| handle.join().unwrap());
    });
    assert_eq!(end.stderr, "", "{end}");
}

#[test]
fn a_runtime_whose_workers_are_held_up_can_be_dropped() {
    child::pass(|| {
        let runtime = runtime(1);
        let (held, holds) = mpsc::channel();
        let over = Arc::new(AtomicBool::new(false));
        let ends = over.clone();
        runtime.spawn(move || {
            held.send(()).unwrap();
            thread::sleep(Duration::from_secs(1));
            ends.store(true, Ordering::SeqCst);
        });
        holds.recv().unwrap();
        let queued: Vec<_> = (0..10).map(|_| runtime.spawn(|| ())).collect();
        drop(runtime);
        assert!(over.load(Ordering::SeqCst), "it did not wait for what cannot be unwound");
        // Each has run on a spare worker or was discarded; none hangs.
        queued.into_iter().for_each(|handle| drop(handle.join()));
    });
}
