//! Scopes: coroutines that borrow, and that end before the scope does.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mco::coroutine::{self, Builder, Cancelled, ScopedJoinHandle, scope};
use mco::runtime::Runtime;
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, eventually, quiet, runtime, text_of, with_runtimes, within};

/// Runs a test in a coroutine and in a plain thread, where a scope means the same.
#[track_caller]
fn everywhere(test: impl Fn() + Clone + Send + Sync + 'static) {
    quiet::panics_on_purpose();
    let here = test.clone();
    with_runtimes(move |runtime| runtime.run(&test));
    within(HUNG, here);
}

/// Sets a flag when it is dropped.
struct Flag<'a>(&'a AtomicBool);

impl Drop for Flag<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn children_borrow() {
    everywhere(|| {
        let text = String::from("one two three");
        let mut words = Vec::new();
        let length = scope(|s| {
            let length = s.spawn(|| text.len());
            s.spawn(|| words.extend(text.split(' ')));
            length.join().unwrap()
        });
        assert_eq!((length, words.len()), (13, 3));
    });
}

#[test]
fn a_scope_in_a_destructor_does_not_cut_its_children_off_for_a_cancel() {
    struct TidiesUp<'a>(&'a AtomicBool);
    impl Drop for TidiesUp<'_> {
        fn drop(&mut self) {
            scope(|s| {
                s.spawn(|| {
                    coroutine::sleep(Duration::from_millis(1));
                    self.0.store(true, Ordering::SeqCst);
                });
            });
        }
    }
    with_runtimes(|runtime| {
        let tidied = Arc::new(AtomicBool::new(false));
        let sees = tidied.clone();
        let cancelled = start(runtime, move || {
            let _at_the_end = TidiesUp(&sees);
            coroutine::park();
        });
        cancelled.cancel();
        assert_cancelled(cancelled);
        assert!(tidied.load(Ordering::SeqCst));
    });
}

#[test]
fn a_result_may_borrow() {
    everywhere(|| {
        let text = String::from("one two three");
        let last = scope(|s| s.spawn(|| text.split(' ').next_back().unwrap()).join().unwrap());
        assert_eq!(last, "three");
    });
}

