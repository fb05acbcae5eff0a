//! `Condvar`: nobody misses a notification, with a `Mutex` that coroutines and threads share.

use std::collections::VecDeque;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine;
use mco::std::sync::{Condvar, Mutex};
use mco_tests::started::{assert_cancelled, settle, start};
use mco_tests::{HUNG, eventually, runtime, with_runtimes, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

/// A number that one waits for.
#[derive(Default)]
struct Shared {
    number: Mutex<usize>,
    changed: Condvar,
    /// How many have come to wait, counted with the mutex held.
    waiting: AtomicUsize,
}

impl Shared {
    /// Waits once, notified or not.
    fn wait(&self) {
        let guard = self.number.lock().unwrap();
        self.waiting.fetch_add(1, Ordering::SeqCst);
        drop(self.changed.wait(guard).unwrap());
    }

    /// Returns when so many have begun to wait: they count while they hold the mutex, and give it
    /// back as they enter.
    fn await_waiting(&self, n: usize) {
        eventually("they wait", || {
            self.waiting.load(Ordering::SeqCst) == n && self.number.try_lock().is_ok()
        });
    }
}

#[test]
fn a_notification_ends_the_wait_of_the_first() {
    with_runtimes(|runtime| {
        let shared = Arc::new(Shared::default());
        let ended = Arc::new(std::sync::Mutex::new(Vec::new()));
        let wait = |n| {
            let (waits, ends) = (shared.clone(), ended.clone());
            let handle = runtime.spawn(move || {
                waits.wait();
                ends.lock().unwrap().push(n);
            });
            shared.await_waiting(n);
            handle
        };
        let waiting: Vec<_> = (1..=5).map(wait).collect();
        for n in 1..=5 {
            shared.changed.notify_one();
            eventually("one goes on", || ended.lock().unwrap().len() >= n);
            settle(runtime);
            assert_eq!(*ended.lock().unwrap(), Vec::from_iter(1..=n));
        }
        waiting.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn notify_all_ends_every_wait() {
    with_runtimes(|runtime| {
        let shared = Arc::new(Shared::default());
        let wait = |_| {
            let waits = shared.clone();
            runtime.spawn(move || waits.wait())
        };
        let waiting: Vec<_> = (0..20).map(wait).collect();
        let waits = shared.clone();
        let thread = thread::spawn(move || waits.wait());
        shared.await_waiting(21);
        shared.changed.notify_all();
        waiting.into_iter().for_each(|handle| handle.join().unwrap());
        thread.join().unwrap();
    });
}

#[test]
fn nobody_to_notify_is_nothing() {
    within(HUNG, || {
        let shared = Shared::default();
        shared.changed.notify_one();
        shared.changed.notify_all();
        // It is not kept for later.
        let guard = shared.number.lock().unwrap();
        let wait = shared.changed.wait_timeout(guard, Duration::from_millis(1));
        assert!(wait.unwrap().1.timed_out());
    });
}

#[test]
fn wait_while_takes_no_notice_of_notifications_without_a_reason() {
    with_runtimes(|runtime| {
        let (shared, done) = (Arc::new(Shared::default()), Arc::new(AtomicBool::new(false)));
        let waits = shared.clone();
        let waiter = runtime.spawn(move || {
            let guard = waits.number.lock().unwrap();
            *waits.changed.wait_while(guard, |number| *number < 3).unwrap()
        });
        let waits = shared.clone();
        let timed = thread::spawn(move || {
            let guard = waits.number.lock().unwrap();
            let wait = waits.changed.wait_timeout_while(guard, LONG, |number| *number < 3);
            let (guard, result) = wait.unwrap();
            (*guard, result.timed_out())
        });
        let (noise, ends) = (shared.clone(), done.clone());
        let noisy = runtime.spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                noise.changed.notify_all();
                coroutine::yield_now();
            }
        });
        for _ in 0..3 {
            coroutine::sleep(Duration::from_millis(1));
            assert!(!waiter.is_finished() && !timed.is_finished());
            *shared.number.lock().unwrap() += 1;
        }
        assert_eq!(waiter.join().unwrap(), 3);
        assert_eq!(timed.join().unwrap(), (3, false));
        done.store(true, Ordering::Relaxed);
        noisy.join().unwrap();
    });
}

#[test]
fn a_condition_that_does_not_hold_is_not_waited_for() {
    within(HUNG, || {
        let shared = Shared::default();
        let guard = shared.number.lock().unwrap();
        let guard = shared.changed.wait_while(guard, |number| *number > 0).unwrap();
        let wait = shared.changed.wait_timeout_while(guard, Duration::ZERO, |n| *n > 0);
        assert!(!wait.unwrap().1.timed_out());
    });
}

#[test]
fn a_wait_with_a_limit_is_never_short() {
    with_runtimes(|runtime| {
        let waits = || {
            let shared = Shared::default();
            for millis in [0, 1, 5, 20] {
                let (limit, start) = (Duration::from_millis(millis), Instant::now());
                let guard = shared.number.lock().unwrap();
                let (guard, result) = shared.changed.wait_timeout(guard, limit).unwrap();
                assert!(result.timed_out() && start.elapsed() >= limit);
                let start = Instant::now();
                let wait = shared.changed.wait_timeout_while(guard, limit, |_| true);
                assert!(wait.unwrap().1.timed_out() && start.elapsed() >= limit);
            }
        };
        runtime.run(waits);
        waits();
    });
}

#[test]
fn a_notification_in_time_is_no_timeout() {
    with_runtimes(|runtime| {
        let shared = Arc::new(Shared::default());
        let waits = shared.clone();
        let waiter = runtime.spawn(move || {
            let guard = waits.number.lock().unwrap();
            waits.waiting.fetch_add(1, Ordering::SeqCst);
            waits.changed.wait_timeout(guard, LONG).unwrap().1.timed_out()
        });
        shared.await_waiting(1);
        shared.changed.notify_one();
        assert!(!waiter.join().unwrap());
    });
}

#[test]
fn one_that_is_cancelled_has_given_the_lock_back() {
    with_runtimes(|runtime| {
        let shared = Arc::new(Shared::default());
        let waits = shared.clone();
        let waiter = start(runtime, move || waits.wait());
        shared.await_waiting(1);
        // It need not get the lock to unwind.
        let guard = shared.number.lock().unwrap();
        waiter.cancel();
        assert_cancelled(waiter);
        drop(guard);
        assert!(!shared.number.is_poisoned());
        drop(shared.number.try_lock().unwrap());
    });
}

#[test]
fn a_notification_of_one_that_is_cancelled_reaches_the_next() {
    with_runtimes(|runtime| {
        for round in 0..100 {
            let shared = Arc::new(Shared::default());
            let wait = |n| {
                let waits = shared.clone();
                let handle = runtime.spawn(move || waits.wait());
                shared.await_waiting(n);
                handle
            };
            let (first, second) = (wait(1), wait(2));
            // It is held, so the first is notified and waits for it.
            let guard = shared.number.lock().unwrap();
            if round % 2 == 0 {
                shared.changed.notify_one();
                first.cancel();
            } else {
                first.cancel();
                shared.changed.notify_one();
            }
            drop(guard);
            match first.join() {
                Ok(()) => shared.changed.notify_one(),
                Err(payload) => assert!(payload.is::<coroutine::Cancelled>()),
            }
            second.join().unwrap();
        }
    });
}

#[test]
fn the_poison_is_told_when_the_lock_is_taken_again() {
    with_runtimes(|runtime| {
        let shared = Arc::new(Shared::default());
        let waits = shared.clone();
        let waiter = runtime.spawn(move || {
            let guard = waits.number.lock().unwrap();
            waits.waiting.fetch_add(1, Ordering::SeqCst);
            waits.changed.wait(guard).is_err()
        });
        shared.await_waiting(1);
        let poisons = shared.clone();
        let panics = runtime.spawn(move || {
            let _guard = poisons.number.lock().unwrap();
            poisons.changed.notify_one();
            panic!("on purpose");
        });
        panics.join().unwrap_err();
        assert!(waiter.join().unwrap());
    });
}

#[test]
fn a_wait_in_a_thread_and_a_panic_after_it_poison_as_usual() {
    within(HUNG, || {
        let shared = Shared::default();
        let panics = panic::AssertUnwindSafe(|| {
            let guard = shared.number.lock().unwrap();
            let _guard = shared.changed.wait_timeout(guard, Duration::ZERO).unwrap();
            panic!("on purpose");
        });
        panic::catch_unwind(panics).unwrap_err();
        assert!(shared.number.is_poisoned());
    });
}

#[test]
fn a_buffer_of_coroutines_and_threads_loses_nothing() {
    const EACH: usize = 300;
    with_runtimes(|runtime| {
        struct Buffer {
            items: Mutex<VecDeque<usize>>,
            not_empty: Condvar,
            not_full: Condvar,
        }
        let buffer = Arc::new(Buffer {
            items: Mutex::default(),
            not_empty: Condvar::new(),
            not_full: Condvar::new(),
        });
        let put = |buffer: Arc<Buffer>| {
            move || {
                for n in 0..EACH {
                    let items = buffer.items.lock().unwrap();
                    let mut items = buffer.not_full.wait_while(items, |i| i.len() >= 3).unwrap();
                    items.push_back(n);
                    drop(items);
                    buffer.not_empty.notify_one();
                }
            }
        };
        let take = |buffer: Arc<Buffer>| {
            move || {
                let mut sum = 0;
                for _ in 0..EACH {
                    let mut items = buffer.items.lock().unwrap();
                    while items.is_empty() {
                        items = buffer.not_empty.wait(items).unwrap();
                    }
                    sum += items.pop_front().unwrap();
                    drop(items);
                    buffer.not_full.notify_one();
                }
                sum
            }
        };
        let puts: Vec<_> = (0..6).map(|_| runtime.spawn(put(buffer.clone()))).collect();
        let takes: Vec<_> = (0..6).map(|_| runtime.spawn(take(buffer.clone()))).collect();
        let thread_puts = thread::spawn(put(buffer.clone()));
        let thread_takes = thread::spawn(take(buffer.clone()));
        puts.into_iter().for_each(|put| put.join().unwrap());
        thread_puts.join().unwrap();
        let sum: usize = takes.into_iter().map(|take| take.join().unwrap()).sum();
        assert_eq!(sum + thread_takes.join().unwrap(), 7 * EACH * (EACH - 1) / 2);
    });
}

#[test]
fn on_one_worker_a_wait_lets_the_notifier_run() {
    within(HUNG, || {
        let runtime = runtime(1);
        let shared = Arc::new(Shared::default());
        let notifies = shared.clone();
        runtime.run(|| {
            let mut guard = shared.number.lock().unwrap();
            coroutine::spawn(move || {
                *notifies.number.lock().unwrap() = 1;
                notifies.changed.notify_all();
            });
            while *guard == 0 {
                guard = shared.changed.wait(guard).unwrap();
            }
        });
    });
}
