//! The pieces of work, on one worker.

use mco::coroutine::{spawn, yield_now};
use mco::std::sync::Mutex;
use mco::std::sync::channel::{bounded, unbounded};
use std::hint::black_box;
use std::sync::Arc;

#[derive(Clone, Copy)]
pub(crate) struct Work {
    pub(crate) name: &'static str,
    /// What is counted.
    pub(crate) operation: &'static str,
    /// How often it is done in the smaller of the two runs: a multiple of the number of coroutines that share it.
    pub(crate) few: usize,
    body: fn(usize),
}

impl Work {
    pub(crate) const ALL: &[Self] = &[
        Self {
            name: "ping_pong",
            operation: "round trip over two channels",
            few: 3200,
            body: ping_pong,
        },
        Self {
            name: "yield_100",
            operation: "yield of one of 100 coroutines",
            few: 32_000,
            body: yields,
        },
        Self { name: "spawn_join", operation: "spawn, then join", few: 3200, body: spawn_join },
        Self {
            name: "spawn_many",
            operation: "spawn of one of many, all joined then",
            few: 3200,
            body: spawn_many,
        },
        Self {
            name: "select_4",
            operation: "send, and select over four channels",
            few: 9600,
            body: select,
        },
        Self {
            name: "mutex_64",
            operation: "lock by one of 64 coroutines",
            few: 64_000,
            body: mutex,
        },
        Self {
            name: "bounded_1024",
            operation: "message over a bounded channel",
            few: 32_000,
            body: bounded_channel,
        },
    ];

    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|work| work.name == name).copied()
    }

    /// Does so many operations, in a coroutine.
    pub(crate) fn run(self, operations: usize) {
        mco::config().set_workers(1).set_stack_size(64 * 1024);
        spawn(move || (self.body)(operations)).join().expect("the work panicked");
    }
}

fn ping_pong(operations: usize) {
    let (ping, pings) = unbounded();
    let (pong, pongs) = unbounded();
    let echo = spawn(move || pings.into_iter().for_each(|n| pong.send(n).unwrap()));
    for n in 0..operations {
        ping.send(n).unwrap();
        assert_eq!(pongs.recv(), Ok(n));
    }
    drop(ping);
    echo.join().unwrap();
}

fn yields(operations: usize) {
    const COROUTINES: usize = 100;
    let coroutines: Vec<_> = (0..COROUTINES)
        .map(|_| spawn(move || (0..operations / COROUTINES).for_each(|_| yield_now())))
        .collect();
    coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
}

fn spawn_join(operations: usize) {
    (0..operations).for_each(|_| spawn(|| ()).join().unwrap());
}

fn spawn_many(operations: usize) {
    let coroutines: Vec<_> = (0..operations).map(|_| spawn(|| ())).collect();
    coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
}

fn select(operations: usize) {
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| unbounded::<usize>()).unzip();
    // A channel is closed only when all has been received.
    let kept = senders.clone();
    let sender = spawn(move || {
        for n in 0..operations {
            senders[n % 4].send(n).unwrap();
            if n % 64 == 0 {
                yield_now();
            }
        }
    });
    for _ in 0..operations {
        let got = mco::select! {
            v = receivers[0].recv() => v.unwrap(),
            v = receivers[1].recv() => v.unwrap(),
            v = receivers[2].recv() => v.unwrap(),
            v = receivers[3].recv() => v.unwrap(),
        };
        black_box(got);
    }
    sender.join().unwrap();
    drop(kept);
}

fn mutex(operations: usize) {
    const COROUTINES: usize = 64;
    let number = Arc::new(Mutex::new(0));
    let coroutines: Vec<_> = (0..COROUTINES)
        .map(|_| {
            let number = Arc::clone(&number);
            spawn(move || {
                for n in 0..operations / COROUTINES {
                    *number.lock().unwrap() += 1;
                    if n % 16 == 0 {
                        yield_now();
                    }
                }
            })
        })
        .collect();
    coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
}

fn bounded_channel(operations: usize) {
    let (sender, receiver) = bounded(1024);
    let producer = spawn(move || (0..operations).for_each(|n| sender.send(n).unwrap()));
    for n in 0..operations {
        assert_eq!(receiver.recv(), Ok(n));
    }
    producer.join().unwrap();
}
