//! `Semaphore`: a permit goes to one who waits, or stays.

use std::time::Duration;

use loom::sync::Arc;
use loom::thread;

use super::explore;
use super::semaphore::Semaphore;
use super::wait::Task;

#[test]
fn each_permit_ends_a_wait() {
    explore(3, || {
        let permits = Arc::new(Semaphore::new(0));
        let wait = || {
            let permits = permits.clone();
            Task::new().run(move || permits.wait())
        };
        let (one, other) = (wait(), wait());
        permits.post();
        permits.post();
        assert!(one.join().unwrap().is_some() && other.join().unwrap().is_some());
        assert_eq!(permits.get_value(), 0);
    });
}

#[test]
fn permits_of_two_threads_are_both_counted() {
    explore(4, || {
        let permits = Arc::new(Semaphore::new(0));
        let posts = permits.clone();
        let poster = thread::spawn(move || posts.post());
        permits.post();
        permits.wait();
        permits.wait();
        poster.join().unwrap();
        assert!(!permits.try_wait());
    });
}

#[test]
fn a_permit_for_one_that_is_cancelled_reaches_the_next() {
    explore(3, || {
        let permits = Arc::new(Semaphore::new(0));
        let (waits, second) = (permits.clone(), permits.clone());
        let first = Task::new();
        let cancelled = first.run(move || waits.wait());
        let next = Task::new().run(move || second.wait());
        permits.post();
        first.cancel();
        // If the first has it nobody else does.
        if cancelled.join().unwrap().is_some() {
            permits.post();
        }
        assert!(next.join().unwrap().is_some());
        assert_eq!(permits.get_value(), 0);
    });
}

#[test]
fn a_permit_that_comes_at_the_deadline_is_taken_or_stays() {
    explore(4, || {
        let permits = Arc::new(Semaphore::new(0));
        let waits = permits.clone();
        let task = Task::new();
        let waiter = task.run(move || waits.wait_timeout(Duration::from_secs(1)));
        let timer = thread::spawn(move || task.expire());
        permits.post();
        timer.join().unwrap();
        let taken = waiter.join().unwrap().expect("nobody cancels it");
        assert_eq!(permits.get_value(), usize::from(!taken));
    });
}
