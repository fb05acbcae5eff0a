//! Timers and tickers: never early, in order, gone when they are stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mco::runtime::Runtime;
use mco::std::sync::channel::{RecvTimeoutError, TryRecvError, unbounded};
use mco::std::sync::{Mutex, Semaphore};
use mco::std::time::{Ticker, Time, Timer, after, after_func, timeout};
use mco::{coroutine, select};
use mco_tests::started::{Drops, OnDrop};
use mco_tests::{HUNG, eventually, runtime, with_runtimes, within};

const SHORT: Duration = Duration::from_millis(10);
const HOUR: Duration = Duration::from_secs(3600);

/// Runs a test in a coroutine, on several runtimes, and in a plain thread.
fn everywhere(test: impl Fn() + Clone + Send + Sync + 'static) {
    let inside = test.clone();
    with_runtimes(move |runtime| runtime.run(&inside));
    within(HUNG, test);
}

#[test]
fn never_early() {
    everywhere(|| {
        let start = Instant::now();
        let timers: Vec<_> = (0..100u64)
            .map(|n| {
                let asked = Duration::from_micros(n * 137);
                (asked, Timer::new(asked), after(asked))
            })
            .collect();
        for (asked, timer, after) in timers {
            timer.recv().unwrap();
            after.recv().unwrap();
            assert!(start.elapsed() >= asked, "asked for {asked:?}, got {:?}", start.elapsed());
        }
    });
}

#[test]
fn the_earlier_comes_first() {
    within(HUNG, || {
        let runtime = runtime(1);
        let order = runtime.run(|| {
            let (sender, receiver) = unbounded();
            // The later ones first.
            let _timers: Vec<_> = (0..20u64)
                .rev()
                .map(|n| {
                    let sender = sender.clone();
                    after_func(SHORT * 5 + Duration::from_millis(n * 10), move || {
                        sender.send(n).unwrap();
                    })
                })
                .collect();
            receiver.iter().take(20).collect::<Vec<_>>()
        });
        assert_eq!(order, (0..20).collect::<Vec<_>>());
    });
}

#[test]
fn of_functions_that_are_late_the_earlier_starts_first() {
    const COUNT: usize = 200;
    const APART: Duration = Duration::from_micros(100);
    with_runtimes(|runtime| {
        runtime.run(|| {
            let started = Arc::new(std::sync::Mutex::new(Vec::new()));
            // As many others as there are, too, which start the newest first.
            let others = || coroutine::spawn(|| coroutine::yield_now());
            let start = Instant::now();
            for n in 0..COUNT {
                let started = started.clone();
                let f = move || started.lock().unwrap().push((thread::current().id(), n));
                after_func(APART * u32::try_from(n).unwrap(), f);
            }
            let others: Vec<_> = (0..COUNT).map(|_| others()).collect();
            // All of them are late.
            while start.elapsed() < APART * u32::try_from(COUNT).unwrap() {
                std::hint::spin_loop();
            }
            eventually("all have run", || started.lock().unwrap().len() == COUNT);
            others.into_iter().for_each(|other| other.join().unwrap());
            let started = started.lock().unwrap();
            for (worker, _) in &*started {
                let here = started.iter().filter(|(other, _)| other == worker).map(|(_, n)| *n);
                let here: Vec<usize> = here.collect();
                assert!(here.is_sorted(), "one worker has started {here:?}");
            }
        });
    });
}

#[test]
fn what_is_received_is_the_time() {
    everywhere(|| {
        let before = Time::now();
        let at = Timer::new(SHORT).recv().unwrap();
        assert!(at.since(&before) >= SHORT && !at.after(&Time::now()));
    });
}

#[test]
fn it_is_received_once() {
    everywhere(|| {
        let once = after(Duration::from_millis(1));
        once.recv().unwrap();
        assert!(once.recv().is_err());
        let timer = Timer::new(Duration::from_millis(1));
        timer.recv().unwrap();
        assert!(timeout(SHORT, || timer.recv()).is_err(), "as in Go it waits to be set again");
    });
}

