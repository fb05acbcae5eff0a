//! Cancelling: what is blocked unwinds soon and quietly, what has not started never does.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Cancelled, JoinHandle};
use mco::coroutine_local;
use mco::net::TcpStream;
use mco::runtime::Runtime;
use mco_tests::{
    HUNG, Stopwatch, child, eventually, quiet, runtime, sockets, text_of, with_runtimes, within,
};

/// How soon a cancelled coroutine must have unwound.
const SOON: Duration = Duration::from_millis(50);

const LONG: Duration = Duration::from_secs(3600);

/// Counts that it was dropped.
struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Returns when each coroutine that is ready to go on now has done so, on a runtime of one worker.
fn settle(runtime: &Runtime) {
    for _ in 0..3 {
        runtime.run(coroutine::yield_now);
    }
}

#[track_caller]
fn assert_cancelled<T>(handle: JoinHandle<T>) {
    match handle.join() {
        Ok(_) => panic!("it returned as if nothing had been asked"),
        Err(payload) => {
            assert!(payload.is::<Cancelled>(), "the payload is {:?}", text_of(&*payload));
        }
    }
}

/// Cancels a coroutine that is blocked in `block`, on a worker of its own.
#[track_caller]
fn assert_unwinds<T: Send + 'static>(block: impl FnOnce() -> T + Send + 'static) {
    let caller = panic::Location::caller();
    within(HUNG, move || {
        let runtime = runtime(1);
        let (drops, entered) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (held, enters) = (Count(drops.clone()), entered.clone());
        let handle = runtime.spawn(move || {
            let _held = held;
            enters.store(true, Ordering::SeqCst);
            drop(block());
        });
        eventually("it has started", || entered.load(Ordering::SeqCst));
        // Another one has run since, so this one is suspended.
        settle(&runtime);
        assert!(!handle.is_finished(), "it does not block");

        let watch = Stopwatch::start();
        handle.cancel();
        handle.wait();
        let wall = watch.wall();
        assert_eq!(drops.load(Ordering::SeqCst), 1, "its destructors did not run");
        assert_cancelled(handle);
        let took = watch.without_delays(wall);
        assert!(took < SOON, "it took {took:?} to unwind what blocks at {caller}");
    });
}

#[test]
fn in_sleep() {
    assert_unwinds(|| coroutine::sleep(LONG));
}

#[test]
fn in_an_endless_sleep() {
    assert_unwinds(|| coroutine::sleep(Duration::MAX));
}

#[test]
fn in_park() {
    assert_unwinds(coroutine::park);
}

#[test]
fn in_park_timeout() {
    assert_unwinds(|| coroutine::park_timeout(LONG));
}

#[test]
fn in_accept() {
    let (listener, _) = sockets::listener();
    assert_unwinds(move || listener.accept());
}

#[test]
fn in_incoming() {
    let (listener, _) = sockets::listener();
    assert_unwinds(move || listener.incoming().next());
}

#[test]
fn in_read() {
    let (mut near, _far) = sockets::mixed_pair();
    assert_unwinds(move || near.read(&mut [0; 8]));
}

#[test]
fn in_read_with_a_timeout() {
    let (mut near, _far) = sockets::mixed_pair();
    near.set_read_timeout(Some(LONG)).unwrap();
    assert_unwinds(move || near.read(&mut [0; 8]));
}

#[test]
fn in_read_to_end() {
    let (mut near, mut far) = sockets::mixed_pair();
    far.write_all(b"some").unwrap();
    assert_unwinds(move || near.read_to_end(&mut Vec::new()));
}

#[test]
fn in_peek() {
    let (near, _far) = sockets::mixed_pair();
    assert_unwinds(move || near.peek(&mut [0; 8]));
}

#[test]
fn in_write() {
    let (mut near, _far) = sockets::mixed_pair();
    sockets::fill(&near);
    assert_unwinds(move || near.write(&[0; 8]));
}

