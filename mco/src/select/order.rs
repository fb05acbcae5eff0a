//! In which order arms are looked at: any is as likely as any other, so each of those that are ready is chosen
//! equally often, wherever it stands among others that are not.
//!
//! A random start and then one after the other would not do: an arm that is ready would be chosen for itself
//! and for all those before it that are not.

use crate::random;

/// How many arms there may be at most; the macro refuses more.
const MAX_ARMS: usize = 64;

/// In which order arms are looked at.
pub(super) trait Positions {
    fn at(&self, position: usize) -> usize;

    /// Chooses which one of the first `count` comes at this position, among those that have not come before. To
    /// be called for one position after the other, as far as is needed: a shuffle (Fisher-Yates).
    fn draw(&mut self, position: usize, count: usize, digits: &mut Digits);
}

/// The numbers of the arms, in some order.
pub(super) struct Order([u8; MAX_ARMS]);

/// The same for any number of arms, of which the last ones may stay where they are.
pub(super) struct LongOrder {
    numbers: Vec<usize>,
    fixed: usize,
}

/// What is left of a random number.
pub(super) struct Digits(u64);

impl Order {
    /// As they are written.
    pub(super) const fn as_written() -> Order {
        let mut numbers = [0; MAX_ARMS];
        let mut n = 0;
        while n < MAX_ARMS {
            numbers[n] = n as u8;
            n += 1;
        }
        Order(numbers)
    }
}

impl LongOrder {
    /// As they are written.
    pub(super) fn as_written(count: usize, fixed: usize) -> LongOrder {
        LongOrder { numbers: (0..count).collect(), fixed }
    }
}

impl Positions for LongOrder {
    fn at(&self, position: usize) -> usize {
        self.numbers[position]
    }

    fn draw(&mut self, position: usize, count: usize, _: &mut Digits) {
        let left = (count - self.fixed).saturating_sub(position);
        if left > 1 {
            self.numbers.swap(position, position + random::below(left));
        }
    }
}

impl Positions for Order {
    #[inline]
    fn at(&self, position: usize) -> usize {
        self.0[position % MAX_ARMS].into()
    }

    #[inline]
    fn draw(&mut self, position: usize, count: usize, digits: &mut Digits) {
        let other = position + digits.below(position, count - position);
        // There are no others; the remainder spares the check.
        let (position, other) = (position % MAX_ARMS, other % MAX_ARMS);
        (self.0[position], self.0[other]) = (self.0[other], self.0[position]);
    }
}

impl Digits {
    /// A random number that is drawn when it is needed.
    pub(super) const fn new() -> Digits {
        Digits(0)
    }

    /// One of `end` numbers, at the `position`th call. A random number is good for eight of them: it is a
    /// fraction, whose digits to several bases are taken one after the other. Eight of 64 leave 16 bits.
    #[inline]
    fn below(&mut self, position: usize, end: usize) -> usize {
        if position.is_multiple_of(8) {
            self.0 = random::bits();
        }
        let product = u128::from(self.0) * end as u128;
        self.0 = product as u64;
        (product >> u64::BITS) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_each_is_as_likely_at_each_position_but_those_that_are_fixed() {
        const ROUNDS: u32 = 20_000;
        let mut counts = vec![vec![0u32; 100]; 100];
        for _ in 0..ROUNDS {
            let (mut order, mut digits) = (LongOrder::as_written(101, 1), Digits::new());
            (0..101).for_each(|position| order.draw(position, 101, &mut digits));
            assert_eq!(order.at(100), 100);
            (0..100).for_each(|position| counts[position][order.at(position)] += 1);
        }
        let expected = f64::from(ROUNDS) / 100.0;
        for counts in counts {
            let square = |n: u32| (f64::from(n) - expected).powi(2) / expected;
            let chi_square: f64 = counts.into_iter().map(square).sum();
            // As below.
            assert!(chi_square < 99.0 + 6.0 * 198f64.sqrt() + 18.0, "{chi_square}");
        }
    }

    /// Of 64 positions each number comes equally often at each, as far as chance lets it.
    #[test]
    fn each_number_is_as_likely_at_each_position() {
        const ROUNDS: u32 = 20_000;
        for count in [2, 3, 5, 9, MAX_ARMS] {
            let mut counts = vec![vec![0u32; count]; count];
            let mut order = Order::as_written();
            for _ in 0..ROUNDS {
                let mut digits = Digits::new();
                for (position, counts) in counts.iter_mut().enumerate() {
                    order.draw(position, count, &mut digits);
                    counts[order.at(position)] += 1;
                }
            }
            let expected = f64::from(ROUNDS) / count as f64;
            for counts in counts {
                let square = |n: u32| (f64::from(n) - expected).powi(2) / expected;
                let chi_square: f64 = counts.into_iter().map(square).sum();
                // With so many degrees of freedom it is farther than six deviations in one of 10^8 cases.
                let freedom = (count - 1) as f64;
                let most = freedom + 6.0 * (2.0 * freedom).sqrt() + 18.0;
                assert!(chi_square < most, "{count}: {chi_square} of {most}");
            }
        }
    }
}
