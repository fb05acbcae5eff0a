//! Coroutines: how they start, what they have, and where they run.

mod local;
mod macros;
mod park;
mod pinning;
mod scope;
mod spawn;
mod stacks;
mod std_paths;
mod structured;
mod thread_locals;
