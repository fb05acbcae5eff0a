//! Virtual time and deadlocks: a future that waits for a socket waits for what happens outside.

use std::future::poll_fn;
use std::io::Write;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use hyper::rt::Timer as _;
use mco::runtime::Timer;
use mco::{block_on, go};
use mco_tests::sockets::mixed_pair;

use crate::flavour::{Flavour, Hyper, both, read_exact};
use crate::setup;

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

#[mco::test(virtual_time = true)]
fn sleeps_of_one_task_end_in_their_order() {
    let start = mco::std::time::Instant::now();
    let long = async {
        Timer.sleep(4 * HOUR).await;
        start.elapsed()
    };
    let short = async {
        Timer.sleep(HOUR).await;
        start.elapsed()
    };
    assert_eq!(block_on(both(long, short)), (4 * HOUR, HOUR));
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

/// The task is woken for another reason, and then does not poll what waits for the socket.
#[mco::test(virtual_time = true)]
fn a_socket_holds_the_clock_while_others_of_its_task_are_polled() {
    let (mut stream, peer) = mixed_pair();
    let start = mco::std::time::Instant::now();
    let sleeper = go!(mco::coroutine::sleep(HOUR));
    let mut other = go!(mco::coroutine::yield_now).into_future();
    answer_later(peer);
    let mut read = pin!(read_exact::<Hyper>(&mut stream, 1));
    let mut polls = 0;
    block_on(poll_fn(|context| {
        polls += 1;
        match polls {
            // Both are polled.
            1 => {
                assert!(read.as_mut().poll(context).is_pending());
                Pin::new(&mut other).poll(context).map(drop)
            }
            // Only the one that has ended is.
            2 => {
                assert!(Pin::new(&mut other).poll(context).is_ready());
                Poll::Pending
            }
            _ => read.as_mut().poll(context).map(drop),
        }
    }));
    assert_eq!(start.elapsed(), Duration::ZERO, "the clock went on");
    sleeper.join().unwrap();
    block_on(both(Timer.sleep(HOUR), Timer.sleep(2 * HOUR)));
    assert_eq!(start.elapsed(), 3 * HOUR);
}

#[mco::test]
fn a_future_that_waits_for_a_socket_is_no_deadlock() {
    let (mut stream, peer) = mixed_pair();
    answer_later(peer);
    block_on(read_exact::<Hyper>(&mut stream, 1));
}

/// Also where it waits for room too, with what it would send for others.
#[mco::test(virtual_time = true)]
fn a_tls_stream_holds_the_clock() {
    let (mut client, mut server) = setup::pair();
    let start = mco::std::time::Instant::now();
    // Until there is no room.
    let mut sent = 0;
    let write = |context: &mut Context<'_>| {
        while let Poll::Ready(count) = Hyper::poll_write(&mut server, context, &[7; 64 * 1024]) {
            sent += count.unwrap();
        }
        Poll::Ready(())
    };
    block_on(poll_fn(write));
    let sleeper = go!(move || {
        mco::coroutine::sleep(HOUR);
        start.elapsed()
    });
    // In a thread, so that only the wait itself holds the clock.
    let reads = thread::spawn(move || {
        thread::sleep(WHILE);
        std::io::Read::read_exact(&mut client, &mut vec![0; sent]).unwrap();
        thread::sleep(WHILE);
        client.write_all(b"x").unwrap();
        client
    });
    block_on(read_exact::<Hyper>(&mut server, 1));
    assert_eq!(start.elapsed(), Duration::ZERO, "the clock went on");
    // Nothing holds it any more.
    block_on(Timer.sleep(HOUR));
    assert_eq!(sleeper.join().unwrap(), HOUR);
    drop(reads.join().unwrap());
}
