//! Mapping a stack and guarding it without splitting its mapping.
//!
//! `generator` maps each stack by itself and makes its lowest page inaccessible with `mprotect`,
//! which splits the mapping in two. Linux allows 65,530 mappings to a process, so that ends at
//! 32,750 coroutines. Its interface tells enough to do better:
//!
//! ```text
//!   guard         bottom'        bottom                                 top
//!     │ generator's │ generator's  │                                     │
//!     │ guard page  │ sentinel     │  usable: what `Bounds` calls stack  │
//!     ├─────────────┼──────────────┼─────────────────────────────────────┤
//!     └───── our guard, 2 pages ───┘                            control ─┘
//!                                                               block (`into_raw`)
//! ```
//!
//! `stack_usage` gives `top - bottom'`, and the control block lies in the topmost page. The guard
//! page is made accessible again, so that the kernel merges the mapping with its neighbours, and
//! then both low pages become a guard *without* a mapping of their own (`MADV_GUARD_INSTALL`,
//! Linux 6.13). The sentinel page is included because `generator` writes to it at creation:
//! guarding it gives its memory back.
//!
//! This leans on a layout that `generator` does not promise. So the first stack of the process
//! checks it against `/proc/self/maps` ([`guard_mode`]); on any doubt `generator`'s own guard
//! pages stay, and the smaller limit is named in the error of the spawn that meets it. They also stay
//! wherever a guard without a mapping is refused, as in memory that is locked (`mlockall`).

#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

use generator::{Generator, Gn};
use parking_lot::Mutex;

/// Stacks that exist now, in all runtimes. A statistic, and the guard of the mapping limit.
static MAPPED: AtomicUsize = AtomicUsize::new(0);

/// Those of them with a guard page of `generator`'s, which takes a mapping of its own.
static SPLIT: AtomicUsize = AtomicUsize::new(0);

/// Held while a stack is mapped.
static MAPPING: Mutex<()> = Mutex::new(());

/// A mapped stack with nothing on it. See [`super::Fiber`] for what runs on one.
pub(crate) struct Stack {
    /// Owns the mapping.
    generator: Generator<'static, (), ()>,
    bounds: Bounds,
}

/// Where a stack and its guard lie; addresses grow from `guard` over `bottom` to `top`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) guard: usize,
    pub(crate) bottom: usize,
    pub(crate) top: usize,
}

/// Why a stack could not be mapped, with what to do about it.
#[derive(Debug)]
pub(crate) struct MapError {
    size: usize,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Zero,
    /// Not representable, or above the hard limit of `RLIMIT_STACK`, which `generator` obeys.
    TooLarge {
        limit: usize,
    },
    /// Each stack with a guard page of its own takes two of the process's mappings. So many there are.
    Mappings {
        split: usize,
        limit: usize,
    },
    System(io::Error),
    Engine(String),
}

impl fmt::Display for MapError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.size;
        write!(f, "could not map a stack of {size} bytes: ")?;
        match &self.cause {
            Cause::Zero => write!(
                f,
                "a coroutine needs a stack; leave the size out for the default, or ask for at \
                 least {} bytes",
                super::MIN_STACK_SIZE
            ),
            Cause::TooLarge { limit } => write!(
                f,
                "the limit of this process is {limit} bytes; ask for less, or raise it \
                 (`ulimit -Hs`)"
            ),
            Cause::Mappings { split, limit } => write!(
                f,
                "{split} stacks are alive that each take two of the {limit} mappings that this \
                 process may have; raise `vm.max_map_count` (`sysctl -w vm.max_map_count=...`), \
                 or run fewer coroutines at once; Linux 6.13 and later do not need it, but in a \
                 process that locks its memory"
            ),
            Cause::System(error) => write!(
                f,
                "{error}; {} stacks are alive; ask for a smaller stack, run fewer coroutines at \
                 once, or raise what limits the process: its memory, `ulimit -v`, `ulimit -l` if it \
                 locks its memory, `vm.overcommit_memory`, `vm.max_map_count`",
                MAPPED.load(Ordering::Relaxed)
            ),
            Cause::Engine(message) => f.write_str(message),
        }
    }
}

impl std::error::Error for MapError {}

