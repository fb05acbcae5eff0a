//! A coroutine that has started never changes its thread.

use std::cell::Cell;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use mco::coroutine::{self, Coroutine};
use mco::net::TcpStream;
use mco_tests::{HUNG, eventually, runtime, sockets, with_runtimes, within};

thread_local! {
    /// Its address names the thread, and was cached by whatever code had the chance to.
    static HERE: Cell<u32> = const { Cell::new(0) };
}

/// What tells threads apart, held by a coroutine across its suspensions.
struct Pin {
    thread: ThreadId,
    local: usize,
    /// Not `Send`, and counted without atomics: moving it between threads would be a race.
    shared: Rc<Cell<usize>>,
}

fn local() -> usize {
    HERE.with(|here| std::ptr::from_ref(here).addr())
}

impl Pin {
    fn new() -> Pin {
        Pin { thread: thread::current().id(), local: local(), shared: Rc::new(Cell::new(0)) }
    }

    #[track_caller]
    fn check(&self, after: &str) {
        let _copy = self.shared.clone();
        self.shared.set(self.shared.get() + 1);
        assert_eq!(thread::current().id(), self.thread, "it changed its thread in {after}");
        assert_eq!(local(), self.local, "it sees the locals of another thread after {after}");
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        // Also when the coroutine unwinds.
        if thread::current().id() != self.thread {
            eprintln!("a coroutine ended on another thread than it began on");
            std::process::abort();
        }
    }
}

/// A sequence in which each coroutine does something else.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// One suspension of a kind that `random` chooses; returns its name.
fn suspend(
    random: &mut Random,
    stream: &mut TcpStream,
    unparker: &mpsc::Sender<Coroutine>,
) -> &'static str {
    match random.below(6) {
        0 => {
            coroutine::yield_now();
            "yield_now"
        }
        1 => {
            coroutine::sleep(Duration::from_micros(random.below(300)));
            "sleep"
        }
        2 => {
            let sent = random.below(256) as u8;
            let mut received = [0];
            stream.write_all(&[sent]).unwrap();
            stream.read_exact(&mut received).unwrap();
            assert_eq!(received[0], sent);
            "read"
        }
        3 => {
            let rounds = random.below(3);
            let child = coroutine::spawn(move || (0..rounds).for_each(|_| coroutine::yield_now()));
            child.join().unwrap();
            "join"
        }
        4 => {
            unparker.send(coroutine::current()).unwrap();
            coroutine::park();
            "park"
        }
        _ => {
            let limit = Duration::from_micros(random.below(300));
            coroutine::park_timeout(limit).unwrap_err();
            "park_timeout"
        }
    }
}

#[test]
fn no_suspension_moves_a_coroutine_and_work_spreads() {
    const WORKERS: usize = 4;
    const COROUTINES: usize = 500;
    const SUSPENSIONS: usize = 200;
    // 100,000 suspensions of all kinds take some seconds in a debug build on two busy processors.
    within(5 * HUNG, || {
        let runtime = runtime(WORKERS);
        let (unparker, parked) = mpsc::channel::<Coroutine>();
        let parked = Arc::new(Mutex::new(parked));
        let unparkers: Vec<_> = (0..3)
            .map(|_| {
                let parked = parked.clone();
                let next = move || parked.lock().unwrap().recv();
                thread::spawn(move || {
                    while let Ok(coroutine) = next() {
                        coroutine.unpark();
                    }
                })
            })
            .collect();
        let homes = Arc::new(Mutex::new(HashMap::<ThreadId, usize>::new()));
        let spawn = |seed| {
            let (mut near, far) = sockets::pair();
            runtime.spawn(move || {
                let pin = Pin::new();
                sockets::echo(&far);
                pin.check("an echo");
            });
            let (unparker, homes) = (unparker.clone(), homes.clone());
            runtime.spawn(move || {
                let pin = Pin::new();
                *homes.lock().unwrap().entry(pin.thread).or_default() += 1;
                let mut random = Random(seed);
                for _ in 0..SUSPENSIONS {
                    pin.check(suspend(&mut random, &mut near, &unparker));
                }
                assert_eq!(pin.shared.get(), SUSPENSIONS);
            })
        };
        let handles: Vec<_> = (0..COROUTINES as u64).map(spawn).collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        drop(unparker);
        unparkers.into_iter().for_each(|thread| thread.join().unwrap());

        let homes = homes.lock().unwrap();
        let shares: Vec<_> = homes.values().copied().collect();
        assert_eq!(shares.iter().sum::<usize>(), COROUTINES);
        assert_eq!(shares.len(), WORKERS, "only some of the workers worked: {shares:?}");
        let least = COROUTINES / WORKERS / 2;
        assert!(shares.iter().all(|n| *n >= least), "unevenly spread: {shares:?}");
    });
}

