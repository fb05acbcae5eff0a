//! The blocking pool: `blocking`, `spawn_blocking`, and what they do when much is asked of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Cancelled};
use mco::net::ToSocketAddrs;
use mco::runtime;
use mco::std::blocking::spawn_blocking;
use mco::std::time::timeout;
use mco_tests::started::{Drops, OnDrop, assert_cancelled, settle, start};
use mco_tests::{
    HUNG, child, eventually, eventually_within, process, text_of, with_runtimes, within,
};

/// A job that has begun and goes on until it is let go.
struct Holder {
    go_on: mpsc::Sender<()>,
    handle: coroutine::JoinHandle<u32>,
}

impl Holder {
    fn new() -> Holder {
        let (begin, begun) = mpsc::channel();
        let (go_on, wait) = mpsc::channel();
        let handle = spawn_blocking(move || {
            begin.send(()).unwrap();
            wait.recv().unwrap();
            7
        });
        begun.recv_timeout(HUNG).expect("the job begins");
        Holder { go_on, handle }
    }

    fn let_go(self) {
        self.go_on.send(()).unwrap();
        assert_eq!(self.handle.join().unwrap(), 7);
    }
}

#[test]
fn a_job_may_borrow_and_returns_its_result() {
    let test = || {
        let (text, mut words) = (String::from("one two three"), Vec::new());
        let length = mco::blocking(|| {
            words.extend(text.split(' '));
            text.len()
        });
        assert_eq!((length, words.len()), (13, 3));
    };
    with_runtimes(move |runtime| runtime.run(test));
    within(HUNG, test);
}

#[test]
fn a_coroutines_job_runs_in_another_thread_and_a_threads_in_its_own() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let worker = thread::current().id();
            let (thread, name, is_coroutine) = mco::blocking(|| {
                let thread = thread::current();
                (thread.id(), thread.name().map(str::to_owned), coroutine::is_coroutine())
            });
            assert_ne!(thread, worker);
            assert!(name.unwrap().starts_with("mco-blocking-"));
            assert!(!is_coroutine);
            // And the coroutine is where it was.
            assert_eq!(thread::current().id(), worker);
        });
    });
    within(HUNG, || {
        let here = thread::current().id();
        assert_eq!(mco::blocking(|| thread::current().id()), here);
    });
}

#[test]
fn others_run_meanwhile_on_the_same_worker() {
    within(HUNG, || {
        mco_tests::runtime(1).run(|| {
            let (release, wait) = mpsc::channel();
            let other = coroutine::spawn(move || release.send(5).unwrap());
            // Would never end if it held the worker up.
            assert_eq!(mco::blocking(move || wait.recv().unwrap()), 5);
            other.join().unwrap();
        });
    });
}

#[test]
fn a_panic_reaches_the_caller() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| mco::blocking(|| panic!("on purpose: in the job")));
        let payload = handle.join().map(|(): ()| ()).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: in the job");

        let handle = runtime.run(|| spawn_blocking(|| panic!("on purpose: in another")));
        let payload = handle.join().map(|(): ()| ()).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: in another");

        // It can be caught like any other, and what follows is as before.
        runtime.run(|| {
            let caught = std::panic::catch_unwind(|| mco::blocking(|| panic!("on purpose")));
            assert!(caught.map(|(): ()| ()).is_err());
            assert_eq!(mco::blocking(|| 3), 3);
            coroutine::sleep(Duration::from_millis(1));
        });
    });
}

#[test]
fn spawn_blocking_macro_and_function_do_the_same() {
    with_runtimes(|runtime| {
        let handle = runtime.run(|| mco::spawn_blocking!(|| 6 * 7));
        assert_eq!(handle.join().unwrap(), 42);
    });
    within(HUNG, || assert_eq!(mco::spawn_blocking!(|| 6 * 7).join().unwrap(), 42));
}

#[test]
fn a_spawned_job_begins_while_its_spawner_keeps_the_worker() {
    within(HUNG, || {
        mco_tests::runtime(1).run(|| {
            let (begin, begun) = mpsc::channel();
            let job = spawn_blocking(move || begin.send(()).unwrap());
            // Blocks the worker.
            begun.recv().unwrap();
            job.join().unwrap();
        });
    });
}

#[test]
fn many_jobs_of_many_coroutines() {
    with_runtimes(|runtime| {
        let jobs = (0..2_000u64).map(|n| runtime.spawn(move || mco::blocking(|| n * 2)));
        let jobs: Vec<_> = jobs.into_iter().collect();
        let sum: u64 = jobs.into_iter().map(|job| job.join().unwrap()).sum();
        assert_eq!(sum, 2_000 * 1_999);
    });
}

