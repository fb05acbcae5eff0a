//! Synchronisation, in the manner of [`::std::sync`], for coroutines and threads alike.
//!
//! | type | what for |
//! | --- | --- |
//! | [`channel`](mod@channel) | values from many to many |
//! | [`oneshot`] | one value, from one to one |
//! | [`Select`] | the first of several channels, as many as come about |
//! | [`Mutex`], [`RwLock`] | a value that one may change at a time |
//! | [`Condvar`] | waiting until what a mutex guards has changed |
//! | [`Once`], [`OnceLock`], [`LazyLock`] | doing something once, and waiting for it |
//! | [`Semaphore`] | a number of permits |
//! | [`WaitGroup`], [`Barrier`] | waiting for others, and for each other |
//! | [`SyncFlag`] | something that happens once |
//! | [`Blocker`] | parking with a handle of one's own |
//! | [`AtomicOption`] | a value to be exchanged |
//!
//! Whatever waits here can be cancelled while it does, and then has taken nothing.

mod atomic_option;
mod barrier;
mod blocker;
mod chan;
pub mod channel;
mod condvar;
mod guard;
pub mod mpsc;
mod mutex;
pub(crate) mod once;
pub mod oneshot;
mod poison;
mod rwlock;
pub(crate) mod semaphore;
pub mod spsc;
pub(crate) mod sync_flag;
pub(crate) mod wait_group;

pub use std::sync::{Arc, LockResult, PoisonError, TryLockError, TryLockResult, Weak, atomic};

pub use atomic_option::AtomicOption;
pub use barrier::{Barrier, BarrierWaitResult};
pub use blocker::Blocker;
pub use channel::{Receiver, Sender, bounded, channel, channel_buf, unbounded};
pub use condvar::{Condvar, WaitTimeoutResult};
pub use mutex::{Mutex, MutexGuard};
pub use once::{Once, OnceState};
pub use rwlock::{RwLock, RwLockReadGuard, RwLockWriteGuard};
pub use semaphore::{Semaphore, SemaphoreGuard};
pub use sync_flag::{FiredFuture, SyncFlag};
pub use wait_group::WaitGroup;

pub use crate::select::{
    ReadyTimeoutError, Select, SelectTimeoutError, SelectedOperation, TryReadyError, TrySelectError,
};

pub use super::lazy::sync::{Lazy as LazyLock, OnceCell as OnceLock};

/// [`Semaphore`] under its older name.
pub type Semphore = Semaphore;
