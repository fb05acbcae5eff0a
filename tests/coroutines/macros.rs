//! What the macros do when they run; what they accept is tested in `ui-tests`.

use std::cell::RefCell;
use std::env;
use std::io;
use std::panic;
use std::process::{Command, ExitCode, Termination};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Cancelled};
use mco::{co, defer, go, spawn};
use mco_tests::child::{self, End};
use mco_tests::{HUNG, eventually, quiet, text_of, with_runtimes, within};

type Log = Arc<Mutex<Vec<&'static str>>>;

fn log(log: &Log, text: &'static str) {
    log.lock().unwrap().push(text);
}

fn texts(log: &Log) -> Vec<&'static str> {
    log.lock().unwrap().clone()
}

// go!, co!, spawn!

#[test]
fn go_runs_in_a_coroutine_of_the_callers_runtime() {
    with_runtimes(|runtime| {
        let spawned = runtime.metrics().spawned();
        let inside = runtime.run(|| {
            let all = [
                go!(|| coroutine::try_current().is_some()),
                co!(move || coroutine::try_current().is_some()),
                spawn!(|| coroutine::try_current().is_some()),
                go!(coroutine::is_coroutine()),
                go! { coroutine::is_coroutine() },
                go!("name", coroutine::is_coroutine()),
            ];
            all.into_iter().all(|handle| handle.join().unwrap())
        });
        assert!(inside);
        assert_eq!(runtime.metrics().spawned(), spawned + 7);
    });
}

#[test]
fn operands_are_evaluated_now_and_in_order_and_the_call_runs_in_the_coroutine() {
    fn call(a: u32, b: u32, order: Log) -> (u32, bool) {
        log(&order, "call");
        (a * 10 + b, coroutine::is_coroutine())
    }
    within(HUNG, || {
        let order = Log::default();
        let operand = |text, value| {
            assert!(!coroutine::is_coroutine(), "evaluated by the coroutine");
            log(&order, text);
            value
        };
        let handle = go!(call(operand("first", 1), operand("second", 2), order.clone()));
        assert_eq!(handle.join().unwrap(), (12, true));
        assert_eq!(texts(&order), ["first", "second", "call"]);
    });
}

#[test]
fn an_operand_that_panics_spawns_nothing() {
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        fn operand() -> u32 {
            panic!("on purpose")
        }
        let outcome =
            runtime.run(|| panic::catch_unwind(|| drop(go!(std::convert::identity(operand())))));
        assert!(outcome.is_err());
        assert_eq!(runtime.metrics().spawned(), 1);
    });
}

#[test]
fn go_notes_the_place_of_the_call() {
    within(HUNG, || {
        fn call() {}
        let sites = [
            (go!(|| ()), line!()),
            (go!(call()), line!()),
            (go!("name", || ()), line!()),
            (co!(|| ()), line!()),
            (go!({ call() }), line!()),
        ];
        for (handle, line) in sites {
            let site = handle.coroutine().spawned_at();
            assert_eq!((site.file(), site.line()), (file!(), line));
        }
    });
}

#[test]
fn go_in_a_scope_borrows_and_is_waited_for() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (words, count) = (vec!["a", "b"], AtomicUsize::new(0));
            coroutine::scope(|s| {
                for word in &words {
                    let count = &count;
                    go!(s, move || {
                        coroutine::yield_now();
                        count.fetch_add(word.len(), Ordering::SeqCst);
                    });
                }
            });
            assert_eq!(count.load(Ordering::SeqCst), 2);
        });
    });
}

#[test]
fn a_panic_in_go_reaches_join() {
    quiet::panics_on_purpose();
    within(HUNG, || {
        let payload = go!(|| panic!("on purpose: in go")).join().unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: in go");
    });
}

// defer!

#[test]
fn what_is_deferred_runs_last_first_at_the_end_of_its_scope() {
    let order = Log::default();
    {
        defer!(log(&order, "first"));
        defer! {
            log(&order, "second");
        }
        defer!({ log(&order, "third") });
        defer!(|| log(&order, "fourth"));
        log(&order, "body");
    }
    assert_eq!(texts(&order), ["body", "fourth", "third", "second", "first"]);
}

