//! Tasks of which a number run at once: what mco had before coroutines were cheap.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use crate::coroutine;
use crate::report;
use crate::std::defer;
use crate::std::errors::Error;
use crate::std::sync::{Receiver, Semaphore, Sender, WaitGroup, bounded, unbounded};

/// What a [`Pool`] runs.
///
/// # Examples
///
/// ```
/// let task = mco::std::pool::Task::new(|| Err("no".into()));
/// assert_eq!(task.execute().unwrap_err().to_string(), "no");
/// ```
pub struct Task {
    f: Box<dyn Fn() -> Result<(), Error> + Send>,
}

impl Task {
    /// A task that calls `f`.
    pub fn new<F>(f: F) -> Task
    where
        F: Fn() -> Result<(), Error> + Send + 'static,
    {
        Task { f: Box::new(f) }
    }

    /// Calls its function.
    ///
    /// # Errors
    ///
    /// That of the function.
    pub fn execute(&self) -> Result<(), Error> {
        (self.f)()
    }
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").finish_non_exhaustive()
    }
}

/// Runs tasks, a number of them at once, each in a coroutine.
///
/// # Examples
///
/// ```
/// use mco::std::pool::{Pool, Task};
/// use mco::std::sync::channel::unbounded;
/// use std::sync::Arc;
///
/// let pool = Arc::new(Pool::new(2));
/// let runs = pool.clone();
/// let runs = mco::spawn(move || runs.run());
/// let (sender, receiver) = unbounded();
/// for n in 0..10 {
///     let sender = sender.clone();
///     pool.put(Task::new(move || Ok(sender.send(n)?)));
/// }
/// pool.close_finish();
/// runs.join().unwrap();
/// assert_eq!(receiver.try_iter().sum::<u32>(), 45);
/// ```
pub struct Pool {
    workers: usize,
    /// `None` once it is closed.
    tasks: Mutex<Option<Sender<Task>>>,
    queue: Receiver<Task>,
    ended: AtomicBool,
}

impl Pool {
    /// A pool that runs `worker_num` tasks at once, for which any number of others may wait.
    ///
    /// # Panics
    ///
    /// If `worker_num` is not positive.
    #[must_use]
    #[track_caller]
    pub fn new(worker_num: i32) -> Pool {
        Pool::with(worker_num, unbounded())
    }

    /// A pool that runs `worker_num` tasks at once, for which `waiter_num` others may wait.
    ///
    /// # Panics
    ///
    /// If `worker_num` is not positive, or `waiter_num` is negative.
    #[must_use]
    #[track_caller]
    pub fn new_bounded(worker_num: i32, waiter_num: i32) -> Pool {
        let waiters = usize::try_from(waiter_num).expect("no fewer than 0 tasks can wait");
        Pool::with(worker_num, bounded(waiters))
    }

    #[track_caller]
    fn with(worker_num: i32, (tasks, queue): (Sender<Task>, Receiver<Task>)) -> Pool {
        assert!(worker_num > 0, "a pool that runs {worker_num} tasks at once would run none");
        let workers = worker_num.unsigned_abs() as usize;
        Pool { workers, tasks: Mutex::new(Some(tasks)), queue, ended: AtomicBool::new(false) }
    }

    /// Adds a task, and waits while too many others wait. Of a pool that is closed the task is dropped.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled while it waits; the task is dropped.
    #[track_caller]
    pub fn put(&self, task: Task) {
        // Not under the lock.
        let tasks = self.tasks.lock().clone();
        if let Some(tasks) = tasks {
            // The receiver is here.
            let _ = tasks.send(task);
        }
    }

    /// Drops the tasks that wait, and has [`run`](Pool::run) end when those that run have.
    pub fn close(&self) {
        self.close_finish();
        self.queue.try_iter().for_each(drop);
    }

    /// Has [`run`](Pool::run) end when all tasks have that are in the pool.
    pub fn close_finish(&self) {
        let tasks = self.tasks.lock().take();
        drop(tasks);
    }

    /// Whether [`run`](Pool::run) has come to its end.
    #[must_use]
    pub fn is_close(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Runs the tasks until the pool is closed. The error of a task is said on standard error.
    /// [May wait](crate#what-waits).
    ///
    /// # Panics
    ///
    /// Unwinds if the calling coroutine is cancelled; the tasks that run go on.
    #[track_caller]
    pub fn run(&self) {
        let free = Arc::new(Semaphore::new(self.workers));
        let running = WaitGroup::new();
        loop {
            // First, so that a task which cannot run yet is one that waits.
            free.wait();
            let Ok(task) = self.queue.recv() else { break };
            let (free, running) = (free.clone(), running.clone());
            drop(coroutine::spawn(move || {
                let _running = running;
                let _free = defer::Guard::new(|| free.post());
                if let Err(error) = task.execute() {
                    report::say(format_args!("a task of a `Pool` has failed: {error}"));
                }
            }));
        }
        running.wait();
        self.ended.store(true, Ordering::SeqCst);
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Pool");
        debug.field("workers", &self.workers).field("waiting", &self.queue.len());
        debug.finish_non_exhaustive()
    }
}
