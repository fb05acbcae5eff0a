//! With threads only, so that Miri can run them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::*;
use crate::clock::Timestamp;
use crate::task::Reason;
use crate::wait::Wait;

/// The simplest object that can be waited for: a queue under its lock.
type Object<T> = Spin<Queue<T>>;

const ROUNDS: usize = if cfg!(miri) { 20 } else { 2_000 };

fn object<T>() -> Object<T> {
    Spin::new(Queue::new())
}

fn node<T>(object: &Object<T>, value: Option<T>) -> WaitNode<'_, Queue<T>, T> {
    WaitNode::new(object, |queue| queue, value)
}

fn enter<T>(node: &Pin<&mut WaitNode<'_, Queue<T>, T>>) {
    node.as_ref().enter(&mut node.lock.lock());
}

/// Gives `value` to the first that waits; gives it back if nobody does.
fn give<T>(object: &Object<T>, value: T) -> Result<(), T> {
    let mut value = Some(value);
    let completed = object.lock().complete_first(Outcome::Completed, |node| *node = value.take());
    if let Some(((), wakeup)) = completed {
        wakeup.wake();
    }
    value.map_or(Ok(()), Err)
}

/// Takes the value of the first that waits.
fn fetch<T>(object: &Object<T>) -> Option<T> {
    let (value, wakeup) = object.lock().complete_first(Outcome::Completed, Option::take)?;
    wakeup.wake();
    value
}

fn wait() -> Wait {
    Wait::new(Reason::Receive)
}

/// Counts that it was dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn the_first_to_come_is_completed_first() {
    let object = object();
    let (a, b, c) =
        (pin!(node(&object, None)), pin!(node(&object, None)), pin!(node(&object, None)));
    [&a, &b, &c].into_iter().for_each(enter);
    for value in 1..=3 {
        assert_eq!(give(&object, value), Ok(()));
    }
    assert_eq!(give(&object, 4), Err(4));
    for (node, value) in [(&a, 1), (&b, 2), (&c, 3)] {
        assert_eq!(node.outcome(), Some(Outcome::Completed));
        assert_eq!(node.take(), Some(value));
    }
}

#[test]
fn whoever_leaves_is_passed_over_and_the_others_keep_their_order() {
    for leaves in 0..4 {
        let object = object();
        let all = [(); 4].map(|()| Box::pin(node(&object, None)));
        for node in &all {
            node.as_ref().enter(&mut object.lock());
        }
        assert_eq!(all[leaves].leave(), None);
        assert_eq!(all[leaves].leave(), None, "leaving twice is as once");
        for value in 0..3 {
            assert_eq!(give(&object, value), Ok(()));
        }
        assert!(object.lock().is_empty());
        let mut stay = (0..4).filter(|index| *index != leaves);
        for value in 0..3 {
            assert_eq!(all[stay.next().unwrap()].take(), Some(value));
        }
        assert_eq!(all[leaves].take(), None);
    }
}

#[test]
fn all_leave_in_every_order() {
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        let object = object::<u32>();
        let all = [(); 3].map(|()| Box::pin(node(&object, None)));
        for node in &all {
            node.as_ref().enter(&mut object.lock());
        }
        order.into_iter().for_each(|index| assert_eq!(all[index].leave(), None));
        assert!(object.lock().is_empty());
    }
}

#[test]
fn a_node_can_be_entered_again() {
    let object = object();
    let node = pin!(node(&object, None));
    for value in 0..3 {
        enter(&node);
        assert_eq!(node.outcome(), None);
        assert_eq!(give(&object, value), Ok(()));
        assert_eq!(node.take(), Some(value));
        enter(&node);
        assert_eq!(node.leave(), None);
    }
    node.put(Some(9));
    enter(&node);
    assert_eq!(fetch(&object), Some(9));
    assert_eq!(node.leave(), Some(Outcome::Completed));
    assert_eq!(node.take(), None);
}

#[test]
fn a_value_that_was_not_fetched_stays_in_its_node() {
    let object = object();
    let (left, closed) = (pin!(node(&object, Some(1))), pin!(node(&object, Some(2))));
    [&left, &closed].into_iter().for_each(enter);
    assert_eq!(left.take(), Some(1));
    let completed = object.lock().complete_first(Outcome::Closed, |_| ());
    completed.expect("the second one waits").1.wake();
    assert_eq!(closed.outcome(), Some(Outcome::Closed));
    assert_eq!(closed.take(), Some(2));
    assert_eq!(fetch(&object), None);
}

