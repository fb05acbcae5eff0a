//! The memory of one wheel: every timer is an entry of one array.
//!
//! A `Vec` that only grows would keep the memory of its largest burst for ever,
//! since a server's wheel is hardly ever empty and a live entry cannot move: its
//! index is in a key. So the array is filled from below and cut in half from above:
//!
//! ```text
//!            0                    half                 2 * half
//!   entries  | live or vacant     | live or vacant     |
//!              vacant[LOWER]        vacant[UPPER]        the next power of two
//! ```
//!
//! An insertion prefers a vacant entry of the lower half, so that the upper half
//! drains. Once nothing lives there, and the lower half is at most half full, the
//! upper half is freed and the lower one is divided in two in its turn.
//!
//! Cutting costs time in proportion to `half`. It is paid for either by the
//! `half / 2` removals since every entry was live (the array grows only then), or,
//! if another cut came before, by the `half` entries that this one frees, each of
//! which was once inserted. So both operations stay O(1), amortised.

use std::cell::Cell;
use std::num::NonZeroU32;

/// No entry.
pub(super) const NIL: u32 = u32::MAX;

/// Indices are smaller than this; `heaps` uses the bits that are left in a link.
pub(super) const MAX_ENTRIES: u32 = 1 << 30;

/// So many entries are kept even when none is live; a power of two.
const KEPT: usize = 64;

const LOWER: usize = 0;
const UPPER: usize = 1;

/// Names one inserted timer, also after it has fired or was removed: a key never
/// finds a later timer that took the same entry.
///
/// (Generations are 32 bits wide. For a key to be mistaken, it must be kept while
/// exactly 2³² timers, or a multiple, are inserted, and the last of them must take
/// the very same entry.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimerKey {
    index: u32,
    generation: NonZeroU32,
}

impl TimerKey {
    pub(super) fn index(self) -> u32 {
        self.index
    }
}

/// A timer, or a vacant place for one.
pub(super) struct Entry<T> {
    pub(super) deadline: u64,
    /// Owned by `heaps` while the entry is live. In a vacant entry `next` chains
    /// the vacant entries of the same half.
    pub(super) prev: Cell<u32>,
    pub(super) next: Cell<u32>,
    pub(super) child: Cell<u32>,
    /// `None` in a vacant entry.
    generation: Option<NonZeroU32>,
    /// `None` in a vacant entry.
    value: Option<T>,
}

/// See the [module's documentation](self).
pub(super) struct Slab<T> {
    /// At most `2 * half` of them.
    entries: Vec<Entry<T>>,
    /// Where the lower half ends; a power of two, at least `KEPT / 2`.
    half: usize,
    /// The first vacant entry of each half, or `NIL`.
    vacant: [u32; 2],
    live: usize,
    /// How many of the live entries are in the upper half.
    live_upper: usize,
    /// One counter for the whole slab, not one for each entry: an entry that is
    /// freed and later made anew must not start over.
    generation: NonZeroU32,
}

impl<T> Slab<T> {
    pub(super) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            half: KEPT / 2,
            vacant: [NIL; 2],
            live: 0,
            live_upper: 0,
            generation: NonZeroU32::MIN,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live
    }

    /// Stores a timer, as yet without links.
    pub(super) fn insert(&mut self, deadline: u64, value: T) -> TimerKey {
        let generation = self.generation;
        let entry = Entry {
            deadline,
            prev: Cell::new(NIL),
            next: Cell::new(NIL),
            child: Cell::new(NIL),
            generation: Some(generation),
            value: Some(value),
        };
        let side = if self.vacant[LOWER] == NIL { UPPER } else { LOWER };
        let index = self.vacant[side];
        let index = if index == NIL {
            self.push(entry)
        } else {
            let place = &mut self.entries[index as usize];
            self.vacant[side] = place.next.get();
            *place = entry;
            index
        };
        self.live += 1;
        self.live_upper += usize::from(self.side(index) == UPPER);
        self.generation = generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        TimerKey { index, generation }
    }

    /// Adds an entry to a slab in which none is vacant.
    fn push(&mut self, entry: Entry<T>) -> u32 {
        let index = u32::try_from(self.entries.len()).unwrap_or(NIL);
        assert!(index < MAX_ENTRIES, "one worker has no room for more than {MAX_ENTRIES} timers");
        if self.entries.len() == 2 * self.half {
            self.half *= 2;
            self.live_upper = 0;
        }
        self.entries.push(entry);
        index
    }

    /// Whether the timer of this key is still here.
    pub(super) fn contains(&self, key: TimerKey) -> bool {
        let entry = self.entries.get(key.index as usize);
        entry.is_some_and(|entry| entry.generation == Some(key.generation))
    }

    /// The live entry at `index`.
    pub(super) fn entry(&self, index: u32) -> &Entry<T> {
        &self.entries[index as usize]
    }

    /// Takes the timer out of the live entry at `index`, which nothing may link to
    /// any more.
    pub(super) fn take(&mut self, index: u32) -> T {
        let side = self.side(index);
        let entry = &mut self.entries[index as usize];
        let value = entry.value.take().expect("entry should be live");
        entry.generation = None;
        entry.next.set(self.vacant[side]);
        self.vacant[side] = index;
        self.live -= 1;
        self.live_upper -= usize::from(side == UPPER);
        if self.can_be_cut() {
            self.cut();
        }
        value
    }

    fn side(&self, index: u32) -> usize {
        if (index as usize) < self.half { LOWER } else { UPPER }
    }

    fn can_be_cut(&self) -> bool {
        self.live_upper == 0 && self.live <= self.half / 2 && self.half > KEPT / 2
    }

    #[cold]
    fn cut(&mut self) {
        while self.can_be_cut() {
            self.entries.truncate(self.half);
            self.half /= 2;
            let upper = &self.entries[self.half..];
            self.live_upper = upper.iter().filter(|entry| entry.generation.is_some()).count();
        }
        self.entries.shrink_to_fit();

        self.vacant = [NIL; 2];
        for index in (0..self.entries.len()).rev() {
            let side = if index < self.half { LOWER } else { UPPER };
            let entry = &self.entries[index];
            if entry.generation.is_none() {
                entry.next.set(self.vacant[side]);
                self.vacant[side] = u32::try_from(index).expect("`push` has checked it");
            }
        }
    }
}

#[cfg(test)]
mod tests;
