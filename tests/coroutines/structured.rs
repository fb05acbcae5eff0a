//! Coroutines that begin and end together: groups, tokens, and what children have from those who spawn them.

use std::io::{self, Read};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use std::{mem, thread};

use mco::coroutine::{self, CancelToken, Cancelled, Group, group, scope, shield, sleep};
use mco::net::{TcpListener, TcpStream};
use mco::runtime::Runtime;
use mco::std::sync::channel::{bounded, unbounded};
use mco::std::sync::{Mutex, Semaphore, WaitGroup};
use mco::std::time::{Elapsed, Instant, deadline, remaining, timeout};
use mco::{go, join, select};
use mco_tests::everywhere::everywhere;
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, eventually, quiet, runtime, text_of, with_runtimes, within};

/// Counts those of its kind that have not been dropped.
#[derive(Debug)]
struct Counted<'a>(&'a AtomicUsize);

impl<'a> Counted<'a> {
    fn new(count: &'a AtomicUsize) -> Counted<'a> {
        count.fetch_add(1, Ordering::SeqCst);
        Counted(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Its destructor panics.
struct Fragile;

impl Drop for Fragile {
    fn drop(&mut self) {
        panic!("on purpose: a destructor");
    }
}

fn forever<T>() -> T {
    loop {
        coroutine::park();
    }
}

/// Runs `f`, and returns the panic that it must end with.
#[track_caller]
fn panic_of<R>(f: impl FnOnce() -> R) -> Box<dyn std::any::Any + Send> {
    let result = panic::catch_unwind(AssertUnwindSafe(f));
    result.err().expect("it panics")
}

mod a_group {
    use super::*;

    #[test]
    fn returns_results_in_the_order_of_spawning() {
        everywhere(|| {
            let all = group(|g| {
                for n in 0..20_u64 {
                    g.spawn(move || {
                        sleep(Duration::from_micros(200 - n * 10));
                        Ok::<_, ()>(n)
                    });
                }
                g.join_all()
            });
            assert_eq!(all, Ok((0..20).collect()));
        });
    }

    #[test]
    fn returns_results_as_they_come() {
        everywhere(|| {
            let (first, second) = (CancelToken::new(), CancelToken::new());
            let order = group(|g| {
                go!(g, || {
                    second.wait();
                    Ok::<_, ()>("second")
                });
                go!(g, || {
                    first.wait();
                    Ok("first")
                });
                assert_eq!(g.len(), 2);
                first.cancel();
                let one = g.next();
                second.cancel();
                let other = g.next();
                assert!(g.next().is_none() && g.is_empty());
                Ok((one, other))
            });
            assert_eq!(order, Ok((Some(Ok("first")), Some(Ok("second")))));
        });
    }

    #[test]
    fn fails_with_the_first_error_and_leaves_nobody() {
        everywhere(|| {
            let live = AtomicUsize::new(0);
            let result = group(|g| {
                for _ in 0..10 {
                    g.spawn(|| {
                        let _counted = Counted::new(&live);
                        forever()
                    });
                }
                g.spawn(|| {
                    eventually("all have begun", || live.load(Ordering::SeqCst) == 10);
                    Err::<(), _>("the first")
                });
                Ok(())
            });
            assert_eq!(result, Err("the first"));
            assert_eq!(live.load(Ordering::SeqCst), 0);
        });
    }

    #[test]
    fn cuts_its_body_off_where_it_waits_for_something_else() {
        everywhere(|| {
            let result = group(|g| {
                g.spawn(|| Err::<(), _>("a child has failed"));
                forever::<Result<(), _>>()
            });
            assert_eq!(result, Err("a child has failed"));
            let (_sender, receiver) = unbounded::<u32>();
            let result = group(|g| {
                g.spawn(|| Err::<(), _>("a child has failed"));
                receiver.recv().map_err(|_| "no sender")
            });
            assert_eq!(result, Err("a child has failed"));
        });
    }

    #[test]
    fn cuts_off_a_body_that_accepts_connections() {
        everywhere(|| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            let result = group(|g| {
                let _client = TcpStream::connect(address).unwrap();
                loop {
                    let (stream, _) = listener.accept().map_err(|_| "accept")?;
                    g.spawn(move || {
                        drop(stream);
                        Err::<(), _>("a bad request")
                    });
                }
                #[expect(unreachable_code, reason = "it says the type")]
                Ok(())
            });
            assert_eq!(result, Err("a bad request"));
        });
    }

    #[test]
    fn lets_a_body_decide_that_has_received_the_error() {
        everywhere(|| {
            let result = group(|g| {
                g.spawn(|| Err::<u32, _>("it is known"));
                let error = g.join_all().unwrap_err();
                sleep(Duration::from_micros(10));
                coroutine::yield_now();
                Ok(error)
            });
            assert_eq!(result, Ok("it is known"));
            let result = group(|g| {
                g.spawn(|| Err::<u32, _>(1));
                g.spawn(forever);
                let mut errors = 0;
                while let Some(end) = g.next() {
                    sleep(Duration::from_micros(10));
                    errors += end.unwrap_err();
                }
                Ok(errors)
            });
            assert_eq!(result, Ok(1));
        });
    }

    #[test]
    fn runs_no_more_at_once_than_its_limit() {
        everywhere(|| {
            let (running, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let done = group(|g| {
                g.limit(3);
                for n in 0..30 {
                    let (running, most) = (&running, &most);
                    g.spawn(move || {
                        let _counted = Counted::new(running);
                        most.fetch_max(running.load(Ordering::SeqCst), Ordering::SeqCst);
                        coroutine::yield_now();
                        Ok::<_, ()>(n)
                    });
                }
                g.join_all()
            });
            assert_eq!(done, Ok((0..30).collect()));
            assert!((1..=3).contains(&most.load(Ordering::SeqCst)));
        });
    }

    #[test]
    fn stops_a_body_that_waits_for_a_place() {
        everywhere(|| {
            let spawned = AtomicUsize::new(0);
            let result = group(|g| {
                g.limit(2);
                loop {
                    let number = spawned.fetch_add(1, Ordering::SeqCst);
                    g.spawn(move || if number == 5 { Err::<(), _>(number) } else { Ok(()) });
                    if number > 5 {
                        coroutine::yield_now();
                    }
                }
                #[expect(unreachable_code, reason = "it says the type")]
                Ok(())
            });
            assert_eq!(result, Err(5));
        });
    }

    #[test]
    fn refuses_a_limit_of_0() {
        everywhere(|| {
            let payload = panic_of(|| {
                group(|g: &Group<'_, '_, (), ()>| {
                    g.limit(0);
                    Ok(())
                })
            });
            assert!(text_of(&*payload).contains("limit of 0"), "{}", text_of(&*payload));
        });
    }

    #[test]
    fn races_for_the_first_success() {
        everywhere(|| {
            let live = AtomicUsize::new(0);
            let winner = group(|g| {
                g.spawn(|| Err("refused"));
                g.spawn(|| {
                    let _counted = Counted::new(&live);
                    forever()
                });
                g.spawn(|| {
                    eventually("the other one has begun", || live.load(Ordering::SeqCst) == 1);
                    Ok(5)
                });
                let winner = g.first_ok();
                assert_eq!(live.load(Ordering::SeqCst), 0, "the others have ended");
                winner
            });
            assert_eq!(winner, Ok(5));
        });
    }

    #[test]
    fn without_a_success_has_the_last_error() {
        everywhere(|| {
            let token = CancelToken::new();
            let result = group(|g| {
                g.spawn(|| {
                    token.wait();
                    Err::<(), _>("the last")
                });
                g.spawn(|| {
                    token.cancel();
                    Err("the first")
                });
                g.first_ok()
            });
            // The two end one right after the other.
            assert!(["the first", "the last"].contains(&result.unwrap_err()));
            let one = group(|g| {
                g.spawn(|| Err::<(), _>("the only one"));
                g.first_ok()
            });
            assert_eq!(one, Err("the only one"));
            let nobody = panic_of(|| group(|g: &Group<'_, '_, (), ()>| g.first_ok()));
            assert!(text_of(&*nobody).contains("no coroutine"), "{}", text_of(&*nobody));
        });
    }

    #[test]
    fn passes_a_panic_on_when_all_have_ended() {
        everywhere(|| {
            let live = AtomicUsize::new(0);
            for ask in 0..4 {
                let payload = panic_of(|| {
                    group(|g| {
                        g.spawn(|| {
                            let _counted = Counted::new(&live);
                            forever()
                        });
                        g.spawn(|| {
                            eventually("the other one has begun", || {
                                live.load(Ordering::SeqCst) == 1
                            });
                            panic!("on purpose: a child")
                        });
                        match ask {
                            0 => Ok::<(), ()>(()),
                            1 => g.join_all().map(drop),
                            2 => g.next().unwrap(),
                            _ => g.first_ok(),
                        }
                    })
                });
                assert_eq!(text_of(&*payload), "on purpose: a child");
                assert_eq!(live.load(Ordering::SeqCst), 0);
            }
        });
    }

    #[test]
    fn ends_its_children_when_the_body_fails_or_panics() {
        everywhere(|| {
            let live = AtomicUsize::new(0);
            let failed = group(|g| {
                g.spawn(|| {
                    let _counted = Counted::new(&live);
                    forever::<Result<(), _>>()
                });
                eventually("it has begun", || live.load(Ordering::SeqCst) == 1);
                Err::<(), _>("the body")
            });
            assert_eq!((failed, live.load(Ordering::SeqCst)), (Err("the body"), 0));
            let payload = panic_of(|| {
                group(|g| {
                    g.spawn(|| {
                        let _counted = Counted::new(&live);
                        forever::<Result<(), ()>>()
                    });
                    eventually("it has begun", || live.load(Ordering::SeqCst) == 1);
                    if live.load(Ordering::SeqCst) == 1 {
                        panic!("on purpose: the body");
                    }
                    Ok(())
                })
            });
            assert_eq!(text_of(&*payload), "on purpose: the body");
            assert_eq!(live.load(Ordering::SeqCst), 0);
        });
    }

    #[test]
    fn ends_its_children_when_its_owner_is_cancelled() {
        with_runtimes(|runtime| {
            for ask in 0..4 {
                let live = Arc::new(AtomicUsize::new(0));
                let counts = live.clone();
                let owner = runtime.spawn(move || {
                    let _ = group(|g| {
                        for _ in 0..3 {
                            g.spawn(|| {
                                let _counted = Counted::new(&counts);
                                forever::<Result<(), ()>>()
                            });
                        }
                        match ask {
                            0 => Ok(()),
                            1 => g.join_all().map(drop),
                            2 => g.first_ok(),
                            _ => forever(),
                        }
                    });
                });
                eventually("all have begun", || live.load(Ordering::SeqCst) == 3);
                owner.cancel();
                assert_cancelled(owner);
                assert_eq!(live.load(Ordering::SeqCst), 0);
            }
        });
    }

    #[test]
    fn does_not_report_those_that_it_has_cancelled() {
        everywhere(|| {
            let result = group(|g| {
                g.spawn(|| Ok::<_, ()>(1));
                g.spawn(forever);
                eventually("the first one has ended", || g.len() == 1);
                g.cancel();
                g.spawn(|| Ok(2));
                g.join_all()
            });
            assert_eq!(result, Ok(vec![1]));
        });
    }

    #[test]
    fn unwinds_if_somebody_else_has_cancelled_a_child() {
        with_runtimes(|runtime| {
            let owner = runtime.spawn(|| {
                group(|g| {
                    g.spawn(|| {
                        coroutine::current().cancel();
                        forever::<Result<(), ()>>()
                    });
                    g.spawn(forever);
                    g.join_all()
                })
            });
            assert_cancelled(owner);
        });
    }

    #[test]
    fn can_keep_going() {
        everywhere(|| {
            let ends = group(|g| {
                g.keep_going();
                for n in 0..10 {
                    g.spawn(move || if n % 2 == 0 { Ok(n) } else { Err(n) });
                }
                let mut ends = (0, 0);
                while let Some(end) = g.next() {
                    coroutine::yield_now();
                    end.map_or_else(|n| ends.1 += n, |n| ends.0 += n);
                }
                Ok::<_, i32>(ends)
            });
            assert_eq!(ends, Ok((20, 25)));
            let done = AtomicUsize::new(0);
            let result = group(|g| {
                g.keep_going();
                g.spawn(|| Err("it fails"));
                g.spawn(|| {
                    sleep(Duration::from_millis(1));
                    done.fetch_add(1, Ordering::SeqCst);
                    Ok(())
                });
                Ok(())
            });
            assert_eq!((result, done.load(Ordering::SeqCst)), (Err("it fails"), 1));
        });
    }

    #[test]
    fn contains_the_destructors_of_what_nobody_gets() {
        everywhere(|| {
            let payload = panic_of(|| {
                group(|g| {
                    let both = WaitGroup::new();
                    for _ in 0..2 {
                        let both = both.clone();
                        g.spawn(move || {
                            both.wait();
                            // One of the two is passed on, and this test forgets it.
                            if true {
                                panic::panic_any(Fragile);
                            }
                            Ok::<Fragile, Fragile>(Fragile)
                        });
                    }
                    g.spawn(|| Ok(Fragile));
                    drop(both);
                    Ok::<Fragile, Fragile>(Fragile)
                })
                .map(mem::forget)
                .map_err(mem::forget)
            });
            assert!(payload.is::<Fragile>());
            mem::forget(payload);
            let error = group(|g| {
                g.spawn(|| Ok(Fragile));
                eventually("it has ended", || g.is_empty());
                g.spawn(|| Err("the error"));
                g.join_all().map(mem::forget)
            });
            assert_eq!(error, Err("the error"));
            let winner = group(|g| {
                g.keep_going();
                g.spawn(|| Err(Fragile));
                g.spawn(|| Ok(1));
                g.spawn(|| Ok(1));
                g.first_ok()
            });
            assert_eq!(winner.ok(), Some(1));
        });
    }

    #[test]
    fn drops_the_closures_of_those_that_never_start() {
        everywhere(|| {
            let live = AtomicUsize::new(0);
            let result = group(|g| {
                g.cancel();
                for _ in 0..5 {
                    let counted = Counted::new(&live);
                    g.spawn(move || {
                        drop(counted);
                        Ok::<(), ()>(())
                    });
                }
                Ok(())
            });
            assert_eq!((result, live.load(Ordering::SeqCst)), (Ok(()), 0));
            let result = group(|g| {
                let counted = Counted::new(&live);
                g.spawn(move || {
                    drop(counted);
                    Ok::<(), _>(())
                });
                Err(1)
            });
            assert_eq!((result, live.load(Ordering::SeqCst)), (Err::<(), _>(1), 0));
        });
    }

    #[test]
    fn may_be_spawned_into_by_its_children() {
        fn grow<'scope>(g: &'scope Group<'scope, '_, u32, ()>, depth: u32) {
            if depth > 0 {
                for _ in 0..2 {
                    g.spawn(move || {
                        grow(g, depth - 1);
                        Ok(depth)
                    });
                }
            }
        }
        everywhere(|| {
            let all = group(|g| {
                grow(g, 5);
                g.join_all()
            });
            assert_eq!(all.unwrap().len(), 62);
        });
    }

    #[test]
    fn nests() {
        everywhere(|| {
            let live = AtomicUsize::new(0);
            let result = group(|outer| {
                outer.spawn(|| {
                    group(|inner| {
                        inner.spawn(|| {
                            let _counted = Counted::new(&live);
                            forever::<Result<(), &str>>()
                        });
                        inner.join_all().map(drop)
                    })
                });
                outer.spawn(|| {
                    eventually("the inner one has begun", || live.load(Ordering::SeqCst) == 1);
                    Err("the outer one")
                });
                outer.join_all().map(drop)
            });
            assert_eq!((result, live.load(Ordering::SeqCst)), (Err("the outer one"), 0));
        });
    }

    /// Waits of all kinds, one after the other; counts where it is.
    fn walk(at: &AtomicUsize, peer: &TcpStream) {
        let step = |what: &dyn Fn()| {
            at.fetch_add(1, Ordering::SeqCst);
            what();
        };
        let (sender, receiver) = bounded::<u32>(0);
        let mutex = Mutex::new(());
        let semaphore = Semaphore::new(0);
        step(&|| coroutine::yield_now());
        step(&|| sleep(Duration::from_micros(100)));
        step(&|| assert!(receiver.recv_timeout(Duration::from_micros(50)).is_err()));
        step(&|| assert!(sender.send_timeout(1, Duration::from_micros(50)).is_err()));
        step(&|| drop(mutex.lock()));
        step(&|| assert!(!semaphore.wait_timeout(Duration::from_micros(50))));
        step(&|| drop(go!(coroutine::yield_now).join()));
        step(&|| {
            join!(coroutine::yield_now(), coroutine::yield_now());
        });
        step(&|| scope(|s| drop(s.spawn(coroutine::yield_now))));
        step(&|| select! { _ = receiver.recv() => {}, _ = sleep(Duration::from_micros(50)) => {} });
        step(&|| mco::blocking(|| ()));
        step(&|| {
            peer.set_read_timeout(Some(Duration::from_micros(50))).unwrap();
            assert!((&mut &*peer).read(&mut [0]).is_err());
        });
        step(&|| {
            let inner = group(|g| {
                g.spawn(|| {
                    coroutine::yield_now();
                    Ok::<_, ()>(())
                });
                g.join_all()
            });
            assert!(inner.is_ok());
        });
    }

    const STEPS: usize = 13;

    fn fails_at(step: usize, peer: &TcpStream) {
        let (live, at) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let result = group(|g| {
            for _ in 0..2 {
                g.spawn(|| {
                    let _counted = Counted::new(&live);
                    loop {
                        walk(&at, peer);
                    }
                });
            }
            g.spawn(|| {
                eventually("it is there", || at.load(Ordering::SeqCst) >= step);
                Err::<(), _>(step)
            });
            g.join_all()
        });
        assert_eq!((result, live.load(Ordering::SeqCst)), (Err(step), 0));
    }

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (one, listener.accept().unwrap().0)
    }

    #[test]
    fn fails_wherever_its_children_wait() {
        everywhere(|| {
            let (peer, _open) = pair();
            for step in 1..=2 * STEPS + 1 {
                fails_at(step, &peer);
            }
        });
    }

    #[mco::test(seeds = 60)]
    fn fails_under_seeds() {
        let (peer, _open) = pair();
        for step in 1..=STEPS {
            fails_at(step, &peer);
        }
    }

    #[mco::test(seeds = 60)]
    fn ends_under_seeds_wherever_its_owner_is_cancelled() {
        let (peer, _open) = pair();
        for step in 1..=STEPS {
            let (live, at) = (AtomicUsize::new(0), AtomicUsize::new(0));
            scope(|s| {
                let owner = s.spawn(|| {
                    group(|g| {
                        g.limit(2);
                        for _ in 0..3 {
                            g.spawn(|| {
                                let _counted = Counted::new(&live);
                                walk(&at, &peer);
                                Ok::<_, ()>(())
                            });
                        }
                        g.join_all()
                    })
                });
                eventually("it is there", || at.load(Ordering::SeqCst) >= step);
                owner.cancel();
                let _ = owner.join();
                assert_eq!(live.load(Ordering::SeqCst), 0);
            });
        }
    }

    #[test]
    fn leaves_nothing_after_many_rounds() {
        with_runtimes(|runtime| {
            runtime.run(|| {
                for round in 0..2_000_u32 {
                    let result = group(|g| {
                        g.spawn(forever);
                        g.spawn(move || if round % 2 == 0 { Ok(()) } else { Err(round) });
                        if round % 2 == 0 {
                            g.next();
                            g.cancel();
                        }
                        g.join_all().map(drop)
                    });
                    assert_eq!(result.is_ok(), round % 2 == 0);
                }
            });
            eventually("all have gone", || runtime.metrics().live() == 0);
        });
    }
}

mod a_token {
    use super::*;

    #[test]
    fn cuts_off_what_runs_with_it() {
        everywhere(|| {
            let token = CancelToken::new();
            scope(|s| {
                let runs = s.spawn(|| token.run(forever::<()>));
                let waits = s.spawn(|| token.wait());
                coroutine::yield_now();
                token.cancel_with("enough");
                let cancelled = runs.join().unwrap().unwrap_err();
                assert_eq!(cancelled.reason(), Some("enough"));
                assert!(cancelled.to_string().ends_with(": enough"), "{cancelled}");
                waits.join().unwrap();
            });
            assert!(token.run(|| unreachable!("it is cancelled")).is_err());
        });
    }

    #[test]
    fn cuts_off_a_thread_in_a_socket_and_in_stds_park() {
        within(HUNG, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (token, other) = (CancelToken::new(), CancelToken::new());
            thread::scope(|s| {
                let accepts = s.spawn(|| token.run(|| drop(listener.accept())));
                let parks = s.spawn(|| other.run(coroutine::park));
                thread::sleep(Duration::from_millis(2));
                token.cancel();
                other.cancel();
                assert!(accepts.join().unwrap().is_err());
                assert!(parks.join().unwrap().is_err());
            });
        });
    }

    #[test]
    fn goes_on_after_a_run_that_was_cut_off() {
        everywhere(|| {
            let token = CancelToken::new();
            let outcome = scope(|s| {
                s.spawn(|| {
                    let outcome = token.run(forever::<()>);
                    sleep(Duration::from_micros(10));
                    outcome.is_err()
                })
                .join_after(|| token.cancel())
            });
            assert!(outcome);
        });
    }

    trait JoinAfter<T> {
        fn join_after(self, f: impl FnOnce()) -> T;
    }

    impl<T> JoinAfter<T> for coroutine::ScopedJoinHandle<'_, T> {
        fn join_after(self, f: impl FnOnce()) -> T {
            coroutine::yield_now();
            f();
            self.join().unwrap()
        }
    }

