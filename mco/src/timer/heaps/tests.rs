use super::*;

impl<T, const WORDS: usize> Heaps<T, WORDS> {
    /// Panics unless all links, bits and counts are right and each tree is in heap order.
    /// Shows `visit` each timer's heap and deadline.
    pub(crate) fn check(&self, mut visit: impl FnMut(u32, u64)) {
        self.slab.check();
        let mut count = 0;
        let words = self.occupied.iter();
        let bits = words.flat_map(|word| (0..HEAPS_PER_WORD).map(move |bit| word >> bit & 1 == 1));
        for (heap, occupied) in (0..).zip(bits) {
            let owner = Owner::Heap(heap);
            assert_eq!(occupied, self.first_link(owner).get() != NIL);
            if !occupied {
                continue;
            }
            let mut lists = vec![owner];
            while let Some(owner) = lists.pop() {
                for index in self.siblings(owner) {
                    let deadline = self.deadline(index);
                    if let Owner::Entry(parent) = owner {
                        assert!(self.deadline(parent) <= deadline, "heap order");
                    }
                    visit(heap, deadline);
                    lists.push(Owner::Entry(index));
                    count += 1;
                }
            }
        }
        assert_eq!(count, self.len(), "every timer is in one heap");
    }

    /// How many trees a heap has: asking for its earliest timer takes one comparison less.
    pub(crate) fn trees(&self, heap: u32) -> usize {
        self.siblings(Owner::Heap(heap)).len()
    }

    /// For how many timers there is memory.
    pub(crate) fn capacity(&self) -> usize {
        self.slab.capacity()
    }

    fn siblings(&self, owner: Owner) -> Vec<u32> {
        let mut siblings = Vec::new();
        let mut next = self.first_link(owner).get();
        if next == NIL {
            return siblings;
        }
        while Owner::from_link(next).is_none() {
            if let Some(&prev) = siblings.last() {
                assert_eq!(self.prev(next), prev);
            }
            siblings.push(next);
            next = self.next(next);
        }
        assert_eq!(next, owner.to_link(), "the last sibling leads up");
        assert_eq!(self.prev(siblings[0]), siblings[siblings.len() - 1]);
        siblings
    }

    fn drain(&mut self, heap: u32) -> Vec<T> {
        let mut values = Vec::new();
        while self.trees(heap) > 0 {
            values.push(self.take(self.earliest(heap)));
            self.check(|_, _| ());
        }
        values
    }
}

fn heap_of(deadlines: &[u64]) -> (Heaps<usize, 1>, Vec<TimerKey>) {
    let mut heaps = Heaps::new();
    let mut keys = Vec::new();
    for (value, &deadline) in deadlines.iter().enumerate() {
        keys.push(heaps.insert(7, deadline, value));
    }
    heaps.check(|_, _| ());
    (heaps, keys)
}

fn sorted(deadlines: &[u64]) -> Vec<usize> {
    let mut values = (0..deadlines.len()).collect::<Vec<_>>();
    values.sort_by_key(|&value| deadlines[value]);
    values
}

#[test]
fn earliest_first_and_equals_in_order_of_insertion() {
    for deadlines in [
        &[][..],
        &[1],
        &[1, 2],
        &[2, 1],
        &[1, 1, 1, 1, 1, 1, 1],
        &[1, 2, 3, 4, 5, 6, 7, 8],
        &[8, 7, 6, 5, 4, 3, 2, 1],
        &[3, 1, 3, 1, 3, 1, 2, 2, 2, 1, 3],
        &[u64::MAX, 0, u64::MAX, 0],
    ] {
        let (mut heaps, _) = heap_of(deadlines);
        assert_eq!(heaps.drain(7), sorted(deadlines));
        assert_eq!(heaps.first_occupied(), None);
    }
}

/// Whatever is removed, parents, children or roots, the rest stays in order.
#[test]
fn removing_keeps_the_order_of_the_others() {
    let deadlines = [5, 3, 5, 1, 3, 5, 1, 4, 1, 5, 3];
    for asked in 0..4 {
        for removed in 0..1 << deadlines.len() {
            if cfg!(miri) && removed % 509 != 0 {
                continue;
            }
            let (mut heaps, keys) = heap_of(&deadlines);
            let is_removed = |value: usize| removed >> value & 1 == 1;
            for (value, key) in keys.into_iter().enumerate() {
                if !is_removed(value) {
                    continue;
                }
                if asked & 1 == 1 {
                    heaps.earliest(7);
                }
                assert_eq!(heaps.remove(key), Some(value));
                assert_eq!(heaps.remove(key), None);
            }
            if asked & 2 == 2 && heaps.len() > 0 {
                heaps.earliest(7);
            }
            let mut rest = sorted(&deadlines);
            rest.retain(|&value| !is_removed(value));
            assert_eq!(heaps.drain(7), rest);
        }
    }
}

#[test]
fn scatters_trees_in_order() {
    let deadlines = [12, 3, 12, 25, 3, 11, 20, 3, 12, 25, 20, 11];
    for asked in [false, true] {
        let (mut heaps, _) = heap_of(&deadlines);
        if asked {
            heaps.earliest(7);
        }
        let heap_for = |deadline| u32::try_from(deadline / 10).unwrap();
        heaps.scatter(7, heap_for);
        heaps.check(|heap, deadline| assert_eq!(heap, heap_for(deadline)));
        assert_eq!(heaps.first_occupied(), Some(0));
        let values = [heaps.drain(0), heaps.drain(1), heaps.drain(2)].concat();
        assert_eq!(values, sorted(&deadlines));
    }
}

/// Removes the earliest of `COUNT` timers and inserts another, over and over. Returns
/// how many comparisons each round took to find the earliest.
fn comparisons(deadline: impl Fn(u64) -> u64) -> usize {
    const ROUNDS: u64 = 2 * COUNT;
    let mut heaps = Heaps::<(), 1>::new();
    for n in 0..COUNT {
        heaps.insert(0, deadline(n), ());
    }
    let mut comparisons = 0;
    for n in COUNT..COUNT + ROUNDS {
        comparisons += heaps.trees(0) - 1;
        heaps.take(heaps.earliest(0));
        heaps.insert(0, deadline(n), ());
    }
    comparisons.div_ceil(usize::try_from(ROUNDS).unwrap())
}

const COUNT: u64 = if cfg!(miri) { 32 } else { 16_384 };

/// Far less than a walk through the heap, whatever the order.
#[test]
fn asking_is_cheap_in_the_long_run() {
    assert!(comparisons(|n| n) <= 5, "in order");
    assert!(comparisons(|n| u64::MAX - n) <= 5, "in reverse");
    let logarithm = usize::try_from(COUNT.ilog2()).unwrap();
    assert!(comparisons(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15)) <= 3 * logarithm, "scattered");
}
