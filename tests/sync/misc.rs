//! `Barrier`, `WaitGroup`, `SyncFlag`, `Blocker` and `AtomicOption`.

use std::env;
use std::fmt::Debug;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, ParkError};
use mco::go;
use mco::std::lazy::sync::{Lazy, OnceCell};
use mco::std::sync::{
    AtomicOption, Barrier, Blocker, Condvar, Mutex, MutexGuard, Once, RwLock, RwLockReadGuard,
    Semaphore, SyncFlag, WaitGroup,
};
use mco_tests::started::{Drops, OnDrop, assert_cancelled, start};
use mco_tests::{HUNG, child, with_runtimes, within};

/// Longer than any test.
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_barrier_lets_all_go_when_all_are_there_again_and_again() {
    const PARTIES: usize = 12;
    const ROUNDS: usize = 50;
    with_runtimes(|runtime| {
        let barrier = Arc::new(Barrier::new(PARTIES));
        let (came, leaders) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let party = |_| {
            let (barrier, came, leaders) = (barrier.clone(), came.clone(), leaders.clone());
            move || {
                for round in 1..=ROUNDS {
                    came.fetch_add(1, Ordering::SeqCst);
                    let leads = barrier.wait().is_leader();
                    assert!(came.load(Ordering::SeqCst) >= round * PARTIES, "one went too early");
                    leaders.fetch_add(usize::from(leads), Ordering::SeqCst);
                }
            }
        };
        let coroutines: Vec<_> = (2..PARTIES).map(party).map(|p| runtime.spawn(p)).collect();
        let threads: Vec<_> = (0..2).map(party).map(thread::spawn).collect();
        coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(leaders.load(Ordering::SeqCst), ROUNDS);
    });
}

#[test]
fn one_that_is_cancelled_at_a_barrier_does_not_count() {
    with_runtimes(|runtime| {
        let barrier = Arc::new(Barrier::new(3));
        let wait = || {
            let barrier = barrier.clone();
            start(runtime, move || barrier.wait().is_leader())
        };
        let first = wait();
        first.cancel();
        assert_cancelled(first);
        let (second, third) = (wait(), wait());
        coroutine::sleep(Duration::from_millis(2));
        assert!(!second.is_finished() && !third.is_finished());
        assert!(barrier.wait().is_leader());
        assert!(!second.join().unwrap() && !third.join().unwrap());
    });
}

#[test]
fn a_barrier_for_nobody_or_one_holds_nobody_up() {
    within(HUNG, || {
        assert!(Barrier::new(0).wait().is_leader());
        let barrier = Barrier::new(1);
        assert!(barrier.wait().is_leader() && barrier.wait().is_leader());
    });
}

#[test]
fn a_wait_group_waits_for_all_others() {
    with_runtimes(|runtime| {
        let (group, done) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        for _ in 0..50 {
            let (member, done) = (group.clone(), done.clone());
            runtime.spawn(move || {
                coroutine::yield_now();
                done.fetch_add(1, Ordering::SeqCst);
                drop(member);
            });
        }
        let (member, does) = (group.clone(), done.clone());
        thread::spawn(move || {
            does.fetch_add(1, Ordering::SeqCst);
            drop(member);
        });
        group.wait();
        assert_eq!(done.load(Ordering::SeqCst), 51);
    });
}

#[test]
fn all_members_may_wait_for_each_other() {
    with_runtimes(|runtime| {
        let (group, came) = (WaitGroup::new(), Arc::new(AtomicUsize::new(0)));
        let wait = |_| {
            let (member, came) = (group.clone(), came.clone());
            runtime.spawn(move || {
                came.fetch_add(1, Ordering::SeqCst);
                member.wait();
                came.load(Ordering::SeqCst)
            })
        };
        let members: Vec<_> = (0..10).map(wait).collect();
        assert!(members.iter().all(|member| !member.is_finished()));
        group.wait();
        assert!(members.into_iter().all(|member| member.join().unwrap() == 10));
    });
}

