//! `mco::std::pool`: connections that are used again, and tasks.

use std::error::Error as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mco::coroutine;
use mco::std::errors::Error;
use mco::std::pool::{ConnectionPool, Pool, PoolError, Task};
use mco::std::sync::channel::unbounded;
use mco_tests::everywhere::everywhere;
use mco_tests::started::{Drops, assert_cancelled, start};
use mco_tests::{HUNG, child, eventually, with_runtimes, within};

const SHORT: Duration = Duration::from_millis(2);

/// A pool of numbers, which counts what it has made.
fn numbers(max: usize) -> (ConnectionPool<usize, &'static str>, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let counts = made.clone();
    (ConnectionPool::new(max, move || Ok(counts.fetch_add(1, Ordering::SeqCst))), made)
}

#[test]
fn no_more_are_in_use_at_once_than_allowed_and_they_are_used_again() {
    const MAX: usize = 3;
    with_runtimes(|runtime| {
        let (pool, made) = numbers(MAX);
        let (using, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let uses = |_| {
            let (pool, using, most) = (pool.clone(), using.clone(), most.clone());
            move || {
                for _ in 0..20 {
                    let connection = pool.get().unwrap();
                    most.fetch_max(using.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    assert!(*connection < MAX);
                    coroutine::yield_now();
                    using.fetch_sub(1, Ordering::SeqCst);
                }
            }
        };
        let coroutines: Vec<_> = (0..16).map(uses).map(|uses| runtime.spawn(uses)).collect();
        let threads: Vec<_> = (0..2).map(uses).map(std::thread::spawn).collect();
        coroutines.into_iter().for_each(|one| one.join().unwrap());
        threads.into_iter().for_each(|one| one.join().unwrap());
        assert!(most.load(Ordering::SeqCst) <= MAX && made.load(Ordering::SeqCst) <= MAX);
        assert_eq!((pool.in_use(), pool.idle()), (0, made.load(Ordering::SeqCst)));
        pool.clear();
        assert_eq!(pool.size(), 0);
    });
}

#[test]
fn who_waits_too_long_is_told_so() {
    everywhere(|| {
        let (pool, _) = numbers(1);
        let pool = pool.max_wait(SHORT);
        let first = pool.get().unwrap();
        assert_eq!(pool.get().unwrap_err(), PoolError::Timeout(SHORT));
        assert!(pool.try_get().unwrap().is_none());
        drop(first);
        assert_eq!(*pool.get().unwrap(), 0);
        assert_eq!(pool.try_get().unwrap().map(|connection| *connection), Some(0));
    });
}

#[test]
fn who_waits_longest_comes_first() {
    with_runtimes(|runtime| {
        let (pool, _) = numbers(1);
        let first = pool.get().unwrap();
        let (sender, order) = unbounded();
        let waits: Vec<_> = (0..5)
            .map(|n| {
                let (pool, sender) = (pool.clone(), sender.clone());
                let one = start(runtime, move || {
                    let _connection = pool.get().unwrap();
                    sender.send(n).unwrap();
                });
                coroutine::sleep(SHORT);
                one
            })
            .collect();
        drop(first);
        waits.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    });
}

#[test]
fn what_is_no_longer_good_is_made_anew() {
    everywhere(|| {
        let (pool, made) = numbers(4);
        let good = Arc::new(AtomicBool::new(true));
        let checks = good.clone();
        let pool = pool.check(move |_| checks.load(Ordering::SeqCst));
        drop((pool.get().unwrap(), pool.get().unwrap()));
        assert_eq!(*pool.get().unwrap(), 1, "the one that was given back last");
        assert_eq!(pool.idle(), 2);
        good.store(false, Ordering::SeqCst);
        assert_eq!((*pool.get().unwrap(), made.load(Ordering::SeqCst)), (2, 3));
        assert_eq!(pool.size(), 1, "both were dropped");
        pool.get().unwrap().discard();
        assert_eq!(pool.size(), 0);
        assert_eq!((pool.get().unwrap().into_inner(), pool.size()), (4, 0));
    });
}

#[test]
fn connections_are_not_idle_for_ever_nor_too_many() {
    everywhere(|| {
        let (pool, made) = numbers(4);
        let pool = pool.idle_timeout(SHORT).max_idle(2);
        drop((pool.get().unwrap(), pool.get().unwrap(), pool.get().unwrap()));
        assert_eq!((pool.idle(), made.load(Ordering::SeqCst)), (2, 3));
        coroutine::sleep(SHORT * 2);
        let connection = pool.get().unwrap();
        assert_eq!((*connection, pool.idle()), (3, 0), "they have been dropped");
    });
}

#[test]
fn an_error_of_connecting_is_passed_on_and_takes_no_place() {
    everywhere(|| {
        let refuses = || Err::<(), _>(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        let pool = ConnectionPool::new(1, refuses);
        for _ in 0..3 {
            let error = pool.get().unwrap_err();
            assert!(error.source().is_some_and(|source| source.is::<std::io::Error>()), "{error}");
            assert!(matches!(error, PoolError::Connect(_)));
            let error = Error::from(error);
            assert!(format!("{error:?}").contains("because: connection refused"), "{error:?}");
        }
        assert_eq!(pool.size(), 0);
    });
}

#[test]
fn one_whose_holder_unwinds_is_dropped_and_gives_its_place_back() {
    with_runtimes(|runtime| {
        let drops = Drops::default();
        let makes = drops.clone();
        let pool = ConnectionPool::<_, ()>::new(1, move || Ok(makes.one()));
        let panics = pool.clone();
        let panics = runtime.spawn(move || {
            let _connection = panics.get();
            panic!("in the middle of something");
        });
        panics.join().unwrap_err();
        assert_eq!((drops.count(), pool.size()), (1, 0));
        let holds = pool.clone();
        let holds = start(runtime, move || {
            let _connection = holds.get();
            coroutine::sleep(HUNG);
        });
        let waits = pool.clone();
        let waits = start(runtime, move || drop(waits.get()));
        waits.cancel();
        assert_cancelled(waits);
        holds.cancel();
        assert_cancelled(holds);
        assert_eq!((drops.count(), pool.size()), (2, 0));
        drop(pool.get().unwrap());
        assert_eq!((drops.count(), pool.size()), (2, 1));
    });
}

#[test]
fn one_that_is_cancelled_while_it_connects_gives_its_place_back() {
    with_runtimes(|runtime| {
        let slow = Arc::new(AtomicBool::new(true));
        let is_slow = slow.clone();
        let pool = ConnectionPool::<_, ()>::new(1, move || {
            if is_slow.load(Ordering::SeqCst) {
                coroutine::sleep(HUNG);
            }
            Ok(1)
        });
        let connects = pool.clone();
        let connects = start(runtime, move || drop(connects.get()));
        eventually("it connects", || pool.in_use() == 1);
        slow.store(false, Ordering::SeqCst);
        connects.cancel();
        assert_cancelled(connects);
        assert_eq!(pool.get().map(|connection| *connection), Ok(1));
    });
}

#[test]
fn tasks_run_so_many_at_once_and_all_of_them() {
    with_runtimes(|runtime| {
        for pool in [Pool::new(3), Pool::new_bounded(3, 2)] {
            let pool = Arc::new(pool);
            let runs = pool.clone();
            let runs = runtime.spawn(move || runs.run());
            let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let done = Arc::new(AtomicUsize::new(0));
            for _ in 0..50 {
                let (running, most, done) = (running.clone(), most.clone(), done.clone());
                pool.put(Task::new(move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    coroutine::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                }));
            }
            assert!(!pool.is_close());
            pool.close_finish();
            runs.join().unwrap();
            assert!(pool.is_close() && most.load(Ordering::SeqCst) <= 3);
            assert_eq!(done.load(Ordering::SeqCst), 50);
            pool.put(Task::new(|| panic!("it is closed")));
        }
    });
}

#[test]
fn a_pool_that_is_closed_drops_the_tasks_that_wait() {
    with_runtimes(|runtime| {
        let pool = Arc::new(Pool::new(1));
        let (go_on, waits) = unbounded::<()>();
        let (starts, started) = unbounded();
        pool.put(Task::new(move || {
            starts.send(())?;
            waits.recv()?;
            Ok(())
        }));
        pool.put(Task::new(|| panic!("it waits")));
        let runs = pool.clone();
        let runs = runtime.spawn(move || runs.run());
        started.recv().unwrap();
        pool.close();
        assert!(!runs.is_finished());
        go_on.send(()).unwrap();
        runs.join().unwrap();
    });
}

#[test]
fn the_error_and_the_panic_of_a_task_end_that_task() {
    let end = child::pass(|| {
        within(HUNG, || {
            let pool = Pool::new(1);
            pool.put(Task::new(|| Err(mco::err!("no such file"))));
            pool.put(Task::new(|| panic!("on purpose")));
            let (sender, receiver) = mpsc::channel();
            pool.put(Task::new(move || Ok(sender.send(())?)));
            pool.close_finish();
            pool.run();
            receiver.recv().unwrap();
        });
    });
    let said = "mco: a task of a `Pool` has failed: no such file";
    assert!(end.stderr.contains(said), "{}", end.stderr);
}
