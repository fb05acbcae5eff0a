//! Where stacks lie, what they cost, and what becomes of them.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine::{self, Builder, Coroutine, JoinHandle};
use mco::runtime::Runtime;
use mco_tests::child::{self, Child};
use mco_tests::{eventually, eventually_within, process, runtime};

const SMALL: usize = 64 * 1024;

/// So many coroutines that wait, each of which says where it stands on its stack.
fn parked(runtime: &Runtime, count: usize, size: usize) -> Vec<JoinHandle<usize>> {
    let spawn = |_| {
        Builder::new().stack_size(size).spawn(|| {
            let local = black_box(0u8);
            let here = (&raw const local).addr();
            coroutine::park();
            here
        })
    };
    let live = runtime.metrics().live();
    let handles: Vec<_> = runtime.run(move || (0..count).map(spawn).collect());
    eventually("all are alive", || runtime.metrics().live() >= live + count);
    handles
}

fn end(handles: Vec<JoinHandle<usize>>) -> Vec<usize> {
    handles.iter().map(|handle| handle.coroutine()).for_each(Coroutine::unpark);
    handles.into_iter().map(|handle| handle.join().unwrap()).collect()
}

/// Faults of this process so far that needed no disk.
fn faults() -> usize {
    // SAFETY: a zeroed `rusage` is a valid value, and the call only fills it in.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, &raw mut usage), 0);
        usage
    };
    usize::try_from(usage.ru_minflt).unwrap()
}

#[test]
fn a_cold_stack_costs_few_faults() {
    child::pass(|| {
        let runtime = runtime(1);
        end(parked(&runtime, 10, SMALL));
        let before = faults();
        let handles = parked(&runtime, 5_000, SMALL);
        let each = (faults() - before) as f64 / 5_000.0;
        // The topmost page; in debug builds frames are large; and what the coroutine itself takes.
        let limit = if cfg!(debug_assertions) { 4.5 } else { 2.5 };
        assert!(each < limit, "{each} faults each");
        end(handles);
    });
}

#[test]
fn the_memory_of_a_burst_is_back_in_ten_seconds() {
    const BURST: usize = 100_000;
    if !process::has_light_guards("the_memory_of_a_burst_is_back_in_ten_seconds") {
        return;
    }
    Child::new()
        .limit(Duration::from_secs(300))
        .run(|| {
            let runtime = runtime(2);
            // What it takes to have had so many, beside their stacks: queues, and the allocator's memory.
            end(parked(&runtime, BURST, SMALL));
            let settled = || runtime.metrics().stacks() < 100;
            eventually_within(Duration::from_secs(60), "the stacks are gone", settled);
            let before = process::resident();
            end(parked(&runtime, BURST, SMALL));
            let is_back = || process::resident() <= before + before / 10;
            eventually_within(Duration::from_secs(10), "the memory is back", is_back);
        })
        .assert_success();
}

#[test]
fn a_handler_of_signals_runs_on_the_coroutines_stack() {
    static WHERE: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn note(_: libc::c_int) {
        let local = 0u8;
        WHERE.store((&raw const local).addr(), Ordering::Relaxed);
    }
    child::pass(|| {
        let handler = note as extern "C" fn(libc::c_int) as libc::sighandler_t;
        // SAFETY: the handler has the signature that is asked for, and stores to an atomic.
        let previous = unsafe { libc::signal(libc::SIGUSR1, handler) };
        assert_ne!(previous, libc::SIG_ERR, "{}", io::Error::last_os_error());
        runtime(1).run(|| {
            let local = black_box(0u8);
            let here = (&raw const local).addr();
            for _ in 0..3 {
                // SAFETY: no preconditions; the signal goes to this thread.
                assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0);
                let there = WHERE.load(Ordering::Relaxed);
                assert!((1..16 * 1024).contains(&(here - there)), "{here:x}, {there:x}");
                coroutine::yield_now();
            }
        });
    });
}

#[test]
fn a_backtrace_taken_in_a_coroutine_comes_to_an_end() {
    #[inline(never)]
    fn outermost() -> String {
        black_box(std::backtrace::Backtrace::force_capture().to_string())
    }
    for text in [runtime(1).run(outermost), coroutine::spawn(outermost).join().unwrap()] {
        assert!(text.contains("outermost"), "{text}");
        let frames = text.lines().filter(|line| line.contains(": ")).count();
        assert!((2..120).contains(&frames), "{frames} frames:\n{text}");
        assert!(!text.contains("<unknown>"), "{text}");
    }
}

/// What the other engine does not have.
#[cfg(not(feature = "generator"))]
mod slabs {
    use std::fs;

    use super::*;

