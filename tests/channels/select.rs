//! `select!`: exactly one of several operations happens, and nothing is lost.

use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{RecvError, SendError};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, Cancelled, JoinHandle, sleep};
use mco::net::{TcpListener, TcpStream};
use mco::std::sync::channel::{Receiver, Sender, TrySendError, bounded, unbounded};
use mco::std::sync::{Semaphore, SyncFlag, WaitGroup};
use mco::{go, select};
use mco_tests::peer::with_both_kinds;
use mco_tests::started::{Drops, assert_cancelled, start};
use mco_tests::{HUNG, eventually, runtime, with_runtimes, within};

/// Longer than any test lasts.
const LONG: Duration = Duration::from_secs(3600);
/// Of what is to pass.
const WHILE: Duration = Duration::from_millis(20);

// One operation, one body.

#[test]
fn of_several_that_are_ready_exactly_one_happens() {
    const ROUNDS: usize = 10_000;
    within(HUNG, || {
        runtime(4).run(|| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..4).map(|_| unbounded::<usize>()).unzip();
            let producers: Vec<_> = senders
                .into_iter()
                .map(|sender| go!(move || (0..ROUNDS).for_each(|n| sender.send(n).unwrap())))
                .collect();
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            let bodies = Cell::new(0);
            let mut got = [0; 4];
            for round in 1..=ROUNDS {
                let which = select! {
                    v = receivers[0].recv() => { bodies.set(bodies.get() + 1); v.unwrap(); 0 },
                    v = receivers[1].recv() => { bodies.set(bodies.get() + 1); v.unwrap(); 1 },
                    v = receivers[2].recv() => { bodies.set(bodies.get() + 1); v.unwrap(); 2 },
                    v = receivers[3].recv() => { bodies.set(bodies.get() + 1); v.unwrap(); 3 },
                };
                got[which] += 1;
                assert_eq!(bodies.get(), round);
            }
            let left: usize = receivers.iter().map(Receiver::len).sum();
            assert_eq!(left, 4 * ROUNDS - ROUNDS, "a message was lost or taken twice");
            assert_eq!(got.iter().sum::<usize>(), ROUNDS);
        });
    });
}

#[test]
fn selecting_receivers_on_all_workers_get_each_message_once() {
    const MESSAGES: usize = 10_000;
    within(HUNG, || {
        runtime(4).run(|| {
            let (senders, receivers): (Vec<_>, Vec<_>) =
                (0..4).map(|channel| if channel < 2 { bounded(0) } else { bounded(2) }).unzip();
            let receivers: Arc<Vec<Receiver<usize>>> = Arc::new(receivers);
            let consumers: Vec<JoinHandle<Vec<usize>>> = (0..4)
                .map(|_| {
                    let receivers = receivers.clone();
                    go!(move || {
                        let mut got = Vec::new();
                        let mut open = [true; 4];
                        loop {
                            select! {
                                v = receivers[0].recv(), if open[0] => match v { Ok(v) => got.push(v), Err(_) => open[0] = false },
                                v = receivers[1].recv(), if open[1] => match v { Ok(v) => got.push(v), Err(_) => open[1] = false },
                                v = receivers[2].recv(), if open[2] => match v { Ok(v) => got.push(v), Err(_) => open[2] = false },
                                v = receivers[3].recv(), if open[3] => match v { Ok(v) => got.push(v), Err(_) => open[3] = false },
                                else => break,
                            }
                        }
                        got
                    })
                })
                .collect();
            let producers: Vec<_> = senders
                .into_iter()
                .enumerate()
                .map(|(channel, sender)| {
                    go!(move || {
                        for n in (channel..MESSAGES).step_by(4) {
                            sender.send(n).unwrap();
                        }
                    })
                })
                .collect();
            producers.into_iter().for_each(|producer| producer.join().unwrap());
            let mut all: Vec<_> =
                consumers.into_iter().flat_map(|consumer| consumer.join().unwrap()).collect();
            all.sort_unstable();
            assert_eq!(all, (0..MESSAGES).collect::<Vec<_>>());
        });
    });
}

#[test]
fn selecting_senders_and_selecting_receivers_meet() {
    const ROUNDS: usize = 2_000;
    within(HUNG, || {
        runtime(4).run(|| {
            let (a, from_a) = bounded::<usize>(0);
            let (b, from_b) = bounded::<usize>(0);
            let sending = go!(move || {
                let mut sent = [0, 0];
                for n in 0..ROUNDS {
                    select! {
                        r = a.send(n) => { r.unwrap(); sent[0] += 1 },
                        r = b.send(n) => { r.unwrap(); sent[1] += 1 },
                    }
                }
                sent
            });
            let receiving = go!(move || {
                let (mut got, mut values) = ([0, 0], Vec::new());
                for _ in 0..ROUNDS {
                    select! {
                        v = from_a.recv() => { values.push(v.unwrap()); got[0] += 1 },
                        v = from_b.recv() => { values.push(v.unwrap()); got[1] += 1 },
                    }
                }
                (got, values)
            });
            let sent = sending.join().unwrap();
            let (got, values) = receiving.join().unwrap();
            assert_eq!(sent, got);
            assert_eq!(values, (0..ROUNDS).collect::<Vec<_>>());
        });
    });
}