#[test]
fn a_scope_returns_when_all_have_ended() {
    everywhere(|| {
        let ended = AtomicUsize::new(0);
        scope(|s| {
            for n in 0..50 {
                let ended = &ended;
                s.spawn(move || {
                    coroutine::sleep(Duration::from_micros(n * 20));
                    ended.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        assert_eq!(ended.load(Ordering::SeqCst), 50);
    });
}

#[test]
fn a_scope_without_children_returns() {
    everywhere(|| assert_eq!(scope(|_| 5), 5));
}

#[test]
fn children_spawn_siblings() {
    fn grow<'scope>(
        s: &'scope coroutine::Scope<'scope, '_>,
        count: &'scope AtomicUsize,
        depth: u32,
    ) {
        count.fetch_add(1, Ordering::SeqCst);
        if depth > 0 {
            s.spawn(move || grow(s, count, depth - 1));
            s.spawn(move || grow(s, count, depth - 1));
        }
    }
    everywhere(|| {
        let count = AtomicUsize::new(0);
        scope(|s| grow(s, &count, 6));
        assert_eq!(count.load(Ordering::SeqCst), 127);
    });
}

#[test]
fn scopes_nest() {
    everywhere(|| {
        let sum = AtomicUsize::new(0);
        scope(|outer| {
            for n in 0..8 {
                let sum = &sum;
                outer.spawn(move || {
                    let own = [n, n];
                    scope(|inner| {
                        for part in &own {
                            inner.spawn(|| sum.fetch_add(*part, Ordering::SeqCst));
                        }
                    });
                });
            }
        });
        assert_eq!(sum.load(Ordering::SeqCst), 56);
    });
}

#[test]
fn a_joined_panic_is_the_joiners() {
    everywhere(|| {
        let payload = scope(|s| s.spawn(|| panic!("on purpose: child")).join().unwrap_err());
        assert_eq!(text_of(&*payload), "on purpose: child");
    });
}

#[test]
fn a_panic_that_nobody_joined_is_the_scopes() {
    everywhere(|| {
        let ended = AtomicBool::new(false);
        let run = || {
            scope(|s| {
                s.spawn(|| panic!("on purpose: child"));
                s.spawn(|| {
                    coroutine::sleep(Duration::from_millis(2));
                    ended.store(true, Ordering::SeqCst);
                });
            });
        };
        let payload = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(text_of(&*payload), "a scoped coroutine panicked");
        assert!(ended.load(Ordering::SeqCst), "the scope did not wait for the other child");
    });
}

#[test]
fn a_panic_of_the_body_cancels_the_children_and_goes_on() {
    everywhere(|| {
        let (started, dropped) = (AtomicBool::new(false), AtomicBool::new(false));
        let run = || {
            scope(|s| {
                s.spawn(|| {
                    let _flag = Flag(&dropped);
                    started.store(true, Ordering::SeqCst);
                    coroutine::park();
                });
                eventually("the child has started", || started.load(Ordering::SeqCst));
                panic!("on purpose: body");
            })
        };
        let payload = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: body");
        assert!(dropped.load(Ordering::SeqCst), "the child was not unwound");
    });
}

#[test]
fn a_panic_of_the_body_is_told_rather_than_a_childs() {
    everywhere(|| {
        let run = || {
            scope(|s| {
                let child = s.spawn(|| panic!("on purpose: child"));
                child.wait();
                drop::<ScopedJoinHandle<'_, ()>>(child);
                panic!("on purpose: body");
            })
        };
        let payload = panic::catch_unwind(AssertUnwindSafe(run)).unwrap_err();
        assert_eq!(text_of(&*payload), "on purpose: body");
    });
}

#[test]
fn a_cancelled_child_is_no_panic() {
    everywhere(|| {
        scope(|s| {
            let child = s.spawn(coroutine::park);
            child.cancel();
            assert!(child.join().unwrap_err().is::<Cancelled>());
            s.spawn(coroutine::park).cancel();
        });
    });
}

#[test]
fn a_child_that_never_starts_drops_its_closure() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (ran, dropped) = (AtomicBool::new(false), AtomicBool::new(false));
        runtime.run(|| {
            scope(|s| {
                let flag = Flag(&dropped);
                let ran = &ran;
                let child = s.spawn(move || {
                    let _flag = flag;
                    ran.store(true, Ordering::SeqCst);
                });
                // Nothing has suspended since, so the one worker has not begun with it.
                child.cancel();
                assert!(child.join().unwrap_err().is::<Cancelled>());
            });
        });
        assert!(dropped.load(Ordering::SeqCst) && !ran.load(Ordering::SeqCst));
    });
}

/// Starts a coroutine that owns a scope with parked children and is blocked in `block`; cancels it.
#[track_caller]
fn assert_owner_unwinds(block: fn(ScopedJoinHandle<'_, ()>)) {
    with_runtimes(move |runtime| {
        let (started, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counts = (started.clone(), dropped.clone());
        let owner = runtime.spawn(move || {
            let (started, dropped) = counts;
            // Borrowed by the children, gone when the owner is.
            let count = AtomicUsize::new(0);
            let child = || {
                let _count = Counted(&count, &dropped);
                started.fetch_add(1, Ordering::SeqCst);
                coroutine::park();
            };
            scope(|s| {
                let children: Vec<_> = (0..3).map(|_| s.spawn(child)).collect();
                children.into_iter().for_each(block);
            });
        });
        eventually("the children have started", || started.load(Ordering::SeqCst) == 3);
        owner.cancel();
        let outcome = owner.join();
        assert_eq!(dropped.load(Ordering::SeqCst), 3, "the children were not unwound");
        let payload = outcome.expect_err("its owner was cancelled, and it returned");
        assert!(payload.is::<Cancelled>(), "{}", text_of(&*payload));
    });
}

/// Uses what it borrows to the very end.
struct Counted<'a>(&'a AtomicUsize, &'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        coroutine::yield_now();
        self.0.fetch_add(1, Ordering::SeqCst);
        self.1.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn an_owner_cancelled_in_a_join_unwinds_after_its_children() {
    assert_owner_unwinds(|child| drop(child.join()));
}

#[test]
fn an_owner_cancelled_in_a_wait_unwinds_after_its_children() {
    assert_owner_unwinds(|child| child.wait());
}

#[test]
fn an_owner_cancelled_at_the_end_of_the_scope_unwinds_after_its_children() {
    assert_owner_unwinds(|child| drop(child));
}

#[test]
fn an_owner_cancelled_in_its_body_unwinds_after_its_children() {
    assert_owner_unwinds(|_child| coroutine::sleep(Duration::from_secs(3600)));
}

#[test]
fn an_owner_whose_children_ignore_the_cancel_waits_for_them() {
    with_runtimes(|runtime| {
        let (started, go_on) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let flags = (started.clone(), go_on.clone());
        let owner = runtime.spawn(move || {
            let (started, go_on) = flags;
            let mut value = 0;
            scope(|s| {
                s.spawn(|| {
                    started.store(true, Ordering::SeqCst);
                    while !go_on.load(Ordering::SeqCst) {
                        // Not a blocking operation of mco's, which would unwind.
                        drop(panic::catch_unwind(coroutine::yield_now));
                    }
                    value = 7;
                });
            });
            value
        });
        eventually("the child has started", || started.load(Ordering::SeqCst));
        owner.cancel();
        for _ in 0..20 {
            runtime.run(|| ());
        }
        assert!(!owner.is_finished(), "it left a child behind that borrows");
        go_on.store(true, Ordering::SeqCst);
        drop(owner.join());
    });
}

#[test]
fn the_handle_of_a_child_may_be_leaked() {
    everywhere(|| {
        let value = AtomicUsize::new(0);
        scope(|s| {
            std::mem::forget(s.spawn(|| {
                coroutine::yield_now();
                value.fetch_add(1, Ordering::SeqCst)
            }));
        });
        assert_eq!(value.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn a_result_that_nobody_takes_is_dropped_before_the_scope_ends() {
    everywhere(|| {
        let dropped = AtomicBool::new(false);
        scope(|s| drop(s.spawn(|| Flag(&dropped))));
        assert!(dropped.load(Ordering::SeqCst));
    });
}

#[test]
fn a_result_whose_destructor_panics_is_a_panic_of_the_scope() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("on purpose: bomb");
        }
    }
    everywhere(|| {
        let run = || {
            scope(|s| {
                s.spawn(|| Bomb);
            });
        };
        let outcome = panic::catch_unwind(AssertUnwindSafe(run));
        // Whoever is last, the child or its handle, drops the result.
        let text = outcome.as_ref().err().map(|payload| text_of(&**payload));
        assert!(
            matches!(text, Some("a scoped coroutine panicked" | "on purpose: bomb")),
            "the panic of a destructor was lost: {text:?}"
        );
    });
}

#[test]
fn wait_leaves_the_result_for_join() {
    everywhere(|| {
        scope(|s| {
            let child = s.spawn(|| {
                coroutine::yield_now();
                6
            });
            child.wait();
            assert!(child.is_finished());
            assert_eq!(child.join().unwrap(), 6);
        });
    });
}

#[test]
fn a_builder_spawns_into_a_scope() {
    everywhere(|| {
        let text = String::from("borrowed");
        scope(|s| {
            let child =
                Builder::new().name("scoped").stack_size(128 * 1024).spawn_scoped(s, || text.len());
            assert_eq!(child.coroutine().name(), Some("scoped"));
            assert_eq!(child.coroutine().stack_size(), 128 * 1024);
            assert_eq!(child.join().unwrap(), 8);
        });
    });
}

#[test]
fn a_stack_that_cannot_be_had_is_refused_with_a_remedy() {
    everywhere(|| {
        let dropped = AtomicBool::new(false);
        let flag = Flag(&dropped);
        let payload = scope(|s| {
            let child = Builder::new().stack_size(0).spawn_scoped(s, move || drop(flag));
            child.join().unwrap_err()
        });
        assert!(dropped.load(Ordering::SeqCst), "its closure was not dropped");
        let text = payload.downcast_ref::<String>().expect("a text that says why");
        assert!(text.contains("at least 65536"), "{text}");
    });
}

#[test]
fn many_children_at_once() {
    everywhere(|| {
        let slots: Vec<_> = (0..2_000).map(|_| AtomicUsize::new(0)).collect();
        scope(|s| {
            for (n, slot) in slots.iter().enumerate() {
                s.spawn(move || {
                    if n % 7 == 0 {
                        coroutine::yield_now();
                    }
                    slot.store(n, Ordering::Relaxed);
                });
            }
        });
        assert!(slots.iter().enumerate().all(|(n, slot)| slot.load(Ordering::Relaxed) == n));
    });
}

#[test]
fn a_scope_after_another_in_one_coroutine_waits_for_its_own_children() {
    everywhere(|| {
        for round in 0..200 {
            let done = AtomicBool::new(false);
            scope(|s| {
                s.spawn(|| {
                    if round % 2 == 0 {
                        coroutine::yield_now();
                    }
                    done.store(true, Ordering::SeqCst);
                });
            });
            assert!(done.load(Ordering::SeqCst), "in round {round}");
        }
    });
}

#[test]
fn a_permit_given_meanwhile_is_not_eaten_by_the_end_of_a_scope() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let me = coroutine::current();
            scope(|s| {
                s.spawn(|| me.unpark());
            });
            // Would hang if the wait at the end of the scope had taken the permit.
            coroutine::park();
        });
    });
}

#[test]
fn children_of_a_thread_borrow_what_is_not_send_nor_static_only_through_sync() {
    // The body itself may use anything: it runs on the caller.
    everywhere(|| {
        let count = Cell::new(0);
        let total = Mutex::new(0);
        scope(|s| {
            for n in 0..10 {
                count.set(count.get() + 1);
                let total = &total;
                s.spawn(move || *total.lock().unwrap() += n);
            }
        });
        assert_eq!((count.get(), *total.lock().unwrap()), (10, 45));
    });
}

#[test]
fn a_scope_of_one_runtime_ends_with_children_on_another() {
    within(HUNG, || {
        let (here, there) = (runtime(1), runtime(1));
        let value = here.run(|| borrow_through(&there));
        assert_eq!(value, 42);
    });
}

/// `run` is a scope with one child elsewhere.
fn borrow_through(there: &Runtime) -> usize {
    let base = 40;
    there.run(|| {
        let two = scope(|s| s.spawn(|| 2).join().unwrap());
        base + two
    })
}
