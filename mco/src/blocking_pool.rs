//! The blocking pool: threads for what would block a worker.
//!
//! There is one pool for the process, started by its first job. A coroutine submits a job and parks; a thread of the
//! pool runs the job and wakes the coroutine. No coroutine ever runs on a thread of the pool. To the job that is a
//! plain thread.
//!
//! ```text
//!            submit ──> queue ──oldest first──> a thread ──> outcome, wake
//!               │         │ │
//!               │         │ └── refuse: no thread can be had; who waits for it runs it
//!               │         └── withdraw: whoever waits was cancelled before it began
//!               └── wakes the thread that fell idle last, or starts one up to the limit
//! ```
//!
//! The thread that has slept for the shortest time is woken first. So with little to do the same few threads are used,
//! and the others reach their idle timeout and end.
//!
//! **Every queued job has a thread that will come to it.** `threads` counts the threads that run jobs and those that
//! are being started. As long as there are any, one of them will check the queue: a running thread does so before it
//! sleeps, and ends only while it sleeps, when the queue is empty or other threads are coming. If a thread cannot be
//! started, its submitter subtracts it, under the lock. If it was the last, the submitter takes all jobs out of the
//! queue and refuses them: its own, and those whose submitters relied on that thread. So no job is left behind,
//! however many submitters fail at once. If fewer threads could be started than jobs wait for, the next submitter
//! tries again, and so do, from time to time, those who wait.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::clock::Timestamp;
use crate::defaults;
use crate::forked;
use crate::task::{cancel, current, deadline, spend_budget};
use crate::wait::{ExternalWait, Parked, Wait, Waiter, Wake};
use crate::{report, runtime_thread, shrinking};

/// How long a thread waits for another job before it ends.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);
/// The pool counts as saturated when a job has waited for a thread for so long.
const SATURATED_AFTER: Duration = Duration::from_millis(500);

static POOL: Pool = Pool {
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

struct Pool {
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
trait Work: Send + Sync {
    /// To be called once. When it returns, nothing is left of what the job borrows.
    fn work(&self);

    /// Instead of `work`: no thread can be had. Who waits for it runs it.
    fn refuse(&self);
}

/// A closure that is to run on the pool, and what it came to.
pub(crate) struct Job<F, T> {
    /// Until somebody runs it.
    closure: Mutex<Option<F>>,
    outcome: Mutex<Outcome<T>>,
    /// The coroutine that has a handle to it, if one has; see [`Submitted::drop`].
    owner: AtomicU64,
}

/// The owner of a job that belongs to its submitter, and of one whose coroutine is just being made.
const NO_OWNER: u64 = 0;
const SOME_OWNER: u64 = u64::MAX;

struct Outcome<T> {
    result: Option<thread::Result<T>>,
    /// The pool has given it back.
    refused: bool,
    /// Nobody will wait for it: the pool runs it in any case.
    left: bool,
    /// Who waits for one of the two.
    waiter: Option<Waiter>,
}

/// What has become of a job.
enum JobStatus<T> {
    Pending,
    Refused,
    Done(thread::Result<T>),
}

impl<F, T> Job<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn new(closure: F) -> Job<F, T> {
        let outcome = Outcome { result: None, refused: false, left: false, waiter: None };
        Job {
            closure: Mutex::new(Some(closure)),
            outcome: Mutex::new(outcome),
            owner: AtomicU64::new(NO_OWNER),
        }
    }

    /// The result, if there is one. While it is pending, the caller is woken at its end.
    fn take(&self) -> JobStatus<T> {
        let mut outcome = self.outcome.lock();
        if let Some(result) = outcome.result.take() {
            return JobStatus::Done(result);
        }
        if mem::take(&mut outcome.refused) {
            return JobStatus::Refused;
        }
        if outcome.waiter.is_none() {
            outcome.waiter = Some(Waiter::current());
        }
        JobStatus::Pending
    }

    fn complete(&self, complete: impl FnOnce(&mut Outcome<T>)) {
        let mut outcome = self.outcome.lock();
        complete(&mut outcome);
        let waiter = outcome.waiter.take();
        drop(outcome);
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }
}

impl<F, T> Work for Job<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    fn work(&self) {
        let closure = self.closure.lock().take().expect("a job runs once");
        let result = catch_unwind(AssertUnwindSafe(closure));
        self.complete(|outcome| outcome.result = Some(result));
    }

    fn refuse(&self) {
        let mut is_left = false;
        self.complete(|outcome| {
            outcome.refused = true;
            is_left = outcome.left;
        });
        if is_left {
            self.work();
        }
    }
}

