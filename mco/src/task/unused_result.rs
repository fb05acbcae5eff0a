//! Results that nobody wanted and that have done nothing: `go!(f())` where `f` is an `async fn` returns a future,
//! and runs nothing of it.
//!
//! Whether a type is a future cannot be asked here, nor in the expansion of `go!`: the type may not be known
//! yet where that stands, and asking would settle it. So it is looked at in the end, by its name: that of an
//! `async fn` or block is the same as a closure's. A result of either kind that is dropped without a look
//! was for nothing. A future with a name of its own is not recognised.

use std::any;
use std::panic::Location;

use parking_lot::Mutex;

use super::header::Header;
use crate::report;

/// Where it has been said before.
static REPORTED: Mutex<Vec<&'static Location<'static>>> = Mutex::new(Vec::new());

/// The result of this coroutine, a `T`, is dropped, and nobody has asked for it. Says so, once for each place
/// from which such ones are spawned, if it is a future, or a closure.
pub(super) fn check_dropped<T>(header: &Header) {
    let name = any::type_name::<T>();
    let is_future = name.contains("dyn core::future::future::Future<");
    // Without the generic parameters of what surrounds it.
    if is_future || name.ends_with("::{{closure}}") {
        report_unused(header, name);
    }
}

#[cold]
fn report_unused(header: &Header, name: &str) {
    let site = header.options.spawned_at;
    let mut reported = REPORTED.lock();
    if reported.contains(&site) {
        return;
    }
    reported.push(site);
    drop(reported);
    report::say(format_args!(
        "{header} has returned `{name}`, a future or a closure, which was dropped without having been run; \
         what is `async` runs in `mco::block_on`, as in `go!(move || mco::block_on(..))`"
    ));
}
