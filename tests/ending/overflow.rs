//! Stacks: how deep they are, and what happens at their end.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Builder};
use mco::runtime::Runtime;
use mco_tests::{HUNG, child, runtime, with_runtimes, within};

/// Recurses until it has used so many bytes of the stack.
#[inline(never)]
fn descend(bytes: usize) -> usize {
    let frame = black_box([1u8; 1024]);
    let here = (&raw const frame).addr();
    let below = if bytes == 0 { 0 } else { deeper(here, here - bytes) };
    below + usize::from(frame[bytes % 1024])
}

#[inline(never)]
fn deeper(top: usize, end: usize) -> usize {
    let frame = black_box([1u8; 1024]);
    let here = (&raw const frame).addr();
    let below = if here <= end { top - here } else { deeper(top, end) };
    black_box(below)
}

/// Recurses without end.
#[inline(never)]
fn overflow(n: u64) -> u64 {
    let frame = black_box([n; 64]);
    let below = if black_box(true) { overflow(n + 1) } else { 0 };
    below + frame[(n % 64) as usize]
}

#[test]
fn a_recursion_of_a_mebibyte_runs_on_the_default_stack() {
    with_runtimes(|runtime| {
        assert!(runtime.run(|| descend(1 << 20)) >= 1 << 20);
    });
}

#[test]
fn many_recurse_for_a_mebibyte_at_once_and_stacks_are_used_again() {
    with_runtimes(|runtime| {
        for _ in 0..3 {
            let deep = |_| {
                runtime.spawn(|| {
                    coroutine::yield_now();
                    descend(1 << 20)
                })
            };
            let handles: Vec<_> = (0..50).map(deep).collect();
            assert!(handles.into_iter().all(|handle| handle.join().unwrap() >= 1 << 20));
        }
    });
}

#[test]
fn as_much_as_asked_for_can_be_used() {
    within(HUNG, || {
        let runtime = runtime(2);
        for size in [64 << 10, 256 << 10, 1 << 20, 16 << 20, 256 << 20] {
            // What is above the first frame, and the frames of the test itself, are mco's and std's.
            let usable = size - (size / 8).min(16 << 10);
            let used =
                runtime.run(|| Builder::new().stack_size(size).spawn(move || descend(usable)));
            assert!(used.join().unwrap() >= usable);
        }
    });
}

#[test]
fn the_stack_size_of_a_runtime_is_that_of_its_coroutines() {
    within(HUNG, || {
        let runtime = Runtime::builder().workers(1).stack_size(20 << 20).build().unwrap();
        assert!(runtime.run(|| descend(19 << 20)) >= 19 << 20);
        let handle = runtime.spawn(|| ());
        assert!(handle.coroutine().stack_size() >= 20 << 20);
        handle.join().unwrap();
    });
}

/// The process must abort and say whose stack it was.
#[track_caller]
fn assert_reported(end: &child::End, name: Option<&str>, line: u32, size: usize) {
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("overflowed its stack");
    if let Some(name) = name {
        end.assert_says(&format!("`{name}`"));
    }
    end.assert_says(&format!("{}:{line}:", file!()));
    end.assert_says(&format!("{size} bytes"));
    assert_eq!(end.stderr.matches("overflowed its stack").count(), 1, "{end}");
}

const SMALL: usize = 64 * 1024;

#[test]
fn an_overflow_names_the_coroutine() {
    let line = line!() + 4;
    let end = child::run(|| {
        runtime(2).run(|| {
            let builder = Builder::new().name("deep").stack_size(SMALL);
            builder.spawn(|| overflow(0)).join().unwrap()
        });
    });
    assert_reported(&end, Some("deep"), line, SMALL);
}

#[test]
fn an_overflow_without_a_name_gives_place_and_size() {
    let line = line!() + 2;
    let end = child::run(|| {
        coroutine::spawn(|| overflow(0)).join().unwrap();
    });
    assert_reported(&end, None, line, mco::config().get_stack_size());
}

