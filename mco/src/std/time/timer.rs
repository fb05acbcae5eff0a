//! Something that happens once, later.

use std::fmt;
use std::panic::Location;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use parking_lot::Mutex;

use super::Time;
use super::timer_channel::{self, TimerChannel};
use crate::clock::Timestamp;
use crate::coroutine::{Coroutine, JoinHandle};
use crate::runtime::global;
use crate::scheduler::timers::{self, TimerCallback, TimerHandle};
use crate::std::sync::channel::{RecvError, RecvTimeoutError, TryRecvError};
use crate::std::sync::{Receiver, unbounded};
use crate::task::{TaskRef, UserValue};

/// A channel that receives the time once, when `duration` has passed.
/// [Never waits](crate#what-waits).
///
/// With no time to pass it is there at once. Once it has been received the channel is closed. Dropping it earlier
/// leaves nothing behind, so it costs little as an arm of a `select!` in a loop. If the runtime on which it was made
/// ends, it is closed without a time.
///
/// # Panics
///
/// In a thread that is no worker's, if the global runtime cannot start.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::{Time, after};
///
/// let start = Time::now();
/// let then = after(Duration::from_millis(5)).recv().unwrap();
/// assert!(then.since(&start) >= Duration::from_millis(5));
/// ```
#[must_use = "a channel that is dropped receives nothing"]
#[track_caller]
pub fn after(duration: Duration) -> Receiver<Time> {
    let (timer_channel, receiver) = TimerChannel::new(timer_channel::Mode::Last);
    timer_channel.start(duration);
    receiver
}

/// Runs `f` as a coroutine when `duration` has passed, unless the timer is stopped before:
/// [`Timer::after_func`]. [Never waits](crate#what-waits).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let (sender, receiver) = mco::std::sync::channel::unbounded();
/// let _timer = mco::std::time::after_func(Duration::from_millis(5), move || {
///     sender.send("late").unwrap();
/// });
/// assert_eq!(receiver.recv(), Ok("late"));
/// ```
#[track_caller]
pub fn after_func<F: FnMut() + Send + 'static>(duration: Duration, f: F) -> Timer {
    Timer::after_func(duration, f)
}

/// Something that happens once, when a time has passed: a time to be received, or a function that is
/// run. It can be stopped, and set again.
///
/// No thread and no coroutine waits for it meanwhile; it costs a place in the timing wheel of a
/// worker, which it leaves when it is stopped or dropped.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use mco::std::time::Timer;
///
/// let timer = Timer::new(Duration::from_secs(3600));
/// assert!(timer.reset(Duration::from_millis(5)), "it was running");
/// timer.recv().unwrap();
/// assert!(!timer.stop(), "it had gone off");
/// ```
pub struct Timer {
    /// Of one that runs a function it is closed.
    receiver: Receiver<Time>,
    what: What,
}

enum What {
    TimerChannel(Arc<TimerChannel>),
    Call(Arc<Call>),
}

impl Timer {
    /// One that receives the time when `duration` has passed. [Never waits](crate#what-waits).
    ///
    /// Dropping it stops it.
    ///
    /// # Panics
    ///
    /// In a thread that is no worker's, if the global runtime cannot start.
    #[must_use = "a timer that is dropped is stopped"]
    #[track_caller]
    pub fn new(duration: Duration) -> Timer {
        let (timer_channel, receiver) = TimerChannel::new(timer_channel::Mode::Once);
        timer_channel.start(duration);
        Timer { receiver, what: What::TimerChannel(timer_channel) }
    }

