//! User code never runs on a worker outside a coroutine: destructors of what never starts, of what
//! nobody asks for, and of what timers hold, and wakers. So they may block.

use std::cell::RefCell;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Builder, JoinHandle, sleep, spawn, yield_now};
use mco::runtime::Runtime;
use mco::std::blocking::spawn_blocking;
use mco::std::time::Timer;
use mco::{join, select};
use mco_tests::started::{OnDrop, assert_cancelled};
use mco_tests::{HUNG, eventually, quiet, runtime, with_runtimes, within};

/// What such code finds out about where it runs.
#[derive(Clone, Default)]
struct Findings(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: AtomicUsize,
    ended: AtomicUsize,
    misplaced: AtomicUsize,
}

impl Findings {
    /// Looks around, and blocks for a while.
    fn look(&self) {
        let thread = thread::current();
        // Those that `mco_tests::runtime` makes.
        let is_worker = thread.name().is_some_and(|name| name.contains("-worker-"));
        if is_worker && !coroutine::is_coroutine() {
            self.0.misplaced.fetch_add(1, Ordering::SeqCst);
        }
        self.0.begun.fetch_add(1, Ordering::SeqCst);
        sleep(Duration::from_micros(10));
        yield_now();
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }

    fn one(&self) -> OnDrop<impl FnMut() + Send + Sync + use<>> {
        let findings = self.clone();
        OnDrop(move || findings.look())
    }

    #[track_caller]
    fn assert(&self, count: usize) {
        let Counts { begun, ended, misplaced } = &*self.0;
        let found = [begun, ended, misplaced].map(|n| n.load(Ordering::SeqCst));
        assert_eq!(found, [count, count, 0], "begun, ended, on a worker outside a coroutine");
    }

    #[track_caller]
    fn assert_eventually(&self, count: usize) {
        let ended = || self.0.ended.load(Ordering::SeqCst) >= count;
        eventually("all of it has run to its end", ended);
        self.assert(count);
    }
}

#[test]
fn the_destructor_of_an_unstarted_closure_may_wait_for_its_worker() {
    with_runtimes(|runtime| {
        let findings = Findings::default();
        let looks = findings.clone();
        runtime.run(move || {
            for _ in 0..20 {
                let job = spawn(|| sleep(Duration::from_millis(1)));
                yield_now();
                let mut job = Some(job);
                let one = looks.one();
                let waits =
                    OnDrop(move || job.take().into_iter().for_each(|job| job.join().unwrap()));
                let unstarted = spawn(move || drop((one, waits)));
                unstarted.cancel();
                // Its end is that of the destructor.
                unstarted.wait();
            }
        });
        findings.assert(20);
    });
}

#[test]
fn a_cancel_does_not_cut_the_destructor_off() {
    with_runtimes(|runtime| {
        let findings = Findings::default();
        let looks = findings.clone();
        runtime.run(move || {
            let one = looks.one();
            let (go_on, wait) = mco::chan!();
            let last = OnDrop(move || {
                wait.recv().unwrap();
                assert!(coroutine::is_cancelled());
            });
            let unstarted = spawn(move || drop((last, one)));
            unstarted.cancel();
            yield_now();
            unstarted.cancel();
            yield_now();
            go_on.send(()).unwrap();
            assert_cancelled(unstarted);
        });
        findings.assert(1);
    });
}

/// Of one that has started after all, which a spare worker may have done, it is the same: it unwinds.
fn park_with<T>(_what: T) {
    coroutine::park();
}

#[test]
fn the_end_of_a_runtime_waits_for_what_never_started() {
    for workers in [1, 2, 8] {
        within(HUNG, move || {
            let runtime = runtime(workers);
            let findings = Findings::default();
            // Some are queued at each worker, some for all of them.
            let hold = Arc::new(Barrier::new(workers + 1));
            for _ in 0..workers {
                let (hold, findings) = (hold.clone(), findings.clone());
                runtime.spawn(move || {
                    for _ in 0..10 {
                        let one = findings.one();
                        spawn(move || park_with(one));
                    }
                    hold.wait();
                    hold.wait();
                });
            }
            hold.wait();
            for _ in 0..10 {
                let one = findings.one();
                runtime.spawn(move || park_with(one));
            }
            let handle = runtime.handle();
            let dropper = thread::spawn(move || drop(runtime));
            // What comes after the shutdown, too: whoever spawns it ends it.
            let probe = || handle.spawn(|| ());
            eventually("it is shut down", || {
                let probe = probe();
                probe.is_finished() && probe.join().is_err()
            });
            hold.wait();
            dropper.join().unwrap();
            findings.assert(10 * workers + 10);
            let one = findings.one();
            assert_cancelled(handle.spawn(move || drop(one)));
            findings.assert(10 * workers + 11);
        });
    }
}

