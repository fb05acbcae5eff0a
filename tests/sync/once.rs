//! `Once` and the lazy values: initialisers that block, panic and are cancelled.

use std::panic::{self, AssertUnwindSafe};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mco::coroutine;
use mco::std::lazy::{sync, unsync};
use mco::std::sync::{Once, SyncFlag};
use mco_tests::started::{Drops, assert_cancelled, start};
use mco_tests::{HUNG, eventually, quiet, runtime, text_of, with_runtimes, within};

/// The text with which `f` panics.
#[track_caller]
fn panic_of<T>(f: impl FnOnce() -> T) -> String {
    quiet::panics_on_purpose();
    match panic::catch_unwind(AssertUnwindSafe(f)) {
        Ok(_) => panic!("it did not panic"),
        Err(payload) => text_of(&*payload).to_owned(),
    }
}

#[test]
fn of_many_one_initialises() {
    with_runtimes(|runtime| {
        let (once, calls) = (Arc::new(Once::new()), Arc::new(AtomicUsize::new(0)));
        let call = |_| {
            let (once, calls) = (once.clone(), calls.clone());
            move || {
                once.call_once(|| {
                    coroutine::sleep(Duration::from_millis(1));
                    calls.fetch_add(1, Ordering::Relaxed);
                });
                assert!(once.is_completed());
                calls.load(Ordering::Relaxed)
            }
        };
        let coroutines: Vec<_> = (0..50).map(call).map(|call| runtime.spawn(call)).collect();
        let threads: Vec<_> = (0..3).map(call).map(thread::spawn).collect();
        assert!(coroutines.into_iter().all(|coroutine| coroutine.join().unwrap() == 1));
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 1));
    });
}

#[test]
fn an_initialiser_may_wait_for_a_coroutine_of_the_same_worker() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (cell, flag) = (Arc::new(sync::OnceCell::new()), Arc::new(SyncFlag::new()));
        let get = |_| {
            let (cell, flag) = (cell.clone(), flag.clone());
            start(&runtime, move || {
                *cell.get_or_init(|| {
                    flag.wait();
                    7
                })
            })
        };
        let gets: Vec<_> = (0..4).map(get).collect();
        assert!(gets.iter().all(|get| !get.is_finished()));
        runtime.run(|| flag.fire());
        assert!(gets.into_iter().all(|get| get.join().unwrap() == 7));
    });
}

#[test]
fn a_panic_poisons_a_once_also_for_those_who_wait() {
    with_runtimes(|runtime| {
        let (once, flag) = (Arc::new(Once::new()), Arc::new(SyncFlag::new()));
        let (runs, waits) = (once.clone(), flag.clone());
        let runner = start(runtime, move || {
            runs.call_once(|| {
                waits.wait();
                panic!("on purpose");
            });
        });
        let wait = |_| {
            let once = once.clone();
            start(runtime, move || panic_of(|| once.call_once(|| ())))
        };
        // They come to wait, or too late to.
        let waiting: Vec<_> = (0..3).map(wait).collect();
        flag.fire();
        runner.join().unwrap_err();
        for waiter in waiting {
            assert!(waiter.join().unwrap().contains("has panicked before"));
        }
        assert!(!once.is_completed());
        once.call_once_force(|state| assert!(state.is_poisoned()));
        once.call_once(|| unreachable!("it has been done"));
        once.call_once_force(|_| unreachable!("it has been done"));
    });
}

#[test]
fn an_initialiser_that_is_forced_and_panics_leaves_the_poison() {
    within(HUNG, || {
        let once = Once::new();
        once_panics(&once);
        assert_eq!(
            panic_of(|| once.call_once_force(|_| panic!("on purpose: again"))),
            "on purpose: again"
        );
        assert!(panic_of(|| once.call_once(|| ())).contains("has panicked before"));
        once.call_once_force(|_| ());
        assert!(once.is_completed());
    });
}

fn once_panics(once: &Once) {
    assert_eq!(panic_of(|| once.call_once(|| panic!("on purpose"))), "on purpose");
}

#[test]
fn a_cancelled_initialiser_leaves_it_to_the_next() {
    with_runtimes(|runtime| {
        let (once, inside) = (Arc::new(Once::new()), Arc::new(AtomicBool::new(false)));
        let (runs, enters) = (once.clone(), inside.clone());
        let runner = runtime.spawn(move || {
            runs.call_once(|| {
                enters.store(true, Ordering::SeqCst);
                coroutine::park();
            });
        });
        eventually("it runs", || inside.load(Ordering::SeqCst));
        let calls = Arc::new(AtomicUsize::new(0));
        let wait = |_| {
            let (once, calls) = (once.clone(), calls.clone());
            start(runtime, move || once.call_once(|| _ = calls.fetch_add(1, Ordering::SeqCst)))
        };
        let waiting: Vec<_> = (0..3).map(wait).collect();
        let waits = once.clone();
        let thread = thread::spawn(move || waits.call_once_force(|s| assert!(!s.is_poisoned())));
        runner.cancel();
        assert_cancelled(runner);
        waiting.into_iter().for_each(|waiter| waiter.join().unwrap());
        thread.join().unwrap();
        assert!(once.is_completed() && calls.load(Ordering::SeqCst) <= 1);
    });
}