#[test]
fn what_is_deferred_runs_however_the_scope_ends() {
    quiet::panics_on_purpose();
    fn leave(order: &Log, how: u32) -> Option<u32> {
        defer!(log(order, "deferred"));
        if how == 0 {
            return Some(0);
        }
        for _ in 0..2 {
            defer!(log(order, "inner"));
            if how == 1 {
                break;
            }
            continue;
        }
        assert_ne!(how, 2, "on purpose");
        None?;
        Some(1)
    }
    let ends = [
        (0, vec!["deferred"]),
        (1, vec!["inner", "deferred"]),
        (2, vec!["inner", "inner", "deferred"]),
        (3, vec!["inner", "inner", "deferred"]),
    ];
    for (how, expected) in ends {
        let order = Log::default();
        let place = order.clone();
        drop(panic::catch_unwind(move || leave(&place, how)));
        assert_eq!(texts(&order), expected, "{how}");
    }
}

#[test]
fn what_is_deferred_runs_when_its_coroutine_is_cancelled_and_may_block() {
    with_runtimes(|runtime| {
        let order = Log::default();
        let inner = order.clone();
        let handle = runtime.spawn(move || {
            defer!(log(&inner, "last"));
            defer! {
                coroutine::sleep(Duration::from_millis(1));
                log(&inner, "slept");
            }
            log(&inner, "body");
            coroutine::park();
        });
        eventually("it has begun", || texts(&order).len() == 1);
        handle.cancel();
        assert!(handle.join().unwrap_err().is::<Cancelled>());
        assert_eq!(texts(&order), ["body", "slept", "last"]);
    });
}

// #[mco::main]

#[mco::main]
fn main_of_nothing() {
    assert!(coroutine::is_coroutine());
}

#[mco::main]
fn main_that_fails() -> Result<(), io::Error> {
    go!(|| Err(io::Error::other("it went wrong"))).join().unwrap()
}

#[mco::main]
fn main_with_a_code() -> ExitCode {
    ExitCode::from(7)
}

#[mco::main]
fn main_that_panics() {
    panic!("at the root");
}

#[mco::main(workers = 3, stack_size = 262_144)]
fn main_with_options() {
    assert_eq!(mco::runtime::metrics().workers().len(), 3);
    assert_eq!(coroutine::current().stack_size(), 262_144);
    assert_eq!(go!(|| ()).coroutine().stack_size(), 262_144);
}

#[mco::main]
fn main_that_leaves_others_behind() {
    go!(|| {
        coroutine::sleep(Duration::from_secs(3600));
    });
}

#[mco::main]
fn main_that_is_cancelled() {
    coroutine::current().cancel();
    coroutine::park();
}

/// Ends the process with what `main` returns, as the real one would.
fn exit(main: impl Termination) {
    let code = main.report();
    let code = (0..=u8::MAX).find(|number| ExitCode::from(*number) == code);
    std::process::exit(code.expect("one of them").into())
}

#[test]
fn main_runs_in_a_coroutine_and_succeeds() {
    child::run(|| exit(main_of_nothing())).assert_success();
}

#[test]
fn an_error_of_main_is_printed_and_fails() {
    let end = child::run(|| exit(main_that_fails()));
    assert_eq!(end.status.code(), Some(1), "{end}");
    end.assert_says("it went wrong");
}

#[test]
fn the_exit_code_of_main_is_the_processs() {
    let end = child::run(|| exit(main_with_a_code()));
    assert_eq!(end.status.code(), Some(7), "{end}");
}

#[test]
fn a_panic_of_main_passes_through_with_one_message() {
    let end = child::run(|| {
        let outcome = panic::catch_unwind(main_that_panics);
        let text = outcome.map(|_| ()).map_err(|payload| text_of(&*payload).to_owned());
        assert_eq!(text, Err(String::from("at the root")));
    });
    end.assert_success();
    assert_eq!(end.stderr.matches("at the root").count(), 1, "{end}");
}