#[test]
fn in_write_all() {
    let (mut near, _far) = sockets::mixed_pair();
    assert_unwinds(move || near.write_all(&vec![0; 64 << 20]));
}

#[test]
fn in_connect() {
    let full = sockets::FullListener::new();
    assert_unwinds(move || TcpStream::connect(full.addr()));
}

#[test]
fn in_connect_timeout() {
    let full = sockets::FullListener::new();
    assert_unwinds(move || TcpStream::connect_timeout(&full.addr(), LONG));
}

#[test]
fn in_join() {
    assert_unwinds(|| coroutine::spawn(coroutine::park).join());
}

#[test]
fn in_wait() {
    assert_unwinds(|| {
        let handle = coroutine::spawn(coroutine::park);
        handle.wait();
    });
}

#[test]
fn in_the_end_of_a_scope() {
    assert_unwinds(|| {
        coroutine::scope(|s| {
            s.spawn(coroutine::park);
        });
    });
}

#[test]
fn in_a_scoped_join() {
    assert_unwinds(|| coroutine::scope(|s| s.spawn(coroutine::park).join()));
}

#[test]
fn in_a_run_on_another_runtime() {
    assert_unwinds(|| runtime(1).run(coroutine::park));
}

#[test]
fn in_a_loop_of_yields() {
    assert_unwinds(|| {
        loop {
            coroutine::yield_now();
        }
    });
}

#[test]
fn in_a_loop_of_operations_that_are_ready() {
    let (mut near, mut far) = sockets::pair();
    assert_unwinds(move || {
        loop {
            near.write_all(b"x").unwrap();
            far.read_exact(&mut [0]).unwrap();
        }
    });
}

#[test]
fn a_child_of_the_cancelled_goes_on_alone() {
    with_runtimes(|runtime| {
        let child = Arc::new(Mutex::new(None));
        let place = child.clone();
        let parent = runtime.spawn(move || {
            let (sender, receiver) = std::sync::mpsc::channel();
            let handle = coroutine::spawn(move || {
                coroutine::park();
                sender.send(5).unwrap();
            });
            *place.lock().unwrap() = Some((handle.coroutine().clone(), receiver));
            handle.join().unwrap();
        });
        eventually("the child exists", || child.lock().unwrap().is_some());
        parent.cancel();
        assert_cancelled(parent);
        let (child, receiver) = child.lock().unwrap().take().unwrap();
        child.unpark();
        assert_eq!(receiver.recv(), Ok(5));
    });
}

#[test]
fn no_message_is_printed() {
    let end = child::pass(|| {
        let runtime = runtime(2);
        let (mut near, _far) = sockets::mixed_pair();
        let (listener, _) = sockets::listener();
        let handles = [
            runtime.spawn(|| coroutine::sleep(LONG)),
            runtime.spawn(coroutine::park),
            runtime.spawn(move || drop(listener.accept())),
            runtime.spawn(move || drop(near.read(&mut [0]))),
            runtime.spawn(|| drop(coroutine::spawn(coroutine::park).join())),
            runtime.spawn(|| coroutine::scope(|s| drop(s.spawn(coroutine::park)))),
            runtime.spawn(|| runtime_of_one().run(coroutine::park)),
        ];
        let blocked = || handles.iter().all(|handle| !handle.is_finished());
        settle(&runtime);
        assert!(blocked());
        handles.iter().for_each(JoinHandle::cancel);
        handles.into_iter().for_each(|handle| drop(handle.join()));
        for _ in 0..100 {
            runtime.spawn(coroutine::park).cancel();
        }
        // What is left is cancelled by this.
        drop(runtime);
    });
    assert_eq!(end.stderr, "", "{end}");
}

fn runtime_of_one() -> Runtime {
    runtime(1)
}

