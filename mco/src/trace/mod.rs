//! Traces: with `MCO_TRACE=file.json` mco records what happens when, and writes it in the Chrome trace event format.
//!
//! # Recording
//!
//! Each worker's thread has a [`Lane`]: a [`ring`] of words in which only that thread records what it does. A
//! thread-local variable points to it. When nothing is recorded, tracing costs no more than finding that variable
//! empty.
//!
//! ```text
//!   worker      begin   wake(7)      spawn(9)        end: 5, blocked in receive  begin ..
//!   its lane           (kept)       │WAKE 7│SPAWN_AT│SLICE: 5, its site, T2,   │
//!                                   │      │9, T1   │blocked in receive at ..  │
//! ```
//!
//! - **A stamp is what costs most**, some 8 ns of the 130 of a round trip between two coroutines with
//!   their two switches and two wakes. So there is one a switch: the end of a slice is the begin of the
//!   next, unless the worker has looked elsewhere in between ([`looked`], [`arrived`]). A wake within a
//!   worker needs none: whom it wakes cannot run before the slice is over. One that goes elsewhere has
//!   one, and so has a spawn.
//! - **The records are what costs next**, some 2 ns each, whatever their length. So a slice is one, and
//!   has room for the one wake that most slices do.
//! - **What a record says is constant**: ids, reasons, and places in the source, as addresses of what
//!   lives for ever. Names are kept separately ([`recorder`]), since they go away with their coroutines.
//! - **Memory is bounded**: a lane keeps the newest (`MCO_TRACE_BUFFER`), and the file says what is
//!   missing. Wakes by threads that are no workers, and names, have bounds of their own.
//!
//! A thread that is no worker has no lane. It records its wakes and spawns under a lock.
//!
//! Not recorded: wakes of plain threads, and of a coroutine that spins on what it waits for rather
//! than switch away (its slice goes on).
//!
//! # Writing
//!
//! The file is opened when the first runtime starts, and is a valid trace from then on. When a runtime
//! ends, what its workers have recorded is added; at the end of the process all the rest is, also of
//! workers that run or are stuck at that moment: [`ring`] and [`mod@lane`] say how one reads what another
//! writes. A thread of its own does it ([`writer`]).
//! [`timeline`] makes slices and arrows of the records, [`json`] makes text of those.
//!
//! An arrow is added together with the first of its two ends. By then what is at the other end has
//! been recorded too: a wake comes before the slice that it makes possible.

mod exit;
mod json;
mod lane;
mod record;
mod recorder;
mod ring;
mod slice_end;
mod stamp;
mod timeline;
mod worker_lane;
mod writer;

/// The atomics of the ring, separate so that the model in `tests/loom` can include it and supply loom's.
mod atomic {
    pub(super) use std::sync::atomic::{AtomicU64, Ordering, fence};
}

use std::cell::Cell;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use lane::Lane;
pub(crate) use lane::TracedWorker;
use recorder::IS_BUILT_IN;
pub(crate) use recorder::{Runtime, begin as start, flush};
pub(crate) use slice_end::SliceEnd;

thread_local! {
    /// The lane of this thread, if it is a worker's and something is recorded. No destructor, so
    /// that reading it costs an instruction.
    static LANE: Cell<Option<&'static Lane>> = const { Cell::new(None) };
}

/// The lane of this thread. Without the feature `trace` there is none.
#[inline(always)]
fn lane() -> Option<&'static Lane> {
    if IS_BUILT_IN { LANE.get() } else { None }
}

/// A slice that has begun. The worker's thread alone has it.
pub(crate) struct Slice(Option<&'static Lane>);

/// By a worker that is about to run a coroutine.
#[inline(always)]
pub(crate) fn begin() -> Slice {
    let lane = lane();
    if let Some(lane) = lane {
        lane.begin();
    }
    Slice(lane)
}

impl Slice {
    /// The coroutine with this id, spawned there, has switched away.
    #[inline(always)]
    pub(crate) fn end(
        self,
        id: u64,
        site: &'static Location<'static>,
        why: impl FnOnce() -> SliceEnd,
    ) {
        if let Some(lane) = self.0 {
            lane.end(id, site, why());
        }
    }
}

/// By whoever is about to queue a coroutine that was blocked and can go on. `at_home`: on the thread
/// on which it will. `in_slice`: by a coroutine.
#[inline(always)]
pub(crate) fn wake(id: u64, at_home: bool, in_slice: impl FnOnce() -> bool) {
    match lane() {
        Some(lane) => lane.wake(id, at_home, in_slice()),
        // Of the threads at home, all have a lane, or none.
        None if !at_home && recorder::is_recording() => recorder::woken_by_thread(id),
        None => {}
    }
}

/// By whoever is about to queue an unstarted coroutine. `in_slice`: by another one.
#[inline]
pub(crate) fn spawn(id: u64, name: Option<&str>, in_slice: impl FnOnce() -> bool) {
    match lane() {
        Some(lane) => {
            recorder::named(id, name);
            lane.spawn(id, in_slice());
        }
        None if recorder::is_recording() => recorder::spawned_by_thread(id, name),
        None => {}
    }
}

/// By whoever is the first to cancel a coroutine: `why` follows the word "cancelled".
#[cold]
pub(crate) fn cancelled(id: u64, why: &dyn fmt::Display) {
    if IS_BUILT_IN {
        recorder::cancelled(id, why);
    }
}

/// By a worker between two slices: it has done something else, and so many coroutines are ready.
#[inline]
pub(crate) fn looked(ready: usize) {
    if let Some(lane) = lane() {
        lane.looked(ready);
    }
}

/// By a worker between two slices: something has come from elsewhere, so the next one may not begin where
/// the last one has ended: that was before the wake.
#[inline]
pub(crate) fn arrived() {
    if let Some(lane) = lane() {
        lane.pass();
    }
}

/// By a worker, when the number of coroutines that it hosts changes.
#[inline]
pub(crate) fn hosted(before: usize, now: usize) {
    if let Some(lane) = lane() {
        lane.hosted(before, now);
    }
}

/// Kept by `#[mco::main]`: what has been recorded is written before it returns or unwinds, where the end
/// of the process cannot be told.
pub(crate) struct UntilReturn;

impl Drop for UntilReturn {
    fn drop(&mut self) {
        if cfg!(not(unix)) {
            recorder::finish();
        }
    }
}

/// By a worker's thread, when it begins: it records from now on, if anything is recorded.
pub(crate) fn enter(runtime: Runtime, index: usize, worker: Arc<dyn TracedWorker>) {
    if IS_BUILT_IN {
        LANE.set(recorder::enter(runtime, index, worker));
    }
}

/// By a worker's thread, at its end.
pub(crate) fn leave() {
    if let Some(lane) = lane() {
        LANE.set(None);
        lane.leave();
    }
}
