//! Panics: they end their coroutine, reach its `join`, and hurt nobody else.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Builder, JoinHandle};
use mco::coroutine_local;
use mco::runtime::Runtime;
use mco_tests::{HUNG, child, eventually, process, quiet, runtime, text_of, with_runtimes, within};

/// The tests on runtimes of several sizes, without the messages of their own panics.
#[track_caller]
fn quietly(test: impl Fn(&Runtime) + Clone + Send + 'static) {
    quiet::panics_on_purpose();
    with_runtimes(test);
}

/// Panics when it is dropped.
struct Bomb(&'static str);

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose: {}", self.0);
    }
}

/// Counts that it was dropped.
struct Count(Arc<AtomicUsize>);

impl Drop for Count {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_panic_reaches_join_with_its_payload() {
    quietly(|runtime| {
        let payload = runtime.spawn(|| panic!("on purpose: text")).join().unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"on purpose: text"));
        let payload =
            runtime.spawn(|| panic!("on purpose: {}", std::hint::black_box(7))).join().unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&String::from("on purpose: 7")));
        let payload = runtime.spawn(|| panic::resume_unwind(Box::new(7u32))).join().unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&7u32));
    });
}

/// Whatever size was asked for: the report must not end the process.
#[test]
fn a_panic_with_a_backtrace_fits_into_the_smallest_stack() {
    for kind in ["1", "full"] {
        let end = child::Child::new().env("RUST_BACKTRACE", kind).run(|| {
            let tiny = || Builder::new().stack_size(1).spawn(|| panic!("it is told: {}", 1.5));
            let outcome = runtime(1).run(move || tiny().join());
            assert_eq!(text_of(&*outcome.unwrap_err()), "it is told: 1.5");
        });
        end.assert_success();
        end.assert_says("it is told: 1.5");
        end.assert_says("stack backtrace:");
    }
}

#[test]
fn a_panic_after_a_suspension_reaches_join() {
    quietly(|runtime| {
        let handle = runtime.spawn(|| {
            coroutine::sleep(Duration::from_millis(1));
            coroutine::yield_now();
            panic!("on purpose: late");
        });
        assert_eq!(text_of(&*handle.join().unwrap_err()), "on purpose: late");
    });
}

#[test]
fn a_panic_unwinds_what_the_coroutine_holds() {
    quietly(|runtime| {
        let drops = Arc::new(AtomicUsize::new(0));
        let (captured, local) = (Count(drops.clone()), drops.clone());
        let handle = runtime.spawn(move || {
            let _captured = captured;
            let _local = Count(local);
            coroutine::yield_now();
            panic!("on purpose");
        });
        handle.join().unwrap_err();
        assert_eq!(drops.load(Ordering::SeqCst), 2);
    });
}

#[test]
fn the_others_go_on() {
    quietly(|runtime| {
        let spawn = |n: u32| {
            runtime.spawn(move || {
                for _ in 0..10 {
                    coroutine::yield_now();
                }
                assert!(!n.is_multiple_of(3), "on purpose");
                n
            })
        };
        let handles: Vec<_> = (0..300).map(spawn).collect();
        for (handle, n) in handles.into_iter().zip(0..) {
            assert_eq!(handle.join().ok(), (n % 3 != 0).then_some(n));
        }
    });
}

#[test]
fn a_panic_that_is_passed_on_goes_up_through_the_joins() {
    fn fall(depth: u32) {
        if depth == 0 {
            panic!("on purpose: at the bottom");
        }
        coroutine::spawn(move || fall(depth - 1))
            .join()
            .unwrap_or_else(|p| panic::resume_unwind(p));
    }
    quietly(|runtime| {
        let payload = runtime.spawn(|| fall(50)).join().unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: at the bottom");
    });
}

#[test]
fn a_coroutine_catches_its_own_panic_across_suspensions() {
    quietly(|runtime| {
        let caught = runtime.run(|| {
            (0..100u32)
                .filter(|_| {
                    let body = || {
                        coroutine::yield_now();
                        panic!("on purpose");
                    };
                    panic::catch_unwind(body).is_err() && !thread::panicking()
                })
                .count()
        });
        assert_eq!(caught, 100);
    });
}

/// In a process of its own: one whose memory nothing else touches.
fn assert_no_growth(round: impl Fn(&Runtime, usize)) {
    const ROUNDS: usize = 500;
    quiet::panics_on_purpose();
    let runtime = runtime(2);
    let half = || {
        for n in 0..ROUNDS {
            round(&runtime, n);
        }
        process::resident()
    };
    let (first, second) = (half(), half());
    // A leak of 21 bytes a panic is as much; the allocator alone moves by some pages.
    let allowed = 1 << 20;
    assert!(second <= first + allowed, "it grew from {first} to {second} bytes");
    assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
}

/// In rounds of a hundred, 100,000 in all.
fn hundred(runtime: &Runtime) -> Vec<JoinHandle<()>> {
    (0..100).map(|n| runtime.spawn(move || panic!("on purpose: {n}"))).collect()
}

