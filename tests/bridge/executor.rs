//! Where hyper's futures run.

use std::sync::mpsc;

use hyper::rt::Executor as _;
use mco::coroutine;
use mco::runtime::{Executor, Handle};
use mco_tests::{HUNG, quiet, runtime, with_runtimes, within};

#[test]
fn each_future_runs_in_a_coroutine_of_its_own_and_may_block() {
    with_runtimes(|runtime| {
        let (sender, receiver) = mco::std::sync::channel::bounded(0);
        runtime.run(|| {
            for n in 0..100 {
                let sender = sender.clone();
                Executor::new().execute(async move {
                    assert!(coroutine::is_coroutine());
                    sender.send((n, coroutine::current().id())).unwrap();
                });
            }
        });
        drop(sender);
        let (mut numbers, mut ids): (Vec<_>, Vec<_>) = receiver.into_iter().unzip();
        numbers.sort_unstable();
        assert_eq!(numbers, (0..100).collect::<Vec<_>>());
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 100);
    });
}

#[test]
fn they_run_where_they_are_asked_for() {
    fn threads_of(executor: &Executor) -> String {
        let (tells, told) = mpsc::channel();
        executor.execute(async move {
            tells.send(std::thread::current().name().unwrap_or("").to_owned()).unwrap();
        });
        told.recv().unwrap()
    }
    within(HUNG, || {
        let (one, other) = (runtime(1), runtime(2));
        let on_other = Executor::on(other.handle());
        assert!(threads_of(&on_other).starts_with("test2-"));
        let elsewhere = on_other.clone();
        assert!(one.spawn(move || threads_of(&elsewhere)).join().unwrap().starts_with("test2-"));
        // Of the caller's, which must not block its only worker meanwhile.
        let (tells, told) = mpsc::channel();
        one.run(move || {
            Executor::default().execute(async move {
                tells.send(std::thread::current().name().unwrap_or("").to_owned()).unwrap();
            });
        });
        assert!(told.recv().unwrap().starts_with("test1-"));
        // Of a thread's.
        assert!(threads_of(&Executor::new()).starts_with("mco-"));
        assert!(format!("{on_other:?} {:?}", Executor::on(Handle::current())).contains("test2"));
    });
}

#[test]
fn a_panic_of_one_is_its_own() {
    within(HUNG, || {
        quiet::panics_on_purpose();
        let runtime = runtime(1);
        let executor = Executor::on(runtime.handle());
        executor.execute(async { panic!("on purpose") });
        let (tells, told) = mpsc::channel();
        executor.execute(async move { tells.send(7).unwrap() });
        assert_eq!(told.recv(), Ok(7));
    });
}
