//! A job for the blocking pool, and who waits for it.

#![allow(unsafe_code)]

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use parking_lot::Mutex;

use super::pool::{Coming, POOL, SATURATED_AFTER, Work};
use crate::clock::Timestamp;
use crate::runtime_thread;
use crate::task::{cancel, current, deadline, spend_budget};
use crate::wait::{ExternalWait, Parked, Wait, Waiter, Wake};

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

fn hand_over(job: Arc<dyn Work>) -> JobLocation {
    match POOL.submit(job) {
        Coming::Sure => JobLocation::Pool,
        Coming::Unsure => JobLocation::Behind,
    }
}

/// Hands `closure` over to the pool.
pub(crate) fn submit<F, T>(closure: F) -> Submitted<F, T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    let job = Arc::new(Job::new(closure));
    let location = hand_over(job.clone());
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
    let mut submitted = Submitted { job, location: hand_over(work) };
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
