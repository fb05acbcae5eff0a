//! What this process has, as the system counts it.
//!
//! Other tests of the same binary open and close things meanwhile, so these belong into a
//! [`child`](crate::child).

#![allow(unsafe_code)]

use std::collections::HashMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::time::Duration;

/// Entries in a folder of this process's in `/proc`.
fn entries(folder: &str) -> usize {
    let path = format!("/proc/self/{folder}");
    fs::read_dir(&path).unwrap_or_else(|e| panic!("{path} cannot be read: {e}")).count()
}

/// Open descriptors.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn descriptors() -> usize {
    // Reading the folder takes one.
    entries("fd") - 1
}

/// Threads.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn threads() -> usize {
    entries("task")
}

/// The name of the calling thread, for [`is_asleep`].
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn this_thread() -> String {
    let path = fs::read_link("/proc/thread-self").expect("/proc/thread-self");
    path.to_str().expect("two numbers").to_owned()
}

/// Whether a thread of this process waits for something, and not for a processor.
#[must_use]
pub fn is_asleep(thread: &str) -> bool {
    // After the end of the thread there is no such file.
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    status.lines().any(|line| line.starts_with("State:\tS"))
}

/// Whether all threads of this process but the calling one wait for something: then each of them has begun.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn do_others_sleep() -> bool {
    let this = this_thread();
    let (_, own) = this.rsplit_once('/').expect("a process and a thread");
    let threads = fs::read_dir("/proc/self/task").expect("/proc/self/task");
    threads
        .map(|thread| thread.expect("a thread").file_name().into_string().expect("a number"))
        .filter(|thread| thread != own)
        .all(|thread| is_asleep(&format!("self/task/{thread}")))
}

/// Memory mappings, of which Linux allows `vm.max_map_count`.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn maps() -> usize {
    fs::read_to_string("/proc/self/maps").expect("/proc/self/maps").lines().count()
}

/// Bytes of memory that are resident.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok());
    pages.expect("a number of pages") * page_size()
}

/// Bytes of addresses that are in use, of which `RLIMIT_AS` limits the number.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn address_space() -> usize {
    let text = fs::read_to_string("/proc/self/statm").expect("/proc/self/statm");
    let pages = text.split_whitespace().next().and_then(|n| n.parse::<usize>().ok());
    pages.expect("a number of pages") * page_size()
}

/// The size of a page, in bytes.
#[must_use]
pub fn page_size() -> usize {
    // SAFETY: `sysconf` has no preconditions.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(4096)
}

/// Major and minor number of the kernel.
///
/// # Panics
///
/// If the system does not tell.
#[must_use]
pub fn kernel() -> (u32, u32) {
    let text = fs::read_to_string("/proc/sys/kernel/osrelease").expect("the kernel's version");
    let mut parts = text.split(['.', '-', '\n']).map_while(|n| n.parse().ok());
    (parts.next().expect("a major number"), parts.next().expect("a minor number"))
}

/// Whether the kernel has guard pages without a mapping of their own, which many coroutines at
/// once need. If not, says that the calling test is skipped.
#[must_use]
pub fn has_light_guards(test: &str) -> bool {
    if cfg!(feature = "generator") {
        eprintln!("{test}: SKIPPED, the engine `generator` has none");
        return false;
    }
    let (major, minor) = kernel();
    let has = (major, minor) >= (6, 13);
    if !has {
        eprintln!("{test}: SKIPPED, it needs Linux 6.13 and this is {major}.{minor}");
    }
    has
}

/// How long each thread of this process has waited for a processor so far; empty where the system
/// does not tell.
pub(crate) fn run_delays() -> HashMap<u64, Duration> {
    let Ok(folder) = fs::read_dir("/proc/self/task") else {
        return HashMap::new();
    };
    let delay = |entry: fs::DirEntry| {
        let thread = entry.file_name().to_str()?.parse().ok()?;
        let text = fs::read_to_string(entry.path().join("schedstat")).ok()?;
        let nanos = text.split_whitespace().nth(1)?.parse().ok()?;
        Some((thread, Duration::from_nanos(nanos)))
    };
    folder.filter_map(|entry| delay(entry.ok()?)).collect()
}

/// Limits this process, a child, to `more` descriptors beside those that are open.
///
/// # Panics
///
/// If the system refuses.
pub fn leave_descriptors(more: usize) {
    // The limit is one of numbers, which are given away from the lowest free one on.
    let mut places: Vec<_> =
        (0..=more).map(|_| fs::File::open("/dev/null").expect("a descriptor")).collect();
    let first_too_many = places.pop().expect("there is one").as_raw_fd();
    set_descriptor_limit(usize::try_from(first_too_many).expect("a number"));
}

/// Lets this process, a child, have so many descriptors.
///
/// # Panics
///
/// If the system refuses.
pub fn raise_descriptor_limit(least: usize) {
    if get_limit().rlim_cur < least as libc::rlim_t {
        set_descriptor_limit(least);
    }
}

fn set_descriptor_limit(limit: usize) {
    let mut limits = get_limit();
    limits.rlim_cur = limit as libc::rlim_t;
    // SAFETY: `limits` is a valid value.
    let done = unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limits) };
    assert_eq!(done, 0, "setrlimit: {}", std::io::Error::last_os_error());
}

fn get_limit() -> libc::rlimit {
    let mut limits = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limits` is a place for the answer.
    let done = unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limits) };
    assert_eq!(done, 0, "getrlimit: {}", std::io::Error::last_os_error());
    limits
}
