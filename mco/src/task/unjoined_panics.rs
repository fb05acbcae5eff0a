//! Panics in a test's coroutines that nobody has received by a join: they fail the test.
//!
//! Kept by test run; of coroutines that belong to none nothing is kept.

use std::any::Any;

use parking_lot::Mutex;

use super::header::Header;

/// The end of a coroutine by a panic.
pub(crate) struct UnjoinedPanic {
    test_run: u64,
    id: u64,
    /// Which coroutine it was, and what the panic said.
    pub(crate) text: String,
}

static UNJOINED: Mutex<Vec<UnjoinedPanic>> = Mutex::new(Vec::new());

/// By a coroutine that has ended with the payload of a panic, which it leaves to who joins it.
#[cold]
pub(super) fn record(header: &Header, payload: &(dyn Any + Send)) {
    let test_run = header.home.get().map_or(0, |home| home.test_run());
    if test_run != 0 {
        let text = format!("{header}: {}", message(payload));
        UNJOINED.lock().push(UnjoinedPanic { test_run, id: header.options.id, text });
    }
}

/// By the one who is given the payload.
#[cold]
pub(super) fn forget(id: u64) {
    UNJOINED.lock().retain(|panic| panic.id != id);
}

/// Takes what there is of a test run, the oldest first.
pub(crate) fn take(test_run: u64) -> Vec<UnjoinedPanic> {
    UNJOINED.lock().extract_if(.., |panic| panic.test_run == test_run).collect()
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("its payload is no text")
}
