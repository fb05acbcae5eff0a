//! Slabs on memory that checks what it is asked for.

use super::*;
use proptest::prelude::*;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::rc::Rc;

const PAGE: usize = 4096;

/// A system that checks what it is asked for.
#[derive(Default)]
struct World {
    next: usize,
    /// Start and length.
    slabs: BTreeMap<usize, usize>,
    /// Start and length.
    guards: BTreeMap<usize, usize>,
    /// What is in use, from bottom to top.
    taken: HashMap<usize, usize>,
    calls: usize,
    most_stacks: usize,
    most_bytes: usize,
    most_guards: usize,
}

impl World {
    fn slab_of(&self, address: usize) -> usize {
        let (start, bytes) = self.slabs.range(..=address).next_back().expect("in a slab");
        assert!(address < start + bytes);
        *start
    }

    fn is_taken(&self, start: usize, bytes: usize) -> bool {
        self.taken.iter().any(|(from, to)| start < *to && *from < start + bytes)
    }
}

#[derive(Clone)]
struct Fake(Rc<RefCell<World>>);

impl Memory for Fake {
    fn map(&mut self, bytes: usize) -> Result<usize, Cause> {
        let mut world = self.0.borrow_mut();
        world.calls += 1;
        let used: usize = world.slabs.values().sum();
        if used + bytes > world.most_bytes {
            return Err(Cause::System(io::Error::from_raw_os_error(12)));
        }
        world.next += 1 << 40;
        let start = world.next;
        world.slabs.insert(start, bytes);
        Ok(start)
    }

    unsafe fn unmap(&mut self, start: usize, bytes: usize, split: usize) {
        let mut world = self.0.borrow_mut();
        world.calls += 1;
        assert_eq!(world.slabs.remove(&start), Some(bytes));
        assert!(!world.is_taken(start, bytes));
        let gone: Vec<_> = world.guards.range(start..start + bytes).map(|g| *g.0).collect();
        assert_eq!(split, gone.len() / 2 + gone.len() % 2, "every other one is split");
        world.guards.retain(|guard, _| !gone.contains(guard));
    }

    unsafe fn guard(
        &mut self,
        first: usize,
        stride: usize,
        bytes: usize,
        count: usize,
    ) -> Result<Guards, Cause> {
        let mut world = self.0.borrow_mut();
        world.calls += 1;
        let room = world.most_guards - world.guards.len();
        if room == 0 {
            return Err(Cause::Mappings { split: world.guards.len(), limit: world.most_guards });
        }
        let made = count.min(room);
        let slab = world.slab_of(first);
        let mut split = 0;
        for guard in (0..made).map(|n| first + n * stride) {
            assert_eq!(world.slab_of(guard + stride - 1), slab);
            assert!(!world.is_taken(guard, stride));
            split += usize::from(((guard - slab) / stride).is_multiple_of(2));
            assert_eq!(world.guards.insert(guard, bytes), None);
        }
        Ok(Guards { made, split })
    }

    unsafe fn release(&mut self, start: usize, bytes: usize) {
        let mut world = self.0.borrow_mut();
        world.calls += 1;
        assert_eq!(world.slab_of(start), world.slab_of(start + bytes - 1));
        assert!(!world.is_taken(start, bytes));
    }

    fn slab_limit(&mut self) -> usize {
        self.0.borrow().most_stacks
    }
}

fn world(most_stacks: usize, most_bytes: usize, most_guards: usize) -> Rc<RefCell<World>> {
    Rc::new(RefCell::new(World { most_stacks, most_bytes, most_guards, ..World::default() }))
}

fn slabs(world: &Rc<RefCell<World>>, size: usize) -> Slabs<Fake> {
    Slabs::new(Fake(world.clone()), Layout::new(size, PAGE).expect("a small size"))
}

fn take(world: &Rc<RefCell<World>>, slabs: &mut Slabs<Fake>) -> Result<(Slot, Bounds), Cause> {
    let (slot, bounds) = slabs.take()?;
    let mut world = world.borrow_mut();
    let Bounds { guard, bottom, top } = bounds;
    assert_eq!(world.guards.get(&guard), Some(&(bottom - guard)), "it has a guard");
    assert!(bottom - guard >= GUARD);
    assert_eq!(world.slab_of(guard), world.slab_of(top - 1));
    assert!(!world.is_taken(guard, top - guard), "nobody else has it");
    world.taken.insert(bottom, top);
    Ok((slot, bounds))
}

