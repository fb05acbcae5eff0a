//! Seeds: what they find, that they repeat it, and what they say.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine::{self, sleep, yield_now};
use mco::std::sync::{Condvar, Mutex, Semaphore, channel};
use mco::std::time::Instant;
use mco::{go, join, select};
use mco_tests::child::{self, Child};
use parking_lot::Mutex as Plain;

/// Three faults of a few lines each, as scenarios that a test runs.
mod fault {
    use super::*;

    /// Two coroutines read a number and write it back, and one of the additions is lost.
    pub(crate) fn lost_update() {
        let number = Arc::new(Mutex::new(0));
        let add = |number: Arc<Mutex<u32>>| {
            let read = *number.lock().unwrap();
            *number.lock().unwrap() = read + 1;
        };
        let (one, other) = (go!(add(number.clone())), go!(add(number.clone())));
        one.join().unwrap();
        other.join().unwrap();
        assert_eq!(*number.lock().unwrap(), 2, "on purpose: an update is lost");
    }

    /// Two locks taken in crossed order.
    pub(crate) fn lock_order() {
        let (a, b) = (Mutex::new(()), Mutex::new(()));
        let both = |first: &Mutex<()>, second: &Mutex<()>| {
            let _first = first.lock().unwrap();
            drop(second.lock().unwrap());
        };
        join!(both(&a, &b), both(&b, &a));
    }

    /// A waiter looks at a flag, and the notification comes before it waits.
    pub(crate) fn missed_notify() {
        let (ready, mutex, condvar) = (AtomicBool::new(false), Mutex::new(()), Condvar::new());
        join!(
            {
                if !ready.load(Ordering::SeqCst) {
                    drop(condvar.wait(mutex.lock().unwrap()));
                }
            },
            {
                ready.store(true, Ordering::SeqCst);
                condvar.notify_one();
            }
        );
    }
}

#[mco::test(seeds = 100)]
#[ignore = "is to fail, in a child"]
fn lost_update() {
    fault::lost_update();
}

#[mco::test(seeds = 100)]
#[ignore = "is to fail, in a child"]
fn lock_order() {
    fault::lock_order();
}

#[mco::test(seeds = 100)]
#[ignore = "is to fail, in a child"]
fn missed_notify() {
    fault::missed_notify();
}

/// The seed that a failed test has printed.
fn seed_in(output: &str) -> u64 {
    let (_, rest) =
        output.split_once("MCO_SEED=").unwrap_or_else(|| panic!("no seed in: {output}"));
    rest.split_whitespace().next().unwrap().parse().unwrap()
}

/// Runs the test of that name as a user would, alone.
fn cargo_test(name: &str, seed: Option<u64>) -> child::End {
    let mut child = Child::new().limit(Duration::from_secs(60));
    if let Some(seed) = seed {
        child = child.env("MCO_SEED", &seed.to_string());
    }
    child.run_test(&format!("seeds::{name}"))
}

/// The fault is found, and its seed finds it again, each of fifty times.
fn found_and_repeated(name: &str, says: &str) {
    let end = cargo_test(name, None);
    end.assert_failed();
    let output = format!("{}{}", end.stdout, end.stderr);
    assert!(output.contains(says), "{output}");
    assert!(output.contains(&format!(
        "to replay it: MCO_SEED={} cargo test seeds::{name}",
        seed_in(&output)
    )));
    let seed = seed_in(&output);
    for round in 0..50 {
        let end = cargo_test(name, Some(seed));
        let output = format!("{}{}", end.stdout, end.stderr);
        assert!(output.contains(says), "round {round} with seed {seed}: {output}");
        assert_eq!(seed_in(&output), seed);
    }
}

#[test]
fn a_lost_update_is_found() {
    found_and_repeated("lost_update", "an update is lost");
}

#[test]
fn a_lock_order_inversion_is_found() {
    found_and_repeated("lock_order", "deadlock in the test");
}