#[test]
fn the_pool_is_bounded_and_its_queue_is_counted() {
    child::pass(|| {
        mco::config().set_blocking_threads(3);
        assert_eq!(mco::config().get_blocking_threads(), 3);
        let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let release = AtomicBool::new(false);
        coroutine::scope(|s| {
            for _ in 0..20 {
                s.spawn(|| {
                    mco::blocking(|| {
                        most.fetch_max(
                            running.fetch_add(1, Ordering::SeqCst) + 1,
                            Ordering::SeqCst,
                        );
                        while !release.load(Ordering::SeqCst) {
                            thread::sleep(Duration::from_millis(1));
                        }
                        running.fetch_sub(1, Ordering::SeqCst);
                    });
                });
            }
            eventually("the others wait", || runtime::metrics().blocking_queued() == 17);
            // A thread may have taken its job and not begun with it.
            eventually("three run", || running.load(Ordering::SeqCst) == 3);
            assert_eq!(runtime::metrics().blocking_threads(), 3);
            assert_eq!(runtime::metrics().blocking_idle(), 0);
            release.store(true, Ordering::SeqCst);
        });
        assert_eq!(most.load(Ordering::SeqCst), 3);
        assert_eq!(runtime::metrics().blocking_queued(), 0);
        eventually("they are idle", || runtime::metrics().blocking_idle() == 3);
    });
}

#[test]
fn a_cancel_takes_a_job_that_has_not_begun_out_of_the_queue() {
    child::pass(|| {
        mco::config().set_blocking_threads(1);
        let runtime = mco_tests::runtime(1);
        let holder = Holder::new();
        let drops = Drops::default();

        let (one, borrowed) = (drops.one(), drops.one());
        let waits = start(&runtime, move || {
            let _borrowed = &borrowed;
            mco::blocking(move || {
                let _one = &one;
                unreachable!("it was cancelled")
            })
        });
        eventually("it waits", || runtime.metrics().blocking_queued() == 1);
        waits.cancel();
        assert_cancelled::<()>(waits);
        assert_eq!((runtime.metrics().blocking_queued(), drops.count()), (0, 2));

        let one = drops.one();
        let spawned = runtime.run(|| {
            spawn_blocking(move || {
                let _one = &one;
                unreachable!("it was cancelled")
            })
        });
        settle(&runtime);
        assert_eq!(runtime.metrics().blocking_queued(), 1);
        spawned.cancel();
        assert_cancelled::<()>(spawned);
        assert_eq!((runtime.metrics().blocking_queued(), drops.count()), (0, 3));

        // Its coroutine has not started.
        let one = drops.one();
        runtime.run(move || {
            let spawned = spawn_blocking(move || {
                let _one = &one;
                unreachable!("it was cancelled")
            });
            spawned.cancel();
            assert_cancelled::<()>(spawned);
        });
        assert_eq!((runtime.metrics().blocking_queued(), drops.count()), (0, 4));
        holder.let_go();
    });
}

#[test]
fn a_cancelled_caller_stays_until_its_job_has_ended() {
    with_runtimes(|runtime| {
        let (begin, begun) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let ended = Arc::new(AtomicBool::new(false));
        let ends = ended.clone();
        let caller = runtime.spawn(move || {
            let borrowed = String::from("borrowed");
            let (borrows, ends) = (&borrowed, &ends);
            let gone = ends.clone();
            let _frame = OnDrop(move || assert!(gone.load(Ordering::SeqCst), "the job runs"));
            mco::blocking(move || {
                begin.send(()).unwrap();
                wait.recv().unwrap();
                assert_eq!(borrows, "borrowed");
                ends.store(true, Ordering::SeqCst);
            });
            unreachable!("it was cancelled");
        });
        begun.recv().unwrap();
        caller.cancel();
        // Time to make the mistake.
        coroutine::sleep(Duration::from_millis(5));
        assert!(!caller.is_finished());
        release.send(()).unwrap();
        assert_cancelled::<()>(caller);
        assert!(ended.load(Ordering::SeqCst));
    });
}

