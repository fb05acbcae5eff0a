//! Coroutines that wait: what they cost in processor time and in memory.

use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::{Runtime, Setup, may_spawn, on_may, on_mco, on_tokio};
use crate::system::{cpu_time, resident_bytes};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "sleep_cpu",
        what: "20,000 coroutines each sleep up to 0.5 s; a first lap has warmed the stacks",
        figures: &[Figure::only("CPU ms", &[Goal::OfBestPeer(0.8)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| sleeps::mco(&setup.keeping(25_000), true)),
            (Runtime::Tokio, |setup| sleeps::tokio(setup, true)),
            (Runtime::May, |setup| sleeps::may(&setup.keeping(25_000), true)),
        ]),
    },
    Row {
        name: "sleep_cpu_cold",
        what: "the same in a fresh process, stacks made as they are needed",
        figures: &[Figure::only("CPU ms", &[])],
        extra: true,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| sleeps::mco(setup, false)),
            (Runtime::Tokio, |setup| sleeps::tokio(setup, false)),
            (Runtime::May, |setup| sleeps::may(setup, false)),
        ]),
    },
    Row {
        name: "idle_cpu",
        what: "CPU that 10,000 coroutines in a long sleep use",
        figures: &[Figure::only("% of a core", &[Goal::AtMost(0.5)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| idlers::mco(setup, 10_000, Rest::Asleep).percent),
            (Runtime::Tokio, |setup| idlers::tokio(setup, 10_000, Rest::Asleep).percent),
            (Runtime::May, |setup| idlers::may(setup, 10_000, Rest::Asleep).percent),
        ]),
    },
    Row {
        name: "idle_bytes_64k",
        what: "memory of each of 20,000 parked coroutines, with stacks of 64 KiB",
        figures: &[Figure::only("bytes", &[Goal::AtMost(4400.0)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| {
                idlers::mco(&setup.with_stacks_of(64 << 10), 20_000, Rest::Parked).bytes
            }),
            (Runtime::Tokio, |setup| idlers::tokio(setup, 20_000, Rest::Parked).bytes),
            (Runtime::May, |setup| {
                idlers::may(&setup.with_stacks_of(64 << 10), 20_000, Rest::Parked).bytes
            }),
        ]),
    },
    Row {
        name: "idle_bytes",
        what: "memory of each of 20,000 parked coroutines, with stacks of each runtime's default size",
        figures: &[Figure::only("bytes", &[Goal::AtMost(8400.0)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| idlers::mco(setup, 20_000, Rest::Parked).bytes),
            (Runtime::Tokio, |setup| idlers::tokio(setup, 20_000, Rest::Parked).bytes),
            (Runtime::May, |setup| idlers::may(setup, 20_000, Rest::Parked).bytes),
        ]),
    },
    Row {
        name: "idle_bytes_million",
        what: "memory of each of 1,000,000 parked coroutines, with stacks of 64 KiB; needs 5 GB",
        figures: &[Figure::only("bytes", &[Goal::AtMost(4400.0)])],
        extra: true,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| {
                idlers::mco(&setup.with_stacks_of(64 << 10), 1_000_000, Rest::Parked).bytes
            }),
            (Runtime::Tokio, |setup| idlers::tokio(setup, 1_000_000, Rest::Parked).bytes),
            (Runtime::May, |setup| {
                idlers::may(&setup.with_stacks_of(64 << 10), 1_000_000, Rest::Parked).bytes
            }),
        ]),
    },
];

mod sleeps {
    use super::*;

    const COROUTINES: u64 = 20_000;
    /// Measured laps, of half a second each.
    const LAPS: u32 = 2;

    /// How long the n-th coroutine sleeps: spread over half a second, in no order.
    fn nap(n: u64) -> Duration {
        Duration::from_micros(n * 7919 % 500_000)
    }

    fn milliseconds_since(start: Duration, laps: u32) -> f64 {
        (cpu_time() - start).as_secs_f64() * 1e3 / f64::from(laps)
    }

    pub(crate) fn mco(setup: &Setup, warm: bool) -> f64 {
        fn lap() {
            let all: Vec<_> = (0..COROUTINES)
                .map(|n| mco::coroutine::spawn(move || mco::coroutine::sleep(nap(n))))
                .collect();
            all.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        }

        on_mco(setup, || {
            if !warm {
                let start = cpu_time();
                lap();
                return milliseconds_since(start, 1);
            }
            lap();
            let start = cpu_time();
            (0..LAPS).for_each(|_| lap());
            milliseconds_since(start, LAPS)
        })
    }

    pub(crate) fn tokio(setup: &Setup, warm: bool) -> f64 {
        async fn lap() {
            let all: Vec<_> =
                (0..COROUTINES).map(|n| tokio::spawn(tokio::time::sleep(nap(n)))).collect();
            for task in all {
                task.await.unwrap();
            }
        }

        on_tokio(setup, async move {
            if !warm {
                let start = cpu_time();
                lap().await;
                return milliseconds_since(start, 1);
            }
            lap().await;
            let start = cpu_time();
            for _ in 0..LAPS {
                lap().await;
            }
            milliseconds_since(start, LAPS)
        })
    }