#[test]
fn a_member_that_panics_or_is_cancelled_is_done() {
    with_runtimes(|runtime| {
        let group = WaitGroup::new();
        let member = group.clone();
        let panics = runtime.spawn(move || {
            let _member = member;
            panic!("on purpose");
        });
        let member = group.clone();
        let parked = start(runtime, move || {
            let _member = member;
            coroutine::park();
        });
        // One that waits has left already.
        let (member, stays) = (group.clone(), group.clone());
        let waits = start(runtime, move || member.wait());
        waits.cancel();
        assert_cancelled(waits);
        drop(stays);
        parked.cancel();
        group.wait();
        assert_cancelled(parked);
        panics.join().unwrap_err();
    });
}

#[test]
fn a_wait_group_shows_its_members() {
    let group = WaitGroup::default();
    let member = group.clone();
    assert_eq!(format!("{group:?}"), "WaitGroup { members: 2, .. }");
    drop(member);
    assert_eq!(format!("{group:?}"), "WaitGroup { members: 1, .. }");
}

#[test]
fn a_flag_lets_everyone_go_on() {
    with_runtimes(|runtime| {
        let (flag, value) = (Arc::new(SyncFlag::new()), Arc::new(AtomicUsize::new(0)));
        let wait = |n: usize| {
            let (flag, value) = (flag.clone(), value.clone());
            move || {
                if n.is_multiple_of(2) {
                    flag.wait();
                } else {
                    assert!(flag.wait_timeout(LONG));
                }
                value.load(Ordering::Relaxed)
            }
        };
        let coroutines: Vec<_> = (0..30).map(|n| runtime.spawn(wait(n))).collect();
        let threads: Vec<_> = (0..2).map(|n| thread::spawn(wait(n))).collect();
        assert!(!flag.is_fired() && coroutines.iter().all(|waiter| !waiter.is_finished()));
        value.store(1, Ordering::Relaxed);
        flag.fire();
        flag.fire();
        assert!(flag.is_fired());
        assert!(coroutines.into_iter().all(|coroutine| coroutine.join().unwrap() == 1));
        assert!(threads.into_iter().all(|thread| thread.join().unwrap() == 1));
        flag.wait();
        assert!(flag.wait_timeout(Duration::ZERO));
        assert_eq!(format!("{flag:?}"), "SyncFlag { fired: true, .. }");
    });
}

#[test]
fn a_wait_for_a_flag_can_be_cancelled() {
    with_runtimes(|runtime| {
        let flag = Arc::new(SyncFlag::new());
        let waits = flag.clone();
        let first = start(runtime, move || waits.wait());
        let waits = flag.clone();
        let second = start(runtime, move || waits.wait_timeout(LONG));
        first.cancel();
        assert_cancelled(first);
        flag.fire();
        assert!(second.join().unwrap());
    });
}

#[test]
fn waits_with_a_limit_are_never_short() {
    with_runtimes(|runtime| {
        let waits = || {
            let (flag, blocker) = (SyncFlag::new(), Blocker::current());
            for millis in [0, 1, 5, 20] {
                let (limit, start) = (Duration::from_millis(millis), Instant::now());
                assert!(!flag.wait_timeout(limit));
                assert!(start.elapsed() >= limit);
                let start = Instant::now();
                assert_eq!(blocker.park(Some(limit)), Err(ParkError::Timeout));
                assert!(start.elapsed() >= limit);
            }
        };
        runtime.run(waits);
        waits();
    });
}

#[test]
fn a_blocker_keeps_one_permit() {
    with_runtimes(|runtime| {
        let parks = || {
            let blocker = Blocker::current();
            blocker.unpark();
            blocker.unpark();
            assert_eq!(blocker.park(None), Ok(()));
            assert_eq!(blocker.park(Some(Duration::from_millis(1))), Err(ParkError::Timeout));
            // Another one is not concerned.
            blocker.unpark();
            let other = Blocker::current();
            assert_eq!(other.park(Some(Duration::ZERO)), Err(ParkError::Timeout));
            assert_eq!(blocker.park(Some(Duration::ZERO)), Ok(()));
        };
        runtime.run(parks);
        parks();
    });
}

#[test]
fn unparks_reach_whoever_is_parked() {
    const ROUNDS: usize = 500;
    with_runtimes(|runtime| {
        let (here, there) = (Blocker::current(), Blocker::current());
        let turns = |mine: Arc<Blocker>, yours: Arc<Blocker>| {
            move || {
                for round in 0..ROUNDS {
                    mine.park(if round % 2 == 0 { None } else { Some(LONG) }).unwrap();
                    yours.unpark();
                }
            }
        };
        let coroutine = runtime.spawn(turns(here.clone(), there.clone()));
        let thread = thread::spawn(turns(there, here.clone()));
        here.unpark();
        coroutine.join().unwrap();
        thread.join().unwrap();
    });
}

