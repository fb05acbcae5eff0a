//! How a worker sleeps and is woken for coroutines of its own: `Sleep` and an inbox.

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::explore;
use super::idle::Sleep;
use super::inbox::{Inbox, Poll};

struct Worker {
    inbox: Inbox,
    sleep: Sleep,
    poll: Poll,
    /// How often somebody had to interrupt, and how often it has slept.
    interrupts: AtomicUsize,
    sleeps: AtomicUsize,
    /// What each producer leaves for the worker to read.
    messages: Vec<UnsafeCell<u32>>,
}

impl Worker {
    fn new(producers: usize) -> Worker {
        Worker {
            inbox: Inbox::new(),
            sleep: Sleep::new(),
            poll: Poll::new(),
            interrupts: AtomicUsize::new(0),
            sleeps: AtomicUsize::new(0),
            messages: (0..producers).map(|_| UnsafeCell::new(0)).collect(),
        }
    }

    /// As `Home::schedule` on another thread.
    fn schedule(&self, item: u32) {
        self.messages[item as usize].with_mut(|message| write(message, item + 1));
        self.inbox.push(item);
        if self.sleep.interrupt() {
            self.interrupts.fetch_add(1, Ordering::Relaxed);
            self.poll.wake();
        }
    }

    /// As `LocalWorker::work`, until all items have come.
    fn work(&self) {
        let all = (1 << self.messages.len()) - 1;
        let mut received = 0;
        loop {
            let items = self.inbox.drain();
            for item in (0..self.messages.len()).filter(|item| items & 1 << item != 0) {
                let message = self.messages[item].with(read);
                assert_eq!(
                    message as usize,
                    item + 1,
                    "it sees an item without what belongs to it"
                );
            }
            assert_eq!(received & items, 0, "an item came twice");
            received |= items;
            if received == all {
                return;
            }
            self.sleep.begin();
            self.sleeps.fetch_add(1, Ordering::Relaxed);
            if self.inbox.is_empty() {
                self.poll.poll();
            }
            self.sleep.end();
        }
    }
}

#[allow(unsafe_code)]
fn write(message: *mut u32, value: u32) {
    // SAFETY: loom checks that nobody else uses the cell meanwhile.
    unsafe { *message = value }
}

#[allow(unsafe_code)]
fn read(message: *const u32) -> u32 {
    // SAFETY: as above.
    unsafe { *message }
}

/// If a wake-up is lost, the worker polls for ever, which loom reports as a deadlock.
fn model(producers: usize) {
    let worker = Arc::new(Worker::new(producers));
    let schedule = |item| {
        let worker = worker.clone();
        thread::spawn(move || worker.schedule(item as u32))
    };
    let threads: Vec<_> = (0..producers).map(schedule).collect();
    worker.work();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let sleeps = worker.sleeps.load(Ordering::Relaxed);
    let interrupts = worker.interrupts.load(Ordering::Relaxed);
    assert!(interrupts <= sleeps, "{interrupts} system calls to end {sleeps} sleeps");
}

#[test]
fn one_producer_wakes_the_worker() {
    explore(4, || model(1));
}

#[test]
fn two_producers_wake_the_worker_with_one_call_a_sleep() {
    explore(3, || model(2));
}

#[test]
fn a_push_after_the_end_of_a_sleep_is_seen_by_the_next_check() {
    // The worker looks once more between two sleeps; what comes in between interrupts the second.
    explore(3, || {
        let worker = Arc::new(Worker::new(2));
        let producer = {
            let worker = worker.clone();
            thread::spawn(move || {
                worker.schedule(0);
                worker.schedule(1);
            })
        };
        worker.work();
        producer.join().unwrap();
    });
}
