//! One coroutine, four channels: it sends to one of them, then selects over all.

use crate::meter::Meter;
use crate::runtimes::{Setup, on_tokio};

pub(super) fn mco(setup: &Setup) -> f64 {
    crate::runtimes::on_mco(setup, || {
        let channels: [_; 4] = std::array::from_fn(|_| mco::std::sync::channel::unbounded::<u64>());
        let [(_, a), (_, b), (_, c), (_, d)] = &channels;
        let mut meter = Meter::growing(setup, 1);
        while let Some(selects) = meter.next_batch() {
            for n in 0..selects {
                channels[(n % 4) as usize].0.send(n).unwrap();
                let got = mco::select! {
                    v = a.recv() => v.unwrap(),
                    v = b.recv() => v.unwrap(),
                    v = c.recv() => v.unwrap(),
                    v = d.recv() => v.unwrap(),
                };
                assert_eq!(got, n);
            }
        }
        meter.nanoseconds()
    })
}

pub(super) fn tokio(setup: &Setup) -> f64 {
    use tokio::sync::mpsc::unbounded_channel;

    let mut meter = Meter::growing(setup, 1);
    on_tokio(setup, async move {
        let channels: [_; 4] = std::array::from_fn(|_| unbounded_channel::<u64>());
        let [(to_a, mut a), (to_b, mut b), (to_c, mut c), (to_d, mut d)] = channels;
        let senders = [to_a, to_b, to_c, to_d];
        while let Some(selects) = meter.next_batch() {
            for n in 0..selects {
                senders[(n % 4) as usize].send(n).unwrap();
                let got = tokio::select! {
                    v = a.recv() => v.unwrap(),
                    v = b.recv() => v.unwrap(),
                    v = c.recv() => v.unwrap(),
                    v = d.recv() => v.unwrap(),
                };
                assert_eq!(got, n);
            }
        }
        meter.nanoseconds()
    })
}
