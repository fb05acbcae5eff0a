//! Very many at once. They need gigabytes, and all that the system has: so apart from others, and one after the other.

mod connections;
mod coroutines;
