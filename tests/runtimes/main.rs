//! Runtimes: how they are built, what they run, and how they end.

mod ends;
mod runtime;
