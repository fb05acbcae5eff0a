//! What the closure of a coroutine was spawned with, as words to be compared: by it a dump tells who holds
//! an object that others wait for.

#![allow(unsafe_code)]

#[cfg(all(target_pointer_width = "64", any(target_arch = "x86_64", target_arch = "aarch64")))]
use std::arch::asm;

use super::TaskRef;

impl TaskRef {
    /// Calls `f` with each word that its closure was spawned with, if it has started.
    ///
    /// Some may be padding, and all of it has been moved out, so what is found is only to be compared.
    pub(crate) fn visit_closure_words(&self, mut f: impl FnMut(usize)) {
        const WORD: usize = size_of::<usize>();
        let Some((start, size)) = self.closure_words() else { return };
        let end = start.addr() + size;
        let mut at = start.addr().next_multiple_of(WORD);
        while at + WORD <= end {
            // SAFETY: it lies within the allocation, which this reference keeps, and is aligned; and nobody
            // writes there since the coroutine has started.
            unsafe { read_opaque(start.with_addr(at).cast()) }.into_iter().for_each(&mut f);
            at += WORD;
        }
    }
}

/// Reads a word of memory that need not be initialised, of which the language does not know what it holds,
/// but the processor does. `None`: not known how to on this one.
///
/// # Safety
///
/// The word must be aligned and lie within an allocation, and nobody may write to it meanwhile.
unsafe fn read_opaque(at: *const usize) -> Option<usize> {
    #[cfg(all(target_pointer_width = "64", target_arch = "x86_64"))]
    {
        let word;
        // SAFETY: the caller's promise; nothing else is touched.
        unsafe {
            asm!("mov {}, [{}]", out(reg) word, in(reg) at, options(nostack, readonly, preserves_flags));
        }
        Some(word)
    }
    #[cfg(all(target_pointer_width = "64", target_arch = "aarch64"))]
    {
        let word;
        // SAFETY: as above.
        unsafe {
            asm!("ldr {}, [{}]", out(reg) word, in(reg) at, options(nostack, readonly, preserves_flags));
        }
        Some(word)
    }
    #[cfg(not(all(
        target_pointer_width = "64",
        any(target_arch = "x86_64", target_arch = "aarch64")
    )))]
    {
        let _ = at;
        None
    }
}
