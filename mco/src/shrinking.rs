//! Queues and tables that give memory back as they drain.
//!
//! A container that grows with a burst would keep the memory of the largest one for ever. So one of which less than a
//! quarter is in use is shrunk to half. That costs what is moved, fewer than a quarter of its places, for which at
//! least as many have been taken out since it was last cut or grew: a constant for each. Nothing is cut that is
//! small.

use std::collections::VecDeque;
use std::mem;

/// A container of at most so many bytes is never shrunk.
const KEPT: usize = 4096;

/// Whether a container with this capacity is to be cut.
#[inline(always)]
fn is_too_large<T>(len: usize, capacity: usize) -> bool {
    // How many are kept.
    let kept = const { if size_of::<T>() == 0 { usize::MAX } else { KEPT / size_of::<T>() } };
    capacity > kept && len < capacity / 4
}

/// Takes the first one out.
#[inline(always)]
pub(crate) fn pop_front<T>(queue: &mut VecDeque<T>) -> Option<T> {
    let first = queue.pop_front()?;
    trim_queue(queue);
    Some(first)
}

/// Shrinks a queue, if that is worth it. To be called after an element was taken out.
#[inline(always)]
pub(crate) fn trim_queue<T>(queue: &mut VecDeque<T>) {
    /// It is looked at every so many times, as it drains; not where most queues stand, with hardly anything in them.
    const STEP: usize = 16;
    #[cold]
    #[inline(never)]
    fn look<T>(queue: &mut VecDeque<T>) {
        if is_too_large::<T>(queue.len(), queue.capacity()) {
            queue.shrink_to(queue.capacity() / 2);
        }
    }
    if queue.len() % STEP == STEP / 2 {
        look(queue);
    }
}

/// After something has been taken out.
pub(crate) fn trim_list<T>(list: &mut Vec<T>) {
    if is_too_large::<T>(list.len(), list.capacity()) {
        list.shrink_to(list.capacity() / 2);
    }
}

/// A table whose entries stay where they are until they are removed.
///
/// As in [the wheel's](crate::timer), whose head says why that costs a constant for each: an insertion prefers a
/// vacant place in the lower half, so that the upper one drains. Once nothing lives there, and the lower half is at
/// most half full, the upper half is freed, and the lower one divided in two in its turn.
pub(crate) struct Slab<T> {
    /// At most `2 * half` of them.
    entries: Vec<Entry<T>>,
    /// Where the lower half ends; a power of two.
    half: usize,
    /// The first vacant place of each half, or `NIL`.
    vacant: [usize; 2],
    live: usize,
    /// How many of the live entries are in the upper half.
    live_upper: usize,
}

enum Entry<T> {
    /// With the next vacant place of the same half.
    Vacant(usize),
    Live(T),
}

const NIL: usize = usize::MAX;
/// So many entries are kept even when none is live.
const ENTRIES_KEPT: usize = 64;