#[test]
fn what_a_timer_holds_is_dropped_in_a_coroutine() {
    with_runtimes(|_| {
        let runtime = runtime(2);
        let findings = Findings::default();
        let looks = findings.clone();
        let timers = runtime.run(move || {
            let timer = |time| {
                let one = looks.one();
                Timer::after_func(time, move || _ = &one)
            };
            // One that goes off when nobody has its handle, and two that never do.
            drop(timer(Duration::from_millis(1)));
            drop(timer(Duration::from_secs(3600)));
            timer(Duration::from_secs(3600))
        });
        findings.assert_eventually(1);
        drop(runtime);
        findings.assert(2);
        drop(timers);
        findings.assert(3);
    });
}

#[test]
fn a_result_that_is_detached_at_the_end_is_dropped_in_a_coroutine() {
    const ROUNDS: usize = 20_000;
    /// Sleeps only rarely: the moment is short.
    struct Looks(Findings);
    impl Drop for Looks {
        fn drop(&mut self) {
            let is_worker = thread::current().name().is_some_and(|name| name.contains("-worker-"));
            let misplaced = is_worker && !coroutine::is_coroutine();
            self.0.0.misplaced.fetch_add(usize::from(misplaced), Ordering::SeqCst);
            self.0.0.ended.fetch_add(1, Ordering::SeqCst);
        }
    }
    with_runtimes(|runtime| {
        let findings = Findings::default();
        let (tell, told) = mpsc::sync_channel::<JoinHandle<Looks>>(16);
        let dropper = thread::spawn(move || told.into_iter().for_each(drop));
        for _ in 0..ROUNDS {
            let looks = Looks(findings.clone());
            tell.send(runtime.spawn(move || looks)).unwrap();
        }
        drop(tell);
        dropper.join().unwrap();
        let ended = || findings.0.ended.load(Ordering::SeqCst) == ROUNDS;
        eventually("all are dropped", ended);
        assert_eq!(findings.0.misplaced.load(Ordering::SeqCst), 0);
    });
}

/// Looks around when it is woken, and when it is dropped.
struct Curious(Findings);

impl Wake for Curious {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.look();
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        self.0.look();
    }
}

#[test]
fn a_waker_may_block() {
    with_runtimes(|runtime| {
        let findings = Findings::default();
        let (go_on, wait) = mco::chan!();
        let job = runtime.spawn(move || wait.recv().unwrap());
        let mut future = pin!(job.into_future());
        let waker = Waker::from(Arc::new(Curious(findings.clone())));
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        drop(waker);
        go_on.send(()).unwrap();
        findings.assert_eventually(2);
    });
}

#[test]
fn a_future_may_be_all_that_its_waker_owns() {
    /// What an executor's task looks like: the waker owns the future, which owns what blocks.
    struct Task {
        _future: OnDrop<Box<dyn FnMut() + Send + Sync>>,
    }
    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }
    with_runtimes(|runtime| {
        let dropped = Arc::new(AtomicBool::new(false));
        let drops = dropped.clone();
        let (go_on, wait) = mco::chan!();
        let (release, released) = mco::chan!();
        runtime.run(move || {
            let job = spawn(move || wait.recv().unwrap());
            let mut future = pin!(job.into_future());
            let future_drop = move || {
                // Only a coroutine of this very worker can bring this about.
                released.recv().unwrap();
                drops.store(true, Ordering::SeqCst);
            };
            let waker = Waker::from(Arc::new(Task { _future: OnDrop(Box::new(future_drop)) }));
            assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            drop(waker);
            go_on.send(()).unwrap();
            sleep(Duration::from_millis(1));
            release.send(()).unwrap();
            eventually("it is dropped", || dropped.load(Ordering::SeqCst));
        });
    });
}