#[test]
fn stop_says_whether_it_was_in_time() {
    everywhere(|| {
        let timer = Timer::new(HOUR);
        assert!(timer.stop());
        assert!(!timer.stop());
        assert!(!timer.reset(Duration::from_millis(1)), "it was stopped");
        timer.recv().unwrap();
        assert!(!timer.stop(), "it was received");
        assert!(!timer.reset(HOUR));
        assert!(timer.reset(Duration::from_millis(1)));
        timer.recv().unwrap();
        // What has gone off and was not received is taken back.
        timer.reset(Duration::from_millis(1));
        coroutine::sleep(SHORT);
        assert!(timer.stop());
        assert!(timeout(SHORT, || timer.recv()).is_err(), "something stale was received");
        timer.reset(Duration::from_millis(1));
        coroutine::sleep(SHORT);
        assert!(timer.reset(HOUR));
        assert!(timeout(SHORT, || timer.recv()).is_err(), "something stale was received");
    });
}

#[test]
fn one_that_is_reset_again_and_again_goes_off_at_last() {
    everywhere(|| {
        let timer = Timer::new(SHORT * 100);
        let start = Instant::now();
        for _ in 0..200 {
            timer.reset(SHORT * 2);
        }
        timer.recv().unwrap();
        assert!(start.elapsed() >= SHORT * 2);
    });
}

#[test]
fn a_function_runs_in_a_coroutine_of_its_own() {
    everywhere(|| {
        let (sender, receiver) = unbounded();
        let timer = Timer::after_func(Duration::from_millis(1), move || {
            // It may block.
            coroutine::sleep(Duration::from_millis(1));
            sender.send(coroutine::is_coroutine()).unwrap();
        });
        assert_eq!(receiver.recv(), Ok(true));
        assert!(!timer.stop());
        assert!(timer.recv().is_err());
        // Again.
        assert!(!timer.reset(Duration::from_millis(1)));
        assert_eq!(receiver.recv(), Ok(true));
        assert!(!timer.reset(HOUR));
        assert!(timer.stop());
    });
}

#[test]
fn a_function_runs_also_if_its_timer_is_dropped() {
    everywhere(|| {
        let (sender, receiver) = unbounded();
        drop(after_func(Duration::from_millis(1), move || sender.send(1).unwrap()));
        assert_eq!(receiver.recv(), Ok(1));
    });
}

#[test]
fn a_function_that_is_stopped_is_dropped_and_does_not_run() {
    everywhere(|| {
        let drops = Drops::default();
        let (dropped, ran) = (drops.one(), Arc::new(AtomicBool::new(false)));
        let runs = ran.clone();
        let timer = after_func(SHORT, move || {
            let _keeps = &dropped;
            runs.store(true, Ordering::SeqCst);
        });
        assert!(timer.stop());
        coroutine::sleep(SHORT * 2);
        drop(timer);
        assert_eq!((drops.count(), ran.load(Ordering::SeqCst)), (1, false));
    });
}

#[test]
fn a_function_that_panics_can_run_again() {
    within(HUNG, || {
        let (sender, receiver) = unbounded();
        let timer = after_func(Duration::from_millis(1), move || {
            sender.send(1).unwrap();
            panic!("on purpose");
        });
        receiver.recv().unwrap();
        timer.reset(Duration::from_millis(1));
        receiver.recv().unwrap();
    });
}

