//! Channels: nothing is lost, doubled or leaked, and everyone gets their turn.

use std::cell::Cell;
use std::error::Error;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, Cancelled, JoinHandle};
use mco::runtime::Runtime;
use mco::std::sync::channel::{
    Receiver, RecvError, RecvTimeoutError, SendError, SendTimeoutError, Sender, TryRecvError,
    TrySendError, bounded, channel, channel_buf, unbounded,
};
use mco_tests::peer::{Kind, Peer, blocked_child, with_both_kinds};
use mco_tests::{HUNG, child, eventually, process, quiet, runtime, text_of, with_runtimes, within};

/// Of the channels that the tests go through. `None`: unbounded.
const CAPACITIES: [Option<usize>; 5] = [Some(0), Some(1), Some(2), Some(64), None];

/// Long enough to show that nothing happens, short enough to wait for.
const WHILE: Duration = Duration::from_millis(20);

const LONG: Duration = Duration::from_secs(3600);

fn with_capacity<T>(capacity: Option<usize>) -> (Sender<T>, Receiver<T>) {
    capacity.map_or_else(unbounded, bounded)
}

/// Counts the values that are made and dropped.
#[derive(Clone, Default)]
struct Ledger(Arc<Counts>);

#[derive(Default)]
struct Counts {
    made: AtomicUsize,
    dropped: AtomicUsize,
}

struct Value {
    number: usize,
    ledger: Ledger,
}

impl Ledger {
    fn value(&self, number: usize) -> Value {
        self.0.made.fetch_add(1, Ordering::SeqCst);
        Value { number, ledger: self.clone() }
    }

    fn dropped(&self) -> usize {
        self.0.dropped.load(Ordering::SeqCst)
    }

    #[track_caller]
    fn assert_all_dropped_once(&self) {
        assert_eq!(self.dropped(), self.0.made.load(Ordering::SeqCst));
    }
}

impl Drop for Value {
    fn drop(&mut self) {
        self.ledger.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[track_caller]
fn cancel<T>(handle: JoinHandle<T>) {
    handle.cancel();
    match handle.join() {
        Ok(_) => panic!("it returned as if it had not been blocked"),
        Err(payload) => assert!(payload.is::<Cancelled>(), "{}", text_of(&*payload)),
    }
}

#[track_caller]
fn cancel_peer<T>(peer: Peer<T>) {
    match peer {
        Peer::Coroutine(handle) => cancel(handle),
        Peer::Thread(_) => panic!("a thread cannot be cancelled"),
    }
}

// Nothing is lost, nothing comes twice, and the order is kept.

/// Eight senders and eight receivers, of both kinds, exchange so many messages on one, two and
/// eight workers.
fn exchange(capacity: Option<usize>) {
    const PEERS: usize = 8;
    // With those of all capacities a million.
    const EACH: usize = 8_334;

    with_runtimes(move |runtime| {
        let (sender, receiver) = with_capacity(capacity);
        let senders: Vec<_> = (0..PEERS)
            .map(|from| {
                let sender = sender.clone();
                Kind::alternate(from).start(runtime, move || {
                    (0..EACH).for_each(|n| sender.send((from, n)).expect("somebody receives"));
                })
            })
            .collect();
        let receivers: Vec<_> = (0..PEERS)
            .map(|index| {
                let receiver = receiver.clone();
                Kind::alternate(index).start(runtime, move || receiver.iter().collect::<Vec<_>>())
            })
            .collect();
        drop((sender, receiver));
        senders.into_iter().for_each(|peer| peer.join().unwrap());

        let mut seen = vec![false; PEERS * EACH];
        for values in receivers.into_iter().map(|peer| peer.join().unwrap()) {
            let mut last = [None; PEERS];
            for (from, n) in values {
                assert!(last[from] < Some(n), "of sender {from}, {n} came after {:?}", last[from]);
                last[from] = Some(n);
                let twice = std::mem::replace(&mut seen[from * EACH + n], true);
                assert!(!twice, "of sender {from}, {n} came twice");
            }
        }
        let lost = seen.iter().filter(|seen| !**seen).count();
        assert_eq!(lost, 0, "so many of {} were lost", seen.len());
    });
}

#[test]
fn many_exchange_through_a_rendezvous() {
    exchange(Some(0));
}

#[test]
fn many_exchange_through_a_channel_of_one() {
    exchange(Some(1));
}

#[test]
fn many_exchange_through_a_channel_of_two() {
    exchange(Some(2));
}

#[test]
fn many_exchange_through_a_channel_of_64() {
    exchange(Some(64));
}

#[test]
fn many_exchange_through_an_unbounded_channel() {
    exchange(None);
}

#[test]
fn one_receiver_sees_all_of_each_sender_in_order() {
    const SENDERS: usize = 4;
    const EACH: usize = 500;
    for capacity in CAPACITIES {
        with_runtimes(move |runtime| {
            let (sender, receiver) = with_capacity(capacity);
            for from in 0..SENDERS {
                let sender = sender.clone();
                Kind::alternate(from).start(runtime, move || {
                    (0..EACH).for_each(|n| sender.send((from, n)).unwrap());
                });
            }
            drop(sender);
            let mut next = [0; SENDERS];
            for (from, n) in receiver {
                assert_eq!(n, next[from], "of sender {from}");
                next[from] += 1;
            }
            assert_eq!(next, [EACH; SENDERS]);
        });
    }
}

#[test]
fn two_answer_each_other_wherever_they_run() {
    const ROUNDS: usize = 1_000;
    for (a, b) in [
        (Kind::Coroutine, Kind::Coroutine),
        (Kind::Coroutine, Kind::Thread),
        (Kind::Thread, Kind::Thread),
    ] {
        with_runtimes(move |runtime| {
            for capacity in [Some(0), Some(1), None] {
                let (pings, pinged) = with_capacity(capacity);
                let (pongs, ponged) = with_capacity(capacity);
                let answers = b.start(runtime, move || {
                    pinged.iter().for_each(|n| pongs.send(n + 1).unwrap());
                });
                let asks = a.start(runtime, move || {
                    for n in 0..ROUNDS {
                        pings.send(n).unwrap();
                        assert_eq!(ponged.recv(), Ok(n + 1));
                    }
                });
                asks.join().unwrap();
                answers.join().unwrap();
            }
        });
    }
}

// The bound.

#[test]
fn the_bound_is_never_exceeded() {
    const SENDERS: usize = 4;
    const EACH: usize = 500;
    for capacity in [0, 1, 2, 64] {
        with_runtimes(move |runtime| {
            let (sender, receiver) = bounded(capacity);
            let (sent, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            for from in 0..SENDERS {
                let (sender, sent) = (sender.clone(), sent.clone());
                Kind::alternate(from).start(runtime, move || {
                    for n in 0..EACH {
                        sender.send(n).unwrap();
                        sent.fetch_add(1, Ordering::SeqCst);
                    }
                });
            }
            drop(sender);
            let receivers: Vec<_> = (0..2)
                .map(|index| {
                    let (receiver, taken) = (receiver.clone(), taken.clone());
                    Kind::alternate(index).start(runtime, move || {
                        // Counted before, so at any time it may be one too many.
                        while {
                            taken.fetch_add(1, Ordering::SeqCst);
                            receiver.recv().is_ok()
                        } {}
                    })
                })
                .collect();
            while !receivers.iter().all(Peer::is_finished) {
                // In this order: `taken` only grows meanwhile.
                let sent = sent.load(Ordering::SeqCst);
                let taken = taken.load(Ordering::SeqCst);
                assert!(sent <= taken + capacity, "{sent} sent and {taken} received");
                assert!(receiver.len() <= capacity, "{} in the channel", receiver.len());
                coroutine::yield_now();
            }
            assert_eq!(sent.load(Ordering::SeqCst), SENDERS * EACH);
        });
    }
}

#[test]
fn each_receive_makes_room_for_one_send() {
    with_both_kinds(|runtime, kind| {
        for capacity in [0, 1, 2, 64] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.try_send(n).unwrap());
            assert_eq!(sender.try_send(99), Err(TrySendError::Full(99)));
            let blocked: Vec<_> = (0..3)
                .map(|index| {
                    let sender = sender.clone();
                    kind.start_blocked(runtime, move || sender.send(capacity + index).unwrap())
                })
                .collect();
            let gone_on = || blocked.iter().filter(|peer| peer.is_finished()).count();
            for received in 0..3 {
                assert_eq!(gone_on(), received);
                assert_eq!(receiver.len(), capacity);
                assert_eq!(receiver.try_recv(), Ok(received));
                eventually("one goes on", || gone_on() > received);
                runtime.run(|| ());
            }
            assert_eq!(gone_on(), 3);
            assert_eq!(receiver.try_iter().count(), capacity);
        }
    });
}

#[test]
fn an_unbounded_channel_takes_any_number() {
    within(HUNG, || {
        let (sender, receiver) = unbounded();
        (0..100_000).for_each(|n| sender.send(n).unwrap());
        assert_eq!((sender.len(), sender.capacity()), (100_000, None));
        assert!(receiver.try_iter().eq(0..100_000));
    });
}

#[test]
fn what_a_blocked_sender_has_is_not_in_the_channel_yet() {
    with_both_kinds(|runtime, kind| {
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(n).unwrap());
            let theirs = sender.clone();
            let blocked = kind.start_blocked(runtime, move || theirs.send(capacity));
            assert_eq!((sender.len(), receiver.len()), (capacity, capacity));
            assert!(receiver.try_iter().eq(0..=capacity));
            blocked.join().unwrap().unwrap();
        }
    });
}

