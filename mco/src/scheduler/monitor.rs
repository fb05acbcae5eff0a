//! Watching for coroutines that hold their worker up, and helping those behind them.
//!
//! A thread looks at each worker's turn counter every few milliseconds while any worker is awake,
//! and sleeps when all of them do. A worker that stays in one turn
//!
//! - for a look or two: the fresh coroutines that only it can reach are offered to all;
//! - longer: it counts as blocked, and gets no coroutines placed;
//! - longer still: its coroutine is named on standard error, once.
//!
//! It also has the pools of stacks trimmed: a worker that did so by itself would have to set a timer with each
//! of its sleeps.
//!
//! When all workers are blocked while fresh coroutines wait, a spare worker is started. It stays
//! for the next time, asleep, and hosts what it has started to its end.
//!
//! How long a turn has lasted is counted in looks as well as by the clock, and without the time for
//! which the worker's thread waited for a processor: a machine that was suspended, or has too much to
//! do, raises no alarm.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, Thread};
use std::time::Duration;

use super::Scheduler;
use super::delay::Account;
use super::errands::Errand;
use super::worker::Worker;
use crate::clock::Moment;
use crate::report;

/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// A worker is blocked if it has been in one turn for so many looks, and so long.
const BLOCKED_LOOKS: u32 = 8;
const BLOCKED_AFTER: Duration = Duration::from_millis(80);
/// Its coroutine is named if it has been for so long, in at least twice as many looks.
const BLAME_AFTER: Duration = Duration::from_millis(250);
/// So many names are remembered, so that nobody is named twice.
const REMEMBERED: usize = 4096;
/// How often a worker lets its pool of stacks shrink, as long as that gives any back.
const TRIM_INTERVAL: Duration = Duration::from_secs(10);
/// No more names than this in one minute.
const BLAMES_A_MINUTE: u32 = 20;

