//! `leaks = true`: coroutines that outlive their test fail it.

use std::time::Duration;

use mco::coroutine::{self, sleep, yield_now};
use mco::go;
use mco::net::TcpListener;
use mco::std::sync::channel;
use mco_tests::child::Child;

fn left_behind(test: &str, count: usize) -> String {
    let end = Child::new().run_test(test);
    end.assert_failed();
    let output = format!("{}{}", end.stdout, end.stderr);
    let plural = if count == 1 { "" } else { "s" };
    let says = format!("the test `leaks::{test}` has left {count} coroutine{plural} behind");
    assert!(output.contains(&says), "{output}");
    output
}

#[mco::test(leaks = true)]
#[ignore = "is to fail, in a child"]
fn blocked() {
    let (_sender, receiver) = channel::unbounded::<()>();
    go!("reader", move || receiver.recv());
    yield_now();
    std::mem::forget(_sender);
}

#[test]
fn a_blocked_coroutine_is_a_leak_and_named() {
    let output = left_behind("blocked", 1);
    assert!(output.contains("`reader`") && output.contains("receive"), "{output}");
    assert!(output.contains("join or cancel what it starts, or leave `leaks` out"), "{output}");
}

#[mco::test(leaks = true, workers = 2)]
#[ignore = "is to fail, in a child"]
fn asleep() {
    for _ in 0..3 {
        go!(|| sleep(Duration::from_secs(3600)));
    }
}

#[test]
fn sleepers_are_leaks() {
    left_behind("asleep", 3);
}

#[mco::test(leaks = true, virtual_time = true)]
#[ignore = "is to fail, in a child"]
fn asleep_in_virtual_time() {
    go!(|| sleep(Duration::from_secs(3600)));
}

#[test]
fn virtual_time_ends_with_the_test() {
    left_behind("asleep_in_virtual_time", 1);
}

#[mco::test(leaks = true)]
#[ignore = "is to fail, in a child"]
fn accepting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    go!(move || drop(listener.accept()));
}

#[test]
fn one_that_waits_for_a_socket_is_a_leak() {
    left_behind("accepting", 1);
}

#[mco::test(leaks = true, timeout = "1s")]
#[ignore = "is to fail, in a child"]
fn busy() {
    go!(|| while !coroutine::is_cancelled() {
        yield_now();
    });
}

#[test]
fn one_that_never_rests_is_a_leak() {
    let output = left_behind("busy", 1);
    assert!(output.contains("some of which never come to rest"), "{output}");
}

#[mco::test(leaks = true)]
fn those_that_end_by_themselves_are_none() {
    for turns in 0..100 {
        go!(move || (0..turns).for_each(|_| yield_now()));
    }
}

#[mco::test(leaks = true, workers = 4)]
fn nor_on_other_workers() {
    for turns in 0..100 {
        go!(move || (0..turns).for_each(|_| yield_now()));
    }
}

#[mco::test(leaks = true)]
fn nor_those_whose_channel_closes_with_the_test() {
    let (sender, receiver) = channel::unbounded();
    go!(move || while receiver.recv().is_ok() {});
    sender.send(1).unwrap();
}

#[mco::test(leaks = true, seeds = 20)]
fn nor_with_any_seed() {
    let (sender, receiver) = channel::unbounded();
    go!(move || while receiver.recv().is_ok() {});
    sender.send(1).unwrap();
}

#[mco::test]
fn without_the_key_nobody_minds() {
    go!(|| sleep(Duration::from_secs(3600)));
    yield_now();
}
