//! Unwinding a coroutine: because it is cancelled, or because a limit of its own is over.
//!
//! | file | what it knows, each above the ones before |
//! | --- | --- |
//! | [`state`] | what one knows of its own unwinding |
//! | `unwinder`, [`tables`] | whether this stack can be unwound from here |
//! | [`cause`] | who has cancelled it, and why |
//! | [`payload`] | with what, and who goes on unwinding |
//! | [`deadline`] | within which limits |
//! | [`cancel`] | whether now |

pub(crate) mod cancel;
pub(super) mod cause;
pub(crate) mod deadline;
pub(super) mod payload;
pub(super) mod state;
mod tables;
#[cfg(all(unix, not(target_arch = "arm"), not(miri)))]
pub(super) mod unwinder;
