//! What one thread records: a ring of words that it alone writes, and that anyone may read meanwhile.
//!
//! The ring is divided into chunks, and no record crosses from one into the next; so the begin of a
//! chunk is the begin of a record. `head` counts all words ever written.
//!
//! - The writer writes a record's words behind `head`, over what was there a lap ago, and then moves
//!   `head` past them.
//! - A reader looks at `head`, copies the last lap before it, and looks again: what lies a lap before
//!   the second look, and a record further, may have been overwritten while it was copied. It drops
//!   that, up to the next chunk.
//!
//! Why the second look is late enough: the writer has a Release fence between moving `head` past one
//! record and writing the next, and the reader an Acquire fence between copying and looking. If a copied
//! word is of a record that the reader must not see, the writer's fence before that record comes before
//! the reader's fence, and the second look finds `head` where that record begins, or further on.
//!
//! So the writer never waits, and a reader does not need the writer to do anything: it may be stuck.
//! `tests/loom/recording.rs` explores it.

#![allow(unsafe_code)]

use super::atomic::{AtomicU64, Ordering, fence};
use crate::prefetch::prefetch;

/// Words of a chunk.
pub(super) const CHUNK: usize = 4096;

/// Instead of a record: the rest of the chunk is empty.
pub(super) const PAD: u64 = 0;

/// So many words ahead are fetched into the cache: a few records.
const AHEAD: usize = 24;

/// Words of the longest record.
const LONGEST: u64 = 6;

/// See the module.
pub(super) struct Ring {
    /// A power of two, and a number of chunks. Written by the lane's thread alone.
    words: Box<[AtomicU64]>,
    /// As above.
    head: AtomicU64,
}

/// What a reader has got.
#[derive(Debug)]
pub(super) struct Copied {
    words: Vec<u64>,
    /// How many words are missing before these.
    pub(super) missing: u64,
}

impl Ring {
    /// A ring of so many words, rounded up to a power of two of chunks. Its memory is taken as it is used.
    pub(super) fn new(words: usize) -> Ring {
        let chunks = words.div_ceil(CHUNK).max(2).next_power_of_two();
        Ring { words: zeroed(chunks * CHUNK), head: AtomicU64::new(0) }
    }

    /// The place of what is written when `head` is this.
    #[inline(always)]
    fn place(&self, head: u64) -> usize {
        head as usize & (self.words.len() - 1)
    }

    /// Adds a record. By the lane's thread.
    #[inline(always)]
    pub(super) fn write<const N: usize>(&self, record: [u64; N]) {
        const { assert!(N as u64 <= LONGEST) }
        let mut head = self.head.load(Ordering::Relaxed);
        if head as usize % CHUNK > CHUNK - N {
            head = self.next_chunk();
        }
        // See the module.
        fence(Ordering::Release);
        let place = self.place(head);
        for (index, word) in record.into_iter().enumerate() {
            // SAFETY: the place lies in the ring, and in the chunk of the place are `N` words more, as
            // was just seen; the ring ends with a chunk.
            unsafe { self.words.get_unchecked(place + index) }.store(word, Ordering::Relaxed);
        }
        // Release: who sees the new head sees the record.
        self.head.store(head + N as u64, Ordering::Release);
        // Otherwise the next locked operation would wait for it: there are some in each switch.
        prefetch(self.words.as_ptr().wrapping_add(place + AHEAD).cast(), 1);
    }

    /// Fills the chunk up; returns the head of the next.
    #[cold]
    #[inline(never)]
    fn next_chunk(&self) -> u64 {
        let head = self.head.load(Ordering::Relaxed);
        let next = head.next_multiple_of(CHUNK as u64);
        if next > head {
            fence(Ordering::Release);
            self.words[self.place(head)].store(PAD, Ordering::Relaxed);
            self.head.store(next, Ordering::Release);
        }
        next
    }