/// Holds the one worker of `runtime` up until the returned function is called.
fn hold(runtime: &Runtime) -> impl FnOnce() + use<> {
    let (held, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (holds, waits) = (held.clone(), go_on.clone());
    let holder = runtime.spawn(move || {
        holds.store(true, Ordering::SeqCst);
        while !waits.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    });
    eventually("the worker is held up", || held.load(Ordering::SeqCst));
    move || {
        go_on.store(true, Ordering::SeqCst);
        holder.join().unwrap();
    }
}

/// Cancels a coroutine that `spawn` has queued, before it has started.
#[track_caller]
fn assert_never_runs(
    spawn: impl FnOnce(&Runtime, Box<dyn FnOnce() + Send>) -> JoinHandle<()> + Send + 'static,
) {
    within(HUNG, || {
        let runtime = runtime(1);
        let release = hold(&runtime);
        let (drops, ran) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (held, runs) = (Count(drops.clone()), ran.clone());
        let body = move || {
            let _held = held;
            runs.store(true, Ordering::SeqCst);
        };
        let handle = spawn(&runtime, Box::new(body));
        handle.cancel();
        release();
        handle.wait();
        assert!(!ran.load(Ordering::SeqCst), "it was cancelled before it started, and ran");
        assert_eq!(drops.load(Ordering::SeqCst), 1, "its closure was not dropped");
        assert_cancelled(handle);
    });
}

#[test]
fn a_coroutine_cancelled_before_it_starts_never_runs() {
    assert_never_runs(|runtime, body| runtime.spawn(body));
}

#[test]
fn a_coroutine_cancelled_right_after_its_spawn_never_runs() {
    with_runtimes(|runtime| {
        let (drops, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (held, ran) = (drops.clone(), runs.clone());
        let finished = runtime.run(move || {
            let spawn = |_| {
                let (held, ran) = (Count(held.clone()), ran.clone());
                let handle = coroutine::spawn(move || {
                    let _held = held;
                    ran.fetch_add(1, Ordering::SeqCst);
                });
                handle.cancel();
                handle
            };
            let handles: Vec<_> = (0..100).map(spawn).collect();
            handles.into_iter().filter_map(|handle| handle.join().ok()).count()
        });
        // On other workers some may have been quicker than the cancel.
        assert_eq!(runs.load(Ordering::SeqCst), finished);
        assert_eq!(drops.load(Ordering::SeqCst), 100);
        if runtime.metrics().workers().len() == 1 {
            assert_eq!(finished, 0);
        }
    });
}

#[test]
fn a_cancel_after_the_end_changes_nothing() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| 5);
        handle.wait();
        let coroutine = handle.coroutine().clone();
        handle.cancel();
        handle.cancel();
        assert_eq!(handle.join().unwrap(), 5);
        coroutine.cancel();
        coroutine.unpark();
    });
}

#[test]
fn a_second_cancel_changes_nothing() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(coroutine::park);
        let coroutine = handle.coroutine().clone();
        for _ in 0..10 {
            handle.cancel();
            coroutine.cancel();
        }
        assert_cancelled(handle);
    });
}

#[test]
fn the_cancelled_can_see_it() {
    with_runtimes(|runtime| {
        let seen = Arc::new(AtomicBool::new(false));
        let sees = seen.clone();
        let handle = runtime.spawn(move || {
            assert!(!coroutine::is_cancelled());
            sees.store(true, Ordering::SeqCst);
            // Computes, and never blocks.
            while !coroutine::is_cancelled() {
                std::hint::spin_loop();
            }
            7
        });
        eventually("it runs", || seen.load(Ordering::SeqCst));
        handle.cancel();
        assert_eq!(handle.join().unwrap(), 7);
    });
}

#[test]
fn one_can_cancel_oneself() {
    with_runtimes(|runtime| {
        let after = Arc::new(AtomicBool::new(false));
        let passes = after.clone();
        let handle = runtime.spawn(move || {
            coroutine::current().cancel();
            assert!(coroutine::is_cancelled());
            coroutine::yield_now();
            passes.store(true, Ordering::SeqCst);
        });
        assert_cancelled(handle);
        assert!(!after.load(Ordering::SeqCst), "`yield_now` returned to the cancelled");
    });
}