#[test]
fn a_spawned_job_that_has_begun_cannot_be_stopped() {
    with_runtimes(|runtime| {
        let (begin, begun) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let waits = Arc::new(AtomicBool::new(false));
        let job = runtime.run(|| {
            let job = spawn_blocking(move || {
                begin.send(()).unwrap();
                wait.recv().unwrap();
                5
            });
            waits.store(true, Ordering::SeqCst);
            job
        });
        begun.recv().unwrap();
        // Until its coroutine waits for it.
        let live = || runtime.metrics().live();
        eventually("its coroutine has started", || live() == 1);
        coroutine::sleep(Duration::from_millis(5));
        job.cancel();
        release.send(()).unwrap();
        assert_eq!(job.join().unwrap(), 5);
    });
}

#[test]
fn a_panic_of_a_job_is_not_lost_in_a_cancel() {
    with_runtimes(|runtime| {
        let (begin, begun) = mpsc::channel();
        let (release, wait) = mpsc::channel::<()>();
        let caller = runtime.spawn(move || {
            mco::blocking(move || {
                begin.send(()).unwrap();
                wait.recv().unwrap();
                panic!("on purpose: late");
            });
        });
        begun.recv().unwrap();
        caller.cancel();
        release.send(()).unwrap();
        let payload = caller.join().unwrap_err();
        assert!(!payload.is::<Cancelled>());
        assert_eq!(text_of(&*payload), "on purpose: late");
    });
}

#[test]
fn destructors_may_use_it_while_they_unwind() {
    with_runtimes(|runtime| {
        let (tell, told) = mpsc::channel();
        let parked = runtime.spawn(move || {
            let _last = OnDrop(move || tell.send(mco::blocking(|| 5)).unwrap());
            coroutine::park();
        });
        parked.cancel();
        match parked.join() {
            Err(payload) => assert!(payload.is::<Cancelled>()),
            Ok(()) => unreachable!("it was cancelled"),
        }
        // If it was cancelled before it started, there was nothing to drop.
        assert!(matches!(told.recv(), Ok(5) | Err(_)));
    });
}

#[test]
fn dropping_a_runtime_waits_for_its_jobs_and_takes_back_the_others() {
    child::pass(|| {
        mco::config().set_blocking_threads(1);
        let runtime = mco_tests::runtime(2);
        let (begin, begun) = mpsc::channel();
        let drops = Drops::default();
        let one = drops.one();
        let ended = Arc::new(AtomicBool::new(false));
        let ends = ended.clone();
        drop(runtime.spawn(move || {
            mco::blocking(|| {
                begin.send(()).unwrap();
                thread::sleep(Duration::from_millis(50));
                let _one = &one;
                ends.store(true, Ordering::SeqCst);
            });
        }));
        begun.recv().unwrap();
        for _ in 0..10 {
            let one = drops.one();
            drop(runtime.spawn(move || {
                mco::blocking(|| {
                    let _one = &one;
                    unreachable!("it does not begin any more");
                });
            }));
        }
        eventually("they wait", || runtime.metrics().blocking_queued() == 10);
        drop(runtime);
        assert!(ended.load(Ordering::SeqCst));
        assert_eq!(drops.count(), 11);
    });
}

#[test]
fn threads_of_the_pool_without_a_job_end() {
    child::pass(|| {
        let before = process::threads();
        // The global runtime's own.
        coroutine::spawn(|| ()).join().unwrap();
        let with_runtime = process::threads();
        assert!(with_runtime > before);
        let holders: Vec<_> = (0..8).map(|_| Holder::new()).collect();
        assert_eq!(runtime::metrics().blocking_threads(), 8);
        holders.into_iter().for_each(Holder::let_go);
        eventually("they are idle", || runtime::metrics().blocking_idle() == 8);
        // One job now and then keeps one of them.
        let ended = || {
            spawn_blocking(|| ()).join().unwrap();
            runtime::metrics().blocking_threads() == 1
        };
        eventually_within(HUNG, "seven have ended", ended);
        let ended = || runtime::metrics().blocking_threads() == 0;
        eventually_within(HUNG, "the last one has ended", ended);
        eventually("they are gone", || process::threads() == with_runtime);
        // And it starts again.
        assert_eq!(spawn_blocking(|| 5).join().unwrap(), 5);
    });
}