impl Stack {
    /// Maps a stack of at least `size` usable bytes.
    pub(crate) fn map(size: usize) -> Result<Stack, MapError> {
        let fail = |cause| MapError { size, cause };
        if size == 0 {
            return Err(fail(Cause::Zero));
        }
        let mode = guard_mode();
        // One at a time: two half-made stacks side by side keep the kernel from merging them later.
        let _one_at_a_time = MAPPING.lock();
        preflight(size).map_err(fail)?;
        let mut stack = Stack::create(size).map_err(fail)?;
        if let GuardMode::Merged = mode {
            stack.merge_guard().map_err(|error| fail(Cause::System(error)))?;
        }
        Ok(stack)
    }

    /// Lets `generator` map a stack, with its own guard page.
    fn create(size: usize) -> Result<Stack, Cause> {
        let page = page_size();
        let limit = hard_limit();
        let Some(bytes) = size.max(super::MIN_STACK_SIZE).checked_add(page).filter(|n| *n <= limit)
        else {
            return Err(Cause::TooLarge { limit });
        };
        // An even number of words: an odd one asks `generator` to fill the whole stack.
        let words = bytes.next_multiple_of(page) / size_of::<usize>();
        let generator = catch_unwind(AssertUnwindSafe(|| Gn::<()>::new_scoped_opt(words, |_| ())))
            .map_err(|panic| {
                let message = panic.downcast_ref::<String>().map_or("unknown error", |s| s);
                Cause::Engine(message.to_owned())
            })?;
        MAPPED.fetch_add(1, Ordering::Relaxed);
        SPLIT.fetch_add(1, Ordering::Relaxed);

        let usable = generator.stack_usage().0 * size_of::<usize>();
        let control = generator.into_raw();
        let top = (control as usize).next_multiple_of(page);
        // SAFETY: `control` comes from `into_raw` of this type just now and is used up here.
        let generator = unsafe { Generator::from_raw(control) };
        let bottom = top - usable;
        Ok(Stack { generator, bounds: Bounds { guard: bottom - page, bottom, top } })
    }

    /// Replaces `generator`'s guard page by a guard of two pages that has no mapping of its own. `false`: this
    /// memory cannot have such a guard, and has the other one as before.
    ///
    /// # Errors
    ///
    /// The system's, and the stack has no guard at all.
    #[cfg(target_os = "linux")]
    fn merge_guard(&mut self) -> io::Result<bool> {
        let page = page_size();
        let guard = self.bounds.guard as *mut libc::c_void;
        // SAFETY: by the layout that `guard_mode` has verified, the two pages from `guard` on are
        // `generator`'s guard page and the lowest page of a stack on which nothing has run; both
        // belong to the mapping that `self.generator` owns.
        let merged = unsafe {
            libc::mprotect(guard, page, libc::PROT_READ | libc::PROT_WRITE) == 0
                && libc::madvise(guard, 2 * page, MADV_GUARD_INSTALL) == 0
        };
        if merged {
            self.bounds.bottom += page;
            SPLIT.fetch_sub(1, Ordering::Relaxed);
            return Ok(true);
        }
        // SAFETY: as above.
        match unsafe { libc::mprotect(guard, page, libc::PROT_NONE) } {
            0 => Ok(false),
            _ => Err(io::Error::last_os_error()),
        }
    }

    #[cfg(not(target_os = "linux"))]
    fn merge_guard(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// For a fiber, which calls [`unmapped`] at its end.
    pub(super) fn into_parts(self) -> (Generator<'static, (), ()>, Bounds) {
        let this = ManuallyDrop::new(self);
        // SAFETY: moved out of a value that is not used or dropped any more.
        (unsafe { std::ptr::read(&this.generator) }, this.bounds)
    }
}

impl Bounds {
    /// Whether the guard is `generator`'s page, and has a mapping of its own.
    fn is_split(&self) -> bool {
        self.bottom - self.guard == page_size()
    }

    /// Whether `address` lies in the guard: a fault there is an overflow of this stack.
    pub(crate) fn is_guard(&self, address: usize) -> bool {
        (self.guard..self.bottom).contains(&address)
    }