#[test]
fn each_of_four_ready_arms_is_chosen_about_equally_often() {
    const ROUNDS: u32 = 10_000;
    within(HUNG, || {
        runtime(1).run(|| {
            let channels: Vec<(Sender<()>, Receiver<()>)> = (0..4).map(|_| bounded(1)).collect();
            let mut chosen = [0u32; 4];
            for _ in 0..ROUNDS {
                channels.iter().for_each(|(sender, _)| _ = sender.try_send(()));
                let which = select! {
                    _ = channels[0].1.recv() => 0,
                    _ = channels[1].1.recv() => 1,
                    _ = channels[2].1.recv() => 2,
                    _ = channels[3].1.recv() => 3,
                };
                chosen[which] += 1;
            }
            let share = |n: &u32| (ROUNDS * 15 / 100..=ROUNDS * 35 / 100).contains(n);
            assert!(chosen.iter().all(share), "of {ROUNDS}: {chosen:?}");
        });
    });
}

#[test]
fn biased_always_takes_the_first_that_is_ready() {
    within(HUNG, || {
        runtime(1).run(|| {
            let channels: Vec<(Sender<()>, Receiver<()>)> = (0..3).map(|_| bounded(1)).collect();
            for round in 0..1_000 {
                // The first is ready in every other round.
                let ready = round % 2;
                channels[ready..].iter().for_each(|(sender, _)| _ = sender.try_send(()));
                let which = select! {
                    biased;
                    _ = channels[0].1.recv() => 0,
                    _ = channels[1].1.recv() => 1,
                    _ = channels[2].1.recv() => 2,
                };
                assert_eq!(which, ready);
                channels.iter().for_each(|(_, receiver)| _ = receiver.try_recv());
            }
        });
    });
}

// What loses.

#[test]
fn a_send_that_loses_gives_its_value_back() {
    within(HUNG, || {
        runtime(2).run(|| {
            let (full, _keep) = bounded::<String>(0);
            let (ready, receiver) = unbounded();
            ready.send(1).unwrap();
            let text = "mine".to_string();
            let back = select! {
                r = full.send(text) => { r.unwrap(); unreachable!("nobody receives") },
                v = receiver.recv() => { assert_eq!(v, Ok(1)); text },
            };
            assert_eq!(back, "mine");
        });
    });
}

#[test]
fn a_send_that_loses_after_waiting_gives_its_value_back() {
    with_both_kinds(|runtime, kind| {
        let drops = Drops::default();
        let value = drops.one();
        let (full, receiver_of_full) = bounded(0);
        let (sender, receiver) = unbounded();
        let selecting = kind.start_blocked(runtime, move || {
            select! {
                _ = full.send(value) => unreachable!("nobody receives"),
                _ = receiver.recv() => value,
            }
        });
        sender.send(()).unwrap();
        let value = selecting.join().unwrap();
        assert!(receiver_of_full.try_recv().is_err(), "the value was also sent");
        assert_eq!(drops.count(), 0);
        drop(value);
        assert_eq!(drops.count(), 1);
    });
}

#[test]
fn a_receive_that_loses_takes_nothing() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (a, from_a) = unbounded();
            let (b, from_b) = unbounded();
            for n in 0..1_000 {
                a.send(n).unwrap();
                b.send(n).unwrap();
                // Whichever is taken, the other's is still there.
                select! {
                    v = from_a.recv() => { assert_eq!(v, Ok(n)); assert_eq!(from_b.recv(), Ok(n)) },
                    v = from_b.recv() => { assert_eq!(v, Ok(n)); assert_eq!(from_a.recv(), Ok(n)) },
                }
                assert!(from_a.is_empty() && from_b.is_empty());
            }
        });
    });
}

#[test]
fn a_wait_that_loses_takes_no_permit() {
    within(HUNG, || {
        runtime(4).run(|| {
            let permits = Arc::new(Semaphore::new(0));
            let (sender, receiver) = unbounded::<()>();
            let taken = Arc::new(AtomicUsize::new(0));
            let selecting: Vec<_> = (0..8)
                .map(|_| {
                    let (permits, receiver, taken) =
                        (permits.clone(), receiver.clone(), taken.clone());
                    go!(move || {
                        for _ in 0..500 {
                            select! {
                                _ = permits.wait() => { taken.fetch_add(1, Ordering::SeqCst); },
                                _ = receiver.recv() => {},
                            }
                        }
                    })
                })
                .collect();
            for n in 0..4_000 {
                if n % 2 == 0 { permits.post() } else { sender.send(()).unwrap() }
            }
            selecting.into_iter().for_each(|s| s.join().unwrap());
            assert_eq!(taken.load(Ordering::SeqCst) + permits.get_value(), 2_000);
            assert_eq!(permits.get_value() + receiver.len(), 0);
        });
    });
}

