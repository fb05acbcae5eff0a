//! The async bridge: mco's streams under the traits of async crates, and what hyper asks of a runtime.

mod executor;
mod flavour;
mod sleep;
mod streams;
mod virtual_time;
mod wakers;
