//! A worker without work: it searches the queues of others, and sleeps when there is none.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::super::global_queue::retry;
use super::super::idle_policy::AllIdleAction;
use super::super::worker::RemoteWorker;
use super::state::LocalWorker;
use crate::clock::Timestamp;
use crate::task::cancel::CancelCause;
use crate::task::current;
use crate::wait::{ExternalWait, timers};
use crate::{forked, random, trace};

/// For how long a worker that hosts too many leaves unstarted coroutines to the workers that have them.
const STEAL_BACKOFF: Duration = Duration::from_millis(5);

/// For how long a worker spins at most. To wake a sleeping thread takes some 25 us, so a worker that expects a wake
/// sooner than that stays awake.
const MAX_SPIN: Duration = Duration::from_micros(50);

/// The most spin credit: that of so many wakes in a row.
const MAX_SPIN_CREDIT: u32 = 8;

/// The outcome of a search for work elsewhere.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    Found,
    Nothing,
    /// There is something to steal, but others should take it.
    BackedOff,
}

impl LocalWorker {
    /// Searches for work elsewhere, or sleeps until there is some. `false`: this worker has ended.
    pub(super) fn idle(&self) -> bool {
        trace::looked(0);
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
        if self.run_requests() && !self.is_alone() {
            return true;
        }
        if self.scheduler.is_shut_down() {
            self.cancel_all();
            if self.take_from_global_queue() {
                return true;
            }
            if self.has_ended() {
                // What they hold goes away with them.
                self.worker.timer_queue.close();
                if self.has_ended() && self.worker.leave() {
                    return false;
                }
                return true;
            }
        } else if self.spin_for_wake() {
            return true;
        } else if self.has_stealable() && self.scheduler.idle.try_search() {
            let outcome = self.search();
            self.stop_searching(outcome);
            if outcome == Search::Found {
                return true;
            }
        }
        self.sleep();
        true
    }

    /// By a coroutine that waits: whether to spin. That is so if this worker has nothing else to do, and a wake from
    /// another thread is likely to come soon.
    ///
    /// This makes an exchange between coroutines of two workers fast. The spin credit grows with each wake that
    /// comes in time, asleep or awake, and is halved by each that does not. So an idle program does not spin.
    pub(super) fn should_spin(&self) -> bool {
        self.should_spin_for_wake() && self.is_alone()
    }

    fn should_spin_for_wake(&self) -> bool {
        self.spin_credit.get() > 0 && !self.is_spare()
    }

    /// By such a coroutine: spins until it `has_happened`, for a limited time.
    pub(super) fn spin_wait(&self, has_happened: &mut dyn FnMut() -> bool) {
        self.spin(has_happened);
    }

    /// As `spin_wait`, by the worker itself, until anything is queued here.
    fn spin_for_wake(&self) -> bool {
        current::expects_reply() && self.should_spin_for_wake() && self.spin(&mut || false)
    }

    /// Spins until it `has_happened`, or something is queued here, for a limited time. Returns whether it was
    /// one of the two.
    fn spin(&self, has_happened: &mut dyn FnMut() -> bool) -> bool {
        /// Checks between two readings of the clock.
        const LOOKS: u32 = 32;
        let limit = Timestamp::monotonic() + MAX_SPIN;
        let limit = self.next_timer().map_or(limit, |timer| timer.min(limit));
        loop {
            for _ in 0..LOOKS {
                let arrived =
                    || !self.worker.inbox.is_empty() || !self.worker.handed_over.is_empty();
                if has_happened() || arrived() {
                    self.update_spin_credit(true);
                    return true;
                }
                std::hint::spin_loop();
            }
            if self.has_stealable() {
                return false;
            }
            if Timestamp::monotonic() >= limit {
                self.update_spin_credit(false);
                current::note_no_reply();
                return false;
            }
        }
    }

    /// Learns from whether a wake `came` in time.
    fn update_spin_credit(&self, came: bool) {
        let spin_credit = self.spin_credit.get();
        self.spin_credit.set(if came {
            (spin_credit + 1).min(MAX_SPIN_CREDIT)
        } else {
            spin_credit / 2
        });
    }