// The end of a channel.

#[test]
fn blocked_senders_get_their_values_back_when_the_last_receiver_goes() {
    with_both_kinds(|runtime, kind| {
        for capacity in [0, 1, 2] {
            let ledger = Ledger::default();
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(ledger.value(n)).unwrap());
            let another = receiver.clone();
            let blocked: Vec<_> = (0..4)
                .map(|n| {
                    let (sender, value) = (sender.clone(), ledger.value(100 + n));
                    kind.start_blocked(runtime, move || sender.send(value))
                })
                .collect();
            drop(receiver);
            runtime.run(|| ());
            assert!(!blocked.iter().any(Peer::is_finished), "there is another receiver");
            assert_eq!(ledger.dropped(), 0);
            drop(another);
            for (n, peer) in blocked.into_iter().enumerate() {
                let SendError(value) = peer.join().unwrap().unwrap_err();
                assert_eq!(value.number, 100 + n);
            }
            ledger.assert_all_dropped_once();
        }
    });
}

#[test]
fn a_sender_with_a_timeout_gets_its_value_back_when_the_last_receiver_goes() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let blocked = kind.start_blocked(runtime, move || sender.send_timeout(5, LONG));
        drop(receiver);
        assert_eq!(blocked.join().unwrap(), Err(SendTimeoutError::Disconnected(5)));
    });
}

#[test]
fn without_a_receiver_every_send_fails() {
    with_both_kinds(|runtime, kind| {
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity(capacity);
            drop(receiver);
            let sends = kind.start(runtime, move || {
                assert_eq!(sender.send(1), Err(SendError(1)));
                assert_eq!(sender.try_send(2), Err(TrySendError::Disconnected(2)));
                let timed = sender.send_timeout(3, LONG);
                assert_eq!(timed, Err(SendTimeoutError::Disconnected(3)));
                assert!(sender.is_empty());
            });
            sends.join().unwrap();
        }
    });
}

#[test]
fn what_was_sent_is_received_after_the_last_sender_is_gone() {
    with_both_kinds(|runtime, kind| {
        for capacity in [Some(1), Some(2), Some(64), None] {
            let (sender, receiver) = with_capacity(capacity);
            let count = capacity.unwrap_or(1_000);
            (0..count).for_each(|n| sender.send(n).unwrap());
            drop(sender);
            let receives = kind.start(runtime, move || {
                assert_eq!(receiver.len(), count);
                (0..count).for_each(|n| assert_eq!(receiver.recv(), Ok(n)));
                assert_eq!(receiver.recv(), Err(RecvError));
                assert_eq!(receiver.recv(), Err(RecvError), "it stays so");
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                assert_eq!(receiver.recv_timeout(LONG), Err(RecvTimeoutError::Disconnected));
            });
            receives.join().unwrap();
        }
    });
}