#[test]
fn a_saturated_pool_says_so_once() {
    let end = child::run(|| {
        mco::config().set_blocking_threads(2);
        for _ in 0..2 {
            let holders = [Holder::new(), Holder::new()];
            let waiting: Vec<_> = (0..5).map(|n| spawn_blocking(move || n)).collect();
            eventually("they wait", || runtime::metrics().blocking_queued() == 5);
            // The pool has to wait for long: that is what it complains about.
            thread::sleep(Duration::from_millis(1_800));
            holders.into_iter().for_each(Holder::let_go);
            let sum: i32 = waiting.into_iter().map(|job| job.join().unwrap()).sum();
            assert_eq!(sum, 10);
        }
    });
    end.assert_success();
    let lines: Vec<_> = end.stderr.lines().filter(|line| line.contains("saturated")).collect();
    assert_eq!(lines.len(), 2, "once for each time:\n{end}");
    for line in lines {
        assert!(line.contains("the blocking pool"), "{line}");
        assert!(line.contains("its 2 threads") && line.contains("5 jobs wait"), "{line}");
        assert!(line.contains("set_blocking_threads"), "{line}");
    }
}

#[test]
fn a_job_that_has_begun_is_awaited_without_spinning_after_a_deadline() {
    with_runtimes(|_| {
        let runtime = mco_tests::runtime(1);
        let (release, wait) = mpsc::channel::<()>();
        let resumed = runtime.run(|| {
            coroutine::scope(|s| {
                let neighbour = s.spawn(|| {
                    coroutine::sleep(Duration::from_millis(20));
                    let before = runtime.metrics().resumed();
                    for _ in 0..20 {
                        coroutine::sleep(Duration::from_millis(1));
                    }
                    let after = runtime.metrics().resumed();
                    release.send(()).unwrap();
                    after - before
                });
                let job = || mco::blocking(move || wait.recv().unwrap());
                assert!(timeout(Duration::from_millis(5), job).is_err());
                neighbour.join().unwrap()
            })
        });
        assert!(resumed <= 40, "{resumed} turns for 20 sleeps: the other one does not park");
    });
}

#[test]
fn each_job_runs_though_no_thread_can_be_started() {
    const ROUNDS: usize = 500;
    let end = child::run(|| {
        mco::config().set_workers(2).set_stack_size(128 * 1024);
        // Stacks for the coroutines, before memory is scarce.
        let stacks =
            (0..16).map(|_| coroutine::spawn(|| coroutine::sleep(Duration::from_millis(20))));
        stacks.collect::<Vec<_>>().into_iter().for_each(|one| one.join().unwrap());
        let (barrier, begin) = (Barrier::new(3), Barrier::new(4));
        thread::scope(|s| {
            for _ in 0..3 {
                s.spawn(|| {
                    begin.wait();
                    for n in 0..ROUNDS {
                        // All find that none can be started, at once.
                        barrier.wait();
                        assert_eq!(spawn_blocking(move || n).join().unwrap(), n);
                    }
                });
            }
            // A thread that has only just been started takes more of it, and is no good without.
            eventually("all threads have begun", process::do_others_sleep);
            let used = process::address_space();
            rlimit::Resource::AS.set(used as u64 + 700 * 1024, rlimit::INFINITY).unwrap();
            let mut threads = Vec::new();
            let park = || thread::Builder::new().spawn(thread::park);
            while let Ok(thread) = park() {
                threads.push(thread);
            }
            begin.wait();
        });
        assert_eq!(runtime::metrics().blocking_queued(), 0);
        rlimit::Resource::AS.set(rlimit::INFINITY, rlimit::INFINITY).unwrap();
        assert_eq!(spawn_blocking(|| 5).join().unwrap(), 5);
        assert!(runtime::metrics().blocking_threads() > 0, "they can be started again");
        // Those that park.
        std::process::exit(0);
    });
    end.assert_success();
    let lines = end.stderr.lines().filter(|line| line.contains("could not start a thread")).count();
    assert_eq!(lines, 1, "{end}");
    end.assert_does_not_say("saturated");
}

#[test]
fn a_pool_that_is_just_busy_says_nothing() {
    let end = child::run(|| {
        mco::config().set_blocking_threads(1);
        let jobs = (0..200).map(|_| spawn_blocking(|| thread::sleep(Duration::from_millis(1))));
        jobs.collect::<Vec<_>>().into_iter().for_each(|job| job.join().unwrap());
    });
    end.assert_success();
    end.assert_does_not_say("saturated");
}

#[test]
fn names_are_looked_up_on_the_pool() {
    child::pass(|| {
        let addrs = || ("localhost", 80).to_socket_addrs().unwrap().count();
        assert!(addrs() > 0);
        // Not for a thread.
        assert_eq!(runtime::metrics().blocking_threads(), 0);
        assert!(coroutine::spawn(addrs).join().unwrap() > 0);
        assert_eq!(runtime::metrics().blocking_threads(), 1);
    });
}
