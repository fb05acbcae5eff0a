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
