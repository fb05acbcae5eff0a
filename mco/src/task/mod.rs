//! One coroutine: what is known about it, how it is woken, switched to and from, unwound, joined and looked at.
//! Which coroutine runs where is for the scheduler, above.
//!
//! Each file uses those in the lines above its own:
//!
//! | files | what they know |
//! | --- | --- |
//! | [`state`], `locals`, [`unwind::state`](unwind), [`inspect`]`/{reason, target, record}`, `thread_parker` | data: the wake protocol, and the parts of a header |
//! | [`cell`] | the header of a coroutine, and references to it; the types of those who wait for its end |
//! | [`current`], [`budget`], [`ready`] | what runs on this thread, how long until the others' turn, and what goes on next |
//! | [`stack_check`], [`inspect`]`/owner` | what else has begun on this stack; who holds a lock |
//! | [`unwind`] | whether the caller is to be unwound, and with what |
//! | [`switch`], [`yielding`] | away from a coroutine, and back |
//! | [`wake`], [`user_code`], [`task_waiter`], [`waiter`] | making somebody look again |
//! | [`inspect`]`/inspection`, [`local`], [`join`] | looking at a coroutine; its local values; its end |
//! | [`body`], [`lifecycle`], [`inbox`], [`registry`], [`handlers`] | what spawns it and what the scheduler does with it |

mod atomic;
mod body;
mod budget;
mod cell;
pub(crate) mod current;
mod handlers;
mod inbox;
pub(crate) mod inspect;
mod join;
mod lifecycle;
mod local;
mod locals;
mod panic_hook;
pub(crate) mod ready;
mod registry;
pub(crate) mod stack_check;
#[cfg(unix)]
mod stack_word;
mod state;
mod switch;
mod task_waiter;
mod thread_parker;
pub(crate) mod unjoined_panics;
mod unused_result;
mod unwind;
mod user_code;
mod waiter;
mod wake;
mod yielding;

pub(crate) use budget::{has_budget, set_yield_probability};
pub(crate) use cell::{
    Home, Output, RunOutcome, SpawnOptions, TaskRef, TaskWaiter, Waiter, WaiterList,
};
pub(crate) use handlers::install_handlers;
pub(crate) use inbox::{Inbox, Slot};
pub use inspect::Reason;
pub(crate) use inspect::{AtomicSite, reason_text};
pub(crate) use local::bound_values;
pub use local::{AccessError, LocalKey};
pub(crate) use registry::Registry;
pub(crate) use task_waiter::{Polling, has_unowned_external_waits, note_own_waker, wake_task};
pub(crate) use thread_parker::ThreadParker;
pub(crate) use unwind::{cancel, deadline};
pub(crate) use user_code::{UserValue, run_user_code_here};
pub(crate) use wake::{Blocked, Wakeup};
pub(crate) use yielding::{seeded_yield_point, spend_budget};
