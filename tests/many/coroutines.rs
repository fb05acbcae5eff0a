//! Very many coroutines at once, and the end of what the system has.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine::{self, Builder, Coroutine};
use mco_tests::child::{self, Child};
use mco_tests::everywhere::alone;
use mco_tests::{eventually, eventually_within, process, runtime, text_of};

const MANY: usize = 100_000;

/// Mapping a stack takes some ten microseconds, and these tests map some 100,000 each.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn a_hundred_thousand_are_alive_at_once() {
    let _alone = alone();
    if !process::has_light_guards("a_hundred_thousand_are_alive_at_once") {
        return;
    }
    Child::new()
        .limit(LIMIT)
        .run(|| {
            let runtime = runtime(2);
            let before = process::maps();
            let spawn = |n| {
                runtime.spawn(move || {
                    coroutine::park();
                    n
                })
            };
            let handles: Vec<_> = (0..MANY).map(spawn).collect();
            eventually("all are alive", || runtime.metrics().live() == MANY);
            let maps = process::maps() - before;
            // One for each would be the limit of 65,530 by far.
            assert!(maps < 1000, "{MANY} coroutines took {maps} mappings");
            handles.iter().map(|handle| handle.coroutine()).for_each(Coroutine::unpark);
            let sum: usize = handles.into_iter().map(|handle| handle.join().unwrap()).sum();
            assert_eq!(sum, MANY * (MANY - 1) / 2);
            assert_eq!(runtime.metrics().live(), 0);
        })
        .assert_success();
}

#[test]
fn a_hundred_thousand_idle_ones_take_little_memory() {
    let _alone = alone();
    if !process::has_light_guards("a_hundred_thousand_idle_ones_take_little_memory") {
        return;
    }
    Child::new()
        .limit(LIMIT)
        .run(|| {
            let runtime = runtime(2);
            let before = process::resident();
            let handles: Vec<_> = (0..MANY).map(|_| runtime.spawn(coroutine::park)).collect();
            eventually("all are alive", || runtime.metrics().live() == MANY);
            let each = (process::resident() - before) / MANY;
            // A page of its stack, and what is known about it. Debug builds have larger frames.
            let limit = if cfg!(debug_assertions) { 12 * 1024 } else { 8 * 1024 };
            assert!(each < limit, "each takes {each} bytes of memory");
            handles.iter().map(|handle| handle.coroutine()).for_each(Coroutine::unpark);
            handles.into_iter().for_each(|handle| handle.join().unwrap());
        })
        .assert_success();
}

#[test]
fn a_runtime_with_a_hundred_thousand_can_be_dropped() {
    let _alone = alone();
    if !process::has_light_guards("a_runtime_with_a_hundred_thousand_can_be_dropped") {
        return;
    }
    Child::new()
        .limit(LIMIT)
        .run(|| {
            struct Count(Arc<AtomicUsize>);
            impl Drop for Count {
                fn drop(&mut self) {
                    self.0.fetch_add(1, Ordering::Relaxed);
                }
            }
            let runtime = runtime(2);
            let drops = Arc::new(AtomicUsize::new(0));
            for _ in 0..MANY {
                let count = Count(drops.clone());
                runtime.spawn(move || {
                    let _count = count;
                    coroutine::park();
                });
            }
            eventually("all are alive", || runtime.metrics().live() == MANY);
            drop(runtime);
            assert_eq!(drops.load(Ordering::Relaxed), MANY);
            assert_eq!(mco::runtime::metrics().stacks(), 0, "stacks are left behind");
        })
        .assert_success();
}

#[test]
fn a_million_short_ones_come_and_go() {
    let _alone = alone();
    Child::new()
        .limit(LIMIT)
        .run(|| {
            let runtime = runtime(2);
            let ran = Arc::new(AtomicUsize::new(0));
            let spawner = |_| {
                let ran = ran.clone();
                runtime.spawn(move || {
                    for _ in 0..1000 {
                        let ran = ran.clone();
                        coroutine::spawn(move || ran.fetch_add(1, Ordering::Relaxed));
                    }
                })
            };
            let spawners: Vec<_> = (0..1000).map(spawner).collect();
            spawners.into_iter().for_each(|handle| handle.join().unwrap());
            eventually("all have run", || ran.load(Ordering::Relaxed) == 1_000_000);
            // They own no stack until they run, so few stacks are needed.
            let stacks = runtime.metrics().stacks();
            assert!(stacks < 10_000, "{stacks} stacks for coroutines that never wait");
        })
        .assert_success();
}