    /// Gives the pages to the kernel that lie deeper than the topmost few.
    ///
    /// # Safety
    ///
    /// The stack must be mapped, and nothing that matters may lie deeper than 16 KiB on it.
    pub(super) unsafe fn release_deep_pages(&self) {
        const KEEP: usize = 16 * 1024;
        let end = self.top - KEEP.next_multiple_of(page_size());
        #[cfg(unix)]
        if end > self.bottom {
            let start = self.bottom as *mut libc::c_void;
            // SAFETY: the caller's promise. Failure only means that the pages stay.
            unsafe { libc::madvise(start, end - self.bottom, libc::MADV_DONTNEED) };
        }
        #[cfg(not(unix))]
        let _ = end;
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        unmapped(self.bounds);
    }
}

/// The stack with these bounds is gone.
pub(super) fn unmapped(bounds: Bounds) {
    MAPPED.fetch_sub(1, Ordering::Relaxed);
    if bounds.is_split() {
        SPLIT.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Checks what would make `generator` panic while it maps a stack, which would print a message
/// with no remedy in it.
fn preflight(size: usize) -> Result<(), Cause> {
    let split = SPLIT.load(Ordering::Relaxed);
    if let Some(limit) = mapping_limit()
        && split * 2 + MAPPINGS_OF_OTHERS > limit
    {
        return Err(Cause::Mappings { split, limit });
    }
    probe(size)
}

/// Mappings that the rest of the process needs: libraries, threads, allocator arenas.
const MAPPINGS_OF_OTHERS: usize = 512;

/// Asks the kernel for such a mapping and gives it back at once. Costs a microsecond, a tenth of
/// what a cold stack costs.
#[cfg(unix)]
fn probe(size: usize) -> Result<(), Cause> {
    let Some(bytes) = size.checked_add(4 * page_size()).filter(|n| *n <= isize::MAX as usize)
    else {
        return Err(Cause::TooLarge { limit: hard_limit() });
    };
    // SAFETY: an anonymous mapping at an address of the kernel's choice, unmapped at once, that
    // nobody else can know of.
    unsafe {
        let map = libc::mmap(
            std::ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANON,
            -1,
            0,
        );
        if map == libc::MAP_FAILED {
            return Err(Cause::System(io::Error::last_os_error()));
        }
        libc::munmap(map, bytes);
    }
    Ok(())
}

#[cfg(not(unix))]
fn probe(_size: usize) -> Result<(), Cause> {
    Ok(())
}

/// How many stacks exist now, in all runtimes.
pub(crate) fn mapped() -> usize {
    MAPPED.load(Ordering::Relaxed)
}

/// How stacks are guarded in this process.
#[derive(Debug)]
pub(crate) enum GuardMode {
    /// A guard without a mapping of its own: the number of coroutines is bounded by memory.
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "Linux has it"))]
    Merged,
    /// `generator`'s own guard page: two mappings a stack. Holds the reason.
    #[allow(dead_code, reason = "read through Debug, when somebody asks why")]
    Split(&'static str),
}

/// Finds out once which guard this system and this version of `generator` allow.
pub(crate) fn guard_mode() -> &'static GuardMode {
    static MODE: once_cell::sync::Lazy<GuardMode> = once_cell::sync::Lazy::new(|| {
        #[cfg(target_os = "linux")]
        return match verify::merged_guard_works() {
            Ok(()) => GuardMode::Merged,
            Err(reason) => GuardMode::Split(reason),
        };
        #[cfg(not(target_os = "linux"))]
        GuardMode::Split("only Linux has guards without a mapping")
    });
    &MODE
}

#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

#[cfg(target_os = "linux")]
mod verify {
    //! The start-up check of the layout that the merged guard relies on.

    use super::*;

