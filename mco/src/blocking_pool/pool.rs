//! The queue of the blocking pool, and its threads.
//!
//! **Every queued job has a thread that will come to it.** `threads` counts the threads that run jobs and those that
//! are being started. As long as there are any, one of them will check the queue: a running thread does so before it
//! sleeps, and ends only while it sleeps, when the queue is empty or other threads are coming. If a thread cannot be
//! started, its submitter subtracts it, under the lock. If it was the last, the submitter takes all jobs out of the
//! queue and refuses them: its own, and those whose submitters relied on that thread. So no job is left behind,
//! however many submitters fail at once. If fewer threads could be started than jobs wait for, the next submitter
//! tries again, and so do, from time to time, those who wait.

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clock::Timestamp;
use crate::{defaults, forked, report, runtime_thread, shrinking};

/// How long a thread waits for another job before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pool counts as saturated when a job has waited for a thread for so long.
pub(super) const SATURATED_AFTER: Duration = Duration::from_millis(500);

pub(super) static POOL: Pool = Pool {
    state: Mutex::new(State {
        queue: VecDeque::new(),
        threads: 0,
        idle: Vec::new(),
        coming: 0,
        starting: 0,
        started: 0,
        submitted: 0,
        reported: false,
        said_refused: false,
    }),
};

pub(super) struct Pool {
    state: Mutex<State>,
}

struct State {
    queue: VecDeque<Queued>,
    /// Those that exist, or are being started.
    threads: usize,
    /// Those that sleep, by what they sleep on; the last one has for the shortest time.
    idle: Vec<Arc<Condvar>>,
    /// Those that have been woken or started and have not looked at the queue since.
    coming: usize,
    /// Those of them that are being started, which may fail.
    starting: usize,
    /// How many were ever started; names them.
    started: u64,
    /// How many jobs there have been.
    submitted: u64,
    /// That it is saturated has been said, and it still is.
    reported: bool,
    /// That jobs are refused has been said, and no thread could be started since.
    said_refused: bool,
}

struct Queued {
    job: Arc<dyn Work>,
    since: Timestamp,
}

/// What a thread of the pool does.
pub(super) trait Work: Send + Sync {
    /// To be called once. When it returns, nothing is left of what the job borrows.
    fn work(&self);

    /// Instead of `work`: no thread can be had. Who waits for it runs it.
    fn refuse(&self);
}

/// Whether a thread comes for a job that was queued.
pub(super) enum Coming {
    Sure,
    /// All threads are busy, or the one that comes may not start.
    Unsure,
}

impl Pool {
    /// Queues a job, and sees to it that a thread comes.
    pub(super) fn submit(&'static self, job: Arc<dyn Work>) -> Coming {
        forked::check("a job for the blocking pool");
        let mut state = self.state.lock();
        state.submitted += 1;
        state.queue.push_back(Queued { job: job.clone(), since: Timestamp::monotonic() });
        if state.queue.len() <= state.coming {
            return if state.starting == 0 { Coming::Sure } else { Coming::Unsure };
        }
        if let Some(sleeper) = state.idle.pop() {
            state.coming += 1;
            sleeper.notify_one();
            return Coming::Sure;
        }
        if state.threads >= defaults::blocking_threads() {
            return Coming::Unsure;
        }
        match self.start(state) {
            Ok(()) => Coming::Sure,
            Err(_) => Coming::Unsure,
        }
    }

    /// Starts a thread for what is queued. If that fails and there is none, refuses all that is queued.
    fn start(&'static self, mut state: MutexGuard<'_, State>) -> io::Result<()> {
        state.coming += 1;
        state.starting += 1;
        state.threads += 1;
        state.started += 1;
        let name = format!("mco-blocking-{}", state.started);
        // Others may hand over jobs meanwhile.
        drop(state);
        let serve = || {
            self.serve();
        };
        let Err(error) = runtime_thread::on_raw_thread(|| runtime_thread::start(name, serve))
        else {
            return Ok(());
        };
        let mut state = self.state.lock();
        state.coming -= 1;
        state.starting -= 1;
        state.threads -= 1;
        if state.threads == 0 {
            let refused = mem::take(&mut state.queue);
            let is_news = !refused.is_empty() && !mem::replace(&mut state.said_refused, true);
            drop(state);
            if is_news {
                report::say(format_args!(
                    "the blocking pool could not start a thread: {error}; until it can, jobs run where \
                     they are waited for, and hold workers up; raise the limit of threads (`ulimit -u`)"
                ));
            }
            refused.iter().for_each(|queued| queued.job.refuse());
        }
        Err(error)
    }