/// A job that was handed over, or could not be. Dropping it takes the job back, or waits for it.
pub(crate) struct Submitted<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    job: Arc<Job<F, T>>,
    location: JobLocation,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum JobLocation {
    /// Nobody but the submitter has it.
    Here,
    /// The pool may have it, and a thread was coming for it.
    Pool,
    /// As `Pool`, but all threads were busy, or it was not sure that one comes.
    Behind,
}

/// Hands `closure` over to the pool.
pub(crate) fn submit<F, T>(closure: F) -> Submitted<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let job = Arc::new(Job::new(closure));
    let location = POOL.submit(job.clone());
    Submitted { job, location }
}

/// Runs `closure` on the pool while the calling coroutine waits. Unwinds if that is cancelled before
/// the closure has begun. The second part tells of a cancel since.
pub(crate) fn run<F, T>(closure: F, wait: &Wait) -> (thread::Result<T>, Parked)
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    spend_budget();
    wait.before().unwind_if_cancelled();
    let job = Arc::new(Job::new(closure));
    let work: Arc<dyn Work + '_> = job.clone();
    // SAFETY: only the lifetime changes. What the closure and its result borrow is not touched after
    // this function: it returns when the result is there, which `work` leaves as the last thing it
    // does, and takes it; or it unwinds when it has got the job back from the pool. Nothing else in
    // between unwinds. What the pool may drop later is the emptied job.
    let work = unsafe { mem::transmute::<Arc<dyn Work + '_>, Arc<dyn Work + 'static>>(work) };
    let mut submitted = Submitted { job, location: POOL.submit(work) };
    submitted.wait(wait, false)
}

/// As [`run`], for what borrows nothing and concerns nobody else: a cancelled coroutine leaves it to
/// itself, even if it has begun. In a thread it runs there, unless that is to go on at some time.
pub(crate) fn run_detached<F, T>(closure: F, wait: &Wait) -> T
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    if current::running().is_none() && !deadline::is_set() {
        return closure();
    }
    spend_budget();
    wait.before().unwind_if_cancelled();
    let (result, _) = submit(closure).wait(wait, true);
    result.unwrap_or_else(|payload| cancel::resume_unwind(payload))
}

/// Runs user code, for which nobody waits, on the pool; or here, if no thread can be had.
pub(crate) fn run_user_code(f: impl FnOnce() + Send + 'static) {
    struct UserCode(Mutex<Option<Box<dyn FnOnce() + Send>>>);
    impl Work for UserCode {
        fn work(&self) {
            let f = self.0.lock().take().expect("a job runs once");
            runtime_thread::contain_panic(f);
        }

        fn refuse(&self) {
            self.work();
        }
    }
    POOL.submit(Arc::new(UserCode(Mutex::new(Some(Box::new(f))))));
}