#[test]
fn main_takes_workers_and_stack_size() {
    child::run(|| exit(main_with_options())).assert_success();
}

#[test]
fn the_process_ends_with_main_whatever_others_do() {
    child::run(|| exit(main_that_leaves_others_behind())).assert_success();
}

#[test]
fn a_cancelled_main_fails_and_says_so() {
    let end = child::run(|| exit(main_that_is_cancelled()));
    assert_eq!(end.status.code(), Some(1), "{end}");
    end.assert_says("cancelled");
}

// #[mco::test]

#[mco::test]
fn a_test_is_a_coroutine_of_one_worker() {
    assert!(coroutine::is_coroutine());
    assert_eq!(mco::runtime::metrics().workers().len(), 1);
    let home = thread::current().id();
    assert_eq!(go!(|| thread::current().id()).join().unwrap(), home);
}

#[mco::test(workers = 3)]
fn a_test_may_have_more_workers() {
    assert_eq!(mco::runtime::metrics().workers().len(), 3);
}

#[mco::test]
fn a_test_may_return_a_result() -> Result<(), io::Error> {
    coroutine::yield_now();
    Ok(())
}

#[mco::test]
#[should_panic(expected = "on purpose")]
fn a_test_may_be_expected_to_panic() {
    quiet::panics_on_purpose();
    panic!("on purpose");
}

#[mco::test]
fn two_tests_do_not_share_a_runtime() {
    assert_eq!(mco::runtime::metrics().spawned(), 1);
}

#[mco::test]
fn what_a_test_leaves_behind_is_cancelled() {
    thread_local!(static LEFT: RefCell<u32> = const { RefCell::new(0) });
    go!(|| {
        defer!(LEFT.with_borrow_mut(|n| *n += 1));
        coroutine::park();
    });
    coroutine::yield_now();
}

#[mco::test]
#[ignore = "fails, for the test below"]
fn failing_panics() {
    go!(|| panic!("in a child")).join().unwrap_or_else(|payload| panic::resume_unwind(payload));
}

#[mco::test]
#[ignore = "fails, for the test below"]
fn failing_returns_an_error() -> Result<(), io::Error> {
    Err(io::Error::other("it went wrong"))
}

#[mco::test(timeout = "300ms")]
#[ignore = "fails, for the test below"]
fn failing_hangs() {
    go!("stuck", || coroutine::sleep(Duration::from_secs(3600)));
    coroutine::park();
}

#[mco::test(timeout = "300ms")]
#[ignore = "fails, for the test below"]
fn failing_blocks_its_worker() {
    thread::sleep(Duration::from_secs(3));
}

/// Runs one of the failing tests.
fn run_failing(name: &str) -> End {
    let mut command = Command::new(env::current_exe().unwrap());
    let name = format!("macros::{name}");
    command.args([&name, "--exact", "--ignored", "--nocapture"]).env("RUST_BACKTRACE", "0");
    let end = child::watch(&mut command, HUNG);
    assert!(end.stdout.contains("running 1 test"), "{end}");
    assert!(!end.status.success(), "{end}");
    end
}

#[test]
fn a_panic_fails_a_test_with_its_message() {
    run_failing("failing_panics").assert_says("in a child");
}

#[test]
fn an_error_fails_a_test_with_its_message() {
    run_failing("failing_returns_an_error").assert_says("it went wrong");
}

#[test]
fn a_hung_test_fails_and_says_who_waits_where() {
    let end = run_failing("failing_hangs");
    end.assert_says("failing_hangs");
    end.assert_says("300ms");
    // The root and its child, each with what it waits for and where.
    for text in ["park", "sleep", "stuck", file!()] {
        end.assert_says(text);
    }
}

#[test]
fn a_test_whose_worker_is_blocked_fails_in_time() {
    run_failing("failing_blocks_its_worker").assert_says("did not end within 300ms");
}
