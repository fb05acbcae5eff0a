//! The engine of slabs: `corosensei` on stacks of our own. [`stack`] is the engine, [`slab`] carves stacks out of
//! reservations, and `system` is where those come from.

mod colour;
#[cfg(unix)]
mod slab;
mod stack;
#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub(in crate::fiber) use stack::Stacks;
pub(in crate::fiber) use stack::prepare;
pub(crate) use stack::{Fiber, Suspender};
