//! Who looks for unstarted coroutines, and who is woken for them: `Idle`, with each worker's `Sleep`.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::explore;
use super::idle::{Idle, Sleep};
use super::inbox::{Poll, Queue};

struct Scheduler {
    idle: Idle,
    queue: Queue,
    workers: Vec<Worker>,
    shutdown: AtomicBool,
    /// How many coroutines have not run yet.
    left: AtomicUsize,
    /// They hold their workers up until all have met.
    meeting: Option<Meeting>,
}

/// Where so many coroutines wait for each other.
struct Meeting {
    missing: Mutex<usize>,
    complete: Condvar,
}

impl Meeting {
    fn attend(&self) {
        let mut missing = self.missing.lock().unwrap();
        *missing -= 1;
        if *missing == 0 {
            self.complete.notify_all();
        }
        while *missing > 0 {
            missing = self.complete.wait(missing).unwrap();
        }
    }
}

struct Worker {
    sleep: Sleep,
    poll: Poll,
}

impl Scheduler {
    fn new(workers: usize, coroutines: usize) -> Scheduler {
        let worker = |_| Worker { sleep: Sleep::new(), poll: Poll::new() };
        Scheduler {
            idle: Idle::new(workers, workers),
            queue: Queue::new(),
            workers: (0..workers).map(worker).collect(),
            shutdown: AtomicBool::new(false),
            left: AtomicUsize::new(coroutines),
            meeting: None,
        }
    }

    /// As `Scheduler::inject`.
    fn spawn(&self) {
        self.queue.push();
        self.wake_one();
    }

    fn wake_one(&self) {
        if let Some(index) = self.idle.pick()
            && self.workers[index].sleep.interrupt()
        {
            self.workers[index].poll.wake();
        }
    }

    /// Runs what a search has found. The last one ends the workers.
    fn run(&self) {
        if let Some(meeting) = &self.meeting {
            meeting.attend();
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shutdown.store(true, Ordering::SeqCst);
            self.workers.iter().for_each(|worker| worker.poll.wake());
        }
    }

    fn search(&self) -> bool {
        let found = self.queue.take();
        if self.idle.end_search() && found {
            self.wake_one();
        }
        if found {
            self.run();
        }
        found
    }

    /// As `LocalWorker::work` of a worker that has nothing but what it finds.
    fn work(&self, index: usize) {
        let worker = &self.workers[index];
        while !self.shutdown.load(Ordering::SeqCst) {
            if self.idle.try_search() && self.search() {
                continue;
            }
            self.idle.announce(index);
            worker.sleep.begin();
            let stays = self.idle.is_announced(index)
                && self.queue.is_empty()
                && !self.shutdown.load(Ordering::SeqCst);
            if stays {
                worker.poll.poll();
            } else {
                // It comes round again until whoever is in the middle of a claim has gone on.
                thread::yield_now();
            }
            worker.sleep.end();
            if self.idle.retract(index) {
                self.search();
            }
        }
    }
}

/// The producers are the calling thread and others. If a wake-up is lost, all wait for ever, which
/// loom reports as a deadlock.
fn model(workers: usize, coroutines_of: &[usize]) {
    run(Scheduler::new(workers, coroutines_of.iter().sum()), coroutines_of);
}

fn run(scheduler: Scheduler, coroutines_of: &[usize]) {
    let (workers, scheduler) = (scheduler.workers.len(), Arc::new(scheduler));
    let work = |index| {
        let scheduler = scheduler.clone();
        thread::spawn(move || scheduler.work(index))
    };
    let mut threads: Vec<_> = (0..workers).map(work).collect();
    let (here, others) = coroutines_of.split_first().expect("at least one producer");
    threads.extend(others.iter().map(|count| {
        let (scheduler, count) = (scheduler.clone(), *count);
        thread::spawn(move || (0..count).for_each(|_| scheduler.spawn()))
    }));
    (0..*here).for_each(|_| scheduler.spawn());
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn one_worker_finds_what_one_producer_spawns() {
    explore(3, || model(1, &[2]));
}

#[test]
fn one_worker_finds_what_two_producers_spawn() {
    explore(2, || model(1, &[1, 1]));
}

#[test]
fn two_workers_find_what_one_producer_spawns() {
    explore(2, || model(2, &[2]));
}

#[test]
fn two_workers_find_what_two_producers_spawn() {
    explore(1, || model(2, &[1, 1]));
}

#[test]
fn a_searcher_that_has_found_one_of_two_passes_the_search_on() {
    // Whoever spawned the second one may have relied on the search that found the first.
    explore(2, || {
        let mut scheduler = Scheduler::new(2, 2);
        scheduler.meeting = Some(Meeting { missing: Mutex::new(2), complete: Condvar::new() });
        run(scheduler, &[2]);
    });
}