#[test]
fn a_cancelled_select_leaves_nobody_behind() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (full, receiver_of_full) = bounded::<u32>(0);
        let (sender, receiver) = bounded::<u32>(0);
        let permits = Arc::new(Semaphore::new(0));
        let flag = Arc::new(SyncFlag::new());
        let (enters, takes, waits) = (receiver.clone(), permits.clone(), flag.clone());
        let selecting = start(&runtime, move || {
            select! {
                _ = full.send(1) => {},
                _ = enters.recv() => {},
                _ = takes.wait() => {},
                _ = waits.wait() => {},
                _ = sleep(LONG) => {},
            }
        });
        selecting.cancel();
        assert_cancelled(selecting);
        // Nobody is there to receive, to send, to take a permit.
        assert!(matches!(sender.try_send(2), Err(TrySendError::Full(2))));
        assert!(receiver_of_full.try_recv().is_err());
        permits.post();
        assert_eq!(permits.get_value(), 1);
        flag.fire();
        drop(receiver);
    });
}

#[test]
fn a_cancel_that_meets_a_message_loses_nothing() {
    within(HUNG, || {
        runtime(2).run(|| {
            for round in 0..1_000 {
                let (sender, receiver) = bounded::<usize>(1);
                let (_idle, other) = unbounded::<usize>();
                let selecting = {
                    let receiver = receiver.clone();
                    go!(move || select! {
                        v = receiver.recv() => v.ok(),
                        v = other.recv() => v.ok(),
                    })
                };
                if round % 2 == 0 {
                    coroutine::yield_now();
                }
                let sending = go!(move || sender.send(round).unwrap());
                selecting.cancel();
                sending.join().unwrap();
                let got = match selecting.join() {
                    Ok(got) => got,
                    Err(payload) => {
                        assert!(payload.is::<Cancelled>());
                        receiver.try_recv().ok()
                    }
                };
                assert_eq!(got, Some(round), "the message vanished");
            }
        });
    });
}

#[test]
fn a_cancel_while_the_losing_children_end_loses_nothing() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (sender, receiver) = unbounded();
        let (started, ending) = (Arc::new(SyncFlag::new()), Arc::new(SyncFlag::new()));
        let go_on = Arc::new(SyncFlag::new());
        let selecting = {
            let (started, ending, go_on) = (started.clone(), ending.clone(), go_on.clone());
            runtime.spawn(move || {
                let child = || {
                    mco::defer! {
                        ending.fire();
                        go_on.wait();
                    }
                    started.fire();
                    coroutine::park();
                };
                select! {
                    v = receiver.recv() => v.ok(),
                    _ = child() => None,
                }
            })
        };
        started.wait();
        sender.send(7).unwrap();
        // The message is taken, and the child is on its way out.
        ending.wait();
        selecting.cancel();
        go_on.fire();
        assert_eq!(selecting.join().unwrap(), Some(7), "the message vanished");
    });
}

// Closed channels.

#[test]
fn an_arm_on_a_closed_channel_is_ready() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded::<u32>();
            drop(sender);
            let (_idle, other) = unbounded::<u32>();
            let closed = select! {
                v = receiver.recv() => v,
                v = other.recv() => v,
            };
            assert_eq!(closed, Err(RecvError));
            let (sender, receiver) = bounded::<u32>(0);
            drop(receiver);
            let unsent = select! {
                r = sender.send(5) => r,
                _ = other.recv() => Ok(()),
            };
            assert_eq!(unsent, Err(SendError(5)));
        });
    });
}

#[test]
fn a_channel_that_closes_ends_the_wait() {
    with_both_kinds(|runtime, kind| {
        let (sender, _receiver) = bounded::<u32>(0);
        let (to_close, from_closed) = unbounded::<u32>();
        let waiting = kind.start_blocked(runtime, move || {
            select! {
                v = from_closed.recv() => v.is_err(),
                _ = sender.send(1) => false,
            }
        });
        drop(to_close);
        assert!(waiting.join().unwrap());
    });
}

// Patterns and guards.

#[test]
fn arms_on_the_same_operation_share_it() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded::<Result<u32, String>>();
            sender.send(Ok(1)).unwrap();
            sender.send(Err("x".to_string())).unwrap();
            sender.send(Ok(2)).unwrap();
            drop(sender);
            let mut seen = Vec::new();
            loop {
                select! {
                    Ok(Ok(n)) = receiver.recv() => seen.push(format!("ok {n}")),
                    Ok(Err(text)) = receiver.recv() => seen.push(format!("err {text}")),
                    Err(_) = receiver.recv() => break,
                }
            }
            assert_eq!(seen, ["ok 1", "err x", "ok 2"]);
        });
    });
}

