//! What it costs to look at 100,000 coroutines: `mco::debug::dump`.

use crate::row::{Figure, Goal, Row, Work};
use crate::runtimes::{Runtime, Setup, on_mco};
use crate::system::thread_time;
use mco::coroutine::{park, sleep, spawn, yield_now};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "dump_time",
        what: "a dump of 100,000 coroutines, which park, receive or sleep, and its text",
        figures: &[Figure::only("ms", &[Goal::AtMost(1000.0)])],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, |setup| dump(setup).took)]),
    },
    Row {
        name: "dump_pause",
        what: "the longest that such a dump keeps a worker from its coroutines",
        figures: &[Figure::only("CPU ms", &[Goal::AtMost(10.0)])],
        extra: false,
        work: Work::Alone(&[(Runtime::Mco, |setup| dump(setup).pause)]),
    },
];

const COROUTINES: usize = 100_000;

/// Milliseconds.
struct Cost {
    took: f64,
    pause: f64,
}

/// Coroutines that do nothing but yield see how long their worker was elsewhere: by the processor time of
/// its thread, so that what other processes take does not count.
fn dump(setup: &Setup) -> Cost {
    static WAITING: AtomicUsize = AtomicUsize::new(0);
    static DONE: AtomicBool = AtomicBool::new(false);
    static LONGEST: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static LAST: Cell<Option<Duration>> = const { Cell::new(None) };
    }

    fn watch() {
        while !DONE.load(Ordering::Relaxed) {
            let now = thread_time();
            if let Some(last) = LAST.replace(Some(now)) {
                LONGEST.fetch_max((now - last).as_nanos() as u64, Ordering::Relaxed);
            }
            yield_now();
        }
    }

    let setup = setup.with_stacks_of(64 << 10);
    let workers = setup.workers;
    on_mco(&setup, move || {
        for n in 0..COROUTINES {
            spawn(move || {
                WAITING.fetch_add(1, Ordering::Relaxed);
                match n % 3 {
                    0 => park(),
                    1 => {
                        let (_sender, receiver) = mco::std::sync::channel::unbounded::<u8>();
                        let _ = receiver.recv();
                    }
                    _ => sleep(Duration::from_secs(3600)),
                }
            });
        }
        while WAITING.load(Ordering::Relaxed) < COROUTINES {
            sleep(Duration::from_millis(10));
        }
        // Some for each worker.
        let watchers: Vec<_> = (0..4 * workers).map(|_| spawn(watch)).collect();
        sleep(Duration::from_millis(100));
        LONGEST.store(0, Ordering::Relaxed);
        let dumper = thread::spawn(|| {
            let start = Instant::now();
            let dump = mco::debug::dump();
            let text = dump.to_string();
            let took = start.elapsed();
            DONE.store(true, Ordering::Relaxed);
            assert!(dump.coroutines().count() > COROUTINES, "the dump misses some");
            assert!(text.contains("park"), "the dump does not say what they wait for");
            took
        });
        watchers.into_iter().for_each(|watcher| watcher.join().expect("a watcher panicked"));
        let took = dumper.join().expect("the dump panicked");
        let pause = Duration::from_nanos(LONGEST.load(Ordering::Relaxed));
        Cost { took: took.as_secs_f64() * 1e3, pause: pause.as_secs_f64() * 1e3 }
    })
}
