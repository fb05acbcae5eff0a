//! What the kernel knows about this process.

#![allow(unsafe_code)]

use std::fs;
use std::mem::MaybeUninit;
use std::time::Duration;

/// Processor time, in user and kernel mode, of all threads of this process. Its children do not count.
pub(crate) fn cpu_time() -> Duration {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: `usage` is a writable place for one `rusage`, which `getrusage` fills when it returns 0.
    let usage = unsafe {
        assert_eq!(libc::getrusage(libc::RUSAGE_SELF, usage.as_mut_ptr()), 0, "`getrusage` failed");
        usage.assume_init()
    };
    let span = |t: libc::timeval| Duration::new(t.tv_sec as u64, t.tv_usec as u32 * 1000);
    span(usage.ru_utime) + span(usage.ru_stime)
}

/// Processor time of the calling thread.
pub(crate) fn thread_time() -> Duration {
    let mut time = MaybeUninit::<libc::timespec>::uninit();
    // SAFETY: `time` is a writable place for one `timespec`, which `clock_gettime` fills when it returns 0.
    let time = unsafe {
        let done = libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, time.as_mut_ptr());
        assert_eq!(done, 0, "`clock_gettime` failed");
        time.assume_init()
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Bytes of memory that this process holds: its resident pages and its page tables.
///
/// The resident pages come from `smaps_rollup`, which counts them; the figure in `status` may be off by megabytes.
pub(crate) fn resident_bytes() -> u64 {
    1024 * (kibibytes("/proc/self/smaps_rollup", "Rss:") + kibibytes("/proc/self/status", "VmPTE:"))
}

/// The number that follows `field` in a file of `/proc`.
fn kibibytes(path: &str, field: &str) -> u64 {
    let text =
        fs::read_to_string(path).unwrap_or_else(|fault| panic!("could not read `{path}`: {fault}"));
    text.lines()
        .find_map(|line| line.strip_prefix(field)?.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("`{path}` has no `{field}`"))
}
