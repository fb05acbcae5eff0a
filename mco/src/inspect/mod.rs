//! Dumps: what each coroutine does, what it waits for, and which of them are deadlocked.
//!
//! [`model`] is what a dump consists of, [`dump`] puts it together. [`snapshot`] finds the coroutines and asks each what
//! it waits for. [`unstarted`] lists those that have not started. [`deadlock`] finds those that are stuck. [`backtraces`]
//! has workers take backtraces. [`render`] writes the text. Only backtraces and unstarted coroutines need the help of
//! workers, for which a dump waits for a limited time.

#[cfg(feature = "dump")]
mod backtraces;
#[cfg(feature = "dump")]
mod deadlock;
mod dump;
mod model;
mod names;
#[cfg(feature = "dump")]
mod query;
#[cfg(feature = "dump")]
mod render;
#[cfg(all(unix, feature = "dump"))]
pub(crate) mod sigquit;
mod snapshot;
#[cfg(feature = "dump")]
mod unstarted;

#[cfg(feature = "dump")]
pub use dump::Dump;
#[cfg(feature = "dump")]
pub(crate) use dump::{current, list};
pub(crate) use dump::{describe_remaining, of, report};
#[cfg(feature = "dump")]
pub use model::{ArmInfo, ChannelEnd, CoroutineInfo, State};
