//! What only some systems have, as in `std::os`.

#[cfg(unix)]
pub mod unix;
