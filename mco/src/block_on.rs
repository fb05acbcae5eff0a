//! Waiting for a future as for anything else.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::task::{Polling, Reason, current, note_own_waker, spend_budget};
use crate::wait::{ExternalWait, Wait, Waiter};

/// Runs a future to its end and returns its output. A coroutine that calls this is parked while the
/// future waits, a thread is blocked. [May wait](crate#what-waits).
///
/// The future is polled by the caller, so it need not be `Send`. What it waits for must wake it by
/// itself: a channel, a [`JoinHandle`](crate::coroutine::JoinHandle), a socket of mco's with one of the
/// features of [`bridge`](crate::bridge). A socket of an async runtime needs that runtime's reactor.
///
/// A future that is woken while it is polled lets the other coroutines of the worker run before it is
/// polled again. A cancel, or a deadline that has passed, takes effect between two polls.
///
/// # Panics
///
/// If the future panics. [Unwinds](crate#cancelling) if the calling coroutine is cancelled, and drops the future.
///
/// # Examples
///
/// ```
/// assert_eq!(mco::block_on(async { 6 * 7 }), 42);
/// ```
#[track_caller]
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    spend_budget();
    let wait = Wait::new(Reason::Future);
    let mut future = pin!(future.into_future());
    let signal = Arc::new(Signal { woken: AtomicBool::new(false), waiter: Waiter::current() });
    let waker = waker_of(signal.clone());
    let mut context = Context::from_waker(&waker);
    let polling = Polling::begin();
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        if signal.take() {
            // It could go on at once, and maybe for ever.
            let_others_run(&wait);
        } else {
            // Neither a deadlock nor time that passes by itself.
            let _external_wait = polling.has_external_waits().then(ExternalWait::new);
            wait.wait_for(|| signal.take());
        }
    }
}

/// Unwinds, before or after, if the caller is cancelled or out of time.
fn let_others_run(wait: &Wait) {
    match current::running() {
        Some(running) => running.yield_now(wait.site()),
        None => wait.before().unwind_if_cancelled(),
    }
}

/// Here and not in `block_on`, which is compiled anew for each future, so that all are of one kind.
#[inline(never)]
fn waker_of(signal: Arc<Signal>) -> Waker {
    let waker = Waker::from(signal);
    note_own_waker(&waker);
    waker
}

/// What a future's waker is made of.
struct Signal {
    /// Set by a wake, taken by the wait. Its Release publishes what the waker did before.
    woken: AtomicBool,
    waiter: Waiter,
}

impl Signal {
    fn take(&self) -> bool {
        self.woken.swap(false, Ordering::Acquire)
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.woken.swap(true, Ordering::Release) {
            self.waiter.wake();
        }
    }
}
