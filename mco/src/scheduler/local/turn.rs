//! One turn of a worker: what it runs next, and what it looks at between two runs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::global_queue::retry;
use super::placement::PLACEMENT_SLACK;
use super::state::LocalWorker;
use crate::clock::Timestamp;
use crate::task::{RunOutcome, TaskRef};
use crate::wait::timers;
use crate::{shrinking, trace};

/// Every so many turns an unstarted coroutine that has waited longest goes first, so that none waits for ever.
const FAIR_TURN: u64 = 61;

/// A busy worker looks at its sockets this often.
const POLL_INTERVAL: Duration = Duration::from_micros(100);

/// A busy worker looks at the clock about this often.
const CLOCK_INTERVAL: Duration = Duration::from_micros(50);

/// The positions in the ready queue, behind the coroutine that runs next, of the one whose stack is fetched and of the
/// one whose header is.
const STACKS_AHEAD: usize = 1;
const HEADERS_AHEAD: usize = 2;

/// For at most so many coroutines that a poll has woken the addresses of the stacks are looked up at once.
const LOOK_UPS: usize = 32;

impl LocalWorker {
    /// Empties the inbox.
    pub(super) fn receive(&self) {
        self.worker.inbox.drain(|task| {
            trace::arrived();
            self.ready.borrow_mut().push_back(task);
        });
    }

    /// Takes the coroutine that runs next.
    pub(super) fn next(&self) -> Option<TaskRef> {
        if self.scheduler.settings.seed.is_some() {
            return self.pick_seeded();
        }
        if self.turn.get().is_multiple_of(FAIR_TURN)
            && let Some(task) = self.oldest_unstarted()
        {
            return Some(task);
        }
        // An attempt to pop costs a fence even if there is nothing.
        let older = || if self.unstarted.is_empty() { None } else { self.unstarted.pop() };
        let global_queue = &self.scheduler.global_queue;
        let due =
            || if global_queue.has_from_timers() { retry(|| global_queue.steal()) } else { None };
        let handed_over = || self.next_handed_over();
        let unstarted =
            || due().or_else(|| self.worker.lifo_slot.take()).or_else(handed_over).or_else(older);
        if self.yielded.take() {
            // It lets the others run first, and those that have not started are others too.
            unstarted().or_else(|| self.next_ready())
        } else {
            self.next_ready().or_else(unstarted)
        }
    }

    /// Takes the next ready coroutine. With many of them each lies outside the cache, so those behind it are fetched
    /// meanwhile.
    #[inline(always)]
    fn next_ready(&self) -> Option<TaskRef> {
        let mut ready = self.ready.borrow_mut();
        let next = shrinking::pop_front(&mut ready);
        if let Some(task) = ready.get(STACKS_AHEAD) {
            task.prefetch_stack();
        }
        if let Some(task) = ready.get(HEADERS_AHEAD) {
            task.prefetch_header();
        }
        next
    }

    /// Polls the sockets, and waits for at most `timeout`. Of the coroutines that are woken the first are fetched
    /// into the cache; `next_ready` fetches the others.
    pub(super) fn poll(&self, timeout: Option<Duration>) {
        self.reactor.borrow_mut().poll(timeout);
        let ready = self.ready.borrow();
        ready.iter().take(LOOK_UPS).for_each(TaskRef::look_up_stack);
        ready.iter().take(STACKS_AHEAD + 1).for_each(TaskRef::prefetch_stack);
    }

    /// The unstarted coroutine that has waited longest: of those from outside, of those handed over, or of those
    /// spawned here; each of the three goes first in its turn.
    fn oldest_unstarted(&self) -> Option<TaskRef> {
        const QUEUES: u64 = 3;
        let global_queue = &self.scheduler.global_queue;
        let first = self.turn.get() / FAIR_TURN;
        let oldest = (first..first + QUEUES).find_map(|queue| match queue % QUEUES {
            0 if global_queue.is_empty() => None,
            0 => retry(|| global_queue.steal()),
            1 => self.next_handed_over(),
            _ => retry(|| self.worker.stealer.steal()),
        });
        oldest.or_else(|| self.worker.lifo_slot.take())
    }