#[test]
fn one_that_ignores_it_by_never_blocking_keeps_its_result() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| {
            coroutine::current().cancel();
            9
        });
        assert_eq!(handle.join().unwrap(), 9);
    });
}

#[test]
fn a_payload_says_what_happened() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(coroutine::park);
        handle.cancel();
        let payload = handle.join().unwrap_err().downcast::<Cancelled>().unwrap();
        assert!(format!("{payload:?}").starts_with("Cancelled { "), "{payload:?}");
        assert!(payload.to_string().contains("cancelled"));
        let _: &dyn std::error::Error = &*payload;
    });
}

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Cancels a coroutine that runs `cleanup` while it unwinds; says how far that came.
#[track_caller]
fn assert_cleans_up(cleanup: impl Fn() + Clone + Send + 'static) {
    with_runtimes(move |runtime| {
        let steps = Arc::new(AtomicUsize::new(0));
        let (step, cleanup) = (steps.clone(), cleanup.clone());
        let handle = runtime.spawn(move || {
            let _end = OnDrop(|| _ = step.fetch_add(1, Ordering::SeqCst));
            let _cleanup = OnDrop(|| {
                cleanup();
                step.fetch_add(1, Ordering::SeqCst);
            });
            step.fetch_add(1, Ordering::SeqCst);
            coroutine::park();
        });
        eventually("it has started", || steps.load(Ordering::SeqCst) == 1);
        handle.cancel();
        assert_cancelled(handle);
        assert_eq!(steps.load(Ordering::SeqCst), 3, "its destructors were cut short");
    });
}

#[test]
fn a_destructor_may_sleep() {
    assert_cleans_up(|| coroutine::sleep(Duration::from_millis(5)));
}

#[test]
fn a_destructor_may_yield() {
    assert_cleans_up(|| (0..10).for_each(|_| coroutine::yield_now()));
}

#[test]
fn a_destructor_may_wait_for_others() {
    assert_cleans_up(|| {
        let others = (0..3).map(|n| {
            coroutine::spawn(move || {
                coroutine::sleep(Duration::from_millis(1));
                n
            })
        });
        let others: Vec<_> = others.collect();
        let sum: i32 = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert_eq!(sum, 3);
    });
}

#[test]
fn a_destructor_may_say_good_bye_through_a_socket() {
    assert_cleans_up(|| {
        let (mut near, far) = sockets::pair();
        let echo = coroutine::spawn(move || sockets::echo(far));
        near.write_all(b"bye").unwrap();
        let mut answer = [0; 3];
        near.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"bye");
        drop(near);
        echo.join().unwrap();
    });
}

#[test]
fn a_destructor_may_open_a_scope() {
    assert_cleans_up(|| {
        let words = ["a", "b"];
        let count = coroutine::scope(|s| {
            s.spawn(coroutine::yield_now);
            s.spawn(|| words.len()).join().unwrap()
        });
        assert_eq!(count, 2);
    });
}

/// A child of the calling coroutine that has started, and parks.
fn parked_child() -> JoinHandle<()> {
    let started = Arc::new(AtomicBool::new(false));
    let starts = started.clone();
    let child = coroutine::spawn(move || {
        starts.store(true, Ordering::SeqCst);
        coroutine::park();
    });
    eventually("the child has started", || started.load(Ordering::SeqCst));
    child
}

#[test]
fn a_destructor_may_cancel_its_child_and_wait_for_it() {
    // What a guard that owns a helper does. The two may share a worker.
    assert_cleans_up(|| {
        let child = parked_child();
        child.cancel();
        assert_cancelled(child);
    });
}

#[test]
fn a_panicking_parent_may_cancel_its_child_and_wait_for_it() {
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| {
            let child = Mutex::new(Some(parked_child()));
            let _guard = OnDrop(|| {
                let child = child.lock().unwrap().take().unwrap();
                child.cancel();
                assert_cancelled(child);
            });
            panic!("on purpose");
        });
        assert_eq!(text_of(&*handle.join().unwrap_err()), "on purpose");
    });
}

