//! Asking workers for what they alone can tell, and waiting for the answers, but not for long.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::clock::Moment;
use crate::scheduler::{Errand, Reply, Scheduler};

/// A worker that is in one turn for so long is not waited for.
const PATIENCE: Duration = Duration::from_millis(100);
/// Nor is any after this time.
const LIMIT: Duration = Duration::from_millis(600);

/// What is to be asked, and where the answers come in.
pub(super) struct Questions<'a, T> {
    schedulers: &'a [&'a Scheduler],
    errands: BTreeMap<(usize, usize), Vec<Errand>>,
    /// Which worker of which runtime was asked each.
    asked: Vec<(usize, usize)>,
    sender: mpsc::Sender<(usize, T)>,
    receiver: mpsc::Receiver<(usize, T)>,
    is_over: Arc<AtomicBool>,
}

/// A worker that has not answered everything.
pub(super) struct Busy {
    pub(super) section: usize,
    pub(super) worker: usize,
    /// The coroutine that has held it up for long.
    pub(super) current: Option<u64>,
}

/// A worker that was asked.
struct Asked {
    section: usize,
    worker: usize,
    /// Answers to come.
    left: usize,
    /// The turn in which it was found first.
    turn: u64,
    since: Moment,
}

impl<'a, T> Questions<'a, T> {
    pub(super) fn new(schedulers: &'a [&'a Scheduler]) -> Questions<'a, T> {
        let (sender, receiver) = mpsc::channel();
        let (errands, asked, is_over) = (BTreeMap::new(), Vec::new(), Arc::default());
        Questions { schedulers, errands, asked, sender, receiver, is_over }
    }

    /// For this worker of this runtime.
    pub(super) fn add(&mut self, whom: (usize, usize), errand: impl FnOnce(Reply<T>) -> Errand) {
        let (index, answers) = (self.asked.len(), self.sender.clone());
        self.asked.push(whom);
        let errand = errand(Reply { index, answers, is_over: self.is_over.clone() });
        self.errands.entry(whom).or_default().push(errand);
    }

    /// Asks, and passes each answer on with the number of its question. Returns who has not answered
    /// everything.
    pub(super) fn ask(self, mut each: impl FnMut(usize, T)) -> Vec<Busy> {
        let Questions { schedulers, errands, asked: whom, sender, receiver, is_over } = self;
        drop(sender);
        let now = Moment::real();
        let mut asked: Vec<Asked> = errands
            .into_iter()
            .map(|((section, worker), errands)| {
                let left = errands.len();
                let (turn, _) = schedulers[section].turn_of(worker);
                schedulers[section].send(worker, errands);
                Asked { section, worker, left, turn, since: now }
            })
            .collect();
        let limit = now + LIMIT;
        let mut busy = Vec::new();
        while !asked.is_empty() && Moment::real() < limit {
            match receiver.recv_timeout(Duration::from_millis(10)) {
                Ok((index, answer)) => {
                    for asked in &mut asked {
                        if (asked.section, asked.worker) == whom[index] {
                            asked.left -= 1;
                        }
                    }
                    asked.retain(|asked| asked.left > 0);
                    each(index, answer);
                }
                // The rest have ended with their runtime.
                Err(mpsc::RecvTimeoutError::Disconnected) => asked.clear(),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    let now = Moment::real();
                    asked.retain_mut(|asked| {
                        let Asked { section, worker, .. } = *asked;
                        let (turn, current) = schedulers[section].turn_of(worker);
                        if turn != asked.turn || current.is_none() {
                            (asked.turn, asked.since) = (turn, now);
                        }
                        let stuck = now.since(asked.since) >= PATIENCE;
                        if stuck {
                            busy.push(Busy { section, worker, current });
                        }
                        !stuck
                    });
                }
            }
        }
        is_over.store(true, Ordering::Relaxed);
        let late = |Asked { section, worker, .. }| Busy { section, worker, current: None };
        busy.extend(asked.into_iter().map(late));
        for (section, worker) in whom {
            schedulers[section].recall(worker);
        }
        busy
    }
}
