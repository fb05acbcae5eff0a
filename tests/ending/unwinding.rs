//! Whether a coroutine unwinds is its own affair: neighbours that are suspended in the middle of it, hooks that
//! were replaced and payloads that are kept change nothing about when a cancel takes effect.
//!
//! Most of it is one test of random programs. Each knows at every point whether it unwinds, since a guard
//! that is dropped before it was told so is dropped by an unwinding. A wait of a cancelled coroutine must
//! unwind it if it does not unwind, and must not if it does; the latter would abort the process.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use generator::Gn;
use mco::coroutine::{self, Cancelled, Coroutine, JoinHandle};
use mco::runtime::Runtime;
use mco::std::sync::channel::{bounded, unbounded};
use mco::std::sync::{Mutex, Semaphore};
use mco::std::time::timeout;
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, child, eventually, quiet, runtime, text_of, with_runtimes, within};

/// Random numbers, the same for the same seed (Vigna's SplitMix64).
struct Random(Cell<u64>);

impl Random {
    fn below(&self, limit: u64) -> u64 {
        let state = self.0.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.0.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// One coroutine of a random program.
struct Actor {
    random: Random,
    /// Of its neighbours, to be cancelled.
    all: Arc<OnceLock<Vec<Coroutine>>>,
    /// How many of its guards are being dropped by an unwinding: it unwinds if there are any.
    unwinds: Cell<u32>,
    kept: Cell<Vec<Box<dyn Any + Send>>>,
    waits: Arc<AtomicU64>,
    lock: Arc<Mutex<u32>>,
    holds_lock: Cell<bool>,
}

/// Does something when it is dropped, and knows why it is.
struct Guard<'a> {
    actor: &'a Actor,
    depth: u32,
    is_over: Cell<bool>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let by_unwinding = u32::from(!self.is_over.get());
        let actor = self.actor;
        actor.unwinds.set(actor.unwinds.get() + by_unwinding);
        if by_unwinding == 1 {
            // What is caught in here must not get out.
            let work = || actor.work(self.depth);
            if actor.random.below(2) == 0 {
                actor.quiet_work(self.depth);
            } else if let Err(payload) = catch_unwind(AssertUnwindSafe(work)) {
                actor.keep(payload);
            }
        } else {
            actor.quiet_work(self.depth);
        }
        actor.unwinds.set(actor.unwinds.get() - by_unwinding);
    }
}

impl Actor {
    /// Waits once, and checks what came of it.
    fn wait(&self) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        let is_due = coroutine::is_cancelled() && self.unwinds.get() == 0;
        match self.random.below(4) {
            0 => coroutine::sleep(Duration::from_micros(self.random.below(50))),
            1 => _ = coroutine::park_timeout(Duration::from_micros(1)),
            _ => coroutine::yield_now(),
        }
        assert!(!is_due, "it was cancelled and did not unwind, and its wait has returned");
    }

    /// Works without a panic of its own. Outside of an unwinding a cancel may take effect.
    fn quiet_work(&self, depth: u32) {
        for _ in 0..self.random.below(3) {
            match self.random.below(3) {
                0 if depth > 0 => self.with_guard(depth - 1, || self.quiet_work(depth - 1)),
                1 => self.cancel_somebody(),
                _ => self.wait(),
            }
        }
    }

    fn work(&self, depth: u32) {
        for _ in 0..1 + self.random.below(4) {
            match self.random.below(12) {
                0 | 1 if depth > 0 => self.with_guard(depth - 1, || self.work(depth - 1)),
                2..=4 if depth > 0 => self.catch(depth - 1),
                5 if depth > 0 => {
                    let limit = Duration::from_micros(self.random.below(100));
                    let _ = timeout(limit, || self.work(depth - 1));
                }
                6 if depth > 0 => {
                    coroutine::scope(|s| {
                        s.spawn(coroutine::yield_now);
                        self.work(depth - 1);
                    });
                }
                7 if depth > 0 => self.with_lock(depth - 1),
                8 => panic!("on purpose"),
                9 => resume_unwind(Box::new("on purpose, without a hook")),
                10 => self.cancel_somebody(),
                _ => self.wait(),
            }
        }
    }

    fn with_guard(&self, depth: u32, work: impl FnOnce()) {
        let guard = Guard { actor: self, depth, is_over: Cell::new(false) };
        work();
        guard.is_over.set(true);
    }

    /// A cancel or a time limit leaves the lock as it is, whoever unwinds beside it.
    fn with_lock(&self, depth: u32) {
        if self.holds_lock.replace(true) {
            return;
        }
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let guard = self.lock.lock().unwrap();
            self.quiet_work(depth);
            drop(guard);
        }));
        self.holds_lock.set(false);
        if let Err(payload) = outcome {
            let text = text_of(&*payload);
            assert!(
                !text.contains("Poison"),
                "who has held it was cancelled, and it is poisoned: {text}"
            );
            resume_unwind(payload);
        }
    }

    fn catch(&self, depth: u32) {
        if let Err(payload) = catch_unwind(AssertUnwindSafe(|| self.work(depth))) {
            if text_of(&*payload).contains("its wait has returned") {
                resume_unwind(payload);
            }
            match self.random.below(3) {
                0 => resume_unwind(payload),
                1 => self.keep(payload),
                _ => drop(payload),
            }
        }
    }

    fn keep(&self, payload: Box<dyn Any + Send>) {
        assert!(!text_of(&*payload).contains("its wait has returned"), "see above");
        let mut kept = self.kept.take();
        kept.push(payload);
        if kept.len() > 3 {
            kept.clear();
        }
        self.kept.set(kept);
    }

    fn cancel_somebody(&self) {
        if let Some(all) = self.all.get()
            && self.random.below(4) == 0
        {
            all[self.random.below(all.len() as u64) as usize].cancel();
        }
    }
}

