use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

impl<T> Wheel<T> {
    /// Panics unless every timer is where the invariant wants it.
    fn check(&self) {
        self.slots.check(|slot, deadline| {
            assert_eq!(slot, slot_for(deadline, self.clock), "deadline {deadline}");
        });
    }

    fn expired(&mut self, now: u64) -> Vec<T> {
        let mut fired = Vec::new();
        self.expire(now, |value| fired.push(value));
        assert_eq!(self.clock, self.now);
        self.check();
        fired
    }
}

/// A panic without a message in the tests' output.
fn quiet_panic() -> ! {
    resume_unwind(Box::new("quiet"))
}

/// Where digits, ticks and levels begin and end.
fn edges() -> impl Iterator<Item = u64> {
    (0..u64::BITS).step_by(if cfg!(miri) { 9 } else { 1 }).flat_map(|bit| {
        let power = 1 << bit;
        [power - 1, power, power + 1, power + (power >> 1)]
    })
}

#[test]
fn small() {
    assert!(size_of::<Wheel<Box<u64>>>() <= 2304);
}

#[test]
fn slots_cover_all_times_in_order() {
    for clock in edges().chain([0, u64::MAX]) {
        let mut times =
            Vec::from_iter(edges().chain([u64::MAX]).map(|time| clock.saturating_add(time)));
        times.sort_unstable();
        assert!(times.is_sorted_by_key(|&time| slot_for(time, clock)));
        for time in times {
            let slot = slot_for(time, clock);
            let start = start_of(slot, clock);
            assert!(start <= time, "{time} is in a slot from {start}");
            assert_eq!(slot_for(start, clock), slot, "so is the start of its slot");
            if start > 0 && start > clock {
                assert!(slot_for(start - 1, clock) < slot, "but nothing before");
            }
        }
    }
}

#[test]
fn never_early_and_never_late() {
    for start in [0, 12_345_678_901_234] {
        for distance in edges() {
            let Some(deadline) = u64::checked_add(start, distance).filter(|_| distance > 0) else {
                continue;
            };
            let mut wheel = Wheel::new(start);
            wheel.insert(deadline, ());
            assert_eq!(wheel.expired(deadline - 1), []);
            assert_eq!(wheel.next_deadline(), Some(deadline));
            assert_eq!(wheel.expired(deadline), [()]);
            assert_eq!(wheel.next_deadline(), None);
        }
    }
}

#[test]
fn fires_by_deadline_across_all_levels() {
    let mut deadlines = Vec::from_iter(edges());
    let mut wheel = Wheel::new(0);
    for &deadline in deadlines.iter().rev() {
        wheel.insert(deadline, deadline);
    }
    deadlines.sort_unstable();
    assert_eq!(wheel.expired(u64::MAX), deadlines);
    assert!(wheel.is_empty());
}

#[test]
fn fires_equal_deadlines_in_order_of_insertion() {
    const DEADLINE: u64 = 1 << 40;
    let mut wheel = Wheel::new(0);
    let mut values = 0..;
    // Seen from ever nearer, the deadline is on ever lower levels.
    for distance in (0..40).rev().map(|bit| 1 << bit) {
        wheel.insert(DEADLINE, values.next().unwrap());
        assert_eq!(wheel.next_deadline(), Some(DEADLINE));
        wheel.insert(DEADLINE, values.next().unwrap());
        assert_eq!(wheel.expired(DEADLINE - distance), []);
    }
    assert_eq!(wheel.expired(DEADLINE), Vec::from_iter(0..values.start));
}

#[test]
fn a_past_deadline_fires_next() {
    let mut wheel = Wheel::new(1_000_000);
    wheel.insert(1_000_001, "soon");
    wheel.insert(999_999, "just gone");
    wheel.insert(0, "long gone");
    wheel.insert(1_000_000, "now");
    assert_eq!(wheel.next_deadline(), Some(0));
    assert_eq!(wheel.expired(1_000_000), ["long gone", "just gone", "now"]);
    assert_eq!(wheel.expired(1_000_000), [""; 0]);
    assert_eq!(wheel.len(), 1);
}

#[test]
fn time_does_not_run_backwards() {
    let mut wheel = Wheel::new(500);
    assert_eq!(wheel.expired(1_000), [""; 0]);
    wheel.insert(800, "past");
    wheel.insert(1_001, "future");
    assert_eq!(wheel.expired(0), ["past"]);
    assert_eq!(wheel.expired(1_000), [""; 0]);
    assert_eq!(wheel.expired(1_001), ["future"]);
}

#[test]
fn the_end_of_time() {
    let mut wheel = Wheel::new(0);
    let never = wheel.insert(u64::MAX, 1);
    wheel.insert(u64::MAX, 2);
    assert_eq!(wheel.next_deadline(), Some(u64::MAX));
    assert_eq!(wheel.expired(u64::MAX - 1), []);
    assert_eq!(wheel.remove(never), Some(1));
    assert_eq!(wheel.expired(u64::MAX), [2]);
    wheel.insert(u64::MAX, 3);
    wheel.insert(0, 4);
    assert_eq!(wheel.expired(u64::MAX), [4, 3]);
}

