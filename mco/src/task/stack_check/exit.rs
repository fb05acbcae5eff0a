//! Whether the process ends, by a call that is on this stack.
//!
//! Who may call: [`is_exiting`] and [`note`] any thread, of itself; [`lies_on`] a coroutine, of the stack on
//! which it runs.

#![allow(unsafe_code)]

use std::cell::Cell;

pub(super) use imp::lies_on;

thread_local! {
    /// The process exits, by a call from this thread, while a coroutine ran on it.
    static EXITS: Cell<bool> = const { Cell::new(false) };
}

/// Whether the process exits by a call from this thread, which was a worker's.
#[inline]
pub(in crate::task) fn is_exiting() -> bool {
    EXITS.get()
}

/// From here on the process exits by a call from this thread.
pub(super) fn note() {
    EXITS.set(true);
}

#[cfg(unix)]
mod imp {
    use std::ffi::c_void;
    use std::mem::MaybeUninit;
    use std::ptr;

    use super::super::used::used;
    use crate::fiber::Bounds;
    use crate::task::stack_word;

    /// How long C's `exit` is at most, in bytes; whether an address is inside is then asked for.
    const LENGTH: usize = 256;

    /// Of a return address the bits that are one, where the others may be a signature.
    const ADDRESS: usize = if cfg!(target_arch = "aarch64") { (1 << 48) - 1 } else { usize::MAX };

    /// Whether `exit` has been called on this stack.
    pub(in crate::task::stack_check) fn lies_on(bounds: Bounds) -> bool {
        let exit = (libc::exit as *const ()).addr();
        used(bounds).is_some_and(|used| {
            used.step_by(size_of::<usize>()).any(|at| {
                // SAFETY: a word of the calling coroutine's stack, between its innermost frame and its top.
                let word = unsafe { stack_word::read(at) } & ADDRESS;
                word.wrapping_sub(exit + 1) < LENGTH && is_inside(word - 1, exit)
            })
        })
    }

    /// Whether the function in which `address` lies begins at `start`.
    #[cold]
    fn is_inside(address: usize, start: usize) -> bool {
        let mut info = MaybeUninit::<libc::Dl_info>::zeroed();
        let address = ptr::without_provenance::<c_void>(address);
        // SAFETY: any address may be asked for, and the answer's place is there.
        let known = unsafe { libc::dladdr(address, info.as_mut_ptr()) } != 0;
        // SAFETY: all zeros are an answer, and so is what has been written over them.
        !known || unsafe { info.assume_init() }.dli_saddr.addr() == start
    }
}

#[cfg(not(unix))]
mod imp {
    /// It is not told.
    pub(in crate::task::stack_check) fn lies_on(_: crate::fiber::Bounds) -> bool {
        false
    }
}
