//! The backtrace of a suspended coroutine, taken by itself.
//!
//! Systems only walk the stack on which a thread runs. So the home worker, between two turns, resumes the coroutine,
//! and [`FRAMES`] says where to leave the frames. The coroutine comes back from its switch, walks its own stack, and
//! suspends again. Its wait does not change by that:
//!
//! ```text
//!   home worker                                   coroutine, suspended in `switch`
//!   FRAMES = place
//!   resume ─────────────────────────────────────> comes back, sees FRAMES: walks its stack
//!   FRAMES = null   <──────────────────────────── suspends again
//! ```
//!
//! Nothing else can happen in between: only the home worker resumes it, and that one is here. Whoever
//! wakes it meanwhile queues it, as ever, and it runs when its turn comes. Whether it is parked, or
//! queued after a wake or a yield, makes no difference.
//!
//! Addresses only are taken there, without a lock and without memory of their own; names are found by
//! [`resolve`], by whoever wants them, which may take long.
//!
//! Without the feature `backtrace` nobody asks, since names cannot be found.

#![allow(unsafe_code)]

use std::cell::Cell;
#[cfg(feature = "backtrace")]
use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;

use crate::fiber::Bounds;

/// Whether backtraces can be had at all.
pub(crate) const IS_BUILT_IN: bool = cfg!(feature = "backtrace");

/// More frames than this are cut off.
pub(super) const MAX_FRAMES: usize = 96;

/// What walking a stack takes of it, with a good margin. A coroutine that has less left is let be.
const ROOM: usize = 9 * 1024;

thread_local! {
    /// Where the coroutine that has just been resumed is to leave its frames; null: it is to go on.
    static FRAMES: Cell<*mut Frames> = const { Cell::new(ptr::null_mut()) };
}

/// The addresses of a stack's frames, the innermost first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Frames {
    pub(crate) addresses: Vec<usize>,
    /// There are more.
    pub(crate) cut_off: bool,
    /// So little is left of the stack that it was let be.
    pub(crate) no_room: bool,
}

/// By a coroutine that has just been resumed.
#[inline(always)]
pub(in crate::task) fn is_asked_for() -> bool {
    IS_BUILT_IN && !FRAMES.get().is_null()
}

/// By the coroutine that was asked, on its own stack, which lies in `bounds`.
#[inline(never)]
pub(in crate::task) fn answer(bounds: Bounds) {
    let here = ptr::from_ref(&bounds).addr();
    // SAFETY: it is not null, and its owner waits in `request` until this coroutine suspends.
    let frames = unsafe { &mut *FRAMES.get() };
    if here.saturating_sub(bounds.bottom) < ROOM {
        frames.no_room = true;
        return;
    }
    walk(bounds, |address| {
        frames.cut_off = frames.addresses.len() == MAX_FRAMES;
        if !frames.cut_off {
            // Within its capacity.
            frames.addresses.push(address);
        }
        !frames.cut_off
    });
}

/// Calls `visit` with the address of each frame of this stack, which lies in `bounds`, the innermost first, until it
/// says `false`. Further out there may be the worker's frames.
#[cfg(feature = "backtrace")]
#[inline(always)]
fn walk(bounds: Bounds, mut visit: impl FnMut(usize) -> bool) {
    let visit =
        |frame: &backtrace::Frame| bounds.contains(frame.sp().addr()) && visit(frame.ip().addr());
    #[cfg(not(windows))]
    // SAFETY: synchronisation is needed for the library of Windows only.
    unsafe {
        backtrace::trace_unsynchronized(visit);
    }
    #[cfg(windows)]
    backtrace::trace(visit);
}

#[cfg(not(feature = "backtrace"))]
fn walk(_bounds: Bounds, _visit: impl FnMut(usize) -> bool) {}

/// By the home worker: takes the frames of the coroutine that `resume` resumes, for this alone.
pub(super) fn request(resume: impl FnOnce()) -> Frames {
    let mut frames = Frames { addresses: Vec::with_capacity(MAX_FRAMES), ..Frames::default() };
    FRAMES.set(&raw mut frames);
    resume();
    FRAMES.set(ptr::null_mut());
    frames
}

/// A line of a backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) function: String,
    pub(crate) file: Option<PathBuf>,
    /// Line and column, as far as they are known.
    pub(crate) place: String,
}

/// The names of what lies at an address: several, if functions are inlined into each other there, the
/// innermost first. Slow, and takes locks: not for a worker.
#[cfg(feature = "backtrace")]
pub(crate) fn resolve(address: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    backtrace::resolve(ptr::without_provenance_mut::<c_void>(address), |symbol| {
        let Some(name) = symbol.name() else { return };
        let numbers = [symbol.lineno(), symbol.colno()].into_iter().flatten();
        // Without the hash at the end.
        let function = format!("{name:#}");
        let file = symbol.filename().map(Path::to_owned);
        lines.push(Line { function, file, place: numbers.map(|n| format!(":{n}")).collect() });
    });
    lines
}

#[cfg(not(feature = "backtrace"))]
pub(crate) fn resolve(_address: usize) -> Vec<Line> {
    Vec::new()
}

/// The folder of mco's sources, as the names of files in backtraces begin, if that can be told.
pub(crate) fn own_folder() -> Option<&'static Path> {
    static FOLDER: OnceLock<Option<PathBuf>> = OnceLock::new();
    let find = || {
        // Anywhere in a function of this file.
        let lines = resolve((answer as *const ()).addr() + 1);
        let file = lines.into_iter().filter_map(|line| line.file).find(|f| f.ends_with(OWN_FILE));
        Some(file?.ancestors().nth(Path::new(OWN_FILE).components().count())?.to_owned())
    };
    FOLDER.get_or_init(find).as_deref()
}

/// This file, in the folder of mco's sources: there a coroutine is asked for its frames.
pub(crate) const OWN_FILE: &str = "task/inspect/backtrace.rs";

/// Where the closure of a coroutine is called.
pub(crate) const CALLING_FILE: &str = "task/body.rs";
