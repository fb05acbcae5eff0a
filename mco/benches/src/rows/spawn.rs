//! Coroutines that are over as soon as they run.

use crate::meter::Meter;
use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::{Runtime, Setup, may_spawn, on_may, on_mco, on_tokio};
use std::hint::black_box;

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "spawn_join",
        what: "spawn, then join, one after the other",
        figures: &[Figure::only("ns per coroutine", &[Goal::OfBestPeer(0.5)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, one::mco),
            (Runtime::Tokio, one::tokio),
            (Runtime::May, one::may),
        ]),
    },
    Row {
        name: "spawn_20000",
        what: "spawn 20,000, then join all",
        figures: &[Figure::only("ns per coroutine", &[Goal::OfBestPeer(0.5)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| many::mco(&setup.keeping(25_000))),
            (Runtime::Tokio, many::tokio),
            (Runtime::May, |setup| many::may(&setup.keeping(25_000))),
        ]),
    },
];

mod one {
    use super::*;

    pub(super) fn mco(setup: &Setup) -> f64 {
        on_mco(setup, || {
            let mut meter = Meter::growing(setup, 1);
            while let Some(coroutines) = meter.next_batch() {
                for n in 0..coroutines {
                    assert_eq!(mco::coroutine::spawn(move || black_box(n)).join().unwrap(), n);
                }
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn tokio(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_tokio(setup, async move {
            while let Some(tasks) = meter.next_batch() {
                for n in 0..tasks {
                    assert_eq!(tokio::spawn(async move { black_box(n) }).await.unwrap(), n);
                }
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn may(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_may(setup, move || {
            while let Some(coroutines) = meter.next_batch() {
                for n in 0..coroutines {
                    assert_eq!(may_spawn(move || black_box(n)).join().unwrap(), n);
                }
            }
            meter.nanoseconds()
        })
    }
}

mod many {
    use super::*;

    const COROUTINES: u64 = 20_000;
    const SUM: u64 = COROUTINES * (COROUTINES - 1) / 2;

    pub(super) fn mco(setup: &Setup) -> f64 {
        on_mco(setup, || {
            let mut meter = Meter::fixed(setup, COROUTINES);
            while let Some(coroutines) = meter.next_batch() {
                let all: Vec<_> =
                    (0..coroutines).map(|n| mco::coroutine::spawn(move || black_box(n))).collect();
                assert_eq!(
                    all.into_iter().map(|coroutine| coroutine.join().unwrap()).sum::<u64>(),
                    SUM
                );
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn tokio(setup: &Setup) -> f64 {
        let mut meter = Meter::fixed(setup, COROUTINES);
        on_tokio(setup, async move {
            while let Some(tasks) = meter.next_batch() {
                let all: Vec<_> =
                    (0..tasks).map(|n| tokio::spawn(async move { black_box(n) })).collect();
                let mut sum = 0;
                for task in all {
                    sum += task.await.unwrap();
                }
                assert_eq!(sum, SUM);
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn may(setup: &Setup) -> f64 {
        let mut meter = Meter::fixed(setup, COROUTINES);
        on_may(setup, move || {
            while let Some(coroutines) = meter.next_batch() {
                let all: Vec<_> =
                    (0..coroutines).map(|n| may_spawn(move || black_box(n))).collect();
                assert_eq!(
                    all.into_iter().map(|coroutine| coroutine.join().unwrap()).sum::<u64>(),
                    SUM
                );
            }
            meter.nanoseconds()
        })
    }
}