    /// One that runs `f` in a coroutine of its own when `duration` has passed.
    /// [Never waits](crate#what-waits).
    ///
    /// Dropping it does not stop it, as dropping a `JoinHandle` does not stop a coroutine. If it is set again, `f`
    /// runs again, after an earlier run has ended. Of two that were set on one worker and that one worker starts, the
    /// earlier one starts first, however late both are; two that are due together may start in any order.
    ///
    /// # Panics
    ///
    /// In a thread that is no worker's, if the global runtime cannot start.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use mco::std::sync::channel::unbounded;
    /// use mco::std::time::Timer;
    ///
    /// let (sender, receiver) = unbounded();
    /// let late = Timer::after_func(Duration::from_millis(5), move || sender.send("late").unwrap());
    /// assert_eq!(receiver.recv(), Ok("late"));
    /// assert!(!late.stop(), "it is too late for that");
    /// ```
    #[track_caller]
    pub fn after_func<F: FnMut() + Send + 'static>(duration: Duration, f: F) -> Timer {
        let call = Arc::new(Call {
            state: Mutex::new(CallState { generation: 0, handle: None }),
            f: UserValue::new(crate::std::sync::Mutex::new(Box::new(f))),
            site: Location::caller(),
        });
        call.start(Timestamp::after(duration));
        let (_, receiver) = unbounded();
        Timer { receiver, what: What::Call(call) }
    }

    /// Waits until it has gone off, and returns when it did. To be received once; then, and while
    /// the timer is stopped, this waits until it has been set again and gone off.
    /// [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// If it runs a function, or its runtime has ended.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv(&self) -> Result<Time, RecvError> {
        self.receiver.recv()
    }

    /// Receives the time that is due already. [Never waits](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Empty`](TryRecvError::Empty) if none is, or [`Disconnected`](TryRecvError::Disconnected) as in
    /// [`recv`](Timer::recv).
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::Timer;
    /// use std::time::Duration;
    ///
    /// assert!(Timer::new(Duration::from_secs(3600)).try_recv().is_err());
    /// ```
    #[track_caller]
    pub fn try_recv(&self) -> Result<Time, TryRecvError> {
        self.receiver.try_recv()
    }

    /// As [`recv`](Timer::recv), for that long at most. [May wait](crate#what-waits).
    ///
    /// # Errors
    ///
    /// [`Timeout`](RecvTimeoutError::Timeout), or [`Disconnected`](RecvTimeoutError::Disconnected) as in `recv`.
    ///
    /// # Panics
    ///
    /// [Unwinds](crate#cancelling) if the calling coroutine is cancelled while it waits.
    #[track_caller]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<Time, RecvTimeoutError> {
        self.receiver.recv_timeout(timeout)
    }

    /// The times at which it goes off, as the timer itself gives them as an iterator: one each time that it is set, and none
    /// while it is not.
    ///
    /// # Examples
    ///
    /// ```
    /// use mco::std::time::Timer;
    /// use std::time::Duration;
    ///
    /// let timer = Timer::new(Duration::from_millis(1));
    /// assert_eq!(timer.iter().count(), 1);
    /// timer.reset(Duration::from_millis(1));
    /// assert_eq!(timer.iter().count(), 1);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Time> + '_ {
        std::iter::from_fn(|| self.next_time())
    }

    #[track_caller]
    fn next_time(&self) -> Option<Time> {
        match &self.what {
            What::TimerChannel(timer_channel) if !timer_channel.is_set() => self.try_recv().ok(),
            _ => self.recv().ok(),
        }
    }

    /// Prevents it from going off, and takes back what has not been received. `true`: nothing comes
    /// of it; `false`: it has gone off, and been received or its function begun, or was stopped
    /// before. [Never waits](crate#what-waits).
    ///
    /// Does not wait, not even for the function.
    pub fn stop(&self) -> bool {
        match &self.what {
            What::TimerChannel(timer_channel) => timer_channel.stop(),
            What::Call(call) => call.stop(),
        }
    }

    /// Has it go off when `duration` has passed from now, and not when it would have otherwise.
    /// Returns what [`stop`](Timer::stop) would have. [Never waits](crate#what-waits).
    ///
    /// # Panics
    ///
    /// In a thread that is no worker's, if the global runtime cannot start.
    pub fn reset(&self, duration: Duration) -> bool {
        let stopped = self.stop();
        match &self.what {
            What::TimerChannel(timer_channel) => timer_channel.start(duration),
            What::Call(call) => call.start(Timestamp::after(duration)),
        }
        stopped
    }

    pub(crate) fn receiver(&self) -> &Receiver<Time> {
        &self.receiver
    }
}

/// The times at which it goes off: see [`iter`](Timer::iter).
impl Iterator for Timer {
    type Item = Time;

    #[track_caller]
    fn next(&mut self) -> Option<Time> {
        self.next_time()
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").finish_non_exhaustive()
    }
}

/// A function that is run at some time.
struct Call {
    state: Mutex<CallState>,
    f: UserValue<crate::std::sync::Mutex<Box<dyn FnMut() + Send>>>,
    site: &'static Location<'static>,
}

struct CallState {
    /// Counts what it was set for.
    generation: u64,
    /// While it is set.
    handle: Option<TimerHandle>,
}

impl Call {
    fn start(self: &Arc<Self>, at: Timestamp) {
        let mut state = self.state.lock();
        state.generation += 1;
        if let Some(handle) = state.handle.take() {
            handle.remove();
        }
        state.handle = timers::set(at, self.clone(), state.generation, global::scheduler);
    }

    fn stop(&self) -> bool {
        let mut state = self.state.lock();
        state.generation += 1;
        let handle = state.handle.take();
        handle.inspect(TimerHandle::remove).is_some()
    }
}

impl TimerCallback for Call {
    fn fire(self: Arc<Self>, generation: u64) {
        {
            let mut state = self.state.lock();
            if state.generation != generation {
                return;
            }
            state.handle = None;
        }
        let site = self.site;
        let task = global::spawn_from_timer(site, |options| {
            // The coroutine takes it along, so that the closure is not dropped here.
            let run = move || {
                let mut f = self.f.lock().unwrap_or_else(PoisonError::into_inner);
                f();
            };
            TaskRef::create(run, options)
        });
        drop(JoinHandle::<()>::new(Coroutine::new(task)));
    }

    fn on_shutdown(&self, generation: u64) {
        let mut state = self.state.lock();
        if state.generation == generation {
            state.handle = None;
        }
    }
}