    #[test]
    fn cancels_its_children_and_not_its_parent() {
        let root = CancelToken::new();
        let (left, right) = (root.child(), root.child());
        let leaf = left.child();
        left.cancel_with("left");
        assert!(leaf.is_cancelled() && !right.is_cancelled() && !root.is_cancelled());
        assert!(left.child().is_cancelled());
        drop((left, leaf));
        let deep = right.child().child().child();
        root.cancel();
        assert!(deep.is_cancelled());
    }

    #[test]
    fn may_have_a_long_line_of_children() {
        let root = CancelToken::new();
        let mut last = root.clone();
        for _ in 0..200_000 {
            last = last.child();
        }
        root.cancel();
        assert!(last.is_cancelled());
    }

    #[test]
    fn nests_and_the_outermost_counts() {
        everywhere(|| {
            let (outer, inner) = (CancelToken::new(), CancelToken::new());
            let result = outer.run(|| {
                let result = inner.run(|| {
                    inner.cancel();
                    forever::<()>()
                });
                assert!(result.is_err());
                let both = outer.child();
                let _ = both.run(|| {
                    outer.cancel();
                    forever::<()>()
                });
                unreachable!("the outer one is cut off");
            });
            assert!(result.is_err());
        });
    }

    #[test]
    fn is_an_arm_of_select() {
        everywhere(|| {
            let token = CancelToken::new();
            let chosen = select! { _ = token.wait() => true, default => false };
            assert!(!chosen);
            scope(|s| {
                s.spawn(|| token.cancel());
                select! { _ = token.wait() => {}, _ = sleep(HUNG) => panic!("it was cancelled") }
            });
        });
    }

