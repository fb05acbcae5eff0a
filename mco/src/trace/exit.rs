//! Writes the rest of the trace when the process ends.

#![allow(unsafe_code)]

/// Has what is left written when the process ends by returning from its `main`, or by
/// `std::process::exit`, in whichever thread.
///
/// Elsewhere than on Unix, std has no such call: there `#[mco::main]` writes before it returns, and a
/// runtime when it is dropped.
pub(super) fn install() {
    #[cfg(unix)]
    {
        extern "C" fn ends() {
            super::recorder::finish();
        }
        // SAFETY: `ends` is a function of this program, which stays where it is, and does not unwind.
        unsafe { libc::atexit(ends) };
    }
}
