//! What only some systems have, as in `std::os`.
//!
//! Sockets are mco's, and the rest is std's.

pub use std::os::raw;

#[cfg(unix)]
pub use std::os::fd;
#[cfg(target_os = "linux")]
pub use std::os::linux;
#[cfg(target_os = "macos")]
pub use std::os::macos;
#[cfg(windows)]
pub use std::os::windows;

#[cfg(unix)]
pub mod unix;
