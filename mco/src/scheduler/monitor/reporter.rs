//! Says of a coroutine that holds its worker up where in its code it is.
//!
//! To find the names of functions takes up to a second, in which the monitor could not help those who wait behind the
//! coroutine. So a thread of its own does it, from the first time on.

use std::sync::Arc;

use super::super::worker::RemoteWorker;

#[cfg(feature = "dump")]
pub(super) use with_frames::Reporter;

/// Without the feature `dump` nothing is known.
#[cfg(not(feature = "dump"))]
pub(super) struct Reporter;

#[cfg(not(feature = "dump"))]
impl Reporter {
    pub(super) fn new() -> Reporter {
        Reporter
    }

    pub(super) fn ask(&mut self, _: &Arc<RemoteWorker>, _: u64, _: String) {}
}

#[cfg(feature = "dump")]
mod with_frames {
    use std::collections::HashMap;
    use std::fmt::Write;
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;
    use crate::task::inspect::lines::lines;
    use crate::{report, runtime_thread};

    /// A coroutine, and what it is called, which runs on that worker.
    type Question = (Arc<RemoteWorker>, u64, String);

    /// See the module. Belongs to the monitor's thread.
    pub(in super::super) struct Reporter {
        /// To the thread, once there is one. It ends with the monitor.
        thread: Option<Sender<Question>>,
    }

    impl Reporter {
        pub(in super::super) fn new() -> Reporter {
            Reporter { thread: None }
        }

        /// Says where this coroutine is, called `who`, soon.
        pub(in super::super) fn ask(&mut self, worker: &Arc<RemoteWorker>, id: u64, who: String) {
            self.thread = self.thread.take().or_else(start);
            if let Some(thread) = &self.thread {
                // It takes questions as long as there is this end.
                let _ = thread.send((worker.clone(), id, who));
            }
        }
    }

    fn start() -> Option<Sender<Question>> {
        let (sender, receiver) = channel();
        // Nobody waits for it: at the end of a runtime it may be in the middle of the program's symbols.
        runtime_thread::start("mco-reporter".to_owned(), move || run(receiver)).ok()?;
        Some(sender)
    }

    fn run(questions: Receiver<Question>) {
        for (worker, id, who) in questions {
            let place = place(&worker, id);
            if !place.is_empty() {
                report::say(format_args!("{who}, which holds a worker up, is in{place}"));
            }
        }
    }

    /// A line for each function of the user's, and what they have called, the innermost first.
    fn place(worker: &RemoteWorker, id: u64) -> String {
        /// More are not shown.
        const LINES: usize = 16;
        let Some(frames) = worker.frames_of_running(id) else { return String::new() };
        let lines = lines(&frames, &mut HashMap::new());
        let mut text = String::new();
        for line in lines.iter().take(LINES) {
            // Into a string, which does not fail.
            let _ = write!(text, "\n    {}", line.function);
            if let Some(file) = &line.file {
                let _ = write!(text, "\n        at {}{}", file.display(), line.place);
            }
        }
        if lines.len() > LINES {
            text += "\n    and so on";
        }
        text
    }
}