#[test]
fn a_pattern_that_refuses_disables_its_arm() {
    with_both_kinds(|runtime, kind| {
        let (a, from_a) = unbounded::<u32>();
        let (b, from_b) = unbounded::<u32>();
        a.send(1).unwrap();
        let takes = from_a.clone();
        // It refuses the 1, and blocks.
        let selecting = kind.start_blocked(runtime, move || {
            select! {
                Ok(9) = takes.recv() => "nine",
                Ok(_) = from_b.recv() => "other",
            }
        });
        a.send(9).unwrap();
        b.send(0).unwrap();
        assert_eq!(selecting.join().unwrap(), "other");
        assert_eq!(from_a.try_recv(), Ok(9), "it was taken by an arm that was out");
    });
}

#[test]
fn when_all_have_refused_else_runs() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded::<u32>();
            sender.send(1).unwrap();
            let n = select! { Ok(9) = receiver.recv() => 9, else => 0 };
            assert_eq!(n, 0);
        });
    });
}

#[test]
fn without_else_it_panics_and_says_why() {
    within(HUNG, || {
        let payload = runtime(1)
            .spawn(|| {
                let (sender, receiver) = unbounded::<u32>();
                sender.send(1).unwrap();
                select! { Ok(9) = receiver.recv() => () }
            })
            .join()
            .unwrap_err();
        let text = payload.downcast_ref::<String>().map_or_else(
            || (*payload.downcast_ref::<&str>().expect("a message")).to_owned(),
            String::clone,
        );
        assert!(text.contains("no arm of this `select!` is left"), "{text}");
        assert!(text.contains("`else`"), "{text}");
    });
}

#[test]
fn a_guard_keeps_its_arm_out() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded::<u32>();
            sender.send(1).unwrap();
            for on in [false, true] {
                let got = select! {
                    v = receiver.recv(), if on => v.ok(),
                    default => None,
                };
                assert_eq!(got.is_some(), on);
            }
        });
    });
}

#[test]
fn default_runs_if_nothing_is_ready() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = bounded::<u32>(1);
            let read = || select! { v = receiver.recv() => v.ok(), default => None };
            assert_eq!(read(), None);
            sender.send(1).unwrap();
            assert_eq!(read(), Some(1));
            let write = |n| select! { r = sender.send(n) => r.is_ok(), default => false };
            assert!(write(2));
            assert!(!write(3));
        });
    });
}

// Bodies.

fn returns(receiver: &Receiver<u32>) -> Result<u32, RecvError> {
    let n = select! {
        v = receiver.recv() => v?,
        _ = sleep(LONG) => return Ok(0),
    };
    Ok(n + 1)
}

#[test]
fn question_mark_and_return_leave_the_caller() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded();
            sender.send(1).unwrap();
            assert_eq!(returns(&receiver), Ok(2));
            drop(sender);
            assert_eq!(returns(&receiver), Err(RecvError));
        });
    });
}

#[test]
fn break_and_continue_are_of_the_callers_loop() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded();
            (0..10).for_each(|n| sender.send(n).unwrap());
            let mut odd = Vec::new();
            'outer: loop {
                for _ in 0..100 {
                    select! {
                        Ok(n) = receiver.recv() => {
                            if n % 2 == 0 { continue }
                            if n > 7 { break 'outer }
                            odd.push(n);
                        },
                        else => unreachable!("there are ten"),
                    }
                }
            }
            assert_eq!(odd, [1, 3, 5, 7]);
        });
    });
}

#[test]
fn bodies_may_use_what_the_operations_borrow() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded();
            sender.send(1).unwrap();
            let mut kept = None;
            select! {
                v = receiver.recv() => { assert_eq!(v, Ok(1)); kept = Some(receiver) },
                _ = sleep(LONG) => drop(sender),
            }
            assert!(kept.is_some());
        });
    });
}

// Each kind of operation.

#[test]
fn the_end_of_a_coroutine() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (_idle, other) = unbounded::<u32>();
            let quick = go!(|| 7);
            let got = select! {
                r = quick.join() => r.unwrap(),
                v = other.recv() => v.unwrap(),
            };
            assert_eq!(got, 7);
            let fails = go!(|| panic!("on purpose"));
            let failed = select! { r = fails.join() => r.is_err(), _ = other.recv() => false };
            assert!(failed);
        });
    });
}

#[test]
fn a_handle_that_loses_can_be_joined_later() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded::<()>();
            let (release, released) = unbounded::<()>();
            let slow = go!(move || {
                sender.send(()).unwrap();
                released.recv().unwrap();
                5
            });
            let mut rounds = 0;
            let result = loop {
                select! {
                    r = slow.join() => break r.unwrap(),
                    Ok(()) = receiver.recv() => {
                        rounds += 1;
                        release.send(()).unwrap();
                    },
                }
            };
            assert_eq!((result, rounds), (5, 1));
        });
    });
}

#[test]
fn a_handle_that_won_cannot_be_joined_again() {
    within(HUNG, || {
        let outcome = runtime(1).spawn(|| {
            let handle = go!(|| 1);
            select! { r = handle.join() => r.unwrap() };
            handle.join().unwrap()
        });
        assert!(outcome.join().is_err());
    });
}