    #[test]
    fn cancels_the_coroutines_of_scopes_and_groups_inside() {
        everywhere(|| {
            let (token, live) = (CancelToken::new(), AtomicUsize::new(0));
            let cancels = token.clone();
            let result = token.run(|| {
                scope(|s| {
                    s.spawn(|| {
                        let _counted = Counted::new(&live);
                        forever::<()>()
                    });
                    let _ = group(|g| {
                        g.spawn(|| {
                            let _counted = Counted::new(&live);
                            forever::<Result<(), ()>>()
                        });
                        eventually("both have begun", || live.load(Ordering::SeqCst) == 2);
                        cancels.cancel();
                        g.join_all()
                    });
                });
            });
            assert!(result.is_err());
            assert_eq!(live.load(Ordering::SeqCst), 0);
        });
    }

    #[test]
    fn does_not_catch_a_cancel_of_the_coroutine_or_another_panic() {
        with_runtimes(|runtime| {
            let cancelled = start(runtime, || {
                let _ = CancelToken::new().run(forever::<()>);
            });
            cancelled.cancel();
            assert_cancelled(cancelled);
            let panics = || CancelToken::new().run(|| panic!("on purpose: inside"));
            let payload = runtime.spawn(move || drop(panics())).join().unwrap_err();
            assert_eq!(text_of(&*payload), "on purpose: inside");
        });
    }

