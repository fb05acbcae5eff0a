//! A row of numbered heaps: each tells the earliest of its timers, and the row tells
//! the first heap that holds any.
//!
//! A plain list per slot would make inserting and removing O(1), but finding the
//! earliest a walk through the slot. With 100,000 idle connections in one slot and a
//! request that sets a timer and cancels it again, every turn of the worker would pay
//! for that walk. So a slot is a **pairing heap**, which is a mere list until somebody
//! asks:
//!
//! ```text
//!   heap --> 7 - 3 - 9 - 4     inserted: a list of trees, each of them a single timer
//!
//!   heap --> 3                 asked for the earliest: neighbours were compared, and
//!            |                 the later one became a child of the earlier one, until
//!            7 - 4             one tree was left
//!                |
//!                9
//!
//!   heap --> 7 - 4             removed: the children take the place of their parent
//!                |
//!                9
//! ```
//!
//! - **Heap order**: no timer is earlier than its parent. So the root of a lone tree is
//!   the earliest of all.
//! - **Cost**: inserting and removing are a handful of writes, whatever the shape.
//!   Asking costs a comparison for each tree but one and leaves a single tree: two timers
//!   that were compared are not compared again until the earlier one is gone. In the long
//!   run that is one comparison for each timer that came and, as in any pairing heap, a
//!   logarithm for each root that went; only a few if timers go in the order in which
//!   they came, as those of one fixed time-out do (a test counts).
//! - **Ties**: of equal deadlines, the one inserted first is the earliest. Read a heap
//!   in preorder (a timer, then its children, then its next sibling). Equal deadlines
//!   are always in order of insertion: a new timer comes last; removing one moves no
//!   other past another; and only neighbours are compared. If the right one is earlier,
//!   the left one becomes its *first* child, and the right one alone has moved, past a
//!   tree in which everything is later than it. If not, the right one becomes the *last*
//!   child of the left one, and nothing has moved. A root comes first in preorder, so a
//!   lone root comes before all equal deadlines.
//!
//! # Links
//!
//! Siblings are a doubly linked list. `prev` of the first sibling is the last one, so
//! that a list's owner reaches both ends with one link. `next` of the last sibling leads
//! up to the owner and is marked so, such that removing a first or last sibling finds
//! the link to mend.

use std::cell::Cell;

use super::slab::{MAX_ENTRIES, NIL, Slab, TimerKey};

/// How many heaps share a word of the bitmap.
pub(super) const HEAPS_PER_WORD: u32 = u64::BITS;

/// `HEAPS_PER_WORD * WORDS` heaps over one slab.
pub(super) struct Heaps<T, const WORDS: usize> {
    slab: Slab<T>,
    /// The first tree of each heap, or `NIL`. In cells, like all the links: to find the
    /// earliest timer, trees are joined, although for the caller nothing changes. Boxed
    /// so that moving it all costs little.
    first: Box<[[Cell<u32>; HEAPS_PER_WORD as usize]; WORDS]>,
    /// A bit for each heap, set unless the heap is empty.
    occupied: [u64; WORDS],
}

/// What a list of siblings belongs to.
#[derive(Clone, Copy)]
enum Owner {
    /// The list is the trees of this heap.
    Heap(u32),
    /// The list is the children of this entry.
    Entry(u32),
}

impl Owner {
    // The two upper bits of a link that leads up. In a link to a sibling they are zero.
    const ENTRY: u32 = MAX_ENTRIES;
    const HEAP: u32 = 2 * MAX_ENTRIES;

    /// The link of the last sibling.
    fn to_link(self) -> u32 {
        match self {
            Self::Heap(heap) => Self::HEAP | heap,
            Self::Entry(index) => Self::ENTRY | index,
        }
    }

    /// Where a link leads up to, or `None` if it leads to a sibling.
    fn from_link(link: u32) -> Option<Self> {
        let number = link % MAX_ENTRIES;
        match link - number {
            0 => None,
            Self::ENTRY => Some(Self::Entry(number)),
            _ => Some(Self::Heap(number)),
        }
    }
}

impl<T, const WORDS: usize> Heaps<T, WORDS> {
    pub(super) fn new() -> Self {
        Self {
            slab: Slab::new(),
            first: Box::new([const { [const { Cell::new(NIL) }; HEAPS_PER_WORD as usize] }; WORDS]),
            occupied: [0; WORDS],
        }
    }

    /// How many timers all heaps hold.
    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn insert(&mut self, heap: u32, deadline: u64, value: T) -> TimerKey {
        let key = self.slab.insert(deadline, value);
        self.append(heap, key.index());
        key
    }

    pub(super) fn remove(&mut self, key: TimerKey) -> Option<T> {
        self.slab.contains(key).then(|| self.take(key.index()))
    }

    /// Removes the timer at `index`.
    pub(super) fn take(&mut self, index: u32) -> T {
        self.replace_by_children(index);
        self.slab.take(index)
    }

    pub(super) fn deadline(&self, index: u32) -> u64 {
        self.slab.entry(index).deadline
    }

    /// The lowest number of a heap that isn't empty.
    pub(super) fn first_occupied(&self) -> Option<u32> {
        let words = (0..).step_by(HEAPS_PER_WORD as usize).zip(self.occupied);
        let (heap, word) = words.into_iter().find(|&(_, word)| word != 0)?;
        Some(heap + word.trailing_zeros())
    }

