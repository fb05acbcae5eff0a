//! Stacks that wait for their next coroutine, hottest first. One pool per worker.
//!
//! A coroutine ends on the worker on which it began, so a stack always comes back to the pool that
//! it was taken from: no pool is shared, and no lock is needed. A pool keeps the stacks that come back, up
//! to a capacity. [`Pool::trim`], called every few seconds as long as it gives any back, lets go of those that were
//! not used since the last time, but for a few, of which it gives the deep pages back to the kernel.

use super::{Fiber, MIN_STACK_SIZE, MapError, Stacks};

/// So many stacks, of all sizes together, are kept however long they have not been used.
const KEPT: usize = 8;

/// Idle stacks of one worker, by size.
pub(crate) struct Pool {
    classes: Vec<Class>,
    /// The index of the class that was used last.
    last: usize,
    /// How many stacks wait here, of all sizes together.
    idle: usize,
    /// The most stacks that are kept, of all sizes together.
    capacity: usize,
    trimmed: bool,
}

struct Class {
    /// The size asked for, in bytes, as [`Pool::class_size`] gives it.
    size: usize,
    /// Where more come from.
    stacks: Stacks,
    /// Used from the end. The first `cold` of them have given their deep pages back.
    idle: Vec<Fiber>,
    cold: usize,
    /// The shortest that `idle` has been since the last trim: so many stacks were not needed.
    unused: usize,
}

impl Pool {
    pub(crate) fn new(capacity: usize) -> Pool {
        Pool { classes: Vec::new(), last: 0, idle: 0, capacity, trimmed: true }
    }

    /// The size under which a request for `size` bytes is pooled.
    #[inline]
    pub(crate) fn class_size(size: usize) -> usize {
        if size == 0 { 0 } else { size.max(MIN_STACK_SIZE) }
    }

    /// An idle fiber with a stack of `size` bytes, pooled if there is one.
    #[inline]
    pub(crate) fn take(&mut self, size: usize) -> Result<Fiber, MapError> {
        let class = self.class(size);
        if let Some(fiber) = class.idle.pop() {
            let left = class.idle.len();
            class.unused = class.unused.min(left);
            class.cold = class.cold.min(left);
            self.idle -= 1;
            return Ok(fiber);
        }
        class.stacks.take().or_else(|_| self.take_after_all(size))
    }

    /// Where the system has none: once more, without what is kept.
    #[cold]
    fn take_after_all(&mut self, size: usize) -> Result<Fiber, MapError> {
        for class in &mut self.classes {
            self.idle -= class.let_go(0);
            class.stacks.trim();
        }
        self.class(size).stacks.take()
    }

    /// Takes an idle fiber of `size` bytes back.
    #[inline]
    pub(crate) fn give(&mut self, size: usize, fiber: Fiber) {
        let has_room = self.idle < self.capacity;
        self.trimmed = false;
        let class = self.class(size);
        if has_room {
            class.idle.push(fiber);
            self.idle += 1;
        } else {
            class.stacks.give(fiber);
        }
    }

    /// Whether there is nothing that a trim could give back.
    pub(crate) fn is_trimmed(&self) -> bool {
        self.trimmed
    }

    /// Lets go of what was not used since the last call.
    pub(crate) fn trim(&mut self) {
        self.trimmed = true;
        // Those of the size that was used first, which is mostly the default one, before others.
        let mut kept = KEPT;
        for class in &mut self.classes {
            let used = class.idle.len() - class.unused;
            let unused = class.unused.min(kept);
            kept -= unused;
            self.idle -= class.let_go(used + unused);
            class.stacks.trim();
            for fiber in &mut class.idle[class.cold..class.unused.max(class.cold)] {
                fiber.release_deep_pages();
            }
            class.cold = class.cold.max(class.unused);
            class.unused = class.idle.len();
            self.trimmed &= class.cold == class.idle.len() && class.stacks.is_trimmed();
        }
    }

    /// How many stacks wait here.
    pub(crate) fn idle(&self) -> usize {
        self.idle
    }

    #[inline]
    fn class(&mut self, size: usize) -> &mut Class {
        if self.classes.get(self.last).is_none_or(|class| class.size != size) {
            self.last = self.find_class(size);
        }
        &mut self.classes[self.last]
    }

    #[inline(never)]
    fn find_class(&mut self, size: usize) -> usize {
        // Programs use one or two sizes, so a scan is quickest.
        let index = self.classes.iter().position(|class| class.size == size);
        index.unwrap_or_else(|| {
            let (stacks, idle, cold, unused) = (Stacks::new(size), Vec::new(), 0, 0);
            self.classes.push(Class { size, stacks, idle, cold, unused });
            self.classes.len() - 1
        })
    }
}

impl Class {
    /// Keeps so many of those that were used last. Returns how many it has let go of.
    fn let_go(&mut self, kept: usize) -> usize {
        let excess = self.idle.len().saturating_sub(kept);
        // The coldest are at the front.
        self.idle.drain(..excess).for_each(|fiber| self.stacks.give(fiber));
        self.cold = self.cold.saturating_sub(excess);
        self.unused = self.unused.saturating_sub(excess);
        if self.idle.capacity() > 1024 && self.idle.len() < self.idle.capacity() / 4 {
            self.idle.shrink_to(self.idle.len() * 2);
        }
        excess
    }
}

impl Drop for Class {
    fn drop(&mut self) {
        self.let_go(0);
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
        let fiber = pool.take(SIZE).expect("a stack");
        assert_eq!(fiber.bounds(), bounds);
        pool.give(SIZE, fiber);
    }

    #[test]
    fn stacks_of_different_sizes_are_pooled_separately() {
        let mut pool = Pool::new(8);
        burst(&mut pool, 1);
        let fiber = pool.take(4 * SIZE).expect("a stack");
        assert!(fiber.bounds().top - fiber.bounds().bottom >= 4 * SIZE);
        assert_eq!(pool.idle(), 1);
        pool.give(4 * SIZE, fiber);
    }

    #[test]
    fn the_capacity_bounds_what_is_kept() {
        let mut pool = Pool::new(3);
        burst(&mut pool, 10);
        assert_eq!(pool.idle(), 3);
    }

    #[test]
    fn stacks_of_many_sizes_are_no_more_than_those_of_one() {
        let sizes = || (1..=40).map(|n| n * SIZE);
        let burst = |pool: &mut Pool| {
            let fibers: Vec<_> = sizes().map(|size| pool.take(size).expect("a stack")).collect();
            fibers.into_iter().zip(sizes()).for_each(|(fiber, size)| pool.give(size, fiber));
        };
        let mut pool = Pool::new(30);
        burst(&mut pool);
        assert_eq!(pool.idle(), 30);
        pool.trim();
        pool.trim();
        assert_eq!(pool.idle(), KEPT);
    }

    #[test]
    fn what_a_burst_has_used_is_kept_for_one_trim_and_goes_with_the_next() {
        let mut pool = Pool::new(100);
        burst(&mut pool, 64);
        assert_eq!(pool.idle(), 64);
        pool.trim();
        assert_eq!(pool.idle(), 64);
        assert!(!pool.is_trimmed());
        pool.trim();
        assert_eq!(pool.idle(), KEPT);
        pool.trim();
        assert!(pool.is_trimmed());
    }

    #[test]
    fn what_is_used_between_trims_is_kept() {
        let mut pool = Pool::new(100);
        burst(&mut pool, 64);
        for _ in 0..10 {
            pool.trim();
            burst(&mut pool, 50);
        }
        assert!((50..64).contains(&pool.idle()), "{} are kept", pool.idle());
    }
}
