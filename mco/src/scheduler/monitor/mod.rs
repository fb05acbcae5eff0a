//! The monitor: notices workers that are blocked by a coroutine, and has others run what is queued behind it.
//!
//! Its thread samples each worker's turn counter every few milliseconds while any worker is awake, and sleeps when
//! all of them do. A worker that stays in one turn
//!
//! - for one or two samples: the unstarted coroutines that only it can reach are offered to all;
//! - longer: it counts as blocked, and no coroutines are handed over to it;
//! - longer still: its coroutine is reported on standard error, once.
//!
//! It also has the pools of stacks trimmed: a worker that did so by itself would have to set a timer with each
//! of its sleeps.
//!
//! When all workers are blocked while unstarted coroutines wait, a spare worker is started. It stays
//! for the next time, asleep, and hosts what it has started to its end.
//!
//! The length of a turn is counted in samples as well as by the clock, and without the time for which the worker's
//! thread waited for a processor. So nothing is reported where the machine was suspended or is overloaded.

mod handle;
mod reporter;
mod thread;

pub(super) use handle::Monitor;
pub(super) use thread::start;
