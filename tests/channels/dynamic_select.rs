//! `mco::std::sync::Select`: a choice among operations that are added at run time.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mco::coroutine::{self, scope};
use mco::std::sync::channel::{
    RecvTimeoutError, SendTimeoutError, TryRecvError, TrySendError, bounded, never, unbounded,
};
use mco::std::sync::{
    ReadyTimeoutError, Receiver, Select, SelectTimeoutError, Sender, TryReadyError, TrySelectError,
    WaitGroup,
};
use mco::{chan, select, spawn};
use mco_tests::everywhere::everywhere;
use mco_tests::started::{Drops, assert_cancelled, start};
use mco_tests::{HUNG, text_of, with_runtimes, within};

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn what_is_possible_is_chosen_and_completed() {
    everywhere(|| {
        let (one, other) = (unbounded(), bounded(1));
        let mut select = Select::new();
        let recv = select.recv(&one.1);
        let send = select.send(&other.0);
        one.0.send(1).unwrap();
        other.0.send(0).unwrap();
        let operation = select.select();
        assert_eq!(operation.index(), recv);
        assert_eq!(operation.recv(&one.1), Ok(1));
        assert_eq!(other.1.recv(), Ok(0));
        let operation = select.select();
        assert_eq!(operation.index(), send);
        operation.send(&other.0, 2).unwrap();
        assert_eq!(other.1.recv(), Ok(2));
        assert!(one.1.is_empty() && other.1.is_empty());
    });
}

#[test]
fn a_closed_channel_is_chosen_with_its_error() {
    everywhere(|| {
        let (sender, closed) = unbounded::<u8>();
        let (unwanted, receiver) = bounded::<u8>(0);
        sender.send(1).unwrap();
        drop((sender, receiver));
        let mut select = Select::new();
        let recv = select.recv(&closed);
        let operation = select.select();
        assert_eq!((operation.index(), operation.recv(&closed)), (recv, Ok(1)));
        assert!(select.select().recv(&closed).is_err());
        assert!(select.try_select().unwrap().recv(&closed).is_err());
        let send = select.send(&unwanted);
        select.remove(recv);
        let operation = select.select();
        assert_eq!(operation.index(), send);
        assert_eq!(operation.send(&unwanted, 7).unwrap_err().0, 7);
    });
}

#[test]
fn a_channel_that_is_closed_meanwhile_ends_the_wait() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded::<u8>();
        let waits = start(runtime, move || {
            let mut select = Select::new();
            select.recv(&receiver);
            select.select().recv(&receiver)
        });
        drop(sender);
        assert!(waits.join().unwrap().is_err());
        let (sender, receiver) = bounded(0);
        let waits = start(runtime, move || {
            let mut select = Select::new();
            select.send(&sender);
            select.select().send(&sender, 7)
        });
        drop(receiver);
        assert_eq!(waits.join().unwrap().unwrap_err().0, 7);
    });
}

#[test]
fn without_anything_possible_it_says_so() {
    everywhere(|| {
        let (_sender, receiver) = unbounded::<u8>();
        let (full, _receiver) = bounded::<u8>(0);
        let mut select = Select::new();
        assert_eq!(select.try_select().unwrap_err(), TrySelectError);
        assert_eq!(select.try_ready(), Err(TryReadyError));
        assert_eq!(select.select_timeout(SHORT).unwrap_err(), SelectTimeoutError);
        select.recv(&receiver);
        assert_eq!(select.try_select().unwrap_err(), TrySelectError);
        select.send(&full);
        assert_eq!(select.try_select().unwrap_err(), TrySelectError);
        assert_eq!(select.try_ready(), Err(TryReadyError));
        let begin = Instant::now();
        assert_eq!(select.select_timeout(SHORT).unwrap_err(), SelectTimeoutError);
        assert_eq!(select.ready_timeout(SHORT), Err(ReadyTimeoutError));
        assert!(begin.elapsed() >= SHORT * 2);
        let late = Instant::now();
        assert_eq!(select.select_deadline(late).unwrap_err(), SelectTimeoutError);
        assert_eq!(select.ready_deadline(late), Err(ReadyTimeoutError));
    });
}