    #[mco::test(seeds = 100)]
    fn is_not_missed_under_seeds() {
        let token = CancelToken::new();
        let (sender, receiver) = bounded::<u32>(0);
        scope(|s| {
            let runs = s.spawn(|| token.run(|| while receiver.recv().is_ok() {}));
            s.spawn(|| {
                for n in 0..3 {
                    let _ = sender.send_timeout(n, Duration::from_micros(10));
                }
                token.cancel();
            });
            assert!(runs.join().unwrap().is_err());
        });
    }
}

mod a_deadline {
    use super::*;

    #[test]
    fn is_inherited_by_children_but_not_through_go() {
        everywhere(|| {
            let has_one = |left: Option<Duration>| left.is_some_and(|left| left > HUNG / 2);
            let all = timeout(HUNG, || {
                let of_scope = scope(|s| s.spawn(remaining).join().unwrap());
                let of_group = group(|g| {
                    g.spawn(|| Ok::<_, ()>(remaining()));
                    g.first_ok()
                });
                let (of_join, of_join_too) = join!(remaining(), remaining());
                let of_go = go!(remaining).join().unwrap();
                assert_eq!(of_go, None);
                [of_scope, of_group.unwrap(), of_join, of_join_too].map(has_one)
            });
            assert_eq!(all, Ok([true; 4]));
        });
    }

