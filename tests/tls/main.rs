//! TLS: in coroutines and in threads, against itself, against peers that misbehave, and against
//! OpenSSL.

mod cancelling;
mod ending;
mod handshakes;
mod many;
mod openssl;
mod setup;
mod streams;
