//! Who runs when and where, and what may hold whom up.

mod blocked;
mod blocking;
mod budget;
mod foreign;
mod placement;
mod threads;
mod torture;
#[cfg(all(
    feature = "backtrace",
    feature = "bridge",
    feature = "calendar",
    feature = "tls",
    feature = "trace"
))]
mod waits;
