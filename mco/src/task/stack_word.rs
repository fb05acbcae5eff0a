//! Reading a stack word by word, whatever is there.

#![allow(unsafe_code)]

/// Reads a word that may be nobody's at the moment, of which the sanitizers would complain.
///
/// # Safety
///
/// The memory must be mapped, and change by this thread alone.
pub(super) unsafe fn read(at: usize) -> usize {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        let word;
        std::arch::asm!("mov {0}, [{1}]", out(reg) word, in(reg) at, options(nostack, readonly, preserves_flags));
        word
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the caller's promise.
    unsafe {
        let word;
        std::arch::asm!("ldr {0}, [{1}]", out(reg) word, in(reg) at, options(nostack, readonly, preserves_flags));
        word
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    // SAFETY: the caller's promise.
    unsafe {
        std::ptr::with_exposed_provenance::<usize>(at).read_volatile()
    }
}