#[test]
fn what_is_possible_is_not_too_late() {
    everywhere(|| {
        let (sender, receiver) = unbounded();
        let mut select = Select::new();
        select.recv(&receiver);
        for n in 0..100 {
            sender.send(n).unwrap();
            assert_eq!(select.ready_timeout(Duration::ZERO), Ok(0));
            let chosen = select.select_timeout(Duration::ZERO).expect("it is there");
            assert_eq!(chosen.recv(&receiver), Ok(n));
        }
    });
}

#[test]
fn to_select_from_nothing_or_to_complete_another_operation_panics() {
    let panics = |f: fn()| {
        let payload = within(HUNG, move || std::panic::catch_unwind(f)).unwrap_err();
        text_of(&*payload).to_owned()
    };
    assert!(panics(|| drop(Select::new().select())).contains("wait for ever"));
    assert!(panics(|| assert!(Select::new().ready() > 0)).contains("wait for ever"));
    assert!(panics(|| Select::new().remove(0)).contains("index 0"));
    let other = panics(|| {
        let (one, other) = (unbounded::<u8>(), unbounded::<u8>());
        let mut select = Select::new();
        select.send(&one.0);
        let _ = select.select().send(&other.0, 1);
    });
    assert!(other.contains("the channel that it was added with"), "{other}");
    let not_to_send = panics(|| {
        let (sender, receiver) = unbounded::<u8>();
        sender.send(1).unwrap();
        let mut select = Select::new();
        select.recv(&receiver);
        let _ = select.select().send(&sender, 1);
    });
    assert!(not_to_send.contains("is to receive"), "{not_to_send}");
}

#[test]
fn an_operation_that_is_dropped_has_not_happened() {
    everywhere(|| {
        let (sender, receiver) = bounded(2);
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        let mut select = Select::new();
        select.recv(&receiver);
        drop(select.select());
        assert_eq!((receiver.len(), receiver.recv(), receiver.recv()), (2, Ok(1), Ok(2)));
        let mut select = Select::new();
        select.send(&sender);
        let (one, two) = (select.select(), select.select());
        assert!(select.try_select().is_err() && sender.is_full());
        assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
        drop(one);
        sender.try_send(3).unwrap();
        assert!(sender.is_full());
        drop(two);
        sender.try_send(4).unwrap();
        assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [3, 4]);
    });
}

#[test]
fn a_place_is_nobody_elses_until_it_is_completed() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(1);
        let mut select = Select::new();
        select.send(&sender);
        let place = select.select();
        let other = sender.clone();
        let waits = start(runtime, move || other.send(2));
        coroutine::yield_now();
        assert!(!waits.is_finished(), "it has no room");
        place.send(&sender, 1).unwrap();
        assert_eq!((receiver.recv(), receiver.recv()), (Ok(1), Ok(2)));
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn a_place_that_is_given_up_lets_a_sender_in_that_waits() {
    with_runtimes(|runtime| {
        for capacity in [0, 1] {
            let (sender, receiver) = bounded(capacity);
            let receives = (capacity == 0).then(|| {
                let receiver = receiver.clone();
                start(runtime, move || receiver.recv().unwrap())
            });
            let mut select = Select::new();
            select.send(&sender);
            let place = select.select();
            let other = sender.clone();
            let waits = start(runtime, move || other.send(2));
            drop(place);
            waits.join().unwrap().unwrap();
            match receives {
                Some(receives) => assert_eq!(receives.join().unwrap(), 2),
                None => assert_eq!(receiver.recv(), Ok(2)),
            }
        }
    });
}

#[test]
fn a_receiver_and_a_select_that_sends_meet_whoever_comes_first() {
    with_runtimes(|runtime| {
        for capacity in [0, 1, 3] {
            let (sender, receiver) = bounded(capacity);
            let fill = sender.clone();
            let select_sends = move |n| {
                let mut select = Select::new();
                select.send(&sender);
                select.select().send(&sender, n).unwrap();
            };
            // The select waits.
            (0..capacity).for_each(|_| fill.send(0).unwrap());
            let sends = select_sends.clone();
            let waits = start(runtime, move || sends(1));
            (0..capacity).for_each(|_| assert_eq!(receiver.recv(), Ok(0)));
            assert_eq!(receiver.recv(), Ok(1));
            waits.join().unwrap();
            // The receiver waits.
            let receives = receiver.clone();
            let waits = start(runtime, move || receives.recv());
            select_sends(2);
            assert_eq!(waits.join().unwrap(), Ok(2));
            // So does another select.
            let sends = select_sends.clone();
            let (go_on, paused) = chan!(());
            let waits = start(runtime, move || {
                paused.recv().unwrap_err();
                sends(3)
            });
            drop(go_on);
            let mut select = Select::new();
            select.recv(&receiver);
            assert_eq!(select.select().recv(&receiver), Ok(3));
            waits.join().unwrap();
            // And a `select!`.
            let waits = start(runtime, move || select_sends(4));
            let received = select! {
                n = receiver.recv() => n,
                _ = never::<()>().recv() => unreachable!(),
            };
            assert_eq!(received, Ok(4));
            waits.join().unwrap();
            drop(fill);
        }
    });
}

