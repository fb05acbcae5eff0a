//! Coroutines that have come to the point.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use mco::coroutine::{self, Cancelled, JoinHandle};
use mco::runtime::Runtime;

use crate::{eventually, text_of};

/// Spawns `f` and returns when it has started. On a runtime of one worker it is suspended then, or
/// has ended.
#[track_caller]
pub fn start<T: Send + 'static>(
    runtime: &Runtime,
    f: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let started = Arc::new(AtomicBool::new(false));
    let starts = started.clone();
    let handle = runtime.spawn(move || {
        starts.store(true, Ordering::SeqCst);
        f()
    });
    eventually("it has started", || started.load(Ordering::SeqCst));
    settle(runtime);
    handle
}

/// Returns when each coroutine that is ready to go on now has done so, on a runtime of one worker.
pub fn settle(runtime: &Runtime) {
    for _ in 0..3 {
        runtime.run(coroutine::yield_now);
    }
}

/// Joins one that must have been cancelled.
///
/// # Panics
///
/// If it ended otherwise.
#[track_caller]
pub fn assert_cancelled<T>(handle: JoinHandle<T>) {
    match handle.join() {
        Ok(_) => panic!("it returned as if nothing had been asked"),
        Err(payload) => {
            assert!(payload.is::<Cancelled>(), "the payload is {:?}", text_of(&*payload));
        }
    }
}

/// Counts what is dropped.
#[derive(Clone, Debug, Default)]
pub struct Drops(Arc<AtomicUsize>);

impl Drops {
    /// Something to be dropped.
    #[must_use]
    pub fn one(&self) -> Dropped {
        Dropped(self.0.clone())
    }

    /// How many of them have been.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Counts its drop.
#[derive(Debug)]
pub struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Calls a function when it is dropped.
pub struct OnDrop<F: FnMut()>(pub F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<F: FnMut()> std::fmt::Debug for OnDrop<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OnDrop")
    }
}
