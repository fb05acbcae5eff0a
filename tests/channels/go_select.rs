//! What the Go specification says about `select`, one test for each statement.
//!
//! Where `select!` differs, the test says so. In short:
//!
//! - There is no nil channel. An `if` guard stands in for it.
//! - With nothing to wait for it panics, where Go blocks for ever.
//! - `break` in a body leaves the loop around the `select!`, and not the `select!`.
//! - What was not sent comes back: in the error of a send that failed, and in the other bodies.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use mco::coroutine::sleep;
use mco::select;
use mco::std::sync::channel::{
    Receiver, RecvError, SendError, Sender, TrySendError, bounded, unbounded,
};
use mco_tests::peer::{Kind, blocked_child, with_both_kinds};
use mco_tests::{HUNG, runtime, text_of, with_runtimes, within};

// What is evaluated, and when.

/// The channels of all cases, and the values of all sends, are evaluated exactly once, in the order of
/// the source, whichever case is chosen.
#[test]
fn operands_are_evaluated_once_and_in_order() {
    let log = RefCell::new(Vec::new());
    let (sender, receiver) = bounded::<u32>(1);
    let (other, others) = bounded::<u32>(0);
    sender.send(1).unwrap();
    let receivers = |what, receiver: &Receiver<u32>| {
        log.borrow_mut().push(what);
        receiver.clone()
    };
    let senders = |what, sender: &Sender<u32>| {
        log.borrow_mut().push(what);
        sender.clone()
    };
    let values = |what, value| {
        log.borrow_mut().push(what);
        value
    };
    let got = select! {
        r = senders("first channel", &other).send(values("first value", 7)) => { r.unwrap(); 0 },
        v = receivers("second channel", &receiver).recv() => v.unwrap(),
        r = senders("third channel", &other).send(values("third value", 8)) => { r.unwrap(); 0 },
    };
    assert_eq!(got, 1);
    assert_eq!(
        *log.borrow(),
        ["first channel", "first value", "second channel", "third channel", "third value"]
    );
    drop(others);
}

/// What is on the left-hand side is evaluated only if that case is chosen.
#[test]
fn the_left_hand_side_is_evaluated_if_its_case_is_chosen() {
    let ((a, from_a), (_b, from_b)) = (bounded::<u32>(1), bounded::<u32>(1));
    a.send(5).unwrap();
    let (mut x, mut y) = (0, 0);
    select! {
        v = from_a.recv() => x = v.unwrap(),
        v = from_b.recv() => y = v.unwrap(),
    }
    assert_eq!((x, y), (5, 0));
}

/// The statements of the chosen case are executed, and no others.
#[test]
fn one_body_runs() {
    let ran = [Cell::new(0), Cell::new(0), Cell::new(0)];
    let run = |n: usize| ran[n].set(ran[n].get() + 1);
    let (sender, receiver) = bounded(1);
    for round in 1..=100 {
        sender.send(()).unwrap();
        select! {
            _ = receiver.recv() => run(0),
            _ = receiver.recv(), if round < 0 => run(1),
            default => run(2),
        }
    }
    assert_eq!(ran.map(Cell::into_inner), [100, 0, 0]);
}

/// What a case declares is in scope in its own statements, and hides what is outside.
#[test]
fn what_a_case_binds_is_its_own() {
    let (sender, receiver) = bounded(1);
    sender.send(5).unwrap();
    let value = 1;
    let inner = select! { Ok(value) = receiver.recv() => value, else => unreachable!() };
    assert_eq!((inner, value), (5, 1));
}

/// A `break` ends the innermost `select` in Go. In mco it is one of the loop's.
#[test]
fn break_leaves_the_loop() {
    let (sender, receiver) = unbounded();
    (0..5).for_each(|n| sender.send(n).unwrap());
    let mut seen = 0;
    loop {
        select! { n = receiver.recv() => if n == Ok(3) { break } else { seen += 1 } }
    }
    assert_eq!(seen, 3);
}