#[test]
fn who_only_tries_to_receive_meets_a_select_that_waits_to_send() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(0);
        let waits = start(runtime, move || {
            let mut select = Select::new();
            select.send(&sender);
            select.select().send(&sender, 1)
        });
        let received = loop {
            match receiver.try_recv() {
                Ok(value) => break value,
                Err(error) => assert_eq!(error, TryRecvError::Empty),
            }
            coroutine::yield_now();
        };
        assert_eq!(received, 1);
        waits.join().unwrap().unwrap();
    });
}

#[test]
fn a_value_whose_receiver_gives_up_waits_for_the_next_one() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(0);
        let other = receiver.clone();
        let gives_up = start(runtime, move || other.recv());
        let mut select = Select::new();
        select.send(&sender);
        let place = select.select();
        gives_up.cancel();
        assert_cancelled(gives_up);
        place.send(&sender, 1).unwrap();
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(sender.send_timeout(2, SHORT), Err(SendTimeoutError::Timeout(2)));
    });
}

#[test]
fn it_sends_and_receives_on_one_channel_and_is_no_partner_for_itself() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(0);
        let chooses = || {
            let (sender, receiver) = (sender.clone(), receiver.clone());
            move || {
                let mut select = Select::new();
                let sends = select.send(&sender);
                select.recv(&receiver);
                let operation = select.select();
                if operation.index() == sends {
                    operation.send(&sender, 1).unwrap();
                    None
                } else {
                    Some(operation.recv(&receiver).unwrap())
                }
            }
        };
        let one = start(runtime, chooses());
        coroutine::sleep(SHORT);
        assert!(!one.is_finished());
        let other = start(runtime, chooses());
        let mut ends = [one.join().unwrap(), other.join().unwrap()];
        ends.sort();
        assert_eq!(ends, [None, Some(1)]);
    });
}

#[test]
fn one_value_wakes_one_of_several() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded();
        let waits: Vec<_> = (0..8)
            .map(|_| {
                let receiver = receiver.clone();
                start(runtime, move || {
                    let never = never::<u32>();
                    let mut select = Select::new();
                    select.recv(&never);
                    select.recv(&receiver);
                    select.select().recv(&receiver).unwrap()
                })
            })
            .collect();
        for n in 0..8 {
            assert_eq!(waits.iter().filter(|one| one.is_finished()).count(), n);
            sender.send(1).unwrap();
            mco_tests::eventually("one goes on", || {
                waits.iter().filter(|one| one.is_finished()).count() == n + 1
            });
        }
        assert_eq!(waits.into_iter().map(|one| one.join().unwrap()).sum::<u32>(), 8);
    });
}

#[test]
fn one_that_is_cancelled_has_chosen_nothing() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded(0);
        let (values, wanted) = unbounded::<u8>();
        let waits = start(runtime, move || {
            let mut select = Select::new();
            select.send(&sender);
            select.recv(&wanted);
            drop(select.select());
        });
        waits.cancel();
        assert_cancelled(waits);
        assert_eq!(receiver.try_recv(), Err::<u8, _>(TryRecvError::Disconnected));
        assert!(values.send(1).is_err());
    });
}

