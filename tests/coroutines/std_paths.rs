//! `mco::std` in std's place.

use std::cell::{Cell, RefCell};
use std::panic::catch_unwind;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mco::std::io::{ChanStream, TryStream};
use mco::std::queue::{ArrayQueue, SegQueue};
use mco::std::sync::{Once, OnceLock, RwLock, RwLockWriteGuard, channel};
use mco::std::thread;
use mco::std::time::Instant;
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, text_of, with_runtimes, within};

/// Runs one of the programs in `programs/threaded`, and returns what it prints.
fn run(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_threaded_programs"));
    let output = command.args(args).output().expect("the program starts");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?} has failed: {}\n{errors}", output.status);
    String::from_utf8(output.stdout).expect("it prints text")
}

/// What it prints with nothing changed but `use std::` to `use mco::std::` is what it prints with threads.
fn prints_the_same(program: &'static str) {
    within(HUNG, move || {
        let expected = run(&[program, "std"]);
        assert!(expected.lines().count() > 10, "{expected}");
        for workers in ["1", "2", "8"] {
            for place in ["thread", "coroutine"] {
                let printed = run(&[program, "mco", workers, place]);
                assert_eq!(printed, expected, "`{program}` in a {place}, with {workers} workers");
            }
        }
    });
}

#[test]
fn a_pipeline_of_threads_becomes_one_of_coroutines() {
    prints_the_same("pipeline");
}

#[test]
fn a_server_with_a_thread_for_each_connection_becomes_one_with_a_coroutine_for_each() {
    prints_the_same("server");
}

#[test]
fn what_a_program_does_with_threads_it_does_with_coroutines() {
    prints_the_same("threads");
}

#[test]
fn who_waits_for_a_once_goes_on_when_somebody_has_done_it() {
    with_runtimes(|runtime| {
        let (once, cell) = (Arc::new(Once::new()), Arc::new(OnceLock::new()));
        let waits = || {
            let (once, cell) = (once.clone(), cell.clone());
            move || {
                once.wait();
                *cell.wait()
            }
        };
        let coroutines: Vec<_> = (0..8).map(|_| start(runtime, waits())).collect();
        let threads: Vec<_> = (0..2).map(|_| std::thread::spawn(waits())).collect();
        let cancelled = start(runtime, waits());
        cancelled.cancel();
        assert_cancelled(cancelled);
        // One that fails is none.
        let failed = cell.get_or_try_init(|| {
            mco::sleep(Duration::from_millis(1));
            Err("not yet")
        });
        assert_eq!(failed, Err("not yet"));
        once.call_once(|| mco::yield_now());
        assert!(coroutines.iter().all(|waits| !waits.is_finished()));
        cell.set(7).unwrap();
        assert!(coroutines.into_iter().all(|waits| waits.join().unwrap() == 7));
        assert!(threads.into_iter().all(|waits| waits.join().unwrap() == 7));
    });
}

#[test]
fn a_poisoned_once_ends_the_wait_unless_it_is_forced() {
    with_runtimes(|runtime| {
        let once = Arc::new(Once::new());
        let (other, forced) = (once.clone(), once.clone());
        let waits = start(runtime, move || other.wait());
        let forced = start(runtime, move || forced.wait_force());
        let failing = once.clone();
        runtime.spawn(move || failing.call_once(|| panic!("no"))).join().unwrap_err();
        let payload = waits.join().unwrap_err();
        assert!(text_of(&*payload).contains("wait_force"), "{}", text_of(&*payload));
        let late = once.clone();
        runtime.spawn(move || late.wait()).join().unwrap_err();
        assert!(!forced.is_finished());
        once.call_once_force(|state| assert!(state.is_poisoned()));
        forced.join().unwrap();
        once.wait();
    });
}

#[test]
fn a_once_that_is_waited_for_by_its_own_initialiser_panics() {
    within(HUNG, || {
        let once = Once::new();
        let payload = catch_unwind(|| once.call_once(|| once.wait())).unwrap_err();
        assert!(text_of(&*payload).contains("wait for itself"));
    });
}

#[test]
fn a_writer_that_becomes_a_reader_lets_readers_in_and_writers_not() {
    with_runtimes(|runtime| {
        let lock = Arc::new(RwLock::new(0));
        let mut writes = lock.write().unwrap();
        *writes = 1;
        let (to_read, to_write) = (lock.clone(), lock.clone());
        let reader = start(runtime, move || *to_read.read().unwrap());
        let writer = start(runtime, move || *to_write.write().unwrap() = 2);
        let reads = RwLockWriteGuard::downgrade(writes);
        assert_eq!(reader.join().unwrap(), 1);
        assert!(lock.try_write().is_err() && !writer.is_finished());
        // The one that waits goes before later readers.
        assert!(lock.try_read().is_err());
        assert_eq!(*reads, 1);
        drop(reads);
        writer.join().unwrap();
        assert_eq!(*lock.read().unwrap(), 2);
    });
}