/// Runs a random program; returns how often it has waited.
fn run_program(runtime: &Runtime, seed: u64) -> u64 {
    let (all, waits) = (Arc::new(OnceLock::new()), Arc::new(AtomicU64::new(0)));
    let lock = Arc::new(Mutex::new(0));
    let spawn = |number: u64| {
        let (all, waits, lock) = (all.clone(), waits.clone(), lock.clone());
        runtime.spawn(move || {
            let random = Random(Cell::new(seed.wrapping_mul(31).wrapping_add(number)));
            let (unwinds, kept) = (Cell::new(0), Cell::default());
            let holds_lock = Cell::new(false);
            let actor = Actor { random, all, unwinds, kept, waits, lock, holds_lock };
            coroutine::yield_now();
            actor.work(4);
        })
    };
    let handles: Vec<JoinHandle<()>> = (0..6).map(spawn).collect();
    let coroutines = handles.iter().map(|handle| handle.coroutine().clone());
    all.set(coroutines.collect()).expect("it is set once");
    for handle in handles {
        if let Err(payload) = handle.join() {
            let text = text_of(&*payload).to_owned();
            let expected = payload.is::<Cancelled>() || text.starts_with("on purpose");
            assert!(expected, "seed {seed}: {text}");
        }
    }
    assert!(!lock.is_poisoned(), "seed {seed}: a cancel has poisoned a lock");
    waits.load(Ordering::Relaxed)
}

const PROGRAMS: u64 = if cfg!(debug_assertions) { 400 } else { 2000 };

fn run_programs(seeds: std::ops::Range<u64>) {
    for workers in [1, 2] {
        let runtime = runtime(workers);
        let waits: u64 = seeds.clone().map(|seed| run_program(&runtime, seed)).sum();
        assert!(waits > seeds.end - seeds.start, "they have waited {waits} times only");
    }
}

#[test]
fn a_cancel_takes_effect_just_where_its_coroutine_does_not_unwind() {
    child::pass(|| {
        quiet::panics_on_purpose();
        run_programs(0..PROGRAMS);
    });
}

#[test]
fn a_cancel_takes_effect_where_its_coroutine_does_not_unwind_under_a_replaced_hook() {
    child::pass(|| {
        drop(runtime(1));
        panic::set_hook(Box::new(|_| ()));
        run_programs(PROGRAMS..2 * PROGRAMS);
    });
}

/// Runs a closure when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_cancel_of_one_that_has_caught_a_panic_beside_an_unwinding_is_not_put_off() {
    quiet::panics_on_purpose();
    within(HUNG, || {
        let runtime = runtime(1);
        let (jobs, queue) = unbounded::<fn()>();
        let (caught, is_caught) = unbounded();
        let parent = runtime.spawn(move || {
            let server = coroutine::spawn(move || {
                for job in queue {
                    caught.send(catch_unwind(job).is_err()).unwrap();
                }
            });
            let server = Cell::new(Some(server));
            let _goodbye = OnDrop(|| {
                jobs.send(|| panic!("on purpose")).unwrap();
                assert!(is_caught.recv().unwrap());
                let server = server.take().unwrap();
                server.cancel();
                assert_cancelled(server);
            });
            panic!("on purpose");
        });
        assert_eq!(text_of(&*parent.join().unwrap_err()), "on purpose");
    });
}

