//! Coroutines that do nothing but let others go first.

use crate::meter::Meter;
use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::{Runtime, Setup, may_spawn, on_may, on_mco, on_tokio};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "yield_one",
        what: "one coroutine yields",
        figures: &[Figure::only("ns per yield", &[Goal::OfBestPeer(1.0)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, one::mco),
            (Runtime::Tokio, one::tokio),
            (Runtime::May, one::may),
        ]),
    },
    Row {
        name: "yield_1000",
        what: "1,000 coroutines yield",
        figures: &[Figure::only("ns per yield", &[Goal::OfBestPeer(0.75)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, many::mco),
            (Runtime::Tokio, many::tokio),
            (Runtime::May, many::may),
        ]),
    },
];

mod one {
    use super::*;

    pub(super) fn mco(setup: &Setup) -> f64 {
        on_mco(setup, || {
            let mut meter = Meter::growing(setup, 1);
            while let Some(yields) = meter.next_batch() {
                for _ in 0..yields {
                    mco::coroutine::yield_now();
                }
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn tokio(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_tokio(setup, async move {
            while let Some(yields) = meter.next_batch() {
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn may(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_may(setup, move || {
            while let Some(yields) = meter.next_batch() {
                for _ in 0..yields {
                    may::coroutine::yield_now();
                }
            }
            meter.nanoseconds()
        })
    }
}

mod many {
    use super::*;

    const COROUTINES: u64 = 1000;

    pub(super) fn mco(setup: &Setup) -> f64 {
        on_mco(setup, || {
            let mut meter = Meter::growing(setup, COROUTINES);
            while let Some(yields) = meter.next_batch() {
                let coroutines: Vec<_> = (0..COROUTINES)
                    .map(|_| {
                        mco::coroutine::spawn(move || {
                            for _ in 0..yields / COROUTINES {
                                mco::coroutine::yield_now();
                            }
                        })
                    })
                    .collect();
                coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn tokio(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, COROUTINES);
        on_tokio(setup, async move {
            while let Some(yields) = meter.next_batch() {
                let tasks: Vec<_> = (0..COROUTINES)
                    .map(|_| {
                        tokio::spawn(async move {
                            for _ in 0..yields / COROUTINES {
                                tokio::task::yield_now().await;
                            }
                        })
                    })
                    .collect();
                for task in tasks {
                    task.await.unwrap();
                }
            }
            meter.nanoseconds()
        })
    }

    pub(super) fn may(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, COROUTINES);
        on_may(setup, move || {
            while let Some(yields) = meter.next_batch() {
                let coroutines: Vec<_> = (0..COROUTINES)
                    .map(|_| {
                        may_spawn(move || {
                            for _ in 0..yields / COROUTINES {
                                may::coroutine::yield_now();
                            }
                        })
                    })
                    .collect();
                coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
            }
            meter.nanoseconds()
        })
    }
}