#[test]
fn the_end_of_a_scoped_coroutine() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let text = String::from("borrowed");
            coroutine::scope(|s| {
                let handle = s.spawn(|| text.len());
                let n = select! { r = handle.join() => r.unwrap(), _ = sleep(LONG) => 0 };
                assert_eq!(n, 8);
            });
        });
    });
}

#[test]
fn time_that_passes() {
    with_both_kinds(|runtime, kind| {
        let (_idle, other) = unbounded::<u32>();
        let start = Instant::now();
        let selecting = kind.start(runtime, move || {
            select! {
                _ = sleep(WHILE) => true,
                _ = other.recv() => false,
            }
        });
        assert!(selecting.join().unwrap());
        assert!(start.elapsed() >= WHILE, "after {:?}", start.elapsed());
    });
}

#[test]
fn the_nearest_of_several_sleeps_wins() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let which = select! {
                _ = sleep(LONG) => "long",
                _ = coroutine::sleep(WHILE) => "short",
            };
            assert_eq!(which, "short");
        });
    });
}

#[test]
fn a_connection_that_comes() {
    with_both_kinds(|runtime, kind| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (_idle, never) = unbounded::<u32>();
        let accepting = kind.start_blocked(runtime, move || {
            select! {
                accepted = listener.accept() => accepted.unwrap(),
                _ = never.recv() => unreachable!("nobody sends"),
            }
        });
        let client = std::net::TcpStream::connect(addr).unwrap();
        let (stream, peer) = accepting.join().unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        assert_eq!(stream.peer_addr().unwrap(), peer);
    });
}

#[test]
fn an_accept_that_loses_loses_no_connection() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr().unwrap();
            let (sender, receiver) = unbounded();
            let (mut accepted, mut messages) = (0, 0);
            let clients = go!(move || {
                let connect = |_| {
                    sender.send(()).unwrap();
                    TcpStream::connect(addr).unwrap()
                };
                (0..50).map(connect).collect::<Vec<_>>()
            });
            while accepted < 50 || messages < 50 {
                select! {
                    c = listener.accept(), if accepted < 50 => { c.unwrap(); accepted += 1 },
                    m = receiver.recv(), if messages < 50 => { m.unwrap(); messages += 1 },
                }
            }
            assert_eq!(clients.join().unwrap().len(), 50);
        });
    });
}

#[test]
fn a_permit_a_flag_and_a_group() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let permits = Arc::new(Semaphore::new(0));
            let flag = Arc::new(SyncFlag::new());
            let group = WaitGroup::new();
            let member = group.clone();
            let (posts, fires) = (permits.clone(), flag.clone());
            let waits = || {
                select! {
                    _ = permits.wait() => "permit",
                    _ = flag.wait() => "flag",
                }
            };
            go!(move || posts.post());
            assert_eq!(waits(), "permit");
            go!(move || fires.fire());
            assert_eq!(waits(), "flag");
            go!(move || drop(member));
            let done = select! { _ = group.wait() => true, _ = sleep(LONG) => false };
            assert!(done);
        });
    });
}

#[test]
fn any_other_expression_runs_in_a_child() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let text = String::from("borrowed");
            let (_idle, other) = unbounded::<usize>();
            let slow = |n: usize| {
                coroutine::yield_now();
                n + text.len()
            };
            let got = select! {
                n = slow(1) => n,
                v = other.recv() => v.unwrap(),
            };
            assert_eq!(got, 9);
        });
    });
}

#[test]
fn a_child_that_loses_is_cancelled_and_gone() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let drops = Drops::default();
            let started = AtomicBool::new(false);
            let (sender, receiver) = unbounded();
            let child = || {
                let _guard = drops.one();
                started.store(true, Ordering::SeqCst);
                sender.send(()).unwrap();
                sleep(LONG);
            };
            select! {
                _ = child() => unreachable!("it sleeps"),
                _ = receiver.recv() => {},
            }
            assert!(started.load(Ordering::SeqCst));
            assert_eq!(drops.count(), 1, "the child is still there");
        });
    });
}

#[test]
fn the_panic_of_a_child_passes_through() {
    with_runtimes(|runtime| {
        let payload = runtime.run(|| {
            panic::catch_unwind(AssertUnwindSafe(|| {
                select! {
                    _ = { panic!("on purpose") } => {},
                    _ = sleep(LONG) => {},
                }
            }))
            .unwrap_err()
        });
        assert_eq!(*payload.downcast::<&str>().unwrap(), "on purpose");
    });
}

#[test]
fn a_cancel_takes_the_children_with_it() {
    with_runtimes(|runtime| {
        let drops = Drops::default();
        let started = Arc::new(AtomicBool::new(false));
        let (counts, starts) = (drops.clone(), started.clone());
        let selecting = runtime.spawn(move || {
            let child = || {
                let _guard = counts.one();
                starts.store(true, Ordering::SeqCst);
                coroutine::park();
            };
            select! { _ = child() => {}, _ = sleep(LONG) => {} }
        });
        eventually("the child has started", || started.load(Ordering::SeqCst));
        selecting.cancel();
        assert_cancelled(selecting);
        assert_eq!(drops.count(), 1);
    });
}

