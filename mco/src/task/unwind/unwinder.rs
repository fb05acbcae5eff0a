//! The unwinder's functions that walk a stack. `std` links it, for panics.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

/// Of the unwinder: opaque.
#[repr(C)]
pub(in crate::task) struct Context {
    _opaque: [u8; 0],
}

/// Go on to the next frame; any other answer ends the walk.
pub(in crate::task) const GO_ON: c_int = 0;
pub(in crate::task) const END: c_int = 5;

// They do not unwind; but if they were declared so, the compiler could find that who calls them does not
// either, and write no entry for such a call, by which `tables` tells whether one can begin.
unsafe extern "C-unwind" {
    pub(in crate::task) fn _Unwind_Backtrace(
        visit: extern "C" fn(*mut Context, *mut c_void) -> c_int,
        argument: *mut c_void,
    ) -> c_int;
    pub(in crate::task) fn _Unwind_GetIPInfo(
        context: *mut Context,
        before_instruction: *mut c_int,
    ) -> usize;
    pub(in crate::task) fn _Unwind_GetCFA(context: *mut Context) -> usize;
    pub(in crate::task) fn _Unwind_GetRegionStart(context: *mut Context) -> usize;
    pub(in crate::task) fn _Unwind_GetLanguageSpecificData(context: *mut Context) -> *const u8;
}
