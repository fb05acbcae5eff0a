//! Virtual time: it passes only when nothing else happens, and then at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mco::coroutine::{self, sleep, yield_now};
use mco::net::{TcpListener, TcpStream};
use mco::std::sync::{Condvar, Mutex, WaitGroup, channel};
use mco::std::time::{Instant, Ticker, Time, Timer, after, timeout};
use mco::{go, select};

const HOUR: Duration = Duration::from_secs(3600);
const MS: Duration = Duration::from_millis(1);

/// A thousand coroutines that do something now and then, for a day.
fn a_day(workers: usize) {
    let start = Instant::now();
    let done = WaitGroup::new();
    let turns = Arc::new(AtomicU64::new(0));
    for number in 1..=1000u64 {
        let (done, turns) = (done.clone(), turns.clone());
        go!(move || {
            let pause = Duration::from_secs(600 + number);
            while start.elapsed() + pause <= 24 * HOUR {
                sleep(pause);
                turns.fetch_add(1, Ordering::Relaxed);
            }
            drop(done);
        });
    }
    done.wait();
    let expected: u64 = (1..=1000).map(|number| 86_400 / (600 + number)).sum();
    assert_eq!(turns.load(Ordering::Relaxed), expected);
    let last = (1..=1000).map(|number| 86_400 / (600 + number) * (600 + number)).max();
    assert_eq!(start.elapsed(), Duration::from_secs(last.unwrap()), "on {workers} workers");
}

#[mco::test(virtual_time = true)]
fn a_day_of_a_thousand_coroutines_takes_no_time() {
    let real = std::time::Instant::now();
    a_day(1);
    // Two seconds are asked for; the rest is for a busy machine without optimisation.
    assert!(real.elapsed() < Duration::from_secs(20), "it took {:?}", real.elapsed());
}

#[mco::test(virtual_time = true, workers = 2)]
fn a_day_on_two_workers() {
    a_day(2);
}

#[mco::test(virtual_time = true, workers = 8)]
fn a_day_on_eight_workers() {
    a_day(8);
}

#[mco::test(virtual_time = true)]
fn a_sleep_takes_exactly_its_time() {
    for nanos in [0, 1, 999, 1_000_000, 1_234_567_890, u64::MAX / 4] {
        let duration = Duration::from_nanos(nanos);
        let start = Instant::now();
        sleep(duration);
        assert_eq!(start.elapsed(), duration);
    }
}

