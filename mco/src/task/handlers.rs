//! What the process calls when something goes wrong in a coroutine: the overflow of a stack, and panics.

use std::panic;
use std::sync::Once;

use super::unwind::cancel;
use super::{current, panic_hook};
use crate::fiber::overflow;

/// Prepares the process: a stack overflow is reported, and a cancel does not unwind out of a panic hook. To be called
/// before the first coroutine starts, any number of times.
pub(crate) fn install_handlers() {
    overflow::install(lookup_overflow);
    panic_hook::name_coroutines();
    static HOOK: Once = Once::new();
    // A thread that panics may not change the hook; the next one will.
    if !std::thread::panicking() {
        HOOK.call_once(|| {
            let next = panic::take_hook();
            panic::set_hook(Box::new(move |info| cancel::call_hook(|| next(info))));
        });
    }
}

/// Tells the signal handler about the coroutine that runs on this thread, if `address` lies in
/// the guard of its stack. See [`overflow::Lookup`].
fn lookup_overflow(address: usize, found: &mut dyn FnMut(overflow::Victim<'_>)) {
    let Some(running) = current::running() else { return };
    let header = running.header();
    if running.bounds().is_guard(address) {
        found(overflow::Victim {
            name: header.options.name.as_deref(),
            id: header.options.id,
            spawned_at: header.options.spawned_at,
            stack_size: header.options.stack_size,
        });
    }
}