    /// Maps one stack and compares what was computed with what the kernel says, before and after.
    pub(super) fn merged_guard_works() -> Result<(), &'static str> {
        if std::env::var_os("MCO_SPLIT_GUARDS").is_some() {
            return Err("asked for by MCO_SPLIT_GUARDS");
        }
        let page = page_size();
        let mut stack = Stack::create(64 * 1024).map_err(|_| "no stack could be mapped")?;
        let Bounds { guard, bottom, top } = stack.bounds;
        let maps = Maps::read().ok_or("/proc/self/maps cannot be read")?;
        if maps.access(guard, bottom) != Some(false) || maps.start_of(guard) != Some(guard) {
            return Err("the guard page is not where it was computed to be");
        }
        if maps.access(bottom, top) != Some(true) {
            return Err("the stack is not where it was computed to be");
        }
        if !stack.merge_guard().map_err(|_| "the guard page cannot be restored")? {
            return Err("the kernel has no MADV_GUARD_INSTALL, or locks all memory");
        }
        let maps = Maps::read().ok_or("/proc/self/maps cannot be read")?;
        if maps.access(guard, top) != Some(true) {
            return Err("the guard did not merge into the mapping");
        }
        for (address, faults) in
            [(guard, true), (guard + page, true), (stack.bounds.bottom, false), (top - 1, false)]
        {
            if faults_on_read(address) != Some(faults) {
                return Err("the guard does not guard");
            }
        }
        Ok(())
    }

    /// Whether reading a byte at `address` faults, asked through a system call that reports it.
    fn faults_on_read(address: usize) -> Option<bool> {
        let mut pipe = [0; 2];
        // SAFETY: `pipe` has room for two descriptors; `write` checks the address by itself; the
        // descriptors are ours to close.
        unsafe {
            if libc::pipe2(pipe.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
                return None;
            }
            let written = libc::write(pipe[1], address as *const libc::c_void, 1);
            let error = io::Error::last_os_error();
            libc::close(pipe[0]);
            libc::close(pipe[1]);
            match written {
                1 => Some(false),
                _ if error.raw_os_error() == Some(libc::EFAULT) => Some(true),
                _ => None,
            }
        }
    }

    /// The process's mappings: start, end, readable and writable.
    struct Maps(Vec<(usize, usize, bool)>);

    impl Maps {
        fn read() -> Option<Maps> {
            let text = std::fs::read_to_string("/proc/self/maps").ok()?;
            let line = |line: &str| {
                let (range, rest) = line.split_once(' ')?;
                let (start, end) = range.split_once('-')?;
                let address = |s| usize::from_str_radix(s, 16).ok();
                Some((address(start)?, address(end)?, rest.starts_with("rw-p")))
            };
            text.lines().map(line).collect::<Option<_>>().map(Maps)
        }

        /// Whether the whole range is readable and writable, or none of it; `None` if mixed.
        fn access(&self, start: usize, end: usize) -> Option<bool> {
            let mut covered = start;
            let mut found = None;
            for &(from, to, access) in self.0.iter().filter(|m| m.0 < end && m.1 > start) {
                if from > covered || found.is_some_and(|seen| seen != access) {
                    return None;
                }
                covered = to;
                found = Some(access);
            }
            found.filter(|_| covered >= end)
        }

        fn start_of(&self, address: usize) -> Option<usize> {
            self.0.iter().find(|m| (m.0..m.1).contains(&address)).map(|m| m.0)
        }
    }
}

/// The system's limit of mappings, if it has one.
fn mapping_limit() -> Option<usize> {
    static LIMIT: once_cell::sync::Lazy<Option<usize>> = once_cell::sync::Lazy::new(|| {
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
    });
    *LIMIT
}

/// The largest stack that `generator` maps: the hard limit of `RLIMIT_STACK`.
#[cfg(unix)]
fn hard_limit() -> usize {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    let known = unsafe { libc::getrlimit(libc::RLIMIT_STACK, &raw mut limit) } == 0;
    let max = usize::try_from(limit.rlim_max).unwrap_or(usize::MAX);
    // Room for the pages that `generator` adds, and for rounding without overflow.
    let max = if known { max } else { 1 << 30 };
    max.min(isize::MAX as usize).saturating_sub(4 * page_size())
}

#[cfg(not(unix))]
fn hard_limit() -> usize {
    1 << 30
}

/// No system here has smaller pages.
pub(super) const SMALLEST_PAGE: usize = 4096;

/// The size of a page of memory, in bytes.
#[cfg(unix)]
pub(super) fn page_size() -> usize {
    static SIZE: once_cell::sync::Lazy<usize> = once_cell::sync::Lazy::new(|| {
        // SAFETY: `sysconf` has no preconditions.
        let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        usize::try_from(size).unwrap_or(4096)
    });
    *SIZE
}

#[cfg(not(unix))]
pub(super) fn page_size() -> usize {
    4096
}
