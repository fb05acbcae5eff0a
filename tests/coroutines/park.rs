//! `park` and `unpark`.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, Coroutine, ParkError};
use mco_tests::{HUNG, eventually, sockets, with_runtimes, within};

/// Long enough to show that nothing happens, short enough to wait for.
const WHILE: Duration = Duration::from_millis(20);

#[test]
fn unpark_ends_a_park() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(coroutine::park);
        handle.coroutine().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn without_unpark_a_park_lasts() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(coroutine::park);
        coroutine::sleep(WHILE);
        assert!(!handle.is_finished());
        handle.coroutine().unpark();
        handle.join().unwrap();
    });
}

#[test]
fn unpark_before_park_counts() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            coroutine::current().unpark();
            coroutine::park();
        });
    });
}

#[test]
fn unpark_twice_counts_once() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let me = coroutine::current();
            me.unpark();
            me.unpark();
            coroutine::park();
            assert_eq!(coroutine::park_timeout(WHILE), Err(ParkError::Timeout));
        });
    });
}

#[test]
fn a_permit_survives_other_waits() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            coroutine::current().unpark();
            coroutine::yield_now();
            coroutine::sleep(Duration::from_millis(1));
            coroutine::spawn(coroutine::yield_now).join().unwrap();
            let (mut near, far) = sockets::pair();
            let echo = coroutine::spawn(move || sockets::echo(far));
            std::io::Write::write_all(&mut near, b"x").unwrap();
            std::io::Read::read_exact(&mut near, &mut [0]).unwrap();
            drop(near);
            echo.join().unwrap();
            assert_eq!(coroutine::park_timeout(Duration::from_secs(3600)), Ok(()));
        });
    });
}

#[test]
fn an_unpark_does_not_end_another_wait() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| {
            let start = Instant::now();
            coroutine::sleep(WHILE);
            start.elapsed()
        });
        let coroutine = handle.coroutine().clone();
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let unparker = thread::spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                coroutine.unpark();
                thread::yield_now();
            }
        });
        assert!(handle.join().unwrap() >= WHILE);
        stop.store(true, Ordering::Relaxed);
        unparker.join().unwrap();
    });
}

#[test]
fn what_was_written_before_unpark_is_visible_after_park() {
    with_runtimes(|runtime| {
        for n in 1..2_000usize {
            let value = Arc::new(AtomicUsize::new(0));
            let read = value.clone();
            let handle = runtime.spawn(move || {
                coroutine::park();
                read.load(Ordering::Relaxed)
            });
            value.store(n, Ordering::Relaxed);
            handle.coroutine().unpark();
            assert_eq!(handle.join().unwrap(), n);
        }
    });
}

#[test]
fn no_unpark_from_another_thread_is_lost() {
    const ROUNDS: usize = 5_000;
    with_runtimes(|runtime| {
        // Each answers each, so one that is lost stops both.
        let (unparked, parked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (sees, says) = (unparked.clone(), parked.clone());
        let handle = runtime.spawn(move || {
            for round in 1..=ROUNDS {
                while sees.load(Ordering::Acquire) < round {
                    coroutine::park();
                }
                says.store(round, Ordering::Release);
            }
        });
        let coroutine = handle.coroutine().clone();
        for round in 1..=ROUNDS {
            unparked.store(round, Ordering::Release);
            coroutine.unpark();
            eventually("an answer", || parked.load(Ordering::Acquire) == round);
        }
        handle.join().unwrap();
    });
}

#[test]
fn many_threads_unpark_many_coroutines() {
    const COROUTINES: usize = 50;
    const PERMITS: usize = 200;
    with_runtimes(|runtime| {
        let counts: Vec<_> = (0..COROUTINES).map(|_| Arc::new(AtomicUsize::new(0))).collect();
        let spawn = |count: &Arc<AtomicUsize>| {
            let count = count.clone();
            runtime.spawn(move || {
                // A permit may stand for several unparks, but for the last one too.
                while count.load(Ordering::Acquire) < 3 * PERMITS {
                    coroutine::park();
                }
            })
        };
        let handles: Vec<_> = counts.iter().map(spawn).collect();
        let targets: Vec<Coroutine> = handles.iter().map(|h| h.coroutine().clone()).collect();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let (targets, counts) = (targets.clone(), counts.clone());
                thread::spawn(move || {
                    for _ in 0..PERMITS {
                        for (target, count) in targets.iter().zip(&counts) {
                            count.fetch_add(1, Ordering::Release);
                            target.unpark();
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn coroutines_of_different_workers_unpark_each_other() {
    const ROUNDS: usize = 2_000;
    with_runtimes(|runtime| {
        let (send, receive) = mpsc::channel::<Coroutine>();
        let turn = Arc::new(AtomicUsize::new(0));
        let taken = turn.clone();
        let one = runtime.spawn(move || {
            let mut other = None;
            eventually("the other one says who it is", || {
                other = receive.try_recv().ok();
                other.is_some()
            });
            let other = other.unwrap();
            for round in 0..ROUNDS {
                while taken.load(Ordering::Acquire) != 2 * round {
                    coroutine::park();
                }
                taken.store(2 * round + 1, Ordering::Release);
                other.unpark();
            }
        });
        let partner = one.coroutine().clone();
        let other = runtime.spawn(move || {
            send.send(coroutine::current()).unwrap();
            for round in 0..ROUNDS {
                while turn.load(Ordering::Acquire) != 2 * round + 1 {
                    coroutine::park();
                }
                turn.store(2 * round + 2, Ordering::Release);
                partner.unpark();
            }
        });
        one.join().unwrap();
        other.join().unwrap();
    });
}

#[test]
fn park_timeout_ends_at_its_deadline_and_not_before() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            for millis in [1, 3, 10, 30] {
                let limit = Duration::from_millis(millis);
                let start = Instant::now();
                assert_eq!(coroutine::park_timeout(limit), Err(ParkError::Timeout));
                assert!(start.elapsed() >= limit);
            }
        });
    });
}

#[test]
fn park_timeout_ends_with_an_unpark() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| coroutine::park_timeout(Duration::from_secs(3600)));
        handle.coroutine().unpark();
        assert_eq!(handle.join().unwrap(), Ok(()));
    });
}

