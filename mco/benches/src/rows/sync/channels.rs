//! Producers that send as fast as they can, consumers that take what comes. Each batch has a channel of its own.

use crate::meter::Meter;
use crate::runtimes::{Setup, may_spawn, on_may, on_tokio};

pub(super) mod unbounded {
    use super::*;

    pub(crate) fn mco(setup: &Setup) -> f64 {
        crate::runtimes::on_mco(setup, || {
            let mut meter = Meter::growing(setup, 1);
            while let Some(messages) = meter.next_batch() {
                let (sender, receiver) = mco::std::sync::channel::unbounded();
                mco::coroutine::spawn(move || (0..messages).for_each(|n| sender.send(n).unwrap()));
                for n in 0..messages {
                    assert_eq!(receiver.recv().unwrap(), n);
                }
            }
            meter.nanoseconds()
        })
    }

    pub(crate) fn tokio(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_tokio(setup, async move {
            while let Some(messages) = meter.next_batch() {
                let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
                tokio::spawn(async move { (0..messages).for_each(|n| sender.send(n).unwrap()) });
                for n in 0..messages {
                    assert_eq!(receiver.recv().await.unwrap(), n);
                }
            }
            meter.nanoseconds()
        })
    }

    pub(crate) fn may(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_may(setup, move || {
            while let Some(messages) = meter.next_batch() {
                let (sender, receiver) = may::sync::mpsc::channel();
                may_spawn(move || (0..messages).for_each(|n| sender.send(n).unwrap()));
                for n in 0..messages {
                    assert_eq!(receiver.recv().unwrap(), n);
                }
            }
            meter.nanoseconds()
        })
    }
}

/// So many producers and as many consumers share one channel. The consumers end when all senders are gone.
pub(super) mod bounded {
    use super::*;

    const BOUND: usize = 1024;

    pub(crate) fn mco(setup: &Setup, pairs: u64) -> f64 {
        crate::runtimes::on_mco(setup, || {
            let mut meter = Meter::growing(setup, pairs);
            while let Some(messages) = meter.next_batch() {
                let (sender, receiver) = mco::std::sync::channel::bounded(BOUND);
                for _ in 0..pairs {
                    let sender = sender.clone();
                    mco::coroutine::spawn(move || {
                        (0..messages / pairs).for_each(|n| sender.send(n).unwrap())
                    });
                }
                drop(sender);
                let consumers: Vec<_> = (0..pairs)
                    .map(|_| {
                        let receiver = receiver.clone();
                        mco::coroutine::spawn(move || {
                            let mut count = 0;
                            while receiver.recv().is_ok() {
                                count += 1;
                            }
                            count
                        })
                    })
                    .collect();
                let received: u64 =
                    consumers.into_iter().map(|consumer| consumer.join().unwrap()).sum();
                assert_eq!(received, messages);
            }
            meter.nanoseconds()
        })
    }

    /// tokio's own channel has one consumer.
    pub(crate) fn tokio(setup: &Setup) -> f64 {
        let mut meter = Meter::growing(setup, 1);
        on_tokio(setup, async move {
            while let Some(messages) = meter.next_batch() {
                let (sender, mut receiver) = tokio::sync::mpsc::channel(BOUND);
                tokio::spawn(async move {
                    for n in 0..messages {
                        sender.send(n).await.unwrap();
                    }
                });
                let consumer = tokio::spawn(async move {
                    let mut count = 0;
                    while receiver.recv().await.is_some() {
                        count += 1;
                    }
                    count
                });
                assert_eq!(consumer.await.unwrap(), messages);
            }
            meter.nanoseconds()
        })
    }

    pub(crate) fn flume(setup: &Setup, pairs: u64) -> f64 {
        let mut meter = Meter::growing(setup, pairs);
        on_tokio(setup, async move {
            while let Some(messages) = meter.next_batch() {
                let (sender, receiver) = flume::bounded(BOUND);
                for _ in 0..pairs {
                    let sender = sender.clone();
                    tokio::spawn(async move {
                        for n in 0..messages / pairs {
                            sender.send_async(n).await.unwrap();
                        }
                    });
                }
                drop(sender);
                let consumers: Vec<_> = (0..pairs)
                    .map(|_| {
                        let receiver = receiver.clone();
                        tokio::spawn(async move {
                            let mut count = 0;
                            while receiver.recv_async().await.is_ok() {
                                count += 1;
                            }
                            count
                        })
                    })
                    .collect();
                let mut received: u64 = 0;
                for consumer in consumers {
                    received += consumer.await.unwrap();
                }
                assert_eq!(received, messages);
            }
            meter.nanoseconds()
        })
    }
}