#[test]
fn what_blocked_senders_have_sent_is_received_after_all_of_them_are_gone() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(1);
        sender.send(0).unwrap();
        let blocked: Vec<_> = (1..4)
            .map(|n| {
                let sender = sender.clone();
                kind.start_blocked(runtime, move || sender.send(n).unwrap())
            })
            .collect();
        drop(sender);
        assert!(receiver.iter().eq(0..4));
        blocked.into_iter().for_each(|peer| peer.join().unwrap());
    });
}

#[test]
fn blocked_receivers_go_on_when_the_last_sender_goes() {
    with_both_kinds(|runtime, kind| {
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity::<u32>(capacity);
            let another = sender.clone();
            let blocked: Vec<_> = (0..4)
                .map(|_| {
                    let receiver = receiver.clone();
                    kind.start_blocked(runtime, move || receiver.recv())
                })
                .collect();
            let timed = kind.start_blocked(runtime, move || receiver.recv_timeout(LONG));
            drop(sender);
            runtime.run(|| ());
            assert!(!blocked.iter().any(Peer::is_finished), "there is another sender");
            drop(another);
            for peer in blocked {
                assert_eq!(peer.join().unwrap(), Err(RecvError));
            }
            assert_eq!(timed.join().unwrap(), Err(RecvTimeoutError::Disconnected));
        }
    });
}

#[test]
fn the_last_receiver_drops_what_is_in_the_channel() {
    for capacity in [Some(2), Some(64), None] {
        let ledger = Ledger::default();
        let (sender, receiver) = with_capacity(capacity);
        (0..2).for_each(|n| sender.send(ledger.value(n)).unwrap());
        let another = receiver.clone();
        drop(receiver);
        assert_eq!(ledger.dropped(), 0);
        drop(another);
        assert_eq!(ledger.dropped(), 2, "and not the channel, when the sender goes");
        drop(sender);
        ledger.assert_all_dropped_once();
    }
}

#[test]
fn whoever_goes_first_of_many_ends_nothing() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(1);
        for n in 0..200 {
            let (theirs, ours) = (sender.clone(), receiver.clone());
            runtime.spawn(move || theirs.send(n)).join().unwrap().unwrap();
            assert_eq!(runtime.spawn(move || ours.recv()).join().unwrap(), Ok(n));
        }
    });
}

// Without waiting.

#[test]
fn try_send_tells_full_from_closed() {
    let (sender, receiver) = bounded(1);
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    assert_eq!(receiver.recv(), Ok(1));
    assert_eq!(sender.try_send(3), Ok(()));
    drop(receiver);
    assert_eq!(sender.try_send(4), Err(TrySendError::Disconnected(4)));
}

#[test]
fn try_send_into_a_rendezvous_needs_one_who_waits() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        let receives = kind.start_blocked(runtime, move || receiver.recv());
        assert_eq!(sender.try_send(2), Ok(()));
        assert_eq!(receives.join().unwrap(), Ok(2));
        assert_eq!(sender.try_send(3), Err(TrySendError::Disconnected(3)));
    });
}

#[test]
fn try_recv_tells_empty_from_closed() {
    for capacity in CAPACITIES {
        let (sender, receiver) = with_capacity(capacity);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        if capacity != Some(0) {
            sender.send(1).unwrap();
            drop(sender);
            assert_eq!(receiver.try_recv(), Ok(1));
        } else {
            drop(sender);
        }
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn try_recv_from_a_rendezvous_needs_one_who_waits() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        let sends = kind.start_blocked(runtime, move || sender.send(1));
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(sends.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_loop_of_tries_lets_the_others_run() {
    within(HUNG, || {
        let runtime = runtime(1);
        runtime.run(|| {
            let (sender, receiver) = unbounded();
            let sends = coroutine::spawn(move || sender.send(5).unwrap());
            let received = loop {
                match receiver.try_recv() {
                    Ok(value) => break value,
                    Err(_) => std::hint::spin_loop(),
                }
            };
            assert_eq!(received, 5);
            sends.join().unwrap();

            let (sender, receiver) = bounded(1);
            sender.send(1).unwrap();
            let receives = coroutine::spawn(move || (receiver.recv(), receiver.recv()));
            while sender.try_send(2).is_err() {}
            assert_eq!(receives.join().unwrap(), (Ok(1), Ok(2)));
        });
    });
}

#[test]
fn one_that_never_waits_in_its_channels_lets_the_others_run() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let busy = runtime.spawn(move || {
            let (sender, receiver) = bounded(1);
            while !stops.load(Ordering::SeqCst) {
                sender.send(1).unwrap();
                receiver.recv().unwrap();
            }
        });
        runtime.run(|| stop.store(true, Ordering::SeqCst));
        busy.join().unwrap();
    });
}

// With a timeout.

#[test]
fn a_timeout_ends_a_receive_and_not_too_early() {
    with_both_kinds(|runtime, kind| {
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity::<u32>(capacity);
            let receives = kind.start(runtime, move || {
                for limit in [Duration::ZERO, Duration::from_millis(1), WHILE] {
                    let start = Instant::now();
                    assert_eq!(receiver.recv_timeout(limit), Err(RecvTimeoutError::Timeout));
                    assert!(start.elapsed() >= limit);
                }
            });
            receives.join().unwrap();
            drop(sender);
        }
    });
}

#[test]
fn a_timeout_ends_a_send_and_not_too_early_and_gives_the_value_back() {
    with_both_kinds(|runtime, kind| {
        for capacity in [0, 1, 2] {
            let ledger = Ledger::default();
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(ledger.value(n)).unwrap());
            let value = ledger.value(100);
            let sends = kind.start(runtime, move || {
                let mut value = value;
                for limit in [Duration::ZERO, Duration::from_millis(1), WHILE] {
                    let start = Instant::now();
                    value = match sender.send_timeout(value, limit) {
                        Err(SendTimeoutError::Timeout(value)) => value,
                        other => panic!("it ended with {other:?}"),
                    };
                    assert!(start.elapsed() >= limit);
                }
                value.number
            });
            assert_eq!(sends.join().unwrap(), 100);
            assert_eq!(receiver.len(), capacity);
            drop(receiver);
            ledger.assert_all_dropped_once();
        }
    });
}