// Who selects.

#[test]
fn whoever_is_blocked_in_a_select_is_woken() {
    with_both_kinds(|runtime, kind| {
        let (sender, receiver) = unbounded();
        let (_idle, other) = bounded::<u32>(0);
        let selecting = kind.start_blocked(runtime, move || {
            select! {
                v = receiver.recv() => v.unwrap(),
                v = other.recv() => v.unwrap(),
            }
        });
        sender.send(3).unwrap();
        assert_eq!(selecting.join().unwrap(), 3);
    });
}

#[test]
fn threads_and_coroutines_select_on_the_same_channels() {
    const MESSAGES: usize = 4_000;
    within(HUNG, || {
        let runtime = runtime(2);
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..2).map(|_| bounded::<usize>(1)).unzip();
        let receivers = Arc::new(receivers);
        let take = move |receivers: Arc<Vec<Receiver<usize>>>| {
            let mut got = HashSet::new();
            let mut open = [true, true];
            loop {
                select! {
                    v = receivers[0].recv(), if open[0] => match v { Ok(v) => _ = got.insert(v), Err(_) => open[0] = false },
                    v = receivers[1].recv(), if open[1] => match v { Ok(v) => _ = got.insert(v), Err(_) => open[1] = false },
                    else => return got,
                }
            }
        };
        let in_threads: Vec<_> = (0..2)
            .map(|_| {
                let receivers = receivers.clone();
                thread::spawn(move || take(receivers))
            })
            .collect();
        let in_coroutines: Vec<_> = (0..2)
            .map(|_| {
                let receivers = receivers.clone();
                runtime.spawn(move || take(receivers))
            })
            .collect();
        let mut turn = senders.into_iter().enumerate().map(|(channel, sender)| {
            runtime.spawn(move || {
                (channel..MESSAGES).step_by(2).for_each(|n| sender.send(n).unwrap());
            })
        });
        let sending: Vec<_> = turn.by_ref().collect();
        sending.into_iter().for_each(|s| s.join().unwrap());
        let mut all = HashSet::new();
        let mut count = 0;
        for got in in_threads.into_iter().map(|t| t.join().unwrap()) {
            count += got.len();
            all.extend(got);
        }
        for got in in_coroutines.into_iter().map(|c| c.join().unwrap()) {
            count += got.len();
            all.extend(got);
        }
        assert_eq!((count, all.len()), (MESSAGES, MESSAGES));
    });
}

/// A select over 64 channels, by a macro that writes the arms.
macro_rules! select_of {
    ($receivers:ident; $($n:literal)*) => {
        select! { $( v = $receivers[$n].recv() => ($n, v.unwrap()), )* }
    };
}

#[test]
fn sixty_four_arms() {
    within(HUNG, || {
        runtime(2).run(|| {
            let (senders, receivers): (Vec<_>, Vec<_>) = (0..64).map(|_| unbounded()).unzip();
            let selecting = go!(move || {
                let mut got = Vec::new();
                for _ in 0..64 {
                    let (n, v): (usize, usize) = select_of!(receivers;
                        0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28
                        29 30 31 32 33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53
                        54 55 56 57 58 59 60 61 62 63);
                    assert_eq!(n, v);
                    got.push(n);
                }
                got
            });
            for (n, sender) in senders.iter().enumerate().rev() {
                sender.send(n).unwrap();
            }
            let mut got = selecting.join().unwrap();
            got.sort_unstable();
            assert_eq!(got, (0..64).collect::<Vec<_>>());
            drop(senders);
        });
    });
}

/// What an arm can be, beside others.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Ready {
    Always,
    Never,
    /// Its guard is false.
    Out,
}

#[test]
fn each_ready_arm_is_as_likely_wherever_the_others_stand() {
    const ROUNDS: u32 = 1_000;
    within(HUNG, || {
        runtime(1).run(|| {
            let channels: [_; 5] = std::array::from_fn(|_| unbounded());
            for arrangement in 0..3usize.pow(5) {
                let kinds = [Ready::Always, Ready::Never, Ready::Out];
                let arms: [_; 5] =
                    std::array::from_fn(|arm| kinds[arrangement / 3usize.pow(arm as u32) % 3]);
                let ready = arms.iter().filter(|arm| **arm == Ready::Always).count();
                if ready == 0 {
                    continue;
                }
                for (channel, arm) in channels.iter().zip(arms) {
                    if arm == Ready::Always {
                        channel.0.send(()).unwrap();
                    }
                }
                let is_in = arms.map(|arm| arm != Ready::Out);
                let mut chosen = [0u32; 5];
                for _ in 0..ROUNDS {
                    let which = select! {
                        _ = channels[0].1.recv(), if is_in[0] => 0,
                        _ = channels[1].1.recv(), if is_in[1] => 1,
                        _ = channels[2].1.recv(), if is_in[2] => 2,
                        _ = channels[3].1.recv(), if is_in[3] => 3,
                        _ = channels[4].1.recv(), if is_in[4] => 4,
                    };
                    chosen[which] += 1;
                    channels[which].0.send(()).unwrap();
                }
                channels.iter().for_each(|channel| _ = channel.1.try_recv());
                let expected = f64::from(ROUNDS) / ready as f64;
                let chi_square: f64 = (chosen.iter().zip(arms))
                    .filter(|(_, arm)| *arm == Ready::Always)
                    .map(|(n, _)| (f64::from(*n) - expected).powi(2) / expected)
                    .sum();
                // Of four degrees of freedom or fewer: by chance in one of 10^9 arrangements.
                assert!(chi_square < 48.0, "{arms:?}: {chosen:?}");
                assert_eq!(chosen.iter().sum::<u32>(), ROUNDS);
            }
        });
    });
}

