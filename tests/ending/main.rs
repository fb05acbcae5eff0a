//! How coroutines end other than by returning: panics, cancels, overflows, and destructors on the way.

mod cancel;
mod destructors;
mod overflow;
mod panic;
mod unwinding;
