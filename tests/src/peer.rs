//! Coroutines and threads alike, so that one test is of both.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;

use mco::coroutine::{self, JoinHandle};
use mco::runtime::Runtime;

use crate::{HUNG, eventually, process, runtime, within};

/// What is to run a closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A coroutine of the test's runtime.
    Coroutine,
    /// A thread of its own.
    Thread,
}

/// A closure that runs in a coroutine or a thread.
#[derive(Debug)]
pub enum Peer<T> {
    /// In this coroutine.
    Coroutine(JoinHandle<T>),
    /// In this thread.
    Thread(thread::JoinHandle<T>),
}

/// Runs a test with coroutines, then with threads, on a runtime of one worker.
///
/// # Panics
///
/// With the test's panic, or if one of the runs hangs.
#[track_caller]
pub fn with_both_kinds(test: impl Fn(&Runtime, Kind) + Clone + Send + 'static) {
    for kind in [Kind::Coroutine, Kind::Thread] {
        // Shown only if the test fails.
        eprintln!("with {kind:?}:");
        let test = test.clone();
        within(HUNG, move || test(&runtime(1), kind));
    }
}

impl Kind {
    /// Coroutine, thread, coroutine, ..
    #[must_use]
    pub fn alternate(index: usize) -> Kind {
        if index.is_multiple_of(2) { Kind::Coroutine } else { Kind::Thread }
    }

    /// Runs `f`.
    pub fn start<T: Send + 'static>(
        self,
        runtime: &Runtime,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Peer<T> {
        match self {
            Kind::Coroutine => Peer::Coroutine(runtime.spawn(f)),
            Kind::Thread => Peer::Thread(thread::spawn(f)),
        }
    }

    /// Runs `f`, and returns when it is blocked. The runtime must be of one worker.
    ///
    /// # Panics
    ///
    /// If it does not block.
    #[track_caller]
    pub fn start_blocked<T: Send + 'static>(
        self,
        runtime: &Runtime,
        f: impl FnOnce() -> T + Send + 'static,
    ) -> Peer<T> {
        let peer = match self {
            Kind::Coroutine => {
                assert_eq!(runtime.metrics().workers().len(), 1, "of this it cannot be told");
                let (starts, started) = flag();
                let handle = runtime.spawn(move || {
                    starts.store(true, Ordering::SeqCst);
                    f()
                });
                eventually("the coroutine starts", || started.load(Ordering::SeqCst));
                // Another one runs on its worker, so it is suspended.
                runtime.run(|| ());
                Peer::Coroutine(handle)
            }
            Kind::Thread => {
                let name = Arc::new(OnceLock::new());
                let tells = name.clone();
                let handle = thread::spawn(move || {
                    tells.set(process::this_thread()).expect("it is told once");
                    f()
                });
                eventually("the thread is blocked", || {
                    handle.is_finished() || name.get().is_some_and(|name| process::is_asleep(name))
                });
                Peer::Thread(handle)
            }
        };
        assert!(!peer.is_finished(), "it does not block");
        peer
    }
}

impl<T> Peer<T> {
    /// Whether it has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self {
            Peer::Coroutine(handle) => handle.is_finished(),
            Peer::Thread(handle) => handle.is_finished(),
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    ///
    /// The payload, if it has panicked or was cancelled.
    pub fn join(self) -> thread::Result<T> {
        match self {
            Peer::Coroutine(handle) => handle.join(),
            Peer::Thread(handle) => handle.join(),
        }
    }
}

/// A child of the calling coroutine, which must be of a runtime of one worker; returns when the
/// child is blocked in `f`.
///
/// # Panics
///
/// If it does not block.
#[track_caller]
pub fn blocked_child<T: Send + 'static>(f: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    let (starts, started) = flag();
    let child = coroutine::spawn(move || {
        starts.store(true, Ordering::SeqCst);
        f()
    });
    // The caller runs again on its worker, so it is suspended.
    eventually("the child starts", || started.load(Ordering::SeqCst));
    assert!(!child.is_finished(), "it does not block");
    child
}

fn flag() -> (Arc<AtomicBool>, Arc<AtomicBool>) {
    let flag = Arc::new(AtomicBool::new(false));
    (flag.clone(), flag)
}