#[test]
fn children_that_end_at_once_are_chosen_about_equally_often() {
    const ROUNDS: u32 = 1_000;
    within(HUNG, || {
        runtime(1).run(|| {
            let mut chosen = [0u32; 3];
            for _ in 0..ROUNDS {
                let which = select! {
                    n = std::convert::identity(0) => n,
                    n = std::convert::identity(1) => n,
                    n = std::convert::identity(2) => n,
                };
                chosen[which] += 1;
            }
            assert!(chosen.iter().all(|n| *n > ROUNDS / 5), "{chosen:?}");
        });
    });
}

/// There is always a value in one of two channels, and sometimes it goes from one to the other.
#[test]
fn default_does_not_run_while_one_is_always_ready() {
    within(HUNG, || {
        let (one, other) = (unbounded(), unbounded());
        one.0.send(()).unwrap();
        let stop = AtomicBool::new(false);
        thread::scope(|s| {
            s.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    for (from, to) in [(&one, &other), (&other, &one)] {
                        // First this, so that there are two meanwhile.
                        to.0.send(()).unwrap();
                        from.1.recv().unwrap();
                    }
                }
            });
            let mut defaults = 0;
            for _ in 0..100_000 {
                select! {
                    _ = one.1.recv() => one.0.send(()).unwrap(),
                    _ = other.1.recv() => other.0.send(()).unwrap(),
                    default => defaults += 1,
                }
            }
            stop.store(true, Ordering::Relaxed);
            assert_eq!(defaults, 0, "nothing was ready so often");
        });
    });
}

/// Two that offer to each other, and neither waits: they may miss each other, and nothing is lost.
#[test]
fn offers_that_do_not_wait_meet_or_are_given_back() {
    const VALUES: u32 = 20_000;
    with_runtimes(|runtime| {
        let ((to, from), (_never, idle)) = (bounded(0), unbounded::<()>());
        let idles = idle.clone();
        let sends = runtime.spawn(move || {
            let mut next = 0;
            while next < VALUES {
                next = select! {
                    sent = to.send(next) => { sent.unwrap(); next + 1 }
                    _ = idles.recv() => unreachable!(),
                    default => { coroutine::yield_now(); next }
                };
            }
        });
        let receives = runtime.spawn(move || {
            let mut next = 0;
            while next < VALUES {
                select! {
                    value = from.recv() => { assert_eq!(value, Ok(next)); next += 1 }
                    _ = idle.recv() => unreachable!(),
                    // A send that does not wait meets nobody but one that does.
                    _ = sleep(Duration::from_millis(1)) => (),
                }
            }
        });
        sends.join().unwrap();
        receives.join().unwrap();
    });
}

// By what leads to a channel, and of what stays in one thread.

/// Leads to what it holds, and has no methods of its own.
struct Leads<T>(T);

impl<T> std::ops::Deref for Leads<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Evaluates to whether the operations of one `select!` have met each other, or something has got through.
macro_rules! meet {
    ($sender:expr, $receiver:expr) => {{
        let (sender, receiver) = ($sender, $receiver);
        (0..100).any(|_| {
            select! {
                _ = sender.send(5) => true,
                _ = receiver.recv() => true,
                _ = sleep(Duration::from_micros(10)) => false,
            }
        })
    }};
}

