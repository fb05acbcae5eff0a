//! The async bridge: futures in coroutines, mco's streams under the traits of async crates, and what hyper asks of a
//! runtime.

mod executor;
mod flavour;
mod future;
#[path = "../tls/setup.rs"]
#[expect(dead_code, reason = "most of it is for the tests of TLS")]
mod setup;
mod sleep;
mod slices;
mod streams;
mod tls;
mod virtual_time;
mod wakers;
