//! `Semaphore`: permits are given out in order, and none is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, Cancelled};
use mco::std::sync::{Semaphore, Semphore};
use mco_tests::everywhere::everywhere;
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, eventually, runtime, with_runtimes, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn no_more_than_the_permits_are_inside() {
    with_runtimes(|runtime| {
        let (permits, inside) = (Arc::new(Semaphore::new(3)), Arc::new(AtomicUsize::new(0)));
        let work = |_| {
            let (permits, inside) = (permits.clone(), inside.clone());
            move || {
                for _ in 0..100 {
                    permits.wait();
                    let before = inside.fetch_add(1, Ordering::SeqCst);
                    assert!(before < 3, "{before} are inside already");
                    coroutine::yield_now();
                    inside.fetch_sub(1, Ordering::SeqCst);
                    permits.post();
                }
            }
        };
        let coroutines: Vec<_> = (0..20).map(work).map(|work| runtime.spawn(work)).collect();
        let threads: Vec<_> = (0..3).map(work).map(thread::spawn).collect();
        coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(permits.get_value(), 3);
    });
}

#[test]
fn permits_are_counted() {
    within(HUNG, || {
        static PERMITS: Semphore = Semphore::new(1);
        assert!(PERMITS.try_wait());
        assert!(!PERMITS.try_wait());
        PERMITS.post();
        PERMITS.post();
        assert_eq!(PERMITS.get_value(), 2);
        assert_eq!(format!("{PERMITS:?}"), "Semaphore { permits: 2, .. }");
        PERMITS.wait();
        assert!(PERMITS.wait_timeout(LONG));
        assert_eq!(PERMITS.get_value(), 0);
    });
}

#[test]
#[should_panic(expected = "at most `usize::MAX` permits")]
fn more_permits_than_can_be_counted_are_refused() {
    Semaphore::new(usize::MAX).post();
}

#[test]
fn who_waits_first_is_served_first() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (permits, order) =
            (Arc::new(Semaphore::new(0)), Arc::new(std::sync::Mutex::new(vec![])));
        let wait = |n| {
            let (permits, order) = (permits.clone(), order.clone());
            start(&runtime, move || {
                permits.wait();
                order.lock().unwrap().push(n);
                // Nobody overtakes: this one comes to the end of the queue.
                permits.wait();
                order.lock().unwrap().push(n);
            })
        };
        let waiting: Vec<_> = (0..5).map(wait).collect();
        for n in 1..=10 {
            permits.post();
            eventually("one goes on", || order.lock().unwrap().len() == n);
        }
        waiting.into_iter().for_each(|waiter| waiter.join().unwrap());
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
    });
}

#[test]
fn a_permit_goes_to_who_waits_and_not_to_who_comes() {
    within(HUNG, || {
        let runtime = runtime(1);
        let permits = Arc::new(Semaphore::new(0));
        let waits = permits.clone();
        let waiter = start(&runtime, move || waits.wait());
        runtime.run(|| {
            permits.post();
            // The waiter, on the same worker, has not run yet.
            assert!(!permits.try_wait());
        });
        waiter.join().unwrap();
    });
}

#[test]
fn a_wait_with_a_limit_is_never_short() {
    with_runtimes(|runtime| {
        let waits = || {
            let permits = Semaphore::new(0);
            for millis in [0, 1, 5, 20] {
                let (limit, start) = (Duration::from_millis(millis), Instant::now());
                assert!(!permits.wait_timeout(limit));
                assert!(start.elapsed() >= limit);
            }
        };
        runtime.run(waits);
        waits();
    });
}

#[test]
fn a_permit_in_time_ends_a_wait_with_a_limit() {
    with_runtimes(|runtime| {
        let permits = Arc::new(Semaphore::new(0));
        let wait = |limit| {
            let permits = permits.clone();
            move || permits.wait_timeout(limit)
        };
        let coroutine = start(runtime, wait(LONG));
        let thread = thread::spawn(wait(Duration::MAX));
        permits.post();
        permits.post();
        assert!(coroutine.join().unwrap() && thread.join().unwrap());
    });
}

#[test]
fn a_permit_that_comes_at_the_deadline_is_taken_or_kept() {
    with_runtimes(|runtime| {
        for round in 0..300 {
            let permits = Arc::new(Semaphore::new(0));
            let waits = permits.clone();
            let limit = Duration::from_micros(round % 100);
            let waiter = runtime.spawn(move || waits.wait_timeout(limit));
            thread::yield_now();
            permits.post();
            assert_eq!(permits_after(waiter.join().unwrap()), permits.get_value());
        }
    });
}

/// How many of one permit are left.
fn permits_after(taken: bool) -> usize {
    usize::from(!taken)
}