// Which case is chosen.

/// If one case can proceed, it is the one.
#[test]
fn the_case_that_can_proceed_is_taken() {
    with_both_kinds(|runtime, kind| {
        let ((_a, from_a), (b, from_b)) = (bounded::<u32>(1), bounded(1));
        b.send(5).unwrap();
        let selects = kind.start(runtime, move || {
            select! {
                v = from_a.recv() => (0, v),
                v = from_b.recv() => (1, v),
            }
        });
        assert_eq!(selects.join().unwrap(), (1, Ok(5)));
        drop(b);
    });
}

/// If several can proceed, one is chosen by a uniform pseudo-random selection.
#[test]
fn several_that_can_proceed_are_taken_evenly() {
    const ROUNDS: usize = 8_000;
    within(HUNG, || {
        let all = [(); 4].map(|()| bounded(1));
        all.iter().for_each(|(sender, _)| sender.send(()).unwrap());
        let mut counts = [0; 4];
        for _ in 0..ROUNDS {
            let chosen = select! {
                _ = all[0].1.recv() => 0,
                _ = all[1].1.recv() => 1,
                _ = all[2].1.recv() => 2,
                _ = all[3].1.recv() => 3,
            };
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
fn one_communication_takes_place() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let ((a, from_a), (b, from_b)) = (bounded(1), bounded(1));
            for _ in 0..100 {
                a.send(1).unwrap();
                select! {
                    v = from_a.recv() => assert_eq!(v, Ok(1)),
                    r = b.send(2) => r.unwrap(),
                }
                let (left, sent) = (from_a.try_recv().is_ok(), from_b.try_recv().is_ok());
                assert_eq!(left, sent, "it received if and only if it did not send");
            }
        });
    });
}

/// If none can proceed and there is a default, the default is taken.
#[test]
fn with_a_default_it_does_not_block() {
    let ((full, _full), (_empty, empty)) = (bounded(0), bounded::<u32>(1));
    let value = 1;
    let back = select! {
        r = full.send(value) => { r.unwrap(); 0 },
        v = empty.recv() => v.unwrap(),
        default => value,
    };
    assert_eq!(back, 1, "what was not sent comes back, which in Go it need not");
}

/// The default is not taken if a case can proceed.
#[test]
fn a_case_goes_before_the_default() {
    let (sender, receiver) = bounded(1);
    for n in 0..100 {
        let sent = select! { r = sender.send(n) => r.is_ok(), default => false };
        let got = select! { v = receiver.recv() => v.ok(), default => None };
        assert_eq!((sent, got), (true, Some(n)));
    }
}

