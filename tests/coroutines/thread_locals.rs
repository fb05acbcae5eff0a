//! What waits where std's thread-local values are made and destroyed.

#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{future, process, task, thread};

use mco::coroutine;
use mco::std::sync::channel::{bounded, unbounded};
use mco::std::sync::{Barrier, Condvar, Mutex, Semaphore};
use mco::std::time::timeout;
use mco_tests::{HUNG, child, runtime, with_runtimes, within};

const MOMENT: Duration = Duration::from_millis(20);
const AGES: Duration = Duration::from_secs(3600);

/// Runs what it holds when it is dropped.
struct AtEnd(RefCell<Option<Box<dyn FnOnce()>>>);

impl AtEnd {
    const fn new() -> AtEnd {
        AtEnd(RefCell::new(None))
    }

    fn set(&self, f: impl FnOnce() + 'static) {
        *self.0.borrow_mut() = Some(Box::new(f));
    }
}

impl Drop for AtEnd {
    fn drop(&mut self) {
        if let Some(f) = self.0.get_mut().take() {
            f();
        }
    }
}

thread_local! {
    static AT_END: AtEnd = const { AtEnd::new() };
}

/// Calls `f` with whatever mco keeps for a thread gone: in the destructor of a value that is older.
fn when_mcos_are_gone(f: impl FnOnce() + Send + 'static) {
    let thread = thread::spawn(|| {
        AT_END.with(|at_end| at_end.set(f));
        // From here on mco has whatever it has for a thread, and destroys it first.
        every_wait();
    });
    thread.join().unwrap();
}

mco::coroutine_local! {
    static MADE: Cell<u32> = Cell::new(1);
    static NEVER: Cell<u32> = Cell::new(1);
}

/// Each of them waits, and what it waits for comes.
fn every_wait() {
    coroutine::sleep(MOMENT);
    coroutine::yield_now();
    assert_eq!(coroutine::spawn(|| coroutine::sleep(MOMENT)).join().unwrap(), ());

    let (tx, rx) = bounded(0);
    let sender = thread::spawn(move || {
        thread::sleep(MOMENT);
        tx.send(7)
    });
    assert_eq!(rx.recv(), Ok(7));
    assert!(rx.recv().is_err());
    sender.join().unwrap().unwrap();

    let (tx, rx) = bounded(0);
    let receiver = coroutine::spawn(move || {
        coroutine::sleep(MOMENT);
        rx.recv()
    });
    tx.send(8).unwrap();
    assert_eq!(receiver.join().unwrap(), Ok(8));

    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let other = pair.clone();
    let locker = thread::spawn(move || {
        let mut guard = other.0.lock().unwrap();
        thread::sleep(MOMENT);
        *guard = true;
        other.1.notify_all();
    });
    let guard = pair.1.wait_while(pair.0.lock().unwrap(), |done| !*done).unwrap();
    drop(guard);
    locker.join().unwrap();

    let semaphore = Arc::new(Semaphore::new(0));
    let poster = semaphore.clone();
    coroutine::spawn(move || poster.post());
    semaphore.wait();

    let barrier = Arc::new(Barrier::new(2));
    let other = barrier.clone();
    coroutine::spawn(move || other.wait());
    barrier.wait();

    assert!(timeout(MOMENT, || coroutine::sleep(AGES)).is_err());
    assert_eq!(timeout(AGES, || coroutine::sleep(MOMENT)), Ok(()));

    let (tx, rx) = unbounded();
    coroutine::spawn(move || tx.send(9));
    let got = mco::select! {
        value = rx.recv() => value.unwrap(),
        _ = coroutine::sleep(AGES) => 0,
    };
    assert_eq!(got, 9);

    coroutine::scope(|s| {
        s.spawn(|| coroutine::sleep(MOMENT));
    });
    let mut polls = 0;
    mco::block_on(future::poll_fn(|context| {
        polls += 1;
        context.waker().wake_by_ref();
        if polls < 3 { task::Poll::Pending } else { task::Poll::Ready(()) }
    }));
    assert_eq!(mco::blocking(|| 3), 3);
    let _ = MADE.try_with(|made| made.set(2));
}

#[test]
fn each_wait_works_in_the_destructor_of_a_threads_value() {
    within(HUNG, || {
        when_mcos_are_gone(|| {
            every_wait();
            every_wait();
            assert!(MADE.try_with(Cell::get).is_err(), "it has been destroyed");
            assert!(NEVER.try_with(Cell::get).is_err(), "nobody would destroy it");
        });
    });
}

#[test]
fn each_wait_works_in_atexit() {
    extern "C" fn at_exit() {
        every_wait();
        eprintln!("waited in atexit");
    }
    let end = child::run(|| {
        // SAFETY: it is a function, and the process has room for it.
        assert_eq!(unsafe { libc::atexit(at_exit) }, 0);
        AT_END.with(|at_end| at_end.set(every_wait));
        every_wait();
    });
    end.assert_success();
    end.assert_says("waited in atexit");
}

