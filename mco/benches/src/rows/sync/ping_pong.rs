//! Two coroutines that answer each other over two unbounded channels.

use crate::meter::Meter;
use crate::runtimes::{Setup, may_spawn, on_may, on_tokio};

pub(super) fn mco(setup: &Setup) -> f64 {
    use mco::std::sync::channel::unbounded;

    crate::runtimes::on_mco(setup, || {
        let (ping, pings) = unbounded::<u64>();
        let (pong, pongs) = unbounded::<u64>();
        mco::coroutine::spawn(move || {
            while let Ok(n) = pings.recv() {
                pong.send(n).unwrap();
            }
        });
        let mut meter = Meter::growing(setup, 1);
        while let Some(trips) = meter.next_batch() {
            for n in 0..trips {
                ping.send(n).unwrap();
                assert_eq!(pongs.recv().unwrap(), n);
            }
        }
        meter.nanoseconds()
    })
}

/// Each of the two spins until the other one runs, so they must have started on different workers; and there they stay.
pub(super) fn mco_cross(setup: &Setup) -> f64 {
    use mco::std::sync::channel::unbounded;
    use std::hint::spin_loop;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    static RUNNING: AtomicUsize = AtomicUsize::new(0);

    /// Holds the worker until both run, and tells which worker it is.
    fn meet() -> thread::ThreadId {
        RUNNING.fetch_add(1, Ordering::Release);
        while RUNNING.load(Ordering::Acquire) < 2 {
            spin_loop();
        }
        thread::current().id()
    }

    assert!(setup.workers > 1, "two workers are needed");
    let setup = *setup;
    crate::runtimes::on_mco(&setup, move || {
        let (ping, pings) = unbounded::<u64>();
        let (pong, pongs) = unbounded::<u64>();
        let echo = mco::coroutine::spawn(move || {
            let worker = meet();
            while let Ok(n) = pings.recv() {
                pong.send(n).unwrap();
            }
            worker
        });
        let player = mco::coroutine::spawn(move || {
            let worker = meet();
            let mut meter = Meter::growing(&setup, 1);
            while let Some(trips) = meter.next_batch() {
                for n in 0..trips {
                    ping.send(n).unwrap();
                    assert_eq!(pongs.recv().unwrap(), n);
                }
            }
            (worker, meter.nanoseconds())
        });
        let (worker, nanoseconds) = player.join().unwrap();
        assert_ne!(worker, echo.join().unwrap(), "both were on one worker");
        nanoseconds
    })
}

pub(super) fn tokio(setup: &Setup) -> f64 {
    use tokio::sync::mpsc::unbounded_channel;

    let mut meter = Meter::growing(setup, 1);
    on_tokio(setup, async move {
        let (ping, mut pings) = unbounded_channel::<u64>();
        let (pong, mut pongs) = unbounded_channel::<u64>();
        tokio::spawn(async move {
            while let Some(n) = pings.recv().await {
                pong.send(n).unwrap();
            }
        });
        while let Some(trips) = meter.next_batch() {
            for n in 0..trips {
                ping.send(n).unwrap();
                assert_eq!(pongs.recv().await.unwrap(), n);
            }
        }
        meter.nanoseconds()
    })
}

pub(super) fn may(setup: &Setup) -> f64 {
    use may::sync::mpsc::channel;

    let mut meter = Meter::growing(setup, 1);
    on_may(setup, move || {
        let (ping, pings) = channel::<u64>();
        let (pong, pongs) = channel::<u64>();
        may_spawn(move || {
            while let Ok(n) = pings.recv() {
                pong.send(n).unwrap();
            }
        });
        while let Some(trips) = meter.next_batch() {
            for n in 0..trips {
                ping.send(n).unwrap();
                assert_eq!(pongs.recv().unwrap(), n);
            }
        }
        meter.nanoseconds()
    })
}
