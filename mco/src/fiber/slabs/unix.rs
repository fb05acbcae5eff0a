//! Where stacks lie on Unix: in slabs that are reserved without being accounted for, below guards of which Linux
//! 6.13 and later need no mapping.
//!
//! *Reserved*: `MAP_NORESERVE`, so that address space alone is taken, which is memory where it is touched; and
//! without huge pages, of which the first touch of a stack would take a whole one.
//!
//! *Guards*: `MADV_GUARD_INSTALL` makes pages inaccessible without splitting the mapping. Elsewhere it is
//! `mprotect`, by which each stack takes two mappings of its own, of which Linux allows a process 65,530. Whether
//! the first is to be had is tried out once: an emulator may answer with success, and guard nothing. In memory that
//! is locked (`mlockall`) it is refused each time.
//!
//! *Locked memory*: where all that is mapped becomes resident at once (`MCL_FUTURE` without `MCL_ONFAULT`), a slab
//! has one stack.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io;
use std::num::NonZeroUsize;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use corosensei::stack::{Stack, StackPointer};

use super::super::Bounds;
use super::super::error::Cause;
use super::super::page::{mapping_limit, page_size, release};
use super::colour::colour_of;
use super::slab::{Guards, Layout, Memory, Slabs, Slot};

/// Guards that are mappings of their own, in the whole process. Below each lies one stack.
static SPLIT: AtomicUsize = AtomicUsize::new(0);

/// Mappings that the rest of the process needs: libraries, threads, allocator arenas.
const MAPPINGS_OF_OTHERS: usize = 512;

/// Where one worker has its stacks of one size from.
pub(super) struct Source(Option<Slabs<System>>);

/// A stack out of a slab.
pub(super) struct Space {
    slot: Slot,
    bounds: Bounds,
}

impl Source {
    pub(super) fn new(size: usize, head_room: usize) -> Source {
        let size = size.checked_add(head_room);
        let layout = size.and_then(|size| Layout::new(size, page_size()));
        Source(layout.map(|layout| Slabs::new(System, layout)))
    }

    pub(super) fn take(&mut self) -> Result<Space, Cause> {
        let Some(slabs) = &mut self.0 else {
            return Err(Cause::TooLarge { limit: isize::MAX as usize, remedy: "" });
        };
        let (slot, bounds) = slabs.take()?;
        Ok(Space { slot, bounds })
    }

    pub(super) fn give(&mut self, memory: Space) {
        if let Some(slabs) = &mut self.0 {
            slabs.give(memory.slot);
        }
    }

    pub(super) fn is_clean(&self) -> bool {
        self.0.as_ref().is_none_or(Slabs::is_clean)
    }

    pub(super) fn trim(&mut self) {
        if let Some(slabs) = &mut self.0 {
            slabs.trim();
        }
    }
}

impl Space {
    pub(super) fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// How far below the top its use begins, so that neighbours differ.
    pub(super) fn colour(&self) -> usize {
        colour_of(self.slot.index as usize)
    }

    /// For the engine: the part of the stack below `base`.
    pub(super) fn part_below(&self, base: NonZeroUsize) -> Part {
        Part { base, limit: NonZeroUsize::new(self.bounds.guard).unwrap_or(base) }
    }
}

/// What the engine is told of a stack.
pub(super) struct Part {
    base: StackPointer,
    limit: StackPointer,
}

// SAFETY: below `base` there are `MIN_STACK_SIZE` bytes and more, and below them a guard down to `limit`.
unsafe impl Stack for Part {
    #[inline(always)]
    fn base(&self) -> StackPointer {
        self.base
    }

    #[inline]
    fn limit(&self) -> StackPointer {
        self.limit
    }
}

/// The operating system.
struct System;

#[cfg(target_os = "linux")]
const MADV_GUARD_INSTALL: libc::c_int = 102;

/// Not to be accounted for as memory; no system has another name for it.
#[cfg(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "netbsd"
))]
const NO_RESERVE: libc::c_int = libc::MAP_NORESERVE;
#[cfg(not(any(
    target_os = "linux",
    target_os = "android",
    target_vendor = "apple",
    target_os = "netbsd"
)))]
const NO_RESERVE: libc::c_int = 0;

/// OpenBSD asks for it; Linux leaves such a mapping without huge pages, since 6.7.
#[cfg(any(target_os = "linux", target_os = "openbsd", target_os = "netbsd"))]
const FOR_STACKS: libc::c_int = libc::MAP_STACK;
#[cfg(not(any(target_os = "linux", target_os = "openbsd", target_os = "netbsd")))]
const FOR_STACKS: libc::c_int = 0;

fn reserve(bytes: usize) -> io::Result<*mut c_void> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | NO_RESERVE | FOR_STACKS;
    // SAFETY: an anonymous mapping at an address of the kernel's choice.
    let start = unsafe {
        libc::mmap(ptr::null_mut(), bytes, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0)
    };
    if start == libc::MAP_FAILED { Err(io::Error::last_os_error()) } else { Ok(start) }
}

impl Memory for System {
    fn map(&mut self, bytes: usize) -> Result<usize, Cause> {
        let start = reserve(bytes).map_err(Cause::System)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        // SAFETY: the mapping is ours. A kernel without huge pages refuses, and has none.
        unsafe {
            libc::madvise(start, bytes, libc::MADV_NOHUGEPAGE);
        }
        Ok(start.expose_provenance())
    }