#[test]
fn a_cancelled_coroutine_unwinds_on_its_own_thread() {
    within(HUNG, || {
        let runtime = runtime(4);
        let started = Arc::new(AtomicUsize::new(0));
        let spawn = |n: u32| {
            let started = started.clone();
            runtime.spawn(move || {
                // Its drop checks the thread.
                let _pin = Pin::new();
                started.fetch_add(1, Ordering::SeqCst);
                match n % 2 {
                    0 => coroutine::park(),
                    _ => coroutine::sleep(HUNG),
                }
            })
        };
        let handles: Vec<_> = (0..200).map(spawn).collect();
        eventually("all have started", || started.load(Ordering::SeqCst) == 200);
        for handle in handles {
            handle.cancel();
            assert!(handle.join().is_err());
        }
    });
}

#[test]
fn those_that_end_with_their_runtime_unwind_on_their_own_threads() {
    with_runtimes(|outer| {
        let workers = outer.metrics().workers().len();
        let runtime = runtime(workers);
        let (started, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for _ in 0..100 {
            let (started, ended) = (started.clone(), ended.clone());
            runtime.spawn(move || {
                let pin = Pin::new();
                let _count = Count(ended);
                started.fetch_add(1, Ordering::SeqCst);
                coroutine::park();
                drop(pin);
            });
        }
        eventually("all have started", || started.load(Ordering::SeqCst) == 100);
        drop(runtime);
        assert_eq!(ended.load(Ordering::SeqCst), 100);
    });
}

struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn what_is_not_send_lives_across_every_wait() {
    with_runtimes(|runtime| {
        let sum = runtime.run(|| {
            let log = Rc::new(Cell::new(0));
            let add = |n| log.set(log.get() + n);
            coroutine::yield_now();
            add(1);
            coroutine::sleep(Duration::from_millis(1));
            add(2);
            coroutine::spawn(coroutine::yield_now).join().unwrap();
            add(4);
            let (mut near, mut far) = sockets::pair();
            let write = coroutine::spawn(move || far.write_all(b"x").unwrap());
            near.read_exact(&mut [0]).unwrap();
            write.join().unwrap();
            add(8);
            log.get()
        });
        assert_eq!(sum, 15);
    });
}

#[test]
fn many_started_on_a_worker_held_up_stay_there() {
    within(HUNG, || {
        let runtime = runtime(2);
        let (unpark, parked) = mpsc::channel();
        let spawn = |_| {
            let unpark = unpark.clone();
            runtime.spawn(move || {
                let pin = Pin::new();
                unpark.send(coroutine::current()).unwrap();
                coroutine::park();
                pin.check("a park while its worker was held up");
            })
        };
        let handles: Vec<_> = (0..100).map(spawn).collect();
        let parked: Vec<_> = (0..100).map(|_| parked.recv().unwrap()).collect();
        // Long enough for the monitor to let others help.
        let hold = |_| runtime.spawn(|| thread::sleep(Duration::from_millis(300)));
        let held: Vec<_> = (0..2).map(hold).collect();
        parked.iter().for_each(Coroutine::unpark);
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        held.into_iter().for_each(|handle| handle.join().unwrap());
    });
}
