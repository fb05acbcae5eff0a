//! What Unix systems have.

pub use std::os::unix::{ffi, fs, io, prelude, process, thread};

pub mod net;
