//! The monitor's thread.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use super::super::requests::Request;
use super::super::run_delay::ThreadTimes;
use super::super::shared::Scheduler;
use super::super::worker::RemoteWorker;
use super::reporter::Reporter;
use crate::clock::Timestamp;
use crate::report;

/// Between two samples.
const INTERVAL: Duration = Duration::from_millis(10);
/// A worker is blocked if it has been in one turn for so many samples, and for so long.
const BLOCKED_SAMPLES: u32 = 8;
const BLOCKED_AFTER: Duration = Duration::from_millis(80);
/// Its coroutine is reported after so long, and at least twice as many samples.
const REPORT_AFTER: Duration = Duration::from_millis(250);
/// A coroutine is not reported again for so long; so many are remembered.
const SILENCE: Duration = Duration::from_secs(60);
const MAX_REMEMBERED: usize = 4096;
/// How often a worker is asked to shrink its pool of stacks, as long as that frees any. The stacks of a burst are freed
/// at the second time.
const TRIM_INTERVAL: Duration = Duration::from_secs(3);
/// No more reports than this in one minute.
const REPORTS_PER_MINUTE: u32 = 20;

/// Starts a worker that has no thread yet, by its index.
type StartWorker = fn(&Arc<Scheduler>, usize) -> io::Result<()>;

/// Starts the monitor's thread. It starts spare workers by `start_worker`.
pub(in super::super) fn start(
    scheduler: &Arc<Scheduler>,
    start_worker: StartWorker,
) -> io::Result<()> {
    let watched = scheduler.clone();
    let name = format!("{}-monitor", scheduler.settings.name);
    let thread =
        scheduler.start_thread(name, move || MonitorThread::new(watched, start_worker).run())?;
    let _ = scheduler.monitor.thread.set(thread);
    Ok(())
}

/// The half of the monitor that its thread uses.
struct MonitorThread {
    scheduler: Arc<Scheduler>,
    start_worker: StartWorker,
    /// One for each worker.
    turns: Vec<Turn>,
    /// When pools of stacks are trimmed next.
    next_trim: Timestamp,
    /// The coroutines that have been reported, and when.
    reported_ids: HashMap<u64, Timestamp>,
    /// How many reports there have been since `minute` began.
    reports: u32,
    minute: Timestamp,
    reporter: Reporter,
    /// When it was last reported that no spare worker could be started.
    no_spare: Option<Timestamp>,
}

/// The turn in which a worker was at the last sample.
#[derive(Clone, Copy)]
struct Turn {
    number: u64,
    since: Timestamp,
    samples: u32,
    /// The times of the worker's thread at the first sample.
    first: ThreadTimes,
    /// The same at the last sample, and when that was.
    last: (ThreadTimes, Timestamp),
    /// Up to when the thread's times are known.
    known: Timestamp,
    is_reported: bool,
}

impl Turn {
    fn new(number: u64, since: Timestamp) -> Turn {
        let none = ThreadTimes::default();
        Turn {
            number,
            since,
            samples: 0,
            first: none,
            last: (none, since),
            known: since,
            is_reported: false,
        }
    }
}

impl MonitorThread {
    fn new(scheduler: Arc<Scheduler>, start_worker: StartWorker) -> MonitorThread {
        let now = Timestamp::monotonic();
        let turn = Turn::new(0, now);
        let turns = vec![turn; scheduler.workers.len()];
        MonitorThread {
            scheduler,
            start_worker,
            turns,
            next_trim: now + TRIM_INTERVAL,
            reported_ids: HashMap::new(),
            reports: 0,
            minute: now,
            reporter: Reporter::new(),
            no_spare: None,
        }
    }

    fn run(mut self) {
        let mut idle_samples = 0;
        while !self.scheduler.is_shut_down() {
            idle_samples = if self.all_asleep() { idle_samples + 1 } else { 0 };
            if idle_samples < 3 {
                thread::park_timeout(INTERVAL);
            } else {
                self.sleep();
                idle_samples = 0;
            }
            self.sample();
        }
    }

    fn all_asleep(&self) -> bool {
        self.scheduler.workers.iter().all(|w| !w.is_running() || w.is_asleep())
    }

    /// Sleeps until a worker wakes up, or there are pools to trim.
    fn sleep(&self) {
        let monitor = &self.scheduler.monitor;
        monitor.dormant.store(true, Ordering::SeqCst);
        if self.all_asleep() && !self.scheduler.is_shut_down() {
            match self.untrimmed().next() {
                Some(_) => thread::park_timeout(self.next_trim.since(Timestamp::monotonic())),
                None => thread::park(),
            }
        }
        monitor.dormant.store(false, Ordering::SeqCst);
    }