#[test]
fn an_overflow_after_a_suspension_is_reported() {
    let end = child::run(|| {
        runtime(2).run(|| {
            let builder = Builder::new().name("resumed").stack_size(SMALL);
            let body = || {
                (0..10).for_each(|_| coroutine::yield_now());
                coroutine::sleep(Duration::from_millis(1));
                overflow(0)
            };
            builder.spawn(body).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`resumed`");
    end.assert_says(&format!("{SMALL} bytes"));
}

#[test]
fn an_overflow_of_a_stack_used_again_names_its_new_owner() {
    let end = child::run(|| {
        runtime(1).run(|| {
            let spawn = |name: &str| Builder::new().name(name).stack_size(SMALL);
            spawn("first").spawn(|| descend(SMALL / 2)).join().unwrap();
            spawn("second").spawn(|| overflow(0)).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`second`");
    end.assert_does_not_say("`first`");
}

#[test]
fn an_overflow_while_another_is_suspended_names_the_right_one() {
    let end = child::run(|| {
        runtime(1).run(|| {
            let spawn = |name: &str| Builder::new().name(name).stack_size(SMALL);
            let _parked: Vec<_> = (0..20).map(|_| spawn("parked").spawn(coroutine::park)).collect();
            coroutine::sleep(Duration::from_millis(1));
            spawn("culprit").spawn(|| overflow(0)).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`culprit`");
    end.assert_does_not_say("`parked`");
}

#[test]
fn an_overflow_of_the_smallest_stack_is_reported() {
    let end = child::run(|| {
        runtime(1).run(|| {
            let builder = Builder::new().name("tiny").stack_size(1);
            builder.spawn(|| overflow(0)).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`tiny`");
    end.assert_says("overflowed its stack of 65536 bytes");
}

/// In locked memory there is no guard without a mapping of its own.
#[test]
fn stacks_are_had_and_guarded_in_a_process_that_locks_its_memory() {
    let end = child::run(|| {
        let runtime = runtime(1);
        let depth = |bytes| Builder::new().stack_size(2 * SMALL).spawn(move || descend(bytes));
        assert!(runtime.run(move || depth(SMALL).join().unwrap()) >= SMALL);
        // SAFETY: no preconditions.
        if unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) } != 0 {
            println!("this user may not lock memory");
            return;
        }
        runtime.run(move || {
            let handles: Vec<_> = (0..100).map(|_| depth(SMALL)).collect();
            assert!(handles.into_iter().all(|handle| handle.join().unwrap() >= SMALL));
        });
        println!("they had stacks");
        runtime.run(|| {
            let builder = Builder::new().name("locked").stack_size(SMALL);
            builder.spawn(|| overflow(0)).join().unwrap()
        });
    });
    if end.stdout.contains("this user may not lock memory") {
        return;
    }
    assert!(end.stdout.contains("they had stacks"), "{end}");
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`locked`");
}

#[test]
fn an_overflow_by_one_large_frame_is_reported() {
    #[inline(never)]
    fn large() -> u8 {
        let frame = black_box([1u8; 1 << 20]);
        frame[black_box(1)]
    }
    let end = child::run(|| {
        runtime(1).run(|| {
            let builder = Builder::new().name("large").stack_size(SMALL);
            builder.spawn(large).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`large`");
}

#[test]
fn an_overflow_in_a_scope_is_reported() {
    let end = child::run(|| {
        let start = 0;
        coroutine::scope(|s| {
            Builder::new().name("scoped").spawn_scoped(s, || overflow(start));
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`scoped`");
}

#[test]
fn an_overflow_in_a_destructor_while_unwinding_is_reported() {
    struct Deep;
    impl Drop for Deep {
        fn drop(&mut self) {
            overflow(0);
        }
    }
    let end = child::run(|| {
        runtime(1).run(|| {
            let builder = Builder::new().name("unwinding").stack_size(SMALL);
            let body = || {
                let _deep = Deep;
                panic!("up");
            };
            drop(builder.spawn(body).join());
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`unwinding`");
}

#[test]
fn an_overflow_on_a_spare_worker_is_reported() {
    let end = child::run(|| {
        let runtime = runtime(1);
        let (held, holds) = mpsc::channel();
        runtime.spawn(move || {
            held.send(()).unwrap();
            thread::sleep(Duration::from_secs(30));
        });
        holds.recv().unwrap();
        let handle = runtime.spawn(|| {
            let thread = thread::current();
            let builder = Builder::new().name("on-a-spare").stack_size(SMALL);
            let child = builder.spawn(move || {
                eprintln!("on {:?}", thread::current().name());
                overflow(0)
            });
            assert_eq!(thread.id(), thread::current().id());
            child.join().unwrap()
        });
        handle.join().unwrap();
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("spare");
    end.assert_says("`on-a-spare`");
    end.assert_says(&format!("{SMALL} bytes"));
    end.assert_says(&format!("{}:", file!()));
}

#[test]
fn an_overflow_with_guards_of_their_own_mappings_is_reported() {
    let end = child::Child::new().env("MCO_SPLIT_GUARDS", "1").run(|| {
        runtime(1).run(|| {
            let builder = Builder::new().name("split").stack_size(SMALL);
            builder.spawn(|| overflow(0)).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("`split`");
    end.assert_says(&format!("{SMALL} bytes"));
}

#[test]
fn a_long_name_does_not_spoil_the_report() {
    let end = child::run(|| {
        runtime(1).run(|| {
            let builder = Builder::new().name("long ".repeat(1000)).stack_size(SMALL);
            builder.spawn(|| overflow(0)).join().unwrap()
        });
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("long long");
    // What the report is for must not be cut off.
    end.assert_says(&format!("{}:", file!()));
    end.assert_says(&format!("{SMALL} bytes"));
}

#[test]
fn a_bad_pointer_in_a_coroutine_is_no_overflow() {
    let end = child::run(|| {
        runtime(1).run(|| {
            // SAFETY: none; it is the fault that is wanted, in this process of its own.
            unsafe { black_box(std::ptr::without_provenance::<u64>(8)).read_volatile() }
        });
    });
    end.assert_killed_by(libc::SIGSEGV);
    end.assert_does_not_say("overflow");
}

#[test]
fn a_bad_pointer_in_a_thread_beside_coroutines_is_no_overflow() {
    let end = child::run(|| {
        coroutine::spawn(|| ()).join().unwrap();
        // SAFETY: as above.
        unsafe { black_box(std::ptr::without_provenance::<u64>(8)).read_volatile() };
    });
    end.assert_killed_by(libc::SIGSEGV);
    end.assert_does_not_say("overflow");
}

#[test]
fn a_bad_pointer_into_the_guard_of_another_stack_is_no_overflow_of_this_one() {
    let end = child::run(|| {
        runtime(1).run(|| {
            let builder = Builder::new().name("other").stack_size(SMALL);
            let (tell, told) = mpsc::channel();
            let other = builder.spawn(move || {
                let here = 0u8;
                tell.send((&raw const here).addr()).unwrap();
                coroutine::park();
            });
            coroutine::sleep(Duration::from_millis(1));
            let top = told.recv().unwrap();
            // From inside the other stack down to the first byte that cannot be read.
            for address in (0..top).rev().step_by(4096) {
                // SAFETY: as above; the stack itself is mapped, and what is read is not used.
                unsafe { black_box(address as *const u8).read_volatile() };
            }
            other.join().unwrap();
        });
    });
    end.assert_killed_by(libc::SIGSEGV);
    end.assert_does_not_say("overflow");
}

#[test]
fn a_signal_sent_from_outside_is_no_overflow() {
    let end = child::run(|| {
        runtime(1).run(|| {
            // SAFETY: sends this process a signal, by which it is to end.
            unsafe { libc::raise(libc::SIGSEGV) };
        });
        // A handler that restores the default action waits for the fault to be repeated.
        // SAFETY: as above.
        unsafe { libc::raise(libc::SIGSEGV) };
    });
    end.assert_killed_by(libc::SIGSEGV);
    end.assert_does_not_say("overflow");
}

#[test]
fn an_overflow_of_a_threads_stack_is_reported_by_std() {
    let end = child::run(|| {
        coroutine::spawn(|| ()).join().unwrap();
        let thread = thread::Builder::new().name("plain".to_owned()).stack_size(SMALL);
        thread.spawn(|| overflow(0)).unwrap().join().unwrap();
    });
    end.assert_killed_by(libc::SIGABRT);
    end.assert_says("thread 'plain'");
    end.assert_says("has overflowed its stack");
    end.assert_does_not_say("coroutine");
}
