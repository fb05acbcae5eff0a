//! What can be seen of coroutines from outside: dumps and traces.

mod debug;
mod sigquit;
mod trace;
