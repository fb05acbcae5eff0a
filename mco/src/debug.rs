//! What every coroutine is doing: for a person who wants to know why nothing happens.
//!
//! ```
//! use mco::debug::State;
//!
//! let sleeper = mco::coroutine::Builder::new().name("sleeper").spawn(mco::coroutine::park);
//! # while !mco::debug::coroutines().iter().any(|c| c.state == State::Blocked) {
//! #     mco::coroutine::yield_now();
//! # }
//! println!("{}", mco::debug::dump());
//! let all = mco::debug::coroutines();
//! let sleeper_now = all.iter().find(|c| c.name.as_deref() == Some("sleeper")).unwrap();
//! assert_eq!(sleeper_now.state, State::Blocked);
//! # sleeper.coroutine().unpark();
//! # sleeper.join().unwrap();
//! ```
//!
//! With `MCO_DUMP=1` in the environment, or after
//! [`set_dump_on_sigquit`](crate::Config::set_dump_on_sigquit), the signal `SIGQUIT` (Ctrl-\ in a
//! terminal) has a Unix process print its [`dump`](fn@dump) on standard error, and go on.
//!
//! # What is claimed
//!
//! A dump says that coroutines are *stuck* if each of them waits, without a time limit, for something
//! that only others of them could do:
//!
//! - Who waits for a [`Mutex`](crate::std::sync::Mutex), a [`RwLock`](crate::std::sync::RwLock) or an
//!   initialiser waits for the coroutine that has locked it, for writing, or runs it. Who joins a
//!   coroutine, or is at the end of a scope, waits for those coroutines. This is exact: it was so at
//!   one moment, and only a cancel from outside can change it.
//! - Who waits in a `select!` of which each arm joins a coroutine, or is an expression that runs in a
//!   coroutine of its own, waits for all of those: it is stuck if they all are. This is exact too.
//!
//! Of channels only facts are told: how many handles the other end has, where the channel was made, where that end was
//! used last, and who was the last to wait there; see [`ChannelEnd`]. Rust does not say who has a handle, so nobody
//! is called stuck for waiting at a channel, nor is anybody else for waiting for that one.
//!
//! Of everything else it is not known who could end the wait, so nothing is claimed: read locks that others hold,
//! condition variables, semaphores, channels, a `select!` with any other arm, sockets, sleeps, and whatever a thread
//! outside holds.

use std::panic::Location;
use std::sync::Arc;

use parking_lot::Mutex;

pub use crate::inspect::{ArmInfo, ChannelEnd, CoroutineInfo, Dump, State};
pub use crate::task::Reason;

use crate::inspect;
use crate::runtime_thread;
use crate::task::{TaskRef, current};
use crate::wait::{ExternalWait, Wait, Waiter};

/// All coroutines of all runtimes of the process, with backtraces: to be printed.
/// [May wait](crate#what-waits).
///
/// Those that are alike, spawned at one place and waiting at one place, are one group, of which one
/// coroutine's backtrace is shown. It is taken by the coroutine's own worker between two turns, so
/// there is none of a coroutine whose worker does not come to it within some 100 ms; the dump says
/// so. No worker is stopped for longer than a few milliseconds, and no coroutine notices.
///
/// Those that have not started are listed too, by the worker that has them queued. If it does not come
/// to it, or there are very many, they are only counted, and the dump says so.
///
/// Times are known to some 10 ms.
///
/// In a coroutine this waits for a thread that does the work, and that ends with it.
///
/// # Panics
///
/// Unwinds with [`Cancelled`](crate::coroutine::Cancelled) if the calling coroutine is cancelled.
///
/// # Examples
///
/// ```
/// let text = mco::debug::dump().to_string();
/// println!("{text}");
/// ```
#[must_use]
#[track_caller]
pub fn dump() -> Dump {
    elsewhere(Location::caller(), Dump::of_all)
}

/// What is known of each coroutine that has started, in the order of their ids: of the calling
/// coroutine's runtime, or in a plain thread of all of them. No backtraces are taken.
/// [May wait](crate#what-waits).
///
/// # Panics
///
/// As [`dump`](fn@dump).
///
/// # Examples
///
/// ```
/// for c in mco::debug::coroutines() {
///     println!("{} {:?} {:?} {}", c.id, c.name, c.state, c.spawned_at);
/// }
/// ```
#[must_use]
#[track_caller]
pub fn coroutines() -> Vec<CoroutineInfo> {
    let schedulers = inspect::current();
    elsewhere(Location::caller(), move |caller| inspect::list(&schedulers, caller))
}

/// Calls `f`, in a thread of its own if a coroutine calls, whose worker has others to run. It is told
/// which coroutine calls.
fn elsewhere<T: Send + 'static>(
    site: &'static Location<'static>,
    f: impl FnOnce(Option<&TaskRef>) -> T + Send + 'static,
) -> T {
    let Some(caller) = current::task() else { return f(None) };
    let (f, place) = (Arc::new(Mutex::new(Some(f))), Arc::new(Mutex::new(None)));
    let waiter = Waiter::current();
    let started = runtime_thread::start("mco-dump".to_owned(), {
        let (f, place, caller) = (f.clone(), place.clone(), caller.clone());
        move || {
            let f = f.lock().take().expect("it is called once");
            let result = f(Some(&caller));
            *place.lock() = Some(result);
            waiter.wake();
        }
    });
    if started.is_err() {
        // Then it has to be here.
        let f = f.lock().take().expect("it is called once");
        return f(Some(&caller));
    }
    let mut result = None;
    let _external_wait = ExternalWait::new();
    Wait::new_at(Reason::Blocking, site).wait_for(|| {
        result = place.lock().take();
        result.is_some()
    });
    result.expect("it was waited for")
}