#[test]
fn a_time_limit_beside_an_unwinding_neighbour_cuts_nothing_off_that_unwinds() {
    child::pass(|| {
        let runtime = runtime(1);
        panic::set_hook(Box::new(|_| ()));
        let neighbour = start(&runtime, || {
            let _slow = OnDrop(|| coroutine::sleep(Duration::from_millis(200)));
            coroutine::park();
        });
        let failing = runtime.spawn(|| {
            timeout(Duration::from_millis(20), || {
                let _slow = OnDrop(|| coroutine::sleep(Duration::from_millis(50)));
                panic!("the first panic of the program");
            })
        });
        neighbour.cancel();
        let payload = failing.join().unwrap_err();
        assert_eq!(text_of(&*payload), "the first panic of the program");
        assert_cancelled(neighbour);
    });
}

#[test]
fn a_panic_poisons_a_lock_though_a_cancel_is_kept() {
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        let lock = Arc::new(Mutex::new(0));
        let locks = lock.clone();
        let handle = start(runtime, move || {
            let _kept = catch_unwind(coroutine::park).unwrap_err();
            let _guard = locks.lock();
            panic!("on purpose");
        });
        handle.cancel();
        let payload = handle.join().unwrap_err();
        // It has waited for nothing since.
        assert_eq!(text_of(&*payload), "on purpose");
        assert!(lock.is_poisoned());
    });
}

#[test]
fn a_panic_beside_an_unwinding_neighbour_poisons_what_it_holds_and_nothing_else_does() {
    quiet::panics_on_purpose();
    within(HUNG, || {
        let runtime = runtime(1);
        let (go_on, may_go_on) = bounded::<()>(0);
        let neighbour = start(&runtime, move || {
            let _waits = OnDrop(|| _ = may_go_on.recv());
            panic!("on purpose");
        });
        let locks = [Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0))];
        let [poisoned, unhurt] = locks.clone();
        let handle = runtime.spawn(move || {
            drop(unhurt.lock().unwrap());
            // Passed on without a hook.
            let payload = catch_unwind(|| panic!("on purpose")).unwrap_err();
            let _guard = poisoned.lock().unwrap();
            resume_unwind(payload);
        });
        handle.join().unwrap_err();
        assert_eq!(locks.map(|lock| lock.is_poisoned()), [true, false]);
        drop(go_on);
        neighbour.join().unwrap_err();
    });
}

#[test]
fn one_that_keeps_the_payloads_of_its_jobs_ends_with_its_runtime() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (jobs, queue) = unbounded::<fn()>();
        jobs.send(coroutine::park).unwrap();
        let supervisor = start(&runtime, move || {
            queue.into_iter().map(|job| catch_unwind(job).is_err()).filter(|failed| *failed).count()
        });
        let keeps = start(&runtime, || {
            let mut kept = Vec::new();
            loop {
                kept.push(catch_unwind(coroutine::park));
                coroutine::yield_now();
            }
        });
        drop(runtime);
        assert_cancelled(supervisor);
        assert_cancelled::<()>(keeps);
        drop(jobs);
    });
}

/// Calls `wait` inside a generator, in a coroutine. It must be refused, and leave nothing behind.
#[track_caller]
fn assert_refused(what: &str, runtime: &Runtime, wait: impl Fn() + Clone + Send + 'static) {
    let handle = runtime.spawn(move || {
        let in_generator = wait.clone();
        let mut generator = Gn::<()>::new_scoped_opt(0x4000, move |_| {
            let payload = catch_unwind(AssertUnwindSafe(&in_generator)).unwrap_err();
            let text = text_of(&*payload).to_owned();
            assert!(text.contains("another stack than the coroutine's own"), "{text}");
        });
        generator.resume();
        drop(generator);
        // And the coroutine itself can wait as ever.
        coroutine::yield_now();
        coroutine::sleep(Duration::from_micros(1));
    });
    if let Err(payload) = handle.join() {
        panic!("{what}: {}", text_of(&*payload));
    }
}

