//! How runtimes end: what is said when one does not, those that end each other, and the child of a fork, in
//! which they have no threads.

#![allow(unsafe_code)]

use std::cell::OnceCell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{Builder, park, scope, sleep, spawn, yield_now};
use mco::runtime::Runtime;
use mco::std::blocking::spawn_blocking;
use mco::{cqueue, join, select};
use mco_tests::started::start;
use mco_tests::{HUNG, child, runtime, within};

#[test]
fn two_runtimes_may_drop_each_other() {
    for workers in [1, 2, 8] {
        within(HUNG, move || {
            for _ in 0..20 {
                let (a, b) = (runtime(workers), runtime(workers));
                let (at_a, at_b) = (a.handle(), b.handle());
                let x = at_a.spawn(move || (yield_now(), drop(b)));
                let y = at_b.spawn(move || (yield_now(), drop(a)));
                // Each has either begun, and then it ends, or was cancelled by the other.
                let _ = (x.join(), y.join());
            }
        });
    }
}

#[test]
fn three_runtimes_may_drop_each_other_in_a_ring() {
    within(HUNG, || {
        for _ in 0..20 {
            let all = [runtime(1), runtime(1), runtime(2)];
            let handles: Vec<_> = all.iter().map(Runtime::handle).collect();
            let drops = all.into_iter().zip(handles.iter().cycle().skip(1));
            let drops: Vec<_> =
                drops.map(|(one, at)| at.spawn(move || (yield_now(), drop(one)))).collect();
            drops.into_iter().for_each(|one| drop(one.join()));
        }
    });
}

/// Does something when it is dropped, by a coroutine that unwinds.
struct TidiesUp(fn(), mpsc::Sender<()>);

impl Drop for TidiesUp {
    fn drop(&mut self) {
        assert!(thread::panicking());
        (self.0)();
        self.1.send(()).unwrap();
    }
}

#[test]
fn a_destructor_tidies_up_with_children_when_its_runtime_ends() {
    const MOMENT: Duration = Duration::from_millis(1);
    const WAYS: [fn(); 4] = [
        || _ = join!(sleep(MOMENT), spawn(|| ()).join().is_err()),
        || {
            let mut sum = 0;
            scope(|s| {
                s.spawn(|| (sleep(MOMENT), sum += 1));
                s.spawn(|| scope(|s| drop(s.spawn(yield_now))));
            });
            assert_eq!(sum, 1);
        },
        || {
            select! {
                _ = { sleep(MOMENT) } => {}
                _ = { park() } => {}
            }
        },
        || {
            cqueue::scope(|queue| {
                queue.add(7, |_| sleep(MOMENT));
                let _ = queue.poll(None);
            });
        },
    ];
    for workers in [1, 2, 8] {
        within(HUNG, move || {
            for way in WAYS {
                let (tidied, all) = mpsc::channel();
                let runtime = runtime(workers);
                for _ in 0..4 * workers {
                    let at_the_end = TidiesUp(way, tidied.clone());
                    start(&runtime, move || (&at_the_end, park()).1);
                }
                drop(tidied);
                drop(runtime);
                assert_eq!(all.iter().count(), 4 * workers);
            }
        });
    }
}

#[test]
fn a_coroutine_that_drops_a_runtime_leaves_its_worker_to_others() {
    /// Waits for a coroutine of the worker whose coroutine drops the runtime.
    struct Locks(Arc<mco::std::sync::Mutex<u32>>);
    impl Drop for Locks {
        fn drop(&mut self) {
            *self.0.lock().unwrap() += 1;
        }
    }
    thread_local! {
        static AT_THE_END: OnceCell<Locks> = const { OnceCell::new() };
    }
    within(HUNG, || {
        let lock = Arc::new(mco::std::sync::Mutex::new(0));
        let (runtime, other) = (runtime(1), runtime(1));
        let locks = Locks(lock.clone());
        other.run(move || AT_THE_END.with(|cell| assert!(cell.set(locks).is_ok())));
        let held = lock.clone();
        let (let_go, wait) = mco::std::sync::channel::bounded::<()>(0);
        let holder = start(&runtime, move || {
            let _guard = held.lock().unwrap();
            let _ = wait.recv();
            // So that the destructor comes to wait for the lock.
            sleep(Duration::from_millis(20));
        });
        let dropper = runtime.spawn(move || (drop(let_go), drop(other)));
        dropper.join().unwrap();
        holder.join().unwrap();
        assert_eq!(*lock.lock().unwrap(), 1);
    });
}

#[test]
fn in_the_destructor_of_a_thread_local_value_a_worker_that_has_ended_is_a_thread() {
    /// Sends when a scope with a child, and a coroutine, have come to their ends.
    struct AtEnd(mpsc::Sender<u32>);
    impl Drop for AtEnd {
        fn drop(&mut self) {
            let mut sum = 0;
            scope(|s| drop(s.spawn(|| sum += 1)));
            sum += spawn(|| 2).join().unwrap();
            select! {
                _ = { sleep(Duration::from_millis(1)) } => sum += 4,
                _ = { park() } => {}
            }
            self.0.send(sum).unwrap();
        }
    }
    thread_local! {
        static AT_END: OnceCell<AtEnd> = const { OnceCell::new() };
    }
    within(HUNG, || {
        let (done, ended) = mpsc::channel();
        let runtime = runtime(1);
        runtime.run(move || AT_END.with(|cell| assert!(cell.set(AtEnd(done)).is_ok())));
        drop(runtime);
        assert_eq!(ended.recv(), Ok(7));
    });
}

/// What it waits for in its destructor is not cut off by a cancel.
struct Stubborn(mco::std::sync::Receiver<()>);

