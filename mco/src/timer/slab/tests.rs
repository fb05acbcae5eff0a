use super::*;

impl<T> Slab<T> {
    /// Panics unless the counts and the chains of vacant entries are right.
    pub(crate) fn check(&self) {
        assert!(self.half.is_power_of_two() && self.half >= KEPT / 2);
        assert!(self.entries.len() <= 2 * self.half);

        let live = |entries: &[Entry<T>]| entries.iter().filter(|e| e.value.is_some()).count();
        assert_eq!(self.live, live(&self.entries));
        assert_eq!(self.live_upper, live(self.entries.get(self.half..).unwrap_or(&[])));

        let mut vacant = 0;
        for side in [LOWER, UPPER] {
            let mut index = self.vacant[side];
            while index != NIL {
                let entry = self.entry(index);
                assert_eq!(self.side(index), side);
                assert!(entry.generation.is_none() && entry.value.is_none());
                vacant += 1;
                assert!(vacant <= self.entries.len(), "the chain is a ring");
                index = entry.next.get();
            }
        }
        assert_eq!(self.live + vacant, self.entries.len());
    }

    /// For how many timers there is memory.
    pub(crate) fn capacity(&self) -> usize {
        self.entries.capacity()
    }
}

fn filled(slab: &mut Slab<u64>, count: u64) -> Vec<TimerKey> {
    (0..count).map(|value| slab.insert(0, value)).collect()
}

const BURST: u64 = if cfg!(miri) { 130 } else { 100_000 };

#[test]
fn small() {
    assert_eq!(size_of::<TimerKey>(), 8);
    assert_eq!(size_of::<Option<TimerKey>>(), 8);
    assert_eq!(size_of::<Entry<Box<u64>>>(), 32);
}

#[test]
fn a_key_finds_only_its_own_timer() {
    let mut slab = Slab::new();
    let first = slab.insert(0, "first");
    assert!(slab.contains(first));
    assert_eq!(slab.take(first.index()), "first");
    assert!(!slab.contains(first));

    let second = slab.insert(0, "second");
    assert_eq!(first.index(), second.index(), "the entry should be used again");
    assert!(!slab.contains(first));
    assert!(slab.contains(second));
}

#[test]
fn a_key_finds_nothing_after_its_entry_was_freed_and_made_anew() {
    let mut slab = Slab::new();
    let old = filled(&mut slab, BURST);
    for key in &old {
        slab.take(key.index());
    }
    assert!(slab.capacity() <= KEPT);
    assert!(old.iter().all(|&key| !slab.contains(key)));

    let new = filled(&mut slab, BURST);
    assert!(old.iter().all(|&key| !slab.contains(key)));
    assert!(new.iter().all(|&key| slab.contains(key)));
}

#[test]
fn generations_wrap_without_zero() {
    let mut slab = Slab::new();
    slab.generation = NonZeroU32::MAX;
    let last = slab.insert(0, ());
    slab.take(last.index());
    let first = slab.insert(0, ());
    assert_eq!(first.index(), last.index());
    assert_eq!(first.generation, NonZeroU32::MIN);
    assert!(slab.contains(first) && !slab.contains(last));
}

#[test]
fn gives_a_burst_back() {
    let mut slab = Slab::new();
    for key in filled(&mut slab, BURST) {
        slab.take(key.index());
    }
    assert!(slab.capacity() <= KEPT);
    slab.check();
}

/// One timer lives at any time, and when the burst ends, it lives at the very top.
#[test]
fn gives_a_burst_back_below_a_ticker() {
    let mut slab = Slab::new();
    let mut keys = filled(&mut slab, BURST);
    let mut ticker = keys.pop().unwrap();
    for key in keys {
        slab.take(key.index());
    }
    let burst = slab.capacity();
    assert!(burst >= usize::try_from(BURST).unwrap(), "a live entry can't be moved");
    for _ in 0..burst.ilog2() {
        let next = slab.insert(0, 0);
        slab.take(ticker.index());
        ticker = next;
        slab.check();
    }
    assert!(slab.capacity() <= KEPT);
}

/// However many timers there are, one more or less does not move memory each time.
#[test]
fn does_not_thrash() {
    let mut slab = Slab::new();
    let mut keys = Vec::new();
    for count in (0..4 * KEPT).step_by(if cfg!(miri) { 37 } else { 1 }) {
        // To the count from above, then one more or less, twice.
        keys.extend(filled(&mut slab, 4 * KEPT as u64 + 1));
        while keys.len() > count {
            slab.take(keys.pop().unwrap().index());
        }
        let mut capacities = Vec::new();
        for _ in 0..3 {
            keys.push(slab.insert(0, 0));
            capacities.push(slab.capacity());
            slab.take(keys.pop().unwrap().index());
            capacities.push(slab.capacity());
        }
        // It may grow or shrink once.
        assert!(
            capacities[2..].iter().all(|&capacity| capacity == capacities[1]),
            "{capacities:?}"
        );
    }
}
