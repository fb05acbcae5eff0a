//! The rest of what a program needs, in the manner of `std`.
//!
//! The module is called `std`, so where it is imported, the standard library is `::std`.

pub mod blocking;
pub mod defer;
pub mod errors;
pub mod lazy;
pub mod sync;
pub mod time;
