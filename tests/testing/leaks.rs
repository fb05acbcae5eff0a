//! What a test leaves behind: with `leaks = true` coroutines that outlive it fail it, and a panic that nobody
//! has received does always.

use std::time::Duration;

use mco::coroutine::{self, sleep, yield_now};
use mco::go;
use mco::net::TcpListener;
use mco::std::sync::channel;
use mco_tests::child::Child;

fn left_behind(test: &str, count: usize) -> String {
    let end = Child::new().run_test(&format!("leaks::{test}"));
    end.assert_failed();
    let output = format!("{}{}", end.stdout, end.stderr);
    let plural = if count == 1 { "" } else { "s" };
    let says =
        format!("the test `testing::leaks::{test}` has left {count} coroutine{plural} behind");
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
fn coroutines_that_end_by_themselves_are_no_leaks() {
    for turns in 0..100 {
        go!(move || (0..turns).for_each(|_| yield_now()));
    }
}

#[mco::test(leaks = true, workers = 4)]
fn coroutines_that_end_on_other_workers_are_no_leaks() {
    for turns in 0..100 {
        go!(move || (0..turns).for_each(|_| yield_now()));
    }
}

#[mco::test(leaks = true)]
fn coroutines_whose_channel_closes_with_the_test_are_no_leaks() {
    let (sender, receiver) = channel::unbounded();
    go!(move || while receiver.recv().is_ok() {});
    sender.send(1).unwrap();
}

#[mco::test(leaks = true, seeds = 20)]
fn coroutines_that_end_by_themselves_are_no_leaks_with_any_seed() {
    let (sender, receiver) = channel::unbounded();
    go!(move || while receiver.recv().is_ok() {});
    sender.send(1).unwrap();
}

#[mco::test]
fn without_the_key_leaks_are_not_reported() {
    go!(|| sleep(Duration::from_secs(3600)));
    yield_now();
}

/// Runs a test that is to fail, since a coroutine of it panicked.
fn panicked(test: &str) -> String {
    let end = Child::new().run_test(&format!("leaks::{test}"));
    end.assert_failed();
    let output = format!("{}{}", end.stdout, end.stderr);
    let says =
        format!("in the test `testing::leaks::{test}` 1 coroutine panicked that nobody has joined");
    assert!(output.contains(&says), "{output}");
    assert!(output.contains("on purpose, by a child"), "{output}");
    output
}

#[mco::test]
#[ignore = "is to fail, in a child"]
fn panics_detached() {
    go!("child", || panic!("on purpose, by a child"));
}

#[mco::test(workers = 2, virtual_time = true)]
#[ignore = "is to fail, in a child"]
fn panics_while_the_handle_is_kept() {
    let handle = go!("child", || panic!("on purpose, by a child"));
    handle.wait();
    std::mem::forget(handle);
}

#[mco::test]
#[ignore = "is to fail, in a child"]
fn panics_after_a_wait() {
    drop(go!("child", || {
        sleep(Duration::from_millis(20));
        panic!("on purpose, by a child")
    }));
    sleep(Duration::from_millis(100));
}

#[mco::test]
#[ignore = "is to fail, in a child"]
fn panics_in_a_runtime_of_its_own() {
    let runtime = mco::runtime::Runtime::builder().workers(1).build().unwrap();
    runtime.spawn(|| panic!("on purpose, by a child")).wait();
}

#[mco::test]
#[ignore = "is to fail, in a child"]
fn panics_when_the_test_ends() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("on purpose, by a child");
            }
        }
    }
    go!("child", || {
        let kept = Panics;
        // Its cancel is caught.
        let _ = std::panic::catch_unwind(|| sleep(Duration::from_secs(3600)));
        drop(kept);
    });
    yield_now();
}

#[test]
fn a_panic_that_nobody_has_received_fails_the_test() {
    assert!(panicked("panics_detached").contains("`child`"));
    panicked("panics_while_the_handle_is_kept");
    panicked("panics_after_a_wait");
    panicked("panics_in_a_runtime_of_its_own");
    panicked("panics_when_the_test_ends");
}

#[mco::test]
fn a_panic_that_was_received_does_not() {
    let quiet = || std::panic::resume_unwind(Box::new("on purpose"));
    go!(quiet).join().unwrap_err();
    mco::block_on(async move { go!(quiet).await.unwrap_err() });
    let handle = go!(quiet);
    mco::select! {
        result = handle.join() => drop(result.unwrap_err()),
    }
    std::panic::catch_unwind(|| mco::coroutine::scope(|s| drop(s.spawn(quiet)))).unwrap_err();
    mco::coroutine::scope(|s| s.spawn(quiet).join().unwrap_err());
    mco::std::blocking::spawn_blocking(quiet).join().unwrap_err();
    let cancelled = go!(coroutine::park);
    cancelled.cancel();
}