#[test]
fn a_forced_initialiser_that_is_cancelled_leaves_the_poison() {
    with_runtimes(|runtime| {
        let (once, inside) = (Arc::new(Once::new()), Arc::new(AtomicBool::new(false)));
        once_panics(&once);
        let (runs, enters) = (once.clone(), inside.clone());
        let runner = runtime.spawn(move || {
            runs.call_once_force(|_| {
                enters.store(true, Ordering::SeqCst);
                coroutine::park();
            });
        });
        eventually("it runs", || inside.load(Ordering::SeqCst));
        runner.cancel();
        assert_cancelled(runner);
        assert!(panic_of(|| once.call_once(|| ())).contains("has panicked before"));
    });
}

#[test]
fn one_that_waits_for_an_initialiser_can_be_cancelled() {
    with_runtimes(|runtime| {
        let (cell, flag) = (Arc::new(sync::OnceCell::new()), Arc::new(SyncFlag::new()));
        let (inside, enters) = (Arc::new(SyncFlag::new()), Arc::new(SyncFlag::new()));
        let (runs, waits, enter) = (cell.clone(), flag.clone(), inside.clone());
        let runner = runtime.spawn(move || {
            *runs.get_or_init(|| {
                enter.fire();
                waits.wait();
                1
            })
        });
        inside.wait();
        let (wants, enter) = (cell.clone(), enters.clone());
        let waiter = start(runtime, move || {
            enter.fire();
            *wants.get_or_init(|| 2)
        });
        waiter.cancel();
        assert_cancelled(waiter);
        flag.fire();
        assert_eq!(runner.join().unwrap(), 1);
    });
}

#[test]
fn an_initialiser_that_needs_its_own_value_panics() {
    with_runtimes(|runtime| {
        let recursion = || {
            let once = Once::new();
            let text = panic_of(|| once.call_once(|| once.call_once(|| ())));
            assert!(text.contains("wait for itself"), "{text}");
            let cell = sync::OnceCell::new();
            let text = panic_of(|| *cell.get_or_init(|| *cell.get_or_init(|| 1)));
            assert!(text.contains("wait for itself"), "{text}");
            assert_eq!(cell.get_or_init(|| 2), &2);
        };
        runtime.run(recursion);
        recursion();
    });
}

#[test]
fn a_cell_stays_empty_when_an_initialiser_fails() {
    with_runtimes(|runtime| {
        let cell = Arc::new(sync::OnceCell::<u32>::new());
        assert_eq!(panic_of(|| cell.get_or_init(|| panic!("on purpose")).to_owned()), "on purpose");
        assert_eq!(cell.get_or_try_init(|| Err("no")), Err("no"));
        let (runs, inside) = (cell.clone(), Arc::new(SyncFlag::new()));
        let enters = inside.clone();
        let runner = runtime.spawn(move || {
            *runs.get_or_init(|| {
                enters.fire();
                coroutine::park();
                1
            })
        });
        inside.wait();
        runner.cancel();
        assert_cancelled(runner);
        assert_eq!(cell.get(), None);
        assert_eq!(cell.get_or_init(|| 5), &5);
    });
}

#[test]
fn a_cell_is_set_once() {
    within(HUNG, || {
        let mut cell = sync::OnceCell::new();
        assert_eq!(cell.set(1), Ok(()));
        assert_eq!(cell.set(2), Err(2));
        assert_eq!(cell.try_insert(3), Err((&1, 3)));
        *cell.get_mut().unwrap() = 4;
        assert_eq!(cell.clone().into_inner(), Some(4));
        assert_eq!(cell, sync::OnceCell::from(4));
        assert_eq!(format!("{cell:?}"), "OnceCell(4)");
        assert_eq!(cell.take(), Some(4));
        assert_eq!(cell.try_insert(5), Ok(&5));
    });
}

#[test]
fn a_lazy_value_is_made_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    static WORDS: sync::Lazy<Vec<&str>> = sync::Lazy::new(|| {
        MADE.fetch_add(1, Ordering::SeqCst);
        coroutine::yield_now();
        "one two".split(' ').collect()
    });
    with_runtimes(|runtime| {
        let all: Vec<_> = (0..20).map(|_| runtime.spawn(|| WORDS.len())).collect();
        let thread = thread::spawn(|| WORDS.len());
        assert!(all.into_iter().all(|one| one.join().unwrap() == 2));
        assert_eq!(thread.join().unwrap(), 2);
    });
    assert_eq!(MADE.load(Ordering::SeqCst), 1);
}

