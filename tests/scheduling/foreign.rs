//! Spawning from plain threads: soon started, and never forgotten.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mco::runtime::Runtime;
use mco_tests::everywhere::alone;
use mco_tests::{HUNG, Stopwatch, eventually, runtime, with_runtimes, within};

const SPAWNS: usize = 10_000;

/// How long a spawned coroutine may take to start.
const SOON: Duration = Duration::from_millis(50);

/// The longest that a coroutine took to start, of many spawned with a `pause` after each.
fn slowest_start(runtime: &Runtime, mut pause: impl FnMut(usize)) -> Duration {
    let mut slowest = Duration::ZERO;
    for n in 0..SPAWNS {
        let watch = Stopwatch::start();
        let start = watch.started();
        let wall = runtime.spawn(move || start.elapsed()).join().unwrap();
        slowest = slowest.max(watch.without_delays(wall));
        pause(n);
    }
    slowest
}

/// The waits between the spawns: none, so that the workers are about to sleep; a little, so that
/// they search or spin; more, so that they sleep.
#[track_caller]
fn assert_starts_soon(workers: usize, pause: fn(usize)) {
    let _alone = alone();
    within(2 * HUNG, move || {
        let slowest = slowest_start(&runtime(workers), pause);
        assert!(slowest < SOON, "one of {SPAWNS} took {slowest:?} to start");
    });
}

#[test]
fn one_after_the_other_on_one_worker() {
    assert_starts_soon(1, |_| ());
}

#[test]
fn one_after_the_other_on_two_workers() {
    assert_starts_soon(2, |_| ());
}

#[test]
fn one_after_the_other_on_eight_workers() {
    assert_starts_soon(8, |_| ());
}

#[test]
fn with_short_pauses() {
    assert_starts_soon(2, |n| {
        let start = Instant::now();
        let pause = Duration::from_nanos((n as u64 * 7919) % 200_000);
        while start.elapsed() < pause {
            std::hint::spin_loop();
        }
    });
}

#[test]
fn with_long_pauses() {
    assert_starts_soon(2, |n| {
        if n.is_multiple_of(20) {
            thread::sleep(Duration::from_millis(2));
        }
    });
}

#[test]
fn without_waiting_for_the_one_before() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(2);
        let watch = Stopwatch::start();
        let spawn = |n: usize| {
            if n.is_multiple_of(100) {
                thread::sleep(Duration::from_micros(300));
            }
            let start = Instant::now();
            runtime.spawn(move || start.elapsed())
        };
        let handles: Vec<_> = (0..SPAWNS).map(spawn).collect();
        let slowest = handles.into_iter().map(|handle| handle.join().unwrap()).max().unwrap();
        let slowest = watch.without_delays(slowest);
        assert!(slowest < SOON, "one of {SPAWNS} took {slowest:?} to start");
    });
}

#[test]
fn from_many_threads_at_once() {
    with_runtimes(|runtime| {
        let ran = Arc::new(AtomicUsize::new(0));
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let (handle, ran) = (runtime.handle(), ran.clone());
                thread::spawn(move || {
                    for n in 0..SPAWNS / 4 {
                        let ran = ran.clone();
                        let handle = handle.spawn(move || ran.fetch_add(1, Ordering::Relaxed));
                        if n.is_multiple_of(10) {
                            handle.join().unwrap();
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        eventually("all have run", || ran.load(Ordering::Relaxed) == SPAWNS);
    });
}

#[test]
fn while_the_workers_are_busy_with_others() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(2);
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..4 {
            let stop = stop.clone();
            runtime.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    mco::coroutine::yield_now();
                }
            });
        }
        let mut slowest = Duration::ZERO;
        for _ in 0..1_000 {
            let watch = Stopwatch::start();
            let start = watch.started();
            let wall = runtime.spawn(move || start.elapsed()).join().unwrap();
            slowest = slowest.max(watch.without_delays(wall));
        }
        stop.store(true, Ordering::Relaxed);
        assert!(slowest < SOON, "one took {slowest:?} to start");
    });
}

#[test]
fn each_thread_that_joins_is_woken() {
    with_runtimes(|runtime| {
        let join = |n: usize| {
            let handle = runtime.handle();
            thread::spawn(move || {
                for round in 0..500 {
                    let coroutine = handle.spawn(move || n + round);
                    assert_eq!(coroutine.join().unwrap(), n + round);
                }
            })
        };
        let threads: Vec<_> = (0..8).map(join).collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn a_thread_that_ends_leaves_its_coroutines_running() {
    with_runtimes(|runtime| {
        let handle = runtime.handle();
        let spawner = thread::spawn(move || {
            handle.spawn(|| {
                mco::coroutine::sleep(Duration::from_millis(5));
                5
            })
        });
        assert_eq!(spawner.join().unwrap().join().unwrap(), 5);
    });
}

#[test]
fn in_the_destructor_of_a_thread_local() {
    struct Spawns(mco::runtime::Handle, std::sync::mpsc::Sender<u32>);
    impl Drop for Spawns {
        fn drop(&mut self) {
            let tell = self.1.clone();
            self.0.spawn(move || tell.send(3));
        }
    }
    thread_local!(static LATE: std::cell::RefCell<Option<Spawns>> = const { std::cell::RefCell::new(None) });
    with_runtimes(|runtime| {
        let (tell, told) = std::sync::mpsc::channel();
        let spawns = Spawns(runtime.handle(), tell);
        thread::spawn(move || LATE.set(Some(spawns))).join().unwrap();
        assert_eq!(told.recv(), Ok(3));
    });
}