impl Drop for Stubborn {
    fn drop(&mut self) {
        let _ = self.0.recv();
    }
}

/// Drops a runtime with a coroutine that takes 2.5 seconds to end, in a coroutine of another one, or here.
fn drop_late(in_coroutine: bool) {
    let other = runtime(1);
    let late = Runtime::builder().workers(1).name("late").build().unwrap();
    let (release, wait) = mco::chan!();
    let stubborn = Stubborn(wait);
    let sleeps = late.run(|| {
        Builder::new().name("stubborn".to_owned()).spawn(move || {
            let _stubborn = stubborn;
            sleep(Duration::from_secs(3600));
        })
    });
    late.run(yield_now);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        // By then it has been said; nothing tells when.
        thread::sleep(Duration::from_millis(2500));
        tell.send(()).unwrap();
        release.send(()).unwrap();
    });
    let dropper = move || drop(late);
    if in_coroutine {
        other.spawn(dropper).join().unwrap()
    } else {
        dropper()
    }
    told.try_recv().expect("the drop waits");
    assert!(sleeps.join().is_err());
}

fn assert_named_once(end: &child::End) {
    end.assert_success();
    let lines = end.stderr.lines().filter(|line| line.contains("the end of the runtime `late`"));
    assert_eq!(lines.count(), 1, "{end}");
    end.assert_says("1 coroutine has not ended");
    end.assert_says("`stubborn`");
    end.assert_says("waits for a value to receive from a channel at tests/runtimes/ends.rs");
}

#[test]
fn coroutines_that_delay_the_end_of_a_runtime_are_reported_once() {
    assert_named_once(&child::run(|| drop_late(false)));
}

#[test]
fn coroutines_that_delay_a_drop_inside_a_coroutine_are_reported_too() {
    assert_named_once(&child::run(|| drop_late(true)));
}

#[test]
fn a_runtime_that_ends_soon_reports_nothing() {
    let end = child::run(|| {
        let runtime = runtime(2);
        let nap = runtime.spawn(|| sleep(Duration::from_secs(3600)));
        runtime.run(yield_now);
        drop(runtime);
        assert!(nap.join().is_err());
    });
    end.assert_success();
    end.assert_does_not_say("goes on waiting");
}

#[test]
fn a_name_with_a_nul_is_an_error() {
    let error = Runtime::builder().name("a\0b").build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("NUL"), "{error}");
}

/// Forks; in the child, calls `f` and leaves with its result. Returns how that has ended.
fn fork(f: impl FnOnce() -> i32) -> i32 {
    // SAFETY: the child only calls what is to be tried there.
    match unsafe { libc::fork() } {
        0 => {
            let code = f();
            // SAFETY: it ends the child at once.
            unsafe { libc::_exit(code) }
        }
        child => {
            assert!(child > 0, "it cannot fork");
            let start = Instant::now();
            let mut status = 0;
            // SAFETY: the status is written to a place of ours.
            while unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) } == 0 {
                if start.elapsed() > Duration::from_secs(20) {
                    // SAFETY: the child is ours and has not been waited for.
                    unsafe { libc::kill(child, libc::SIGKILL) };
                    panic!("the child of the fork hangs");
                }
                thread::sleep(Duration::from_millis(1));
            }
            status
        }
    }
}

fn panics<T>(f: impl FnOnce() -> T) -> bool {
    catch_unwind(AssertUnwindSafe(|| drop(f()))).is_err()
}

#[test]
fn in_the_child_of_a_fork_a_thread_is_told_that_there_is_no_runtime() {
    let end = child::run(|| {
        let runtime = runtime(2);
        runtime.run(|| assert_eq!(mco::blocking(|| 5), 5));
        assert_eq!(mco::coroutine::spawn(|| 6).join().unwrap(), 6);
        let status = fork(|| {
            let told = [
                panics(|| runtime.spawn(|| ())),
                panics(|| mco::coroutine::spawn(|| ())),
                panics(|| spawn_blocking(|| ())),
                panics(|| mco::std::time::after(Duration::from_millis(1))),
                Runtime::builder().build().is_err_and(|e| e.kind() == ErrorKind::Unsupported),
            ];
            // What needs no runtime goes on; and nobody waits for one that is not there.
            sleep(Duration::from_millis(1));
            drop(runtime);
            let expected = told == [true; 5];
            if !expected {
                eprintln!("{told:?}");
            }
            i32::from(!expected)
        });
        assert_eq!(status, 0);
        // The parent's goes on.
        assert_eq!(mco::coroutine::spawn(|| 7).join().unwrap(), 7);
    });
    end.assert_success();
    end.assert_says("call `exec` there");
}

#[test]
fn in_the_child_of_a_fork_a_coroutine_that_waits_ends_it() {
    let end = child::run(|| {
        let runtime = runtime(1);
        for waits in [yield_now as fn(), || sleep(Duration::from_secs(3600))] {
            let neighbour = runtime.spawn(|| sleep(Duration::from_millis(20)));
            let status = runtime.run(|| {
                fork(|| {
                    // Two of them, since one that is alone is not suspended by a yield.
                    drop(mco::coroutine::spawn(|| ()));
                    waits();
                    0
                })
            });
            let aborted = libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGABRT;
            assert!(aborted, "{status}");
            neighbour.join().unwrap();
        }
        // What does not wait goes on, also in one that asks for the pool in vain.
        let status = runtime.run(|| fork(|| i32::from(!panics(|| mco::blocking(|| ())))));
        assert_eq!(status, 0);
    });
    end.assert_success();
    end.assert_says("a coroutine waits, or has ended");
}
