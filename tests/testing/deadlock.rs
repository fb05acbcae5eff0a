//! Deadlocks are found, in tests and under `#[mco::main]`, and nothing else is taken for one.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::UdpSocket;
use std::process::{Child as Process, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, sleep};
use mco::std::sync::{Mutex, channel};
use mco::{go, join};
use mco_tests::HUNG;
use mco_tests::child::{self, Child};

const PROGRAM: &str = env!("CARGO_BIN_EXE_deadlock_program");

/// Runs one of the programs of `programs/deadlock.rs`.
fn run(program: &str) -> child::End {
    child::watch(Command::new(PROGRAM).arg(program), HUNG)
}

#[track_caller]
fn assert_deadlock(end: &child::End) {
    assert_eq!(end.status.code(), Some(2), "{end}");
    end.assert_says(
        "mco: deadlock: every coroutine is blocked, and nothing is left that could wake one",
    );
}

#[test]
fn a_deadlock_of_dining_philosophers_is_reported() {
    let end = run("philosophers");
    assert_deadlock(&end);
    for number in 0..5 {
        end.assert_says(&format!("`philosopher {number}`"));
    }
    end.assert_says("deadlock: 5 coroutines wait for each other");
    end.assert_says("waits for a mutex at tests/programs/deadlock.rs:");
}

#[test]
fn a_program_of_one_coroutine_is_reported() {
    let end = run("receive");
    assert_deadlock(&end);
    end.assert_says("the channel, made at tests/programs/deadlock.rs:67:31, has 1 sender");
    let end = run("park");
    assert_deadlock(&end);
    end.assert_says("park");
}

#[test]
fn a_deadlock_after_all_kinds_of_work_is_reported() {
    let end = run("after_work");
    assert_deadlock(&end);
    end.assert_says("semaphore");
}

#[test]
fn a_deadlock_of_two_runtimes_is_reported() {
    let end = run("two_runtimes");
    assert_deadlock(&end);
    // The cause may lie in either.
    end.assert_says("`in the other runtime`");
}

#[test]
fn no_deadlock_is_reported_while_another_thread_lives() {
    let end = run("after_a_thread");
    assert_deadlock(&end);
    assert!(end.stdout.contains("the thread ends"), "{end}");
}

#[track_caller]
fn assert_none(end: &child::End) {
    end.assert_success();
    assert!(end.stdout.ends_with("ended\n"), "{end}");
    end.assert_does_not_say("mco: deadlock");
}

#[test]
fn whoever_waits_for_time_is_not_deadlocked() {
    for program in ["timer", "alarm", "ticker"] {
        assert_none(&run(program));
    }
}

#[test]
fn whoever_waits_for_a_thread_is_not_deadlocked() {
    for program in ["thread", "threads", "jobs_and_threads", "computing"] {
        assert_none(&run(program));
    }
}

#[test]
fn whoever_waits_for_a_blocking_job_is_not_deadlocked() {
    for program in ["blocking", "spawn_blocking"] {
        assert_none(&run(program));
    }
}

#[test]
fn whoever_waits_for_another_runtime_is_not_deadlocked() {
    assert_none(&run("runtime"));
}

/// Starts a program, and returns what it says first.
fn start(program: &str) -> (Process, String) {
    let mut command = Command::new(PROGRAM);
    let pipes = command.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut process = pipes.stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(process.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (process, line.trim_end().to_owned())
}

/// Gives a wrong report time to come, and the program what it waits for, and expects it to end well.
fn outlives_a_wait(mut process: Process, wake: impl FnOnce(&mut Process)) {
    thread::sleep(Duration::from_millis(300));
    assert!(process.try_wait().unwrap().is_none(), "it ended before it was woken");
    wake(&mut process);
    drop(process.stdin.take());
    let start = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().unwrap() {
            break status;
        }
        assert!(start.elapsed() < HUNG, "it does not end");
        thread::sleep(Duration::from_millis(2));
    };
    let mut said = String::new();
    process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(status.success(), "{status}: {said}");
    assert_eq!(said, "");
}

#[test]
fn whoever_waits_for_a_stream_is_not_deadlocked() {
    let (process, _) = start("socket");
    outlives_a_wait(process, |process| {
        process.stdin.as_mut().unwrap().write_all(b"go on\n").unwrap();
    });
}

#[test]
fn whoever_waits_for_a_datagram_is_not_deadlocked() {
    let (process, addr) = start("udp");
    outlives_a_wait(process, |_| {
        UdpSocket::bind("127.0.0.1:0").unwrap().send_to(b"x", addr).unwrap();
    });
}

#[test]
fn whoever_waits_for_a_pipe_is_not_deadlocked() {
    let (process, _) = start("pipe");
    outlives_a_wait(process, |_| ());
}