    #[test]
    fn of_a_part_of_a_scope_is_not_the_childrens() {
        everywhere(|| {
            let left = scope(|s| timeout(HUNG, || s.spawn(remaining)).unwrap().join().unwrap());
            assert_eq!(left, None);
        });
    }

    #[test]
    fn cuts_children_off_whose_owner_computes() {
        with_runtimes(|runtime| {
            // One worker could not run both.
            if runtime.metrics().workers().len() == 1 {
                return;
            }
            let ended = Arc::new(AtomicBool::new(false));
            let sees = ended.clone();
            let result = runtime.run(move || {
                timeout(Duration::from_millis(5), || {
                    scope(|s| {
                        let child = s.spawn(|| {
                            struct Ended<'a>(&'a AtomicBool);
                            impl Drop for Ended<'_> {
                                fn drop(&mut self) {
                                    self.0.store(true, Ordering::SeqCst);
                                }
                            }
                            let _ended = Ended(&ended);
                            forever::<()>()
                        });
                        // Nothing that could be cut off.
                        shield(|| eventually("it has ended", || sees.load(Ordering::SeqCst)));
                        coroutine::yield_now();
                        drop(child);
                    });
                })
            });
            assert_eq!(result, Err(Elapsed));
        });
    }

    #[test]
    fn that_cuts_a_child_off_is_the_owners_too() {
        everywhere(|| {
            for round in 0..20 {
                let limit = Duration::from_micros(200);
                let result = timeout(limit, || match round % 4 {
                    0 => scope(|s| s.spawn(forever::<()>).join().unwrap()),
                    1 => drop(join!(forever::<()>(), forever::<()>())),
                    2 => select! { _ = { forever::<()>() } => {} },
                    _ => {
                        let _ = group(|g| {
                            g.spawn(forever::<Result<(), ()>>);
                            g.join_all()
                        });
                    }
                });
                assert_eq!(result, Err(Elapsed), "round {round}");
            }
        });
    }

    #[test]
    fn of_its_own_may_be_nearer() {
        everywhere(|| {
            let outcome = timeout(HUNG, || {
                scope(|s| {
                    let child = s.spawn(|| timeout(Duration::from_micros(100), forever::<()>));
                    child.join().unwrap()
                })
            });
            assert_eq!(outcome, Ok(Err(Elapsed)));
        });
    }

    #[test]
    fn says_of_a_child_that_it_is_over_and_where_it_was_set() {
        everywhere(|| {
            let seen = Mutex::new(None);
            let line = line!() + 1;
            let result = timeout(Duration::from_millis(1), || {
                scope(|s| {
                    s.spawn(|| {
                        let cancelled = panic_of(forever::<()>).downcast::<Cancelled>().unwrap();
                        *seen.lock().unwrap() = Some(cancelled);
                    });
                    // So that it is not the owner who cancels the child.
                    shield(|| eventually("it is over", || seen.lock().unwrap().is_some()));
                    coroutine::yield_now();
                });
            });
            assert_eq!(result, Err(Elapsed));
            let cancelled = seen.lock().unwrap().take().unwrap();
            assert!(cancelled.to_string().contains("inherited"), "{cancelled}");
            assert_eq!(cancelled.at().unwrap().line(), line);
        });
    }

    #[test]
    fn may_be_a_point_of_time() {
        everywhere(|| {
            let at = Instant::now() + Duration::from_millis(2);
            assert_eq!(deadline(at, forever::<()>), Err(Elapsed));
            assert_eq!(deadline(at, || unreachable!("it has passed")), Err::<(), _>(Elapsed));
            assert_eq!(deadline(Instant::now() + HUNG, || 5), Ok(5));
            assert_eq!(remaining(), None);
        });
    }

    #[test]
    fn and_a_cancel_are_kept_off_by_a_shield() {
        everywhere(|| {
            let mut shielded = false;
            let result = timeout(Duration::from_micros(100), || {
                shield(|| {
                    sleep(Duration::from_millis(2));
                    assert_eq!(remaining(), None);
                    shielded = true;
                });
                forever::<()>()
            });
            assert_eq!((result, shielded), (Err(Elapsed), true));
        });
        with_runtimes(|runtime| {
            let (sender, receiver) = unbounded();
            let (go_on, wait) = bounded::<()>(0);
            let shielded = start(runtime, move || {
                shield(|| wait.recv().unwrap());
                sender.send(()).unwrap();
                forever::<()>()
            });
            shielded.cancel();
            go_on.send(()).unwrap();
            assert_cancelled(shielded);
            assert!(receiver.recv().is_ok());
        });
    }

    #[test]
    fn is_not_inherited_in_a_destructor() {
        struct TidiesUp<'a>(&'a AtomicBool);
        impl Drop for TidiesUp<'_> {
            fn drop(&mut self) {
                scope(|s| {
                    s.spawn(|| {
                        sleep(Duration::from_millis(1));
                        self.0.store(true, Ordering::SeqCst);
                    });
                });
            }
        }
        everywhere(|| {
            let tidied = AtomicBool::new(false);
            let result = timeout(Duration::from_micros(100), || {
                let _at_the_end = TidiesUp(&tidied);
                forever::<()>()
            });
            assert_eq!((result, tidied.load(Ordering::SeqCst)), (Err(Elapsed), true));
        });
    }
}