#[test]
fn a_permit_for_one_that_is_cancelled_is_taken_or_kept() {
    with_runtimes(|runtime| {
        for round in 0..300 {
            let permits = Arc::new(Semaphore::new(0));
            let waits = permits.clone();
            let waiter = start(runtime, move || waits.wait());
            // In both orders, and close together.
            if round % 2 == 0 {
                waiter.cancel();
                permits.post();
            } else {
                permits.post();
                waiter.cancel();
            }
            let taken = match waiter.join() {
                Ok(()) => true,
                Err(payload) => {
                    assert!(payload.is::<Cancelled>());
                    false
                }
            };
            assert_eq!(permits_after(taken), permits.get_value());
        }
    });
}

#[test]
fn the_next_one_gets_what_the_cancelled_did_not() {
    with_runtimes(|runtime| {
        let permits = Arc::new(Semaphore::new(0));
        let waits = permits.clone();
        let first = start(runtime, move || waits.wait());
        let waits = permits.clone();
        let second = start(runtime, move || waits.wait());
        first.cancel();
        assert_cancelled(first);
        permits.post();
        second.join().unwrap();
        assert_eq!(permits.get_value(), 0);
    });
}

#[test]
fn cancels_and_deadlines_at_any_time_lose_no_permit() {
    with_runtimes(|runtime| {
        let permits = Arc::new(Semaphore::new(2));
        for round in 0..40 {
            let work = |n: usize| {
                let permits = permits.clone();
                move || {
                    for turn in 0..10 {
                        if n.is_multiple_of(2) {
                            permits.wait();
                        } else if !permits.wait_timeout(Duration::from_micros(turn * 10)) {
                            continue;
                        }
                        // Given back also if the yield unwinds.
                        let _back = mco::std::defer::Guard::new(|| permits.post());
                        coroutine::yield_now();
                    }
                }
            };
            let coroutines: Vec<_> = (0..16).map(|n| runtime.spawn(work(n))).collect();
            let thread = thread::spawn(work(1));
            for coroutine in coroutines.iter().skip(round % 3).step_by(3) {
                coroutine.cancel();
                thread::yield_now();
            }
            coroutines.iter().for_each(|coroutine| coroutine.wait());
            thread.join().unwrap();
            assert_eq!(permits.get_value(), 2);
        }
    });
}

#[test]
fn taking_permits_again_and_again_lets_others_run() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (permits, done) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicUsize::new(0)));
        let (taken, ends) = (permits.clone(), done.clone());
        let busy = runtime.spawn(move || {
            while ends.load(Ordering::Relaxed) == 0 {
                taken.wait();
                taken.post();
            }
        });
        runtime.spawn(move || done.store(1, Ordering::Relaxed)).join().unwrap();
        busy.join().unwrap();
    });
}

#[test]
fn a_guard_puts_its_permits_back_however_it_goes() {
    everywhere(|| {
        let permits = Semaphore::new(3);
        let one = permits.acquire();
        let two = permits.acquire_many(2);
        assert_eq!((one.permits(), two.permits(), permits.get_value()), (1, 2, 0));
        assert!(permits.try_acquire().is_none());
        assert!(permits.acquire_timeout(Duration::from_micros(50)).is_none());
        drop(two);
        assert_eq!(permits.get_value(), 2);
        let panics = std::panic::catch_unwind(|| {
            let _guard = permits.acquire_many(2);
            panic!("on purpose: with permits");
        });
        assert!(panics.is_err());
        drop(one);
        assert_eq!(permits.get_value(), 3);
        assert_eq!(permits.acquire_many(0).permits(), 0);
        assert!(permits.try_acquire().is_some() && permits.get_value() == 3);
    });
}

#[test]
fn one_that_is_cancelled_while_it_gathers_puts_back_what_it_has() {
    with_runtimes(|runtime| {
        let permits = Arc::new(Semaphore::new(2));
        let gathers = permits.clone();
        let gathers = start(runtime, move || drop(gathers.acquire_many(3)));
        eventually("it has what there is", || permits.get_value() == 0);
        gathers.cancel();
        assert_cancelled(gathers);
        assert_eq!(permits.get_value(), 2);
    });
}

#[test]
fn those_that_want_all_do_not_wait_for_each_other() {
    everywhere(|| {
        let (permits, inside) = (Semaphore::new(4), AtomicUsize::new(0));
        mco::scope(|s| {
            for n in 0..12 {
                let (permits, inside) = (&permits, &inside);
                s.spawn(move || {
                    for _ in 0..20 {
                        let wanted = if n % 3 == 0 { 1 } else { 4 };
                        let _guard = permits.acquire_many(wanted);
                        assert!(inside.fetch_add(wanted, Ordering::SeqCst) + wanted <= 4);
                        coroutine::yield_now();
                        inside.fetch_sub(wanted, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(permits.get_value(), 4);
    });
}
