//! What sends the time into a channel, once or again and again: the inside of timers and tickers.
//!
//! ```text
//!   Timer, Ticker ──> Chime <── the wheel of a worker, while it is set
//!        │              │ sends the time
//!        v              v
//!     Receiver ──> channel of one place ──> tells the chime when the last receiver has gone
//! ```

use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

use super::Time;
use crate::clock::Moment;
use crate::runtime;
use crate::scheduler::alarms::{self, Alarm, Place};
use crate::std::sync::channel::{self, Observer};
use crate::std::sync::{Receiver, Sender};

/// See the module.
pub(super) struct Chime {
    state: Mutex<State>,
}

struct State {
    /// Counts what it was set for, so that one that is just going off notices that it was stopped.
    setting: u64,
    /// While it is set.
    place: Option<Place>,
    /// When it is to go off.
    at: Moment,
    what: What,
    /// `None` when it will never go off any more.
    sender: Option<Sender<Time>>,
}

/// What it does when it goes off.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// Sends, and closes the channel.
    Last,
    /// Sends, and may be set again.
    Once,
    /// Sends again and again.
    Every(Duration),
}

impl Chime {
    /// One that is not set, and where it will send.
    pub(super) fn new(what: What) -> (Arc<Chime>, Receiver<Time>) {
        let mut receives = None;
        let chime = Arc::new_cyclic(|chime: &Weak<Chime>| {
            let (sender, receiver) = channel::observed(1, chime.clone());
            receives = Some(receiver);
            let at = Moment::now();
            let state = State { setting: 0, place: None, at, what, sender: Some(sender) };
            Chime { state: Mutex::new(state) }
        });
        (chime, receives.expect("it has just been made"))
    }

    /// Has it go off when `duration` has passed, and not when it would have otherwise. With no time to pass, that
    /// is before this returns.
    pub(super) fn start(self: &Arc<Self>, duration: Duration) {
        let mut state = self.state.lock();
        state.stop();
        if duration.is_zero() {
            let ended = state.go_off();
            drop(state);
            drop(ended);
        } else {
            self.set(&mut state, Moment::after(duration));
        }
    }

    /// As `start`, with another period.
    pub(super) fn start_periodic(self: &Arc<Self>, period: Duration) -> bool {
        let mut state = self.state.lock();
        let was_running = state.stop();
        state.what = What::Every(period);
        self.set(&mut state, Moment::after(period));
        was_running
    }

    fn set(self: &Arc<Self>, state: &mut State, at: Moment) {
        state.at = at;
        state.place = alarms::set(at, self.clone(), state.setting, runtime::global_scheduler);
        if state.place.is_none() {
            // The runtime has ended.
            state.sender = None;
        }
    }

    /// Whether that has prevented something: that it goes off, or that what came of it is received.
    pub(super) fn stop(&self) -> bool {
        self.state.lock().stop()
    }

    pub(super) fn is_set(&self) -> bool {
        self.state.lock().place.is_some()
    }
}

impl State {
    /// Sends the time. Returns the sender if that was the last one, to be dropped without the lock.
    fn go_off(&mut self) -> Option<Sender<Time>> {
        if let What::Last = self.what {
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
        self.setting += 1;
        let place = self.place.take();
        let was_set = place.inspect(Place::remove).is_some();
        let sender = self.sender.as_ref();
        // Under the lock, under which it is sent: nothing can be received later.
        let unreceived = sender.is_some_and(|sender| sender.channel().try_recv().is_ok());
        was_set || unreceived
    }
}

impl Alarm for Chime {
    fn fire(self: Arc<Self>, setting: u64) {
        let mut state = self.state.lock();
        if state.setting != setting {
            return;
        }
        let ended = state.go_off();
        state.place = None;
        if let What::Every(period) = state.what {
            // Those that were missed are left out, and the next one is where it would be anyway.
            let late = Moment::now().since(state.at).as_nanos();
            let periods = late / period.as_nanos() + 1;
            let on = periods.saturating_mul(period.as_nanos());
            let on = Duration::from_nanos(u64::try_from(on).unwrap_or(u64::MAX));
            let next = state.at + on;
            self.set(&mut state, next);
        }
        drop(state);
        drop(ended);
    }

    fn abandon(&self, setting: u64) {
        let mut state = self.state.lock();
        if state.setting == setting {
            state.place = None;
            let sender = state.sender.take();
            drop(state);
            drop(sender);
        }
    }
}

impl Observer for Chime {
    fn no_receivers(&self) {
        self.stop();
    }
}
