//! A channel for one value.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mco::coroutine;
use mco::std::sync::channel::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use mco::std::sync::oneshot::{Receiver, Sender, channel};
use mco::{go, select};
use mco_tests::everywhere::everywhere;
use mco_tests::started::{Drops, assert_cancelled, start};
use mco_tests::{HUNG, eventually, with_runtimes, within};

#[test]
fn the_value_comes_once() {
    everywhere(|| {
        let (sender, receiver) = channel();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let wait = Duration::from_micros(50);
        assert_eq!(receiver.recv_timeout(wait), Err(RecvTimeoutError::Timeout));
        sender.send(5).unwrap();
        assert_eq!(receiver.recv(), Ok(5));
        assert_eq!(receiver.recv(), Err(RecvError));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    });
}

#[test]
fn who_waits_learns_that_the_sender_is_gone_and_who_sends_that_the_receiver_is() {
    everywhere(|| {
        let (sender, receiver): (Sender<u8>, Receiver<u8>) = channel();
        let waits = go!(move || receiver.recv());
        drop(sender);
        assert_eq!(waits.join().unwrap(), Err(RecvError));
        let (sender, receiver) = channel();
        drop(receiver);
        assert_eq!(sender.send(7), Err(SendError(7)));
    });
}

#[test]
fn coroutines_and_threads_may_be_at_either_end() {
    within(HUNG, || {
        for _ in 0..200 {
            let (there, question) = channel();
            let (back, answer) = channel();
            let thread = thread::spawn(move || {
                back.send(question.recv().unwrap() + 1).unwrap();
            });
            let asks = go!(move || {
                there.send(1).unwrap();
                answer.recv()
            });
            assert_eq!(asks.join().unwrap(), Ok(2));
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_cancel_or_a_lost_arm_takes_no_value() {
    with_runtimes(|runtime| {
        let (sender, receiver) = channel();
        let receiver = Arc::new(receiver);
        let waits = receiver.clone();
        let waits = start(runtime, move || waits.recv());
        waits.cancel();
        assert_cancelled(waits);
        let other = receiver.clone();
        let lost = runtime.run(move || {
            select! {
                v = other.recv() => v.unwrap(),
                _ = coroutine::sleep(Duration::from_micros(10)) => 0,
            }
        });
        assert_eq!(lost, 0);
        sender.send(3).unwrap();
        let got = runtime.run(move || select! { v = receiver.recv() => v, default => Ok(0) });
        assert_eq!(got, Ok(3));
    });
}

#[test]
fn a_value_that_nobody_receives_is_dropped() {
    everywhere(|| {
        let drops = Drops::default();
        let (sender, receiver) = channel();
        sender.send(drops.one()).unwrap();
        assert_eq!(drops.count(), 0);
        drop(receiver);
        assert_eq!(drops.count(), 1);
    });
}

#[mco::test(seeds = 100)]
fn exactly_one_of_many_gets_it_under_seeds() {
    let (sender, receiver) = channel();
    let (receiver, got) = (Arc::new(receiver), Arc::new(AtomicUsize::new(0)));
    let all: Vec<_> = (0..4)
        .map(|_| {
            let (receiver, got) = (receiver.clone(), got.clone());
            go!(move || {
                got.fetch_add(usize::from(receiver.recv().is_ok()), Ordering::SeqCst);
            })
        })
        .collect();
    coroutine::yield_now();
    sender.send(()).unwrap();
    all.into_iter().for_each(|one| one.join().unwrap());
    eventually("one has got it", || got.load(Ordering::SeqCst) == 1);
}