#[test]
fn a_lazy_value_whose_initialiser_panics_is_lost() {
    within(HUNG, || {
        let lazy = sync::Lazy::<u32, _>::new(|| panic!("on purpose"));
        assert_eq!(panic_of(|| *lazy), "on purpose");
        assert!(panic_of(|| *lazy).contains("there is no value"));
        assert_eq!(sync::Lazy::get(&lazy), None);
        assert!(panic_of(|| sync::Lazy::into_value(lazy).is_ok()).contains("there is no value"));
    });
}

#[test]
fn a_cancel_does_not_cut_a_lazy_initialiser_off() {
    with_runtimes(|runtime| {
        let (inside, flag) = (Arc::new(SyncFlag::new()), Arc::new(SyncFlag::new()));
        let (enters, waits) = (inside.clone(), flag.clone());
        let make = move || {
            enters.fire();
            waits.wait();
            coroutine::yield_now();
            3
        };
        let lazy = Arc::new(sync::Lazy::new(make));
        let (runs, got) = (lazy.clone(), Arc::new(AtomicUsize::new(0)));
        let gets = got.clone();
        let runner = runtime.spawn(move || {
            gets.store(**runs, Ordering::SeqCst);
            coroutine::park();
        });
        inside.wait();
        let wants = lazy.clone();
        let waiter = start(runtime, move || **wants);
        runner.cancel();
        flag.fire();
        assert_eq!(waiter.join().unwrap(), 3);
        assert_cancelled(runner);
        assert_eq!(got.load(Ordering::SeqCst), 3);
    });
}

#[test]
fn a_lazy_value_can_be_changed_and_taken() {
    within(HUNG, || {
        let mut lazy = sync::Lazy::new(|| 1);
        assert_eq!(format!("{lazy:?}"), "Lazy(<not made>)");
        assert_eq!(sync::Lazy::get_mut(&mut lazy), None);
        *lazy += 1;
        *sync::Lazy::force_mut(&mut lazy) += 1;
        assert_eq!(format!("{lazy:?}"), "Lazy(3)");
        assert_eq!(sync::Lazy::into_value(lazy).ok(), Some(3));
        let not_made = sync::Lazy::<u32, _>::new(|| 4);
        assert_eq!(sync::Lazy::into_value(not_made).map_err(|f| f()), Err(4));
        assert_eq!(*sync::Lazy::<u32>::default(), 0);
    });
}

#[test]
fn what_was_made_is_dropped_once() {
    within(HUNG, || {
        let drops = Drops::default();
        let mut cell = sync::OnceCell::with_value(drops.one());
        drop(cell.set(drops.one()));
        assert_eq!(drops.count(), 1);
        drop(cell.take());
        assert_eq!(drops.count(), 2);
        cell.get_or_init(|| drops.one());
        drop(cell);
        assert_eq!(drops.count(), 3);
        // The initialiser too, whether it is called or not.
        let held = drops.one();
        let lazy = sync::Lazy::new(move || drop(held));
        sync::Lazy::force(&lazy);
        assert_eq!(drops.count(), 4);
        let held = drops.one();
        drop(sync::Lazy::<(), _>::new(move || drop(held)));
        assert_eq!(drops.count(), 5);
    });
}

thread_local! {
    /// What coroutines of one worker share through an `Rc`.
    static FLAG: Rc<SyncFlag> = Rc::default();
    static CELL: Rc<unsync::OnceCell<u32>> = Rc::default();
    static LAZY: Rc<unsync::Lazy<u32, fn() -> u32>> = Rc::new(unsync::Lazy::new(|| {
        FLAG.with(Rc::clone).wait();
        1
    }));
}

#[test]
fn an_initialiser_for_one_thread_may_block_and_nobody_else_runs_it() {
    within(HUNG, || {
        let runtime = runtime(1);
        let get = || **LAZY.with(Rc::clone);
        let first = start(&runtime, get);
        assert!(!first.is_finished());
        runtime.spawn(get).join().unwrap_err();
        runtime.run(|| FLAG.with(Rc::clone).fire());
        assert_eq!(first.join().unwrap(), 1);
        assert_eq!(runtime.spawn(get).join().unwrap(), 1);
    });
}

#[test]
fn a_cell_for_one_thread_is_filled_once_while_an_initialiser_blocks() {
    within(HUNG, || {
        let runtime = runtime(1);
        let slow = start(&runtime, || {
            *CELL.with(Rc::clone).get_or_init(|| {
                FLAG.with(Rc::clone).wait();
                1
            })
        });
        assert!(!slow.is_finished());
        let get = || *CELL.with(Rc::clone).get_or_init(|| 2);
        assert_eq!(runtime.spawn(get).join().unwrap(), 2);
        runtime.run(|| FLAG.with(Rc::clone).fire());
        assert_eq!(text_of(&*slow.join().unwrap_err()), "reentrant init");
        assert_eq!(runtime.spawn(get).join().unwrap(), 2);
    });
}