impl<T> Slab<T> {
    pub(crate) const fn new() -> Slab<T> {
        Slab {
            entries: Vec::new(),
            half: ENTRIES_KEPT / 2,
            vacant: [NIL; 2],
            live: 0,
            live_upper: 0,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.live
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// All keys are below.
    pub(crate) fn end(&self) -> usize {
        self.entries.len()
    }

    /// Returns the key of the new entry.
    pub(crate) fn insert(&mut self, value: T) -> usize {
        let side = usize::from(self.vacant[0] == NIL);
        let mut key = self.vacant[side];
        if key == NIL {
            key = self.entries.len();
            if key == 2 * self.half {
                // The whole is the lower half now.
                self.half *= 2;
                self.live_upper = 0;
            }
            self.entries.push(Entry::Live(value));
        } else if let Entry::Vacant(next) = mem::replace(&mut self.entries[key], Entry::Live(value))
        {
            self.vacant[side] = next;
        }
        self.live += 1;
        self.live_upper += usize::from(key >= self.half);
        key
    }

    /// Takes the entry out.
    ///
    /// # Panics
    ///
    /// If there is none.
    pub(crate) fn remove(&mut self, key: usize) -> T {
        let side = usize::from(key >= self.half);
        let entry = mem::replace(&mut self.entries[key], Entry::Vacant(self.vacant[side]));
        let Entry::Live(value) = entry else { panic!("an entry is removed once") };
        self.vacant[side] = key;
        self.live -= 1;
        self.live_upper -= side;
        if self.can_be_cut() {
            self.cut();
        }
        value
    }

    fn can_be_cut(&self) -> bool {
        self.live_upper == 0 && self.live <= self.half / 2 && self.half > ENTRIES_KEPT / 2
    }

    #[cold]
    fn cut(&mut self) {
        while self.can_be_cut() {
            self.entries.truncate(self.half);
            self.half /= 2;
            let upper = self.entries.iter().skip(self.half);
            self.live_upper = upper.filter(|entry| matches!(entry, Entry::Live(_))).count();
        }
        self.entries.shrink_to_fit();
        self.vacant = [NIL; 2];
        for (key, entry) in self.entries.iter_mut().enumerate().rev() {
            if let Entry::Vacant(next) = entry {
                let side = usize::from(key >= self.half);
                *next = mem::replace(&mut self.vacant[side], key);
            }
        }
    }

    pub(crate) fn get(&self, key: usize) -> Option<&T> {
        self.entries.get(key).and_then(Entry::live)
    }

    pub(crate) fn get_mut(&mut self, key: usize) -> Option<&mut T> {
        match self.entries.get_mut(key) {
            Some(Entry::Live(value)) => Some(value),
            _ => None,
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.entries.iter().filter_map(Entry::live)
    }

    pub(crate) fn into_values(self) -> impl Iterator<Item = T> {
        self.entries.into_iter().filter_map(|entry| match entry {
            Entry::Vacant(_) => None,
            Entry::Live(value) => Some(value),
        })
    }
}

impl<T> Entry<T> {
    fn live(&self) -> Option<&T> {
        match self {
            Entry::Vacant(_) => None,
            Entry::Live(value) => Some(value),
        }
    }
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANY: usize = 100_000;

    #[test]
    fn a_queue_that_drains_gives_its_memory_back_step_by_step() {
        let mut queue: VecDeque<usize> = (0..MANY).collect();
        let (mut cuts, mut moved) = (0, 0);
        for n in 0..MANY {
            let before = queue.capacity();
            assert_eq!(pop_front(&mut queue), Some(n));
            if queue.capacity() < before {
                cuts += 1;
                moved += queue.len();
            }
            assert!(
                queue.len() * 5 + 1024 >= queue.capacity(),
                "{} of {}",
                queue.len(),
                queue.capacity()
            );
        }
        assert!(queue.capacity() * size_of::<usize>() <= KEPT);
        assert!(cuts < 20 && moved < MANY, "{cuts} cuts have moved {moved}");
    }

    #[test]
    fn a_queue_that_oscillates_is_not_shrunk_each_time() {
        let mut queue: VecDeque<usize> = (0..MANY).collect();
        let (mut changes, mut operations) = (0, 0);
        for round in 0..200 {
            let half = if round % 2 == 0 { MANY / 5 } else { MANY / 4 };
            while queue.len() != half {
                let before = queue.capacity();
                if queue.len() > half {
                    assert!(pop_front(&mut queue).is_some());
                } else {
                    queue.push_back(0);
                }
                changes += usize::from(before != queue.capacity());
                operations += 1;
            }
        }
        assert!(changes <= 3, "{changes} of {operations}");
    }

    #[test]
    fn a_table_that_drains_gives_its_memory_back() {
        // From below and from above; and what is left keeps its key.
        for reverse in [false, true] {
            let mut table = Slab::new();
            let mut keys: Vec<usize> = (0..MANY).map(|n| table.insert(n)).collect();
            assert!(keys.iter().enumerate().all(|(n, key)| n == *key));
            if reverse {
                keys.reverse();
            }
            let kept = keys.remove(1);
            for key in keys {
                assert_eq!(table.remove(key), key);
                assert_eq!(table.get(kept), Some(&kept));
            }
            assert_eq!((table.len(), table.iter().next()), (1, Some(&kept)));
            assert!(table.end() <= 4 * kept.max(ENTRIES_KEPT), "{}", table.end());
            table.remove(kept);
            assert!(table.is_empty() && table.end() <= ENTRIES_KEPT, "{}", table.end());
        }
    }

    #[test]
    fn keys_are_unique_while_they_last() {
        let (mut table, mut known) = (Slab::new(), std::collections::HashMap::new());
        for n in 0..200_000usize {
            // It grows and drains, several times.
            let grows = n / 20_000 % 2 == 0;
            if grows || crate::random::below(4) == 0 {
                assert_eq!(known.insert(table.insert(n), n), None);
            } else if let Some(key) = known.keys().next().copied() {
                assert_eq!(Some(table.remove(key)), known.remove(&key));
            }
            assert_eq!(table.len(), known.len());
        }
        assert!(known.iter().all(|(key, n)| table.get(*key) == Some(n)));
        assert_eq!(table.iter().count(), known.len());
        assert_eq!(table.into_values().count(), known.len());
    }

    #[test]
    fn small_queues_and_those_of_zero_sized_values_are_left_alone() {
        let mut queue: VecDeque<u8> = VecDeque::with_capacity(KEPT);
        queue.push_back(1);
        let capacity = queue.capacity();
        pop_front(&mut queue);
        assert_eq!(queue.capacity(), capacity);
        let mut nothing: VecDeque<()> = (0..MANY).map(|_| ()).collect();
        while pop_front(&mut nothing).is_some() {}
    }
}