    /// The next one that was handed over.
    #[inline(always)]
    fn next_handed_over(&self) -> Option<TaskRef> {
        let handed_over = self.worker.handed_over.pop();
        if handed_over.is_some() {
            self.start_here.set(true);
        }
        handed_over
    }

    #[inline(always)]
    pub(super) fn run_one(&self, task: TaskRef) {
        if !task.has_started() && !self.start(&task) {
            return;
        }
        let counts = &self.worker.counts;
        self.turn.set(self.turn.get() + 1);
        counts.turn.store(self.turn.get(), Ordering::Relaxed);
        counts.current_site.set(task.spawned_at());
        counts.current_id.store(task.id(), Ordering::Relaxed);
        let slice = trace::begin();
        let pause = task.run();
        slice.end(task.id(), task.spawned_at(), || task.trace_end(pause));
        counts.current_id.store(0, Ordering::Relaxed);
        match pause {
            RunOutcome::Parked => {
                task.enter(&self.worker.registry);
                task.leave_parked();
            }
            RunOutcome::Yielded => {
                task.enter(&self.worker.registry);
                self.ready.borrow_mut().push_back(task);
                self.yielded.set(true);
            }
            RunOutcome::Finished => {
                self.set_hosted(self.hosted.get() - 1);
                let size = task.stack_size();
                let leftover = task.retire(&self.worker.registry, |fiber| {
                    self.pool.borrow_mut().give(size, fiber);
                });
                if let Some(leftover) = leftover {
                    // It was detached in its last moment.
                    self.run_user_code(Box::new(move || drop(leftover)));
                }
            }
        }
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
    }

    /// By a coroutine that yields: whether there is nobody to yield to. After some such yields in a row the answer is
    /// `false` without a check, so that the loop gets to its inbox and its sockets.
    pub(in super::super) fn may_skip_yield(&self) -> bool {
        const MAX_IN_A_ROW: u32 = 64;
        let alone = self.idle_yields.get() < MAX_IN_A_ROW && self.is_alone();
        self.idle_yields.set(if alone { self.idle_yields.get() + 1 } else { 0 });
        alone
    }

    /// Between two turns, every few of them: reads the clock, fires timers and polls.
    pub(super) fn check_clock(&self) {
        let clock = &self.clock;
        if clock.countdown.get() > 0 {
            clock.countdown.set(clock.countdown.get() - 1);
            return;
        }
        trace::looked(self.ready.borrow().len());
        let now = Timestamp::monotonic();
        self.worker.set_clock(now);
        self.run_requests();
        let interval = clock.interval.get();
        let took = now.since(clock.looked.replace(now));
        clock.interval.set(if took > CLOCK_INTERVAL {
            interval / 2
        } else {
            (interval * 2 + 1).min(63)
        });
        clock.countdown.set(clock.interval.get());
        // What the others host may have changed.
        self.placement_limit.set(self.placement_limit.get().min(PLACEMENT_SLACK));
        self.expire(Timestamp::now_or(now));
        if now.since(clock.polled.get()) >= POLL_INTERVAL {
            clock.polled.set(now);
            self.poll(Some(Duration::ZERO));
        }
        if self.scheduler.is_shut_down() {
            self.cancel_all();
        }
    }
}

/// Time.
impl LocalWorker {
    /// When the next timer of this worker is due, whichever wheel it is in.
    pub(super) fn next_timer(&self) -> Option<Timestamp> {
        [timers::next(), self.worker.timer_queue.next()].into_iter().flatten().min()
    }

    /// Fires the timers that are due at `now`, on the runtime's clock.
    pub(super) fn expire(&self, now: Timestamp) {
        timers::expire(now);
        self.worker.timer_queue.fire(now);
    }
}
