//! Sends the time into a channel, once or periodically: what timers and tickers are made of.
//!
//! ```text
//!   Timer, Ticker ──> TimerChannel <── the wheel of a worker, while it is set
//!        │              │ sends the time
//!        v              v
//!     Receiver ──> channel of capacity one ──> tells the timer channel when the last receiver has gone
//! ```

use std::panic::Location;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Time;
use crate::clock::Timestamp;
use crate::runtime::global;
use crate::scheduler::timers::{self, TimerCallback, TimerHandle};
use crate::std::sync::channel::{self, Observer};
use crate::std::sync::{Receiver, Sender};

/// See the module.
pub(super) struct TimerChannel {
    state: Mutex<State>,
}

struct State {
    /// Counts what it was set for, so that one that is just firing notices that it was stopped.
    generation: u64,
    /// While it is set.
    handle: Option<TimerHandle>,
    /// When it is to fire.
    at: Timestamp,
    mode: Mode,
    /// `None` when it will never fire any more.
    sender: Option<Sender<Time>>,
}

/// What happens when it fires.
#[derive(Clone, Copy)]
pub(super) enum Mode {
    /// Sends, and closes the channel.
    Last,
    /// Sends, and may be set again.
    Once,
    /// Sends again and again.
    Every(Duration),
}

impl TimerChannel {
    /// One that is not set, and where it will send.
    #[track_caller]
    pub(super) fn new(mode: Mode) -> (Arc<TimerChannel>, Receiver<Time>) {
        let made_at = Location::caller();
        let mut receives = None;
        let timer_channel = Arc::new_cyclic(|timer_channel: &Weak<TimerChannel>| {
            let (sender, receiver) = channel::observed(1, timer_channel.clone(), made_at);
            receives = Some(receiver);
            let at = Timestamp::now();
            let state = State { generation: 0, handle: None, at, mode, sender: Some(sender) };
            TimerChannel { state: Mutex::new(state) }
        });
        (timer_channel, receives.expect("it has just been made"))
    }

    /// Has it fire when `duration` has passed, and not when it would have otherwise. With no time to pass, that
    /// is before this returns.
    pub(super) fn start(self: &Arc<Self>, duration: Duration) {
        let mut state = self.state.lock();
        state.stop();
        if duration.is_zero() {
            let ended = state.send_time();
            drop(state);
            drop(ended);
        } else {
            self.set(&mut state, Timestamp::after(duration));
        }
    }

    /// As `start`, with another period.
    pub(super) fn start_periodic(self: &Arc<Self>, period: Duration) -> bool {
        let mut state = self.state.lock();
        let was_running = state.stop();
        state.mode = Mode::Every(period);
        self.set(&mut state, Timestamp::after(period));
        was_running
    }

    fn set(self: &Arc<Self>, state: &mut State, at: Timestamp) {
        state.at = at;
        state.handle = timers::set(at, self.clone(), state.generation, global::scheduler);
        if state.handle.is_none() {
            // The runtime has ended.
            state.sender = None;
        }
    }

    /// Stops it. Returns whether that has prevented something: that it fires, or that the time it sent is received.
    pub(super) fn stop(&self) -> bool {
        self.state.lock().stop()
    }

    pub(super) fn is_set(&self) -> bool {
        self.state.lock().handle.is_some()
    }
}

impl State {
    /// Sends the time. Returns the sender if that was the last one, to be dropped without the lock.
    fn send_time(&mut self) -> Option<Sender<Time>> {
        if let Mode::Last = self.mode {
            let sender = self.sender.take();
            // At once, so that nobody finds the channel empty and not closed once it has been received.
            return sender.inspect(|sender| sender.channel().send_last(Time::now()));
        }
        if let Some(sender) = &self.sender {
            // If the last one has not been received, this one is left out.
            let _ = sender.channel().try_send(Time::now());
        }
        None
    }

    fn stop(&mut self) -> bool {
        self.generation += 1;
        let handle = self.handle.take();
        let was_set = handle.inspect(TimerHandle::remove).is_some();
        let sender = self.sender.as_ref();
        // Under the lock, under which it is sent: nothing can be received later.
        let unreceived = sender.is_some_and(|sender| sender.channel().try_recv().is_ok());
        was_set || unreceived
    }
}

impl TimerCallback for TimerChannel {
    fn fire(self: Arc<Self>, generation: u64) {
        let mut state = self.state.lock();
        if state.generation != generation {
            return;
        }
        let ended = state.send_time();
        state.handle = None;
        if let Mode::Every(period) = state.mode {
            // Those that were missed are left out, and the next one is where it would be anyway.
            let late = Timestamp::now().since(state.at).as_nanos();
            let periods = late / period.as_nanos() + 1;
            let on = periods.saturating_mul(period.as_nanos());
            let on = Duration::from_nanos(u64::try_from(on).unwrap_or(u64::MAX));
            let next = state.at + on;
            self.set(&mut state, next);
        }
        drop(state);
        drop(ended);
    }

    fn on_shutdown(&self, generation: u64) {
        let mut state = self.state.lock();
        if state.generation == generation {
            state.handle = None;
            let sender = state.sender.take();
            drop(state);
            drop(sender);
        }
    }
}

impl Observer for TimerChannel {
    fn no_receivers(&self) {
        self.stop();
    }
}