#[test]
fn what_comes_in_time_ends_a_wait_with_a_timeout() {
    with_both_kinds(|runtime, kind| {
        for limit in [LONG, Duration::MAX] {
            let (sender, receiver) = bounded(0);
            let receives = kind.start_blocked(runtime, move || receiver.recv_timeout(limit));
            sender.send(1).unwrap();
            assert_eq!(receives.join().unwrap(), Ok(1));

            let (sender, receiver) = bounded(0);
            let sends = kind.start_blocked(runtime, move || sender.send_timeout(2, limit));
            assert_eq!(receiver.recv(), Ok(2));
            assert_eq!(sends.join().unwrap(), Ok(()));
        }
    });
}

#[test]
fn a_timeout_of_zero_takes_what_is_there() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(1);
        let both = kind.start(runtime, move || {
            assert_eq!(sender.send_timeout(1, Duration::ZERO), Ok(()));
            assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(1));
        });
        both.join().unwrap();
    });
}

/// From next to nothing to what a wake-up takes.
fn short(round: usize) -> Duration {
    Duration::from_micros((round * 7 % 60) as u64)
}

#[test]
fn a_value_that_comes_at_the_deadline_is_received_then_or_later() {
    const VALUES: usize = 1_000;
    for kind in [Kind::Coroutine, Kind::Thread] {
        with_runtimes(move |runtime| {
            for capacity in [Some(0), Some(1), None] {
                let (sender, receiver) = with_capacity(capacity);
                let receives = kind.start(runtime, move || {
                    let (mut received, mut timeouts) = (Vec::new(), 0);
                    for round in 0.. {
                        match receiver.recv_timeout(short(round)) {
                            Ok(value) => received.push(value),
                            Err(RecvTimeoutError::Timeout) => timeouts += 1,
                            Err(RecvTimeoutError::Disconnected) => break,
                        }
                    }
                    eprintln!("{timeouts} timeouts");
                    received
                });
                for n in 0..VALUES {
                    sender.send(n).unwrap();
                    if n % 4 == 0 {
                        coroutine::sleep(short(n));
                    }
                }
                drop(sender);
                assert!(receives.join().unwrap().into_iter().eq(0..VALUES));
            }
        });
    }
}

#[test]
fn a_send_that_meets_its_deadline_has_sent_or_has_not() {
    const VALUES: usize = 1_000;
    for kind in [Kind::Coroutine, Kind::Thread] {
        with_runtimes(move |runtime| {
            for capacity in [0, 1] {
                let ledger = Ledger::default();
                let (sender, receiver) = bounded(capacity);
                let theirs = ledger.clone();
                let sends = kind.start(runtime, move || {
                    let send = |n: &usize| match sender.send_timeout(theirs.value(*n), short(*n)) {
                        Ok(()) => true,
                        Err(SendTimeoutError::Timeout(value)) if value.number == *n => false,
                        Err(_) => panic!("{n} came back as another"),
                    };
                    (0..VALUES).filter(send).collect::<Vec<_>>()
                });
                let mut received = Vec::new();
                for round in 0.. {
                    match receiver.recv_timeout(short(round)) {
                        Ok(value) => received.push(value.number),
                        Err(RecvTimeoutError::Timeout) => {}
                        Err(RecvTimeoutError::Disconnected) => break,
                    }
                }
                assert_eq!(sends.join().unwrap(), received);
                ledger.assert_all_dropped_once();
            }
        });
    }
}

// First come, first served.

#[test]
fn those_who_wait_to_receive_are_served_in_the_order_in_which_they_came() {
    within(HUNG, || {
        let runtime = runtime(1);
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity(capacity);
            let blocked: Vec<_> = (0..6)
                .map(|index| {
                    let receiver = receiver.clone();
                    Kind::alternate(index).start_blocked(&runtime, move || receiver.recv())
                })
                .collect();
            (0..6).for_each(|n| sender.try_send(n).expect("somebody waits"));
            for (n, peer) in blocked.into_iter().enumerate() {
                assert_eq!(peer.join().unwrap(), Ok(n));
            }
        }
    });
}

#[test]
fn those_who_wait_to_send_are_served_in_the_order_in_which_they_came() {
    within(HUNG, || {
        let runtime = runtime(1);
        for capacity in [0, 1, 2] {
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(n).unwrap());
            let blocked: Vec<_> = (0..6)
                .map(|index| {
                    let sender = sender.clone();
                    Kind::alternate(index)
                        .start_blocked(&runtime, move || sender.send(capacity + index))
                })
                .collect();
            let received: Vec<_> = receiver.try_iter().collect();
            assert!(received.into_iter().eq(0..capacity + 6));
            blocked.into_iter().for_each(|peer| peer.join().unwrap().unwrap());
        }
    });
}

#[test]
fn a_value_goes_straight_to_the_receiver_that_waits() {
    within(HUNG, || {
        let runtime = runtime(1);
        runtime.run(|| {
            for capacity in CAPACITIES {
                let (sender, receiver) = with_capacity(capacity);
                let theirs = receiver.clone();
                let waits = blocked_child(move || theirs.recv());
                sender.send(1).unwrap();
                // Before it has run.
                assert!(!waits.is_finished());
                assert_eq!(receiver.len(), 0);
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
                assert_eq!(waits.join().unwrap(), Ok(1));
            }
        });
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity(capacity);
            let theirs = receiver.clone();
            let waits = Kind::Thread.start_blocked(&runtime, move || theirs.recv());
            sender.send(2).unwrap();
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            assert_eq!(waits.join().unwrap(), Ok(2));
        }
    });
}

#[test]
fn room_goes_straight_to_the_sender_that_waits() {
    within(HUNG, || {
        runtime(1).run(|| {
            let (sender, receiver) = bounded(1);
            sender.send(1).unwrap();
            let theirs = sender.clone();
            let waits = blocked_child(move || theirs.send(2));
            assert_eq!(receiver.recv(), Ok(1));
            // Before it has run.
            assert!(!waits.is_finished());
            assert_eq!(receiver.len(), 1);
            assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
            assert_eq!(receiver.recv(), Ok(2));
            waits.join().unwrap().unwrap();
        });
    });
}

// Cancelling.