mod a_bound_value {
    use super::*;

    mco::coroutine_local! {
        static NAME: String = String::from("nobody");
    }

    fn name() -> String {
        NAME.with(String::clone)
    }

    #[test]
    fn is_inherited_by_children_but_not_through_go() {
        everywhere(|| {
            let names = NAME.bind("outer".into(), || {
                let of_scope = scope(|s| {
                    let one = s.spawn(name);
                    let other = NAME.bind("inner".into(), || s.spawn(name));
                    one.join().unwrap() + &other.join().unwrap()
                });
                let of_group = group(|g| {
                    g.spawn(|| Ok::<_, ()>(scope(|s| s.spawn(name).join().unwrap())));
                    g.first_ok()
                });
                assert_eq!(go!(name).join().unwrap(), "nobody");
                let (of_join, of_select) = join!(name(), select! { n = { name() } => n });
                [of_scope, of_group.unwrap(), of_join, of_select]
            });
            assert_eq!(names, ["outerinner", "outer", "outer", "outer"]);
        });
    }

    #[test]
    fn is_as_before_afterwards() {
        everywhere(|| {
            assert_eq!(name(), "nobody");
            NAME.bind("one".into(), || {
                assert_eq!(name(), "one");
                let _ = panic_of(|| NAME.bind("other".into(), || panic!("on purpose: {}", name())));
                assert_eq!(name(), "one");
            });
            assert_eq!(name(), "nobody");
        });
    }

