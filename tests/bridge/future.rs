//! Waiting for futures in coroutines and threads.

use std::cell::Cell;
use std::future::{self, Future};
use std::panic;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use mco::block_on;
use mco::coroutine::{self, Cancelled};
use mco_tests::{HUNG, eventually, quiet, text_of, with_runtimes, within};

/// Runs a test in a coroutine and in a plain thread.
#[track_caller]
fn everywhere(test: impl Fn() + Clone + Send + Sync + 'static) {
    let here = test.clone();
    with_runtimes(move |runtime| runtime.run(&test));
    within(HUNG, here);
}

/// Ready once it was opened.
#[derive(Clone, Default)]
struct Gate(Arc<(AtomicBool, Mutex<Option<Waker>>)>);

impl Gate {
    fn open(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        let waker = self.0.1.lock().unwrap().take();
        waker.into_iter().for_each(Waker::wake);
    }
}

impl Future for Gate {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        *self.0.1.lock().unwrap() = Some(context.waker().clone());
        if self.0.0.load(Ordering::SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[test]
fn what_is_ready_is_returned() {
    everywhere(|| {
        assert_eq!(block_on(async { 6 * 7 }), 42);
        assert_eq!(block_on(future::ready("x")), "x");
    });
}

#[test]
fn what_is_not_ready_is_waited_for() {
    everywhere(|| {
        let gates: Vec<_> = (0..100).map(|_| Gate::default()).collect();
        let opens = gates.clone();
        let opener = thread::spawn(move || opens.iter().for_each(Gate::open));
        gates.into_iter().for_each(block_on);
        opener.join().unwrap();
    });
}

#[test]
fn a_future_need_not_be_send() {
    everywhere(|| {
        let count = Rc::new(Cell::new(0));
        let own = count.clone();
        block_on(async move {
            for _ in 0..10 {
                own.set(own.get() + 1);
                yield_once().await;
            }
        });
        assert_eq!(count.get(), 10);
    });
}

async fn yield_once() {
    let mut yielded = false;
    future::poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn many_wait_at_once_without_a_thread_each() {
    with_runtimes(|runtime| {
        let gate = Gate::default();
        let waiting = Arc::new(AtomicUsize::new(0));
        let wait = |_| {
            // Each with a place of its own for its waker.
            let (own, waiting) = (Gate::default(), waiting.clone());
            let opener = own.clone();
            let handle = runtime.spawn(move || {
                waiting.fetch_add(1, Ordering::SeqCst);
                block_on(own);
            });
            (handle, opener)
        };
        let handles: Vec<_> = (0..500).map(wait).collect();
        eventually("all wait", || waiting.load(Ordering::SeqCst) == 500);
        drop(gate);
        for (handle, opener) in handles {
            opener.open();
            handle.join().unwrap();
        }
    });
}

#[test]
fn a_future_that_never_stops_being_polled_lets_others_run() {
    with_runtimes(|runtime| {
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let busy = runtime.spawn(move || {
            block_on(async {
                while !stops.load(Ordering::SeqCst) {
                    yield_once().await;
                }
            });
        });
        for n in 0..50 {
            assert_eq!(runtime.spawn(move || n).join().unwrap(), n);
        }
        stop.store(true, Ordering::SeqCst);
        busy.join().unwrap();
    });
}

#[test]
fn a_future_may_block_as_the_coroutine_that_polls_it() {
    everywhere(|| {
        let sum = block_on(async {
            coroutine::sleep(Duration::from_millis(1));
            coroutine::spawn(|| 4).join().unwrap() + block_on(async { 5 })
        });
        assert_eq!(sum, 9);
    });
}

#[test]
fn a_cancelled_wait_drops_its_future() {
    struct Flag(Arc<AtomicBool>);
    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, Ordering::SeqCst);
        }
    }
    with_runtimes(|runtime| {
        let (entered, dropped) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (enters, flag) = (entered.clone(), Flag(dropped.clone()));
        let handle = runtime.spawn(move || {
            block_on(async move {
                let _flag = flag;
                enters.store(true, Ordering::SeqCst);
                future::pending::<()>().await;
            });
        });
        eventually("it waits", || entered.load(Ordering::SeqCst));
        handle.cancel();
        assert!(handle.join().unwrap_err().is::<Cancelled>());
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn a_panic_of_a_future_is_the_callers() {
    quiet::panics_on_purpose();
    everywhere(|| {
        let payload = panic::catch_unwind(|| block_on(async { panic!("on purpose") })).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose");
    });
}

#[test]
fn a_waker_that_outlives_its_wait_does_nothing() {
    with_runtimes(|runtime| {
        let gate = Gate::default();
        let opens = gate.clone();
        let waker = runtime.run(|| {
            let mut kept = None;
            block_on(future::poll_fn(|context| {
                kept = Some(context.waker().clone());
                Poll::Ready(())
            }));
            kept.unwrap()
        });
        waker.wake_by_ref();
        opens.open();
        assert_eq!(runtime.run(|| 1), 1);
        waker.wake();
    });
}

// Waiting for coroutines.

#[test]
fn a_handle_is_awaited_for_its_result() {
    everywhere(|| {
        let slow = coroutine::spawn(|| {
            coroutine::sleep(Duration::from_millis(2));
            "slow"
        });
        let done = coroutine::spawn(|| 7);
        done.wait();
        assert_eq!(block_on(done).unwrap(), 7);
        assert_eq!(block_on(async { slow.await.unwrap() }), "slow");
    });
}

#[test]
fn an_awaited_panic_or_cancel_is_the_payload() {
    quiet::panics_on_purpose();
    everywhere(|| {
        let panics = coroutine::spawn(|| panic!("on purpose"));
        let payload = block_on(panics.into_future()).map(|(): ()| ()).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose");
        let parks = coroutine::spawn(coroutine::park);
        parks.cancel();
        assert!(block_on(parks).unwrap_err().is::<Cancelled>());
    });
}

#[test]
fn many_handles_are_awaited_by_one_task() {
    everywhere(|| {
        let gates: Vec<_> = (0..100).map(|_| Gate::default()).collect();
        let wait = |gate: &Gate| {
            let gate = gate.clone();
            coroutine::spawn(move || block_on(gate)).into_future()
        };
        let mut waiting: Vec<_> = gates.iter().map(wait).collect();
        let opener = thread::spawn(move || gates.iter().rev().for_each(Gate::open));
        block_on(future::poll_fn(|context| {
            waiting.retain_mut(|handle| match Pin::new(handle).poll(context) {
                Poll::Ready(result) => {
                    result.unwrap();
                    false
                }
                Poll::Pending => true,
            });
            if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        }));
        opener.join().unwrap();
    });
}

#[test]
fn the_task_that_polled_a_handle_last_is_woken() {
    struct Count(AtomicUsize);
    impl std::task::Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    with_runtimes(|runtime| {
        let gate = Gate::default();
        let waits = gate.clone();
        let mut handle = runtime.spawn(move || block_on(waits)).into_future();
        let count = || Arc::new(Count(AtomicUsize::new(0)));
        let (first, second) = (count(), count());
        for count in [&first, &second] {
            let waker = Waker::from(count.clone());
            assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        assert_eq!(Arc::strong_count(&first), 1, "the one that is replaced is dropped");
        gate.open();
        eventually("it is woken", || second.0.load(Ordering::SeqCst) == 1);
        assert_eq!(first.0.load(Ordering::SeqCst), 0);
        block_on(handle).unwrap();

        // One that is dropped takes its waker along, and lets the coroutine go on.
        let (waits, done) = (Gate::default(), Gate::default());
        let (gate, tells) = (waits.clone(), done.clone());
        let mut handle = runtime
            .spawn(move || {
                block_on(waits);
                tells.open();
            })
            .into_future();
        let waker = Waker::from(first.clone());
        assert!(Pin::new(&mut handle).poll(&mut Context::from_waker(&waker)).is_pending());
        drop((handle, waker));
        assert_eq!(Arc::strong_count(&first), 1);
        gate.open();
        block_on(done);
    });
}

#[test]
fn a_coroutine_that_awaits_itself_panics() {
    with_runtimes(|runtime| {
        let (sender, receiver) = mco::std::sync::channel::bounded(1);
        let (tells, told) = std::sync::mpsc::channel();
        let handle = runtime.spawn(move || {
            let own: coroutine::JoinHandle<()> = receiver.recv().unwrap();
            let awaits = panic::AssertUnwindSafe(|| drop(block_on(own)));
            let payload = panic::catch_unwind(awaits).unwrap_err();
            tells.send(text_of(&*payload).to_owned()).unwrap();
        });
        sender.send(handle).unwrap();
        assert!(told.recv().unwrap().contains("joins itself"));
    });
}

/// A future that wakes itself each time lets others run each time.
#[test]
fn a_task_that_wakes_itself_takes_turns() {
    within(HUNG, || {
        let runtime = mco_tests::runtime(1);
        let turns = Arc::new(AtomicUsize::new(0));
        let ended = Arc::new(AtomicBool::new(false));
        let (counts, ends) = (turns.clone(), ended.clone());
        let other = runtime.spawn(move || {
            while !ends.load(Ordering::SeqCst) {
                counts.fetch_add(1, Ordering::SeqCst);
                coroutine::yield_now();
            }
        });
        let seen = runtime.run(|| {
            let before = turns.load(Ordering::SeqCst);
            block_on(async {
                for _ in 0..100 {
                    yield_once().await;
                }
            });
            turns.load(Ordering::SeqCst) - before
        });
        ended.store(true, Ordering::SeqCst);
        other.join().unwrap();
        assert!(seen >= 100, "the other had {seen} turns");
    });
}

#[test]
fn a_future_is_given_up_at_its_limit() {
    use mco::std::time::Elapsed;
    everywhere(|| {
        let moment = Duration::from_millis(5);
        mco::block_on(async {
            let (sender, receiver) = mco::chan!(u32);
            let never = mco::bridge::timeout(moment, std::future::pending::<()>());
            assert_eq!(never.await, Err(Elapsed));
            assert_eq!(mco::bridge::timeout(Duration::ZERO, async { 1 }).await, Ok(1));
            // What it is given up in goes on alone.
            let slow = coroutine::spawn(move || receiver.recv());
            assert!(mco::bridge::timeout(moment, slow).await.is_err());
            sender.send(1).unwrap();
            let quick = coroutine::spawn(move || coroutine::sleep(moment));
            assert!(mco::bridge::timeout(Duration::from_secs(3600), quick).await.unwrap().is_ok());
        });
    });
}

#[mco::test(virtual_time = true)]
fn the_limit_of_a_future_follows_the_runtimes_clock() {
    let start = mco::std::time::Instant::now();
    let hour = Duration::from_secs(3600);
    let never = mco::bridge::timeout(hour, std::future::pending::<()>());
    assert!(mco::block_on(never).is_err());
    assert_eq!(start.elapsed(), hour);
}
