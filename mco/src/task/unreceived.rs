//! Panics in a test's coroutines that nobody has received by a join: they fail the test.
//!
//! Kept by world, which is that of one run of a test; of coroutines that belong to none nothing is kept.

use std::any::Any;

use parking_lot::Mutex;

use super::header::Header;

/// The end of a coroutine by a panic.
pub(crate) struct Panicked {
    world: u64,
    id: u64,
    /// Which coroutine it was, and what the panic said.
    pub(crate) text: String,
}

static PANICKED: Mutex<Vec<Panicked>> = Mutex::new(Vec::new());

/// By a coroutine that has ended with the payload of a panic, which it leaves to who joins it.
#[cold]
pub(super) fn panicked(header: &Header, payload: &(dyn Any + Send)) {
    let world = header.home.get().map_or(0, |home| home.world());
    if world != 0 {
        let text = format!("{header}: {}", message(payload));
        PANICKED.lock().push(Panicked { world, id: header.attributes.id, text });
    }
}

/// By the one who is given the payload.
#[cold]
pub(super) fn received(id: u64) {
    PANICKED.lock().retain(|panicked| panicked.id != id);
}

/// Takes what there is of a world, the oldest first.
pub(crate) fn take(world: u64) -> Vec<Panicked> {
    PANICKED.lock().extract_if(.., |panicked| panicked.world == world).collect()
}

/// What a panic said.
fn message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("its payload is no text")
}