#[test]
fn runs_of_a_function_wait_for_each_other() {
    within(HUNG, || {
        let (go_on, done) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let (waits, posts) = (go_on.clone(), done.clone());
        let (running, both) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (runs, most) = (running.clone(), both.clone());
        let timer = after_func(Duration::ZERO, move || {
            most.fetch_max(runs.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            waits.wait();
            runs.fetch_sub(1, Ordering::SeqCst);
            posts.post();
        });
        eventually("the first one runs", || running.load(Ordering::SeqCst) == 1);
        timer.reset(Duration::ZERO);
        eventually("it has begun a second one", || !timer.stop());
        coroutine::sleep(SHORT);
        go_on.post();
        go_on.post();
        done.wait();
        assert_eq!(both.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn stopped_from_anywhere() {
    within(HUNG, || {
        let (a, b) = (runtime(2), runtime(1));
        let timer = a.run(|| Timer::new(HOUR));
        assert!(b.run(|| timer.stop()));
        assert!(!b.run(|| timer.reset(HOUR)));
        assert!(timer.stop());
        timer.reset(Duration::from_millis(1));
        timer.recv().unwrap();
        let ticker = b.run(|| Ticker::new(Duration::from_millis(1)));
        ticker.recv().unwrap();
        a.run(|| ticker.recv()).unwrap();
        assert!(ticker.stop());
    });
}

#[test]
fn stop_and_fire_at_once() {
    with_runtimes(|runtime| {
        let mut fired = 0;
        for n in 0..300u64 {
            let ran = Arc::new(AtomicUsize::new(0));
            let runs = ran.clone();
            let limit = Duration::from_micros(n % 50 * 10);
            let timer = runtime.run(move || {
                after_func(limit, move || {
                    runs.fetch_add(1, Ordering::SeqCst);
                })
            });
            thread::sleep(Duration::from_micros(n % 7 * 40));
            if timer.stop() {
                assert_eq!(ran.load(Ordering::SeqCst), 0, "it ran and was stopped");
            } else {
                fired += 1;
                eventually("what was not stopped runs", || ran.load(Ordering::SeqCst) == 1);
            }
        }
        eprintln!("{fired} of 300 were faster");
    });
}

/// How many are set.
fn set(runtime: &Runtime) -> usize {
    runtime.metrics().timers()
}

#[test]
fn the_stopped_and_the_dropped_leave_the_wheel() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            for n in 0..100_000 {
                match n % 5 {
                    0 => drop(Timer::new(HOUR)),
                    1 => drop(after(HOUR)),
                    2 => drop(Ticker::new(HOUR)),
                    3 => assert!(Timer::new(HOUR).stop()),
                    _ => assert!(after_func(HOUR, || ()).stop()),
                }
            }
        });
        assert_eq!(set(runtime), 0);
        // Many at once, dropped elsewhere.
        let timers: Vec<_> = runtime.run(|| (0..10_000).map(|_| Timer::new(HOUR)).collect());
        assert_eq!(set(runtime), 10_000);
        drop(timers);
        assert_eq!(set(runtime), 0);
        runtime.run(|| after(Duration::from_millis(1)).recv()).unwrap();
        assert_eq!(set(runtime), 0);
    });
}

#[test]
fn nothing_waits_for_a_timer_but_its_entry() {
    within(HUNG, || {
        let runtime = runtime(1);
        let timers = runtime.run(|| (0..100).map(|_| Timer::new(HOUR)).collect::<Vec<_>>());
        assert_eq!(runtime.metrics().live(), 0);
        drop(timers);
    });
}

#[test]
fn a_runtime_that_ends_closes_what_it_has() {
    within(HUNG, || {
        let ends = runtime(2);
        let (timer, ticker, later) =
            ends.run(|| (Timer::new(HOUR), Ticker::new(HOUR), after(HOUR)));
        let drops = Drops::default();
        let dropped = drops.one();
        ends.run(|| {
            after_func(HOUR, move || {
                let _keeps = &dropped;
            });
        });
        drop(ends);
        assert!(timer.recv().is_err() && ticker.recv().is_err() && later.recv().is_err());
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn an_earlier_one_wakes_a_worker_that_sleeps_for_a_later_one() {
    within(HUNG, || {
        let runtime = runtime(1);
        let timer = runtime.run(|| Timer::new(HOUR));
        // The worker sleeps now. This thread sets it anew, at a worker of the global runtime.
        coroutine::sleep(SHORT);
        timer.reset(SHORT);
        timer.recv().unwrap();
        let late = Timer::new(HOUR);
        coroutine::sleep(SHORT);
        for _ in 0..50 {
            after(Duration::from_millis(1)).recv().unwrap();
        }
        drop(late);
    });
}

#[test]
fn a_busy_worker_lets_them_go_off() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let yields = runtime.spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                coroutine::yield_now();
            }
        });
        for _ in 0..10 {
            runtime.run(|| after(Duration::from_millis(1)).recv()).unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        yields.join().unwrap();
    });
}