#[test]
fn a_cancelled_receiver_leaves_no_waiter_behind() {
    within(HUNG, || {
        let runtime = runtime(1);
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity(capacity);
            let block = |_| {
                let receiver = receiver.clone();
                Kind::Coroutine.start_blocked(&runtime, move || receiver.recv())
            };
            let [first, second, third] = [0; 3].map(block);
            // The first in the queue, then the last.
            cancel_peer(first);
            cancel_peer(third);
            sender.try_send(1).expect("there is one who waits");
            assert_eq!(second.join().unwrap(), Ok(1));

            match sender.try_send(2) {
                Ok(()) => assert_eq!(receiver.try_recv(), Ok(2)),
                Err(error) => {
                    assert_eq!(error, TrySendError::Full(2), "nobody waits any more");
                    assert_eq!(capacity, Some(0));
                }
            }
        }
    });
}

#[test]
fn a_cancelled_sender_leaves_no_waiter_behind() {
    within(HUNG, || {
        let runtime = runtime(1);
        for capacity in [0, 1, 2] {
            let ledger = Ledger::default();
            let (sender, receiver) = bounded(capacity);
            (0..capacity).for_each(|n| sender.send(ledger.value(n)).unwrap());
            let block = |n| {
                let (sender, value) = (sender.clone(), ledger.value(n));
                Kind::Coroutine.start_blocked(&runtime, move || sender.send(value))
            };
            let [first, second, third] = [100, 101, 102].map(block);
            cancel_peer(first);
            assert_eq!(ledger.dropped(), 1, "its value goes with it");
            cancel_peer(third);
            assert_eq!(ledger.dropped(), 2);
            let received: Vec<_> = receiver.try_iter().map(|value| value.number).collect();
            assert!(received.into_iter().eq((0..capacity).chain([101])));
            second.join().unwrap().unwrap();
            assert!(receiver.is_empty());
            ledger.assert_all_dropped_once();
        }
    });
}

#[test]
fn whoever_gave_up_leaves_no_waiter_behind() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let (sends, receives) = (sender.clone(), receiver.clone());
        let gives_up = kind.start(runtime, move || {
            assert_eq!(receives.recv_timeout(WHILE), Err(RecvTimeoutError::Timeout));
            assert_eq!(sends.send_timeout(1, WHILE), Err(SendTimeoutError::Timeout(1)));
        });
        gives_up.join().unwrap();
        assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn one_that_is_cancelled_after_a_value_was_handed_over_receives_it() {
    within(HUNG, || {
        runtime(1).run(|| {
            for capacity in CAPACITIES {
                let ledger = Ledger::default();
                let (sender, receiver) = with_capacity::<Value>(capacity);
                let waits = blocked_child(move || receiver.recv().unwrap().number);
                sender.send(ledger.value(7)).unwrap();
                waits.cancel();
                assert_eq!(waits.join().unwrap(), 7);
                ledger.assert_all_dropped_once();
            }
        });
    });
}

#[test]
fn one_that_is_cancelled_after_its_value_was_taken_has_sent_it() {
    within(HUNG, || {
        runtime(1).run(|| {
            for capacity in [0, 1] {
                let ledger = Ledger::default();
                let (sender, receiver) = bounded(capacity);
                (0..capacity).for_each(|n| sender.send(ledger.value(n)).unwrap());
                let value = ledger.value(capacity);
                let waits = blocked_child(move || sender.send(value).is_ok());
                assert_eq!(receiver.recv().unwrap().number, 0);
                waits.cancel();
                assert!(waits.join().unwrap());
                assert_eq!(receiver.try_iter().count(), capacity);
                ledger.assert_all_dropped_once();
            }
        });
    });
}

/// As often as a thread can be started in about a second.
const RACES: usize = 400;

/// Calls both at about the same time.
fn at_once<R: Send>(a: impl FnOnce() + Send, b: impl FnOnce() -> R + Send) -> R {
    let ready = AtomicBool::new(false);
    thread::scope(|s| {
        let thread = s.spawn(|| {
            ready.store(true, Ordering::SeqCst);
            a();
        });
        while !ready.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        let result = b();
        thread.join().unwrap();
        result
    })
}

#[test]
fn a_value_that_meets_a_cancel_is_received_or_stays() {
    with_runtimes(|runtime| {
        let (ledger, mut received) = (Ledger::default(), 0);
        for round in 0..RACES {
            let (sender, receiver) = bounded::<Value>(1);
            let (theirs, (starts, started)) = (receiver.clone(), mpsc::channel());
            let handle = runtime.spawn(move || {
                starts.send(()).unwrap();
                theirs.recv().unwrap().number
            });
            started.recv().unwrap();
            at_once(|| handle.cancel(), || sender.send(ledger.value(round)).unwrap());
            match handle.join() {
                Ok(number) => {
                    received += 1;
                    assert_eq!(number, round);
                    assert!(receiver.is_empty(), "it came twice");
                }
                Err(_) => {
                    let value = receiver.try_recv().expect("it was not received, so it is here");
                    assert_eq!(value.number, round);
                }
            }
        }
        eprintln!("{received} of {RACES} received");
        ledger.assert_all_dropped_once();
    });
}

#[test]
fn a_sender_that_meets_a_cancel_has_sent_or_has_not() {
    with_runtimes(|runtime| {
        let (ledger, mut sent) = (Ledger::default(), 0);
        for round in 0..RACES {
            let (sender, receiver) = bounded(0);
            let (value, (starts, started)) = (ledger.value(round), mpsc::channel());
            let handle = runtime.spawn(move || {
                starts.send(()).unwrap();
                sender.send(value).unwrap();
            });
            started.recv().unwrap();
            // When the sender has unwound, its end is gone.
            let received = at_once(|| handle.cancel(), || receiver.recv());
            assert_eq!(received.is_ok(), handle.join().is_ok());
            if let Ok(value) = received {
                sent += 1;
                assert_eq!(value.number, round);
            }
        }
        eprintln!("{sent} of {RACES} sent");
        ledger.assert_all_dropped_once();
    });
}

