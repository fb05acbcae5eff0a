//! The half of a worker that other threads use: its inbox, its counters, how it is woken.

use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_deque::{Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::handover_queue::HandoverQueue;
use super::idle::Sleep;
use super::inbox_gate::InboxGate;
use super::requests::Requests;
use super::run_delay::{RunDelay, ThreadTimes};
use super::timer_queue::TimerQueue;
use crate::clock::Timestamp;
use crate::reactor::{Reactor, Registrar};
#[cfg(feature = "dump")]
use crate::task::inspect::backtrace::Frames;
#[cfg(feature = "dump")]
use crate::task::inspect::running::{self, ThreadId};
use crate::task::{AtomicSite, Inbox, Registry, Slot, TaskRef};
use crate::trace;

/// The half of a worker that other threads use; the other half is [`local`](super::local).
pub(super) struct RemoteWorker {
    pub(super) index: usize,
    /// Coroutines of this worker that were woken from elsewhere.
    pub(super) inbox: CachePadded<Inbox>,
    /// Unstarted ones from elsewhere, which start here.
    pub(super) handed_over: HandoverQueue,
    pub(super) sleep: Sleep,
    pub(super) timer_queue: TimerQueue,
    /// The newest unstarted coroutine. Its own worker and the monitor swap it.
    pub(super) lifo_slot: Slot,
    pub(super) stealer: Stealer<TaskRef>,
    /// Set when the worker's thread first starts.
    pub(super) registrar: OnceLock<Arc<Registrar>>,
    pub(super) registry: Registry,
    /// The owner's end of the queue of unstarted coroutines, until a thread takes it.
    unstarted: Mutex<Option<Deque<TaskRef>>>,
    /// A thread is running, and will come to what is handed over. Spare slots mostly have none.
    inbox_gate: InboxGate,
    /// The coroutine of the current turn blocks the thread. Set by the monitor, reset by the worker.
    pub(super) blocked: AtomicBool,
    /// The thread, once it runs.
    #[cfg(feature = "dump")]
    pub(super) thread: OnceLock<ThreadId>,
    /// How long the worker's thread has waited for a processor, if the system tells.
    pub(super) run_delay: OnceLock<RunDelay>,
    pub(super) counts: CachePadded<Counts>,
    /// The coarse clock. Written by this worker when it reads the real one, and by the monitor during a long turn.
    pub(super) clock: AtomicU64,
    pub(super) requests: Requests,
    /// What it published before it last slept.
    sleep_snapshot: SleepSnapshot,
}

/// What a worker publishes before it sleeps, for the one that deactivates last. Ordered by
/// [`quiescence`](super::quiescence).
struct SleepSnapshot {
    /// The deadline of its coroutines' next timer, in nanoseconds; `NEVER` for none.
    timer: AtomicU64,
    /// How many of its coroutines are in an external wait.
    external_waits: AtomicUsize,
}

const NEVER: u64 = u64::MAX;

/// Counters that only the worker writes. Others read them without ordering.
pub(super) struct Counts {
    /// Grows by one with each turn. The monitor tells from it whether the worker makes progress.
    pub(super) turn: AtomicU64,
    /// The coroutine that runs now; 0 for none.
    pub(super) current_id: AtomicU64,
    pub(super) current_site: AtomicSite,
    /// Coroutines that have started here and not ended.
    pub(super) hosted: AtomicUsize,
    pub(super) spawned: AtomicU64,
    pub(super) stolen: AtomicU64,
    pub(super) stacks: AtomicUsize,
    /// Whether trimming would free no stack. As of the last sleep, which publishes it.
    pub(super) trimmed: AtomicBool,
}

/// A snapshot of a worker's counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counters {
    pub(crate) hosted: usize,
    pub(crate) spawned: u64,
    pub(crate) resumed: u64,
    pub(crate) stolen: u64,
    pub(crate) idle_stacks: usize,
}

