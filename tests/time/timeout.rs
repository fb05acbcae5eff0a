//! `timeout`: whatever blocks inside is cut off at the deadline, and nothing is lost by it.

use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine;
use mco::net::{TcpListener, TcpStream};
use mco::std::lazy::sync::Lazy;
use mco::std::sync::channel::{bounded, unbounded};
use mco::std::sync::{
    Barrier, Blocker, Condvar, Mutex, Once, RwLock, Semaphore, SyncFlag, WaitGroup,
};
use mco::std::time::{Elapsed, timeout};
use mco_tests::started::{Drops, OnDrop, assert_cancelled, start};
use mco_tests::{HUNG, eventually, runtime, with_runtimes, within};

const SHORT: Duration = Duration::from_millis(10);
const LONG: Duration = Duration::from_secs(3600);

/// Runs a test in a coroutine, on several runtimes, and in a plain thread.
fn everywhere(test: impl Fn() + Clone + Send + Sync + 'static) {
    let inside = test.clone();
    with_runtimes(move |runtime| runtime.run(&inside));
    within(HUNG, test);
}

fn count(ended: &AtomicUsize) {
    ended.fetch_add(1, Ordering::SeqCst);
}

/// Cuts `block` off after a short time.
#[track_caller]
fn assert_cut_off<T>(what: &str, block: impl FnOnce() -> T) {
    let begin = Instant::now();
    assert!(timeout(SHORT, block).is_err(), "{what} has returned");
    assert!(begin.elapsed() >= SHORT, "{what} was cut off early");
}

#[test]
fn every_blocking_operation_is_cut_off() {
    everywhere(|| {
        assert_cut_off("sleep", || coroutine::sleep(LONG));
        assert_cut_off("yield_now", || {
            loop {
                coroutine::yield_now();
            }
        });

        let (sender, receiver) = bounded(0);
        assert_cut_off("recv", || receiver.recv());
        assert_cut_off("recv_timeout", || receiver.recv_timeout(LONG));
        assert_cut_off("send", || sender.send(1));
        assert_cut_off("send_timeout", || sender.send_timeout(1, LONG));
        assert_eq!(receiver.len(), 0);

        let mutex = Mutex::new(0);
        let held = mutex.lock().unwrap();
        assert_cut_off("lock", || drop(mutex.lock()));
        drop(held);
        let lock = RwLock::new(0);
        let held = lock.write().unwrap();
        assert_cut_off("read", || drop(lock.read()));
        assert_cut_off("write", || drop(lock.write()));
        drop(held);
        drop(lock.write().expect("it is not poisoned"));

        let changed = Condvar::new();
        assert_cut_off("condvar", || drop(changed.wait(mutex.lock().unwrap())));
        drop(mutex.lock().expect("it is not poisoned"));

        let barrier = Barrier::new(2);
        assert_cut_off("barrier", || barrier.wait());
        let permits = Semaphore::new(0);
        assert_cut_off("semaphore", || permits.wait());
        let flag = SyncFlag::new();
        assert_cut_off("flag", || flag.wait());
        let group = WaitGroup::new();
        let member = group.clone();
        assert_cut_off("group", || group.wait());
        drop(member);
        assert_cut_off("blocker", || Blocker::current().park(None));
        assert_cut_off("future", || mco::block_on(std::future::pending::<()>()));

        let end = Arc::new(AtomicBool::new(false));
        let ends = end.clone();
        let other = coroutine::spawn(move || {
            while !ends.load(Ordering::Relaxed) {
                coroutine::sleep(Duration::from_millis(1));
            }
            5
        });
        assert_cut_off("wait", || other.wait());
        end.store(true, Ordering::Relaxed);
        // It has gone on alone.
        assert_eq!(other.join().unwrap(), 5);
    });
}

#[test]
fn a_park_is_cut_off() {
    // Apart: in a thread the next park may return at once, as std's may for no reason.
    everywhere(|| assert_cut_off("park", coroutine::park));
    everywhere(|| assert_cut_off("park_timeout", || coroutine::park_timeout(LONG)));
}