/// If none can proceed and there is no default, it blocks until one can.
#[test]
fn without_a_default_it_blocks_until_a_case_can_proceed() {
    with_both_kinds(|runtime, kind| {
        for served in [0, 1] {
            let ((a, from_a), (b, from_b)) = (bounded(0), bounded(0));
            let selects = kind.start_blocked(runtime, move || {
                select! {
                    v = from_a.recv() => (0, v.unwrap()),
                    r = b.send(2) => (1, r.map_or(0, |()| 2)),
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
fn the_other_channels_are_left() {
    within(HUNG, || {
        runtime(1).run(|| {
            let ((a, from_a), (b, from_b)) = (bounded(0), bounded(0));
            let selects = blocked_child(move || {
                select! { _ = from_a.recv() => 0, _ = from_b.recv() => 1 }
            });
            b.try_send(1).expect("it waits");
            assert_eq!(a.try_send(2), Err(TrySendError::Full(2)), "before it has run");
            assert_eq!(selects.join().unwrap(), 1);
        });
    });
}

/// A receive from a closed channel can always proceed, in a select too.
#[test]
fn a_closed_channel_can_proceed() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let (_other, others) = bounded::<u32>(0);
        let selects = move |receiver: Receiver<u32>, others: Receiver<u32>| {
            select! { v = receiver.recv() => (0, v), v = others.recv() => (1, v) }
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
fn a_send_that_nobody_can_receive_can_proceed() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let selects = move |sender: Sender<u32>| select! { r = sender.send(5) => r };
        let theirs = sender.clone();
        let waits = kind.start_blocked(runtime, move || selects(theirs));
        drop(receiver);
        assert_eq!(waits.join().unwrap(), Err(SendError(5)));
        assert_eq!(selects(sender), Err(SendError(5)));
    });
}

/// A case with a nil channel is never chosen. In mco it is one whose `if` guard says no.
#[test]
fn a_nil_channel_is_never_chosen() {
    let ((_a, from_a), (b, from_b)) = (bounded::<u32>(1), bounded(1));
    let is_nil = true;
    for _ in 0..100 {
        b.send(1).unwrap();
        let got = select! {
            _ = from_a.recv(), if !is_nil => Err(RecvError),
            v = from_b.recv() => v,
        };
        assert_eq!(got, Ok(1));
    }
    drop(b);
    let chosen = select! { _ = from_b.recv(), if !is_nil => "closed", default => "default" };
    assert_eq!(chosen, "default");
}

/// A select with nil channels only blocks for ever. In mco it panics, since nothing can ever wake it.
/// (One without a case does not compile.)
#[test]
fn with_nil_channels_only_it_panics() {
    within(HUNG, || {
        let (_sender, receiver) = bounded::<u32>(0);
        let is_nil = true;
        let selects = mco::go!(move || select! { v = receiver.recv(), if !is_nil => drop(v.ok()) });
        let payload = selects.join().expect_err("it panics");
        assert!(text_of(&*payload).contains("no arm"), "{}", text_of(&*payload));
    });
}

/// The same channel may be in several cases.
#[test]
fn a_channel_may_be_named_twice() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let selects = kind.start_blocked(runtime, move || {
            let again = receiver.clone();
            select! { v = receiver.recv() => v, v = again.recv() => v }
        });
        sender.send(5).unwrap();
        assert_eq!(selects.join().unwrap(), Ok(5));
        assert_eq!(sender.send(6), Err(SendError(6)), "it has received one");
    });
}

/// One who offers to send and to receive on the same unbuffered channel does not meet itself.
#[test]
fn a_select_does_not_meet_itself() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded(0);
        let chosen = select! {
            _ = sender.send(1) => "send",
            _ = receiver.recv() => "receive",
            default => "default",
        };
        assert_eq!(chosen, "default");
        let (sends, receives) = (sender.clone(), receiver.clone());
        let selects = kind.start_blocked(runtime, move || {
            select! { _ = sends.send(2) => "send", _ = receives.recv() => "receive" }
        });
        assert_eq!(receiver.recv(), Ok(2));
        assert_eq!(selects.join().unwrap(), "send");
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
                    select! {
                        r = sender.send(n) => { r.unwrap(); None },
                        v = receiver.recv() => Some(v.unwrap()),
                    }
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
fn a_loop_merges_channels() {
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
            let (chosen, got) = select! {
                v = from_a.recv(), if open[0] => (0, v),
                v = from_b.recv(), if open[1] => (1, v),
            };
            match got {
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

/// `case <-time.After(d)` bounds how long a select blocks. In mco a `sleep` does, or `after(d)`.
#[test]
fn it_can_be_bounded_in_time() {
    const LIMIT: Duration = Duration::from_millis(10);
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = bounded::<u32>(0);
        let selects = kind.start(runtime, move || {
            let start = Instant::now();
            let slept = select! { _ = receiver.recv() => false, _ = sleep(LIMIT) => true };
            assert!(slept && start.elapsed() >= LIMIT);
            let start = Instant::now();
            let after = mco::std::time::after(LIMIT);
            let fired = select! { _ = receiver.recv() => false, t = after.recv() => t.is_ok() };
            assert!(fired && start.elapsed() >= LIMIT);
        });
        selects.join().unwrap();
        drop(sender);
    });
}