#[test]
fn memory_does_not_grow_with_100_000_joined_panics() {
    child::pass(|| {
        assert_no_growth(|runtime, _| {
            for handle in hundred(runtime) {
                assert!(text_of(&*handle.join().unwrap_err()).starts_with("on purpose"));
            }
        });
    });
}

#[test]
fn memory_does_not_grow_with_100_000_panics_that_nobody_joins() {
    child::pass(|| {
        assert_no_growth(|runtime, _| {
            drop(hundred(runtime));
            eventually("they have ended", || {
                // Not started yet is not counted as live, so let one pass behind them too.
                runtime.spawn(|| ()).join().unwrap();
                runtime.metrics().live() == 0
            });
        });
    });
}

#[test]
fn memory_does_not_grow_with_100_000_cancelled() {
    child::pass(|| {
        assert_no_growth(|runtime, _| {
            let parked: Vec<_> = (0..100).map(|_| runtime.spawn(coroutine::park)).collect();
            parked.iter().for_each(JoinHandle::cancel);
            parked.into_iter().for_each(|handle| assert!(handle.join().is_err()));
        });
    });
}

#[test]
fn a_result_whose_destructor_panics_hurts_nobody() {
    quietly(|runtime| {
        for _ in 0..20 {
            // Dropped by the coroutine, or by this thread, whoever comes second.
            let drop_it = || drop(runtime.spawn(|| Bomb("in a result that nobody wants")));
            drop(panic::catch_unwind(AssertUnwindSafe(drop_it)));
        }
        let handle = runtime.spawn(|| Bomb("in a result"));
        handle.wait();
        drop(panic::catch_unwind(AssertUnwindSafe(|| drop(handle.join()))).unwrap_err());
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
        assert!(!runtime.run(thread::panicking));
    });
}

#[test]
fn a_payload_whose_destructor_panics_hurts_nobody() {
    quietly(|runtime| {
        for _ in 0..20 {
            runtime.spawn(|| panic::resume_unwind(Box::new(Bomb("in a payload"))));
        }
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
        assert!(!runtime.run(thread::panicking));
    });
}

#[test]
fn a_destructor_that_panics_at_the_end_reaches_join() {
    quietly(|runtime| {
        let handle = runtime.spawn(|| {
            let _bomb = Bomb("at the end");
            coroutine::yield_now();
        });
        assert_eq!(text_of(&*handle.join().unwrap_err()), "on purpose: at the end");
    });
}