#[test]
fn a_dropped_node_leaves_the_queue_and_drops_its_value() {
    let drops = Arc::new(AtomicUsize::new(0));
    let object = object();
    {
        let node = pin!(node(&object, Some(Counted(drops.clone()))));
        enter(&node);
    }
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert!(object.lock().is_empty());
    {
        let node = pin!(node(&object, None));
        enter(&node);
        assert!(give(&object, Counted(drops.clone())).is_ok());
        assert_eq!(drops.load(Ordering::SeqCst), 1);
    }
    assert_eq!(drops.load(Ordering::SeqCst), 2, "it was completed and did not look");
}

#[test]
fn the_state_of_another_object_is_refused() {
    let (own, other) = (object::<u32>(), object::<u32>());
    let node = pin!(node(&own, None));
    let enter = || node.as_ref().enter(&mut other.lock());
    assert!(catch_unwind(AssertUnwindSafe(enter)).is_err());
    assert!(other.lock().is_empty() && own.lock().is_empty());
}

#[test]
fn a_thread_is_given_what_it_waits_for() {
    let object = object();
    thread::scope(|s| {
        let waits = s.spawn(|| {
            let node = pin!(node(&object, None));
            enter(&node);
            assert_eq!(node.wait(&wait()), Some(Outcome::Completed));
            node.take()
        });
        let mut value = Box::new(7);
        while let Err(back) = give(&object, value) {
            value = back;
            thread::yield_now();
        }
        assert_eq!(waits.join().unwrap(), Some(Box::new(7)));
    });
}

#[test]
fn threads_take_turns_and_each_value_goes_to_one() {
    let (object, sum) = (object(), AtomicUsize::new(0));
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..ROUNDS {
                    let node = pin!(node(&object, None));
                    enter(&node);
                    assert_eq!(node.wait(&wait()), Some(Outcome::Completed));
                    let value: Box<usize> = node.take().expect("a value");
                    sum.fetch_add(*value, Ordering::Relaxed);
                }
            });
        }
        for value in 0..2 * ROUNDS {
            let mut value = Box::new(value);
            while let Err(back) = give(&object, value) {
                value = back;
                thread::yield_now();
            }
        }
    });
    assert_eq!(sum.into_inner(), (0..2 * ROUNDS).sum::<usize>());
}

#[test]
fn at_the_deadline_a_value_is_there_or_stays_with_its_giver() {
    let (object, made, dropped) = (object(), AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let (given, taken) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ended = AtomicUsize::new(0);
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for round in 0..ROUNDS {
                    let deadline = Timestamp::after(Duration::from_micros(round as u64 % 50));
                    let node = pin!(node(&object, None));
                    enter(&node);
                    let outcome = node.wait(&wait().until(Some(deadline)));
                    let value: Option<Counted> = node.take();
                    assert_eq!(value.is_some(), outcome == Some(Outcome::Completed));
                    taken.fetch_add(usize::from(value.is_some()), Ordering::SeqCst);
                }
                ended.fetch_add(1, Ordering::SeqCst);
            });
        }
        while ended.load(Ordering::SeqCst) < 2 {
            made.fetch_add(1, Ordering::SeqCst);
            let given_away = give(&object, Counted(dropped.clone())).is_ok();
            given.fetch_add(usize::from(given_away), Ordering::SeqCst);
            thread::yield_now();
        }
    });
    assert_eq!(given.into_inner(), taken.into_inner());
    assert_eq!(dropped.load(Ordering::SeqCst), made.into_inner());
}

#[test]
fn of_two_queues_with_one_token_one_completes_it() {
    let (a, b) = (object(), object());
    let token = SelectToken::new();
    let (at_a, at_b) = (pin!(node(&a, None)), pin!(node(&b, None)));
    // SAFETY: they go before the token does.
    unsafe {
        at_a.as_ref().enter_shared(&mut a.lock(), &token, 0);
        at_b.as_ref().enter_shared(&mut b.lock(), &token, 1);
    }
    let other = SelectToken::new();
    assert!(a.lock().has_others(&other) && b.lock().has_others(&other));
    assert!(!a.lock().has_others(&token), "it is the one who asks");
    assert_eq!(give(&b, 5), Ok(()));
    assert!(!a.lock().has_others(&other), "it is completed elsewhere");
    assert_eq!(give(&a, 6), Err(6));
    assert!(a.lock().is_empty(), "who cannot be completed is taken out");
    assert_eq!(token.claimed(), Some(1));
    assert_eq!((at_a.leave(), at_b.leave()), (None, Some(Outcome::Completed)));
    assert_eq!((at_a.take(), at_b.take()), (None, Some(5)));
}

#[test]
fn one_with_a_token_is_passed_over_for_the_next() {
    let object = object();
    let token = SelectToken::new();
    let (first, next) = (pin!(node(&object, None)), pin!(node(&object, None)));
    // SAFETY: the place goes before the token does.
    unsafe { first.as_ref().enter_shared(&mut object.lock(), &token, 0) };
    enter(&next);
    assert_eq!(token.close(), None);
    assert!(object.lock().has_others(&token), "the next one");
    assert_eq!(give(&object, 3), Ok(()));
    assert_eq!((first.leave(), next.leave()), (None, Some(Outcome::Completed)));
    assert_eq!((first.take(), next.take()), (None, Some(3)));
}

