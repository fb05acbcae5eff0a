//! What several command lines take.

use std::time::Duration;

/// Reads a number of at least one.
///
/// # Errors
///
/// What is needed instead.
pub fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..) => Ok(number),
        _ => Err("a whole number of at least 1 is needed".to_owned()),
    }
}

/// Reads a number of seconds, which may have a fraction and is more than none.
///
/// # Errors
///
/// What is needed instead.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let duration = text.parse().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    let valid = duration.filter(|duration| !duration.is_zero());
    valid.ok_or_else(|| "a number of seconds is needed, as `10` or `0.5`".to_owned())
}
