//! The published crates that were written for mco build unmodified on this one: that this compiles is the test. What they
//! do is in `tests/`.

pub use {cdbc, cdbc_mysql, cdbc_pg, cdbc_sqlite, mco_redis, mco_redis_rs};