#[test]
fn a_key_removes_its_timer_once() {
    let mut wheel = Wheel::new(0);
    let [kept, removed, fired] = [30, 20, 10].map(|deadline| wheel.insert(deadline, deadline));
    assert_eq!(wheel.remove(removed), Some(20));
    assert_eq!(wheel.remove(removed), None);
    assert_eq!(wheel.expired(15), [10]);
    assert_eq!(wheel.remove(fired), None);
    // These take the entries of the two that are gone.
    let new = [40, 50].map(|deadline| wheel.insert(deadline, deadline));
    assert_eq!([removed, fired].map(|key| wheel.remove(key)), [None; 2]);
    assert_eq!(wheel.remove(kept), Some(30));
    assert_eq!(new.map(|key| wheel.remove(key)), [Some(40), Some(50)]);
    assert!(wheel.is_empty());
}

#[test]
fn next_deadline_follows_every_change() {
    let mut wheel = Wheel::new(0);
    assert_eq!(wheel.next_deadline(), None);
    let late = wheel.insert(1 << 40, ());
    assert_eq!(wheel.next_deadline(), Some(1 << 40));
    let early = wheel.insert(1 << 20, ());
    assert_eq!(wheel.next_deadline(), Some(1 << 20));
    let same_slot = wheel.insert((1 << 20) - 1, ());
    assert_eq!(wheel.next_deadline(), Some((1 << 20) - 1));
    wheel.remove(same_slot);
    assert_eq!(wheel.next_deadline(), Some(1 << 20));
    wheel.remove(early);
    assert_eq!(wheel.next_deadline(), Some(1 << 40));
    wheel.remove(late);
    assert_eq!(wheel.next_deadline(), None);
}

#[test]
fn a_panic_loses_only_the_timer_it_came_from() {
    // In one slot, in different slots, and on different levels.
    for step in [1, 1 << 16, 1 << 30] {
        let mut wheel = Wheel::new(0);
        let keys: [_; 6] = std::array::from_fn(|n| wheel.insert((n as u64 + 1) * step, n));
        let mut fired = Vec::new();
        let result = catch_unwind(AssertUnwindSafe(|| {
            wheel.expire(5 * step, |value| {
                if value == 1 {
                    quiet_panic();
                }
                fired.push(value);
            });
        }));
        assert!(result.is_err());
        wheel.check();
        assert_eq!(fired, [0]);
        assert_eq!(wheel.len(), 4);
        assert_eq!(wheel.next_deadline(), Some(3 * step));
        assert_eq!(wheel.remove(keys[1]), None);
        assert_eq!(wheel.remove(keys[3]), Some(3));
        // Due before the panic, due still, even if the clock were set back.
        wheel.insert(4 * step + 1, 7);
        assert_eq!(wheel.expired(0), if step == 1 { [2, 4, 7] } else { [2, 7, 4] });
        assert_eq!(wheel.expired(6 * step), [5]);
    }
}

#[test]
fn gives_a_burst_back() {
    let count = if cfg!(miri) { 130 } else { 100_000 };
    let mut wheel = Wheel::new(0);
    for round in 1..=2 {
        for n in 0..count {
            wheel.insert(round * 1_000_000_000 + n * 7_919, n);
        }
        wheel.expire(round * 1_000_000_000 + count * 7_919, drop);
        assert!(wheel.is_empty());
        assert!(wheel.slots.capacity() <= 64);
    }
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Insert(Time),
    /// Several at once, a step apart.
    InsertMany(Time, u8, u64),
    Remove(Index),
    /// All but a few, from the oldest key on.
    RemoveMost,
    NextDeadline,
    Expire(Time),
    /// The closure panics at the timer of this number.
    ExpireAndPanic(Time, u8),
}

#[derive(Clone, Copy, Debug)]
enum Time {
    Now,
    Before(u64),
    After(u64),
    Max,
    /// That of a timer that lives or lived, and a little before and after.
    Deadline(Index, i64),
    /// The earliest deadline, and a little before and after.
    Next(i64),
}

fn time() -> impl Strategy<Value = Time> {
    let distance = || (0..u64::BITS, any::<u64>()).prop_map(|(bits, random)| random >> bits);
    prop_oneof![
        1 => Just(Time::Now),
        1 => distance().prop_map(Time::Before),
        6 => distance().prop_map(Time::After),
        // Sleeps and time-outs as they occur.
        6 => (1_u64..60_000_000_000).prop_map(Time::After),
        1 => Just(Time::Max),
        3 => (any::<Index>(), -1_i64..=1).prop_map(|(index, offset)| Time::Deadline(index, offset)),
        3 => (-1_i64..=1).prop_map(Time::Next),
    ]
}

