//! Panics in a test's coroutines that nobody has received by a join. They fail the test.
//!
//! They are kept by test run. Those of coroutines outside of tests are not kept.

use std::any::Any;

use parking_lot::Mutex;

use super::current;

/// A panic that has ended a coroutine.
pub(crate) struct UnjoinedPanic {
    test_run: u64,
    id: u64,
    /// Which coroutine it was, and what the panic said.
    pub(crate) text: String,
}

static UNJOINED: Mutex<Vec<UnjoinedPanic>> = Mutex::new(Vec::new());

/// By a coroutine that a panic has ended: records it until somebody joins.
#[cold]
pub(super) fn record(payload: &(dyn Any + Send)) {
    let Some(running) = current::running() else { return };
    let test_run = running.home().map_or(0, |home| home.test_run());
    if test_run != 0 {
        let header = running.header();
        let text = format!("{header}: {}", message(payload));
        UNJOINED.lock().push(UnjoinedPanic { test_run, id: header.options.id, text });
    }
}

/// By whoever receives the payload: forgets the panic.
#[cold]
pub(super) fn forget(id: u64) {
    UNJOINED.lock().retain(|panic| panic.id != id);
}

/// Takes the panics of a test run, the oldest first.
pub(crate) fn take(test_run: u64) -> Vec<UnjoinedPanic> {
    UNJOINED.lock().extract_if(.., |panic| panic.test_run == test_run).collect()
}

/// The message of a panic.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("its payload is no text")
}