#[test]
fn one_is_cancelled_in_time_while_its_neighbour_cleans_up() {
    within(HUNG, || {
        let runtime = runtime(1);
        let slow = runtime.spawn(|| {
            let _slow = OnDrop(|| coroutine::sleep(Duration::from_secs(2)));
            coroutine::park();
        });
        let parked = runtime.spawn(coroutine::park);
        settle(&runtime);
        slow.cancel();
        settle(&runtime);
        let watch = Stopwatch::start();
        parked.cancel();
        parked.wait();
        let wall = watch.wall();
        let took = watch.without_delays(wall);
        assert!(took < SOON, "it took {took:?}, because another one was unwinding");
        assert!(!slow.is_finished(), "the neighbour has ended, so this shows nothing");
        assert_cancelled(parked);
        assert_cancelled(slow);
    });
}

/// Cancels one that unwinds, by `raise`, while it waits in a destructor and a neighbour does too.
/// A second unwinding there would end the process.
fn cancel_two_that_unwind(runtime: &Runtime, raise: fn()) {
    let spawn = |raise: fn()| {
        let (entered, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (enters, waits) = (entered.clone(), go_on.clone());
        let handle = runtime.spawn(move || {
            let _waits = OnDrop(|| {
                enters.store(true, Ordering::SeqCst);
                eventually("it may go on", || waits.load(Ordering::SeqCst));
            });
            raise();
        });
        eventually("it unwinds", || entered.load(Ordering::SeqCst));
        (handle, go_on)
    };
    let (neighbour, neighbour_goes_on) = spawn(|| panic!("on purpose"));
    let (handle, goes_on) = spawn(raise);
    handle.cancel();
    settle(runtime);
    goes_on.store(true, Ordering::SeqCst);
    let payload = handle.join().unwrap_err();
    assert!(!payload.is::<Cancelled>(), "its own payload was lost");
    neighbour_goes_on.store(true, Ordering::SeqCst);
    assert_eq!(text_of(&*neighbour.join().unwrap_err()), "on purpose");
    assert!(!runtime.run(thread::panicking), "the worker's panic count is off");
}

#[test]
fn one_that_panics_beside_another_is_not_unwound_twice() {
    child::pass(|| cancel_two_that_unwind(&runtime(1), || panic!("on purpose")));
}

#[test]
fn one_that_panics_beside_another_is_not_unwound_twice_under_a_hook_of_the_users() {
    child::pass(|| {
        let runtime = runtime(1);
        runtime.run(|| ());
        // As programs do that report panics in their own way.
        panic::set_hook(Box::new(|_| ()));
        cancel_two_that_unwind(&runtime, || panic!("on purpose"));
    });
}

#[test]
fn one_that_passes_a_panic_on_beside_another_is_not_unwound_twice() {
    child::pass(|| {
        cancel_two_that_unwind(&runtime(1), || {
            let outcome = coroutine::spawn(|| panic!("on purpose")).join();
            outcome.unwrap_or_else(|payload| panic::resume_unwind(payload));
        });
    });
}

#[test]
fn who_catches_the_payload_is_unwound_again() {
    with_runtimes(|runtime| {
        let caught = Arc::new(AtomicUsize::new(0));
        let catches = caught.clone();
        let handle = runtime.spawn(move || {
            for _ in 0..5 {
                let payload = panic::catch_unwind(coroutine::park).unwrap_err();
                assert!(payload.is::<Cancelled>());
                catches.fetch_add(1, Ordering::SeqCst);
                assert!(coroutine::is_cancelled());
            }
            coroutine::sleep(LONG);
        });
        handle.cancel();
        // It may have been cancelled before it started.
        let payload = handle.join().unwrap_err();
        assert!(payload.is::<Cancelled>());
        let caught = caught.load(Ordering::SeqCst);
        assert!(caught == 0 || caught == 5, "it went on after {caught}");
    });
}

#[test]
fn who_catches_the_payload_may_end_with_a_result() {
    with_runtimes(|runtime| {
        let entered = Arc::new(AtomicBool::new(false));
        let enters = entered.clone();
        let handle = runtime.spawn(move || {
            enters.store(true, Ordering::SeqCst);
            match panic::catch_unwind(coroutine::park) {
                Ok(()) => 1,
                Err(_) => 2,
            }
        });
        eventually("it has started", || entered.load(Ordering::SeqCst));
        handle.cancel();
        assert_eq!(handle.join().unwrap(), 2);
    });
}

#[test]
fn who_keeps_the_payload_is_unwound_again() {
    with_runtimes(|runtime| {
        let entered = Arc::new(AtomicBool::new(false));
        let enters = entered.clone();
        let handle = runtime.spawn(move || {
            enters.store(true, Ordering::SeqCst);
            let _payload = panic::catch_unwind(coroutine::park).unwrap_err();
            coroutine::sleep(LONG);
        });
        eventually("it has started", || entered.load(Ordering::SeqCst));
        handle.cancel();
        assert_cancelled::<()>(handle);
    });
}

coroutine_local! {
    static CLEANUP: RefCell<Option<Box<dyn std::any::Any>>> = RefCell::new(None);
}

/// Cancels one whose coroutine-local's destructor blocks; `detach` says whether its handle is gone.
#[track_caller]
fn assert_local_cleans_up(detach: bool) {
    with_runtimes(move |runtime| {
        let steps = Arc::new(AtomicUsize::new(0));
        let step = steps.clone();
        let handle = runtime.spawn(move || {
            let step = move || {
                step.fetch_add(1, Ordering::SeqCst);
            };
            step();
            let cleanup = OnDrop(move || {
                coroutine::sleep(Duration::from_millis(5));
                coroutine::yield_now();
                step();
            });
            CLEANUP.with(|place| *place.borrow_mut() = Some(Box::new(cleanup)));
            coroutine::park();
        });
        eventually("it has started", || steps.load(Ordering::SeqCst) == 1);
        let coroutine = handle.coroutine().clone();
        if detach {
            drop(handle);
            coroutine.cancel();
            eventually("it has ended", || runtime.metrics().live() == 0);
        } else {
            coroutine.cancel();
            assert_cancelled(handle);
        }
        assert_eq!(steps.load(Ordering::SeqCst), 2, "the destructor was cut short");
    });
}

#[test]
fn the_destructor_of_a_coroutine_local_may_block() {
    assert_local_cleans_up(false);
}

#[test]
fn the_destructor_of_a_coroutine_local_may_block_when_nobody_joins() {
    assert_local_cleans_up(true);
}

#[test]
fn what_arrives_after_a_cancelled_read_is_there_for_the_next() {
    with_runtimes(|runtime| {
        let (near, mut far) = sockets::mixed_pair();
        let near = Arc::new(near);
        for n in 0..100u8 {
            let (reader, entered) = (near.clone(), Arc::new(AtomicBool::new(false)));
            let enters = entered.clone();
            let handle = runtime.spawn(move || {
                enters.store(true, Ordering::SeqCst);
                let mut byte = [0];
                (&*reader).read_exact(&mut byte).map(|()| byte[0])
            });
            eventually("it has started", || entered.load(Ordering::SeqCst));
            // In both orders, and close together.
            if n.is_multiple_of(2) {
                handle.cancel();
                far.write_all(&[n]).unwrap();
            } else {
                far.write_all(&[n]).unwrap();
                handle.cancel();
            }
            match handle.join() {
                Ok(read) => assert_eq!(read.unwrap(), n),
                Err(_) => {
                    let mut byte = [0];
                    runtime.run(|| (&*near).read_exact(&mut byte).unwrap());
                    assert_eq!(byte[0], n, "a cancelled read took a byte with it");
                }
            }
        }
    });
}

#[test]
fn a_connection_that_a_cancelled_accept_missed_is_accepted_next() {
    with_runtimes(|runtime| {
        let (listener, addr) = sockets::listener();
        let listener = Arc::new(listener);
        for _ in 0..50 {
            let accepting = listener.clone();
            let handle = runtime.spawn(move || accepting.accept().unwrap());
            let client = std::net::TcpStream::connect(addr).unwrap();
            handle.cancel();
            let (_stream, peer) = match handle.join() {
                Ok(accepted) => accepted,
                Err(_) => runtime.run(|| listener.accept().unwrap()),
            };
            assert_eq!(peer, client.local_addr().unwrap());
        }
    });
}

#[test]
fn racing_with_the_end_it_is_one_or_the_other() {
    with_runtimes(|runtime| {
        for round in 0..3_000u32 {
            let drops = Arc::new(AtomicUsize::new(0));
            let held = Count(drops.clone());
            let handle = runtime.spawn(move || {
                let _held = held;
                for _ in 0..round % 4 {
                    coroutine::yield_now();
                }
                round
            });
            if round % 3 == 0 {
                thread::yield_now();
            }
            handle.cancel();
            match handle.join() {
                Ok(result) => assert_eq!(result, round),
                Err(payload) => assert!(payload.is::<Cancelled>()),
            }
            assert_eq!(drops.load(Ordering::SeqCst), 1);
        }
    });
}

#[test]
fn racing_with_a_wake_it_wins_in_the_end() {
    with_runtimes(|runtime| {
        for _ in 0..1_000 {
            let handle = runtime.spawn(|| {
                loop {
                    coroutine::park();
                }
            });
            let coroutine = handle.coroutine().clone();
            let unparker = thread::spawn(move || (0..20).for_each(|_| coroutine.unpark()));
            handle.cancel();
            assert_cancelled(handle);
            unparker.join().unwrap();
        }
    });
}

#[test]
fn a_thousand_coroutines_are_cancelled_at_once() {
    with_runtimes(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let started = Arc::new(AtomicUsize::new(0));
        let spawn = |n: u64| {
            let (held, started) = (Count(drops.clone()), started.clone());
            runtime.spawn(move || {
                let _held = held;
                started.fetch_add(1, Ordering::SeqCst);
                match n % 3 {
                    0 => coroutine::park(),
                    1 => coroutine::sleep(LONG),
                    _ => coroutine::spawn(move || coroutine::sleep(Duration::from_millis(n % 100)))
                        .join()
                        .unwrap(),
                }
            })
        };
        let handles: Vec<_> = (0..1000).map(spawn).collect();
        eventually("all have started", || started.load(Ordering::SeqCst) == 1000);
        handles.iter().for_each(JoinHandle::cancel);
        for handle in handles {
            drop(handle.join());
        }
        assert_eq!(drops.load(Ordering::SeqCst), 1000);
    });
}

