//! Locks, and all else that coroutines and threads wait for each other with.

mod condvar;
mod locks;
mod misc;
mod once;
mod pool;
mod semaphore;