#[test]
fn values_survive_a_storm_of_cancels() {
    with_runtimes(|runtime| {
        let ledger = Ledger::default();
        let (sender, receiver) = bounded(2);
        let (sent, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let mut handles = Vec::new();
        for index in 0..RACES {
            let (ledger, sender) = (ledger.clone(), sender.clone());
            let count = sent.clone();
            handles.push(runtime.spawn(move || {
                for n in 0..5 {
                    sender.send(ledger.value(n)).unwrap();
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }));
            let (receiver, count) = (receiver.clone(), received.clone());
            handles.push(runtime.spawn(move || {
                for _ in 0..5 {
                    drop(receiver.recv().unwrap());
                    count.fetch_add(1, Ordering::SeqCst);
                }
            }));
            if index % 3 == 0 {
                handles[index].cancel();
            }
        }
        handles.iter().step_by(2).for_each(JoinHandle::cancel);
        coroutine::yield_now();
        handles.iter().for_each(JoinHandle::cancel);
        handles.into_iter().for_each(|handle| drop(handle.join()));
        let left = receiver.try_iter().count();
        let (sent, received) = (sent.load(Ordering::SeqCst), received.load(Ordering::SeqCst));
        assert_eq!(sent, received + left);
        ledger.assert_all_dropped_once();
    });
}

// Each value is dropped once.

#[test]
fn what_nobody_received_is_dropped_with_the_channel() {
    for capacity in [Some(3), Some(64), None] {
        for sender_first in [true, false] {
            let ledger = Ledger::default();
            let (sender, receiver) = with_capacity(capacity);
            (0..3).for_each(|n| sender.send(ledger.value(n)).unwrap());
            drop(receiver.recv());
            assert_eq!(ledger.dropped(), 1);
            if sender_first {
                drop(sender);
                assert_eq!(ledger.dropped(), 1);
                drop(receiver);
            } else {
                drop(receiver);
            }
            ledger.assert_all_dropped_once();
        }
    }
}

#[test]
fn what_comes_back_in_an_error_is_dropped_with_it() {
    let ledger = Ledger::default();
    let (sender, receiver) = bounded(1);
    sender.send(ledger.value(0)).unwrap();
    drop(sender.try_send(ledger.value(1)));
    assert_eq!(ledger.dropped(), 1);
    drop(sender.send_timeout(ledger.value(2), Duration::ZERO));
    assert_eq!(ledger.dropped(), 2);
    drop(receiver);
    assert_eq!(ledger.dropped(), 3);
    drop(sender.send(ledger.value(4)));
    drop(sender.try_send(ledger.value(5)));
    drop(sender.send_timeout(ledger.value(6), LONG));
    ledger.assert_all_dropped_once();
}

#[test]
fn a_value_goes_down_with_a_receiver_that_panics() {
    with_both_kinds(|runtime, kind| {
        let ledger = Ledger::default();
        let (sender, receiver) = bounded(0);
        let theirs = receiver.clone();
        let panics = kind.start(runtime, move || {
            let _value = theirs.recv();
            panic!("on purpose");
        });
        sender.send(ledger.value(0)).unwrap();
        assert!(panics.join().is_err());
        ledger.assert_all_dropped_once();
        // The channel has come to no harm.
        assert_eq!(sender.try_send(ledger.value(1)).map_err(drop), Err(()));
        let receives = kind.start(runtime, move || receiver.recv().map(|value| value.number));
        sender.send(ledger.value(2)).unwrap();
        assert_eq!(receives.join().unwrap(), Ok(2));
        ledger.assert_all_dropped_once();
    });
}

#[test]
fn values_in_the_channel_survive_a_sender_that_panics() {
    with_both_kinds(|runtime, kind| {
        let ledger = Ledger::default();
        let (sender, receiver) = bounded(2);
        let theirs = ledger.clone();
        let panics = kind.start(runtime, move || {
            sender.send(theirs.value(1)).unwrap();
            sender.send(theirs.value(2)).unwrap();
            panic!("on purpose");
        });
        assert!(panics.join().is_err());
        assert_eq!(ledger.dropped(), 0);
        assert!(receiver.iter().map(|value| value.number).eq([1, 2]));
        ledger.assert_all_dropped_once();
    });
}

#[test]
fn a_destructor_that_panics_takes_nobody_along() {
    quiet::panics_on_purpose();
    with_both_kinds(|runtime, kind| {
        struct Bomb(Option<Value>);
        impl Drop for Bomb {
            fn drop(&mut self) {
                if self.0.is_none() {
                    panic!("on purpose");
                }
            }
        }
        let ledger = Ledger::default();
        let (sender, receiver) = bounded(3);
        sender.send(Bomb(Some(ledger.value(0)))).unwrap();
        sender.send(Bomb(None)).unwrap();
        sender.send(Bomb(Some(ledger.value(1)))).unwrap();
        let (theirs, value) = (sender.clone(), ledger.value(2));
        let blocked = kind.start_blocked(runtime, move || theirs.send(Bomb(Some(value))).is_err());
        let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(receiver)));
        assert!(dropped.is_err());
        assert!(blocked.join().unwrap(), "it is told that the last receiver is gone");
        assert!(sender.try_send(Bomb(Some(ledger.value(3)))).is_err());
        ledger.assert_all_dropped_once();
    });
}

// What is sent may be anything, and be dropped anywhere.

#[test]
fn channel_ends_travel_through_channels() {
    with_both_kinds(|runtime, kind| {
        let (requests, serves) = bounded::<(u32, Sender<u32>)>(0);
        let server = kind.start(runtime, move || {
            serves.iter().for_each(|(n, reply)| reply.send(n * n).unwrap());
        });
        for n in 0..100 {
            let (reply, answer) = bounded(1);
            requests.send((n, reply)).unwrap();
            assert_eq!(answer.recv(), Ok(n * n));
            assert_eq!(answer.recv(), Err(RecvError), "the server has let go of its end");
        }
        drop(requests);
        server.join().unwrap();

        let (hands_over, takes_over) = unbounded();
        let (sender, receiver) = bounded(1);
        hands_over.send(receiver).unwrap();
        sender.send(5).unwrap();
        let receives = kind.start(runtime, move || takes_over.recv().unwrap().recv());
        assert_eq!(receives.join().unwrap(), Ok(5));
        assert_eq!(sender.send(6), Err(SendError(6)));
    });
}

