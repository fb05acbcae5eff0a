//! The runtime's own threads: nothing unwinds out of one, whatever user code does there, and whatever
//! becomes of standard error.

#![allow(unsafe_code)]

use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::panic::panic_any;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Builder, JoinHandle, sleep, yield_now};
use mco::runtime::Runtime;
use mco::std::blocking::spawn_blocking;
use mco::std::time::Timer;
use mco_tests::started::OnDrop;
use mco_tests::{HUNG, child, eventually, with_runtimes, within};

/// The workers go on: each of them resumes what has started there.
fn assert_alive(runtime: &Runtime, neighbours: Vec<JoinHandle<u32>>) {
    for neighbour in neighbours {
        assert_eq!(neighbour.join().unwrap(), 7);
    }
    let again: Vec<_> = (0..32).map(|n| runtime.spawn(move || (yield_now(), n).1)).collect();
    assert!(again.into_iter().enumerate().all(|(n, again)| again.join().unwrap() == n));
}

/// Some on each worker, which wait until they are let go.
fn neighbours(runtime: &Runtime) -> (Arc<AtomicBool>, Vec<JoinHandle<u32>>) {
    let go_on = Arc::new(AtomicBool::new(false));
    let neighbour = |_| {
        let go_on = go_on.clone();
        runtime.spawn(move || {
            while !go_on.load(Ordering::SeqCst) {
                sleep(Duration::from_micros(100));
            }
            7
        })
    };
    let all = (0..32).map(neighbour).collect();
    (go_on, all)
}

/// A payload whose destructor panics in turn.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        panic!("on purpose: a payload is dropped");
    }
}

/// A waker that panics when it is woken, and when it is dropped.
struct Faulty {
    woken: Arc<AtomicBool>,
    dropped: Arc<AtomicBool>,
}

impl Wake for Faulty {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        panic_any(Twice);
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        self.dropped.store(true, Ordering::SeqCst);
        panic!("on purpose: a waker is dropped");
    }
}

#[test]
fn a_waker_that_panics_leaves_the_worker_alone() {
    with_runtimes(|runtime| {
        let (go_on, neighbours) = neighbours(runtime);
        let (tell, told) = mco::chan!();
        let job = runtime.spawn(move || told.recv().unwrap());
        let (woken, dropped) = (Arc::<AtomicBool>::default(), Arc::<AtomicBool>::default());
        {
            let mut future = pin!(job.into_future());
            let waker =
                Waker::from(Arc::new(Faulty { woken: woken.clone(), dropped: dropped.clone() }));
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            // What is left is the worker's.
            drop(waker);
            tell.send(()).unwrap();
            eventually("it is woken and dropped", || dropped.load(Ordering::SeqCst));
        }
        assert!(woken.load(Ordering::SeqCst));
        go_on.store(true, Ordering::SeqCst);
        assert_alive(runtime, neighbours);
    });
}

#[test]
fn what_nobody_joins_may_panic_when_it_is_dropped() {
    with_runtimes(|runtime| {
        let (go_on, neighbours) = neighbours(runtime);
        let dropped = Arc::new(AtomicBool::new(false));
        let value = || {
            let dropped = dropped.clone();
            OnDrop(move || {
                dropped.store(true, Ordering::SeqCst);
                panic_any(Twice);
            })
        };
        // The result, or the payload, of one that has been detached before or after its end.
        for detach_first in [true, false] {
            let (result, payload) = (value(), value());
            let jobs =
                [runtime.spawn(move || Some(result)), runtime.spawn(move || panic_any(payload))];
            for job in jobs {
                dropped.store(false, Ordering::SeqCst);
                if !detach_first {
                    job.wait();
                    let dropper = move || drop(job);
                    drop(runtime.spawn(dropper).join());
                } else {
                    drop(job);
                }
                eventually("it is dropped", || dropped.load(Ordering::SeqCst));
            }
        }
        // The closure of one that is cancelled before it starts.
        dropped.store(false, Ordering::SeqCst);
        let closure = value();
        runtime.run(move || {
            let job = coroutine::spawn(move || drop(closure));
            job.cancel();
            job.wait();
        });
        eventually("it is dropped", || dropped.load(Ordering::SeqCst));
        // What a job of the blocking pool returns.
        dropped.store(false, Ordering::SeqCst);
        let result = value();
        let (begin, begun) = mpsc::channel();
        let job = runtime.run(|| {
            spawn_blocking(move || {
                begin.send(()).unwrap();
                result
            })
        });
        begun.recv().unwrap();
        job.cancel();
        drop(job);
        eventually("it is dropped", || dropped.load(Ordering::SeqCst));
        go_on.store(true, Ordering::SeqCst);
        assert_alive(runtime, neighbours);
    });
}

#[test]
fn what_a_timer_holds_may_panic_when_its_runtime_ends() {
    with_runtimes(|other| {
        let runtime = mco_tests::runtime(2);
        let dropped = Arc::new(AtomicBool::new(false));
        let drops = dropped.clone();
        runtime.run(move || {
            let bomb = OnDrop(move || {
                drops.store(true, Ordering::SeqCst);
                panic_any(Twice);
            });
            let hour = Duration::from_secs(3600);
            drop(Timer::after_func(hour, move || _ = &bomb));
        });
        other.spawn(move || drop(runtime)).join().unwrap();
        assert!(dropped.load(Ordering::SeqCst));
    });
}

/// Makes standard error a pipe that nobody reads: one that is full, or one that is closed.
fn mute(closed: bool) -> Option<OwnedFd> {
    let (reader, mut writer) = std::io::pipe().unwrap();
    if !closed {
        let flags = libc::O_NONBLOCK;
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, flags) }, 0);
        while writer.write(&[b'x'; 512]).is_ok() {}
        while writer.write(b"x").is_ok() {}
        // SAFETY: as above.
        assert_eq!(unsafe { libc::fcntl(writer.as_raw_fd(), libc::F_SETFL, 0) }, 0);
    }
    // SAFETY: both are open.
    assert_eq!(unsafe { libc::dup2(writer.as_raw_fd(), 2) }, 2);
    (!closed).then(|| reader.into())
}

/// A coroutine holds the only worker up until the monitor must have said so, and twice: the other one is
/// started elsewhere both times.
fn the_monitor_goes_on() {
    within(HUNG, || {
        let runtime = mco_tests::runtime(1);
        for _ in 0..2 {
            let (release, wait) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            let culprit = runtime.spawn(move || {
                begin.send(()).unwrap();
                let _ = wait.recv();
            });
            begun.recv().unwrap();
            // By then it has been named; nothing tells when.
            thread::sleep(Duration::from_millis(1500));
            runtime.spawn(|| ()).join().unwrap();
            drop(release);
            culprit.join().unwrap();
            // The worker goes on, too.
            runtime.run(|| assert!(Builder::new().stack_size(0).spawn(|| ()).join().is_err()));
            runtime.run(yield_now);
        }
    });
}

#[test]
fn standard_error_may_be_closed() {
    child::pass(|| {
        let _reader = mute(true);
        the_monitor_goes_on();
    });
}

#[test]
fn standard_error_may_be_full() {
    child::pass(|| {
        let _reader = mute(false);
        the_monitor_goes_on();
    });
}