    #[test]
    fn is_one_value_for_all_and_goes_with_the_last() {
        static LIVE: AtomicUsize = AtomicUsize::new(0);
        mco::coroutine_local! {
            static COUNTED: Option<Counted<'static>> = None;
        }
        within(HUNG, || {
            let runtime = runtime(2);
            runtime.run(|| {
                COUNTED.bind(Some(Counted::new(&LIVE)), || {
                    scope(|s| {
                        for _ in 0..4 {
                            s.spawn(|| COUNTED.with(|c| assert!(c.is_some())));
                        }
                    });
                });
            });
            eventually("it has gone", || LIVE.load(Ordering::SeqCst) == 0);
        });
    }
}

mod a_cancel {
    use super::*;

    fn cancelled_of<T>(result: thread::Result<T>) -> Cancelled {
        *result.err().expect("it was cancelled").downcast::<Cancelled>().expect("a cancel")
    }

    #[test]
    fn says_who_and_where() {
        with_runtimes(|runtime| {
            let cancelled = runtime.run(|| {
                let parked = go!(forever::<()>);
                parked.cancel();
                let line = line!() - 1;
                let cancelled = cancelled_of(parked.join());
                assert_eq!(cancelled.by(), Some(coroutine::current().id()));
                assert_eq!(cancelled.at().unwrap().line(), line);
                assert_eq!(cancelled.reason(), None);
                cancelled
            });
            let text = cancelled.to_string();
            assert!(text.contains("by coroutine") && text.contains("structured.rs:"), "{text}");
        });
        let parked = go!(forever::<()>);
        parked.cancel();
        let cancelled = cancelled_of(parked.join());
        assert_eq!(cancelled.by(), None);
        assert!(cancelled.at().unwrap().file().ends_with("structured.rs"));
    }