    fn is_spare(&self) -> bool {
        self.worker.index >= self.scheduler.settings.workers
    }

    /// Whether this is a spare worker and no regular one is blocked.
    fn is_unneeded(&self) -> bool {
        self.is_spare() && self.scheduler.blocked.load(Ordering::Relaxed) == 0
    }

    /// The monitor has marked this worker as blocked, and it goes on.
    pub(super) fn unblock(&self) {
        forked::end_worker();
        if self.worker.blocked.swap(false, Ordering::Relaxed) {
            self.scheduler.blocked.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// At shutdown: cancels what is hosted here, once. Nothing starts any more, but the children of scopes. Those are
    /// cancelled by the owners of their scopes, which are cancelled here, and not before one that is in a destructor
    /// has tidied up with them.
    pub(super) fn cancel_all(&self) {
        if !self.cancelled_all.replace(true) {
            let cause = CancelCause::of_runtime("its runtime has been dropped");
            for task in self.worker.registry.snapshot().into_iter().filter(|t| !t.is_scoped()) {
                task.cancel(&cause);
            }
        }
    }

    /// At shutdown: takes what has not started from outside, to end it.
    fn take_from_global_queue(&self) -> bool {
        // With that of `inject`: what was queued before the shutdown is seen by who has seen the shutdown.
        fence(Ordering::SeqCst);
        let task = self.scheduler.global_queue.take();
        let any = task.is_some();
        task.into_iter().for_each(|task| self.make_ready(task));
        any
    }

    fn has_ended(&self) -> bool {
        self.hosted.get() == 0
            && !self.has_ready()
            && self.unstarted.is_empty()
            && self.worker.lifo_slot.is_empty()
            && self.worker.inbox.is_empty()
            && self.worker.handed_over.is_empty()
    }

    /// Moves unstarted coroutines from elsewhere into the own queue.
    fn search(&self) -> Search {
        if self.is_unneeded() {
            return Search::Nothing;
        }
        if self.scheduler.global_queue.has_from_timers() {
            // One that is taken is started at once: by `next`.
            return Search::Found;
        }
        if let Some(task) =
            retry(|| self.scheduler.global_queue.steal_batch_and_pop(&self.unstarted))
        {
            self.unstarted.push(task);
            return Search::Found;
        }
        // A crowded worker would only hand over what it steals, maybe to the very worker that it has stolen from.
        // It steals nevertheless if that one makes no progress.
        let crowded = self.less_loaded_worker().is_some();
        if !crowded || self.others_with_unstarted().next().is_none() {
            self.steal_backoff.set(None);
        } else if !self.is_steal_backoff_over() {
            return Search::BackedOff;
        }
        let stolen = self.others_with_unstarted().find_map(|w| {
            retry(|| match crowded {
                true => w.stealer.steal(),
                false => w.stealer.steal_batch_and_pop(&self.unstarted),
            })
        });
        let Some(task) = stolen else { return Search::Nothing };
        self.unstarted.push(task);
        self.start_here.set(crowded);
        let stolen = &self.worker.counts.stolen;
        stolen.store(stolen.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Search::Found
    }

    /// By a crowded worker that could steal: whether it may. It may after the backoff, and then as long as what it
    /// steals does not stay.
    fn is_steal_backoff_over(&self) -> bool {
        let hosted = self.hosted.get();
        let (since, hosted_then) = match self.steal_backoff.get() {
            Some(steal_backoff) if hosted <= steal_backoff.1 => steal_backoff,
            _ => (Timestamp::monotonic(), hosted),
        };
        self.steal_backoff.set(Some((since, hosted_then)));
        Timestamp::monotonic().since(since) >= STEAL_BACKOFF
    }

    /// Whether there are unstarted coroutines elsewhere. Most of the time there are none, and then a worker without
    /// work looks at nothing else.
    fn has_stealable(&self) -> bool {
        let mut others = self.scheduler.started_workers().iter();
        let any = !self.scheduler.global_queue.is_empty()
            || others.any(|w| w.index != self.worker.index && w.has_unstarted());
        if !any {
            self.steal_backoff.set(None);
        }
        any
    }

    /// The workers that can be stolen from, beginning with a random one.
    fn others_with_unstarted(&self) -> impl Iterator<Item = &RemoteWorker> {
        let workers = self.scheduler.started_workers();
        // With a seed, random numbers are only used up by what the program does.
        let seeded = self.scheduler.settings.seed.is_some();
        let first = if seeded { 0 } else { random::below(workers.len()) };
        let order = (first..workers.len()).chain(0..first).map(|index| &*workers[index]);
        order.filter(|w| w.index != self.worker.index && w.has_unstarted())
    }

    fn stop_searching(&self, outcome: Search) {
        let last = self.scheduler.idle.end_search();
        // Whoever has produced more meanwhile relied on this search, so it is passed on.
        if (last && outcome == Search::Found) || outcome == Search::BackedOff {
            self.scheduler.wake_one();
        }
    }

    /// Sleeps in the reactor until there is something to do, following the protocols of
    /// [`idle`](super::super::idle). A spare worker does not announce itself: the monitor wakes it.
    fn sleep(&self) {
        let idle = &self.scheduler.idle;
        let spare = self.is_spare();
        let counts = &self.worker.counts;
        let pool = self.pool.borrow();
        counts.stacks.store(pool.idle(), Ordering::Relaxed);
        counts.trimmed.store(pool.is_trimmed(), Ordering::Relaxed);
        drop(pool);
        if !spare {
            idle.announce(self.worker.index);
        }
        self.worker.sleep.begin();
        if self.may_sleep() {
            let timer = timers::next();
            let action = self.fall_asleep(timer);
            if action != AllIdleAction::Resume {
                let limits = [
                    self.time_to(timer),
                    self.steal_backoff.get().map(|_| STEAL_BACKOFF),
                    action.recheck_after(),
                ];
                self.poll(limits.into_iter().flatten().min());
            }
            self.scheduler.quiescence.activate();
        }
        self.worker.sleep.end();
        self.scheduler.monitor.worker_woke();
        let now = Timestamp::monotonic();
        if now.since(self.clock.polled.get()) < 2 * MAX_SPIN && !self.worker.inbox.is_empty() {
            self.update_spin_credit(true);
        }
        self.clock.looked.set(now);
        self.worker.set_clock(now);
        self.clock.polled.set(now);
        self.expire(Timestamp::now_or(now));
        if !spare && idle.retract(self.worker.index) {
            let outcome = self.search();
            self.stop_searching(outcome);
        }
    }

    /// Announces that this worker sleeps. The last worker to do so acts for all of them.
    fn fall_asleep(&self, timer: Option<Timestamp>) -> AllIdleAction {
        self.worker.publish_before_park(timer, ExternalWait::count());
        let action = if self.scheduler.quiescence.deactivate() {
            self.scheduler.on_all_idle(self.worker.index, self.deadlock_recheck.get())
        } else {
            AllIdleAction::Sleep
        };
        self.deadlock_recheck.set(action.recheck_after().unwrap_or_default());
        action
    }

    /// How long to sleep until the next timer. A virtual clock is not waited for: it does not move meanwhile.
    fn time_to(&self, timer: Option<Timestamp>) -> Option<Duration> {
        let settings = &self.scheduler.settings;
        let next = [timer, self.worker.timer_queue.next()].into_iter().flatten().min();
        next.filter(|_| settings.virtual_clock.is_none()).map(|at| at.since(Timestamp::monotonic()))
    }

    /// The last check before the sleep, after it was announced.
    fn may_sleep(&self) -> bool {
        let scheduler = &self.scheduler;
        let has_stealable = || match self.steal_backoff.get() {
            None => self.has_stealable(),
            Some(_) => !scheduler.global_queue.is_empty(),
        };
        !self.has_ready()
            && self.worker.inbox.is_empty()
            && self.worker.handed_over.is_empty()
            && !self.worker.requests.are_waiting()
            && self.worker.lifo_slot.is_empty()
            && (self.is_spare() || scheduler.idle.is_announced(self.worker.index))
            && (self.is_unneeded() || !has_stealable())
            && (!scheduler.is_shut_down() || self.hosted.get() > 0)
    }
}
