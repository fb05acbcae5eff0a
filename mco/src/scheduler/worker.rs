//! What others see of a worker, and do to it: its inbox, its counters, how it is woken.

use std::io;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_deque::{Stealer, Worker as Deque};
use crossbeam_utils::CachePadded;
use parking_lot::Mutex;

use super::Settings;
use super::alarms::Alarms;
use super::delay::{Account, DelayMeter};
use super::errands::Errands;
use super::idle::Sleep;
use super::local::Local;
use super::placed::Placed;
use super::presence::Presence;
use crate::bare;
use crate::clock::Moment;
use crate::reactor::{Reactor, Registrar};
use crate::task::{AtomicSite, Home, Inbox, Registry, Slot, TaskRef, current};
use crate::trace;

/// The part of a worker that others see.
pub(super) struct Worker {
    pub(super) index: usize,
    /// Coroutines of this worker that were woken from elsewhere.
    pub(super) inbox: CachePadded<Inbox>,
    /// Fresh ones from elsewhere, which start here.
    pub(super) placed: Placed,
    pub(super) sleep: Sleep,
    pub(super) alarms: Alarms,
    /// The newest fresh coroutine. Its own worker and the monitor swap it.
    pub(super) newest: Slot,
    pub(super) stealer: Stealer<TaskRef>,
    /// Set when the worker's thread first starts.
    pub(super) registrar: OnceLock<Arc<Registrar>>,
    pub(super) registry: Registry,
    /// The owner's end of the queue of fresh coroutines, until a thread takes it.
    fresh: Mutex<Option<Deque<TaskRef>>>,
    /// A thread is running, and will come to what is handed over. Spare places mostly have none.
    presence: Presence,
    /// By the monitor: a coroutine holds this worker up. Reset by the worker.
    pub(super) blocked: AtomicBool,
    /// How long the worker's thread has waited for a processor, if the system tells.
    pub(super) delay: OnceLock<DelayMeter>,
    pub(super) counts: CachePadded<Counts>,
    /// What the clock said when this worker, or the monitor while it is in a long turn, looked last.
    pub(super) clock: AtomicU64,
    pub(super) errands: Errands,
    /// What it has left behind when it last fell asleep.
    last_will: LastWill,
}

/// What a worker says before it falls asleep, for the one that falls last. Ordered by
/// [`quiet`](super::quiet).
struct LastWill {
    /// When the next timer of its coroutines is due; `NEVER` for none.
    timer: AtomicU64,
    /// How many waits of its coroutines are for what happens outside.
    held: AtomicUsize,
}

const NEVER: u64 = u64::MAX;

/// What only the worker writes, and others read without needing an order.
pub(super) struct Counts {
    /// Grows by one with each run of a coroutine; the monitor sees from it whether time passes.
    pub(super) turn: AtomicU64,
    /// The coroutine that runs now; 0 for none.
    pub(super) current_id: AtomicU64,
    pub(super) current_site: AtomicSite,
    /// Coroutines that have started here and not ended.
    pub(super) hosted: AtomicUsize,
    pub(super) spawned: AtomicU64,
    pub(super) stolen: AtomicU64,
    pub(super) stacks: AtomicUsize,
    /// Whether trimming would give no stack back. As of the last sleep, which publishes it.
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

/// What the thread that serves a worker has for itself.
pub(super) struct Seat {
    pub(super) fresh: Deque<TaskRef>,
    pub(super) reactor: Reactor,
}

impl Worker {
    pub(super) fn new(index: usize, settings: &Settings) -> Worker {
        let fresh = Deque::new_lifo();
        Worker {
            index,
            inbox: CachePadded::new(Inbox::new()),
            placed: Placed::new(),
            sleep: Sleep::new(),
            alarms: Alarms::new(settings.virtual_clock.as_ref().map(|clock| clock.now())),
            newest: Slot::new(),
            stealer: fresh.stealer(),
            registrar: OnceLock::new(),
            registry: Registry::default(),
            fresh: Mutex::new(Some(fresh)),
            presence: Presence::new(),
            blocked: AtomicBool::new(false),
            delay: OnceLock::new(),
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
            errands: Errands::new(),
            last_will: LastWill { timer: AtomicU64::new(NEVER), held: AtomicUsize::new(0) },
        }
    }

    /// Claims the worker for a thread, which has to call [`Local::run`] with what this returns.
    ///
    /// # Errors
    ///
    /// The system's, if it has no descriptors left for a reactor.
    pub(super) fn take_seat(&self) -> io::Result<Seat> {
        let reactor = Reactor::new()?;
        let fresh = self.fresh.lock().take().expect("a worker has one thread");
        self.presence.enter();
        Ok(Seat { fresh, reactor })
    }