#[test]
fn a_closed_token_is_claimed_by_nobody() {
    let object = object();
    let token = SelectToken::new();
    let node = pin!(node(&object, Some(1)));
    // SAFETY: the place goes before the token does.
    unsafe { node.as_ref().enter_shared(&mut object.lock(), &token, 0) };
    assert_eq!((token.close(), token.close()), (None, None));
    assert!(!object.lock().has_others(&SelectToken::new()));
    assert_eq!(fetch(&object), None);
    assert_eq!(token.claimed(), None);
    assert_eq!((node.leave(), node.take()), (None, Some(1)));
}

#[test]
fn a_claimed_token_says_so_when_it_is_closed() {
    let object = object();
    let token = SelectToken::new();
    let node = pin!(node(&object, None));
    // SAFETY: the place goes before the token does.
    unsafe { node.as_ref().enter_shared(&mut object.lock(), &token, 4) };
    assert_eq!(give(&object, 1), Ok(()));
    assert_eq!((token.close(), token.claimed()), (Some(4), Some(4)));
    assert_eq!((node.leave(), node.take()), (Some(Outcome::Completed), Some(1)));
}

#[test]
fn threads_that_wait_in_two_queues_get_each_value_once() {
    let (a, b, sum) = (object(), object(), AtomicUsize::new(0));
    thread::scope(|s| {
        for _ in 0..2 {
            s.spawn(|| {
                for _ in 0..ROUNDS {
                    let token = SelectToken::new();
                    let (at_a, at_b) = (pin!(node(&a, None)), pin!(node(&b, None)));
                    // SAFETY: they go before the token does.
                    unsafe {
                        at_a.as_ref().enter_shared(&mut a.lock(), &token, 0);
                        at_b.as_ref().enter_shared(&mut b.lock(), &token, 1);
                    }
                    while token.claimed().is_none() {
                        wait().park_uncancellable();
                    }
                    let outcomes = (at_a.leave(), at_b.leave());
                    let index = token.close().expect("it has been claimed");
                    assert_eq!(outcomes.0.is_some(), index == 0);
                    assert_eq!(outcomes.1.is_some(), index == 1);
                    let values: (Option<Box<usize>>, _) = (at_a.take(), at_b.take());
                    let ((None, Some(value)) | (Some(value), None)) = values else {
                        panic!("it got none, or two");
                    };
                    sum.fetch_add(*value, Ordering::Relaxed);
                }
            });
        }
        for object in [&a, &b] {
            s.spawn(move || {
                for value in 0..ROUNDS {
                    let mut value = Box::new(value);
                    while let Err(back) = give(object, value) {
                        value = back;
                        thread::yield_now();
                    }
                }
            });
        }
    });
    assert_eq!(sum.into_inner(), 2 * (0..ROUNDS).sum::<usize>());
}

#[test]
fn a_spinning_waiter_is_completed_while_it_spins_or_later() {
    let (object, sum) = (object(), AtomicUsize::new(0));
    thread::scope(|s| {
        s.spawn(|| {
            for round in 0..ROUNDS {
                let node = pin!(node(&object, None));
                enter(&node);
                let look = |has_happened: &mut dyn FnMut() -> bool| {
                    (0..round % 7).any(|_| {
                        thread::yield_now();
                        has_happened()
                    });
                };
                let outcome = node.spin_wait(look).or_else(|| node.wait(&wait()));
                assert_eq!(outcome, Some(Outcome::Completed));
                let value: Box<usize> = node.take().expect("a value");
                sum.fetch_add(*value, Ordering::Relaxed);
            }
        });
        for value in 0..ROUNDS {
            let mut value = Box::new(value);
            while let Err(back) = give(&object, value) {
                value = back;
                thread::yield_now();
            }
        }
    });
    assert_eq!(sum.into_inner(), (0..ROUNDS).sum::<usize>());
}

#[test]
fn complete_all_ends_every_wait() {
    for count in 0..4 {
        let object = object::<u32>();
        let all: Vec<_> = (0..count).map(|_| Box::pin(node(&object, None))).collect();
        for node in &all {
            node.as_ref().enter(&mut object.lock());
        }
        assert_eq!(object.lock().len(), count);
        let wakeups = object.lock().complete_all(Outcome::Closed);
        assert_eq!((wakeups.len(), object.lock().len()), (count, 0));
        wakeups.wake();
        assert!(all.iter().all(|node| node.leave() == Some(Outcome::Closed)));
    }
}
