//! A tree of coroutines: each starts ten, six levels down, and adds up what they return. The leaves return their number.

use crate::meter::Meter;
use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::{Runtime, Setup, may_spawn, on_may, on_mco, on_tokio};
use std::pin::Pin;

pub(crate) const ROWS: &[Row] = &[Row {
    name: "skynet",
    what: "a tree with 1,000,000 leaves, 1,111,111 coroutines",
    figures: &[Figure::only("ns per leaf", &[Goal::OfBestPeer(0.12)])],
    extra: false,
    work: Work::Alone(&[(Runtime::Mco, mco), (Runtime::Tokio, tokio), (Runtime::May, may)]),
}];

const LEAVES: u64 = 1_000_000;
const BRANCHES: u64 = 10;
const SUM: u64 = LEAVES * (LEAVES - 1) / 2;

fn mco(setup: &Setup) -> f64 {
    fn node(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return first;
        }
        let share = leaves / BRANCHES;
        let children: [_; BRANCHES as usize] = std::array::from_fn(|n| {
            let first = first + n as u64 * share;
            mco::coroutine::spawn(move || node(first, share))
        });
        children.into_iter().map(|child| child.join().unwrap()).sum()
    }

    on_mco(setup, || {
        let mut meter = Meter::fixed(setup, LEAVES);
        while let Some(leaves) = meter.next_batch() {
            assert_eq!(mco::coroutine::spawn(move || node(0, leaves)).join().unwrap(), SUM);
        }
        meter.nanoseconds()
    })
}

fn tokio(setup: &Setup) -> f64 {
    fn node(first: u64, leaves: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
        Box::pin(async move {
            if leaves == 1 {
                return first;
            }
            let share = leaves / BRANCHES;
            let children: [_; BRANCHES as usize] =
                std::array::from_fn(|n| tokio::spawn(node(first + n as u64 * share, share)));
            let mut sum = 0;
            for child in children {
                sum += child.await.unwrap();
            }
            sum
        })
    }

    let mut meter = Meter::fixed(setup, LEAVES);
    on_tokio(setup, async move {
        while let Some(leaves) = meter.next_batch() {
            assert_eq!(tokio::spawn(node(0, leaves)).await.unwrap(), SUM);
        }
        meter.nanoseconds()
    })
}

fn may(setup: &Setup) -> f64 {
    fn node(first: u64, leaves: u64) -> u64 {
        if leaves == 1 {
            return first;
        }
        let share = leaves / BRANCHES;
        let children: [_; BRANCHES as usize] = std::array::from_fn(|n| {
            let first = first + n as u64 * share;
            may_spawn(move || node(first, share))
        });
        children.into_iter().map(|child| child.join().unwrap()).sum()
    }

    let mut meter = Meter::fixed(setup, LEAVES);
    on_may(setup, move || {
        while let Some(leaves) = meter.next_batch() {
            assert_eq!(may_spawn(move || node(0, leaves)).join().unwrap(), SUM);
        }
        meter.nanoseconds()
    })
}