    /// Whether no thread has served it.
    pub(super) fn is_vacant(&self) -> bool {
        self.fresh.lock().is_some()
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

    /// Notes what time it is, for those who need not know exactly.
    pub(super) fn set_clock(&self, now: Moment) {
        self.clock.store(now.as_nanos(), Ordering::Relaxed);
    }

    /// How many it hosts, or will when it comes to them.
    pub(super) fn load(&self) -> usize {
        self.hosted() + self.placed.len()
    }

    /// Hands a fresh coroutine over to this worker. If it has ended, gives it to `back`, and maybe others.
    pub(super) fn place(&self, task: TaskRef, back: impl FnMut(TaskRef)) {
        self.placed.push(task);
        if self.presence.will_come() {
            self.interrupt();
        } else {
            std::iter::from_fn(|| self.placed.pop()).for_each(back);
        }
    }

    /// By the monitor: a coroutine holds this worker up. Returns whether that is news.
    pub(super) fn set_blocked(&self) -> bool {
        !self.blocked.swap(true, Ordering::Relaxed)
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    /// How its thread has fared so far.
    pub(super) fn account(&self) -> Account {
        self.delay.get().map_or_else(Account::default, DelayMeter::read)
    }

    /// By the worker, before it falls asleep.
    pub(super) fn leave_behind(&self, timer: Option<Moment>, held: usize) {
        let timer = timer.map_or(NEVER, |at| at.as_nanos().min(NEVER - 1));
        self.last_will.timer.store(timer, Ordering::Relaxed);
        self.last_will.held.store(held, Ordering::Relaxed);
        self.alarms.settle();
    }

    /// Of a worker that is asleep: when its next timer or alarm is due.
    pub(super) fn due(&self) -> Option<Moment> {
        let timer = self.last_will.timer.load(Ordering::Relaxed);
        let timer = (timer != NEVER).then(|| Moment::from_nanos(timer));
        [timer, self.alarms.next()].into_iter().flatten().min()
    }

    /// Of a worker that is asleep: how many of its coroutines' waits are for what happens outside.
    pub(super) fn held(&self) -> usize {
        self.last_will.held.load(Ordering::Relaxed)
    }

    /// Whether anything is queued for it or by it that others can see.
    pub(super) fn has_any(&self) -> bool {
        !self.inbox.is_empty()
            || !self.newest.is_empty()
            || !self.placed.is_empty()
            || self.has_fresh()
    }

    /// By the worker itself, when it has nothing left. `false`: something has come meanwhile.
    pub(super) fn leave(&self) -> bool {
        self.presence.leave(|| self.inbox.is_empty() && self.placed.is_empty())
    }

    pub(super) fn is_running(&self) -> bool {
        self.presence.is_here()
    }

    /// By the monitor, for a worker that is held up: takes the fresh coroutines that nobody else
    /// can reach.
    pub(super) fn rescue(&self, mut each: impl FnMut(TaskRef)) {
        if let Some(task) = self.newest.swap(None) {
            each(task);
        }
        std::iter::from_fn(|| self.placed.pop()).for_each(each);
    }

    /// How many fresh coroutines are queued here, as far as others see it.
    pub(super) fn fresh_len(&self) -> usize {
        self.stealer.len() + self.placed.len() + usize::from(!self.newest.is_empty())
    }

    /// Whether somebody could steal from here.
    pub(super) fn has_fresh(&self) -> bool {
        !self.stealer.is_empty()
    }
}

impl trace::Watched for Worker {
    fn running(&self) -> Option<(u64, &'static Location<'static>)> {
        self.current()
    }
}

impl Home for Worker {
    fn schedule_here(&self, task: TaskRef) {
        let mut task = Some(task);
        Local::with(|local| local.make_ready(task.take().expect("it is called once")));
        if let Some(task) = task {
            // The process exits by a call from this thread, whose own half of the worker is gone.
            self.schedule_from_elsewhere(task);
        }
    }

    fn should_look_out(&self) -> bool {
        Local::with(Local::should_look_out) == Some(true)
    }

    fn look_out(&self, has_happened: &mut dyn FnMut() -> bool) {
        Local::with(|local| local.look_out(has_happened));
    }

    fn world(&self) -> u64 {
        super::current_world()
    }

    fn run_apart(&self, f: Box<dyn FnOnce() + Send>) {
        let mut f = Some(f);
        Local::with(|local| f.take().into_iter().for_each(|f| local.run_apart(f)));
        if let Some(f) = f {
            // The process exits by a call from this thread, whose own half of the worker is gone.
            bare::quietly(f);
        }
    }

    fn coarse_clock(&self) -> &AtomicU64 {
        &self.clock
    }

    fn schedule_from_elsewhere(&self, task: TaskRef) {
        current::woke_elsewhere();
        self.inbox.push(task);
        self.interrupt();
    }
}