#[test]
fn without_a_stack_the_closure_is_dropped_elsewhere() {
    with_runtimes(|runtime| {
        let findings = Findings::default();
        let looks = findings.clone();
        runtime.run(move || {
            for cancelled in [false, true] {
                let one = looks.one();
                let none = Builder::new().stack_size(0).spawn(move || drop(one));
                if cancelled {
                    none.cancel();
                }
                assert!(none.join().is_err());
            }
        });
        findings.assert(2);
    });
}

#[test]
fn a_job_that_is_handed_over_at_the_end_of_a_runtime_runs() {
    for workers in [1, 2, 8] {
        within(HUNG, move || {
            for _ in 0..20 {
                let runtime = runtime(workers);
                let ran = Arc::new(AtomicUsize::new(0));
                let job = |ran: &Arc<AtomicUsize>| {
                    let ran = ran.clone();
                    move || {
                        let ran = ran.clone();
                        drop(spawn_blocking(move || ran.fetch_add(1, Ordering::SeqCst)));
                    }
                };
                // In the destructors of one that is cancelled, and of one that never starts.
                let (one, other) = (OnDrop(job(&ran)), OnDrop(job(&ran)));
                let started = Arc::new(AtomicBool::new(false));
                let starts = started.clone();
                runtime.spawn(move || {
                    let _one = one;
                    spawn(move || park_with(other));
                    starts.store(true, Ordering::SeqCst);
                    coroutine::park();
                });
                eventually("it has started", || started.load(Ordering::SeqCst));
                drop(runtime);
                eventually("both have run", || ran.load(Ordering::SeqCst) == 2);
            }
        });
    }
}

/// A runtime is dropped by a coroutine of its own while others hand unstarted coroutines from worker to worker.
#[test]
fn nothing_is_lost_when_a_runtime_ends_by_itself() {
    within(4 * HUNG, || {
        for _ in 0..100 {
            let (tell, told) = mpsc::channel();
            let runtime = runtime(4);
            let handle = runtime.handle();
            for _ in 0..8 {
                let tell = tell.clone();
                handle.spawn(move || {
                    loop {
                        for _ in 0..20 {
                            if tell.send(spawn(yield_now)).is_err() {
                                return;
                            }
                        }
                        yield_now();
                    }
                });
            }
            drop(tell);
            let runtime = std::sync::Mutex::new(Some(runtime));
            handle.spawn(move || {
                yield_now();
                drop::<Option<Runtime>>(runtime.lock().unwrap().take());
            });
            for one in told {
                eventually("it has run or is cancelled", || one.is_finished());
            }
        }
    });
}

#[test]
fn payloads_of_panics_may_panic_when_they_are_dropped() {
    with_runtimes(|runtime| {
        let findings = Findings::default();
        let one = findings.one();
        drop(runtime.spawn(move || panic_any(one)));
        findings.assert_eventually(1);
    });
}

// Two destructors that panic, one while nothing does: neither ends the process, nor what comes after them.

/// A value whose destructor panics, and counts.
#[derive(Debug)]
struct Bomb(Arc<AtomicUsize>);

impl Drop for Bomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        panic!("on purpose: the destructor of a value");
    }
}

/// Gives `test` what makes bombs, in a coroutine of each runtime, and says how many must have gone off then.
fn with_bombs(expected: usize, test: impl Fn(&dyn Fn() -> Bomb) + Clone + Send + 'static) {
    quiet::panics_on_purpose();
    with_runtimes(move |runtime| {
        let dropped = Arc::new(AtomicUsize::new(0));
        let (count, test) = (dropped.clone(), test.clone());
        runtime.run(move || test(&|| Bomb(count.clone())));
        eventually("all destructors have run", || dropped.load(Ordering::SeqCst) >= expected);
        assert_eq!(dropped.load(Ordering::SeqCst), expected);
        // Nothing of the runtime is amiss.
        assert_eq!(runtime.run(|| spawn(|| 7).join().unwrap()), 7);
        eventually("nothing is left", || runtime.metrics().live() == 0);
    });
}

#[test]
fn results_that_nobody_takes_may_panic_in_their_destructors() {
    with_bombs(3, |bomb| {
        let handles: Vec<JoinHandle<Bomb>> =
            (0..3).map(|_| bomb()).map(|one| spawn(move || one)).collect();
        handles.iter().for_each(|handle| eventually("it has ended", || handle.is_done()));
        drop(handles);
    });
    with_bombs(2, |bomb| {
        let (one, other) = (bomb(), bomb());
        let jobs = [spawn_blocking(move || one), spawn_blocking(move || other)];
        jobs.iter().for_each(|job| eventually("it has ended", || job.is_done()));
        drop(jobs);
    });
}

