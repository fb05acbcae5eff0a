//! The records of a lane.
//!
//! | record | words |
//! | --- | --- |
//! | `SLICE` | a coroutine's id, and why it has stopped; where it was spawned; the end, a stamp; where it is blocked, or 0; whom it has woken at home last, or 0 |
//! | `SLICE_AT` | the same; the begin, a stamp. Without it, it began where the one before has ended |
//! | `WAKE` | the id of one whom the slice that comes next has woken at home |
//! | `WAKE_AT`, `SPAWN_AT` | an id; a stamp: the slice that comes next has done that |
//! | `OUTSIDE_WAKE`, `OUTSIDE_SPAWN` | an id; a stamp: so has the worker, outside of slices |
//! | `HOSTED` | how many coroutines the worker hosts |
//! | `READY` | how many coroutines are ready; a stamp |
//!
//! A first word has the kind in its highest byte, the reason in the next, and then an id or a number.

#![allow(unsafe_code)]

use std::panic::Location;
use std::ptr;

use super::slice_end::SliceEnd;

// 0 is the ring's own.
pub(super) const SLICE: u64 = 1;
pub(super) const SLICE_AT: u64 = 2;
pub(super) const WAKE: u64 = 3;
pub(super) const WAKE_AT: u64 = 4;
pub(super) const SPAWN_AT: u64 = 5;
pub(super) const OUTSIDE_WAKE: u64 = 6;
pub(super) const OUTSIDE_SPAWN: u64 = 7;
pub(super) const HOSTED: u64 = 8;
pub(super) const READY: u64 = 9;
/// With the kind of a slice: it is its coroutine's first.
pub(super) const FIRST: u64 = 0x80;

const KIND: u32 = 56;
const CODE: u32 = 48;
const VALUE: u64 = (1 << CODE) - 1;

/// A record's first word.
#[inline(always)]
pub(super) fn head(kind: u64, value: u64) -> u64 {
    debug_assert!(value <= VALUE);
    kind << KIND | value
}

/// A source location, as a word.
#[inline(always)]
pub(super) fn site(site: &'static Location<'static>) -> u64 {
    ptr::from_ref(site).expose_provenance() as u64
}

/// The first word of a slice, and where it is blocked.
#[inline(always)]
pub(super) fn end(kind: u64, id: u64, why: SliceEnd) -> (u64, u64) {
    (head(kind, id) | u64::from(why.code) << CODE, why.site.map_or(0, site))
}

/// A record as the reader sees it. Times are stamps.
#[derive(Clone, Copy, Debug)]
pub(super) enum Record {
    Slice {
        id: u64,
        site: Option<&'static Location<'static>>,
        first: bool,
        begin: Option<u64>,
        end: u64,
        why: SliceEnd,
        woken: Option<u64>,
    },
    Wake {
        id: u64,
        at: Option<u64>,
    },
    Spawn {
        id: u64,
        at: u64,
    },
    OutsideWake {
        id: u64,
        at: u64,
    },
    OutsideSpawn {
        id: u64,
        at: u64,
    },
    Hosted {
        hosted: u64,
    },
    Ready {
        ready: u64,
        at: u64,
    },
}

/// Takes the first record off `words`, the rest of a chunk. `None`: there is no more in it.
///
/// # Safety
///
/// The words must be records as they were written, from the begin of one on.
pub(super) unsafe fn take(words: &mut &[u64]) -> Option<Record> {
    let (&first, rest) = words.split_first()?;
    let (kind, value) = (first >> KIND, first & VALUE);
    let mut rest = rest.iter().copied();
    let mut next = || rest.next().unwrap_or(0);
    // SAFETY: null, or from a reference to something constant that lives for ever, by the caller's
    // promise.
    let place = |word: u64| unsafe {
        ptr::with_exposed_provenance::<Location<'static>>(word as usize).as_ref()
    };
    let record = match kind & !FIRST {
        SLICE | SLICE_AT => {
            let (spawned, end, blocked, woken) = (next(), next(), next(), next());
            let begin = (kind & !FIRST == SLICE_AT).then(&mut next);
            let (site, blocked) = (place(spawned), place(blocked));
            let why = SliceEnd { code: (first >> CODE) as u8, site: blocked };
            let (first, woken) = (kind & FIRST != 0, Some(woken).filter(|id| *id != 0));
            Record::Slice { id: value, site, first, begin, end, why, woken }
        }
        WAKE => Record::Wake { id: value, at: None },
        WAKE_AT => Record::Wake { id: value, at: Some(next()) },
        SPAWN_AT => Record::Spawn { id: value, at: next() },
        OUTSIDE_WAKE => Record::OutsideWake { id: value, at: next() },
        OUTSIDE_SPAWN => Record::OutsideSpawn { id: value, at: next() },
        HOSTED => Record::Hosted { hosted: value },
        READY => Record::Ready { ready: value, at: next() },
        _ => return None,
    };
    let left = rest.len();
    *words = &words[words.len() - left..];
    Some(record)
}