    /// The newest of what has been written. By anyone.
    pub(super) fn copy(&self) -> Copied {
        let head = self.head.load(Ordering::Acquire);
        let len = self.words.len() as u64;
        let oldest = head.saturating_sub(len);
        let word = |at: u64| self.words[self.place(at)].load(Ordering::Relaxed);
        let mut words: Vec<u64> = (oldest..head).map(word).collect();
        fence(Ordering::Acquire);
        let now = self.head.load(Ordering::Relaxed);
        let overwritten = (now + LONGEST).saturating_sub(len);
        let intact = overwritten.next_multiple_of(CHUNK as u64).clamp(oldest, head);
        words.drain(..(intact - oldest) as usize);
        Copied { words, missing: intact }
    }

    /// Whether nothing has been written since it was copied.
    pub(super) fn ends_with(&self, copied: &Copied) -> bool {
        self.head.load(Ordering::Relaxed) == copied.missing + copied.len()
    }

    /// Forgets everything. While nobody writes.
    pub(super) fn clear(&self) {
        self.head.store(0, Ordering::Relaxed);
    }
}

impl Copied {
    /// The chunks, the last of which need not be full.
    pub(super) fn chunks(&self) -> impl Iterator<Item = &[u64]> {
        self.words.chunks(CHUNK)
    }

    pub(super) fn len(&self) -> u64 {
        self.words.len() as u64
    }
}

/// Zeros that take no memory before they are written.
fn zeroed(words: usize) -> Box<[AtomicU64]> {
    // SAFETY: an `AtomicU64` of zeros is one with the value 0.
    unsafe { Box::<[AtomicU64]>::new_zeroed_slice(words).assume_init() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    /// A record of so many words that says who it is.
    fn write(ring: &Ring, number: u64) {
        let head = number << 2;
        match number % 3 {
            0 => ring.write([head | 1]),
            1 => ring.write([head | 2, !number]),
            _ => ring.write([head | 3, !number, number]),
        }
    }

    /// The numbers of the records, each of which must be whole.
    fn read(copied: &Copied) -> Vec<u64> {
        let mut numbers = Vec::new();
        for chunk in copied.chunks() {
            let mut words = chunk.iter();
            while let Some(&head) = words.next().filter(|head| **head != PAD) {
                let number = head >> 2;
                assert_eq!(head & 3, number % 3 + 1, "the begin of no record");
                if head & 3 > 1 {
                    assert_eq!(words.next(), Some(&!number));
                }
                if head & 3 > 2 {
                    assert_eq!(words.next(), Some(&number));
                }
                numbers.push(number);
            }
        }
        numbers
    }

    fn assert_consecutive(numbers: &[u64]) {
        assert!(numbers.windows(2).all(|pair| pair[0] + 1 == pair[1]), "one is missing");
    }

    #[test]
    fn all_is_kept_as_long_as_there_is_room() {
        let ring = Ring::new(4 * CHUNK);
        (1..=5_000).for_each(|number| write(&ring, number));
        let copied = ring.copy();
        assert_eq!(copied.missing, 0);
        assert_eq!(read(&copied), (1..=5_000).collect::<Vec<_>>());
    }

    #[test]
    fn the_newest_are_kept_if_there_is_not() {
        let ring = Ring::new(2 * CHUNK);
        (1..=100_000).for_each(|number| write(&ring, number));
        let copied = ring.copy();
        let numbers = read(&copied);
        assert_consecutive(&numbers);
        assert_eq!(numbers.last(), Some(&100_000));
        assert_eq!(copied.missing % CHUNK as u64, 0);
        assert!(copied.missing > 100_000 && copied.len() > CHUNK as u64 / 2);
    }

    #[test]
    fn what_is_read_while_others_write_is_whole() {
        let ring = Ring::new(2 * CHUNK);
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let rounds = if cfg!(miri) { 30_000 } else { 3_000_000 };
                (1..=rounds).for_each(|number| write(&ring, number));
                done.store(true, Ordering::Relaxed);
            });
            let mut last = 0;
            while !done.load(Ordering::Relaxed) {
                let numbers = read(&ring.copy());
                assert_consecutive(&numbers);
                if let Some(newest) = numbers.last() {
                    assert!(last <= *newest);
                    last = *newest;
                }
            }
        });
        assert!(!read(&ring.copy()).is_empty());
    }
}