#[test]
fn a_permit_for_one_that_is_cancelled_stays() {
    with_runtimes(|runtime| {
        for round in 0..100 {
            let blocker = Blocker::current();
            let parks = blocker.clone();
            let parked = start(runtime, move || parks.park(None));
            if round % 2 == 0 {
                parked.cancel();
                blocker.unpark();
            } else {
                blocker.unpark();
                parked.cancel();
            }
            let taken = parked.join().is_ok();
            assert_eq!(blocker.park(Some(Duration::ZERO)).is_err(), taken);
        }
    });
}

#[test]
fn of_an_option_each_value_is_taken_once() {
    with_runtimes(|runtime| {
        let (place, drops) = (Arc::new(AtomicOption::none()), Drops::default());
        let (given, taken) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let exchange = |_| {
            let (place, drops) = (place.clone(), drops.clone());
            let (given, taken) = (given.clone(), taken.clone());
            move || {
                for _ in 0..200 {
                    given.fetch_add(1, Ordering::SeqCst);
                    taken.fetch_add(
                        usize::from(place.swap(Box::new(drops.one())).is_some()),
                        Ordering::SeqCst,
                    );
                    taken.fetch_add(usize::from(place.take().is_some()), Ordering::SeqCst);
                    coroutine::yield_now();
                }
            }
        };
        let coroutines: Vec<_> = (0..8).map(exchange).map(|e| runtime.spawn(e)).collect();
        let thread = thread::spawn(exchange(0));
        coroutines.into_iter().for_each(|coroutine| coroutine.join().unwrap());
        thread.join().unwrap();
        taken.fetch_add(usize::from(place.take().is_some()), Ordering::SeqCst);
        assert_eq!(taken.load(Ordering::SeqCst), given.load(Ordering::SeqCst));
        assert_eq!(drops.count(), given.load(Ordering::SeqCst));
    });
}

#[test]
fn what_is_stored_in_an_option_is_dropped_once() {
    let drops = Drops::default();
    let place = AtomicOption::some(Arc::new(drops.one()));
    assert!(place.is_some() && !place.is_none());
    place.store(Arc::new(drops.one()));
    assert_eq!(drops.count(), 1);
    assert_eq!(format!("{place:?}"), "AtomicOption { is_some: true, .. }");
    drop(place);
    assert_eq!(drops.count(), 2);
    assert!(AtomicOption::<Box<u8>>::default().is_none());
    assert_eq!(AtomicOption::from(Some(1)).take(), Some(1));
}

#[test]
fn while_a_value_in_an_option_is_dropped_others_use_it() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            type Values = AtomicOption<Box<dyn std::any::Any + Send>>;
            let place = Arc::new(Values::none());
            let uses = place.clone();
            place.store(Box::new(OnDrop(move || {
                coroutine::yield_now();
                assert!(uses.take().is_some());
            })));
            place.store(Box::new(()));
            assert!(place.is_none());
        });
    });
}

#[test]
fn all_may_be_shared_and_caught_panics_are_no_obstacle() {
    fn shared<T: Send + Sync + UnwindSafe + RefUnwindSafe + Debug>() {}
    fn sync<T: Sync + Debug>() {}
    shared::<Mutex<u8>>();
    shared::<RwLock<u8>>();
    shared::<Condvar>();
    shared::<Once>();
    shared::<Barrier>();
    shared::<Semaphore>();
    shared::<WaitGroup>();
    shared::<SyncFlag>();
    shared::<Blocker>();
    shared::<AtomicOption<u8>>();
    shared::<OnceCell<u8>>();
    shared::<Lazy<u8>>();
    sync::<MutexGuard<'_, u8>>();
    sync::<RwLockReadGuard<'_, u8>>();
}

