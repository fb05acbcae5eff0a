//! Sleeping: never too short, seldom too long, and in the right order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use mco::coroutine;
use mco_tests::everywhere::alone;
use mco_tests::{HUNG, Stopwatch, assert_punctual, eventually, runtime, with_runtimes, within};

#[test]
fn never_shorter_than_asked() {
    with_runtimes(|runtime| {
        let spawn = |n: u64| {
            runtime.spawn(move || {
                let duration = Duration::from_micros(n * 37);
                let start = Instant::now();
                coroutine::sleep(duration);
                (duration, start.elapsed())
            })
        };
        let handles: Vec<_> = (0..500).map(spawn).collect();
        for handle in handles {
            let (asked, took) = handle.join().unwrap();
            assert!(took >= asked, "asked for {asked:?}, slept {took:?}");
        }
    });
}

#[test]
fn seldom_much_longer_than_asked() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(1);
        for millis in [1, 2, 5, 10, 25, 50, 100, 300] {
            let asked = Duration::from_millis(millis);
            runtime.run(|| assert_punctual(asked, || coroutine::sleep(asked)));
        }
    });
}

#[test]
fn a_sleep_of_nothing_lets_others_run() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let sleeper = runtime.spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                coroutine::sleep(Duration::ZERO);
            }
        });
        runtime.spawn(move || stop.store(true, Ordering::Relaxed)).join().unwrap();
        sleeper.join().unwrap();
    });
}

#[test]
fn the_shorter_ends_first() {
    let _alone = alone();
    within(HUNG, || {
        // On one worker, so that it is the timers that put them in order.
        let runtime = runtime(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let spawn = |n: u64| {
            let order = order.clone();
            runtime.spawn(move || {
                coroutine::sleep(Duration::from_millis(200 + n * 20));
                order.lock().unwrap().push(n);
            })
        };
        // Those with the longer sleep are spawned first.
        let handles: Vec<_> = (0..20).rev().map(spawn).collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn ten_thousand_sleep_at_once() {
    let _alone = alone();
    with_runtimes(|runtime| {
        let awake = Arc::new(AtomicUsize::new(0));
        let start = Instant::now();
        let spawn = |_| {
            let awake = awake.clone();
            runtime.spawn(move || {
                coroutine::sleep(Duration::from_millis(500));
                awake.fetch_add(1, Ordering::SeqCst);
            })
        };
        let handles: Vec<_> = (0..10_000).map(spawn).collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(awake.load(Ordering::SeqCst), 10_000);
        // One after the other it would take more than an hour.
        assert!(start.elapsed() < Duration::from_secs(20), "it took {:?}", start.elapsed());
    });
}

#[test]
fn a_sleep_without_end_does_not_disturb_the_others() {
    with_runtimes(|runtime| {
        let endless = [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(1 << 40)];
        let sleepers = endless.map(|duration| runtime.spawn(move || coroutine::sleep(duration)));
        for _ in 0..20 {
            runtime.run(|| coroutine::sleep(Duration::from_millis(1)));
        }
        assert!(sleepers.iter().all(|handle| !handle.is_finished()));
        for handle in sleepers {
            handle.cancel();
            assert!(handle.join().is_err());
        }
    });
}

#[test]
fn it_ends_in_time_while_others_yield_without_end() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        for _ in 0..5 {
            let stop = stop.clone();
            runtime.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    coroutine::yield_now();
                }
            });
        }
        for _ in 0..10 {
            let watch = Stopwatch::start();
            runtime.run(|| coroutine::sleep(Duration::from_millis(5)));
            let took = watch.elapsed();
            assert!(took < Duration::from_millis(50), "5 ms took {took:?} on a busy worker");
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn sleeping_costs_no_processor() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(2);
        let handles: Vec<_> = (0..100)
            .map(|_| runtime.spawn(|| coroutine::sleep(Duration::from_millis(300))))
            .collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        let resumed = runtime.metrics().resumed();
        // Each is resumed to begin and to end; a few may wake early at the edge of a tick.
        assert!(resumed <= 100 * 4, "100 sleepers were resumed {resumed} times");
    });
}

#[test]
fn sleeps_one_after_the_other_add_up() {
    let _alone = alone();
    with_runtimes(|runtime| {
        let start = Instant::now();
        runtime.run(|| (0..100).for_each(|_| coroutine::sleep(Duration::from_millis(1))));
        assert!(start.elapsed() >= Duration::from_millis(100));
    });
}

#[test]
fn cancelled_sleepers_leave_no_timer_behind() {
    with_runtimes(|runtime| {
        for _ in 0..200 {
            let handle = runtime.spawn(|| coroutine::sleep(Duration::from_millis(3)));
            handle.cancel();
            drop(handle.join());
        }
        // Whose timer goes off now wakes nobody, or somebody else early.
        let start = Instant::now();
        runtime.run(|| coroutine::sleep(Duration::from_millis(20)));
        assert!(start.elapsed() >= Duration::from_millis(20));
        eventually("all have ended", || runtime.metrics().live() == 0);
    });
}

#[test]
fn a_thread_sleeps_as_a_thread() {
    let start = Instant::now();
    coroutine::sleep(Duration::from_millis(10));
    assert!(start.elapsed() >= Duration::from_millis(10));
}