#[test]
fn network_operations_are_cut_off() {
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        assert_cut_off("accept", || listener.accept());
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        assert_cut_off("read", || client.read(&mut [0; 16]));
        assert_cut_off("write", || {
            let chunk = vec![7; 1 << 16];
            loop {
                client.write_all(&chunk).unwrap();
            }
        });
        // Both still work.
        server.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        timeout(LONG, || client.read_exact(&mut answer)).unwrap().unwrap();
        assert_eq!(&answer, b"hello");
    });
}

#[test]
fn a_select_is_cut_off_and_has_taken_nothing() {
    everywhere(|| {
        let (sender, receiver) = bounded::<u32>(0);
        let (_keeps, silent) = unbounded::<u32>();
        assert_cut_off("select", || {
            mco::select! {
                v = receiver.recv() => v.is_ok(),
                v = silent.recv() => v.is_ok(),
            }
        });
        assert_cut_off("select of children", || {
            mco::select! {
                n = { coroutine::sleep(LONG); 1 } => n,
                n = { coroutine::sleep(LONG); 2 } => n,
            }
        });
        assert_cut_off("join!", || mco::join!(coroutine::sleep(LONG), receiver.recv()));
        assert!(sender.try_send(1).is_err(), "somebody still waits to receive");
    });
}

#[test]
fn a_limit_of_the_operation_itself_keeps_its_meaning() {
    everywhere(|| {
        let (_sender, receiver) = unbounded::<u32>();
        let result = timeout(LONG, || receiver.recv_timeout(SHORT));
        assert!(result.expect("it has returned").is_err());
        assert_eq!(timeout(LONG, || Semaphore::new(0).wait_timeout(SHORT)), Ok(false));

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        client.set_read_timeout(Some(SHORT)).unwrap();
        let result = timeout(LONG, || client.read(&mut [0; 16]));
        let error = result.expect("it has returned").unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
    });
}

#[test]
fn what_completes_in_time_is_returned() {
    everywhere(|| {
        assert_eq!(timeout(LONG, || 5), Ok(5));
        assert_eq!(timeout(Duration::MAX, || coroutine::sleep(SHORT)), Ok(()));
        // No time at all, but nothing blocks.
        assert_eq!(timeout(Duration::ZERO, || 5), Ok(5));
        let (sender, receiver) = unbounded();
        sender.send(3).unwrap();
        assert_eq!(timeout(Duration::ZERO, || receiver.recv().unwrap()), Ok(3));
        assert_eq!(timeout(Duration::ZERO, || coroutine::sleep(SHORT)), Err(Elapsed));
    });
}

#[test]
fn computing_is_not_cut_off() {
    everywhere(|| {
        let begin = Instant::now();
        let result = timeout(Duration::from_millis(1), || {
            while begin.elapsed() < SHORT {
                std::hint::spin_loop();
            }
            7
        });
        assert_eq!(result, Ok(7));
        let result = timeout(Duration::from_millis(1), || {
            thread::sleep(SHORT);
            coroutine::sleep(Duration::from_micros(1));
        });
        assert_eq!(result, Err(Elapsed), "what blocks after it is");
    });
}

#[test]
fn of_nested_ones_the_nearest_holds() {
    everywhere(|| {
        let inner = timeout(LONG, || timeout(SHORT, || coroutine::sleep(LONG)));
        assert_eq!(inner, Ok(Err(Elapsed)));
        let outer = timeout(SHORT, || timeout(LONG, || coroutine::sleep(LONG)));
        assert_eq!(outer, Err(Elapsed));
        // After the inner one the outer one holds again.
        let begin = Instant::now();
        let outer = timeout(SHORT * 3, || {
            assert_eq!(timeout(SHORT, || coroutine::sleep(LONG)), Err(Elapsed));
            coroutine::sleep(LONG);
        });
        assert_eq!(outer, Err(Elapsed));
        assert!(begin.elapsed() >= SHORT * 3);
        // And after all of them none.
        coroutine::sleep(SHORT * 2);
    });
}

