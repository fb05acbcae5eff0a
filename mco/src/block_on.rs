//! Waiting for a future as for anything else.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use crate::task::Reason;
use crate::wait::{Wait, Waiter};

/// Runs a future to its end and returns its output. A coroutine that calls this is parked while the
/// future waits, a thread is blocked.
///
/// The future is polled by the caller, so it need not be `Send`. What it waits for must wake it by
/// itself: a channel, another coroutine; a socket of an async runtime needs that runtime's reactor.
///
/// # Panics
///
/// If the future panics. Unwinds if the calling coroutine is cancelled, and drops the future.
///
/// # Examples
///
/// ```
/// assert_eq!(mco::block_on(async { 6 * 7 }), 42);
/// ```
#[track_caller]
pub fn block_on<F: IntoFuture>(future: F) -> F::Output {
    let wait = Wait::new(Reason::Future);
    let mut future = pin!(future.into_future());
    let signal = Arc::new(Signal { woken: AtomicBool::new(false), waiter: Waiter::current() });
    let waker = Waker::from(signal.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        wait.wait_for(|| signal.woken.swap(false, Ordering::Acquire));
    }
}

/// What a future's waker is made of.
struct Signal {
    /// Set by a wake, taken by the wait. Its Release publishes what the waker did before.
    woken: AtomicBool,
    waiter: Waiter,
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
