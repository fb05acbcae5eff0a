//! What others may know of a coroutine, for dumps, traces and messages: what it waits for, who could end that, and
//! where it is.
//!
//! | file | what it knows |
//! | --- | --- |
//! | [`reason`], [`target`], [`record`] | what is waited for, as the one who waits says it. Data, below a coroutine |
//! | [`owner`] | who holds a lock, as those who take it say |
//! | [`backtrace`] | how a coroutine that is resumed for it leaves its frames; their names |
//! | `unwind_sections`, [`running`], [`lines`] | the frames of a coroutine that runs on another thread; what a reader sees of frames |
//! | [`inspection`] | looking at a coroutine. Above waking and switching |

#[cfg(feature = "dump")]
pub(crate) mod backtrace;
mod inspection;
#[cfg(feature = "dump")]
pub(crate) mod lines;
mod owner;
mod reason;
pub(super) mod record;
#[cfg(all(
    feature = "backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(crate) mod running;
#[cfg(all(
    feature = "dump",
    not(all(
        feature = "backtrace",
        target_os = "linux",
        any(target_arch = "x86_64", target_arch = "aarch64")
    ))
))]
#[path = "not_running.rs"]
pub(crate) mod running;
mod target;
#[cfg(all(
    feature = "backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod unwind_sections;

pub(crate) use inspection::Inspection;
pub(crate) use owner::{LockHolder, thread_name};
pub use reason::Reason;
pub(crate) use reason::reason_text;
pub(crate) use record::{AtomicSite, WaitInfo};
pub(crate) use target::{ArmWait, BlockedOn, Handles, LockOwner, WaitTarget};