#[test]
fn ready_says_what_could_be_done_and_does_nothing() {
    with_runtimes(|runtime| {
        let (sender, receiver) = unbounded();
        let (full, room) = bounded(1);
        full.send(0).unwrap();
        let mut select = Select::new();
        let recv = select.recv(&receiver);
        let send = select.send(&full);
        assert_eq!(select.try_ready(), Err(TryReadyError));
        sender.send(1).unwrap();
        assert_eq!((select.ready(), select.try_ready(), receiver.len()), (recv, Ok(recv), 1));
        assert_eq!(receiver.try_recv(), Ok(1));
        // One that it has to wait for.
        let other = sender.clone();
        let sends = runtime.spawn(move || {
            coroutine::sleep(SHORT);
            other.send(2).unwrap();
        });
        assert_eq!((select.ready(), receiver.try_recv()), (recv, Ok(2)));
        sends.join().unwrap();
        let takes = runtime.spawn(move || {
            coroutine::sleep(SHORT);
            (room.recv(), room)
        });
        assert_eq!(select.ready(), send);
        full.try_send(3).unwrap();
        let (first, room) = takes.join().unwrap();
        assert_eq!((first, room.try_recv()), (Ok(0), Ok(3)));
        drop(sender);
        assert!(select.ready_timeout(HUNG).is_ok());
    });
}

#[test]
fn each_that_is_ready_is_chosen_as_often_as_any_other() {
    const ROUNDS: usize = 10_000;
    everywhere(|| {
        let channels: Vec<_> = (0..6).map(|_| unbounded::<()>()).collect();
        // Between those that are ready is one that is not.
        let ready = [0, 1, 3, 5];
        ready.iter().for_each(|n| channels[*n].0.send(()).unwrap());
        let room = bounded::<()>(1);
        let mut select = Select::new();
        channels.iter().for_each(|(_, receiver)| _ = select.recv(receiver));
        let send = select.send(&room.0);
        let mut counts = HashMap::new();
        for _ in 0..ROUNDS {
            let operation = select.select();
            *counts.entry(operation.index()).or_insert(0) += 1;
            drop(operation);
        }
        assert_eq!(counts.len(), 5, "{counts:?}");
        let expected = ROUNDS / 5;
        for index in ready.into_iter().chain([send]) {
            let count: usize = counts[&index];
            // More than seven deviations.
            assert!(count.abs_diff(expected) < 300, "{index}: {count} of {ROUNDS}");
        }
    });
}

#[test]
fn a_biased_one_chooses_what_was_added_first() {
    everywhere(|| {
        let channels: Vec<_> = (0..5).map(|_| unbounded::<()>()).collect();
        channels[2..].iter().for_each(|(sender, _)| sender.send(()).unwrap());
        let mut select = Select::new_biased();
        channels.iter().for_each(|(_, receiver)| _ = select.recv(receiver));
        assert!((0..100).all(|_| select.ready() == 2));
        assert!((0..100).all(|_| select.select().index() == 2));
        select.remove(2);
        assert_eq!(select.select().index(), 3);
    });
}

#[test]
fn hundreds_of_operations_are_each_served() {
    const CHANNELS: usize = 300;
    with_runtimes(|runtime| {
        let channels: Arc<Vec<_>> = Arc::new((0..CHANNELS).map(|_| bounded(0)).collect());
        let all = channels.clone();
        let sums = start(runtime, move || {
            let mut select = Select::new();
            all.iter().for_each(|(_, receiver)| _ = select.recv(receiver));
            let mut sum = 0;
            for _ in 0..CHANNELS {
                let operation = select.select();
                let index = operation.index();
                sum += operation.recv(&all[index].1).unwrap();
                select.remove(index);
            }
            sum
        });
        for n in (0..CHANNELS).rev() {
            channels[n].0.send(n).unwrap();
        }
        assert_eq!(sums.join().unwrap(), CHANNELS * (CHANNELS - 1) / 2);
    });
}

