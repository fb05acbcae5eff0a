//! A lock that all want: 64 coroutines add one to the same number, again and again.

use crate::meter::Meter;
use crate::runtimes::{Setup, may_spawn, on_may, on_tokio};
use std::sync::Arc;

const COROUTINES: u64 = 64;

pub(super) fn mco(setup: &Setup) -> f64 {
    use mco::std::sync::Mutex;

    crate::runtimes::on_mco(setup, || {
        let mut meter = Meter::growing(setup, COROUTINES);
        while let Some(locks) = meter.next_batch() {
            let number = Arc::new(Mutex::new(0));
            let coroutines: Vec<_> = (0..COROUTINES)
                .map(|_| {
                    let number = Arc::clone(&number);
                    mco::coroutine::spawn(move || {
                        for _ in 0..locks / COROUTINES {
                            *number.lock().unwrap() += 1;
                        }
                    })
                })
                .collect();
            coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
            assert_eq!(*number.lock().unwrap(), locks);
        }
        meter.nanoseconds()
    })
}

pub(super) fn tokio(setup: &Setup) -> f64 {
    use tokio::sync::Mutex;

    let mut meter = Meter::growing(setup, COROUTINES);
    on_tokio(setup, async move {
        while let Some(locks) = meter.next_batch() {
            let number = Arc::new(Mutex::new(0));
            let tasks: Vec<_> = (0..COROUTINES)
                .map(|_| {
                    let number = Arc::clone(&number);
                    tokio::spawn(async move {
                        for _ in 0..locks / COROUTINES {
                            *number.lock().await += 1;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(*number.lock().await, locks);
        }
        meter.nanoseconds()
    })
}

pub(super) fn may(setup: &Setup) -> f64 {
    use may::sync::Mutex;

    let mut meter = Meter::growing(setup, COROUTINES);
    on_may(setup, move || {
        while let Some(locks) = meter.next_batch() {
            let number = Arc::new(Mutex::new(0));
            let coroutines: Vec<_> = (0..COROUTINES)
                .map(|_| {
                    let number = Arc::clone(&number);
                    may_spawn(move || {
                        for _ in 0..locks / COROUTINES {
                            *number.lock().unwrap() += 1;
                        }
                    })
                })
                .collect();
            coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
            assert_eq!(*number.lock().unwrap(), locks);
        }
        meter.nanoseconds()
    })
}
