//! What the Go specification and Go's memory model say about channels, one test for each statement.
//!
//! Where mco differs, the test says so. In short:
//!
//! - There is no `close`. A channel is closed by dropping its last [`Sender`]; so nobody can send
//!   into a closed channel, or close one twice, which in Go are panics.
//! - A receive from a channel that is closed and empty is an error, not a zero value.
//! - Receivers have a life of their own: when the last one is gone, sending is an error. In Go such
//!   a send blocks for ever, or fills the buffer.
//! - There is no nil channel. In a `select!` an `if` guard stands in for it.
//!
//! `select` has a file of its own, `go_select.rs`.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mco::coroutine;
use mco::std::sync::channel::{
    Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, bounded, unbounded,
};
use mco_tests::peer::{Kind, with_both_kinds};
use mco_tests::with_runtimes;

// Making channels.

/// `make(chan int, 3)` makes a channel with a buffer for three; without a number it has none.
/// In mco the capacity is always said, and a channel may also have no bound, which Go does not have.
#[test]
fn make_sets_the_size_of_the_buffer() {
    assert_eq!(bounded::<u32>(3).0.capacity(), Some(3));
    assert_eq!(bounded::<u32>(0).0.capacity(), Some(0));
    assert_eq!(unbounded::<u32>().0.capacity(), None);
}

/// A channel may be restricted to one direction when it is converted or assigned: `chan<-`, `<-chan`.
/// In mco the two ends are two types from the start, so there is no channel of both directions.
#[test]
fn directions_are_types() {
    fn only_sends(sender: &Sender<u32>) {
        sender.send(1).unwrap();
    }
    fn only_receives(receiver: &Receiver<u32>) -> u32 {
        receiver.recv().unwrap()
    }
    let (sender, receiver) = bounded(1);
    only_sends(&sender);
    assert_eq!(only_receives(&receiver), 1);
}

/// Two channel values are equal if the same call of `make` has made them. (`==` in Go.)
#[test]
fn channels_can_be_compared() {
    let ((a, _), (b, _)) = (bounded::<u32>(0), bounded::<u32>(0));
    let same = a.clone();
    assert!(a.same_channel(&same) && !a.same_channel(&b));
}

/// Channels are values: they can be sent through channels.
#[test]
fn a_channel_is_a_value() {
    let (sender, receiver) = bounded(1);
    let (inner, values) = bounded(1);
    sender.send(inner).unwrap();
    receiver.recv().unwrap().send(5).unwrap();
    assert_eq!(values.recv(), Ok(5));
}

/// `cap` is the size of the buffer and `len` how many values are in it: `0 <= len <= cap`.
#[test]
fn len_and_cap_tell_of_the_buffer() {
    let (sender, receiver) = bounded(2);
    for len in 0..2 {
        assert_eq!((sender.len(), sender.capacity()), (len, Some(2)));
        sender.send(len).unwrap();
    }
    assert_eq!((receiver.len(), receiver.capacity()), (2, Some(2)));
}

/// Any number of goroutines may send, receive, and call `len` and `cap` without synchronisation.
#[test]
fn anyone_may_use_a_channel_without_further_synchronisation() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(3);
        let senders = (0..4).map(|index| {
            let sender = sender.clone();
            Kind::alternate(index).start(runtime, move || {
                for n in 0..200 {
                    sender.send(n).unwrap();
                    assert!(sender.len() <= sender.capacity().unwrap());
                }
            })
        });
        let senders: Vec<_> = senders.collect();
        let receivers = (0..4).map(|index| {
            let receiver = receiver.clone();
            Kind::alternate(index).start(runtime, move || receiver.iter().sum::<u32>())
        });
        let receivers: Vec<_> = receivers.collect();
        drop(sender);
        senders.into_iter().for_each(|peer| peer.join().unwrap());
        let sum: u32 = receivers.into_iter().map(|peer| peer.join().unwrap()).sum();
        assert_eq!(sum, 4 * (0..200).sum::<u32>());
    });
}

/// Channels are first in, first out: what one goroutine sends, another receives in that order.
#[test]
fn values_are_received_in_the_order_sent() {
    with_both_kinds(|runtime, kind| {
        for capacity in [0, 1, 5] {
            let (sender, receiver) = bounded(capacity);
            kind.start(runtime, move || (0..100).for_each(|n| sender.send(n).unwrap()));
            assert!(receiver.iter().eq(0..100));
        }
    });
}