#[mco::test]
#[ignore = "is to fail, in a child"]
fn crossed_locks() {
    let (a, b) = (Arc::new(Mutex::new(())), Arc::new(Mutex::new(())));
    let held = a.lock().unwrap();
    let (other_a, other_b) = (a.clone(), b.clone());
    let other = go!("other", move || {
        let _held = other_b.lock().unwrap();
        drop(other_a.lock().unwrap());
    });
    coroutine::yield_now();
    let _b = b.lock().unwrap();
    drop(held);
    other.join().unwrap();
}

#[mco::test(workers = 4)]
#[ignore = "is to fail, in a child"]
fn on_four_workers() {
    let (sender, receiver) = channel::bounded::<u32>(1);
    let handles: Vec<_> = (0..8)
        .map(|n| {
            let sender = sender.clone();
            go!(move || (0..n).for_each(|n| sender.send(n).unwrap()))
        })
        .collect();
    assert!(receiver.recv().is_ok());
    handles.into_iter().for_each(|handle| handle.join().unwrap());
}

#[mco::test(virtual_time = true)]
#[ignore = "is to fail, in a child"]
fn after_virtual_hours() {
    join!(sleep(Duration::from_secs(7200)), coroutine::park());
}

#[mco::test(timeout = "500ms", deadlock = false)]
#[ignore = "is to fail, in a child"]
fn not_wanted() {
    coroutine::park();
}

#[mco::test(timeout = "500ms")]
#[ignore = "is to fail, in a child"]
fn not_known() {
    thread::spawn(|| thread::sleep(Duration::from_secs(600)));
    coroutine::park();
}

struct SaysGoodbye;

impl Drop for SaysGoodbye {
    fn drop(&mut self) {
        println!("goodbye");
    }
}

#[mco::test]
#[ignore = "is to fail, in a child"]
fn with_destructors() {
    let _at_the_end = SaysGoodbye;
    coroutine::park();
}

/// Runs the test alone, in a child, where it fails, and returns what that says.
fn failing(test: &str) -> String {
    let end = Child::new().run_test(&format!("deadlock::{test}"));
    end.assert_failed();
    format!("{}{}", end.stdout, end.stderr)
}

#[test]
fn a_test_fails_by_its_deadlock() {
    let output = failing("crossed_locks");
    assert!(output.contains("deadlock in the test `testing::deadlock::crossed_locks`"), "{output}");
    assert!(output.contains("`other`") && output.contains("mutex"), "{output}");
    assert!(output.contains("2 coroutines wait for each other"), "{output}");
    // The one worker has found it, and takes them itself.
    assert!(output.contains("{closure"), "{output}");
    let output = failing("on_four_workers");
    assert!(output.contains("deadlock in the test") && output.contains("send"), "{output}");
    let output = failing("after_virtual_hours");
    assert!(output.contains("deadlock in the test") && output.contains("park"), "{output}");
}

#[test]
fn a_test_with_deadlock_false_times_out_instead() {
    for test in ["not_wanted", "not_known"] {
        let output = failing(test);
        assert!(output.contains("did not end within 500ms"), "{output}");
        assert!(!output.contains("deadlock in"), "{output}");
    }
}

#[test]
fn a_deadlocked_test_is_unwound() {
    let output = failing("with_destructors");
    assert!(output.contains("goodbye"), "{output}");
}

static SHARED: Mutex<()> = Mutex::new(());

#[mco::test]
#[ignore = "is run in a child, beside the next one"]
fn one_test_holds_a_lock_of_both() {
    let _guard = SHARED.lock().unwrap();
    sleep(Duration::from_millis(500));
}

#[mco::test]
#[ignore = "is run in a child, beside the last one"]
fn another_test_waits_for_it() {
    drop(SHARED.lock().unwrap());
}

#[test]
fn a_test_that_waits_for_another_one_is_not_deadlocked() {
    let both = ["deadlock::one_test_holds_a_lock_of_both", "deadlock::another_test_waits_for_it"];
    // Whichever begins first.
    for _ in 0..3 {
        Child::new().run_tests(&both).assert_success();
    }
}

#[test]
fn a_deadlocked_test_fails_when_those_beside_it_have_ended() {
    let end = Child::new()
        .run_tests(&["deadlock::one_test_holds_a_lock_of_both", "deadlock::crossed_locks"]);
    end.assert_failed();
    end.assert_says("deadlock in the test `testing::deadlock::crossed_locks`");
    let output = format!("{}{}", end.stdout, end.stderr);
    assert!(output.contains("1 passed; 1 failed"), "{output}");
}

#[mco::test]
fn one_test_may_wait_while_others_are_done() {
    let here = coroutine::current();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        here.unpark();
    });
    coroutine::park();
    thread.join().unwrap();
}

#[mco::test]
fn a_thread_that_drops_a_sender_wakes_the_receiver() {
    let (sender, receiver) = channel::unbounded::<()>();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(100));
        drop(sender);
    });
    assert!(receiver.recv().is_err());
    thread.join().unwrap();
}