/// Blocks in everything there is, in coroutines named after the reason, each on one line with its
/// wait.
#[rustfmt::skip]
#[mco::test(timeout = "300ms")]
#[ignore = "hangs, for the test below"]
fn hanging() {
    static MUTEX: Mutex<()> = Mutex::new(());
    static LOCK: RwLock<()> = RwLock::new(());
    static CONDVAR: Condvar = Condvar::new();
    static ONCE: Once = Once::new();
    static CELL: OnceCell<()> = OnceCell::new();
    static LAZY: Lazy<()> = Lazy::new(run);
    static RUN: Semaphore = Semaphore::new(0);
    fn run() {
        RUN.post();
        coroutine::park();
    }
    let group = WaitGroup::new();
    let member = group.clone();
    let _held = MUTEX.lock().unwrap();
    let _writes = LOCK.write().unwrap();
    coroutine::spawn(|| ONCE.call_once(run));
    coroutine::spawn(|| CELL.get_or_init(run));
    coroutine::spawn(|| *LAZY);
    (0..3).for_each(|_| RUN.wait());
    go!("mutex", || drop(MUTEX.lock()));
    go!("read lock", || drop(LOCK.read()));
    go!("write lock", || drop(LOCK.write()));
    go!("condition variable", || drop(CONDVAR.wait(Mutex::new(()).lock().unwrap())));
    go!("condition variable", || drop(CONDVAR.wait_while(Mutex::new(()).lock().unwrap(), |()| true)));
    go!("initialiser", || ONCE.call_once(|| ()));
    go!("initialiser", || CELL.get_or_init(|| ()));
    go!("initialiser", || *LAZY);
    go!("barrier", || Barrier::new(2).wait().is_leader());
    go!("semaphore", || Semaphore::new(0).wait());
    go!("semaphore", || Semaphore::new(0).wait_timeout(LONG));
    go!("wait group", move || group.wait());
    go!("sync flag", || SyncFlag::new().wait());
    go!("blocker", || Blocker::current().park(None));
    coroutine::park();
    drop(member);
}

#[test]
fn a_dump_says_who_waits_for_what_and_where() {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["misc::hanging", "--exact", "--ignored", "--nocapture"])
        .env("RUST_BACKTRACE", "0");
    let end = child::watch(&mut command, HUNG);
    let mut lines = end.stderr.lines();
    let mut named = 0;
    // `coroutine 17 `name` waits for ..`
    let has_name = |line: &str| line.split(' ').nth(2).is_some_and(|word| word.starts_with('`'));
    while let Some(line) = lines.find(|line| line.starts_with("coroutine ") && has_name(line)) {
        let (name, rest) = line.split_once('`').unwrap().1.split_once('`').unwrap();
        if name == "misc::hanging" {
            // The test itself.
            continue;
        }
        assert!(rest.starts_with(" waits for ") && rest.contains(name), "{line}");
        // Both on one line of the source.
        let place = |text: &str| text.rsplit_once(':').unwrap().0.to_owned();
        let waits = place(lines.next().unwrap().strip_prefix("  waits at ").unwrap());
        let spawned = place(lines.next().unwrap().strip_prefix("  spawned at ").unwrap());
        assert_eq!(waits, spawned, "{line}");
        named += 1;
    }
    assert_eq!(named, 14, "{end}");
}

#[test]
fn a_flag_can_be_awaited_by_several_futures() {
    use std::future::{Future, IntoFuture};
    use std::pin::pin;
    use std::task::{Context, Poll, Wake, Waker};

    struct Counts(AtomicUsize);
    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    mco_tests::everywhere::everywhere(|| {
        let counts = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(counts.clone());
        let mut context = Context::from_waker(&waker);
        let flag = SyncFlag::new();
        let mut one = pin!((&flag).into_future());
        let mut other = pin!((&flag).into_future());
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(one.as_mut().poll(&mut context).is_pending());
        assert!(other.as_mut().poll(&mut context).is_pending());
        let mut gone = Box::pin((&flag).into_future());
        assert!(gone.as_mut().poll(&mut context).is_pending());
        drop(gone);
        mco::scope(|s| {
            s.spawn(|| mco::block_on(async { (&flag).await }));
            mco::coroutine::yield_now();
            flag.fire();
        });
        assert_eq!(counts.0.load(Ordering::SeqCst), 2);
        assert_eq!(one.poll(&mut context), Poll::Ready(()));
        assert_eq!(other.poll(&mut context), Poll::Ready(()));
    });
}