/// What the others see of the monitor.
pub(super) struct Monitor {
    /// It sleeps until a worker wakes up; whoever resets this wakes it.
    dormant: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Monitor {
    pub(super) fn new() -> Monitor {
        Monitor { dormant: AtomicBool::new(false), thread: OnceLock::new() }
    }

    /// By a worker that has stopped sleeping.
    pub(super) fn worker_woke(&self) {
        // Either this sees the flag, or the monitor, which sets the flag first, sees the worker
        // awake; or it misses this short moment of being awake, which does not matter.
        if self.dormant.load(Ordering::SeqCst) && self.dormant.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(super) fn wake(&self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

/// Starts the monitor's thread.
pub(super) fn start(scheduler: &Arc<Scheduler>) -> io::Result<()> {
    let watched = scheduler.clone();
    let name = format!("{}-monitor", scheduler.settings.name);
    let thread = scheduler.start_thread(name, move || Watch::new(watched).run())?;
    let _ = scheduler.monitor.thread.set(thread);
    Ok(())
}

/// The monitor's own half.
struct Watch {
    scheduler: Arc<Scheduler>,
    /// One for each worker.
    turns: Vec<Turn>,
    /// When pools of stacks are trimmed next.
    next_trim: Moment,
    /// Those that have been named, and are not named again.
    named: HashSet<u64>,
    /// Names given since `minute` began.
    blames: u32,
    minute: Moment,
    /// When it was last said that no spare worker could be started.
    no_spare: Option<Moment>,
}

/// The turn in which a worker was found last.
#[derive(Clone, Copy)]
struct Turn {
    number: u64,
    since: Moment,
    looks: u32,
    /// How the worker's thread had fared by the first look.
    first: Account,
    /// The same by the last one, and when that was.
    last: (Account, Moment),
    /// Up to when it is known what the thread has done.
    known: Moment,
    blamed: bool,
}

impl Turn {
    fn new(number: u64, since: Moment) -> Turn {
        let none = Account::default();
        Turn {
            number,
            since,
            looks: 0,
            first: none,
            last: (none, since),
            known: since,
            blamed: false,
        }
    }
}

impl Watch {
    fn new(scheduler: Arc<Scheduler>) -> Watch {
        let now = Moment::real();
        let turn = Turn::new(0, now);
        let turns = vec![turn; scheduler.workers.len()];
        Watch {
            scheduler,
            turns,
            next_trim: now + TRIM_INTERVAL,
            named: HashSet::new(),
            blames: 0,
            minute: now,
            no_spare: None,
        }
    }

    fn run(mut self) {
        let mut quiet_looks = 0;
        while !self.scheduler.is_shut_down() {
            quiet_looks = if self.all_asleep() { quiet_looks + 1 } else { 0 };
            if quiet_looks < 3 {
                thread::park_timeout(LOOK);
            } else {
                self.sleep();
                quiet_looks = 0;
            }
            self.look();
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
                Some(_) => thread::park_timeout(self.next_trim.since(Moment::real())),
                None => thread::park(),
            }
        }
        monitor.dormant.store(false, Ordering::SeqCst);
    }

    fn look(&mut self) {
        let scheduler = self.scheduler.clone();
        // Then nobody is to run what waits but the worker itself, in its own order.
        let seeded = scheduler.settings.seed.is_some();
        let now = Moment::real();
        for (index, worker) in scheduler.workers.iter().enumerate().filter(|w| w.1.is_running()) {
            if !worker.is_asleep() {
                worker.set_clock(now);
            }
            let turn = &mut self.turns[index];
            if worker.turn() != turn.number || worker.current().is_none() {
                *turn = Turn::new(worker.turn(), now);
                continue;
            }
            turn.looks += 1;
            if turn.looks == 1 {
                turn.first = worker.account();
                turn.last = (turn.first, now);
            }
            if turn.looks >= 2 && !seeded {
                // What it carries over is seen by nobody meanwhile.
                scheduler.quiet.rise();
                worker.rescue(|task| scheduler.offer(task));
                if scheduler.quiet.fall() {
                    worker.interrupt();
                }
            }
            if turn.looks < BLOCKED_LOOKS {
                continue;
            }
            let account = worker.account();
            if let Some(known) = account.known_until(now, turn.last) {
                turn.known = known;
            }
            turn.last = (account, now);
            // What it would have done with a processor of its own.
            let delay = account.delay.saturating_sub(turn.first.delay);
            let held = turn.known.since(turn.since).saturating_sub(delay);
            if held >= BLOCKED_AFTER && !seeded && worker.set_blocked() {
                scheduler.blocked.fetch_add(1, Ordering::Relaxed);
            }
            if held >= BLAME_AFTER && turn.looks >= 2 * BLOCKED_LOOKS && !turn.blamed {
                turn.blamed = true;
                self.blame(worker, held);
            }
        }
        self.trim_pools(now);
        self.help();
    }

    /// Now and then asks the workers that have nothing to do to let stacks go.
    fn trim_pools(&mut self, now: Moment) {
        if now >= self.next_trim {
            self.next_trim = now + TRIM_INTERVAL;
            for worker in self.untrimmed().filter(|worker| worker.is_asleep()) {
                self.scheduler.send(worker.index, [Errand::TrimStacks]);
            }
        }
    }

    /// Those that have stacks to give back.
    fn untrimmed(&self) -> impl Iterator<Item = &Worker> {
        let workers = self.scheduler.workers.iter().map(|worker| &**worker);
        workers.filter(|w| w.is_running() && !w.counts.trimmed.load(Ordering::Relaxed))
    }

    /// If nobody can run what waits, gets somebody who can.
    fn help(&mut self) {
        let workers = || self.scheduler.workers.iter().filter(|w| w.is_running());
        let waiting = || !self.scheduler.injector.is_empty() || workers().any(|w| w.has_fresh());
        if self.scheduler.blocked.load(Ordering::Relaxed) == 0 || !waiting() {
            return;
        }
        if let Some(free) = workers().find(|w| !w.is_blocked()) {
            free.interrupt();
        } else if let Some(place) = self.scheduler.workers.iter().position(|w| w.is_vacant())
            && let Err(error) = self.scheduler.start_worker(place)
        {
            self.say_no_spare(&error);
        }
    }

    /// Once a minute: it is tried again with each look.
    fn say_no_spare(&mut self, error: &io::Error) {
        let now = Moment::real();
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

    fn blame(&mut self, worker: &Worker, held: Duration) {
        let Some((id, site)) = worker.current() else { return };
        if self.named.len() >= REMEMBERED {
            self.named.clear();
        }
        if !self.named.insert(id) {
            return;
        }
        let now = Moment::real();
        if now.since(self.minute) >= Duration::from_secs(60) {
            (self.minute, self.blames) = (now, 0);
        }
        self.blames += 1;
        if self.blames > BLAMES_A_MINUTE {
            if self.blames == BLAMES_A_MINUTE + 1 {
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
        let others = match worker.hosted().saturating_sub(1) {
            0 => "what is spawned there has to wait for another one".to_owned(),
            1 => "the other coroutine of that worker cannot run".to_owned(),
            many => format!("the {many} other coroutines of that worker cannot run"),
        };
        report::say(format_args!(
            "{who} has held a worker up for {held:.0?}: it blocks its thread, or computes without a \
             pause, and {others}; use mco's own sleep, locks and sockets instead of std's, or call \
             `yield_now` now and then"
        ));
    }
}