    unsafe fn unmap(&mut self, start: usize, bytes: usize, split: usize) {
        SPLIT.fetch_sub(split, Ordering::Relaxed);
        // SAFETY: the caller's promise. It does not fail for a whole mapping; if it did, addresses would be lost.
        unsafe { libc::munmap(ptr::with_exposed_provenance_mut(start), bytes) };
    }

    unsafe fn guard(
        &mut self,
        first: usize,
        stride: usize,
        bytes: usize,
        count: usize,
    ) -> Result<Guards, Cause> {
        let mut guards = Guards { made: 0, split: 0 };
        while guards.made < count {
            let address = ptr::with_exposed_provenance_mut(first + guards.made * stride);
            // SAFETY: the caller's promise.
            match unsafe { guard(address, bytes) } {
                Ok(is_split) => guards.split += usize::from(is_split),
                Err(_) if guards.made > 0 => break,
                Err(cause) => return Err(cause),
            }
            guards.made += 1;
        }
        Ok(guards)
    }

    unsafe fn release(&mut self, start: usize, bytes: usize) {
        // SAFETY: the caller's promise.
        unsafe { release(start, bytes) };
    }

    fn slab_limit(&mut self) -> usize {
        if is_future_resident() { 1 } else { usize::MAX }
    }
}

/// Makes a guard, and says whether it is a mapping of its own.
///
/// # Safety
///
/// It is memory of the caller's that nobody uses.
unsafe fn guard(address: *mut c_void, bytes: usize) -> Result<bool, Cause> {
    #[cfg(target_os = "linux")]
    // SAFETY: the caller's promise.
    if has_light_guards() && unsafe { libc::madvise(address, bytes, MADV_GUARD_INSTALL) } == 0 {
        return Ok(false);
    }
    let split = SPLIT.fetch_add(1, Ordering::Relaxed);
    let full = |limit| Cause::Mappings { split, limit };
    let outcome = match mapping_limit() {
        Some(limit) if split * 2 + MAPPINGS_OF_OTHERS > limit => Err(full(limit)),
        limit => {
            // SAFETY: the caller's promise.
            match unsafe { libc::mprotect(address, bytes, libc::PROT_NONE) } {
                0 => Ok(true),
                _ => match (io::Error::last_os_error(), limit) {
                    // What it says if there are too many mappings.
                    (error, Some(limit)) if error.raw_os_error() == Some(libc::ENOMEM) => {
                        Err(full(limit))
                    }
                    (error, _) => Err(Cause::System(error)),
                },
            }
        }
    };
    if outcome.is_err() {
        SPLIT.fetch_sub(1, Ordering::Relaxed);
    }
    outcome
}

/// Whether this system has guards without a mapping, as was tried out once.
#[cfg(target_os = "linux")]
fn has_light_guards() -> bool {
    static HAS: once_cell::sync::Lazy<bool> = once_cell::sync::Lazy::new(|| {
        std::env::var_os("MCO_SPLIT_GUARDS").is_none() && try_out::light_guard().unwrap_or(false)
    });
    *HAS
}

#[cfg(target_os = "linux")]
mod try_out {
    use std::os::fd::AsRawFd;

    use super::*;

    /// Whether such a guard guards, its page and no other.
    pub(super) fn light_guard() -> io::Result<bool> {
        let page = page_size();
        let start = reserve(3 * page)?;
        let guard = start.wrapping_byte_add(page);
        // SAFETY: the mapping is ours. Where all memory is locked its guards would be refused, which says nothing.
        let installed = unsafe {
            libc::munlock(start, 3 * page);
            libc::madvise(guard, page, MADV_GUARD_INSTALL) == 0
        };
        let faults = |n: usize| faults_on_read(start.wrapping_byte_add(n * page));
        let outcome = match installed {
            true => [faults(0), faults(1), faults(2)],
            false => [Ok(false), Ok(false), Ok(false)],
        };
        // SAFETY: the mapping is ours, and nobody knows of it any more.
        unsafe { libc::munmap(start, 3 * page) };
        let [below, inside, above] = outcome;
        Ok(inside? && !below? && !above?)
    }

    /// Whether reading a byte there faults, asked through a system call that reports it.
    fn faults_on_read(address: *const c_void) -> io::Result<bool> {
        let (read_end, write_end) = io::pipe()?;
        // SAFETY: `write` checks the address by itself.
        let written = unsafe { libc::write(write_end.as_raw_fd(), address, 1) };
        let error = io::Error::last_os_error();
        drop(read_end);
        match written {
            1 => Ok(false),
            _ if error.raw_os_error() == Some(libc::EFAULT) => Ok(true),
            _ => Err(error),
        }
    }
}

/// Whether what is mapped now is resident at once, without being touched.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn is_future_resident() -> bool {
    let page = page_size();
    let Ok(start) = reserve(page) else { return false };
    let mut residency = 0;
    // SAFETY: the mapping is ours, and nobody knows of it any more; one byte is written for a page.
    let known = unsafe {
        let known = libc::mincore(start, page, &raw mut residency) == 0;
        libc::munmap(start, page);
        known
    };
    known && residency & 1 == 1
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn is_future_resident() -> bool {
    false
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_guard_of_either_kind_faults_and_what_is_beside_it_does_not() {
        assert!(try_out::light_guard().is_ok());
    }
}
