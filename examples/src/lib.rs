//! What some of the example programs share: an HTTP server that runs over any stream, the wish to
//! stop, and values on command lines.

pub mod arguments;
pub mod http;
pub mod stop;
