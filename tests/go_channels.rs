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
//! For `select` these tests call what `select!` expands to, by hand ([`choose`]). What they do not
//! cover, since it is the macro's own part: operands are evaluated once and in the order of the
//! source, also those of arms that are not chosen; the left-hand side only if its arm is chosen; the
//! scope of what it binds; that one body runs; `break` in a body.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine;
use mco::private::select::{self, Arm, Mode, Native, NativeRecv, NativeSend, Operation, Probe};
use mco::private::select::{RecvArm, SendArm};
use mco::std::sync::channel::{
    Receiver, RecvError, SendError, Sender, TryRecvError, TrySendError, bounded, unbounded,
};
use mco_tests::peer::{Kind, blocked_child, with_both_kinds};
use mco_tests::{HUNG, runtime, text_of, with_runtimes, within};

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

// Select.

type Op<'a, N> = Operation<'a, N, <N as Native>::Output>;

/// `case v := <-c:`
fn receiving<T: Send>(receiver: &Receiver<T>) -> Op<'_, RecvArm<'_, T>> {
    Operation::native(Probe(receiver).recv_arm())
}

/// `case c <- value:`
fn sending<T: Send>(sender: &Sender<T>, value: T) -> Op<'_, SendArm<'_, T>> {
    Operation::native(Probe(sender).send_arm(value))
}

const BLOCKS: Mode = Mode { biased: false, default: false };
const HAS_DEFAULT: Mode = Mode { biased: false, default: true };

/// Which of the cases proceeds.
#[track_caller]
fn choose(mode: Mode, cases: &mut [Pin<&mut (dyn Arm + '_)>]) -> usize {
    select::run(cases, &vec![true; cases.len()], mode)
}

/// If one case can proceed, it is the one.
#[test]
fn select_takes_the_case_that_can_proceed() {
    with_both_kinds(|runtime, kind| {
        let ((_a, from_a), (b, from_b)) = (bounded::<u32>(1), bounded(1));
        b.send(5).unwrap();
        let selects = kind.start(runtime, move || {
            let (mut x, mut y) = (pin!(receiving(&from_a)), pin!(receiving(&from_b)));
            let chosen = choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]);
            (chosen, y.output())
        });
        assert_eq!(selects.join().unwrap(), (1, Ok(5)));
        drop(b);
    });
}

/// If several can proceed, one is chosen by a uniform pseudo-random selection.
#[test]
fn select_chooses_evenly_among_those_that_can_proceed() {
    const ROUNDS: usize = 8_000;
    within(HUNG, || {
        let all = [(); 4].map(|()| bounded(1));
        all.iter().for_each(|(sender, _)| sender.send(()).unwrap());
        let mut counts = [0; 4];
        for _ in 0..ROUNDS {
            let [mut a, mut b, mut c, mut d] =
                all.each_ref().map(|(_, receiver)| Box::pin(receiving(receiver)));
            let cases: &mut [Pin<&mut dyn Arm>] =
                &mut [a.as_mut(), b.as_mut(), c.as_mut(), d.as_mut()];
            let chosen = choose(BLOCKS, cases);
            counts[chosen] += 1;
            all[chosen].0.send(()).unwrap();
        }
        for count in counts {
            // A quarter each. Ten standard deviations off would be 1,612 or 2,388.
            assert!((1_600..2_400).contains(&count), "{counts:?}");
        }
    });
}

/// Exactly one communication takes place, however many could.
#[test]
fn select_performs_one_communication() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let ((a, from_a), (b, from_b)) = (bounded(1), bounded(1));
            for _ in 0..100 {
                a.send(1).unwrap();
                {
                    let (mut x, mut y) = (pin!(receiving(&from_a)), pin!(sending(&b, 2)));
                    choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]);
                }
                let (left, sent) = (from_a.try_recv().is_ok(), from_b.try_recv().is_ok());
                assert_eq!(left, sent, "it received if and only if it did not send");
            }
        });
    });
}

/// If none can proceed and there is a default, the default is taken.
#[test]
fn select_with_a_default_does_not_block() {
    let ((full, _full), (_empty, empty)) = (bounded(0), bounded::<u32>(1));
    let (mut x, mut y) = (pin!(sending(&full, 1)), pin!(receiving(&empty)));
    assert_eq!(choose(HAS_DEFAULT, &mut [x.as_mut(), y.as_mut()]), select::DEFAULT);
    assert_eq!(x.back(), 1, "what was not sent comes back, which in Go it need not");
}

