//! When each connection sends: at times that come by chance and know nothing of answers, as those of many clients do.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// The times to come, the next one first. The gaps between those of a connection are distributed exponentially.
pub(super) struct Schedule {
    next: BinaryHeap<Reverse<(Instant, usize)>>,
    /// Between two requests of a connection.
    mean_gap: Duration,
    /// Times are put off to the next multiple of it since `start`; without any if it is zero.
    tick: Duration,
    start: Instant,
    chance: Chance,
}

impl Schedule {
    pub(super) fn new(mean_gap: Duration, tick: Duration, chance: Chance) -> Self {
        Self { next: BinaryHeap::new(), mean_gap, tick, start: Instant::now(), chance }
    }

    /// A connection takes part from now on.
    pub(super) fn add(&mut self, connection: usize, now: Instant) {
        let first = now + self.gap();
        self.next.push(Reverse((first, connection)));
    }

    /// A connection takes no part any more.
    pub(super) fn remove(&mut self, connection: usize) {
        self.next.retain(|Reverse((_, of))| *of != connection);
    }

    pub(super) fn clear(&mut self) {
        self.next.clear();
    }

    /// When there is something to send again.
    pub(super) fn next(&self) -> Option<Instant> {
        self.next.peek().map(|Reverse((time, _))| self.put_off(*time))
    }

    /// Takes what is due: when, and by which connection.
    pub(super) fn take_due(&mut self, now: Instant) -> Option<(Instant, usize)> {
        if self.next()? > now {
            return None;
        }
        let gap = self.gap();
        let mut first = self.next.peek_mut()?;
        let Reverse((time, connection)) = *first;
        *first = Reverse((time + gap, connection));
        drop(first);
        Some((self.put_off(time), connection))
    }

    fn gap(&mut self) -> Duration {
        self.mean_gap.mul_f64(-self.chance.fraction().ln())
    }

    fn put_off(&self, time: Instant) -> Instant {
        match self.tick.as_nanos() {
            0 => time,
            tick => {
                let ticks = (time - self.start).as_nanos().div_ceil(tick);
                self.start + Duration::from_nanos((ticks * tick) as u64)
            }
        }
    }
}

/// SplitMix64: all that chance decides follows from a seed, so all sides of a round get the same.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn of(seed: u64) -> Self {
        Self(seed)
    }

    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// More than 0, at most 1.
    fn fraction(&mut self) -> f64 {
        ((self.bits() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `end`.
    pub(super) fn below(&mut self, end: usize) -> usize {
        // The remainder favours small numbers by less than one part in 2^50, as `end` is a number of connections.
        (self.bits() % end as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Over 20,000 requests the rate is the asked one to a few percent, and every connection has its share.
    #[test]
    fn the_rate_is_kept() {
        const CONNECTIONS: usize = 10;
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_millis(5), Duration::ZERO, Chance::of(7));
        (0..CONNECTIONS).for_each(|connection| schedule.add(connection, start));
        let mut sent = [0; CONNECTIONS];
        while let Some((time, connection)) = schedule.take_due(start + Duration::from_secs(10)) {
            assert!(time >= start);
            sent[connection] += 1;
        }
        let all: i32 = sent.iter().sum();
        assert!((19_400..20_600).contains(&all), "{all} of 20,000");
        assert!(sent.iter().all(|sent| (1800..2200).contains(sent)), "{sent:?}");
    }

    /// The rate is the same with ticks, and nothing is due between two of them.
    #[test]
    fn ticks_make_bursts() {
        let tick = Duration::from_millis(1);
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_micros(100), tick, Chance::of(7));
        let start_of_ticks = schedule.start;
        schedule.add(0, start);
        let mut sent = 0;
        while let Some((time, _)) = schedule.take_due(start + Duration::from_secs(1)) {
            assert_eq!((time - start_of_ticks).as_nanos() % tick.as_nanos(), 0);
            sent += 1;
        }
        assert!((9500..10_500).contains(&sent), "{sent} of 10,000");
    }

    #[test]
    fn what_is_removed_sends_no_more() {
        let start = Instant::now();
        let mut schedule = Schedule::new(Duration::from_millis(1), Duration::ZERO, Chance::of(7));
        schedule.add(0, start);
        schedule.add(1, start);
        schedule.remove(0);
        for _ in 0..100 {
            assert_eq!(schedule.take_due(start + Duration::from_secs(1)).map(|due| due.1), Some(1));
        }
    }
}
