//! `cqueue`: whichever of several coroutines comes first.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine;
use mco::cqueue::{self, PollError};
use mco::go;
use mco::std::sync::channel::unbounded;
use mco_tests::within;

const HUNG: Duration = Duration::from_secs(30);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn events_carry_the_token_and_what_was_sent() {
    within(HUNG, || {
        cqueue::scope(|cqueue| {
            go!(cqueue, 3, |events| {
                assert_eq!(events.get_token(), 3);
                events.send(30);
                events.send(31);
            });
            let got: Vec<_> = (0..2).map(|_| cqueue.poll(None).unwrap()).collect();
            assert_eq!(
                got.iter().map(|e| (e.token, e.extra)).collect::<Vec<_>>(),
                [(3, 30), (3, 31)]
            );
            assert_eq!(cqueue.poll(None), Err(PollError::Finished));
        });
    });
}

#[test]
fn whichever_is_first_is_polled_first() {
    within(HUNG, || {
        let (senders, receivers): (Vec<_>, Vec<_>) = (0..4).map(|_| unbounded::<usize>()).unzip();
        cqueue::scope(|cqueue| {
            for (token, receiver) in receivers.iter().enumerate() {
                go!(cqueue, token, move |events| {
                    for value in receiver {
                        events.send(value);
                    }
                });
            }
            for (token, sender) in senders.iter().enumerate().rev() {
                sender.send(token * 10).unwrap();
                let event = cqueue.poll(None).unwrap();
                assert_eq!((event.token, event.extra), (token, token * 10));
            }
        });
    });
}

#[test]
fn an_arm_goes_on_only_when_its_event_is_polled() {
    within(HUNG, || {
        let passed = AtomicUsize::new(0);
        cqueue::scope(|cqueue| {
            go!(cqueue, 0, |events| {
                for n in 0..5 {
                    events.send(n);
                    passed.fetch_add(1, Ordering::SeqCst);
                }
            });
            for n in 0..5 {
                assert_eq!(cqueue.poll(None).unwrap().extra, n);
                // It may have got to its next event by now, and not past it.
                assert!(passed.load(Ordering::SeqCst) <= n + 1);
            }
            assert_eq!(cqueue.poll(None), Err(PollError::Finished));
            assert_eq!(passed.load(Ordering::SeqCst), 5);
        });
    });
}

#[test]
fn poll_gives_up_in_time() {
    within(HUNG, || {
        cqueue::scope(|cqueue| {
            go!(cqueue, 0, |_| coroutine::sleep(LONG));
            let timeout = Some(Duration::from_millis(10));
            assert_eq!(cqueue.poll(timeout), Err(PollError::Timeout));
        });
    });
}

#[test]
fn without_arms_it_has_finished() {
    within(HUNG, || {
        cqueue::scope(|cqueue| assert_eq!(cqueue.poll(None), Err(PollError::Finished)))
    });
}

#[test]
fn the_end_of_the_scope_cancels_the_arms_that_are_left() {
    within(HUNG, || {
        struct OnDrop(Arc<AtomicUsize>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let dropped = Arc::new(AtomicUsize::new(0));
        cqueue::scope(|cqueue| {
            for token in 0..8 {
                let guard = OnDrop(dropped.clone());
                go!(cqueue, token, move |events| {
                    let _guard = guard;
                    // Some never send, some are never polled.
                    if events.get_token().is_multiple_of(2) {
                        events.send(0);
                    }
                    coroutine::park();
                });
            }
            cqueue.poll(None).unwrap();
        });
        assert_eq!(dropped.load(Ordering::SeqCst), 8);
    });
}

#[test]
fn a_removed_arm_sends_no_more() {
    within(HUNG, || {
        cqueue::scope(|cqueue| {
            let arm = cqueue.add(0, |_| coroutine::sleep(LONG));
            arm.remove();
            assert_eq!(cqueue.poll(None), Err(PollError::Finished));
        });
    });
}

#[test]
fn the_panic_of_an_arm_reaches_who_polls() {
    mco_tests::quiet::panics_on_purpose();
    within(HUNG, || {
        let outcome = std::panic::catch_unwind(|| {
            cqueue::scope(|cqueue| {
                go!(cqueue, 0, |_| panic!("on purpose"));
                let _ = cqueue.poll(None);
                unreachable!("the panic was lost");
            });
        });
        assert_eq!(*outcome.unwrap_err().downcast::<&str>().unwrap(), "on purpose");
    });
}

#[test]
fn arms_may_be_added_by_arms_events_while_polling() {
    within(HUNG, || {
        cqueue::scope(|cqueue| {
            go!(cqueue, 0, |events| events.send(0));
            let mut polled = Vec::new();
            while let Ok(event) = cqueue.poll(None) {
                polled.push(event.token);
                if event.token < 10 {
                    go!(cqueue, event.token + 1, |events| events.send(0));
                }
            }
            assert_eq!(polled, (0..=10).collect::<Vec<_>>());
        });
    });
}