#[test]
fn a_missed_notify_is_found() {
    found_and_repeated("missed_notify", "deadlock in the test");
}

/// What the scenarios below do, step by step.
static TRACE: Plain<Vec<String>> = Plain::new(Vec::new());

fn step(text: impl Into<String>) {
    TRACE.lock().push(text.into());
}

/// A bit of everything, whose order is left to chance in many places.
fn scenario() {
    let (sender, receiver) = channel::bounded(2);
    let (done, ended) = channel::unbounded();
    let semaphore = Arc::new(Semaphore::new(2));
    let counter = Arc::new(Mutex::new(0));
    let start = Instant::now();
    for name in 0..4 {
        let (sender, done) = (sender.clone(), done.clone());
        let (semaphore, counter) = (semaphore.clone(), counter.clone());
        go!(move || {
            for turn in 0..5 {
                semaphore.wait();
                *counter.lock().unwrap() += 1;
                step(format!("{name} has its turn {turn}"));
                semaphore.post();
                sender.send((name, turn)).unwrap();
                sleep(Duration::from_micros(name * 7 + turn));
                yield_now();
            }
            done.send(name).unwrap();
        });
    }
    drop((sender, done));
    let mut open = 2;
    while open > 0 {
        select! {
            Ok((name, turn)) = receiver.recv(), if open > 0 => step(format!("got {name}, {turn}")),
            Ok(name) = ended.recv() => step(format!("{name} has ended")),
            else => open = 0,
        }
    }
    step(format!("it took {:?}, {} additions", start.elapsed(), counter.lock().unwrap()));
}

#[mco::test(seed = 11, virtual_time = true)]
#[ignore = "is called by others"]
fn with_seed_11() {
    scenario();
}

#[mco::test(seed = 12, virtual_time = true)]
#[ignore = "is called by others"]
fn with_seed_12() {
    scenario();
}

#[test]
fn the_same_seed_gives_the_same_order() {
    let trace_of = |run: fn()| {
        TRACE.lock().clear();
        run();
        std::mem::take(&mut *TRACE.lock())
    };
    let first = trace_of(with_seed_11);
    assert!(first.len() > 20, "{first:?}");
    for _ in 0..20 {
        assert_eq!(trace_of(with_seed_11), first);
    }
    assert_ne!(trace_of(with_seed_12), first);
}

/// Which of three coroutines came first, for each seed.
static FIRST: Plain<Vec<u32>> = Plain::new(Vec::new());

#[mco::test(seeds = 60)]
fn every_order_comes_about() {
    let first = Arc::new(AtomicUsize::new(0));
    let handles: Vec<_> = (1..=3)
        .map(|number| {
            let first = first.clone();
            go!(move || {
                let _ = first.compare_exchange(0, number, Ordering::SeqCst, Ordering::SeqCst);
            })
        })
        .collect();
    handles.into_iter().for_each(|handle| handle.join().unwrap());
    let mut all = FIRST.lock();
    all.push(u32::try_from(first.load(Ordering::SeqCst)).unwrap());
    if all.len() == 60 {
        for number in 1..=3 {
            assert!(all.contains(&number), "{number} is never first in {all:?}");
        }
    }
}

/// Which of two arms was taken, for each seed.
static TAKEN: Plain<Vec<u32>> = Plain::new(Vec::new());

#[mco::test(seeds = 60)]
fn every_ready_arm_is_taken_for_some_seed() {
    let (one, other) = (channel::unbounded(), channel::unbounded());
    one.0.send(1).unwrap();
    other.0.send(2).unwrap();
    let taken = select! {
        value = one.1.recv() => value.unwrap(),
        value = other.1.recv() => value.unwrap(),
    };
    let mut all = TAKEN.lock();
    all.push(taken);
    assert!(all.len() < 60 || all.contains(&1) && all.contains(&2), "{all:?}");
}