/// Like `time`, but so that the clock doesn't soon stand at the end of time.
fn step() -> impl Strategy<Value = Time> {
    prop_oneof![
        2 => Just(Time::Now),
        1 => any::<u64>().prop_map(Time::Before),
        12 => (20..u64::BITS, any::<u64>()).prop_map(|(bits, random)| Time::After(random >> bits)),
        1 => (0..20_u32, any::<u64>()).prop_map(|(bits, random)| Time::After(random >> bits)),
        10 => (-1_i64..=1).prop_map(Time::Next),
        1 => (any::<Index>(), -1_i64..=1).prop_map(|(index, offset)| Time::Deadline(index, offset)),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        20 => time().prop_map(Operation::Insert),
        1 => (time(), 0..if cfg!(miri) { 20 } else { 250_u8 }, 0..200_000_u64)
            .prop_map(|(time, count, step)| Operation::InsertMany(time, count, step)),
        10 => any::<Index>().prop_map(Operation::Remove),
        1 => Just(Operation::RemoveMost),
        10 => Just(Operation::NextDeadline),
        10 => step().prop_map(Operation::Expire),
        2 => (step(), 0_u8..4).prop_map(|(time, number)| Operation::ExpireAndPanic(time, number)),
    ]
}

/// A wheel and what it should be, in slow and simple. A timer's value is its number in order of insertion.
struct Model {
    wheel: Wheel<usize>,
    /// The deadline and number of each timer that lives.
    timers: BTreeSet<(u64, usize)>,
    /// By number, also of timers that are gone.
    keys: Vec<(TimerKey, u64)>,
    now: u64,
}

impl Model {
    fn new(now: u64) -> Self {
        Self { wheel: Wheel::new(now), timers: BTreeSet::new(), keys: Vec::new(), now }
    }

    fn resolve(&self, time: Time) -> u64 {
        match time {
            Time::Now => self.now,
            Time::Before(distance) => self.now.saturating_sub(distance),
            Time::After(distance) => self.now.saturating_add(distance),
            Time::Max => u64::MAX,
            Time::Deadline(index, offset) if !self.keys.is_empty() => {
                index.get(&self.keys).1.saturating_add_signed(offset)
            }
            Time::Next(offset) if !self.timers.is_empty() => {
                self.next_deadline().unwrap().saturating_add_signed(offset)
            }
            Time::Deadline(..) | Time::Next(_) => self.now,
        }
    }

    fn next_deadline(&self) -> Option<u64> {
        self.timers.first().map(|&(deadline, _)| deadline)
    }

    fn insert(&mut self, deadline: u64) {
        let number = self.keys.len();
        self.keys.push((self.wheel.insert(deadline, number), deadline));
        self.timers.insert((deadline, number));
    }

    fn remove(&mut self, number: usize) {
        let (key, deadline) = self.keys[number];
        let expected = self.timers.remove(&(deadline, number)).then_some(number);
        assert_eq!(self.wheel.remove(key), expected);
    }

    fn expire(&mut self, now: u64, panic_at: usize) {
        self.now = self.now.max(now);
        let mut expected = Vec::new();
        while expected.len() <= panic_at && self.next_deadline().is_some_and(|d| d <= self.now) {
            expected.extend(self.timers.pop_first().map(|(_, number)| number));
        }
        let mut fired = Vec::new();
        let result = catch_unwind(AssertUnwindSafe(|| {
            self.wheel.expire(now, |number| {
                fired.push(number);
                if fired.len() > panic_at {
                    quiet_panic();
                }
            });
        }));
        assert_eq!(result.is_err(), expected.len() > panic_at);
        assert_eq!(fired, expected);
    }

    fn run(&mut self, operation: Operation) {
        match operation {
            Operation::Insert(time) => self.insert(self.resolve(time)),
            Operation::InsertMany(time, count, step) => {
                let first = self.resolve(time);
                for n in 0..u64::from(count) {
                    self.insert(first.saturating_add(n * step));
                }
            }
            Operation::Remove(index) if !self.keys.is_empty() => {
                self.remove(index.index(self.keys.len()));
            }
            Operation::Remove(_) => {}
            Operation::RemoveMost => {
                let numbers = Vec::from_iter(self.timers.iter().map(|&(_, number)| number));
                numbers.into_iter().skip(3).for_each(|number| self.remove(number));
            }
            Operation::NextDeadline => {
                assert_eq!(self.wheel.next_deadline(), self.next_deadline());
            }
            Operation::Expire(time) => self.expire(self.resolve(time), usize::MAX),
            Operation::ExpireAndPanic(time, number) => {
                self.expire(self.resolve(time), usize::from(number));
            }
        }
        assert_eq!(self.wheel.len(), self.timers.len());
        assert_eq!(self.wheel.is_empty(), self.timers.is_empty());
        self.wheel.check();
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: if cfg!(miri) { 4 } else { 128 },
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn behaves_like_an_ordered_set(
        start in prop_oneof![Just(0), any::<u64>(), any::<u64>().prop_map(|start| start >> 20)],
        operations in prop::collection::vec(operation(), 0..if cfg!(miri) { 40 } else { 200 }),
    ) {
        let mut model = Model::new(start);
        for operation in operations {
            model.run(operation);
        }
        model.expire(u64::MAX, usize::MAX);
        assert!(model.wheel.is_empty());
        // No key finds anything any more.
        for number in 0..model.keys.len() {
            model.remove(number);
        }
    }
}