fn give(world: &Rc<RefCell<World>>, slabs: &mut Slabs<Fake>, (slot, bounds): (Slot, Bounds)) {
    world.borrow_mut().taken.remove(&bounds.bottom).expect("it was taken");
    slabs.give(slot);
}

proptest! {
    #[test]
    fn no_stack_is_had_twice_or_without_guard_or_loses_its_memory(
        size in 1_usize..400_000,
        most_stacks in 1_usize..200,
        most_bytes in 1_usize..400,
        most_guards in 1_usize..300,
        steps in proptest::collection::vec((0_u8..10, any::<prop::sample::Index>()), 1..400),
    ) {
        let world = world(most_stacks, most_bytes << 20, most_guards);
        let mut slabs = slabs(&world, size);
        let mut held = Vec::new();
        for (step, which) in steps {
            match step {
                0..=5 => match take(&world, &mut slabs) {
                    Ok(stack) => held.push(stack),
                    // Then there is really none: everything that is mapped or guarded is taken.
                    Err(_) => prop_assert!(held.len() >= world.borrow().guards.len()),
                },
                6..=8 if !held.is_empty() => {
                    let stack = held.swap_remove(which.index(held.len()));
                    give(&world, &mut slabs, stack);
                    prop_assert!(!slabs.is_clean());
                }
                _ => {
                    slabs.trim();
                    prop_assert!(slabs.is_clean());
                    let mapped = world.borrow().slabs.len();
                    let used: std::collections::HashSet<_> =
                        held.iter().map(|(slot, _)| slot.slab).collect();
                    prop_assert_eq!(mapped, used.len());
                }
            }
        }
        for stack in held.drain(..) {
            give(&world, &mut slabs, stack);
        }
        drop(slabs);
        prop_assert!(world.borrow().slabs.is_empty());
    }
}

#[test]
fn a_stack_that_is_there_costs_no_call() {
    let world = world(usize::MAX, usize::MAX, usize::MAX);
    let mut slabs = slabs(&world, 64 << 10);
    let held: Vec<_> = (0..5000).map(|_| take(&world, &mut slabs).unwrap()).collect();
    let calls = world.borrow().calls;
    // Slabs grow until they have a thousand stacks; guards come 64 at once.
    assert!(calls < 140, "{calls} calls for 5,000 new stacks");
    for stack in held {
        give(&world, &mut slabs, stack);
    }
    let held: Vec<_> = (0..5000).map(|_| take(&world, &mut slabs).unwrap()).collect();
    assert_eq!(world.borrow().calls, calls);
    drop(held);
}

#[test]
fn neighbours_are_cleaned_by_one_call_and_empty_slabs_go() {
    let world = world(usize::MAX, usize::MAX, usize::MAX);
    let mut slabs = slabs(&world, 64 << 10);
    let mut held: Vec<_> = (0..3000).map(|_| take(&world, &mut slabs).unwrap()).collect();
    let rest = held.split_off(10);
    rest.into_iter().for_each(|stack| give(&world, &mut slabs, stack));
    let calls = world.borrow().calls;
    slabs.trim();
    assert_eq!(world.borrow().slabs.len(), 1);
    let calls = world.borrow().calls - calls;
    assert!(calls < 15, "{calls} calls to give 2,990 stacks back");
}

#[test]
fn a_slab_that_is_left_behind_is_not_unmapped() {
    let world = world(usize::MAX, usize::MAX, usize::MAX);
    let mut slabs = slabs(&world, 64 << 10);
    take(&world, &mut slabs).unwrap();
    drop(slabs);
    assert_eq!(world.borrow().slabs.len(), 1);
}

#[test]
fn strides_are_odd_numbers_of_pages() {
    for page in [4096, 16384, 65536] {
        for size in [1, 65536, 70_000, 1 << 20, 6 << 20, 100 << 20] {
            let layout = Layout::new(size, page).unwrap();
            assert_eq!(layout.stride / page % 2, 1);
            assert!(layout.guard >= GUARD && layout.stride - layout.guard >= size);
        }
    }
    for size in [usize::MAX, usize::MAX - 4096, isize::MAX as usize] {
        assert!(Layout::new(size, PAGE).is_none());
    }
}