#[test]
fn out_of_mappings_the_error_says_what_to_set_and_all_goes_on() {
    let _alone = alone();
    let limit = std::fs::read_to_string("/proc/sys/vm/max_map_count").unwrap_or_default();
    let limit: usize = limit.trim().parse().unwrap_or(0);
    if !(1000..=100_000).contains(&limit) {
        eprintln!("SKIPPED: `vm.max_map_count` is {limit}, so running out of it takes too long");
        return;
    }
    // Two mappings each.
    let count = limit / 2 + 5_000;
    let run = move || {
        let runtime = runtime(2);
        let refused = Arc::new(AtomicUsize::new(0));
        let spawn = |_| {
            let builder = Builder::new().stack_size(64 * 1024);
            builder.spawn(coroutine::park)
        };
        let handles = runtime.run(move || (0..count).map(spawn).collect::<Vec<_>>());
        eventually("each is alive or refused", || {
            let ended = handles.iter().filter(|handle| handle.is_finished()).count();
            ended + runtime.metrics().live() == count
        });
        let alive = runtime.metrics().live();
        // What the system allows is used, save some for the rest of the process.
        assert!(alive > limit / 2 - 2_000, "only {alive} of {} possible ones", limit / 2);
        // The process itself can still map: threads, files, memory.
        std::thread::spawn(|| vec![1u8; 64 << 20].len()).join().unwrap();

        handles.iter().map(|handle| handle.coroutine()).for_each(Coroutine::unpark);
        for handle in handles {
            if let Err(payload) = handle.join() {
                let text = text_of(&*payload);
                assert!(text.contains("vm.max_map_count"), "{text}");
                assert!(text.contains(&limit.to_string()), "{text}");
                refused.fetch_add(1, Ordering::Relaxed);
            }
        }
        let refused = refused.load(Ordering::Relaxed);
        assert_eq!(alive + refused, count);
        assert!(refused >= 4_000, "{refused} were refused");
        for n in 0..1000 {
            assert_eq!(runtime.spawn(move || n).join().unwrap(), n, "it does not go on");
        }
    };
    Child::new().limit(LIMIT).env("MCO_SPLIT_GUARDS", "1").run(run).assert_success();
}

/// The pool gives back every few seconds, and only while its worker has nothing to do.
const GIVEN_BACK: Duration = Duration::from_secs(100);

#[test]
fn stacks_of_a_burst_are_given_back() {
    const BURST: usize = 2_000;
    child::pass(|| {
        let runtime = runtime(2);
        let handles: Vec<_> = (0..BURST).map(|_| runtime.spawn(coroutine::park)).collect();
        eventually("all are alive", || runtime.metrics().live() == BURST);
        handles.iter().map(|handle| handle.coroutine()).for_each(Coroutine::unpark);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert!(runtime.metrics().stacks() > BURST / 2, "none is kept for the next burst");
        let few = || runtime.metrics().stacks() <= BURST / 4;
        eventually_within(GIVEN_BACK, "the pool has shrunk", few);
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
    });
}

#[test]
fn memory_of_stacks_that_grew_deep_is_given_back() {
    #[inline(never)]
    fn deep(n: usize) -> usize {
        let frame = std::hint::black_box([n as u8; 4096]);
        let below = if n == 0 { 0 } else { deep(n - 1) };
        below + usize::from(frame[n % 4096] != 0)
    }
    child::pass(|| {
        let runtime = runtime(2);
        runtime.spawn(|| ()).join().unwrap();
        let before = process::resident();
        let grow = || {
            deep(250);
            coroutine::park();
        };
        let handles: Vec<_> = (0..200).map(|_| runtime.spawn(grow)).collect();
        eventually("all are alive", || runtime.metrics().live() == 200);
        let grown = process::resident() - before;
        assert!(grown > 150 << 20, "they did not grow: {grown}");
        handles.iter().map(|handle| handle.coroutine()).for_each(Coroutine::unpark);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        let little = || process::resident() < before + grown / 4;
        eventually_within(GIVEN_BACK, "most of it is given back", little);
    });
}