#[test]
fn a_lock_that_a_cancelled_one_held_is_free() {
    with_runtimes(|runtime| {
        let lock = Arc::new(Mutex::new(()));
        let held = lock.clone();
        let entered = Arc::new(AtomicBool::new(false));
        let enters = entered.clone();
        let handle = runtime.spawn(move || {
            let _guard = held.lock().unwrap();
            enters.store(true, Ordering::SeqCst);
            coroutine::park();
        });
        eventually("it has started", || entered.load(Ordering::SeqCst));
        handle.cancel();
        assert_cancelled(handle);
        drop(lock.try_lock().map_err(|e| matches!(e, std::sync::TryLockError::WouldBlock)));
        assert!(
            !matches!(lock.try_lock(), Err(std::sync::TryLockError::WouldBlock)),
            "still locked"
        );
    });
}

#[test]
fn a_catch_around_the_whole_body_still_ends_it() {
    with_runtimes(|runtime| {
        let handle = runtime.spawn(|| {
            // As a server does that must not fall over.
            loop {
                let round = AssertUnwindSafe(|| coroutine::sleep(Duration::from_micros(10)));
                if panic::catch_unwind(round).is_err() && coroutine::is_cancelled() {
                    break;
                }
            }
        });
        coroutine::sleep(Duration::from_millis(1));
        handle.cancel();
        drop(handle.join());
    });
}