#[test]
fn destructors_run_and_nothing_is_poisoned() {
    everywhere(|| {
        let drops = Drops::default();
        let (mutex, lock, once) = (Mutex::new(0), RwLock::new(0), Once::new());
        let result = timeout(SHORT, || {
            let _dropped = drops.one();
            let _mutex = mutex.lock().unwrap();
            let _lock = lock.write().unwrap();
            once.call_once(|| {
                let _another = drops.one();
                coroutine::sleep(LONG);
            });
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(drops.count(), 2);
        assert!(mutex.lock().is_ok() && lock.read().is_ok());
        let mut again = false;
        once.call_once(|| again = true);
        assert!(again, "the initialiser that was cut off has initialised nothing");
        // A panic later on poisons as ever.
        let panics = || {
            let _held = mutex.lock();
            panic!("on purpose");
        };
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        assert!(mutex.lock().is_err());
    });
}

#[test]
fn destructors_that_block_are_not_cut_off() {
    everywhere(|| {
        let (sender, receiver) = bounded(0);
        let other = coroutine::spawn(move || {
            coroutine::sleep(SHORT * 3);
            receiver.recv()
        });
        let result = timeout(SHORT, || {
            let _last = OnDrop(|| sender.send(9).unwrap());
            coroutine::sleep(LONG);
        });
        assert_eq!(result, Err(Elapsed));
        assert_eq!(other.join().unwrap(), Ok(9));
    });
}

#[test]
fn a_panic_passes_through() {
    everywhere(|| {
        let panics = || timeout(LONG, || -> () { panic!("on purpose: through") });
        let payload = catch_unwind(panics).unwrap_err();
        assert_eq!(mco_tests::text_of(&*payload), "on purpose: through");
        coroutine::sleep(Duration::from_micros(1));
    });
}

#[test]
fn a_cancel_passes_through() {
    within(HUNG, || {
        let runtime = runtime(1);
        let after = Arc::new(AtomicBool::new(false));
        let (drops, sets) = (Drops::default(), after.clone());
        let dropped = drops.one();
        let handle = start(&runtime, move || {
            let _dropped = dropped;
            let _ = timeout(LONG, || timeout(LONG * 2, || coroutine::sleep(LONG)));
            sets.store(true, Ordering::SeqCst);
        });
        handle.cancel();
        assert_cancelled(handle);
        assert_eq!(drops.count(), 1);
        assert!(!after.load(Ordering::SeqCst), "it went on after a cancel");
    });
}

#[test]
fn a_cancel_while_it_is_cut_off_takes_effect_after() {
    within(HUNG, || {
        let runtime = runtime(1);
        let returned = Arc::new(AtomicBool::new(false));
        let (unwinds, waits) = (Arc::new(AtomicBool::new(false)), Arc::new(Semaphore::new(0)));
        let (sets, notes, wait) = (returned.clone(), unwinds.clone(), waits.clone());
        let handle = runtime.spawn(move || {
            let result = timeout(SHORT, || {
                let _blocks = OnDrop(|| {
                    notes.store(true, Ordering::SeqCst);
                    wait.wait();
                });
                coroutine::sleep(LONG);
            });
            sets.store(result.is_err(), Ordering::SeqCst);
            coroutine::sleep(LONG);
        });
        eventually("it unwinds", || unwinds.load(Ordering::SeqCst));
        handle.cancel();
        waits.post();
        assert_cancelled(handle);
        assert!(returned.load(Ordering::SeqCst));
    });
}

#[test]
fn the_children_of_a_scope_are_cancelled_and_waited_for() {
    everywhere(|| {
        let ended = AtomicUsize::new(0);
        // At its end..
        let result = timeout(SHORT, || {
            coroutine::scope(|s| {
                for _ in 0..3 {
                    s.spawn(|| {
                        let _counts = OnDrop(|| count(&ended));
                        coroutine::sleep(LONG);
                    });
                }
                eventually("they sleep", || true);
            });
        });
        assert_eq!(result, Err(Elapsed));
        // .. and in its body. One that never started is dropped.
        let result = timeout(SHORT, || {
            coroutine::scope(|s| {
                s.spawn(|| {
                    let _counts = OnDrop(|| count(&ended));
                    coroutine::sleep(LONG);
                });
                coroutine::sleep(LONG);
            });
        });
        assert_eq!(result, Err(Elapsed));
        assert!(ended.load(Ordering::SeqCst) <= 4);
        coroutine::sleep(Duration::from_micros(1));
    });
}

#[test]
fn an_initialiser_that_others_share_is_not_cut_off() {
    static SHARED: Lazy<u32> = Lazy::new(|| {
        let inner = timeout(SHORT, || coroutine::sleep(LONG));
        assert_eq!(inner, Err(Elapsed), "its own deadlines hold");
        coroutine::sleep(SHORT * 2);
        8
    });
    within(HUNG, || {
        runtime(1).run(|| {
            assert_eq!(timeout(Duration::from_millis(1), || *SHARED), Ok(8));
        });
    });
}

#[test]
fn nothing_is_lost_between_the_sender_and_one_that_is_cut_off() {
    with_runtimes(|runtime| {
        const VALUES: usize = 300;
        let (sender, receiver) = bounded(0);
        let sends = runtime.spawn(move || {
            let mut sent = 0;
            while sent < VALUES {
                let limit = Duration::from_micros(50 + sent as u64 % 7 * 20);
                // What is cut off has not been sent.
                match timeout(limit, || sender.send(sent).is_ok()) {
                    Ok(true) => sent += 1,
                    Ok(false) => panic!("the receiver is gone"),
                    Err(Elapsed) => {}
                }
            }
        });
        let received = runtime.run(move || {
            let mut received = Vec::new();
            for n in 0u64.. {
                let limit = Duration::from_micros(40 + n % 11 * 15);
                match timeout(limit, || receiver.recv()) {
                    Ok(Ok(value)) => received.push(value),
                    Ok(Err(_)) => break,
                    Err(Elapsed) => {}
                }
            }
            received
        });
        sends.join().unwrap();
        assert_eq!(received, (0..VALUES).collect::<Vec<_>>());
    });
}

#[test]
fn a_neighbour_that_unwinds_does_not_hold_it_up_for_ever() {
    within(HUNG, || {
        let runtime = runtime(1);
        let release = Arc::new(Semaphore::new(0));
        let waits = release.clone();
        // Suspended inside a panic: now the thread unwinds.
        let unwinds = start(&runtime, move || {
            let _blocks = OnDrop(|| waits.wait());
            panic!("on purpose");
        });
        // This one is known not to unwind.
        let other = runtime.spawn(|| timeout(SHORT, || coroutine::sleep(LONG)));
        assert_eq!(other.join().unwrap(), Err(Elapsed));
        // The unwinding of a timeout, beside that of a neighbour, poisons nothing.
        let mutex = Arc::new(Mutex::new(0));
        let locks = mutex.clone();
        let other = runtime.spawn(move || {
            timeout(SHORT, || {
                let _held = locks.lock().unwrap();
                coroutine::sleep(LONG);
            })
        });
        assert_eq!(other.join().unwrap(), Err(Elapsed));
        assert!(mutex.lock().is_ok());
        release.post();
        assert!(unwinds.join().is_err());
    });
}

#[test]
fn an_elapsed_time_is_an_error_as_others_are() {
    let error: Box<dyn std::error::Error + Send + Sync> = Elapsed.into();
    assert_eq!(error.to_string(), Elapsed.to_string());
    assert_eq!(std::io::Error::from(Elapsed).kind(), std::io::ErrorKind::TimedOut);
}