#[test]
fn each_value_arrives_once_between_selects_and_others() {
    const SENDERS: usize = 4;
    const EACH: usize = 400;
    with_runtimes(|runtime| {
        for capacity in [Some(0), Some(1), Some(4), None] {
            let make = || capacity.map_or_else(unbounded, bounded);
            let channels: Arc<[_; 3]> = Arc::new(std::array::from_fn(|_| make()));
            let (sums, received) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let (done, over) = unbounded::<()>();
            let mut senders = Vec::new();
            for sender in 0..SENDERS {
                let channels = channels.clone();
                let sends = move || {
                    let mut select = Select::new();
                    channels.iter().for_each(|(sender, _)| _ = select.send(sender));
                    for n in 0..EACH {
                        let value = sender * EACH + n;
                        match n % 5 {
                            0 => channels[n % 3].0.send(value).unwrap(),
                            1 => {
                                let index = select.ready();
                                match channels[index].0.try_send(value) {
                                    Ok(()) => {}
                                    Err(TrySendError::Full(value)) => {
                                        channels[index].0.send(value).unwrap();
                                    }
                                    Err(closed) => panic!("{closed}"),
                                }
                            }
                            2 => _ = select.select_timeout(Duration::from_micros(10)),
                            _ => {}
                        }
                        if n % 5 > 1 {
                            let operation = select.select();
                            let index = operation.index();
                            operation.send(&channels[index].0, value).unwrap();
                        }
                    }
                };
                senders.push(runtime.spawn(sends));
            }
            let mut receivers = Vec::new();
            for receiver in 0..4 {
                let (channels, over) = (channels.clone(), over.clone());
                let (sums, received) = (sums.clone(), received.clone());
                let receives = move || {
                    let mut select = Select::new();
                    channels.iter().for_each(|(_, receiver)| _ = select.recv(receiver));
                    let ends = select.recv(&over);
                    loop {
                        let value = match receiver {
                            0 | 1 => {
                                let operation = select.select();
                                let index = operation.index();
                                if index == ends {
                                    break;
                                }
                                operation.recv(&channels[index].1).unwrap()
                            }
                            2 => {
                                let index = select.ready();
                                if index == ends {
                                    break;
                                }
                                match channels[index].1.try_recv() {
                                    Ok(value) => value,
                                    Err(_) => {
                                        coroutine::yield_now();
                                        continue;
                                    }
                                }
                            }
                            _ => select! {
                                value = channels[0].1.recv() => value.unwrap(),
                                value = channels[1].1.recv() => value.unwrap(),
                                value = channels[2].1.recv() => value.unwrap(),
                                _ = over.recv() => break,
                            },
                        };
                        sums.fetch_add(value, Ordering::Relaxed);
                        received.fetch_add(1, Ordering::Relaxed);
                    }
                };
                if receiver % 2 == 0 {
                    receivers.push(runtime.spawn(receives));
                } else {
                    let thread = std::thread::spawn(receives);
                    receivers.push(runtime.spawn(move || mco::blocking(|| thread.join().unwrap())));
                }
            }
            senders.into_iter().for_each(|sender| sender.join().unwrap());
            let count = SENDERS * EACH;
            mco_tests::eventually("all have arrived", || received.load(Ordering::Relaxed) >= count);
            drop(done);
            receivers.into_iter().for_each(|receiver| receiver.join().unwrap());
            assert_eq!(received.load(Ordering::Relaxed), count, "{capacity:?}");
            assert_eq!(sums.load(Ordering::Relaxed), count * (count - 1) / 2, "{capacity:?}");
            assert!(channels.iter().all(|(_, receiver)| receiver.try_recv().is_err()));
        }
    });
}

#[test]
fn the_values_of_a_sender_arrive_in_its_order() {
    const COUNT: usize = 2_000;
    with_runtimes(|runtime| {
        for capacity in [0, 1, 7] {
            let (sender, receiver) = bounded(capacity);
            let sends = runtime.spawn(move || {
                let mut select = Select::new();
                select.send(&sender);
                for n in 0..COUNT {
                    match n % 3 {
                        0 => sender.send(n).unwrap(),
                        1 => select.select().send(&sender, n).unwrap(),
                        _ => {
                            // One that is given up before.
                            _ = select.select_timeout(Duration::ZERO);
                            select.select().send(&sender, n).unwrap();
                        }
                    }
                }
            });
            let mut select = Select::new();
            select.recv(&receiver);
            for n in 0..COUNT {
                if n % 2 == 0 {
                    drop(select.select());
                    select.ready();
                    assert_eq!(select.select().recv(&receiver), Ok(n));
                } else {
                    assert_eq!(receiver.recv(), Ok(n));
                }
            }
            sends.join().unwrap();
        }
    });
}

