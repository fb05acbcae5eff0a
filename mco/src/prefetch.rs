//! Having the processor fetch what will be needed soon.

#![allow(unsafe_code)]

/// Has the processor fetch the lines of the cache in which so many bytes from `address` on lie. Does
/// nothing on processors for which that is not known.
#[inline]
pub(crate) fn prefetch(address: *const (), bytes: usize) {
    const LINE: usize = 64;
    for offset in (0..bytes).step_by(LINE) {
        let line = address.wrapping_byte_add(offset);
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a prefetch is a hint, which no address makes fail.
        unsafe {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            _mm_prefetch::<_MM_HINT_T0>(line.cast());
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = line;
    }
}