#[test]
fn a_closure_that_never_starts_and_panics_when_dropped_hurts_nobody() {
    quiet::panics_on_purpose();
    within(HUNG, || {
        let runtime = runtime(1);
        let (held, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (holds, waits) = (held.clone(), go_on.clone());
        let holder = runtime.spawn(move || {
            holds.store(true, Ordering::SeqCst);
            while !waits.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        });
        eventually("the worker is held up", || held.load(Ordering::SeqCst));
        let bomb = Bomb("in a closure");
        let never = runtime.spawn(move || drop(bomb));
        never.cancel();
        go_on.store(true, Ordering::SeqCst);
        assert!(never.join().is_err());
        holder.join().unwrap();
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
    });
}

coroutine_local! {
    static MINED: RefCell<Option<Bomb>> = RefCell::new(None);
}

#[test]
fn a_coroutine_local_whose_destructor_panics_hurts_nobody() {
    quietly(|runtime| {
        let handle = runtime.spawn(|| {
            MINED.with(|mined| *mined.borrow_mut() = Some(Bomb("in a local")));
            5
        });
        assert_eq!(handle.join().unwrap(), 5);
        assert_eq!(runtime.spawn(|| 1).join().unwrap(), 1);
        assert!(!runtime.run(thread::panicking));
    });
}

/// Suspends in its destructor until it is allowed to go on.
struct Slow {
    entered: Arc<AtomicBool>,
    go_on: Arc<AtomicBool>,
}

impl Drop for Slow {
    fn drop(&mut self) {
        self.entered.store(true, Ordering::SeqCst);
        while !self.go_on.load(Ordering::SeqCst) {
            coroutine::yield_now();
        }
    }
}

#[test]
fn neighbours_of_one_suspended_while_unwinding_live_as_usual() {
    quiet::panics_on_purpose();
    within(HUNG, || {
        let runtime = runtime(1);
        let (entered, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let slow = Slow { entered: entered.clone(), go_on: go_on.clone() };
        let unwinding = runtime.spawn(move || {
            let _slow = slow;
            panic!("on purpose: the slow one");
        });
        eventually("it unwinds", || entered.load(Ordering::SeqCst));

        // Spawning, waiting, panicking and catching all work meanwhile.
        assert_eq!(runtime.spawn(|| 2).join().unwrap(), 2);
        for n in 0..10 {
            let handle = runtime.spawn(move || {
                coroutine::sleep(Duration::from_millis(1));
                let catch = || panic!("on purpose: caught");
                assert!(panic::catch_unwind(catch).is_err());
                panic!("on purpose: neighbour {n}");
            });
            let payload: Box<_> = handle.join().unwrap_err();
            assert_eq!(text_of(&*payload), format!("on purpose: neighbour {n}"));
        }
        go_on.store(true, Ordering::SeqCst);
        assert_eq!(text_of(&*unwinding.join().unwrap_err()), "on purpose: the slow one");
        assert!(!runtime.run(thread::panicking), "the worker's panic count is off");
    });
}

#[test]
fn unwindings_that_overlap_on_one_worker_end_in_any_order() {
    quiet::panics_on_purpose();
    within(HUNG, || {
        let runtime = runtime(1);
        let gates: Vec<_> = (0..8).map(|_| Arc::new(AtomicBool::new(false))).collect();
        let spawn = |gate: &Arc<AtomicBool>| {
            let entered = Arc::new(AtomicBool::new(false));
            let slow = Slow { entered: entered.clone(), go_on: gate.clone() };
            let handle: JoinHandle<()> = runtime.spawn(move || {
                let _slow = slow;
                panic!("on purpose");
            });
            eventually("it unwinds", || entered.load(Ordering::SeqCst));
            handle
        };
        let mut handles: Vec<_> = gates.iter().map(|gate| Some(spawn(gate))).collect();
        for n in [3, 0, 7, 1, 6, 2, 5, 4] {
            gates[n].store(true, Ordering::SeqCst);
            let handle = handles[n].take().unwrap();
            assert_eq!(text_of(&*handle.join().unwrap_err()), "on purpose");
        }
        assert!(!runtime.run(thread::panicking), "the worker's panic count is off");
    });
}

#[test]
fn a_panic_prints_one_message_with_its_place() {
    let end = child::pass(|| {
        let runtime = runtime(2);
        let handle = runtime.run(|| Builder::new().name("p").spawn(|| panic!("with a message")));
        handle.join().unwrap_err();
    });
    assert_eq!(end.stderr.matches("with a message").count(), 1, "{end}");
    end.assert_says(file!());
}

#[test]
fn a_panic_of_a_coroutine_leaves_std_locks_poisoned_and_others_not() {
    quietly(|runtime| {
        let lock = Arc::new(std::sync::Mutex::new(0));
        let other = Arc::new(std::sync::Mutex::new(0));
        let (held, free) = (lock.clone(), other.clone());
        let handle = runtime.spawn(move || {
            *free.lock().unwrap() += 1;
            let _guard = held.lock().unwrap();
            panic!("on purpose");
        });
        handle.join().unwrap_err();
        assert!(lock.is_poisoned() && !other.is_poisoned());
    });
}

/// What a child says whose coroutine panics.
fn panicking(prepare: impl FnOnce()) {
    prepare();
    let named = coroutine::Builder::new().name("digger").spawn(|| panic!("it caved in"));
    assert!(named.join().is_err());
}

#[test]
fn a_panic_names_its_coroutine_and_its_backtrace_ends_there() {
    let end = child::Child::new().env("RUST_BACKTRACE", "1").run(|| panicking(|| ()));
    end.assert_success();
    end.assert_says("coroutine `digger` (id ");
    end.assert_says("it caved in");
    end.assert_says("panicking::{{closure}}");
    for engine in ["run_loop", "generator::", "TaskCell"] {
        end.assert_does_not_say(engine);
    }
}

#[test]
fn a_hook_of_the_users_is_left_alone() {
    let hook = || std::panic::set_hook(Box::new(|_| eprintln!("the user's hook")));
    let end = child::run(|| panicking(hook));
    end.assert_success();
    end.assert_says("the user's hook");
    end.assert_does_not_say("digger");
}

#[test]
#[ignore = "is run by `the_output_of_the_global_runtime_is_no_tests_own`"]
fn captured_1_starts_the_runtime() {
    coroutine::spawn(|| ()).join().unwrap();
}

#[test]
#[ignore = "is run by `the_output_of_the_global_runtime_is_no_tests_own`"]
fn captured_2_panics() {
    assert!(coroutine::spawn(|| panic!("heard by everyone")).join().is_err());
}

#[cfg(unix)]
#[test]
fn the_output_of_the_global_runtime_is_no_tests_own() {
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    command.args(["panic::captured_", "--include-ignored", "--test-threads=1"]);
    let end = child::watch(&mut command, child::LIMIT);
    end.assert_success();
    assert!(end.stdout.contains("running 2 tests"), "{end}");
    end.assert_says("heard by everyone");
}

#[test]
fn a_future_that_is_dropped_unpolled_is_reported() {
    async fn answer() -> u32 {
        42
    }
    let end = child::run(|| {
        drop(mco::go!(answer()));
        // This one is taken, and run.
        let future = mco::go!(answer()).join().unwrap();
        assert_eq!(mco::block_on(future), 42);
        let other: std::pin::Pin<Box<dyn Future<Output = u32> + Send>> = Box::pin(answer());
        drop(mco::go!(move || other));
        coroutine::spawn(|| ()).join().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(200));
    });
    end.assert_success();
    if cfg!(debug_assertions) {
        let told = end.stderr.matches("a future or a closure, which was dropped").count();
        assert_eq!(told, 2, "{end}");
    }
}