/// What belongs to the worker's thread alone.
pub(super) struct WorkerResources {
    pub(super) unstarted: Deque<TaskRef>,
    pub(super) reactor: Reactor,
}

impl RemoteWorker {
    pub(super) fn new(index: usize, now: Option<Timestamp>) -> RemoteWorker {
        let unstarted = Deque::new_lifo();
        RemoteWorker {
            index,
            inbox: CachePadded::new(Inbox::new()),
            handed_over: HandoverQueue::new(),
            sleep: Sleep::new(),
            timer_queue: TimerQueue::new(now),
            lifo_slot: Slot::new(),
            stealer: unstarted.stealer(),
            registrar: OnceLock::new(),
            registry: Registry::default(),
            unstarted: Mutex::new(Some(unstarted)),
            inbox_gate: InboxGate::new(),
            blocked: AtomicBool::new(false),
            #[cfg(feature = "dump")]
            thread: OnceLock::new(),
            run_delay: OnceLock::new(),
            counts: CachePadded::new(Counts {
                turn: AtomicU64::new(0),
                current_id: AtomicU64::new(0),
                current_site: AtomicSite::new(),
                hosted: AtomicUsize::new(0),
                spawned: AtomicU64::new(0),
                stolen: AtomicU64::new(0),
                stacks: AtomicUsize::new(0),
                trimmed: AtomicBool::new(true),
            }),
            clock: AtomicU64::new(0),
            requests: Requests::new(),
            sleep_snapshot: SleepSnapshot {
                timer: AtomicU64::new(NEVER),
                external_waits: AtomicUsize::new(0),
            },
        }
    }

    /// Takes what the worker's thread needs. That thread has to call [`local::run`](super::local::run) with it.
    ///
    /// # Errors
    ///
    /// The system's, if it has no descriptors left for a reactor.
    pub(super) fn take_resources(&self) -> io::Result<WorkerResources> {
        let reactor = Reactor::new()?;
        let unstarted = self.unstarted.lock().take().expect("a worker has one thread");
        self.inbox_gate.open();
        Ok(WorkerResources { unstarted, reactor })
    }

    /// Whether no thread has run it.
    pub(super) fn has_never_started(&self) -> bool {
        self.unstarted.lock().is_some()
    }

    pub(super) fn hosted(&self) -> usize {
        self.counts.hosted.load(Ordering::Relaxed)
    }

    pub(super) fn turn(&self) -> u64 {
        self.counts.turn.load(Ordering::Relaxed)
    }

    /// The id and the spawn site of the coroutine that runs now.
    pub(super) fn current(&self) -> Option<(u64, &'static Location<'static>)> {
        let id = self.counts.current_id.load(Ordering::Relaxed);
        self.counts.current_site.get().filter(|_| id != 0).map(|site| (id, site))
    }

    pub(super) fn is_asleep(&self) -> bool {
        self.sleep.is_asleep()
    }

    pub(super) fn counters(&self) -> Counters {
        let counts = &self.counts;
        Counters {
            hosted: self.hosted(),
            spawned: counts.spawned.load(Ordering::Relaxed),
            resumed: self.turn(),
            stolen: counts.stolen.load(Ordering::Relaxed),
            idle_stacks: counts.stacks.load(Ordering::Relaxed),
        }
    }

    /// Wakes the worker if it sleeps.
    pub(super) fn interrupt(&self) {
        if self.sleep.interrupt() {
            self.interrupt_always();
        }
    }

    /// Ends the poll that the worker is in, or the next one.
    pub(super) fn interrupt_always(&self) {
        if let Some(registrar) = self.registrar.get() {
            registrar.wake();
        }
    }

