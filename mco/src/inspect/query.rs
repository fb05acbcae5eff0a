//! Sends requests to workers, and waits for the replies for a limited time.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::scheduler::{Reply, Request, Scheduler};

/// A worker that has been in one turn for so long is not waited for.
const MAX_TURN: Duration = Duration::from_millis(100);
/// After this time no worker is waited for.
const LIMIT: Duration = Duration::from_millis(600);

/// The requests to be sent, and the channel for the replies.
pub(super) struct Queries<'a, T> {
    schedulers: &'a [&'a Scheduler],
    requests: BTreeMap<(usize, usize), Vec<Request>>,
    /// For each request: the runtime and the worker that it goes to.
    asked: Vec<(usize, usize)>,
    sender: mpsc::Sender<(usize, T)>,
    receiver: mpsc::Receiver<(usize, T)>,
    is_cancelled: Arc<AtomicBool>,
}

/// A worker that has not replied to all requests.
pub(super) struct Busy {
    pub(super) section: usize,
    pub(super) worker: usize,
    /// The coroutine of its turn, if that is why it was not waited for.
    pub(super) current: Option<u64>,
}

/// A worker whose replies are missing.
struct PendingWorker {
    section: usize,
    worker: usize,
    /// How many replies are missing.
    left: usize,
    /// The turn in which it was, since when.
    turn: u64,
    since: Timestamp,
}

impl<'a, T> Queries<'a, T> {
    pub(super) fn new(schedulers: &'a [&'a Scheduler]) -> Queries<'a, T> {
        let (sender, receiver) = mpsc::channel();
        let (requests, asked, is_cancelled) = (BTreeMap::new(), Vec::new(), Arc::default());
        Queries { schedulers, requests, asked, sender, receiver, is_cancelled }
    }

    /// Adds a request for a worker, given by runtime and index.
    pub(super) fn add(&mut self, whom: (usize, usize), request: impl FnOnce(Reply<T>) -> Request) {
        let (index, answers) = (self.asked.len(), self.sender.clone());
        self.asked.push(whom);
        let request = request(Reply { index, answers, is_cancelled: self.is_cancelled.clone() });
        self.requests.entry(whom).or_default().push(request);
    }

    /// Sends the requests, and passes each reply on with the number of its request. Returns the workers whose replies
    /// are missing.
    pub(super) fn send_and_wait(self, mut each: impl FnMut(usize, T)) -> Vec<Busy> {
        let Queries { schedulers, requests, asked: whom, sender, receiver, is_cancelled } = self;
        drop(sender);
        let now = Timestamp::monotonic();
        let mut asked: Vec<PendingWorker> = requests
            .into_iter()
            .map(|((section, worker), requests)| {
                let left = requests.len();
                let (turn, _) = schedulers[section].turn_of(worker);
                schedulers[section].send(worker, requests);
                PendingWorker { section, worker, left, turn, since: now }
            })
            .collect();
        let limit = now + LIMIT;
        let mut busy = Vec::new();
        while !asked.is_empty() && Timestamp::monotonic() < limit {
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
                    let now = Timestamp::monotonic();
                    asked.retain_mut(|asked| {
                        let PendingWorker { section, worker, .. } = *asked;
                        let (turn, current) = schedulers[section].turn_of(worker);
                        if turn != asked.turn || current.is_none() {
                            (asked.turn, asked.since) = (turn, now);
                        }
                        let stuck = now.since(asked.since) >= MAX_TURN;
                        if stuck {
                            busy.push(Busy { section, worker, current });
                        }
                        !stuck
                    });
                }
            }
        }
        is_cancelled.store(true, Ordering::Relaxed);
        let late = |PendingWorker { section, worker, .. }| Busy { section, worker, current: None };
        busy.extend(asked.into_iter().map(late));
        for (section, worker) in whom {
            schedulers[section].cancel_requests(worker);
        }
        busy
    }
}