/// The default is not taken if a case can proceed.
#[test]
fn select_prefers_a_case_to_the_default() {
    let (sender, receiver) = bounded(1);
    for n in 0..100 {
        let mut case = pin!(sending(&sender, n));
        assert_eq!(choose(HAS_DEFAULT, &mut [case.as_mut()]), 0);
        let mut case = pin!(receiving(&receiver));
        assert_eq!(choose(HAS_DEFAULT, &mut [case.as_mut()]), 0);
        assert_eq!(case.output(), Ok(n));
    }
}

/// If none can proceed and there is no default, it blocks until one can.
#[test]
fn select_without_a_default_blocks_until_a_case_can_proceed() {
    with_both_kinds(|runtime, kind| {
        for served in [0, 1] {
            let ((a, from_a), (b, from_b)) = (bounded(0), bounded(0));
            let selects = kind.start_blocked(runtime, move || {
                let (mut x, mut y) = (pin!(receiving(&from_a)), pin!(sending(&b, 2)));
                match choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]) {
                    0 => (0, x.output().unwrap()),
                    chosen => (chosen, y.output().map_or(0, |()| 2)),
                }
            });
            if served == 0 {
                a.try_send(1).expect("it waits");
            } else {
                assert_eq!(from_b.try_recv(), Ok(2));
            }
            assert_eq!(selects.join().unwrap(), (served, served + 1));
        }
    });
}

/// A blocked select that has been served by one channel no longer waits in the others.
#[test]
fn select_leaves_the_other_channels() {
    within(HUNG, || {
        runtime(1).run(|| {
            let ((a, from_a), (b, from_b)) = (bounded(0), bounded(0));
            let selects = blocked_child(move || {
                let (mut x, mut y) = (pin!(receiving(&from_a)), pin!(receiving(&from_b)));
                choose(BLOCKS, &mut [x.as_mut(), y.as_mut()])
            });
            b.try_send(1).expect("it waits");
            assert_eq!(a.try_send(2), Err(TrySendError::Full(2)), "before it has run");
            assert_eq!(selects.join().unwrap(), 1);
        });
    });
}

/// A receive from a closed channel can always proceed, in a select too.
#[test]
fn select_proceeds_with_a_closed_channel() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let (_other, others) = bounded::<u32>(0);
        let selects = move |receiver: Receiver<u32>, others: Receiver<u32>| {
            let (mut x, mut y) = (pin!(receiving(&receiver)), pin!(receiving(&others)));
            (choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]), x.output())
        };
        // Closed while it waits, and before.
        let (theirs, more) = (receiver.clone(), others.clone());
        let waits = kind.start_blocked(runtime, move || selects(theirs, more));
        drop(sender);
        assert_eq!(waits.join().unwrap(), (0, Err(RecvError)));
        assert_eq!(selects(receiver, others), (0, Err(RecvError)));
    });
}

/// A send on a closed channel that a select chooses panics in Go. In mco the channel has no receiver
/// then, the case can proceed, and it gives the value back.
#[test]
fn select_proceeds_with_a_send_that_nobody_can_receive() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let selects = move |sender: Sender<u32>| {
            let mut case = pin!(sending(&sender, 5));
            assert_eq!(choose(BLOCKS, &mut [case.as_mut()]), 0);
            case.output()
        };
        let theirs = sender.clone();
        let waits = kind.start_blocked(runtime, move || selects(theirs));
        drop(receiver);
        assert_eq!(waits.join().unwrap(), Err(SendError(5)));
        assert_eq!(selects(sender), Err(SendError(5)));
    });
}

/// A case with a nil channel is never chosen. In mco it is one whose `if` guard says no.
#[test]
fn select_never_chooses_a_nil_channel() {
    let ((_a, from_a), (b, from_b)) = (bounded::<u32>(0), bounded(200));
    for _ in 0..100 {
        b.send(1).unwrap();
        let (mut x, mut y) = (pin!(receiving(&from_a)), pin!(receiving(&from_b)));
        let cases: &mut [Pin<&mut dyn Arm>] = &mut [x.as_mut(), y.as_mut()];
        assert_eq!(select::run(cases, &[false, true], BLOCKS), 1);
        assert_eq!(y.output(), Ok(1));
    }
    drop(b);
    let mut x = pin!(receiving(&from_b));
    assert_eq!(select::run(&mut [x.as_mut()], &[false], HAS_DEFAULT), select::DEFAULT);
}

