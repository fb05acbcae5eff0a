//! Stacks of one size, carved out of slabs: which of them are taken, and which hold memory.
//!
//! ```text
//!   slab                                     (addresses grow to the right)
//!   ├───────── stride ─────────┼───────── stride ─────────┼── .. ──┤
//!   ┌───────┬──────────────────┬───────┬──────────────────┬────────┐
//!   │ guard │ stack 0       <──│ guard │ stack 1       <──│        │
//!   └───────┴──────────────────┴───────┴──────────────────┴────────┘
//!   guard   bottom           top
//! ```
//!
//! A slab is one mapping. Its stacks are carved from the low end on, each for the first time when all that were
//! carved before are taken:
//!
//! ```text
//!   not guarded ──guard, in batches──> guarded ──take──> taken ──give──> blank, dirty ──trim──> blank, clean
//!                                                          ^                │                     │
//!                                                          └───── take ─────┴─────────────────────┘
//! ```
//!
//! A stack that is given back keeps its memory until the next [`Slabs::trim`], so neither taking nor giving
//! makes a system call, but for a new slab and a new batch of guards. A trim hands the memory of the dirty ones
//! back, many neighbours at once, and slabs of which no stack is taken as a whole.
//!
//! The lowest stack of the oldest slab is taken first, so that the younger slabs, which are as large as all
//! older ones together, become empty when there is less to do.
//!
//! A stride is an odd number of pages: the tops of the stacks, on which nearly everything happens, then fall into
//! different sets of a translation cache, as of any that is looked up by the lower bits of the page's number.

#![allow(unsafe_code)]

use super::super::Bounds;
use super::super::error::Cause;

/// A frame of C code may be so large, and step over a smaller guard: it does not touch each page on its way.
pub(super) const GUARD: usize = 64 * 1024;

/// The first slab has no more stacks, or bytes; each further one has as many as all before it, within the limits
/// below.
const FIRST_STACKS: usize = 16;
const FIRST_BYTES: usize = 64 << 20;
/// A slab goes back to the system as a whole or not at all.
const MAX_STACKS: usize = 1024;
/// Address space is plenty on 64 bits.
const MAX_BYTES: usize = if cfg!(target_pointer_width = "64") { 16 << 30 } else { 16 << 20 };
/// So many guards are made at once, or one more for each that is there.
const FEWEST_GUARDS: usize = 4;
const MOST_GUARDS: usize = 64;

/// What slabs ask of the system.
pub(super) trait Memory {
    /// Reserves so much address space, which is memory where it is touched.
    fn map(&mut self, bytes: usize) -> Result<usize, Cause>;

    /// Gives a slab back, in which so many guards are mappings of their own.
    ///
    /// # Safety
    ///
    /// It is what `map` has returned, and nobody uses it any more.
    unsafe fn unmap(&mut self, start: usize, bytes: usize, split: usize);

    /// Makes `count` guards of `bytes` each, `stride` apart from `first` on. Returns how many there are now, and how
    /// many of them are mappings of their own. If there are fewer than asked for, there is one at least.
    ///
    /// # Safety
    ///
    /// They lie in a slab, where nobody uses anything yet.
    unsafe fn guard(
        &mut self,
        first: usize,
        stride: usize,
        bytes: usize,
        count: usize,
    ) -> Result<Guards, Cause>;

    /// Takes the memory there, whose contents nobody needs. The guards in it stay.
    ///
    /// # Safety
    ///
    /// It lies in a slab, and nobody uses it.
    unsafe fn release(&mut self, start: usize, bytes: usize);

    /// How many stacks a slab may have now.
    fn slab_limit(&mut self) -> usize;
}

/// What became of a request for guards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Guards {
    pub(super) made: usize,
    pub(super) split: usize,
}

/// Where the parts of a stack lie in its stride.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    guard: usize,
    stride: usize,
}

impl Layout {
    /// For `size` usable bytes. `None`: that are more than there can be addresses for.
    pub(super) fn new(size: usize, page: usize) -> Option<Layout> {
        let usable = size.checked_next_multiple_of(page)?;
        let guard = GUARD.next_multiple_of(page);
        let even = (usable / page + guard / page).is_multiple_of(2);
        let guard = if even { guard + page } else { guard };
        let stride = usable.checked_add(guard).filter(|stride| *stride <= isize::MAX as usize)?;
        Some(Layout { guard, stride })
    }