#[test]
fn closures_that_never_start_may_panic_in_their_destructors() {
    with_bombs(3, |bomb| {
        for one in (0..3).map(|_| bomb()) {
            let unstarted = spawn(move || drop(one));
            unstarted.cancel();
            unstarted.join().unwrap_err();
        }
    });
}

#[test]
fn a_scope_whose_children_and_result_are_dropped_says_that_a_child_panicked() {
    with_bombs(3, |bomb| {
        let payload = catch_unwind(AssertUnwindSafe(|| {
            coroutine::scope(|scope| {
                for one in [bomb(), bomb()] {
                    drop(scope.spawn(move || one));
                }
                bomb()
            })
        }));
        let payload = payload.map(std::mem::forget).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"a scoped coroutine panicked"));
    });
}

#[test]
fn what_members_of_a_join_leave_does_not_hide_the_panic_of_the_first() {
    with_bombs(3, |bomb| {
        let (one, two, three) = (bomb(), bomb(), bomb());
        let payload = catch_unwind(AssertUnwindSafe(|| {
            join!({ one }, { two }, { panic!("the first") }, { three })
        }));
        let payload = payload.map(std::mem::forget).unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the first"));
    });
}

#[test]
fn what_the_losers_of_a_select_hold_or_have_come_to_is_dropped() {
    use std::mem::forget;
    // Whichever is chosen: of the others some have ended, and some have never started.
    with_bombs(3, |bomb| {
        let (one, two, three, four) = (bomb(), bomb(), bomb(), bomb());
        select! {
            value = { std::convert::identity(one) } => forget(value),
            value = { std::convert::identity(two) } => forget(value),
            value = { std::convert::identity(three) } => forget(value),
            value = { std::convert::identity(four) } => forget(value),
        }
    });
}

#[test]
fn locals_of_a_coroutine_may_panic_in_their_destructors() {
    mco::coroutine_local! {
        static ONE: RefCell<Option<Bomb>> = RefCell::new(None);
        static OTHER: RefCell<Option<Bomb>> = RefCell::new(None);
    }
    with_bombs(2, |bomb| {
        let (one, other) = (bomb(), bomb());
        let keeps = spawn(move || {
            ONE.with(|place| place.replace(Some(one)));
            OTHER.with(|place| place.replace(Some(other)));
        });
        keeps.join().unwrap();
    });
}

#[test]
fn functions_of_timers_may_panic_in_their_destructors() {
    with_bombs(2, |bomb| {
        for one in [bomb(), bomb()] {
            Timer::after_func(Duration::from_millis(1), move || {
                let _ = &one;
            });
        }
    });
}

#[test]
fn a_place_whose_old_value_panics_holds_the_new_one() {
    with_bombs(2, |bomb| {
        let place = mco::std::sync::AtomicOption::some(bomb());
        catch_unwind(AssertUnwindSafe(|| place.store(bomb()))).unwrap_err();
        assert!(place.is_some());
        catch_unwind(AssertUnwindSafe(|| drop(place))).unwrap_err();
    });
}

#[test]
fn a_lock_or_cell_whose_value_panics_is_gone() {
    use mco::std::lazy::sync::OnceCell;
    use mco::std::sync::{Mutex, RwLock};
    with_bombs(3, |bomb| {
        let (mutex, lock, cell) = (Mutex::new(bomb()), RwLock::new(bomb()), OnceCell::new());
        assert!(cell.set(bomb()).is_ok());
        catch_unwind(AssertUnwindSafe(|| drop(mutex))).unwrap_err();
        catch_unwind(AssertUnwindSafe(|| drop(lock))).unwrap_err();
        catch_unwind(AssertUnwindSafe(|| drop(cell))).unwrap_err();
    });
    // What is put in the place of such a value is there, and the lock is poisoned.
    with_bombs(2, |bomb| {
        let mutex = Mutex::new(bomb());
        catch_unwind(AssertUnwindSafe(|| *mutex.lock().unwrap() = bomb())).unwrap_err();
        assert!(mutex.is_poisoned());
        let held = mutex.into_inner().unwrap_err().into_inner();
        catch_unwind(AssertUnwindSafe(|| drop(held))).unwrap_err();
    });
}