#[test]
fn park_timeout_of_zero_takes_a_permit_that_is_there() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            assert_eq!(coroutine::park_timeout(Duration::ZERO), Err(ParkError::Timeout));
            coroutine::current().unpark();
            assert_eq!(coroutine::park_timeout(Duration::ZERO), Ok(()));
            assert_eq!(coroutine::park_timeout(Duration::ZERO), Err(ParkError::Timeout));
        });
    });
}

#[test]
fn a_timeout_leaves_no_permit_and_a_late_unpark_does() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            assert_eq!(coroutine::park_timeout(Duration::from_millis(1)), Err(ParkError::Timeout));
            coroutine::current().unpark();
            coroutine::park();
        });
    });
}

#[test]
fn park_timeout_longer_than_time_waits_for_an_unpark() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| coroutine::park_timeout(Duration::MAX));
        coroutine::sleep(WHILE);
        assert!(!handle.is_finished());
        handle.coroutine().unpark();
        assert_eq!(handle.join().unwrap(), Ok(()));
    });
}

#[test]
fn an_unpark_racing_with_the_deadline_is_told_or_kept() {
    with_runtimes(|runtime| {
        for round in 0..500u32 {
            let handle = runtime.spawn(move || {
                let first = coroutine::park_timeout(Duration::from_micros(u64::from(round % 100)));
                // If it came too late for the first, it is there for the second.
                if first.is_err() {
                    coroutine::park();
                }
            });
            handle.coroutine().unpark();
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_thread_parks_as_a_thread() {
    within(HUNG, || {
        let thread = thread::spawn(coroutine::park);
        thread.thread().unpark();
        thread.join().unwrap();

        let start = Instant::now();
        assert_eq!(coroutine::park_timeout(WHILE), Err(ParkError::Timeout));
        assert!(start.elapsed() >= WHILE);
        thread::current().unpark();
        assert_eq!(coroutine::park_timeout(Duration::from_secs(3600)), Ok(()));
    });
}

#[test]
fn in_a_thread_park_timeout_of_zero_takes_a_permit_that_is_there() {
    within(HUNG, || {
        thread::current().unpark();
        let first = coroutine::park_timeout(Duration::ZERO);
        let second = coroutine::park_timeout(Duration::ZERO);
        assert_eq!((first, second), (Ok(()), Err(ParkError::Timeout)));
    });
}

#[test]
fn waiting_for_a_coroutine_leaves_a_threads_permit_alone() {
    with_runtimes(|runtime| {
        thread::current().unpark();
        runtime.spawn(|| coroutine::sleep(Duration::from_millis(2))).join().unwrap();
        // Returns at once: the join has not used the permit up.
        assert_eq!(coroutine::park_timeout(Duration::from_secs(3600)), Ok(()));
    });
}

#[test]
fn unparking_the_finished_does_nothing() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| 1);
        let coroutine = handle.coroutine().clone();
        handle.wait();
        (0..10).for_each(|_| coroutine.unpark());
        assert_eq!(handle.join().unwrap(), 1);
        coroutine.unpark();
    });
}

#[test]
fn a_timeout_says_what_it_is() {
    assert_eq!(ParkError::Timeout.to_string(), "nobody called `unpark` in the time given");
    let _: &dyn std::error::Error = &ParkError::Timeout;
}