    fn bounds(self, slab: usize, index: usize) -> Bounds {
        let guard = slab + index * self.stride;
        Bounds { guard, bottom: guard + self.guard, top: guard + self.stride }
    }
}

/// Which stack it is: its slab, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    slab: u32,
    pub(super) index: u32,
}

struct Slab {
    start: usize,
    /// How many stacks it has room for.
    stacks: usize,
    /// So many have a guard, from the low end on.
    guarded: usize,
    /// So many of the guards are mappings of their own.
    split: usize,
    /// So many were taken before, from the low end on.
    carved: usize,
    taken: usize,
    /// Carved and not taken: a bit each.
    blank: Box<[u64]>,
    /// Of those, the ones that may hold memory.
    dirty: Box<[u64]>,
}

/// The slabs of one size.
pub(super) struct Slabs<M: Memory> {
    memory: M,
    layout: Layout,
    /// By age; one that has gone back leaves a gap, since stacks know their slab by its place.
    slabs: Vec<Option<Slab>>,
    /// Those before it have no stack to give.
    first_with_room: usize,
    is_clean: bool,
}

impl<M: Memory> Slabs<M> {
    pub(super) fn new(memory: M, layout: Layout) -> Slabs<M> {
        Slabs { memory, layout, slabs: Vec::new(), first_with_room: 0, is_clean: true }
    }

    /// A stack that nobody has. What is in it does not matter.
    pub(super) fn take(&mut self) -> Result<(Slot, Bounds), Cause> {
        loop {
            let Some(slab) = self.slabs.get_mut(self.first_with_room) else {
                self.add_slab()?;
                continue;
            };
            let taken = match slab {
                Some(slab) => slab.take(&mut self.memory, self.layout),
                None => Ok(None),
            };
            match taken {
                Ok(Some(index)) => return Ok(self.slot(self.first_with_room, index)),
                Ok(None) => self.first_with_room += 1,
                Err(cause) => {
                    // The slab may be empty.
                    self.is_clean = false;
                    return self.take_blank().ok_or(cause);
                }
            }
        }
    }

    fn slot(&self, place: usize, index: usize) -> (Slot, Bounds) {
        let start = self.slabs[place].as_ref().map_or(0, |slab| slab.start);
        let slot = Slot { slab: place as u32, index: index as u32 };
        (slot, self.layout.bounds(start, index))
    }

    /// One that was carved before, from any slab.
    #[cold]
    fn take_blank(&mut self) -> Option<(Slot, Bounds)> {
        let mut slabs = self.slabs.iter_mut().enumerate();
        let (place, index) =
            slabs.find_map(|(place, slab)| Some((place, slab.as_mut()?.take_blank()?)))?;
        Some(self.slot(place, index))
    }

    /// Takes a stack back.
    pub(super) fn give(&mut self, slot: Slot) {
        let place = slot.slab as usize;
        let slab = self.slabs[place].as_mut().expect("a slab stays while a stack of it is taken");
        let (word, bit) = (slot.index as usize / 64, 1 << (slot.index % 64));
        debug_assert_eq!(slab.blank[word] & bit, 0, "a stack is given back once");
        slab.blank[word] |= bit;
        slab.dirty[word] |= bit;
        slab.taken -= 1;
        self.first_with_room = self.first_with_room.min(place);
        self.is_clean = false;
    }

    /// Whether a trim would give nothing back.
    pub(super) fn is_clean(&self) -> bool {
        self.is_clean
    }

    /// Gives the memory of all stacks back that are not taken, and whole slabs.
    pub(super) fn trim(&mut self) {
        if self.is_clean {
            return;
        }
        self.is_clean = true;
        for place in &mut self.slabs {
            let Some(slab) = place else { continue };
            if slab.taken == 0 {
                let bytes = slab.stacks * self.layout.stride;
                // SAFETY: it is a slab of ours of which no stack is taken, and forgotten here.
                unsafe { self.memory.unmap(slab.start, bytes, slab.split) };
                *place = None;
            } else {
                slab.clean(&mut self.memory, self.layout);
            }
        }
        while let Some(None) = self.slabs.last() {
            self.slabs.pop();
        }
        self.first_with_room = self.first_with_room.min(self.slabs.len());
    }

