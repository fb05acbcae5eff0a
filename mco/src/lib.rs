//! mco
mod clock;
mod config;
pub mod coroutine;
mod fiber;
pub mod net;
#[doc(hidden)]
pub mod private;
mod reactor;
pub mod runtime;
mod scheduler;
pub mod std;
mod task;
mod timer;
mod wait;

pub use config::{Config, config};
pub use task::LocalKey;
