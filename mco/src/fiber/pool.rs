//! Stacks that wait for their next coroutine, hottest first. One pool per worker.
//!
//! A coroutine ends on the worker on which it began, so a stack always comes back to the pool that
//! it was taken from: no pool is shared, and no lock is needed. A pool keeps as many stacks as were
//! in use at once lately, up to a capacity; [`Pool::trim`], called every few seconds as long as it
//! gives any back, lets that memory of the last burst fade by half each time, and gives
//! the deep pages of the stacks that stayed unused back to the kernel.

use super::{Fiber, MIN_STACK_SIZE, MapError, Stack};

/// Idle stacks of one worker, by size.
pub(crate) struct Pool {
    classes: Vec<Class>,
    /// The most stacks that are kept, all sizes together.
    capacity: usize,
    trimmed: bool,
}

struct Class {
    /// The size asked for, in bytes, as [`Pool::class_size`] gives it.
    size: usize,
    /// Used from the end. The first `cold` of them have been idle since the last trim and have
    /// given their deep pages back.
    idle: Vec<Fiber>,
    cold: usize,
    /// The shortest that `idle` has been since the last trim: so many stacks were not needed.
    unused: usize,
    in_use: usize,
    /// The most that were in use at once since the last trim, or half of the value before.
    peak: usize,
}

impl Pool {
    pub(crate) fn new(capacity: usize) -> Pool {
        Pool { classes: Vec::new(), capacity, trimmed: true }
    }

    /// The size under which a request for `size` bytes is pooled.
    pub(crate) fn class_size(size: usize) -> usize {
        if size == 0 { 0 } else { size.max(MIN_STACK_SIZE) }
    }

    /// An idle fiber with a stack of `size` bytes, pooled if there is one.
    pub(crate) fn take(&mut self, size: usize) -> Result<Fiber, MapError> {
        let class = self.class(size);
        let fiber = match class.idle.pop() {
            Some(fiber) => {
                class.cold = class.cold.min(class.idle.len());
                class.unused = class.unused.min(class.idle.len());
                fiber
            }
            None => Fiber::new(Stack::map(size)?),
        };
        class.in_use += 1;
        class.peak = class.peak.max(class.in_use);
        Ok(fiber)
    }

    /// Takes an idle fiber of `size` bytes back.
    pub(crate) fn give(&mut self, size: usize, fiber: Fiber) {
        let capacity = self.capacity;
        self.trimmed = false;
        let class = self.class(size);
        class.in_use -= 1;
        // Together with those in use, no more than were in use at the peak.
        if class.idle.len() < capacity.min(class.peak - class.in_use.min(class.peak)) {
            class.idle.push(fiber);
        }
    }

    /// Whether there is nothing that a trim could give back.
    pub(crate) fn is_trimmed(&self) -> bool {
        self.trimmed
    }

    /// Forgets half of the last peak and lets go of what exceeds it.
    pub(crate) fn trim(&mut self) {
        self.trimmed = true;
        for class in &mut self.classes {
            class.peak = class.in_use.max(class.peak / 2);
            // The coldest are at the front.
            let excess = class.idle.len().saturating_sub(class.peak.max(class.in_use + 1));
            class.idle.drain(..excess);
            class.cold = class.cold.saturating_sub(excess);
            class.unused = class.unused.saturating_sub(excess);
            for fiber in &mut class.idle[class.cold..class.unused.max(class.cold)] {
                fiber.release_deep_pages();
            }
            class.cold = class.cold.max(class.unused);
            class.unused = class.idle.len();
            self.trimmed &= class.cold == class.idle.len() && class.peak <= class.in_use + 1;
        }
    }

    /// How many stacks wait here.
    pub(crate) fn idle(&self) -> usize {
        self.classes.iter().map(|class| class.idle.len()).sum()
    }

    fn class(&mut self, size: usize) -> &mut Class {
        // Programs use one or two sizes, so a scan is quickest.
        let index = self.classes.iter().position(|class| class.size == size);
        let index = index.unwrap_or_else(|| {
            let (idle, cold, unused, in_use, peak) = (Vec::new(), 0, 0, 0, 0);
            self.classes.push(Class { size, idle, cold, unused, in_use, peak });
            self.classes.len() - 1
        });
        &mut self.classes[index]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 32 * 1024;

    fn burst(pool: &mut Pool, n: usize) {
        let fibers: Vec<_> = (0..n).map(|_| pool.take(SIZE).expect("a stack")).collect();
        for fiber in fibers {
            pool.give(SIZE, fiber);
        }
    }

    #[test]
    fn a_stack_given_back_is_the_next_one_taken() {
        let mut pool = Pool::new(8);
        let fiber = pool.take(SIZE).expect("a stack");
        let bounds = fiber.bounds();
        pool.give(SIZE, fiber);
        assert_eq!(pool.take(SIZE).expect("a stack").bounds(), bounds);
    }

    #[test]
    fn stacks_of_different_sizes_are_pooled_separately() {
        let mut pool = Pool::new(8);
        burst(&mut pool, 1);
        let fiber = pool.take(4 * SIZE).expect("a stack");
        assert!(fiber.bounds().top - fiber.bounds().bottom >= 4 * SIZE);
        assert_eq!(pool.idle(), 1);
    }

    #[test]
    fn the_capacity_bounds_what_is_kept() {
        let mut pool = Pool::new(3);
        burst(&mut pool, 10);
        assert_eq!(pool.idle(), 3);
    }

    #[test]
    fn trimming_lets_a_burst_fade() {
        let mut pool = Pool::new(100);
        burst(&mut pool, 64);
        assert_eq!(pool.idle(), 64);
        let mut trims = 0;
        while !pool.is_trimmed() {
            pool.trim();
            trims += 1;
        }
        assert!(pool.idle() <= 1, "{} stacks are still kept", pool.idle());
        assert!(trims >= 5, "the burst was forgotten after {trims} trims");
    }
}
