//! Choices that are to be fair and need not be secret: which arm of a `select!`, who is robbed.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

thread_local! {
    /// State of the generator of this thread (xorshift); never 0.
    static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(0) | 1);
}

/// Has this thread draw the numbers that follow from `seed`, from here on.
pub(crate) fn seed(seed: u64) {
    // Seeds are small and alike, so their bits are spread (splitmix64). 0 would stay 0.
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    STATE.set((x ^ (x >> 31)) | 1);
}

/// Any number but 0.
#[inline]
pub(crate) fn bits() -> u64 {
    let mut x = STATE.get();
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    STATE.set(x);
    x
}

/// A number below `end`, which must not be 0.
pub(crate) fn below(end: usize) -> usize {
    let x = bits();
    // The high half of the product is below `end`, and even enough for ends far below 2^32.
    usize::try_from(((x >> 32) * end as u64) >> 32).expect("it is below `end`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_comes_about_equally_often() {
        let mut counts = [0; 7];
        (0..70_000).for_each(|_| counts[below(7)] += 1);
        assert!(counts.iter().all(|n| (9_000..11_000).contains(n)), "{counts:?}");
    }
}
