//! Virtual time and deadlocks: a future that waits for a socket waits for what happens outside.

use std::io::Write;
use std::thread;
use std::time::{Duration, Instant};

use hyper::rt::Timer as _;
use mco::runtime::Timer;
use mco::{block_on, go};
use mco_tests::sockets::mixed_pair;

use crate::flavour::{Hyper, both, read_exact};

const HOUR: Duration = Duration::from_secs(3600);
/// Longer than a clock that is not held would take, and a deadlock to be found.
const WHILE: Duration = Duration::from_millis(300);

#[mco::test(virtual_time = true)]
fn sleeps_take_no_time() {
    let start = mco::std::time::Instant::now();
    let before = Instant::now();
    block_on(Timer.sleep(HOUR));
    block_on(Timer.sleep_until(Timer.now() + HOUR));
    assert_eq!(start.elapsed(), 2 * HOUR);
    assert!(before.elapsed() < HOUR);
}

/// By a thread, so that only the wait itself holds the clock.
fn answer_later(mut peer: impl Write + Send + 'static) {
    thread::spawn(move || {
        thread::sleep(WHILE);
        peer.write_all(b"x").unwrap();
    });
}

#[mco::test(virtual_time = true)]
fn a_socket_holds_the_clock() {
    let (mut stream, peer) = mixed_pair();
    let start = mco::std::time::Instant::now();
    let sleeper = go!(move || {
        mco::coroutine::sleep(HOUR);
        start.elapsed()
    });
    answer_later(peer);
    block_on(read_exact::<Hyper>(&mut stream, 1));
    assert_eq!(start.elapsed(), Duration::ZERO, "the clock went on");
    // Nothing holds it any more.
    assert_eq!(sleeper.join().unwrap(), HOUR);
}

/// The future that waits for the socket is one of two, and is not polled each time.
#[mco::test(virtual_time = true)]
fn a_socket_holds_the_clock_while_others_of_its_task_are_polled() {
    let (mut stream, peer) = mixed_pair();
    let start = mco::std::time::Instant::now();
    let (wakes, woken) = mco::chan!((), 1);
    let other = go!(move || while woken.recv().is_ok() {});
    answer_later(peer);
    let ends = go!(mco::coroutine::yield_now);
    let read = read_exact::<Hyper>(&mut stream, 1);
    block_on(both(read, async { ends.await.unwrap() }));
    assert_eq!(start.elapsed(), Duration::ZERO, "the clock went on");
    drop(wakes);
    other.join().unwrap();
    let end = block_on(both(Timer.sleep(HOUR), Timer.sleep(2 * HOUR)));
    assert_eq!(end, ((), ()));
    assert_eq!(start.elapsed(), 2 * HOUR);
}

#[mco::test]
fn a_future_that_waits_for_a_socket_is_no_deadlock() {
    let (mut stream, peer) = mixed_pair();
    answer_later(peer);
    block_on(read_exact::<Hyper>(&mut stream, 1));
}
