//! What the compiler says about mco's macros, and what it does not.
//!
//! - `pass/` holds programs that compile without a warning and run to their end: under `tests/ui.rs` in this
//!   workspace's edition, and under `tests/projects.rs` in every edition and past `clippy::pedantic`.
//! - `fail/<macro>/<fault>.rs` holds one fault each, the `.stderr` beside it what the user then reads. In a file called
//!   `rustc_<fault>.rs` the compiler does the talking: what is checked there is which tokens it talks about, and only
//!   by the version of the compiler that wrote the `.stderr`.
//! - `tests/tables.rs` holds tests that are themselves what is tested: `#[mco::test]` with the attributes of others.
//!
//! After a change that is meant to be seen, write the `.stderr` files anew and look at the difference:
//!
//! ```text
//! TRYBUILD=overwrite cargo test -p mco-ui-tests --test ui
//! ```