/// A select without a case, or with nil channels only, blocks for ever. In mco it panics, since
/// nothing can ever wake it.
#[test]
fn select_without_a_case_panics() {
    assert_eq!(select::run(&mut [], &[], BLOCKS), select::ALL_DISABLED);
    within(HUNG, || {
        let panics = coroutine::spawn(|| select::no_arm_left());
        let payload = panics.join().expect_err("it panics");
        assert!(text_of(&*payload).contains("no arm"), "{}", text_of(&*payload));
    });
}

/// The same channel may be in several cases.
#[test]
fn select_may_name_a_channel_twice() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let selects = kind.start_blocked(runtime, move || {
            let (mut x, mut y) = (pin!(receiving(&receiver)), pin!(receiving(&receiver)));
            let chosen = choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]);
            if chosen == 0 { x.output() } else { y.output() }
        });
        sender.send(5).unwrap();
        assert_eq!(selects.join().unwrap(), Ok(5));
        assert_eq!(sender.send(6), Err(SendError(6)), "it has received one");
    });
}

/// One who offers to send and to receive on the same unbuffered channel does not meet itself.
#[test]
fn select_does_not_meet_itself() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        {
            let (mut x, mut y) = (pin!(sending(&sender, 1)), pin!(receiving(&receiver)));
            let chosen = choose(HAS_DEFAULT, &mut [x.as_mut(), y.as_mut()]);
            assert_eq!(chosen, select::DEFAULT);
        }
        let both = (sender.clone(), receiver.clone());
        let selects = kind.start_blocked(runtime, move || {
            let (mut x, mut y) = (pin!(sending(&both.0, 2)), pin!(receiving(&both.1)));
            choose(BLOCKS, &mut [x.as_mut(), y.as_mut()])
        });
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(selects.join().unwrap(), 0);
        drop(sender);
    });
}

/// Two who each offer to send and to receive on one unbuffered channel meet each other.
#[test]
fn two_selects_meet_each_other() {
    with_runtimes(|runtime| {
        for _ in 0..200 {
            let (sender, receiver) = bounded(0);
            let start = |n: usize| {
                let (sender, receiver) = (sender.clone(), receiver.clone());
                runtime.spawn(move || {
                    let (mut x, mut y) = (pin!(sending(&sender, n)), pin!(receiving(&receiver)));
                    let chosen = choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]);
                    (chosen == 1).then(|| y.output().unwrap())
                })
            };
            let (a, b) = (start(1), start(2));
            let ends = (a.join().unwrap(), b.join().unwrap());
            assert!(matches!(ends, (None, Some(1)) | (Some(2), None)), "{ends:?}");
        }
    });
}

/// A select in a loop over two channels drains both, and ends when both are closed. (In Go by
/// setting the variable of a closed channel to nil, in mco with a guard.)
#[test]
fn select_in_a_loop_merges_channels() {
    with_runtimes(|runtime| {
        let ((a, from_a), (b, from_b)) = (bounded(0), bounded(2));
        for (index, sender) in [a, b].into_iter().enumerate() {
            Kind::alternate(index).start(runtime, move || {
                (0..500).for_each(|n| sender.send(n).unwrap());
            });
        }
        let mut next = [0, 0];
        let mut open = [true, true];
        while open.contains(&true) {
            let (mut x, mut y) = (pin!(receiving(&from_a)), pin!(receiving(&from_b)));
            let cases: &mut [Pin<&mut dyn Arm>] = &mut [x.as_mut(), y.as_mut()];
            let chosen = select::run(cases, &open, BLOCKS);
            match if chosen == 0 { x.output() } else { y.output() } {
                Ok(n) => {
                    assert_eq!(n, next[chosen]);
                    next[chosen] += 1;
                }
                Err(RecvError) => open[chosen] = false,
            }
        }
        assert_eq!(next, [500, 500]);
    });
}

/// `case <-time.After(d)` bounds how long a select blocks. In mco a `sleep` does.
#[test]
fn select_can_be_bounded_in_time() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let selects = kind.start(runtime, move || {
            let start = std::time::Instant::now();
            let limit = Duration::from_millis(10);
            let sleep = Operation::<_, ()>::native(select::sleep_arm(limit));
            let (mut x, mut y) = (pin!(receiving(&receiver)), pin!(sleep));
            let chosen = choose(BLOCKS, &mut [x.as_mut(), y.as_mut()]);
            assert!(start.elapsed() >= limit);
            chosen
        });
        assert_eq!(selects.join().unwrap(), 1);
        drop(sender);
    });
}
