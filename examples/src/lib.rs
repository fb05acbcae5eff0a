//! What some of the example programs share: an HTTP server that runs over any stream, the wish to
//! stop, values on command lines, and what a peer has not received.

pub mod arguments;
pub mod http;
pub mod stop;
pub mod unsent;