    fn sample(&mut self) {
        let scheduler = self.scheduler.clone();
        // Then nobody is to run what waits but the worker itself, in its own order.
        let seeded = scheduler.settings.seed.is_some();
        let now = Timestamp::monotonic();
        for (index, worker) in scheduler.workers.iter().enumerate().filter(|w| w.1.is_running()) {
            if !worker.is_asleep() {
                worker.set_clock(now);
            }
            let turn = &mut self.turns[index];
            if worker.turn() != turn.number || worker.current().is_none() {
                *turn = Turn::new(worker.turn(), now);
                continue;
            }
            turn.samples += 1;
            if turn.samples == 1 {
                turn.first = worker.thread_times();
                turn.last = (turn.first, now);
            }
            if turn.samples >= 2 && !seeded {
                // What it moves is in no queue meanwhile.
                scheduler.quiescence.activate();
                worker.reclaim_unstarted(|task| scheduler.offer(task));
                if scheduler.quiescence.deactivate() {
                    worker.interrupt();
                }
            }
            if turn.samples < BLOCKED_SAMPLES {
                continue;
            }
            let thread_times = worker.thread_times();
            if let Some(known) = thread_times.known_until(now, turn.last) {
                turn.known = known;
            }
            turn.last = (thread_times, now);
            // The length that the turn would have had on a processor of its own.
            let delay = thread_times.delay.saturating_sub(turn.first.delay);
            let blocked_for = turn.known.since(turn.since).saturating_sub(delay);
            if blocked_for >= BLOCKED_AFTER && !seeded && worker.set_blocked() {
                scheduler.blocked.fetch_add(1, Ordering::Relaxed);
                scheduler.held_up.fetch_add(1, Ordering::Relaxed);
            }
            if blocked_for >= REPORT_AFTER
                && turn.samples >= 2 * BLOCKED_SAMPLES
                && !turn.is_reported
            {
                turn.is_reported = true;
                self.report_blocked(worker, blocked_for);
            }
        }
        self.trim_pools(now);
        self.start_spare();
    }

    /// Now and then asks the workers that have nothing to do to let stacks go.
    fn trim_pools(&mut self, now: Timestamp) {
        if now >= self.next_trim {
            self.next_trim = now + TRIM_INTERVAL;
            for worker in self.untrimmed().filter(|worker| worker.is_asleep()) {
                self.scheduler.send(worker.index, [Request::TrimStacks]);
            }
        }
    }

    /// Those that have stacks to give back.
    fn untrimmed(&self) -> impl Iterator<Item = &RemoteWorker> {
        let workers = self.scheduler.workers.iter().map(|worker| &**worker);
        workers.filter(|w| w.is_running() && !w.counts.trimmed.load(Ordering::Relaxed))
    }

    /// If no worker can run what waits, wakes one that can, or starts a spare one.
    fn start_spare(&mut self) {
        let workers = || self.scheduler.workers.iter().filter(|w| w.is_running());
        let waiting =
            || !self.scheduler.global_queue.is_empty() || workers().any(|w| w.has_unstarted());
        if self.scheduler.blocked.load(Ordering::Relaxed) == 0 || !waiting() {
            return;
        }
        if let Some(free) = workers().find(|w| !w.is_blocked()) {
            free.interrupt();
        } else if let Some(place) =
            self.scheduler.workers.iter().position(|w| w.has_never_started())
            && let Err(error) = (self.start_worker)(&self.scheduler, place)
        {
            self.report_no_spare(&error);
        }
    }

    /// Once a minute, although it is tried again with each sample.
    fn report_no_spare(&mut self, error: &io::Error) {
        let now = Timestamp::monotonic();
        if self.no_spare.is_none_or(|said| now.since(said) >= Duration::from_secs(60)) {
            self.no_spare = Some(now);
            let workers = match self.scheduler.settings.workers {
                1 => "the only worker is".to_owned(),
                many => format!("all {many} workers are"),
            };
            report::say(format_args!(
                "{workers} held up and no spare one could be started: {error}; that is tried again; \
                 raise the limit of threads (`ulimit -u`) or descriptors (`ulimit -n`)"
            ));
        }
    }

    fn report_blocked(&mut self, worker: &Arc<RemoteWorker>, blocked_for: Duration) {
        let Some((id, site)) = worker.current() else { return };
        if self.reported_ids.len() >= MAX_REMEMBERED {
            self.reported_ids.clear();
        }
        let now = Timestamp::monotonic();
        if self.reported_ids.get(&id).is_some_and(|said| now.since(*said) < SILENCE) {
            return;
        }
        self.reported_ids.insert(id, now);
        if now.since(self.minute) >= Duration::from_secs(60) {
            (self.minute, self.reports) = (now, 0);
        }
        self.reports += 1;
        if self.reports > REPORTS_PER_MINUTE {
            if self.reports == REPORTS_PER_MINUTE + 1 {
                report::say(format_args!(
                    "further coroutines hold workers up; not named for a minute"
                ));
            }
            return;
        }
        let who = worker
            .registry
            .find(id)
            .map_or_else(|| format!("coroutine {id} (spawned at {site})"), |task| task.to_string());
        let ready = worker.ready_besides(id);
        let hosted = worker.hosted().saturating_sub(1);
        let others = match (ready, hosted) {
            (_, 0) => "what is spawned there has to wait for another one".to_owned(),
            (0, 1) => "the other coroutine of that worker cannot run once it is woken".to_owned(),
            (0, many) => {
                format!("the {many} other coroutines of that worker cannot run once they are woken")
            }
            (ready, hosted) => format!(
                "of the {hosted} other coroutine{} of that worker {ready} could go on and wait{} behind it",
                if hosted == 1 { "" } else { "s" },
                if ready == 1 { "s" } else { "" },
            ),
        };
        report::say(format_args!(
            "{who} has held a worker up for {blocked_for:.0?}: it blocks its thread, or computes without a \
             pause, and {others}; use mco's own sleep, locks and sockets instead of std's, `mco::blocking` for \
             what has no counterpart, or call `yield_now` now and then"
        ));
        self.reporter.ask(worker, id, who);
    }
}