#[test]
fn an_end_in_a_channel_that_goes_goes_with_it() {
    with_both_kinds(|runtime, kind| {
        let (inner_sender, inner_receiver) = bounded::<u32>(1);
        let (outer_sender, outer_receiver) = bounded(1);
        outer_sender.send(inner_sender).unwrap();
        let blocked = kind.start_blocked(runtime, move || inner_receiver.recv());
        drop(outer_receiver);
        assert_eq!(blocked.join().unwrap(), Err(RecvError));
    });
}

/// What holds an end of the very channel through which it goes.
struct Cycle {
    sender: Option<Sender<Cycle>>,
    told: Option<mpsc::Sender<bool>>,
}

impl Drop for Cycle {
    fn drop(&mut self) {
        if let (Some(sender), Some(told)) = (&self.sender, &self.told) {
            let closed = sender.try_send(Cycle { sender: None, told: None }).is_err();
            told.send(closed && sender.is_empty()).unwrap();
        }
    }
}

#[test]
fn a_destructor_may_use_the_channel_that_drops_it() {
    within(HUNG, || {
        let (sender, receiver) = unbounded();
        let (told, tells) = mpsc::channel();
        for _ in 0..3 {
            let (sender, told) = (Some(sender.clone()), Some(told.clone()));
            sender.clone().unwrap().send(Cycle { sender, told }).unwrap_or_else(|_| panic!());
        }
        // The ends that are left are in the channel.
        drop((sender, told));
        drop(receiver);
        assert!(tells.iter().eq([true; 3]));
    });
}

#[test]
fn the_last_sender_may_go_while_its_coroutine_panics() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let blocked: Vec<_> = (0..3)
            .map(|_| {
                let receiver = receiver.clone();
                kind.start_blocked(runtime, move || receiver.recv())
            })
            .collect();
        let panics = kind.start(runtime, move || {
            let _sender = sender;
            panic!("on purpose");
        });
        assert!(panics.join().is_err());
        for peer in blocked {
            assert_eq!(peer.join().unwrap(), Err(RecvError));
        }
    });
}

#[test]
fn the_last_receiver_may_go_while_its_coroutine_panics() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let blocked: Vec<_> = (0..3)
            .map(|n| {
                let sender = sender.clone();
                kind.start_blocked(runtime, move || sender.send(n))
            })
            .collect();
        let panics = kind.start(runtime, move || {
            let _receiver = receiver;
            panic!("on purpose");
        });
        assert!(panics.join().is_err());
        for (n, peer) in blocked.into_iter().enumerate() {
            assert_eq!(peer.join().unwrap(), Err(SendError(n)));
        }
    });
}

#[test]
fn an_end_may_go_while_its_coroutine_is_cancelled() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let blocked = kind.start_blocked(runtime, move || receiver.recv());
        let holds = Kind::Coroutine.start_blocked(runtime, move || {
            let _sender = sender;
            coroutine::park();
        });
        cancel_peer(holds);
        assert_eq!(blocked.join().unwrap(), Err(RecvError));
    });
}

#[test]
fn a_destructor_may_say_good_bye_through_a_channel() {
    quiet::panics_on_purpose();
    for kind in [Kind::Coroutine, Kind::Thread] {
        with_runtimes(move |runtime| {
            for capacity in [Some(0), Some(1), None] {
                let (asks, asked) = with_capacity(capacity);
                let (answers, answered) = with_capacity(capacity);
                let panics = kind.start(runtime, move || {
                    let _guard = OnDrop(|| {
                        asks.send("bye").unwrap();
                        assert_eq!(answered.recv(), Ok("see you"));
                    });
                    panic!("on purpose");
                });
                assert_eq!(asked.recv(), Ok("bye"));
                // It is blocked by now, or will be, while it unwinds.
                answers.send("see you").unwrap();
                assert_eq!(text_of(&*panics.join().unwrap_err()), "on purpose");
            }
        });
    }
}