#[test]
fn to_set_a_local_value_does_not_make_it_first() {
    mco::coroutine_local! {
        static CELL: Cell<u32> = panic!("the initialiser is called");
        static LIST: RefCell<Vec<u32>> = panic!("the initialiser is called");
    }
    let body = || {
        CELL.set(1);
        LIST.set(vec![1]);
        assert_eq!((CELL.replace(2), CELL.get(), CELL.take(), CELL.get()), (1, 2, 2, 0));
        LIST.with_borrow_mut(|list| list.push(2));
        assert_eq!((LIST.replace(vec![]), LIST.take()), (vec![1, 2], vec![]));
        CELL.set(3);
        assert_eq!(CELL.get(), 3);
    };
    with_runtimes(move |runtime| {
        runtime.spawn(body).join().unwrap();
        std::thread::spawn(body).join().unwrap();
    });
}

#[test]
fn who_panics_is_told_so_and_its_neighbours_are_not() {
    struct InDrop(channel::Sender<bool>, channel::Receiver<()>);
    impl Drop for InDrop {
        fn drop(&mut self) {
            self.0.send(thread::panicking()).unwrap();
            self.1.recv().unwrap();
        }
    }
    with_runtimes(|runtime| {
        let (told, tells) = channel::unbounded();
        let (go_on, waits) = channel::unbounded();
        let in_drop = InDrop(told, waits);
        let panics = runtime.spawn(move || {
            let _in_drop = in_drop;
            panic!("on purpose");
        });
        assert!(tells.recv().unwrap());
        // Meanwhile it is suspended, in the middle of its panic.
        assert!(!runtime.spawn(thread::panicking).join().unwrap());
        go_on.send(()).unwrap();
        panics.join().unwrap_err();
    });
}

#[test]
fn instants_are_those_of_std_and_back() {
    let (before, real) = (Instant::now(), std::time::Instant::now());
    let converted = Instant::from(real);
    assert!(converted >= before && converted <= Instant::now());
    for offset in [Duration::from_millis(10), Duration::from_secs(3600)] {
        let ahead = std::time::Instant::from(Instant::from(real + offset));
        let difference = ahead.max(real + offset) - ahead.min(real + offset);
        assert!(difference < Duration::from_secs(1), "{difference:?}");
    }
    let past = Instant::now() - Duration::from_millis(10);
    assert!(std::time::Instant::from(past).elapsed() >= Duration::from_millis(10));
    let never = Instant::now() + Duration::from_secs(200 * 365 * 24 * 3600);
    assert!(std::time::Instant::from(never) > std::time::Instant::now());
}

#[test]
fn the_handles_of_threads_are_arms_of_a_select() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = channel::unbounded::<u8>();
            let waits = thread::spawn(move || receiver.recv());
            let ends = thread::spawn(|| 7);
            let first = mco::select! {
                result = waits.join() => panic!("{result:?}"),
                result = ends.join() => result.unwrap(),
            };
            assert_eq!(first, 7);
            drop(sender);
            thread::scope(|s| {
                let ends = s.spawn(|| 8);
                let second = mco::select! {
                    result = ends.join() => result.unwrap(),
                    _ = mco::sleep(HUNG) => unreachable!(),
                };
                assert_eq!(second, 8);
            });
            assert!(waits.join().unwrap().is_err());
        });
    });
}

#[test]
fn each_value_of_a_queue_is_taken_once() {
    const COUNT: usize = 2_000;
    with_runtimes(|runtime| {
        let (queue, ring) = (Arc::new(SegQueue::new()), Arc::new(ArrayQueue::new(16)));
        let passes: Vec<_> = (0..4)
            .map(|part| {
                let (queue, ring) = (queue.clone(), ring.clone());
                runtime.spawn(move || {
                    let mut sum = 0;
                    for n in (part..COUNT).step_by(4) {
                        queue.push(n);
                        if let Some(n) = queue.pop()
                            && let Err(n) = ring.push(n)
                        {
                            sum += n;
                        }
                        sum += ring.pop().unwrap_or_default();
                        mco::yield_now();
                    }
                    sum
                })
            })
            .collect();
        let sum: usize = passes.into_iter().map(|pass| pass.join().unwrap()).sum();
        let left = std::iter::from_fn(|| queue.pop().or_else(|| ring.pop()));
        assert_eq!(sum + left.sum::<usize>(), COUNT * (COUNT - 1) / 2);
    });
}

#[test]
fn a_stream_ends_with_its_senders_or_its_error() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let mut stream = ChanStream::new(|sender| {
                mco::spawn(move || {
                    sender.send(Some(Ok(1))).unwrap();
                    sender.send(None).unwrap();
                });
                Ok::<_, &str>(())
            });
            assert_eq!(
                (stream.try_next(), stream.next(), stream.next()),
                (Some(Ok(1)), None, None)
            );
            let failed = ChanStream::new(|sender| {
                sender.send(Some(Ok(1))).unwrap();
                Err("no more")
            });
            assert_eq!(failed.collect::<Vec<_>>(), [Ok(1), Err("no more")]);
            let (tells, told) = channel::unbounded();
            let endless = ChanStream::<u8, ()>::new(|sender| {
                mco::spawn(move || {
                    while sender.send(Some(Ok(1))).is_ok() {
                        mco::yield_now();
                    }
                    tells.send(()).unwrap();
                });
                Ok(())
            });
            assert_eq!(endless.take(3).count(), 3);
            told.recv().unwrap();
        });
    });
}
