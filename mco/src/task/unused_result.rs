//! Reports results that are dropped without effect: `go!(f())`, where `f` is an `async fn`, returns a future and runs
//! nothing of it.
//!
//! Whether a type is a future cannot be asked here. Nor can the expansion of `go!` ask: the type may not be inferred
//! yet there, and to ask would fix it. So the name of the type decides, when the result is dropped. That of an `async
//! fn` or block looks like a closure's, and a closure that is dropped uncalled was for nothing too. A future whose
//! type has a name of its own is not recognised.

use std::any;
use std::panic::Location;

use parking_lot::Mutex;

use super::cell::Header;
use crate::report;

/// The spawn sites that have been reported.
static REPORTED: Mutex<Vec<&'static Location<'static>>> = Mutex::new(Vec::new());

/// By a coroutine whose result, a `T`, is dropped because nobody has asked for it. Reports that, once for each spawn
/// site, if `T` is a future or a closure.
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
