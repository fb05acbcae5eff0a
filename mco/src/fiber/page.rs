//! Pages and mappings of memory: how large, how many, and how they are given back.

#![allow(unsafe_code)]

/// No system here has smaller pages.
#[allow(dead_code, reason = "`generator` alone needs it")]
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

/// The system's limit of mappings of a process, if it has one.
#[cfg_attr(windows, allow(dead_code, reason = "it has none"))]
pub(super) fn mapping_limit() -> Option<usize> {
    static LIMIT: once_cell::sync::Lazy<Option<usize>> = once_cell::sync::Lazy::new(|| {
        std::fs::read_to_string("/proc/sys/vm/max_map_count").ok()?.trim().parse().ok()
    });
    *LIMIT
}

/// Gives memory to the system whose contents are not needed any more. The addresses stay.
///
/// # Safety
///
/// Nobody needs what is there, and nobody else uses it meanwhile.
#[cfg(unix)]
pub(super) unsafe fn release(start: usize, bytes: usize) {
    const HOW: libc::c_int = if cfg!(any(target_os = "linux", target_os = "android")) {
        libc::MADV_DONTNEED
    } else {
        libc::MADV_FREE
    };
    // SAFETY: the caller's promise. Failure only means that the memory stays.
    unsafe { libc::madvise(std::ptr::with_exposed_provenance_mut(start), bytes, HOW) };
}

#[cfg(not(unix))]
pub(super) unsafe fn release(_start: usize, _bytes: usize) {}