#[mco::test(seed = 1000, seeds = 3)]
#[ignore = "is to fail, in a child"]
fn from_seed_1000() {
    panic!("on purpose");
}

#[test]
fn the_first_seed_can_be_chosen() {
    let end = Child::new().run_test("seeds::from_seed_1000");
    end.assert_failed();
    end.assert_says("failed with the seed 1000, number 1 of 3");
}

#[test]
fn a_bad_seed_is_reported() {
    let end = Child::new().env("MCO_SEED", "seven").run_test("seeds::lost_update");
    end.assert_failed();
    let output = format!("{}{}", end.stdout, end.stderr);
    let says = "`MCO_SEED` is \"seven\", which is no seed: set it to a number, or unset it";
    assert!(output.contains(says), "{output}");
}

#[mco::test(seeds = 100)]
#[ignore = "is run in a child"]
fn says_that_it_runs() {
    println!("a run");
}

#[test]
fn the_seed_of_the_environment_replaces_all() {
    let runs = |end: &child::End| end.stdout.lines().filter(|line| line.ends_with("a run")).count();
    let end = Child::new().env("MCO_SEED", "5").run_test("seeds::says_that_it_runs");
    end.assert_success();
    assert_eq!(runs(&end), 1, "{end}");
    let end = Child::new().run_test("seeds::says_that_it_runs");
    assert_eq!(runs(&end), 100, "{end}");
}

#[mco::test(seeds = 10)]
#[ignore = "is to fail, in a child"]
fn fails_by_its_result() -> Result<(), String> {
    Err("no".to_owned())
}

#[test]
fn a_test_that_fails_by_its_result_prints_its_seed() {
    let end = Child::new().run_test("seeds::fails_by_its_result");
    end.assert_failed();
    end.assert_says("failed with the seed 0, number 1 of 10");
}

/// How often two coroutines took turns, for each seed.
static SWITCHES: Plain<Vec<usize>> = Plain::new(Vec::new());

#[mco::test(seeds = 40)]
fn a_coroutine_that_never_blocks_is_interrupted() {
    let order = Arc::new(Plain::new(Vec::new()));
    let work = |name: u32, order: Arc<Plain<Vec<u32>>>| {
        let own = Mutex::new(());
        for _ in 0..10 {
            drop(own.lock().unwrap());
            order.lock().push(name);
        }
    };
    let (one, other) = (go!(work(1, order.clone())), go!(work(2, order.clone())));
    one.join().unwrap();
    other.join().unwrap();
    let mut all = SWITCHES.lock();
    all.push(order.lock().windows(2).filter(|pair| pair[0] != pair[1]).count());
    let enough = all.contains(&1) && all.iter().any(|switches| *switches > 5);
    assert!(all.len() < 40 || enough, "{all:?}");
}

#[mco::test(seeds = 5)]
fn a_runtime_within_is_as_usual() {
    let runtime = mco::runtime::Runtime::builder().workers(2).build().unwrap();
    let handles: Vec<_> = (0..100).map(|n| runtime.spawn(move || n)).collect();
    let sum: u32 = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
    assert_eq!(sum, 4950);
    assert!(coroutine::is_coroutine());
}

/// How often a receiver was told of a value before its sender had said that it was on its way.
static EARLY: Plain<usize> = Plain::new(0);

#[mco::test(seeds = 100)]
fn a_coroutine_is_interrupted_after_a_send_that_could_have_waited() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let announced = AtomicBool::new(false);
    let (sender, receiver) = channel::bounded(1);
    join!(
        {
            sender.send(()).unwrap();
            announced.store(true, Ordering::SeqCst);
        },
        {
            receiver.recv().unwrap();
            if !announced.load(Ordering::SeqCst) {
                *EARLY.lock() += 1;
            }
        }
    );
    if RUNS.fetch_add(1, Ordering::SeqCst) == 99 {
        assert!((1..100).contains(&*EARLY.lock()), "{} times", EARLY.lock());
    }
}