    pub(crate) fn may(setup: &Setup, warm: bool) -> f64 {
        fn lap() {
            let all: Vec<_> =
                (0..COROUTINES).map(|n| may_spawn(move || may::coroutine::sleep(nap(n)))).collect();
            all.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        }

        on_may(setup, move || {
            if !warm {
                let start = cpu_time();
                lap();
                return milliseconds_since(start, 1);
            }
            lap();
            let start = cpu_time();
            (0..LAPS).for_each(|_| lap());
            milliseconds_since(start, LAPS)
        })
    }
}

/// How a coroutine waits for what never comes.
#[derive(Clone, Copy)]
enum Rest {
    Asleep,
    Parked,
}

/// 10,000 or more coroutines at rest until the process ends.
mod idlers {
    use super::*;

    const LONG: Duration = Duration::from_secs(3600);
    /// For a runtime to come to rest after its last coroutine has.
    const SETTLE: Duration = Duration::from_millis(200);
    /// So long, the processor time of the idlers is watched.
    const WATCH: Duration = Duration::from_secs(1);

    /// How many coroutines are about to rest.
    static RESTING: AtomicUsize = AtomicUsize::new(0);

    /// What the idlers cost.
    pub(crate) struct Cost {
        /// Memory of each.
        pub(crate) bytes: f64,
        /// Processor time of all, in percent of a core.
        pub(crate) percent: f64,
    }

    /// Takes the cost step by step, so that the waiting between them is the runtime's own.
    struct Watch {
        before: u64,
        bytes: f64,
        since: Instant,
        cpu: Duration,
    }

    impl Watch {
        /// Before the first coroutine is spawned.
        fn begin() -> Self {
            Self {
                before: resident_bytes(),
                bytes: 0.0,
                since: Instant::now(),
                cpu: Duration::ZERO,
            }
        }

        /// When all of them rest.
        fn all_rest(&mut self, coroutines: usize) {
            self.bytes = (resident_bytes() as f64 - self.before as f64) / coroutines as f64;
            self.since = Instant::now();
            self.cpu = cpu_time();
        }

        /// When they have rested for a while.
        fn end(self) -> Cost {
            let used = (cpu_time() - self.cpu).as_secs_f64();
            Cost { bytes: self.bytes, percent: 100.0 * used / self.since.elapsed().as_secs_f64() }
        }
    }

    pub(crate) fn mco(setup: &Setup, coroutines: usize, rest: Rest) -> Cost {
        on_mco(setup, || {
            let mut watch = Watch::begin();
            for _ in 0..coroutines {
                mco::coroutine::spawn(move || {
                    RESTING.fetch_add(1, Ordering::Release);
                    match rest {
                        Rest::Asleep => mco::coroutine::sleep(LONG),
                        Rest::Parked => loop {
                            mco::coroutine::park();
                        },
                    }
                });
            }
            while RESTING.load(Ordering::Acquire) < coroutines {
                mco::coroutine::sleep(Duration::from_millis(1));
            }
            mco::coroutine::sleep(SETTLE);
            watch.all_rest(coroutines);
            mco::coroutine::sleep(WATCH);
            watch.end()
        })
    }

    pub(crate) fn tokio(setup: &Setup, coroutines: usize, rest: Rest) -> Cost {
        on_tokio(setup, async move {
            let mut watch = Watch::begin();
            for _ in 0..coroutines {
                // Two kinds of task, so that the parked one has no room for a timer.
                match rest {
                    Rest::Asleep => tokio::spawn(async {
                        RESTING.fetch_add(1, Ordering::Release);
                        tokio::time::sleep(LONG).await;
                    }),
                    Rest::Parked => tokio::spawn(async {
                        RESTING.fetch_add(1, Ordering::Release);
                        std::future::pending().await
                    }),
                };
            }
            while RESTING.load(Ordering::Acquire) < coroutines {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            tokio::time::sleep(SETTLE).await;
            watch.all_rest(coroutines);
            tokio::time::sleep(WATCH).await;
            watch.end()
        })
    }

    pub(crate) fn may(setup: &Setup, coroutines: usize, rest: Rest) -> Cost {
        on_may(setup, move || {
            let mut watch = Watch::begin();
            for _ in 0..coroutines {
                may_spawn(move || {
                    RESTING.fetch_add(1, Ordering::Release);
                    match rest {
                        Rest::Asleep => may::coroutine::sleep(LONG),
                        Rest::Parked => loop {
                            may::coroutine::park();
                        },
                    }
                });
            }
            while RESTING.load(Ordering::Acquire) < coroutines {
                may::coroutine::sleep(Duration::from_millis(1));
            }
            may::coroutine::sleep(SETTLE);
            watch.all_rest(coroutines);
            may::coroutine::sleep(WATCH);
            watch.end()
        })
    }
}
