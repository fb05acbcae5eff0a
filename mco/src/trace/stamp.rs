//! Time stamps, from the cheapest clock of the processor.
//!
//! On x86_64 that is the time stamp counter, if the processor says that it always counts at the same rate, and on
//! aarch64 the virtual counter; elsewhere it is the clock of std. The length of a tick follows from reading std's clock
//! twice: when recording begins, and when the stamps are written.

#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::clock::Timestamp;

/// Whether the processor's counter can be used. Set before the first stamp.
static COUNTER: AtomicBool = AtomicBool::new(false);

/// Now, in ticks. Never 0.
#[inline(always)]
pub(super) fn now() -> u64 {
    if COUNTER.load(Ordering::Relaxed) { counter::read() } else { of_system() }
}

#[cold]
#[inline(never)]
fn of_system() -> u64 {
    Timestamp::monotonic().as_nanos() | 1
}

#[cfg(target_arch = "x86_64")]
mod counter {
    use std::arch::x86_64::{__cpuid, _rdtsc};

    pub(super) fn is_steady() -> bool {
        const POWER: u32 = 0x8000_0007;
        const INVARIANT: u32 = 1 << 8;
        __cpuid(POWER & 0x8000_0000).eax >= POWER && __cpuid(POWER).edx & INVARIANT != 0
    }

    #[inline(always)]
    pub(super) fn read() -> u64 {
        // SAFETY: every x86_64 processor has it.
        unsafe { _rdtsc() }
    }
}

#[cfg(target_arch = "aarch64")]
mod counter {
    /// It is by definition.
    pub(super) fn is_steady() -> bool {
        cfg!(any(target_os = "linux", target_os = "macos"))
    }

    #[inline(always)]
    pub(super) fn read() -> u64 {
        let ticks: u64;
        // SAFETY: reads a register that the systems named above let every program read.
        unsafe {
            std::arch::asm!("mrs {}, cntvct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags));
        }
        ticks
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod counter {
    pub(super) fn is_steady() -> bool {
        false
    }

    pub(super) fn read() -> u64 {
        unreachable!("it is not steady")
    }
}

/// What ticks are counted from, and are worth.
pub(super) struct Clock {
    ticks: u64,
    at: Instant,
}

impl Clock {
    /// Time 0 is now.
    pub(super) fn begin() -> Clock {
        COUNTER.store(counter::is_steady(), Ordering::Relaxed);
        let (ticks, at) = both();
        Clock { ticks, at }
    }

    /// Which clock it is.
    pub(super) fn name(&self) -> &'static str {
        if COUNTER.load(Ordering::Relaxed) { "processor" } else { "system" }
    }

    /// As of now.
    pub(super) fn scale(&self) -> Scale {
        let (ticks, at) = both();
        let nanos = at.duration_since(self.at).as_nanos() as f64;
        let passed = ticks.saturating_sub(self.ticks).max(1) as f64;
        Scale { begin: self.ticks, tick: nanos / passed }
    }
}

/// The same moment on both clocks: of a few attempts the one that took least, since the thread may lose
/// the processor in between.
fn both() -> (u64, Instant) {
    let attempt = || {
        let before = now();
        let at = Instant::now();
        (now().saturating_sub(before), (before, at))
    };
    let attempts = (0..5).map(|_| attempt());
    attempts.min_by_key(|attempt| attempt.0).map_or_else(|| attempt().1, |best| best.1)
}

/// Makes nanoseconds since the begin of ticks.
pub(super) struct Scale {
    begin: u64,
    /// Nanoseconds.
    tick: f64,
}

impl Scale {
    pub(super) fn nanos(&self, ticks: u64) -> u64 {
        (ticks.saturating_sub(self.begin) as f64 * self.tick) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn ticks_become_the_nanoseconds_of_the_system_clock() {
        let clock = Clock::begin();
        let (first, start) = both();
        while start.elapsed() < Duration::from_millis(20) {
            std::hint::spin_loop();
        }
        let (last, end) = both();
        let scale = clock.scale();
        let measured = (scale.nanos(last) - scale.nanos(first)) as f64;
        let expected = end.duration_since(start).as_nanos() as f64;
        assert!((measured / expected - 1.0).abs() < 0.01, "{measured} for {expected}");
    }
}