// Sending and receiving.

/// Without a buffer, communication succeeds only when both sides are ready.
#[test]
fn an_unbuffered_send_proceeds_when_a_receiver_is_ready() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
        let receives = kind.start_blocked(runtime, move || receiver.recv());
        assert_eq!(sender.send(2), Ok(()));
        assert_eq!(receives.join().unwrap(), Ok(2));

        let (sender, receiver) = bounded(0);
        let sends = kind.start_blocked(runtime, move || sender.send(3));
        assert_eq!(receiver.recv(), Ok(3));
        assert_eq!(sends.join().unwrap(), Ok(()));
    });
}

/// With a buffer, a send does not block while there is room.
#[test]
fn a_buffered_send_proceeds_while_there_is_room() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        let blocks = kind.start_blocked(runtime, move || sender.send(3));
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(blocks.join().unwrap(), Ok(()));
        assert!(receiver.iter().eq([2, 3]));
    });
}

/// A receive blocks until a value is available.
#[test]
fn a_receive_blocks_until_a_value_is_available() {
    with_both_kinds(|runtime, kind| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded(capacity);
            let receives = kind.start_blocked(runtime, move || receiver.recv());
            sender.send(1).unwrap();
            assert_eq!(receives.join().unwrap(), Ok(1));
        }
    });
}

/// The channel and the value are evaluated before the communication begins. In Rust it is the
/// receiver of the method and its argument, in this order.
#[test]
fn the_value_is_evaluated_before_the_communication_begins() {
    let (sender, receiver) = bounded(1);
    let order = Cell::new(0);
    let step = |n| assert_eq!(order.replace(n + 1), n);
    let channel = || {
        step(0);
        &sender
    };
    let value = || {
        step(1);
        assert!(receiver.is_empty());
        5
    };
    channel().send(value()).unwrap();
    assert_eq!((receiver.recv(), order.get()), (Ok(5), 2));
}

// Closing.

/// `close` records that no more will be sent. In mco that is the drop of the last sender; the drop
/// of another one records nothing.
#[test]
fn a_channel_is_closed_when_nobody_can_send_any_more() {
    let (sender, receiver) = bounded::<u32>(0);
    let another = sender.clone();
    drop(sender);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    drop(another);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
}

/// A receive from a closed channel proceeds at once, after the values sent before have been
/// received. Go gives the zero value of the type; mco says that it is closed, every time.
#[test]
fn a_receive_from_a_closed_channel_proceeds_after_what_was_sent() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        drop(sender);
        let receives = kind.start(runtime, move || [(); 4].map(|()| receiver.recv()));
        assert_eq!(receives.join().unwrap(), [Ok(1), Ok(2), Err(RecvError), Err(RecvError)]);
    });
}

/// `v, ok := <-c` tells a value that was sent from the zero value of a closed channel. In mco a
/// receive always does: it is a `Result`.
#[test]
fn a_receive_tells_whether_the_value_was_sent() {
    let (sender, receiver) = bounded(1);
    sender.send(0).unwrap();
    drop(sender);
    assert_eq!(receiver.recv(), Ok(0));
    assert_eq!(receiver.recv(), Err(RecvError));
}

/// Those who are blocked in a receive when the channel is closed go on, all of them.
#[test]
fn closing_wakes_all_receivers() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let blocked = [(); 3].map(|()| {
            let receiver = receiver.clone();
            kind.start_blocked(runtime, move || receiver.recv())
        });
        drop(sender);
        blocked.into_iter().for_each(|peer| assert_eq!(peer.join().unwrap(), Err(RecvError)));
    });
}

/// In Go it is a panic to send on a closed channel, to close it again, and to close it while a
/// sender is blocked in it. In mco whoever can send holds it open, so none of these can be written:
/// a sender that is blocked keeps the channel open until its value is received.
#[test]
fn a_blocked_sender_holds_the_channel_open() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let theirs = sender.clone();
        let blocked = kind.start_blocked(runtime, move || theirs.send(1));
        drop(sender);
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(blocked.join().unwrap(), Ok(()));
        assert_eq!(receiver.recv(), Err(RecvError));
    });
}