#[test]
fn a_ticker_does_not_drift() {
    everywhere(|| {
        let period = Duration::from_millis(2);
        let start = Instant::now();
        let mut ticker = Ticker::new(period);
        let mut last = Duration::ZERO;
        for n in 1..=100u32 {
            ticker.next().unwrap();
            let now = start.elapsed();
            // Those that are left out on a busy machine make it later only.
            assert!(now >= period * n, "tick {n} came after {now:?}");
            assert!(now > last);
            last = now;
        }
    });
    // A tick that comes late moves none of the others.
    within(HUNG, || {
        let period = SHORT * 2;
        runtime(1).run(|| {
            let start = Instant::now();
            let ticker = Ticker::new(period);
            for n in 1u32.. {
                ticker.recv().unwrap();
                let since = start.elapsed().as_nanos() % period.as_nanos();
                if n >= 5 && since < period.as_nanos() / 2 {
                    break;
                }
                assert!(n < 500, "the ticks are nowhere near multiples of the period");
                // As if much were to be done.
                thread::sleep(SHORT / 3);
            }
        });
    });
}

#[test]
fn a_slow_reader_misses_ticks() {
    everywhere(|| {
        let ticker = Ticker::new(Duration::from_millis(1));
        coroutine::sleep(SHORT * 3);
        let first = ticker.recv().unwrap();
        let second = ticker.recv().unwrap();
        // One was kept, the first; the others were not.
        assert!(second.since(&first) >= SHORT, "{:?}", second.since(&first));
    });
}

#[test]
fn a_stopped_ticker_ends_and_a_reset_one_begins_anew() {
    everywhere(|| {
        let mut ticker = Ticker::new(Duration::from_millis(1));
        ticker.next().unwrap();
        assert!(ticker.stop());
        assert!(!ticker.stop());
        assert_eq!(ticker.next(), None);
        assert!(timeout(SHORT, || ticker.recv()).is_err());
        let start = Instant::now();
        assert!(!ticker.reset(SHORT));
        ticker.next().unwrap();
        assert!(start.elapsed() >= SHORT);
        assert!(ticker.reset(HOUR));
        assert!(timeout(SHORT, || ticker.recv()).is_err());
    });
}

#[test]
fn a_ticker_that_is_reset_wakes_one_that_waits() {
    with_runtimes(|runtime| {
        let ticker = Arc::new(runtime.run(|| Ticker::new(HOUR)));
        let waits = ticker.clone();
        let waiting = runtime.spawn(move || waits.recv());
        ticker.reset(Duration::from_millis(1));
        waiting.join().unwrap().unwrap();
    });
}

#[test]
fn a_period_of_zero_is_refused() {
    within(HUNG, || {
        let refused = |f: Box<dyn FnOnce()>| {
            let payload = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).unwrap_err();
            assert!(mco_tests::text_of(&*payload).contains("longer than zero"));
        };
        refused(Box::new(|| drop(Ticker::new(Duration::ZERO))));
        let ticker = Ticker::new(HOUR);
        refused(Box::new(move || {
            ticker.reset(Duration::ZERO);
        }));
    });
}