    #[test]
    fn of_what_has_not_started_says_so_too() {
        let runtime = runtime(1);
        let reason = runtime.run(|| {
            let never = go!(forever::<()>);
            never.cancel();
            cancelled_of(never.join())
        });
        assert!(reason.at().unwrap().file().ends_with("structured.rs"));
    }

    #[test]
    fn by_mco_has_a_reason() {
        everywhere(|| {
            let seen = Mutex::new(String::new());
            let note = || {
                let cancelled = panic_of(forever::<()>).downcast::<Cancelled>().unwrap();
                *seen.lock().unwrap() = cancelled.reason().unwrap_or_default().to_owned();
            };
            let ready = AtomicBool::new(false);
            scope(|s| {
                s.spawn(|| {
                    ready.store(true, Ordering::SeqCst);
                    note();
                });
                eventually("it has begun", || ready.load(Ordering::SeqCst));
                s.cancel();
            });
            assert!(seen.lock().unwrap().contains("its scope"), "{seen:?}");
            ready.store(false, Ordering::SeqCst);
            let result = group(|g| {
                g.spawn(|| {
                    ready.store(true, Ordering::SeqCst);
                    note();
                    Ok(())
                });
                g.spawn(|| {
                    eventually("the other one has begun", || ready.load(Ordering::SeqCst));
                    Err("it fails")
                });
                g.join_all()
            });
            assert_eq!(result, Err("it fails"));
            assert!(seen.lock().unwrap().contains("has failed"), "{seen:?}");
            ready.store(false, Ordering::SeqCst);
            select! {
                _ = { ready.store(true, Ordering::SeqCst); note() } => {},
                _ = { eventually("it has begun", || ready.load(Ordering::SeqCst)) } => {},
            }
            assert!(seen.lock().unwrap().contains("another arm"), "{seen:?}");
        });
    }

    #[cfg(feature = "dump")]
    #[test]
    fn is_in_the_dump() {
        let runtime = runtime(1);
        let (sender, receiver) = bounded::<()>(0);
        let shielded = start(&runtime, move || shield(|| receiver.recv().is_ok()));
        shielded.cancel();
        let text = mco::debug::dump().to_string();
        assert!(text.contains("  cancelled at "), "{text}");
        sender.send(()).unwrap();
        let _ = shielded.join();
    }

    #[test]
    fn of_a_whole_runtime_has_a_reason() {
        within(HUNG, || {
            let (sender, receiver) = unbounded();
            let runtime: Runtime = runtime(2);
            let parked = start(&runtime, move || {
                let cancelled = panic_of(forever::<()>).downcast::<Cancelled>().unwrap();
                sender.send(cancelled.to_string()).unwrap();
            });
            drop(runtime);
            drop(parked);
            let text = receiver.recv().unwrap();
            assert!(text.contains("its runtime has been dropped"), "{text}");
        });
    }

    #[test]
    fn of_a_scope_reaches_those_that_are_spawned_later() {
        everywhere(|| {
            let begun = AtomicUsize::new(0);
            scope(|s| {
                s.spawn(forever::<()>);
                s.cancel();
                let late = s.spawn(|| begun.fetch_add(1, Ordering::SeqCst));
                assert!(late.join().unwrap_err().is::<Cancelled>());
            });
            assert_eq!(begun.load(Ordering::SeqCst), 0);
        });
    }
}

#[test]
fn a_group_of_readers_ends_with_an_io_error() {
    quiet::panics_on_purpose();
    everywhere(|| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let result: io::Result<()> = group(|g| {
            for _ in 0..4 {
                g.spawn(|| {
                    let mut stream = TcpStream::connect(address)?;
                    stream.read_exact(&mut [0])
                });
            }
            let mut streams = Vec::new();
            for _ in 0..4 {
                streams.push(listener.accept()?.0);
            }
            // The others would wait for ever.
            drop(streams.pop());
            g.join_all().map(drop)
        });
        assert_eq!(result.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    });
}