/// `close` of a channel that can only be received from does not compile. In mco a receiver cannot
/// close for others either; but when the last one is gone, senders are told, which Go has no
/// counterpart for: there they would block for ever.
#[test]
fn senders_are_told_when_nobody_can_receive_any_more() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let theirs = sender.clone();
        let blocked = kind.start_blocked(runtime, move || theirs.send(1));
        drop(receiver);
        assert_eq!(blocked.join().unwrap(), Err(SendError(1)));
        assert_eq!(sender.send(2), Err(SendError(2)));
    });
}

/// `for v := range c` yields the values until the channel is closed.
#[test]
fn range_yields_the_values_until_the_channel_is_closed() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(1);
        kind.start(runtime, move || (0..10).for_each(|n| sender.send(n).unwrap()));
        let mut values = Vec::new();
        for value in &receiver {
            values.push(value);
        }
        assert!(values.into_iter().eq(0..10));
    });
}

/// A `range` may be left early, and the channel goes on.
#[test]
fn range_can_be_left_early() {
    let (sender, receiver) = bounded(4);
    (0..4).for_each(|n| sender.send(n).unwrap());
    for value in &receiver {
        if value == 1 {
            break;
        }
    }
    assert_eq!(receiver.recv(), Ok(2));
}

// The memory model. The values are relaxed on purpose: the channel must order them.

/// A send is synchronised before the completion of the receive of its value.
#[test]
fn a_send_happens_before_its_receive_completes() {
    with_runtimes(|runtime| {
        for capacity in [Some(0), Some(1), None] {
            let (sender, receiver) = capacity.map_or_else(unbounded, bounded);
            let note = Arc::new(AtomicUsize::new(0));
            let reads = note.clone();
            let receives = runtime.spawn(move || {
                for n in receiver {
                    assert!(reads.load(Ordering::Relaxed) >= n);
                }
            });
            for n in 1..500 {
                note.store(n, Ordering::Relaxed);
                sender.send(n).unwrap();
            }
            drop(sender);
            receives.join().unwrap();
        }
    });
}

/// The closing is synchronised before a receive that returns because the channel is closed.
#[test]
fn the_closing_happens_before_a_receive_that_tells_of_it() {
    with_runtimes(|runtime| {
        for _ in 0..200 {
            let (sender, receiver) = bounded::<u32>(0);
            let note = Arc::new(AtomicUsize::new(0));
            let writes = note.clone();
            let closes = runtime.spawn(move || {
                writes.store(1, Ordering::Relaxed);
                drop(sender);
            });
            assert_eq!(receiver.recv(), Err(RecvError));
            assert_eq!(note.load(Ordering::Relaxed), 1);
            closes.join().unwrap();
        }
    });
}

/// A receive from an unbuffered channel is synchronised before the completion of its send.
#[test]
fn an_unbuffered_receive_happens_before_its_send_completes() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(0);
        let note = Arc::new(AtomicUsize::new(0));
        let writes = note.clone();
        let receives = runtime.spawn(move || {
            for n in 1..500 {
                writes.store(n, Ordering::Relaxed);
                receiver.recv().unwrap();
            }
        });
        for n in 1..500 {
            sender.send(()).unwrap();
            assert!(note.load(Ordering::Relaxed) >= n);
        }
        receives.join().unwrap();
    });
}

/// The receive number k from a channel of capacity C is synchronised before the completion of send
/// number k + C. So a buffered channel can count permits.
#[test]
fn a_buffered_channel_is_a_counting_semaphore() {
    const PERMITS: usize = 3;
    with_runtimes(|runtime| {
        let (acquire, release) = bounded(PERMITS);
        let inside = Arc::new(AtomicUsize::new(0));
        let workers: Vec<_> = (0..20)
            .map(|_| {
                let (acquire, release) = (acquire.clone(), release.clone());
                let inside = inside.clone();
                runtime.spawn(move || {
                    acquire.send(()).unwrap();
                    assert!(inside.fetch_add(1, Ordering::Relaxed) < PERMITS);
                    coroutine::yield_now();
                    inside.fetch_sub(1, Ordering::Relaxed);
                    release.recv().unwrap();
                })
            })
            .collect();
        workers.into_iter().for_each(|worker| worker.join().unwrap());
    });
}
