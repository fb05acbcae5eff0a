//! The echo server of mco's first README, unchanged, for the test `seed_echo`.

include!("echo.rs");