#[test]
fn a_wait_inside_a_generator_is_refused() {
    child::pass(|| {
        panic::set_hook(Box::new(|_| ()));
        with_runtimes(|runtime| {
            let (to_full, full) = bounded(1);
            to_full.send(0).unwrap();
            let lock = Arc::new(Mutex::new(0));
            let held = lock.clone();
            let (release, released) = bounded::<()>(0);
            let holder = start(runtime, move || {
                let _guard = held.lock().unwrap();
                let _ = released.recv();
            });
            let parked = Arc::new(runtime.spawn(coroutine::park));
            let semaphore = Arc::new(Semaphore::new(0));
            let (open, closed) = unbounded::<u32>();
            let check = |what, wait: Box<dyn Fn() + Send + Sync>| {
                let wait = Arc::new(wait);
                assert_refused(what, runtime, move || wait());
            };
            let receives = closed.clone();
            check("recv", Box::new(move || _ = receives.recv()));
            let receives = closed.clone();
            let soon = Duration::from_millis(1);
            check("recv_timeout", Box::new(move || _ = receives.recv_timeout(soon)));
            check("send", Box::new(move || _ = to_full.send(1)));
            check("lock", Box::new(move || drop(lock.lock())));
            let waits = semaphore.clone();
            check("semaphore", Box::new(move || waits.wait()));
            let waits = parked.clone();
            check("join", Box::new(move || waits.wait()));
            check("sleep", Box::new(move || coroutine::sleep(soon)));
            check("park", Box::new(coroutine::park));
            check("park_timeout", Box::new(move || _ = coroutine::park_timeout(soon)));
            check("scope", Box::new(|| coroutine::scope(|s| drop(s.spawn(|| ())))));
            check("timeout", Box::new(move || _ = timeout(soon, || ())));
            check("blocking", Box::new(|| mco::blocking(|| ())));
            check("block_on", Box::new(|| mco::block_on(std::future::pending())));
            let selects = closed.clone();
            check("select", Box::new(move || mco::select! { _ = selects.recv() => {} }));
            let listener = mco::net::TcpListener::bind("127.0.0.1:0").unwrap();
            check("accept", Box::new(move || drop(listener.accept())));
            // What was refused waits nowhere any more: it takes nothing away.
            open.send(7).unwrap();
            assert_eq!(closed.recv(), Ok(7));
            assert_eq!(full.recv(), Ok(0));
            assert_eq!(full.try_recv().ok(), None);
            semaphore.post();
            assert!(semaphore.try_wait());
            drop(release);
            holder.join().unwrap();
            parked.coroutine().unpark();
            eventually("it has ended", || parked.is_finished());
        });
    });
}

#[test]
fn what_need_not_wait_goes_on_inside_a_generator() {
    with_runtimes(|runtime| {
        let sum = runtime.run(|| {
            let (sender, receiver) = unbounded();
            let lock = Arc::new(Mutex::new(0));
            let locks = lock.clone();
            let mut generator = Gn::<()>::new_scoped_opt(0x4000, move |mut scope| {
                // More than a budget of such operations.
                for number in 0..1000 {
                    sender.send(number).unwrap();
                    *locks.lock().unwrap() += receiver.recv().unwrap();
                    scope.yield_with(());
                }
            });
            while !generator.is_done() {
                generator.resume();
                // Between two steps the coroutine may wait.
                coroutine::yield_now();
            }
            *lock.lock().unwrap()
        });
        assert_eq!(sum, 999 * 1000 / 2);
    });
}

/// Counts to more than a budget of operations that may wait, in a generator, when it is dropped.
struct InGenerator(fn());

impl Drop for InGenerator {
    fn drop(&mut self) {
        let work = self.0;
        let mut generator = Gn::<()>::new_scoped_opt(0x4000, move |_| work());
        while !generator.is_done() {
            generator.resume();
        }
    }
}

#[test]
fn nothing_unwinds_inside_a_generator_that_an_unwinding_runs() {
    child::pass(|| {
        quiet::panics_on_purpose();
        // With its first one the crate sets a panic hook, which no thread that panics may.
        Gn::<()>::new_scoped(|_| ()).resume();
        let runtime = runtime(1);
        let handle = start(&runtime, || {
            let _generator = InGenerator(|| {
                let (sender, receiver) = bounded(1);
                for number in 0..1000 {
                    sender.send(number).unwrap();
                    assert_eq!(receiver.recv(), Ok(number));
                }
            });
            drop(catch_unwind(coroutine::park));
            panic!("on purpose");
        });
        handle.cancel();
        assert_eq!(text_of(&*handle.join().unwrap_err()), "on purpose");
    });
}

#[test]
fn a_loop_that_is_cut_off_again_and_again_lets_its_neighbours_run() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (sender, receiver) = unbounded();
        let loops = start(&runtime, move || {
            loop {
                if let Ok(number) = timeout(Duration::ZERO, || receiver.recv()) {
                    break number;
                }
            }
        });
        runtime.run(move || sender.send(7).unwrap());
        assert_eq!(loops.join().unwrap(), Ok(7));
    });
}