    /// The index of the earliest timer of a heap, which must not be empty.
    pub(super) fn earliest(&self, heap: u32) -> u32 {
        let owner = Owner::Heap(heap);
        let first = self.first_link(owner).get();
        if Owner::from_link(self.next(first)).is_some() {
            return first;
        }
        // Join pairs from left to right, then fold the winners from right to left. The
        // two passes are what the logarithm is owed to: folding the whole list from the
        // left would compare all with the same timer and learn little for next time.
        let mut winner = NIL;
        let mut next = first;
        while Owner::from_link(next).is_none() {
            let left = next;
            next = self.next(left);
            let mut root = left;
            if Owner::from_link(next).is_none() {
                let right = next;
                next = self.next(right);
                root = self.join(left, right);
            }
            // Chain the winners through `prev`; the list is written anew at the end.
            self.slab.entry(root).prev.set(winner);
            winner = root;
        }
        let mut root = winner;
        winner = self.prev(root);
        while winner != NIL {
            let left = winner;
            winner = self.prev(left);
            root = self.join(left, root);
        }
        self.first_link(owner).set(NIL);
        self.insert_last(owner, root);
        root
    }

    /// Empties a heap and puts each of its timers where `heap_for` says.
    pub(super) fn scatter(&mut self, heap: u32, heap_for: impl Fn(u64) -> u32) {
        // Every timer is about to get new links, so it is enough to thread the `next`
        // links to one chain in preorder, on the way.
        let mut next = self.first_link(Owner::Heap(heap)).replace(NIL);
        self.set_occupied(heap, false);
        while Owner::from_link(next).is_none() {
            let index = next;
            let entry = self.slab.entry(index);
            let child = entry.child.replace(NIL);
            next = entry.next.get();
            if child != NIL {
                self.slab.entry(self.prev(child)).next.set(next);
                next = child;
            }
            self.append(heap_for(entry.deadline), index);
        }
    }
}

// Links.
impl<T, const WORDS: usize> Heaps<T, WORDS> {
    fn prev(&self, index: u32) -> u32 {
        self.slab.entry(index).prev.get()
    }

    fn next(&self, index: u32) -> u32 {
        self.slab.entry(index).next.get()
    }

    /// The link to the first sibling of an owner's list.
    fn first_link(&self, owner: Owner) -> &Cell<u32> {
        match owner {
            Owner::Heap(heap) => {
                let (word, bit) = (heap / HEAPS_PER_WORD, heap % HEAPS_PER_WORD);
                &self.first[word as usize][bit as usize]
            }
            Owner::Entry(index) => &self.slab.entry(index).child,
        }
    }

    /// The link back from what follows in a list: from the next sibling or, at the end of
    /// the list, from the first one.
    fn link_back(&self, next: u32) -> &Cell<u32> {
        let index = match Owner::from_link(next) {
            Some(owner) => self.first_link(owner).get(),
            None => next,
        };
        &self.slab.entry(index).prev
    }

    fn set_occupied(&mut self, heap: u32, occupied: bool) {
        let (word, bit) = (heap / HEAPS_PER_WORD, heap % HEAPS_PER_WORD);
        let word = &mut self.occupied[word as usize];
        *word = *word & !(1 << bit) | u64::from(occupied) << bit;
    }

    /// Makes an entry without links the last tree of a heap.
    fn append(&mut self, heap: u32, index: u32) {
        self.insert_last(Owner::Heap(heap), index);
        self.set_occupied(heap, true);
    }

    /// Unlinks an entry and puts its children in its place.
    fn replace_by_children(&mut self, index: u32) {
        let entry = self.slab.entry(index);
        // First the children come after it..
        let child = entry.child.replace(NIL);
        if child != NIL {
            let next = entry.next.replace(child);
            let last = self.slab.entry(child).prev.replace(index);
            self.slab.entry(last).next.set(next);
            self.link_back(next).set(last);
        }
        // .. then it goes. `prev` of a first sibling is the last one, which leads up.
        let (prev, next) = (entry.prev.get(), entry.next.get());
        match Owner::from_link(self.next(prev)) {
            None => {
                self.slab.entry(prev).next.set(next);
                self.link_back(next).set(prev);
            }
            Some(owner) if prev != index => {
                self.first_link(owner).set(next);
                self.link_back(next).set(prev);
            }
            // It has been alone.
            Some(owner) => {
                self.first_link(owner).set(NIL);
                if let Owner::Heap(heap) = owner {
                    self.set_occupied(heap, false);
                }
            }
        }
    }

    /// Makes two trees one, of which the left one comes first in its list, and returns
    /// the root. Of the roots' links, only those to their children are used.
    fn join(&self, left: u32, right: u32) -> u32 {
        if self.deadline(right) < self.deadline(left) {
            self.insert_first(Owner::Entry(right), left);
            right
        } else {
            self.insert_last(Owner::Entry(left), right);
            left
        }
    }

    fn insert_first(&self, owner: Owner, index: u32) {
        let first = self.first_link(owner).get();
        if first == NIL {
            self.insert_last(owner, index);
        } else {
            let entry = self.slab.entry(index);
            entry.next.set(first);
            entry.prev.set(self.slab.entry(first).prev.replace(index));
            self.first_link(owner).set(index);
        }
    }

    fn insert_last(&self, owner: Owner, index: u32) {
        let entry = self.slab.entry(index);
        entry.next.set(owner.to_link());
        let first = self.first_link(owner).get();
        if first == NIL {
            entry.prev.set(index);
            self.first_link(owner).set(index);
        } else {
            let last = self.slab.entry(first).prev.replace(index);
            entry.prev.set(last);
            self.slab.entry(last).next.set(index);
        }
    }
}

#[cfg(test)]
mod tests;
