//! Coroutine-local values.

use std::cell::{Cell, RefCell};
use std::panic;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use mco::coroutine;
use mco::coroutine_local;
use mco_tests::{HUNG, eventually, quiet, runtime, with_runtimes, within};

coroutine_local! {
    static NUMBER: Cell<u32> = Cell::new(7);
    /// Not `Send`.
    pub static SHARED: Rc<RefCell<Vec<u32>>> = Rc::new(RefCell::new(Vec::new()));
    static NAME: String = String::from("name")
}

#[test]
fn each_coroutine_has_its_own() {
    with_runtimes(|runtime| {
        let spawn = |n| {
            runtime.spawn(move || {
                assert_eq!(NUMBER.with(Cell::get), 7);
                NUMBER.with(|number| number.set(n));
                for _ in 0..20 {
                    coroutine::yield_now();
                    assert_eq!(NUMBER.with(Cell::get), n);
                }
                SHARED.with(|shared| shared.borrow_mut().push(n));
                SHARED.with(|shared| shared.borrow().clone())
            })
        };
        let handles: Vec<_> = (0..100).map(spawn).collect();
        for (handle, n) in handles.into_iter().zip(0..) {
            assert_eq!(handle.join().unwrap(), [n]);
        }
    });
}

#[test]
fn a_child_does_not_inherit() {
    with_runtimes(|runtime| {
        let child = runtime.run(|| {
            NUMBER.with(|number| number.set(1));
            coroutine::spawn(|| NUMBER.with(Cell::get)).join().unwrap()
        });
        assert_eq!(child, 7);
    });
}

#[test]
fn a_thread_has_its_own_too() {
    within(HUNG, || {
        NUMBER.with(|number| number.set(3));
        let other = thread::spawn(|| NUMBER.with(Cell::get)).join().unwrap();
        let inside = coroutine::spawn(|| NUMBER.with(Cell::get)).join().unwrap();
        assert_eq!((NUMBER.with(Cell::get), other, inside), (3, 7, 7));
        assert_eq!(NAME.with(String::clone), "name");
    });
}