#[test]
fn a_lock_is_not_left_behind_by_a_destructor() {
    within(HUNG, || {
        let (tx, rx) = bounded(0);
        when_mcos_are_gone(move || {
            let _ = tx.send_timeout(1, MOMENT);
            thread::spawn(move || tx.send(2).unwrap());
        });
        assert_eq!(rx.recv(), Ok(2));
    });
}

/// Has coroutines that have borrowed a value of their worker's thread, one of which ends the process; in the
/// destructor of an older one `wait` is called.
fn exit_with(workers: usize, wait: fn()) {
    thread_local! {
        static OLDER: AtEnd = const { AtEnd::new() };
        static BORROWED: String = "b".repeat(64);
    }
    runtime(workers).run(move || {
        for _ in 0..4 * workers {
            coroutine::spawn(move || {
                OLDER.with(|_| ());
                BORROWED.with(|borrowed| {
                    loop {
                        coroutine::yield_now();
                        if borrowed.len() != 64 || borrowed.bytes().any(|byte| byte != b'b') {
                            eprintln!("use after free");
                        }
                    }
                });
            });
        }
        coroutine::sleep(MOMENT);
        OLDER.with(|older| {
            older.set(move || {
                eprintln!("destroying");
                wait();
                eprintln!("waited");
            });
        });
        BORROWED.with(|_| ());
        process::exit(3);
    });
}

/// Which of the processes this one is, for the test that starts them.
fn which() -> usize {
    std::env::var("WHICH").unwrap().parse().unwrap()
}

fn exit_as(which: usize, body: impl FnOnce()) -> child::End {
    child::Child::new().limit(HUNG).env("WHICH", &which.to_string()).run(body)
}

#[test]
fn a_wait_with_a_time_limit_works_while_the_process_exits() {
    for workers in [1, 2, 8] {
        let end = exit_as(workers, || {
            exit_with(which(), || {
                coroutine::sleep(MOMENT);
                coroutine::yield_now();
                let (tx, rx) = bounded::<u32>(1);
                assert!(rx.recv_timeout(MOMENT).is_err());
                thread::spawn(move || tx.send(1));
                assert_eq!(rx.recv_timeout(AGES), Ok(1));
                assert!(timeout(MOMENT, || coroutine::sleep(AGES)).is_err());
            });
        });
        end.assert_says("destroying");
        end.assert_says("waited");
        end.assert_does_not_say("use after free");
        assert_eq!(end.status.code(), Some(3), "{end}");
    }
}

#[test]
fn a_time_limit_around_a_wait_counts_while_the_process_exits() {
    let end = exit_as(0, || {
        exit_with(1, || assert!(timeout(MOMENT, coroutine::park).is_err()));
    });
    end.assert_says("waited");
    assert_eq!(end.status.code(), Some(3), "{end}");
}

#[test]
fn a_wait_without_one_is_refused_while_the_process_exits() {
    const WAITS: [fn(); 3] = [
        || {
            let (_tx, rx) = unbounded::<u32>();
            let _ = rx.recv();
        },
        || Semaphore::new(0).wait(),
        || mco::blocking(|| ()),
    ];
    for index in 0..WAITS.len() {
        let end = exit_as(index, || exit_with(1, WAITS[which()]));
        end.assert_says("destroying");
        end.assert_says("after `process::exit` was called");
        end.assert_does_not_say("waited");
        end.assert_does_not_say("use after free");
        end.assert_killed_by(libc::SIGABRT);
    }
}

#[test]
fn a_scope_is_refused_at_its_beginning_while_the_process_exits() {
    const SCOPES: [fn(); 3] = [
        || coroutine::scope(|s| drop(s.spawn(|| coroutine::sleep(AGES)))),
        || _ = mco::join!(coroutine::sleep(AGES), ()),
        || {
            mco::select! {
                _ = coroutine::sleep(AGES) => {}
                _ = { coroutine::sleep(AGES) } => {}
            }
        },
    ];
    for index in 0..SCOPES.len() {
        let end = exit_as(index, || {
            exit_with(1, || {
                let refused = std::panic::catch_unwind(SCOPES[which()]).is_err();
                assert!(refused, "a scope would wait for what never runs");
            });
        });
        end.assert_says("after `process::exit` was called");
        end.assert_says("waited");
        assert_eq!(end.status.code(), Some(3), "{end}");
    }
}

#[test]
fn a_socket_fails_while_the_process_exits() {
    let end = exit_as(0, || {
        exit_with(1, || {
            let listener = mco::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let error = listener.accept().unwrap_err();
            assert!(error.to_string().contains("after `process::exit` was called"), "{error}");
        });
    });
    end.assert_says("waited");
    assert_eq!(end.status.code(), Some(3), "{end}");
}

