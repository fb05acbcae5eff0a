//! Which coroutine runs where and when.
//!
//! Each worker is a thread with queues of its own:
//!
//! ```text
//!            spawn here ──> lifo_slot ──older──> unstarted ────────┐ stolen by idle workers,
//!                             │                     │               │ oldest first
//!   wake here, yield ──> ready│                     │               v
//!                          │  │                     │            another worker
//!   wake from elsewhere    v  v                     v
//!     ──> inbox ──> ready ──> run, in this order, but every 61st turn takes the oldest unstarted one
//!     handed over ──> handed_over ──> run, before older unstarted ones
//! ```
//!
//! - **Unstarted** coroutines own no stack and may start anywhere. The newest runs first, while what it
//!   was given is still in the cache, on the stack that the last one has just given back. Idle
//!   workers steal from the other end. The very newest is not offered to thieves: its parent is
//!   probably about to wait for it. The monitor offers it if the parent goes on for long.
//! - **Ready** coroutines have started here and stay here.
//!
//! [`local`] has the loop. [`idle`] says how workers sleep without missing anything, and [`monitor`] what happens
//! when a coroutine blocks its worker.

mod all_idle;
mod entry;
mod global_queue;
mod handover_queue;
mod idle;
mod idle_policy;
mod inbox_gate;
mod lifecycle;
mod local;
mod monitor;
mod numbers;
mod quiescence;
mod requests;
mod run_delay;
mod shared;
mod shutdown_waits;
mod timer_queue;
pub(crate) mod timers;
#[cfg(feature = "dump")]
mod unstarted;
mod worker;

/// The atomics of [`quiescence`] and [`inbox_gate`], separate so that their models can supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicBool, AtomicU64, Ordering, fence};
}

pub(crate) use entry::{current_test_run, spawn_here, with_current, yield_now};
pub(crate) use idle_policy::{AllIdleAction, IdlePolicy};
pub(crate) use numbers::{new_test_run, spawn_options};
pub(crate) use quiescence::Epoch;
#[cfg(feature = "dump")]
pub(crate) use requests::Request;
#[cfg(feature = "dump")]
pub(crate) use requests::{Reply, Unstarted, UnstartedList};
pub(crate) use shared::{Scheduler, Settings, all};
pub(crate) use worker::Counters;