    #[cold]
    fn add_slab(&mut self) -> Result<(), Cause> {
        let stride = self.layout.stride;
        let there: usize = self.slabs.iter().flatten().map(|slab| slab.stacks).sum();
        let first = (FIRST_BYTES / stride).clamp(1, FIRST_STACKS);
        let most = (MAX_BYTES / stride).clamp(1, MAX_STACKS).min(self.memory.slab_limit());
        let mut stacks = there.max(first).min(most);
        let start = loop {
            let bytes = stacks.checked_mul(stride).filter(|bytes| *bytes <= isize::MAX as usize);
            let mapped = match bytes {
                Some(bytes) => self.memory.map(bytes),
                None => Err(Cause::TooLarge { limit: isize::MAX as usize, remedy: "" }),
            };
            match mapped {
                Ok(start) => break start,
                // There may be room for fewer.
                Err(_) if stacks > 1 => stacks /= 2,
                Err(cause) => return Err(cause),
            }
        };
        let bits = || vec![0; stacks.div_ceil(64)].into_boxed_slice();
        let (blank, dirty) = (bits(), bits());
        let slab = Slab { start, stacks, guarded: 0, split: 0, carved: 0, taken: 0, blank, dirty };
        let place = self.slabs.iter().position(Option::is_none).unwrap_or(self.slabs.len());
        if place == self.slabs.len() {
            self.slabs.push(None);
        }
        self.slabs[place] = Some(slab);
        self.first_with_room = self.first_with_room.min(place);
        Ok(())
    }
}

impl Slab {
    /// The lowest stack that is not taken; `None`: all are.
    fn take(&mut self, memory: &mut impl Memory, layout: Layout) -> Result<Option<usize>, Cause> {
        if let Some(index) = self.take_blank() {
            return Ok(Some(index));
        }
        if self.carved == self.stacks {
            return Ok(None);
        }
        if self.carved == self.guarded {
            self.add_guards(memory, layout)?;
        }
        self.carved += 1;
        self.taken += 1;
        Ok(Some(self.carved - 1))
    }

    /// The lowest one that was taken before and is not now.
    fn take_blank(&mut self) -> Option<usize> {
        if self.taken == self.carved {
            return None;
        }
        let word = self.blank.iter().position(|word| *word != 0)?;
        let bit = self.blank[word].trailing_zeros();
        self.blank[word] &= !(1 << bit);
        self.dirty[word] &= !(1 << bit);
        self.taken += 1;
        Some(word * 64 + bit as usize)
    }

    #[cold]
    fn add_guards(&mut self, memory: &mut impl Memory, layout: Layout) -> Result<(), Cause> {
        let count = self.guarded.clamp(FEWEST_GUARDS, MOST_GUARDS).min(self.stacks - self.guarded);
        let first = layout.bounds(self.start, self.guarded).guard;
        // SAFETY: they are the lowest ones that have none, so nothing has been carved there yet.
        let guards = unsafe { memory.guard(first, layout.stride, layout.guard, count)? };
        self.guarded += guards.made;
        self.split += guards.split;
        Ok(())
    }

    /// Gives the memory of the dirty ones back, neighbours at once.
    fn clean(&mut self, memory: &mut impl Memory, layout: Layout) {
        let is_dirty = |index: usize| self.dirty[index / 64] >> (index % 64) & 1 == 1;
        let mut from = 0;
        while from < self.carved {
            if !is_dirty(from) {
                from += 1;
                continue;
            }
            let run = (from..self.carved).take_while(|index| is_dirty(*index)).count();
            let start = layout.bounds(self.start, from).bottom;
            let end = layout.bounds(self.start, from + run - 1).top;
            // SAFETY: none of them is taken; between them there are guards only.
            unsafe { memory.release(start, end - start) };
            from += run;
        }
        self.dirty.fill(0);
    }
}

impl<M: Memory> Drop for Slabs<M> {
    /// Slabs of which a stack is still taken are left behind, with what lies on it.
    fn drop(&mut self) {
        self.is_clean = false;
        self.trim();
    }
}

#[cfg(test)]
mod tests;