/// Calls `wait` in the initialiser of a thread-local value, in a coroutine.
fn initialise_with(wait: impl FnOnce() + Send + 'static) -> thread::Result<()> {
    thread_local! {
        static WAIT: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
        static VALUE: String = {
            if let Some(wait) = WAIT.take() {
                wait();
            }
            "made".repeat(2)
        };
    }
    let runtime = runtime(1);
    let result = runtime
        .spawn(move || {
            WAIT.set(Some(Box::new(wait)));
            VALUE.with(|value| assert_eq!(value, "mademade"));
        })
        .join();
    // Whatever has become of it, the next one makes it.
    runtime.run(|| VALUE.with(|value| assert_eq!(value, "mademade")));
    result
}

#[track_caller]
fn assert_refused(wait: impl FnOnce() + Send + 'static) {
    let payload = initialise_with(wait).unwrap_err();
    let text = mco_tests::text_of(&*payload);
    assert!(text.contains("inside the initialiser of a `thread_local!`"), "{text}");
}

#[cfg(all(target_os = "linux", debug_assertions))]
#[test]
fn an_initialiser_must_not_wait() {
    within(HUNG, || {
        assert_refused(|| coroutine::sleep(MOMENT));
        assert_refused(|| drop(coroutine::spawn(|| coroutine::sleep(MOMENT)).join()));
        assert_refused(|| coroutine::scope(|s| drop(s.spawn(|| coroutine::sleep(AGES)))));
        assert_refused(|| mco::blocking(|| ()));
        assert_refused(|| {
            mco::block_on(future::pending::<()>());
        });
        let (tx, rx) = bounded(0);
        let other = rx.clone();
        assert_refused(move || {
            let _ = other.recv();
        });
        let other = tx.clone();
        assert_refused(move || {
            let _ = other.send(1);
        });
        let other = rx.clone();
        assert_refused(move || {
            mco::select! {
                _ = other.recv() => {},
                _ = coroutine::sleep(AGES) => {},
            }
        });
        // Nobody is left behind in it.
        assert!(tx.try_send(2).is_err());
        assert!(rx.try_recv().is_err());
        let lock = Arc::new(Mutex::new(()));
        let guard = lock.lock().unwrap();
        let other = lock.clone();
        assert_refused(move || drop(other.lock()));
        drop(guard);
        assert!(lock.try_lock().is_ok());
    });
}

#[test]
fn an_initialiser_that_does_not_have_to_wait_is_left_alone() {
    with_runtimes(|_| {
        initialise_with(|| {
            let (tx, rx) = bounded(1);
            for n in 0..1000 {
                tx.send(n).unwrap();
                assert_eq!(rx.recv(), Ok(n));
                coroutine::yield_now();
            }
            assert!(coroutine::spawn(|| ()).coroutine().id() != coroutine::current().id());
        })
        .unwrap();
    });
}

#[test]
fn waits_elsewhere_at_the_same_depth_are_not_confused() {
    // A wait that is allowed, then one from the same place in an initialiser, which lies deeper.
    fn wait() {
        coroutine::sleep(Duration::from_millis(1));
    }
    within(HUNG, || {
        runtime(1).run(|| (0..3).for_each(|_| wait()));
        if cfg!(all(target_os = "linux", debug_assertions)) {
            assert_refused(wait);
        }
    });
}

/// Fails, which [`a_test_always_looks`] checks.
#[mco::test]
#[ignore = "it fails on purpose"]
fn waits_in_an_initialiser() {
    thread_local! {
        static VALUE: String = {
            coroutine::sleep(MOMENT);
            "v".repeat(2)
        };
    }
    VALUE.with(|_| ());
}

#[cfg(target_os = "linux")]
#[test]
fn a_test_always_looks() {
    let end = child::Child::new().run_test("thread_locals::waits_in_an_initialiser");
    end.assert_failed();
    end.assert_says("inside the initialiser of a `thread_local!`");
}

#[test]
fn many_places_at_many_depths_are_all_looked_at() {
    static WAITS: AtomicUsize = AtomicUsize::new(0);
    fn descend(depth: usize) {
        coroutine::sleep(Duration::ZERO);
        WAITS.fetch_add(1, Ordering::Relaxed);
        if depth > 0 {
            descend(depth - 1);
        }
        coroutine::yield_now();
    }
    with_runtimes(|runtime| {
        let before = WAITS.load(Ordering::Relaxed);
        let many: Vec<_> = (0..4).map(|_| runtime.spawn(|| descend(300))).collect();
        many.into_iter().for_each(|one| one.join().unwrap());
        assert_eq!(WAITS.load(Ordering::Relaxed) - before, 4 * 301);
    });
}
