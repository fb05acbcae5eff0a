//! Names the coroutine that panics. std's hook names only the thread, which is a worker's.

use std::panic::{self, PanicHookInfo};
use std::sync::Once;

use super::current;
use crate::report;

type Hook = Box<dyn Fn(&PanicHookInfo<'_>) + Sync + Send + 'static>;

/// From here on, a line with the name of the coroutine goes before the message of std's own hook. A hook of the user's
/// is left alone. To be called any number of times.
pub(super) fn name_coroutines() {
    static ONCE: Once = Once::new();
    // A thread that panics may not change the hook; the next one will.
    if !std::thread::panicking() {
        ONCE.call_once(|| {
            let hook = panic::take_hook();
            // Nobody has set one since.
            let std_hook = panic::take_hook();
            if is_same(&hook, &std_hook) {
                panic::set_hook(Box::new(move |info| {
                    print_name();
                    std_hook(info);
                }));
            } else {
                panic::set_hook(hook);
            }
        });
    }
}

/// Whether both are the same function, which has no data of its own.
fn is_same(one: &Hook, other: &Hook) -> bool {
    size_of_val(&**one) == 0
        && std::ptr::eq::<dyn Fn(&PanicHookInfo<'_>) + Sync + Send>(&**one, &**other)
}

/// Must not block for long or panic.
fn print_name() {
    let Some(running) = current::running() else { return };
    let header = running.header();
    let text = format!("{header} panics:");
    if running.home().is_some_and(|home| home.test_run() != 0) {
        report::line_of_test(&text);
    } else {
        report::line(&text);
    }
}
