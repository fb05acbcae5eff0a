//! How late sleeps end.

use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::{Runtime, Setup, on_mco, on_tokio};
use std::time::{Duration, Instant};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "sleep_late",
        what: "how late sleeps of 1 to 100 ms end, 99th percentile",
        figures: &[Figure::only("us", &[Goal::AtMost(2000.0)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| mco(setup, LONG)),
            (Runtime::Tokio, |setup| tokio(setup, LONG)),
        ]),
    },
    Row {
        name: "sleep_late_short",
        what: "the same of sleeps of 50 to 950 us; tokio counts in milliseconds",
        figures: &[Figure::only("us", &[Goal::AtMost(200.0)])],
        extra: false,
        work: Work::Alone(&[
            (Runtime::Mco, |setup| mco(setup, SHORT)),
            (Runtime::Tokio, |setup| tokio(setup, SHORT)),
        ]),
    },
];

/// Those who sleep at the same time, how often each, and how long: from, and up to.
#[derive(Clone, Copy)]
struct Sleeps {
    sleepers: u64,
    times: u64,
    from: u64,
    to: u64,
}

const LONG: Sleeps = Sleeps { sleepers: 100, times: 10, from: 1_000, to: 100_000 };
const SHORT: Sleeps = Sleeps { sleepers: 4, times: 500, from: 50, to: 950 };

impl Sleeps {
    /// Of one sleeper, in no order.
    fn of(self, sleeper: u64) -> impl Iterator<Item = Duration> {
        let nth = move |n| (sleeper * self.times + n) * 7919 % (self.to - self.from);
        (0..self.times).map(move |n| Duration::from_micros(self.from + nth(n)))
    }
}

/// The 99th percentile, in microseconds.
fn percentile(mut all: Vec<Duration>) -> f64 {
    all.sort_unstable();
    all[all.len() * 99 / 100].as_secs_f64() * 1e6
}

fn late(begun: Instant, slept: Duration) -> Duration {
    begun.elapsed().checked_sub(slept).expect("a sleep ended early")
}

fn mco(setup: &Setup, sleeps: Sleeps) -> f64 {
    let sleeper = move |sleeper| {
        let one = |slept| {
            let begun = Instant::now();
            mco::coroutine::sleep(slept);
            late(begun, slept)
        };
        sleeps.of(sleeper).map(one).collect::<Vec<_>>()
    };
    on_mco(setup, move || {
        let all = (0..sleeps.sleepers).map(|n| mco::coroutine::spawn(move || sleeper(n)));
        let all: Vec<_> = all.collect();
        percentile(all.into_iter().flat_map(|one| one.join().unwrap()).collect())
    })
}

fn tokio(setup: &Setup, sleeps: Sleeps) -> f64 {
    async fn sleeper(sleeps: Sleeps, sleeper: u64) -> Vec<Duration> {
        let mut all = Vec::new();
        for slept in sleeps.of(sleeper) {
            let begun = Instant::now();
            tokio::time::sleep(slept).await;
            all.push(late(begun, slept));
        }
        all
    }

    on_tokio(setup, async move {
        let all: Vec<_> = (0..sleeps.sleepers).map(|n| tokio::spawn(sleeper(sleeps, n))).collect();
        let mut late = Vec::new();
        for one in all {
            late.extend(one.await.unwrap());
        }
        percentile(late)
    })
}
