//! Panics that belong to a test and not to its failure.

use std::panic;
use std::sync::Once;

use crate::text_of;

/// What the message of a panic begins with that [`panics_on_purpose`] silences.
pub const ON_PURPOSE: &str = "on purpose";

/// From here on, prints no message for panics whose own begins with [`ON_PURPOSE`].
///
/// All that run a test here call it before anything else, so that mco's own hook, which a runtime
/// installs when it starts, is in front of this one and sees those panics.
pub fn panics_on_purpose() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !text_of(info.payload()).starts_with(ON_PURPOSE) {
                others(info);
            }
        }));
    });
}