#[mco::test(virtual_time = true)]
fn time_stands_still_while_anything_can_run() {
    let start = Instant::now();
    let sleeper = go!(|| sleep(MS));
    let real = std::time::Instant::now();
    while real.elapsed() < 20 * MS {
        yield_now();
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleeper.join().unwrap();
    assert_eq!(start.elapsed(), MS);
}

#[mco::test(virtual_time = true, workers = 2)]
fn time_stands_still_while_another_worker_computes() {
    let start = Instant::now();
    let computing = go!(move || {
        std::thread::sleep(50 * MS);
        start.elapsed()
    });
    sleep(MS);
    assert!(computing.join().unwrap() <= MS);
    assert_eq!(start.elapsed(), MS);
}

#[mco::test(virtual_time = true)]
fn everything_follows_the_clock() {
    let (start, began) = (Instant::now(), Time::now());
    let mut ticker = Ticker::new(HOUR);
    let first = ticker.recv().unwrap();
    assert_eq!(start.elapsed(), HOUR);
    assert_eq!(first.since(&began), HOUR);
    let second = ticker.next().unwrap();
    assert_eq!(second.since(&first), HOUR);
    drop(ticker);

    let alarm = after(HOUR).recv().unwrap();
    assert_eq!(alarm.since(&began), 3 * HOUR);

    let (sender, receiver) = channel::unbounded();
    let timer = Timer::after_func(HOUR, move || sender.send(Instant::now()).unwrap());
    assert_eq!(receiver.recv().unwrap().duration_since(start), 4 * HOUR);
    assert!(!timer.stop());

    assert!(timeout(HOUR, coroutine::park).is_err());
    assert!(coroutine::park_timeout(HOUR).is_err());
    let (_sender, receiver) = channel::unbounded::<()>();
    assert!(receiver.recv_timeout(HOUR).is_err());
    let (mutex, condvar) = (Mutex::new(()), Condvar::new());
    let (_guard, result) = condvar.wait_timeout(mutex.lock().unwrap(), HOUR).unwrap();
    assert!(result.timed_out());
    select! {
        _ = receiver.recv() => unreachable!("nothing is sent"),
        _ = sleep(HOUR) => {}
    }
    assert_eq!(start.elapsed(), 9 * HOUR);
    assert_eq!(Time::now().since(&began), 9 * HOUR);
}

#[mco::test(virtual_time = true)]
fn the_calendar_begins_with_the_year_2000() {
    assert_eq!(Time::now_utc().to_string(), "2000-01-01T00:00:00Z");
    sleep(366 * 24 * HOUR);
    assert_eq!(Time::now_utc().to_string(), "2001-01-01T00:00:00Z");
}

#[mco::test(virtual_time = true)]
fn a_timer_that_was_stopped_moves_nothing() {
    let start = Instant::now();
    assert!(Timer::after_func(HOUR, || ()).stop());
    let (sender, receiver) = channel::unbounded();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(20 * MS);
        sender.send(()).unwrap();
    });
    // The coroutine waits for the thread, with nothing to wait for on the clock.
    receiver.recv().unwrap();
    thread.join().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[mco::test(virtual_time = true)]
fn sleepers_wake_in_order() {
    let (sender, receiver) = channel::unbounded();
    for seconds in [5, 3, 9, 1, 7] {
        let sender = sender.clone();
        go!(move || {
            sleep(Duration::from_secs(seconds));
            sender.send(seconds).unwrap();
        });
    }
    drop(sender);
    assert_eq!(receiver.iter().collect::<Vec<_>>(), [1, 3, 5, 7, 9]);
}

#[mco::test(virtual_time = true)]
fn a_blocking_job_holds_the_clock() {
    let start = Instant::now();
    let passed = Arc::new(AtomicBool::new(false));
    let seen = passed.clone();
    go!(move || {
        sleep(MS);
        passed.store(true, Ordering::SeqCst);
    });
    let early = mco::blocking(|| {
        std::thread::sleep(30 * MS);
        seen.load(Ordering::SeqCst)
    });
    assert!(!early, "an hour may pass while a file is read");
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(MS);
    assert!(seen.load(Ordering::SeqCst));
}

#[mco::test(virtual_time = true, workers = 2)]
fn a_wait_for_a_socket_holds_the_clock() {
    let start = Instant::now();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let sleeper = go!(|| sleep(HOUR));
    let thread = std::thread::spawn(move || {
        std::thread::sleep(30 * MS);
        TcpStream::connect(addr).unwrap()
    });
    listener.accept().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    let _stream = thread.join().unwrap();
    let thread = std::thread::spawn(move || {
        std::thread::sleep(30 * MS);
        TcpStream::connect(addr).unwrap()
    });
    select! {
        accepted = listener.accept() => drop(accepted.unwrap()),
        _ = sleep(MS) => panic!("the clock went on although a connection is awaited"),
    }
    drop(thread.join().unwrap());
    sleeper.join().unwrap();
    assert_eq!(start.elapsed(), HOUR);
}

#[mco::test(virtual_time = true)]
fn threads_see_the_clock_of_the_system() {
    sleep(HOUR);
    let elapsed = std::thread::spawn(|| {
        let start = Instant::now();
        sleep(5 * MS);
        start.elapsed()
    });
    let elapsed = elapsed.join().unwrap();
    assert!(elapsed >= 5 * MS && elapsed < HOUR, "{elapsed:?}");
}