    /// Sets the coarse clock.
    pub(super) fn set_clock(&self, now: Timestamp) {
        self.clock.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// How many it hosts, or will when it comes to them.
    pub(super) fn load(&self) -> usize {
        self.hosted() + self.handed_over.len()
    }

    /// Hands an unstarted coroutine over to this worker. If it has ended, gives it to `back`, and maybe others.
    pub(super) fn hand_over(&self, task: TaskRef, back: impl FnMut(TaskRef)) {
        self.handed_over.push(task);
        if self.inbox_gate.accepts_pushed() {
            self.interrupt();
        } else {
            std::iter::from_fn(|| self.handed_over.pop()).for_each(back);
        }
    }

    /// By the monitor: marks this worker as blocked. Returns whether it was not before.
    pub(super) fn set_blocked(&self) -> bool {
        !self.blocked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// For how long its thread has run, and has waited for a processor.
    pub(super) fn thread_times(&self) -> ThreadTimes {
        self.run_delay.get().map_or_else(ThreadTimes::default, RunDelay::read)
    }

    /// By the worker, before it sleeps.
    pub(super) fn publish_before_park(&self, timer: Option<Timestamp>, external_waits: usize) {
        let timer = timer.map_or(NEVER, |at| at.as_nanos().min(NEVER - 1));
        self.sleep_snapshot.timer.store(timer, Ordering::Relaxed);
        self.sleep_snapshot.external_waits.store(external_waits, Ordering::Relaxed);
        self.timer_queue.refresh_earliest();
    }

    /// When the next timer of a sleeping worker is due.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let timer = self.sleep_snapshot.timer.load(Ordering::Relaxed);
        let timer = (timer != NEVER).then(|| Timestamp::from_nanos(timer));
        [timer, self.timer_queue.next()].into_iter().flatten().min()
    }

    /// How many coroutines of a sleeping worker are in an external wait.
    pub(super) fn external_waits(&self) -> usize {
        self.sleep_snapshot.external_waits.load(Ordering::Relaxed)
    }

    /// Whether its queues hold anything, as far as other threads see.
    pub(super) fn has_queued(&self) -> bool {
        !self.inbox.is_empty()
            || !self.lifo_slot.is_empty()
            || !self.handed_over.is_empty()
            || self.has_unstarted()
    }

    /// By the worker itself, when it has nothing left to do: ends it. `false`: something has come meanwhile.
    pub(super) fn leave(&self) -> bool {
        self.inbox_gate.try_close(|| self.inbox.is_empty() && self.handed_over.is_empty())
    }

    pub(super) fn is_running(&self) -> bool {
        self.inbox_gate.is_open()
    }

    /// By the monitor, for a worker that is held up: takes the unstarted coroutines that nobody else
    /// can reach.
    pub(super) fn reclaim_unstarted(&self, mut each: impl FnMut(TaskRef)) {
        if let Some(task) = self.lifo_slot.swap(None) {
            each(task);
        }
        std::iter::from_fn(|| self.handed_over.pop()).for_each(each);
    }

    /// The frames of the coroutine with this number, if it runs here now and that can be told.
    #[cfg(feature = "dump")]
    pub(crate) fn frames_of_running(&self, id: u64) -> Option<Frames> {
        running::ask(*self.thread.get()?, id)
    }

    /// How many of those that have started here could go on, besides the one with this number.
    pub(super) fn ready_besides(&self, id: u64) -> usize {
        let mut ready = 0;
        self.registry.visit(|task| ready += usize::from(task.id() != id && task.is_ready()));
        ready
    }

    /// How many unstarted coroutines are queued here, as far as other threads see.
    pub(super) fn unstarted_len(&self) -> usize {
        self.stealer.len() + self.handed_over.len() + usize::from(!self.lifo_slot.is_empty())
    }

    /// Whether there is something to steal.
    pub(super) fn has_unstarted(&self) -> bool {
        !self.stealer.is_empty()
    }
}

impl trace::TracedWorker for RemoteWorker {
    fn running(&self) -> Option<(u64, &'static Location<'static>)> {
        self.current()
    }
}
