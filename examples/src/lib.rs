//! What some of the example programs share: an HTTP server that runs over any stream, and the wish
//! to stop.

pub mod http;
pub mod stop;