    /// The life of a thread.
    fn serve(&self) {
        let sleeper = Arc::new(Condvar::new());
        let mut state = self.state.lock();
        state.starting -= 1;
        state.said_refused = false;
        loop {
            state.coming -= 1;
            while let Some(Queued { job, .. }) = shrinking::pop_front(&mut state.queue) {
                drop(state);
                job.work();
                // If nobody waits any more, the result is dropped here.
                runtime_thread::contain_panic(|| drop(job));
                state = self.state.lock();
            }
            state.reported = false;
            state.idle.push(sleeper.clone());
            let end = Timestamp::after(IDLE_TIMEOUT);
            let is_idle = |state: &State| state.idle.iter().any(|s| Arc::ptr_eq(s, &sleeper));
            while is_idle(&state) {
                if sleeper.wait_until(&mut state, end.to_std()).timed_out() && is_idle(&state) {
                    state.idle.retain(|s| !Arc::ptr_eq(s, &sleeper));
                    state.threads -= 1;
                    return;
                }
            }
        }
    }

    /// Takes a job out of the queue, if it is there.
    pub(super) fn withdraw(&self, job: *const ()) -> bool {
        self.state.lock().withdraw(job)
    }

    /// By one whose job may wait for a thread: tries to get one that could not be started before, and says
    /// so if it takes too long. Returns when to look again.
    pub(super) fn check_saturation(&'static self) -> Timestamp {
        let mut state = self.state.lock();
        let now = Timestamp::monotonic();
        let next = now + SATURATED_AFTER;
        let oldest = state.queue.front().map(|queued| now.since(queued.since));
        let Some(waited) = oldest.filter(|waited| *waited >= SATURATED_AFTER) else { return next };
        let mut error = None;
        if state.queue.len() > state.coming && state.threads < defaults::blocking_threads() {
            match self.start(state) {
                Ok(()) => return next,
                Err(reason) => error = Some(reason),
            }
            state = self.state.lock();
        }
        if state.threads == 0 || state.queue.is_empty() || mem::replace(&mut state.reported, true) {
            return next;
        }
        let (threads, jobs) = (state.threads, state.queue.len());
        drop(state);
        let busy = match threads {
            1 => "its only thread is busy".to_owned(),
            _ => format!("its {threads} threads are busy"),
        };
        let wait = match jobs {
            1 => format!("a job has waited for {waited:.0?}"),
            _ => format!("{jobs} jobs wait, the first one for {waited:.0?}"),
        };
        let advice = match error {
            None => "raise the limit with `mco::config().set_blocking_threads`".to_owned(),
            Some(error) => {
                format!("no further one can be started: {error}; raise the limit (`ulimit -u`)")
            }
        };
        report::say(format_args!(
            "the blocking pool is saturated: {busy}, and {wait}; {advice}, hand it fewer jobs at once, \
             or make them shorter; what waits for sockets, locks or the clock needs no thread"
        ));
        next
    }
}

impl State {
    /// Takes a job out of the queue, if it is there.
    fn withdraw(&mut self, job: *const ()) -> bool {
        let location = self.queue.iter().position(|q| Arc::as_ptr(&q.job).cast::<()>() == job);
        let withdrawn = location.and_then(|location| self.queue.remove(location)).is_some();
        shrinking::trim_queue(&mut self.queue);
        withdrawn
    }
}

/// What the pool has, for the metrics.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PoolCounters {
    pub(crate) threads: usize,
    pub(crate) idle: usize,
    pub(crate) queued: usize,
    /// How many jobs there have been.
    pub(crate) submitted: u64,
}

pub(crate) fn counters() -> PoolCounters {
    let state = POOL.state.lock();
    PoolCounters {
        threads: state.threads,
        idle: state.idle.len(),
        queued: state.queue.len(),
        submitted: state.submitted,
    }
}
