//! One turn of a worker: what it runs next, and what it looks at between two runs.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::super::global_queue::retry;
use super::placement::PLACEMENT_SLACK;
use super::state::LocalWorker;
use crate::clock::Timestamp;
use crate::task::{RunOutcome, TaskRef, ready};
use crate::trace;
use crate::wait::timers;

/// Every so many turns an unstarted coroutine that has waited longest goes first, so that none waits for ever.
const FAIR_TURN: u32 = 61;

/// A busy worker looks at its sockets this often.
const POLL_INTERVAL: Duration = Duration::from_micros(100);

/// A busy worker looks at the clock about this often.
const CLOCK_INTERVAL: Duration = Duration::from_micros(50);

impl LocalWorker {
    /// Empties the inbox.
    pub(super) fn receive(&self) {
        self.worker.inbox.drain(|task| {
            trace::arrived();
            ready::push(task);
        });
    }

    /// Takes the coroutine that runs next.
    #[inline(always)]
    pub(super) fn next(&self) -> Option<TaskRef> {
        let turns = self.turns_to_fair_one.get();
        // Who yields lets the others run first, and those that have not started are others too.
        let unstarted_first = self.yielded.take() && self.has_unstarted();
        if turns == 0 || unstarted_first || ready::is_empty() {
            return self.next_by_rule(unstarted_first);
        }
        self.turns_to_fair_one.set(turns - 1);
        ready::pop()
    }

    /// The same, where it is not simply the next one that is ready.
    #[inline(never)]
    fn next_by_rule(&self, unstarted_first: bool) -> Option<TaskRef> {
        if self.is_seeded {
            return self.pick_seeded();
        }
        match self.turns_to_fair_one.get() {
            0 => {
                self.turns_to_fair_one.set(FAIR_TURN - 1);
                if let Some(task) = self.oldest_unstarted() {
                    return Some(task);
                }
            }
            turns => self.turns_to_fair_one.set(turns - 1),
        }
        // An attempt to pop costs a fence even if there is nothing.
        let older = || if self.unstarted.is_empty() { None } else { self.unstarted.pop() };
        let global_queue = &self.scheduler.global_queue;
        let due =
            || if global_queue.has_from_timers() { retry(|| global_queue.steal()) } else { None };
        let handed_over = || self.next_handed_over();
        let unstarted =
            || due().or_else(|| self.worker.lifo_slot.take()).or_else(handed_over).or_else(older);
        if unstarted_first {
            unstarted().or_else(ready::pop)
        } else {
            ready::pop().or_else(unstarted)
        }
    }

    /// Whether there is an unstarted coroutine that this worker would start without a search.
    fn has_unstarted(&self) -> bool {
        self.scheduler.global_queue.has_from_timers()
            || !self.worker.lifo_slot.is_empty()
            || !self.worker.handed_over.is_empty()
            || !self.unstarted.is_empty()
    }

    /// Polls the sockets, and waits for at most `timeout`.
    pub(super) fn poll(&self, timeout: Option<Duration>) {
        self.reactor.borrow_mut().poll(timeout);
        ready::prefetch();
    }

    /// The unstarted coroutine that has waited longest: of those from outside, of those handed over, or of those
    /// spawned here; each of the three goes first in its turn.
    fn oldest_unstarted(&self) -> Option<TaskRef> {
        const QUEUES: u32 = 3;
        let global_queue = &self.scheduler.global_queue;
        let first = self.first_oldest.replace(self.first_oldest.get().wrapping_add(1));
        let oldest = (0..QUEUES).find_map(|queue| match first.wrapping_add(queue) % QUEUES {
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
        // Nobody else writes.
        counts.turn.store(counts.turn.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
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
                ready::push(task);
                self.yielded.set(true);
            }
            RunOutcome::Finished => self.finish(task),
        }
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
    }

    #[inline(never)]
    fn finish(&self, task: TaskRef) {
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

    /// By a coroutine that yields: whether there is nobody to yield to. After some such yields in a row the answer is
    /// `false` without a check, so that the loop gets to its inbox and its sockets.
    #[inline(always)]
    pub(in super::super) fn may_skip_yield(&self) -> bool {
        const MAX_IN_A_ROW: u32 = 64;
        let alone = self.idle_yields.get() < MAX_IN_A_ROW && self.is_alone();
        self.idle_yields.set(if alone { self.idle_yields.get() + 1 } else { 0 });
        alone
    }

    /// Between two turns, every few of them: reads the clock, fires timers and polls.
    #[inline(always)]
    pub(super) fn check_clock(&self) {
        match self.clock.countdown.get() {
            0 => self.look_at_clock(),
            turns => self.clock.countdown.set(turns - 1),
        }
    }

    #[inline(never)]
    fn look_at_clock(&self) {
        let clock = &self.clock;
        trace::looked(ready::len());
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