impl<F, T> Submitted<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    /// Waits for the job's end. See [`run`]; with `leave`, [`run_detached`].
    pub(crate) fn wait(&mut self, wait: &Wait, leave: bool) -> (thread::Result<T>, Parked) {
        let mut next_check =
            (self.location == JobLocation::Behind).then(|| Timestamp::after(SATURATED_AFTER));
        let _external_wait = ExternalWait::new();
        loop {
            match self.job.take() {
                JobStatus::Done(result) => {
                    self.location = JobLocation::Here;
                    return (result, wait.before());
                }
                JobStatus::Refused => {
                    self.location = JobLocation::Here;
                    wait.before().unwind_if_cancelled();
                    self.job.work();
                    continue;
                }
                JobStatus::Pending => {}
            }
            let parked = wait.until(next_check).park_uncancellable();
            if parked.is_cancelled() {
                if self.withdraw() || leave {
                    parked.unwind_if_cancelled();
                }
                self.wait_ignoring_cancel(wait);
            } else if parked.wake == Wake::TimedOut {
                next_check = Some(POOL.check_saturation());
            }
        }
    }

    /// Of a job that has begun, or has been refused: waits for that end of it, whatever is due meanwhile.
    fn wait_ignoring_cancel(&self, wait: &Wait) {
        let is_complete = || {
            let outcome = self.job.outcome.lock();
            outcome.result.is_some() || outcome.refused
        };
        // The waiter is there, since a check has found the job pending before.
        while !is_complete() {
            wait.park_ignoring_cancel();
        }
    }

    /// It is for a coroutine whose id is told when it is known, by what this returns.
    pub(crate) fn for_coroutine(&self) -> impl FnOnce(u64) + use<F, T> {
        self.job.owner.store(SOME_OWNER, Ordering::Relaxed);
        let job = self.job.clone();
        // Before anybody else has a handle by which to cancel it; see the load.
        move |id| job.owner.store(id, Ordering::Relaxed)
    }

    /// Leaves it to the pool.
    fn leave(&self) {
        let mut outcome = self.job.outcome.lock();
        outcome.left = true;
        let is_refused = outcome.refused;
        drop(outcome);
        if is_refused {
            self.job.work();
        }
    }

    /// Takes the job back, if it has not begun.
    fn withdraw(&mut self) -> bool {
        if self.location != JobLocation::Here && POOL.withdraw(Arc::as_ptr(&self.job).cast()) {
            self.location = JobLocation::Here;
        }
        self.location == JobLocation::Here
    }
}

impl<F, T> Drop for Submitted<F, T>
where
    F: FnOnce() -> T + Send,
    T: Send,
{
    /// Of one that is not waited for: the coroutine that would have never started. Was it cancelled, so is the
    /// job. Has its runtime come to its end, or was there no stack, the job is the pool's, which goes on.
    fn drop(&mut self) {
        if self.location == JobLocation::Here {
            return;
        }
        // Whoever has cancelled it had its handle after the store, and so this sees it.
        let owner = self.job.owner.load(Ordering::Relaxed);
        let is_cancelled = || current::task().is_some_and(|t| t.id() == owner && t.is_cancelled());
        if owner == NO_OWNER || is_cancelled() {
            self.withdraw();
        } else {
            self.leave();
        }
    }
}

impl Pool {
    fn submit(&'static self, job: Arc<dyn Work>) -> JobLocation {
        forked::check("a job for the blocking pool");
        let mut state = self.state.lock();
        state.submitted += 1;
        state.queue.push_back(Queued { job: job.clone(), since: Timestamp::monotonic() });
        if state.queue.len() <= state.coming {
            return if state.starting == 0 { JobLocation::Pool } else { JobLocation::Behind };
        }
        if let Some(sleeper) = state.idle.pop() {
            state.coming += 1;
            sleeper.notify_one();
            return JobLocation::Pool;
        }
        if state.threads >= defaults::blocking_threads() {
            return JobLocation::Behind;
        }
        match self.start(state) {
            Ok(()) => JobLocation::Pool,
            Err(_) => JobLocation::Behind,
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

    fn withdraw(&self, job: *const ()) -> bool {
        self.state.lock().withdraw(job)
    }

    /// By one whose job may wait for a thread: tries to get one that could not be started before, and says
    /// so if it takes too long. Returns when to look again.
    fn check_saturation(&'static self) -> Timestamp {
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