#[test]
fn a_destructor_of_the_cancelled_may_wait_in_a_channel() {
    with_runtimes(|runtime| {
        let ((asks, asked), (answers, answered)) = (bounded(0), bounded(0));
        let (starts, started) = mpsc::channel();
        let handle = runtime.spawn(move || {
            let _guard = OnDrop(|| {
                asks.send("bye").unwrap();
                assert_eq!(answered.recv(), Ok("see you"));
            });
            starts.send(()).unwrap();
            coroutine::park();
        });
        started.recv().unwrap();
        handle.cancel();
        assert_eq!(asked.recv(), Ok("bye"));
        answers.send("see you").unwrap();
        assert!(handle.join().unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn values_that_are_large_or_have_no_size_go_through() {
    within(HUNG, || {
        let (sender, receiver) = bounded(0);
        let sends = coroutine::spawn(move || sender.send([7u8; 10_000]).is_ok());
        assert_eq!(receiver.recv(), Ok([7; 10_000]));
        assert!(sends.join().unwrap());
        let (sender, receiver) = bounded(3);
        (0..3).for_each(|_| sender.send(()).unwrap());
        assert_eq!(sender.try_send(()), Err(TrySendError::Full(())));
        assert_eq!(receiver.try_iter().count(), 3);
    });
}

// Without a runtime.

#[test]
fn plain_threads_need_no_runtime() {
    child::pass(|| {
        let threads = process::threads();
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity(capacity);
            let (replies, replied) = with_capacity(capacity);
            let echoes = thread::spawn(move || {
                receiver.iter().for_each(|n| replies.send(n).unwrap());
            });
            let sends = thread::spawn(move || (0..100).for_each(|n| sender.send(n).unwrap()));
            assert!(replied.iter().eq(0..100));
            assert_eq!(replied.recv_timeout(WHILE), Err(RecvTimeoutError::Disconnected));
            echoes.join().unwrap();
            sends.join().unwrap();
        }
        let (_sender, receiver) = unbounded::<u32>();
        assert_eq!(receiver.recv_timeout(WHILE), Err(RecvTimeoutError::Timeout));
        // A thread that has been joined may be a moment on its way out.
        eventually("only these threads are left", || process::threads() <= threads);
    });
}

// Iterators, and the small things.

#[test]
fn an_iterator_ends_when_the_channel_is_closed() {
    with_both_kinds(|runtime, kind| {
        for capacity in CAPACITIES {
            let (sender, receiver) = with_capacity(capacity);
            let sends = kind.start(runtime, move || (0..10).for_each(|n| sender.send(n).unwrap()));
            assert!(receiver.iter().take(3).eq(0..3));
            let mut expected = 3..10;
            for value in &receiver {
                assert_eq!(Some(value), expected.next());
                if value == 6 {
                    break;
                }
            }
            assert!(receiver.into_iter().eq(expected));
            sends.join().unwrap();
        }
    });
}

#[test]
fn try_iter_takes_what_is_there_and_does_not_wait() {
    let (sender, receiver) = unbounded();
    assert_eq!(receiver.try_iter().next(), None);
    (0..3).for_each(|n| sender.send(n).unwrap());
    let mut there = receiver.try_iter();
    assert_eq!((there.next(), there.next()), (Some(0), Some(1)));
    sender.send(3).unwrap();
    assert!(there.eq([2, 3]));
    drop(sender);
    assert_eq!(receiver.try_iter().next(), None);
}

#[test]
fn an_iterator_that_owns_its_receiver_closes_the_channel_when_it_goes() {
    let (sender, receiver) = unbounded();
    sender.send(1).unwrap();
    let mut values = receiver.into_iter();
    assert_eq!(values.next(), Some(1));
    drop(values);
    assert_eq!(sender.send(2), Err(SendError(2)));
}

#[test]
fn ends_of_one_channel_know_each_other() {
    let (sender, receiver) = unbounded::<u32>();
    let (other_sender, other_receiver) = unbounded::<u32>();
    assert!(sender.same_channel(&sender.clone()) && receiver.same_channel(&receiver.clone()));
    assert!(!sender.same_channel(&other_sender) && !receiver.same_channel(&other_receiver));
}

#[test]
fn both_ends_tell_capacity_and_length() {
    for capacity in CAPACITIES {
        let (sender, receiver) = with_capacity(capacity);
        assert_eq!((sender.capacity(), receiver.capacity()), (capacity, capacity));
        assert!(sender.is_empty() && receiver.is_empty());
        let room = capacity.unwrap_or(3).min(3);
        for n in 0..room {
            sender.send(n).unwrap();
            assert_eq!((sender.len(), receiver.len()), (n + 1, n + 1));
        }
        assert_eq!((sender.is_empty(), receiver.is_empty()), (room == 0, room == 0));
    }
}

#[test]
fn the_other_names_make_the_same_channels() {
    let (sender, receiver) = channel();
    assert_eq!(sender.capacity(), None);
    sender.send(1).unwrap();
    assert_eq!(receiver.recv(), Ok(1));
    let (sender, _receiver) = channel_buf::<u32>(7);
    assert_eq!(sender.capacity(), Some(7));
    let (sender, _receiver) = mco::std::sync::channel::<u32>();
    assert_eq!(sender.capacity(), None);
}

#[test]
fn ends_can_be_printed_whatever_they_carry() {
    struct Opaque;
    let (sender, receiver) = unbounded::<Opaque>();
    assert_eq!(format!("{sender:?} {receiver:?}"), "Sender { .. } Receiver { .. }");
    for text in [
        format!("{:?}", receiver.iter()),
        format!("{:?}", receiver.try_iter()),
        format!("{:?}", receiver.clone().into_iter()),
    ] {
        assert!(text.contains("Receiver { .. }"), "{text}");
    }
    assert_eq!(format!("{:?}", SendTimeoutError::Timeout(Opaque)), "Timeout(..)");
    assert_eq!(format!("{:?}", SendTimeoutError::Disconnected(Opaque)), "Disconnected(..)");
}

#[test]
fn the_errors_are_those_of_std() {
    let (sender, receiver) = bounded::<u32>(0);
    let _: std::sync::mpsc::TryRecvError = receiver.try_recv().unwrap_err();
    let _: std::sync::mpsc::RecvTimeoutError = receiver.recv_timeout(Duration::ZERO).unwrap_err();
    let _: std::sync::mpsc::TrySendError<u32> = sender.try_send(1).unwrap_err();
    drop(receiver);
    let _: std::sync::mpsc::SendError<u32> = sender.send(1).unwrap_err();
    drop(sender);
    let (sender, receiver) = bounded::<u32>(0);
    drop(sender);
    let _: std::sync::mpsc::RecvError = receiver.recv().unwrap_err();
}

#[test]
fn the_error_that_std_lacks_says_what_happened() {
    let timeout: Box<dyn Error> = Box::new(SendTimeoutError::Timeout(1));
    assert_eq!(timeout.to_string(), "timed out waiting on a full channel");
    let closed: Box<dyn Error> = Box::new(SendTimeoutError::Disconnected(1));
    assert_eq!(closed.to_string(), "sending on a closed channel");
}

#[test]
fn ends_are_shared_wherever_their_values_may_go() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Sender<u32>>();
    is_shared::<Receiver<u32>>();
    // Whoever sends one gives it away.
    is_shared::<Sender<Cell<u32>>>();
    is_shared::<Receiver<Cell<u32>>>();
}

#[test]
fn one_end_serves_many_by_reference() {
    with_runtimes(|runtime: &Runtime| {
        runtime.run(|| {
            let (sender, receiver) = bounded(1);
            let sum = coroutine::scope(|s| {
                for n in 0..10u32 {
                    let sender = &sender;
                    s.spawn(move || sender.send(n).unwrap());
                }
                let receive = || (0..5).map(|_| receiver.recv().unwrap()).sum::<u32>();
                let (a, b) = (s.spawn(receive), s.spawn(receive));
                a.join().unwrap() + b.join().unwrap()
            });
            assert_eq!(sum, 45);
        });
    });
}

#[test]
fn after_two_destructors_that_panic_the_rest_is_leaked() {
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
            panic!("on purpose: the destructor of a value");
        }
    }
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        runtime.run(|| {
            let dropped = Arc::new(AtomicUsize::new(0));
            let (sender, receiver) = unbounded();
            for _ in 0..4 {
                assert!(sender.send(Bomb(dropped.clone())).is_ok());
            }
            panic::catch_unwind(AssertUnwindSafe(|| drop(receiver))).unwrap_err();
            assert_eq!(dropped.load(Ordering::Relaxed), 2);
            // The channel is closed all the same.
            std::mem::forget(sender.send(Bomb(dropped)).unwrap_err().0);
        });
    });
}
