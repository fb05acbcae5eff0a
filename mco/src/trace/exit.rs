//! Writes the rest of the trace when the process ends.

#![allow(unsafe_code)]

use std::sync::OnceLock;

/// What is left to be done at the end.
static AT_END: OnceLock<fn()> = OnceLock::new();

/// Has what is left written, by `finish`, when the process ends by returning from its `main`, or by
/// `std::process::exit`, in whichever thread.
///
/// Elsewhere than on Unix, std has no such call: there `#[mco::main]` writes before it returns, and a
/// runtime when it is dropped.
pub(super) fn install(finish: fn()) {
    let _ = AT_END.set(finish);
    #[cfg(unix)]
    {
        extern "C" fn ends() {
            AT_END.get().into_iter().for_each(|finish| finish());
        }
        // SAFETY: `ends` is a function of this program, which stays where it is, and does not unwind.
        unsafe { libc::atexit(ends) };
    }
}