#[test]
fn through_whatever_leads_to_a_channel_it_is_waited_for_itself() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (tx, rx) = bounded::<u8>(0);
            assert!(!meet!(&tx, &rx));
            assert!(!meet!(&&tx, &&rx));
            assert!(!meet!(Leads(tx.clone()), Leads(rx.clone())));
            assert!(!meet!(&Leads(tx.clone()), &mut Leads(rx.clone())));
            assert!(!meet!(Leads(Leads(tx.clone())), Arc::new(Leads(rx.clone()))));
            assert!(!meet!(Arc::new(tx.clone()), Arc::new(rx.clone())));
            assert!(!meet!(Box::new(tx.clone()), Box::new(rx.clone())));
            assert!(!meet!(std::rc::Rc::new(tx.clone()), std::rc::Rc::new(rx.clone())));
            let (sender, receiver) =
                (mco::std::sync::Mutex::new(&tx), std::sync::Mutex::new(rx.clone()));
            let guard = sender.lock().unwrap();
            assert!(!meet!(*guard, receiver.lock().unwrap()));
            drop(guard);
            let cell = std::cell::RefCell::new(Leads(tx.clone()));
            let mutable = std::cell::RefCell::new(rx.clone());
            assert!(!meet!(cell.borrow(), mutable.borrow_mut()));
            let dynamic: Box<dyn std::ops::Deref<Target = Receiver<u8>>> =
                Box::new(Leads(rx.clone()));
            assert!(!meet!(Leads(tx.clone()), dynamic));
            generic(&Leads(tx), &Leads(rx));

            let semaphore = Leads(Semaphore::new(1));
            select! { _ = semaphore.wait() => {}, default => panic!("nothing was waited for") }
            let listener = Leads(TcpListener::bind("127.0.0.1:0").unwrap());
            select! { _ = listener.accept() => panic!("nobody has connected"), default => {} }
        });
    });
}

fn generic<S, R>(sender: &S, receiver: &R)
where
    S: std::ops::Deref<Target = Sender<u8>>,
    R: std::ops::Deref<Target = Receiver<u8>>,
{
    assert!(!meet!(sender, receiver));
}

#[test]
fn a_method_of_its_own_comes_first() {
    /// Leads to a receiver, and to whoever calls `recv` it gives something else.
    struct Counts(Receiver<u8>, AtomicUsize);

    impl std::ops::Deref for Counts {
        type Target = Receiver<u8>;

        fn deref(&self) -> &Receiver<u8> {
            &self.0
        }
    }

    impl Counts {
        fn recv(&self) -> Result<u8, RecvError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            self.0.recv()
        }
    }

    /// The same by a trait, of what is no type of its own.
    trait Recv {
        fn recv(&self) -> Result<u8, RecvError>;
    }

    impl Recv for Arc<Receiver<u8>> {
        fn recv(&self) -> Result<u8, RecvError> {
            Ok(77)
        }
    }

    /// One that must be mutable for it, and one that is used up by it.
    struct Mutable(Leads<Receiver<u8>>, usize);
    struct Once(Receiver<u8>);

    impl std::ops::Deref for Mutable {
        type Target = Receiver<u8>;

        fn deref(&self) -> &Receiver<u8> {
            &self.0
        }
    }

    impl std::ops::Deref for Once {
        type Target = Receiver<u8>;

        fn deref(&self) -> &Receiver<u8> {
            &self.0
        }
    }

    impl Mutable {
        fn recv(&mut self) -> Result<u8, RecvError> {
            self.1 += 1;
            self.0.recv()
        }
    }

    impl Once {
        fn recv(self) -> Result<u8, RecvError> {
            self.0.recv()
        }
    }

    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = unbounded();
            (0..5).for_each(|n| sender.send(n).unwrap());
            let counts = Counts(receiver.clone(), AtomicUsize::new(0));
            let by_reference = &counts;
            select! { value = counts.recv() => assert_eq!(value, Ok(0)) }
            select! { value = by_reference.recv() => assert_eq!(value, Ok(1)) }
            assert_eq!(counts.1.load(Ordering::Relaxed), 2);
            select! { value = (*counts).recv() => assert_eq!(value, Ok(2)) }
            assert_eq!(counts.1.load(Ordering::Relaxed), 2);
            let shared = Arc::new(receiver.clone());
            select! { value = shared.recv() => assert_eq!(value, Ok(77)) }
            let mut mutable = Mutable(Leads(receiver.clone()), 0);
            select! { value = mutable.recv() => assert_eq!(value, Ok(3)) }
            assert_eq!(mutable.1, 1);
            let once = Once(receiver);
            select! { value = once.recv() => assert_eq!(value, Ok(4)) }
        });
    });
}

#[test]
fn a_closure_around_it_borrows_what_it_selects_from() {
    within(HUNG, || {
        let (sender, receiver) = unbounded();
        let next = || select! { value = receiver.recv() => value.unwrap() };
        let put = |value| select! { sent = sender.send(value) => sent.unwrap() };
        put(1);
        put(2);
        assert_eq!((next(), next()), (1, 2));
        drop((sender, receiver));
    });
}

#[test]
fn what_is_not_send_is_sent_and_received_where_it_is() {
    use std::rc::Rc;
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (sender, receiver) = bounded(1);
            let value = Rc::new(5);
            select! {
                sent = sender.send(value.clone()) => sent.unwrap(),
                _ = receiver.recv() => panic!("there is nothing"),
            }
            let other = Rc::new(6);
            let got = select! {
                _ = sender.send(other) => panic!("there is no room"),
                got = receiver.recv() => (got.unwrap(), other),
                // In a child, which has nothing to do with it.
                _ = { coroutine::park() } => panic!("nobody unparks it"),
            };
            assert!(Rc::ptr_eq(&got.0, &value));
            assert_eq!(*got.1, 6);
            drop(sender);
            select! { got = receiver.recv() => assert!(got.is_err()) }
        });
    });
}