#[test]
fn of_two_channels_one_of_which_has_a_value_a_try_never_finds_none() {
    // As crossbeam's `linearizable_try`.
    const ROUNDS: usize = 2_000;
    with_runtimes(|runtime| {
        let (one, other) = (Arc::new(bounded(1)), Arc::new(bounded(1)));
        type Both = Arc<(Sender<usize>, Receiver<usize>)>;
        let finds = |one: &Both, other: &Both| {
            let (one, other) = (one.clone(), other.clone());
            move || {
                for n in 0..ROUNDS {
                    one.0.send(n).unwrap();
                    let mut select = Select::new();
                    select.recv(&one.1);
                    let from_other = select.recv(&other.1);
                    let operation = select.try_select().expect("there is one");
                    let from = if operation.index() == from_other { &other } else { &one };
                    operation.recv(&from.1).unwrap();
                }
            }
        };
        let there = runtime.spawn(finds(&one, &other));
        let back = runtime.spawn(finds(&other, &one));
        there.join().unwrap();
        back.join().unwrap();
    });
}

#[test]
fn values_are_dropped_once() {
    everywhere(|| {
        let drops = Drops::default();
        {
            let (sender, receiver) = bounded(2);
            sender.send(drops.one()).unwrap();
            sender.send(drops.one()).unwrap();
            let mut select = Select::new();
            select.recv(&receiver);
            drop(select.select());
            assert_eq!(drops.count(), 0);
            drop(select.select().recv(&receiver));
            assert_eq!(drops.count(), 1);
            // The other one is set aside for ever.
            std::mem::forget(select.select());
        }
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn it_borrows_what_is_on_the_stack() {
    everywhere(|| {
        let text = String::from("hello");
        let (sender, receiver) = unbounded::<&str>();
        let mut select = Select::new();
        select.recv(&receiver);
        scope(|s| {
            s.spawn(|| sender.send(&text));
            assert_eq!(select.select().recv(&receiver), Ok("hello"));
        });
    });
}

#[cfg(feature = "dump")]
#[test]
fn a_dump_says_what_a_select_waits_for() {
    with_runtimes(|runtime| {
        let (sender, receiver) = bounded::<u8>(0);
        let (other, values) = unbounded::<u8>();
        let waits = start(runtime, move || {
            let mut select = Select::new();
            select.send(&sender);
            select.recv(&values);
            drop(select.select());
        });
        let id = waits.coroutine().id();
        mco_tests::eventually("it is parked", || {
            let all = mco::debug::coroutines();
            let one = all.iter().find(|one| one.id == id).expect("it is there");
            let text = format!("{one:?}");
            text.contains("select") || text.contains("Select")
        });
        drop((receiver, other));
        waits.join().unwrap();
    });
}

#[test]
fn what_crossbeam_has_channels_have() {
    everywhere(|| {
        let (sender, receiver) = bounded(1);
        assert!(!sender.is_full() && !receiver.is_full());
        sender.send(1).unwrap();
        assert!(sender.is_full() && receiver.is_full());
        assert!(bounded::<u8>(0).0.is_full() && !unbounded::<u8>().0.is_full());
        let soon = Instant::now() + SHORT;
        assert!(sender.send_deadline(2, soon).unwrap_err().is_timeout());
        assert!(Instant::now() >= soon);
        assert_eq!(receiver.recv_deadline(soon), Ok(1), "it is there");
        assert_eq!(receiver.recv_deadline(soon), Err(RecvTimeoutError::Timeout));
        drop(sender);
        let mut all = receiver.iter();
        assert_eq!((all.next(), all.next()), (None, None));
        let _: &dyn std::iter::FusedIterator<Item = u8> = &all;
        let never = never::<u8>();
        assert_eq!(never.recv_timeout(SHORT), Err(RecvTimeoutError::Timeout));
        assert_eq!(never.clone().try_recv(), Err(TryRecvError::Empty));
    });
}

#[test]
fn a_wait_group_of_selects_in_threads_and_coroutines_ends() {
    with_runtimes(|runtime| {
        let (group, (sender, receiver)) = (WaitGroup::new(), bounded(0));
        for n in 0..6 {
            let (group, sender, receiver) = (group.clone(), sender.clone(), receiver.clone());
            let body = move || {
                let mut select = Select::new();
                if n < 3 {
                    select.send(&sender)
                } else {
                    select.recv(&receiver)
                };
                for _ in 0..50 {
                    let operation = select.select();
                    if n < 3 {
                        operation.send(&sender, n).unwrap();
                    } else {
                        operation.recv(&receiver).unwrap();
                    }
                }
                drop(group);
            };
            if n % 2 == 0 {
                drop(runtime.spawn(body));
            } else {
                drop(std::thread::spawn(body));
            }
        }
        group.wait();
        assert!(receiver.is_empty());
        drop(spawn(|| ()));
    });
}