    #[test]
    fn many_stacks_share_a_mapping() {
        if !process::has_light_guards("many_stacks_share_a_mapping") {
            return;
        }
        child::pass(|| {
            let runtime = runtime(1);
            end(parked(&runtime, 10, SMALL));
            let before = process::maps();
            let handles = parked(&runtime, 5_000, SMALL);
            let more = process::maps().saturating_sub(before);
            assert!(more < 100, "5,000 stacks took {more} mappings");
            end(handles);
        });
    }

    #[test]
    fn most_cold_stacks_are_there_already() {
        child::pass(|| {
            let runtime = runtime(1);
            let mut handles = parked(&runtime, 2_000, SMALL);
            // Address space is taken when a slab is mapped: how often did it grow?
            let (mut grown, mut before) = (0, process::address_space());
            for _ in 0..100 {
                handles.extend(parked(&runtime, 10, SMALL));
                let now = process::address_space();
                grown += usize::from(now >= before + 10 * SMALL);
                before = now;
            }
            assert!(grown <= 3, "address space grew with {grown} of 100 batches of stacks");
            end(handles);
        });
    }

    #[test]
    fn the_tops_of_neighbouring_stacks_lie_in_different_sets_of_the_cache() {
        child::pass(|| {
            let runtime = runtime(1);
            for size in [SMALL, 100_000, 1 << 20, 6 << 20] {
                let mut tops = end(parked(&runtime, 200, size));
                tops.sort_unstable();
                let distance = tops.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
                // Some of a page more or less, by which neighbours differ.
                let neighbours = |pair: &&[usize]| pair[1] - pair[0] < distance + 2 * 4096;
                let pairs: Vec<_> = tops.windows(2).filter(neighbours).collect();
                assert!(pairs.len() > 150, "{} of 199 are neighbours", pairs.len());
                for pair in pairs {
                    // Lines of 64 bytes, sets by the offset in a page of 4 KiB.
                    assert_ne!(pair[0] / 64 % 64, pair[1] / 64 % 64, "{pair:x?}");
                }
            }
        });
    }

    /// With huge pages for everybody the first touch of a stack would take one, of 2 MiB.
    #[cfg(target_os = "linux")]
    #[test]
    fn stacks_have_no_huge_pages() {
        if !std::path::Path::new("/sys/kernel/mm/transparent_hugepage").exists() {
            eprintln!("SKIPPED: this kernel has no huge pages");
            return;
        }
        let here = runtime(1).run(|| {
            let local = black_box(0u8);
            (&raw const local).addr()
        });
        let runtime = runtime(1);
        let handles = parked(&runtime, 1, 8 << 20);
        let smaps = fs::read_to_string("/proc/self/smaps").unwrap();
        let here = end(handles).pop().unwrap_or(here);
        let mut inside = false;
        for line in smaps.lines() {
            let range = line.split_once(' ').and_then(|(range, _)| range.split_once('-'));
            if let Some((from, to)) = range {
                let address = |text| usize::from_str_radix(text, 16).unwrap();
                inside = (address(from)..address(to)).contains(&here);
            }
            if let Some(flags) = line.strip_prefix("VmFlags:")
                && inside
            {
                return assert!(flags.split(' ').any(|flag| flag == "nh"), "{flags}");
            }
        }
        panic!("{here:x} lies in no mapping");
    }

    /// A frame such as C compilers make: it does not touch each page on its way.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline(never)]
    fn large_frame() {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the memory below the stack's end is nobody's, and what is written there is given up again.
        unsafe {
            std::arch::asm!("sub rsp, 49152", "mov byte ptr [rsp], 1", "add rsp, 49152");
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            std::arch::asm!("sub sp, sp, 12, lsl 12", "strb wzr, [sp]", "add sp, sp, 12, lsl 12");
        }
    }

    /// Calls `f` where less than `left` bytes of a stack of `size` are left, of which `top` is the first.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[inline(never)]
    fn near_the_end(top: usize, size: usize, left: usize, f: fn()) -> usize {
        let frame = black_box([1u8; 512]);
        let used = top - (&raw const frame).addr();
        if used + left < size {
            near_the_end(top, size, left, f) + usize::from(frame[used % 512])
        } else {
            f();
            used
        }
    }

    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    #[test]
    fn a_large_frame_of_c_code_does_not_step_over_the_guard() {
        // It fits, at first.
        runtime(1).run(large_frame);
        let end = child::run(|| {
            runtime(1).run(|| {
                // So that below the guard there is the stack of somebody else.
                let _others: Vec<_> = (0..20)
                    .map(|_| Builder::new().stack_size(SMALL).spawn(coroutine::park))
                    .collect();
                coroutine::yield_now();
                let builder = Builder::new().name("c code").stack_size(SMALL);
                let body = || {
                    let local = black_box(0u8);
                    near_the_end((&raw const local).addr(), SMALL, 16 * 1024, large_frame)
                };
                builder.spawn(body).join().unwrap()
            });
        });
        end.assert_killed_by(libc::SIGABRT);
        end.assert_says("`c code`");
        end.assert_says("overflowed its stack of 65536 bytes");
    }
}
