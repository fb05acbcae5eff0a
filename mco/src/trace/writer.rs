//! The thread that writes: who asks it to may be a coroutine with a small stack.

use std::io;

use parking_lot::{Condvar, Mutex};

use crate::runtime_thread;

/// See the module.
#[derive(Default)]
pub(super) struct Writer {
    asked: Mutex<Asked>,
    changed: Condvar,
}

/// Requests, counted.
#[derive(Default)]
struct Asked {
    asked: u64,
    /// So many of them are done.
    done: u64,
    /// One of those that are not is for everything.
    all: bool,
}

impl Writer {
    /// Starts the thread, which calls `write` when it is asked to: with what was asked for.
    pub(super) fn start(&'static self, write: impl Fn(bool) + Send + 'static) -> io::Result<()> {
        let serve = move || {
            let mut asked = self.asked.lock();
            loop {
                while asked.done == asked.asked {
                    self.changed.wait(&mut asked);
                }
                let (until, all) = (asked.asked, std::mem::take(&mut asked.all));
                drop(asked);
                // If it panics, those who wait go on without what it has not written.
                runtime_thread::contain_panic(|| write(all));
                asked = self.asked.lock();
                asked.done = until;
                self.changed.notify_all();
            }
        };
        runtime_thread::start("mco-trace".to_owned(), serve).map(drop)
    }

    /// Has it write what threads that have ended have left, or `all`, and waits for that.
    pub(super) fn write(&self, all: bool) {
        let mut asked = self.asked.lock();
        asked.asked += 1;
        asked.all |= all;
        let mine = asked.asked;
        self.changed.notify_all();
        while asked.done < mine {
            self.changed.wait(&mut asked);
        }
    }
}