#[test]
fn a_time_without_end_disturbs_nobody() {
    everywhere(|| {
        let endless = (Timer::new(Duration::MAX), after(Duration::MAX), Ticker::new(Duration::MAX));
        after(Duration::from_millis(1)).recv().unwrap();
        assert!(endless.0.stop() && endless.2.stop());
        assert_eq!(endless.1.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
    });
}

#[test]
fn they_are_arms_of_a_select() {
    everywhere(|| {
        let (late, early) = (Timer::new(HOUR), Timer::new(Duration::from_millis(1)));
        mco::select! {
            _ = late.recv() => panic!("an hour has not passed"),
            t = early.recv() => assert!(t.unwrap().before(&Time::now().add(SHORT))),
        }
        let ticker = Ticker::new(Duration::from_millis(1));
        let mut ticks = 0;
        while ticks < 10 {
            mco::select! {
                _ = late.recv() => panic!("an hour has not passed"),
                // A stopped one, or one that has been received, is never ready.
                _ = early.recv() => panic!("it was received before"),
                t = ticker.recv() => ticks += usize::from(t.is_ok()),
            }
        }
        mco::select! {
            _ = late.recv() => panic!("an hour has not passed"),
            t = after(Duration::from_millis(1)).recv() => assert!(t.is_ok()),
        }
        // None of them is run in a coroutine of its own.
        let result = timeout(SHORT, || {
            mco::select! {
                t = late.recv() => t.is_ok(),
                t = early.recv() => t.is_ok(),
            }
        });
        assert!(result.is_err());
    });
}

#[test]
fn an_arm_needs_no_coroutine() {
    within(HUNG, || {
        let runtime = runtime(1);
        let spawned = runtime.run(|| {
            let before = mco::runtime::metrics().spawned();
            let (timer, ticker) = (Timer::new(HOUR), Ticker::new(Duration::from_millis(1)));
            for _ in 0..3 {
                mco::select! {
                    _ = timer.recv() => panic!("an hour has not passed"),
                    _ = ticker.recv() => {}
                }
            }
            mco::runtime::metrics().spawned() - before
        });
        assert_eq!(spawned, 0);
    });
}

#[test]
fn a_coroutine_that_is_cancelled_leaves_none_behind() {
    with_runtimes(|runtime| {
        let handles: Vec<_> = (0..100)
            .map(|_| {
                runtime.spawn(|| {
                    let timer = Timer::new(HOUR);
                    let _ticker = Ticker::new(HOUR);
                    timer.recv()
                })
            })
            .collect();
        handles.iter().for_each(|handle| handle.cancel());
        handles.into_iter().for_each(|handle| drop(handle.join()));
        assert_eq!(set(runtime), 0);
    });
}

#[test]
fn a_function_is_not_dropped_by_the_worker_itself() {
    // Its destructor may block, and so has to run in a coroutine.
    within(HUNG, || {
        let runtime = runtime(1);
        let (sender, receiver) = unbounded();
        let order = Arc::new(Mutex::new(()));
        let last = OnDrop(move || {
            drop(order.lock());
            sender.send(coroutine::is_coroutine()).unwrap();
        });
        runtime.run(|| {
            after_func(Duration::from_millis(1), move || {
                let _keeps = &last;
            });
        });
        assert_eq!(receiver.recv(), Ok(true));
    });
}

#[test]
fn one_of_no_time_is_there_at_once() {
    everywhere(|| {
        let now = after(Duration::ZERO);
        assert!(now.try_recv().is_ok());
        assert_eq!(now.try_recv(), Err(TryRecvError::Disconnected));
        let timer = Timer::new(Duration::ZERO);
        select! { at = timer.recv() => assert!(at.is_ok()), default => panic!("it is due") }
        assert!(!timer.reset(Duration::ZERO));
        assert!(timer.stop(), "nobody has received it");
        select! { _ = timer.recv() => panic!("it was stopped"), default => () }
    });
}

#[test]
fn a_channel_that_has_been_read_is_closed() {
    everywhere(|| {
        for _ in 0..50 {
            let soon = after(Duration::from_millis(1));
            soon.recv().unwrap();
            // Not a moment later.
            assert_eq!(soon.try_recv(), Err(TryRecvError::Disconnected));
            assert!(soon.recv().is_err());
        }
    });
}

#[test]
fn two_that_wait_for_one_time_end_both() {
    everywhere(|| {
        let soon = after(Duration::from_millis(5));
        let other = soon.clone();
        let waits = thread::spawn(move || other.recv().is_ok());
        let here = soon.recv().is_ok();
        assert!(
            here != waits.join().unwrap(),
            "one has the time, the other finds the channel closed"
        );
    });
}

#[test]
fn of_two_that_are_due_together_either_comes_first() {
    const ROUNDS: u32 = 400;
    for duration in [Duration::ZERO, Duration::from_millis(1)] {
        everywhere(move || {
            let mut first = 0;
            for _ in 0..ROUNDS {
                let (one, other) = (after(duration), after(duration));
                first += select! {
                    _ = one.recv() => 1,
                    _ = other.recv() => 0,
                };
            }
            assert!((ROUNDS / 4..=ROUNDS * 3 / 4).contains(&first), "{duration:?}: {first}");
        });
    }
}