#[test]
fn it_is_made_on_first_use_and_once() {
    static MADE: AtomicUsize = AtomicUsize::new(0);
    coroutine_local!(static COUNTED: usize = MADE.fetch_add(1, Ordering::SeqCst));
    within(HUNG, || {
        let runtime = runtime(1);
        runtime.run(|| ());
        assert_eq!(MADE.load(Ordering::SeqCst), 0);
        runtime.run(|| {
            COUNTED.with(|_| ());
            COUNTED.with(|_| ());
        });
        assert_eq!(MADE.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn its_initialiser_may_block_and_use_others() {
    coroutine_local! {
        static SLOW: u32 = {
            coroutine::sleep(Duration::from_millis(1));
            coroutine::yield_now();
            NUMBER.with(Cell::get) + 1
        };
    }
    with_runtimes(|runtime| {
        let handles: Vec<_> = (0..10).map(|_| runtime.spawn(|| SLOW.with(|n| *n))).collect();
        assert!(handles.into_iter().all(|handle| handle.join().unwrap() == 8));
    });
}

#[test]
fn a_use_may_block_and_use_others() {
    with_runtimes(|runtime| {
        let sum = runtime.run(|| {
            NUMBER.with(|number| {
                coroutine::yield_now();
                number.set(number.get() + SHARED.with(|shared| shared.borrow().len() as u32));
                NUMBER.with(Cell::get)
            })
        });
        assert_eq!(sum, 7);
    });
}

#[test]
fn a_panicking_initialiser_leaves_nothing_behind() {
    static TRIES: AtomicUsize = AtomicUsize::new(0);
    coroutine_local! {
        static FAILS: usize = match TRIES.fetch_add(1, Ordering::SeqCst) {
            n if n % 2 == 0 => panic!("on purpose"),
            n => n,
        };
    }
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        runtime.run(|| {
            assert!(panic::catch_unwind(|| FAILS.with(|n| *n)).is_err());
            assert_eq!(FAILS.with(|n| *n) % 2, 1);
        });
    });
}

/// Tells on which thread it was dropped, and with what name.
struct Tell {
    name: &'static str,
    log: Arc<Mutex<Vec<(&'static str, ThreadId)>>>,
}

impl Drop for Tell {
    fn drop(&mut self) {
        self.log.lock().unwrap().push((self.name, thread::current().id()));
    }
}

coroutine_local! {
    static FIRST: RefCell<Option<Tell>> = RefCell::new(None);
    static SECOND: RefCell<Option<Tell>> = RefCell::new(None);
    static LATE: RefCell<Option<Tell>> = RefCell::new(None);
}

type Log = Arc<Mutex<Vec<(&'static str, ThreadId)>>>;

fn set(key: &'static mco::LocalKey<RefCell<Option<Tell>>>, name: &'static str, log: &Log) {
    key.with(|place| *place.borrow_mut() = Some(Tell { name, log: log.clone() }));
}

#[test]
fn it_is_dropped_by_its_own_thread_before_join_returns() {
    with_runtimes(|runtime| {
        for _ in 0..50 {
            let log = Log::default();
            let (inner, keep) = (log.clone(), coroutine::yield_now);
            let home = runtime.spawn(move || {
                set(&FIRST, "first", &inner);
                keep();
                thread::current().id()
            });
            let home = home.join().unwrap();
            assert_eq!(*log.lock().unwrap(), [("first", home)]);
        }
    });
}

#[test]
fn it_is_dropped_however_its_coroutine_ends() {
    quiet::panics_on_purpose();
    with_runtimes(|runtime| {
        let ends: [fn(); 4] = [
            || (),
            || panic!("on purpose"),
            || {
                coroutine::current().cancel();
                coroutine::park();
            },
            coroutine::yield_now,
        ];
        for end in ends {
            let log = Log::default();
            let inner = log.clone();
            let handle = runtime.spawn(move || {
                set(&FIRST, "first", &inner);
                end();
            });
            drop(handle.join());
            assert_eq!(log.lock().unwrap().len(), 1);
            // And when nobody joins.
            let inner = log.clone();
            runtime.spawn(move || {
                set(&FIRST, "first", &inner);
                end();
            });
            eventually("it is dropped", || log.lock().unwrap().len() == 2);
        }
    });
}

#[test]
fn the_youngest_is_dropped_first() {
    with_runtimes(|runtime| {
        let log = Log::default();
        runtime.run(|| {
            set(&FIRST, "first", &log);
            set(&SECOND, "second", &log);
        });
        let names: Vec<_> = log.lock().unwrap().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["second", "first"]);
    });
}

#[test]
fn the_destructor_of_one_may_make_another() {
    struct Makes(Log);
    impl Drop for Makes {
        fn drop(&mut self) {
            set(&LATE, "late", &self.0);
        }
    }
    coroutine_local!(static MAKES: RefCell<Option<Makes>> = RefCell::new(None));
    with_runtimes(|runtime| {
        let log = Log::default();
        runtime.run(|| MAKES.with(|makes| *makes.borrow_mut() = Some(Makes(log.clone()))));
        assert_eq!(log.lock().unwrap().len(), 1, "what a destructor made was not dropped");
    });
}

#[test]
fn its_destructor_may_block() {
    struct Blocks(Arc<AtomicUsize>);
    impl Drop for Blocks {
        fn drop(&mut self) {
            coroutine::sleep(Duration::from_millis(1));
            coroutine::spawn(coroutine::yield_now).join().unwrap();
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    coroutine_local!(static BLOCKS: RefCell<Option<Blocks>> = RefCell::new(None));
    with_runtimes(|runtime| {
        let ends = Arc::new(AtomicUsize::new(0));
        let spawn = |_| {
            let ends = ends.clone();
            runtime.spawn(|| BLOCKS.with(|place| *place.borrow_mut() = Some(Blocks(ends))))
        };
        let handles: Vec<_> = (0..20).map(spawn).collect();
        handles.into_iter().for_each(|handle| handle.join().unwrap());
        assert_eq!(ends.load(Ordering::SeqCst), 20);
    });
}

#[test]
fn those_that_end_with_their_runtime_drop_theirs() {
    within(HUNG, || {
        let log = Log::default();
        let started = Arc::new(AtomicUsize::new(0));
        let runtime = runtime(2);
        for _ in 0..20 {
            let (log, started) = (log.clone(), started.clone());
            runtime.spawn(move || {
                set(&FIRST, "first", &log);
                started.fetch_add(1, Ordering::SeqCst);
                coroutine::park();
            });
        }
        eventually("all have started", || started.load(Ordering::SeqCst) == 20);
        drop(runtime);
        assert_eq!(log.lock().unwrap().len(), 20);
    });
}

#[test]
fn a_destructor_does_not_find_its_own_value_again() {
    coroutine_local! { static OWN: Own = Own; static OTHER: Cell<u32> = Cell::new(1); }
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Own;
    impl Drop for Own {
        fn drop(&mut self) {
            assert!(OWN.try_with(|_| ()).is_err());
            assert!(panic::catch_unwind(|| OWN.with(|_| ())).is_err());
            // It is made, and destroyed.
            assert_eq!(OTHER.with(Cell::get), 1);
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    within(HUNG, || {
        let runtime = runtime(1);
        runtime.run(|| OWN.with(|_| ()));
        thread::spawn(|| OWN.with(|_| ())).join().unwrap();
        eventually("both are dropped", || DROPPED.load(Ordering::SeqCst) == 2);
    });
}

#[test]
fn the_destructor_of_a_detached_result_uses_them() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Answer;
    impl Drop for Answer {
        fn drop(&mut self) {
            SHARED.with(|shared| assert_eq!(*shared.borrow(), [1]));
            DROPPED.fetch_add(1, Ordering::SeqCst);
        }
    }
    with_runtimes(|runtime| {
        let before = DROPPED.load(Ordering::SeqCst);
        drop(runtime.spawn(|| {
            coroutine::sleep(Duration::from_millis(5));
            SHARED.with(|shared| shared.borrow_mut().push(1));
            Answer
        }));
        eventually("it is dropped", || DROPPED.load(Ordering::SeqCst) == before + 1);
    });
}

#[test]
fn a_function_of_the_users_may_have_any_name() {
    fn init() -> u32 {
        7
    }
    coroutine_local! { static X: u32 = init(); }
    within(HUNG, || assert_eq!(coroutine::spawn(|| X.with(|x| *x)).join().unwrap(), 7));
}
