//! Counts the threads of this process that are mco's own. Those wake a coroutine only for reasons that mco knows, so
//! the deadlock detector asks whether there are others.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The number of mco's live threads in the low half, and in the high half the number of those started so far.
static COUNTS: AtomicU64 = AtomicU64::new(0);

/// Whether the thread that the process began with is one of them.
static MAIN: AtomicBool = AtomicBool::new(false);

const LIVING: u64 = 1;
const STARTED: u64 = 1 << 32;

/// While it lives, the calling thread counts as mco's own. To be held by the thread itself, so that those
/// that are counted exist.
#[derive(Debug)]
pub(crate) struct RuntimeThread {
    is_main: bool,
}

impl RuntimeThread {
    pub(crate) fn new() -> RuntimeThread {
        let is_main = is_main() == Some(true);
        if is_main {
            MAIN.store(true, Ordering::SeqCst);
        }
        COUNTS.fetch_add(LIVING | STARTED, Ordering::SeqCst);
        RuntimeThread { is_main }
    }
}

impl Drop for RuntimeThread {
    fn drop(&mut self) {
        COUNTS.fetch_sub(LIVING, Ordering::SeqCst);
        if self.is_main {
            MAIN.store(false, Ordering::SeqCst);
        }
    }
}

/// Whether the thread that the process began with counts as mco's own.
pub(crate) fn has_main() -> bool {
    MAIN.load(Ordering::SeqCst)
}

/// Whether there are no threads but mco's own, and `others` that the caller knows of. `None`: this
/// system does not tell.
///
/// `COUNTS` is the same before and after the counting, so none of mco's has begun or ended to count meanwhile. All
/// that are counted there exist, so at the moment of the counting there are others if the process has more
/// threads, and none if it has as many. A thread of mco's that has just begun, or is about to end, counts as
/// another one.
pub(crate) fn are_all_counted(others: u64) -> Option<bool> {
    let before = COUNTS.load(Ordering::SeqCst);
    let all = count()?;
    let unchanged = COUNTS.load(Ordering::SeqCst) == before;
    Some(unchanged && all == before % STARTED + others)
}

/// How many threads this process has, all at one moment.
///
/// It is a number that the kernel keeps, which it reads while no thread can come or go. To count the entries of
/// `/proc/self/task` is no replacement: a thread that ends while they are listed takes another one with it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn count() -> Option<u64> {
    let status = std::fs::read("/proc/self/status").ok()?;
    // The name of the process comes before it, and need not be UTF-8.
    let number = status.split(|byte| *byte == b'\n').find_map(|l| l.strip_prefix(b"Threads:"))?;
    std::str::from_utf8(number).ok()?.trim().parse().ok()
}

/// How many threads this process has, all at one moment.
#[cfg(target_vendor = "apple")]
#[allow(unsafe_code)]
fn count() -> Option<u64> {
    use std::mem;

    // SAFETY: it consists of numbers, for which zero is a value.
    let mut info = unsafe { mem::zeroed::<libc::proc_taskinfo>() };
    let size = libc::c_int::try_from(mem::size_of_val(&info)).ok()?;
    // SAFETY: `info` has room for what is asked for, and its size is given.
    let written = unsafe {
        libc::proc_pidinfo(libc::getpid(), libc::PROC_PIDTASKINFO, 0, (&raw mut info).cast(), size)
    };
    (written == size).then(|| u64::try_from(info.pti_threadnum).ok()).flatten()
}

/// How many threads this process has, all at one moment.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn count() -> Option<u64> {
    None
}

/// Whether this is the thread that the process began with. `None`: this system does not tell.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[allow(unsafe_code)]
fn is_main() -> Option<bool> {
    // SAFETY: both only tell a number.
    Some(unsafe { libc::gettid() == libc::getpid() })
}

/// Whether this is the thread that the process began with. `None`: this system does not tell.
#[cfg(target_vendor = "apple")]
#[allow(unsafe_code)]
fn is_main() -> Option<bool> {
    // SAFETY: it only tells.
    Some(unsafe { libc::pthread_main_np() == 1 })
}

/// Whether this is the thread that the process began with. `None`: this system does not tell.
#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn is_main() -> Option<bool> {
    None
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    #[test]
    fn all_threads_are_counted() {
        const THREADS: usize = 64;
        let over = Barrier::new(THREADS + 1);
        thread::scope(|scope| {
            (0..THREADS).for_each(|_| drop(scope.spawn(|| over.wait())));
            let counted = count().expect("Linux tells");
            over.wait();
            // With this one.
            assert!(counted > THREADS as u64, "{counted}");
        });
    }

    #[test]
    fn a_thread_of_the_program_is_noticed() {
        assert_eq!(are_all_counted(0), Some(false));
    }
}
