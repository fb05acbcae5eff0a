//! A worker without work: it looks for some elsewhere, and sleeps when there is none.

use std::sync::atomic::{Ordering, fence};
use std::time::Duration;

use super::super::forked;
use super::super::standstill::Standstill;
use super::super::worker::Worker;
use super::{Local, retry};
use crate::clock::Moment;
use crate::random;
use crate::task::current;
use crate::trace;
use crate::wait::{Hold, timers};

/// How long a worker that hosts too many lets the others start their fresh coroutines themselves.
const PATIENCE: Duration = Duration::from_millis(5);

/// To wake a sleeping thread takes some 25 us, so a worker that expects to be woken sooner than it
/// could fall asleep and be woken stays awake, for this long at most.
const SPIN: Duration = Duration::from_micros(50);

/// The most that is expected, after so many wakes in a row.
const CERTAIN: u32 = 8;

/// What a look for work elsewhere has come to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Search {
    Found,
    Nothing,
    /// There is something, but others should take it.
    Declined,
}

impl Local {
    /// Looks for work elsewhere, or sleeps until there is some. `false`: this worker has ended.
    pub(super) fn idle(&self) -> bool {
        trace::looked(0);
        if self.worker.blocked.load(Ordering::Relaxed) {
            self.unblock();
        }
        if self.run_errands() && !self.is_alone() {
            return true;
        }
        if self.scheduler.is_shut_down() {
            self.cancel_all();
            if self.take_injected() {
                return true;
            }
            if self.has_ended() {
                // What they hold goes away with them.
                self.worker.alarms.close();
                if self.has_ended() && self.worker.leave() {
                    return false;
                }
                return true;
            }
        } else if self.await_wake() {
            return true;
        } else if self.is_anything_to_steal() && self.scheduler.idle.try_search() {
            let outcome = self.search();
            self.stop_searching(outcome);
            if outcome == Search::Found {
                return true;
            }
        }
        self.sleep();
        true
    }

    /// By a coroutine that waits: whether this worker has nothing else to do, and a wake from another
    /// thread is likely to come soon.
    ///
    /// This is what makes an exchange between coroutines of two workers fast. What is expected grows
    /// with each wake that comes in time, asleep or awake, and falls with each that does not, so an
    /// idle program does not spin.
    pub(in super::super) fn should_look_out(&self) -> bool {
        self.expects_wake() && self.is_alone()
    }

    fn expects_wake(&self) -> bool {
        self.expectation.get() > 0 && !self.is_spare()
    }

    /// By such a coroutine: looks whether it `has_happened`, for a while.
    pub(in super::super) fn look_out(&self, has_happened: &mut dyn FnMut() -> bool) {
        self.spin(has_happened);
    }

    /// The same without a coroutine: for anything that arrives.
    fn await_wake(&self) -> bool {
        current::expects_answer() && self.expects_wake() && self.spin(&mut || false)
    }

    /// Looks whether it `has_happened`, or something has been queued here, for a limited time.
    fn spin(&self, has_happened: &mut dyn FnMut() -> bool) -> bool {
        /// Looks between two looks at the clock.
        const LOOKS: u32 = 32;
        let limit = Moment::real() + SPIN;
        let limit = self.next_timer().map_or(limit, |timer| timer.min(limit));
        loop {
            for _ in 0..LOOKS {
                let arrived = || !self.worker.inbox.is_empty() || !self.worker.placed.is_empty();
                if has_happened() || arrived() {
                    self.expect(true);
                    return true;
                }
                std::hint::spin_loop();
            }
            if self.is_anything_to_steal() {
                return false;
            }
            if Moment::real() >= limit {
                self.expect(false);
                current::has_had_no_answer();
                return false;
            }
        }
    }

    /// Learns from whether a wake has come in time.
    fn expect(&self, came: bool) {
        let expectation = self.expectation.get();
        self.expectation.set(if came { (expectation + 1).min(CERTAIN) } else { expectation / 2 });
    }

    fn is_spare(&self) -> bool {
        self.worker.index >= self.scheduler.settings.workers
    }

    /// Whether this is a spare worker and no regular one is held up.
    fn is_unneeded(&self) -> bool {
        self.is_spare() && self.scheduler.blocked.load(Ordering::Relaxed) == 0
    }

    /// The monitor had taken this worker for held up, and it goes on.
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
            for task in self.worker.registry.snapshot().into_iter().filter(|t| !t.is_scoped()) {
                task.cancel();
            }
        }
    }

    /// At shutdown: takes what has not started from outside, to end it.
    fn take_injected(&self) -> bool {
        // With that of `inject`: what was queued before the shutdown is seen by who has seen the shutdown.
        fence(Ordering::SeqCst);
        let task = self.scheduler.injector.take();
        let any = task.is_some();
        self.ready.borrow_mut().extend(task);
        any
    }

    fn has_ended(&self) -> bool {
        self.hosted.get() == 0
            && self.ready.borrow().is_empty()
            && self.fresh.is_empty()
            && self.worker.newest.is_empty()
            && self.worker.inbox.is_empty()
            && self.worker.placed.is_empty()
    }

    /// Takes fresh coroutines from elsewhere into the own queue.
    fn search(&self) -> Search {
        if self.is_unneeded() {
            return Search::Nothing;
        }
        if self.scheduler.injector.has_due() {
            // One that is taken is started at once: by `next`.
            return Search::Found;
        }
        if let Some(task) = retry(|| self.scheduler.injector.steal_batch_and_pop(&self.fresh)) {
            self.fresh.push(task);
            return Search::Found;
        }
        // One that hosts too many would only hand over what it steals, maybe to the very worker
        // that it has stolen from. It helps nevertheless if that one does not get on.
        let crowded = self.emptier_worker().is_some();
        if !crowded || self.others_with_fresh().next().is_none() {
            self.declined.set(None);
        } else if !self.is_patience_over() {
            return Search::Declined;
        }
        let stolen = self.others_with_fresh().find_map(|w| {
            retry(|| match crowded {
                true => w.stealer.steal(),
                false => w.stealer.steal_batch_and_pop(&self.fresh),
            })
        });
        let Some(task) = stolen else { return Search::Nothing };
        self.fresh.push(task);
        self.start_here.set(crowded);
        let stolen = &self.worker.counts.stolen;
        stolen.store(stolen.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Search::Found
    }

    /// By a worker that hosts too many, and could steal more: may it? After some patience, and then
    /// as long as what it steals does not stay.
    fn is_patience_over(&self) -> bool {
        let hosted = self.hosted.get();
        let (since, hosted_then) = match self.declined.get() {
            Some(declined) if hosted <= declined.1 => declined,
            _ => (Moment::real(), hosted),
        };
        self.declined.set(Some((since, hosted_then)));
        Moment::real().since(since) >= PATIENCE
    }

    /// Whether there are fresh coroutines elsewhere. Most of the time there are none, and then this is all
    /// that a worker without work looks at.
    fn is_anything_to_steal(&self) -> bool {
        let mut others = self.scheduler.seated().iter();
        let any = !self.scheduler.injector.is_empty()
            || others.any(|w| w.index != self.worker.index && w.has_fresh());
        if !any {
            self.declined.set(None);
        }
        any
    }

    /// Those that can be stolen from, beginning anywhere.
    fn others_with_fresh(&self) -> impl Iterator<Item = &Worker> {
        let workers = self.scheduler.seated();
        // By chance, unless chance is not to be used up by what the program does not do.
        let seeded = self.scheduler.settings.seed.is_some();
        let first = if seeded { 0 } else { random::below(workers.len()) };
        let order = (first..workers.len()).chain(0..first).map(|index| &*workers[index]);
        order.filter(|w| w.index != self.worker.index && w.has_fresh())
    }

    fn stop_searching(&self, outcome: Search) {
        let last = self.scheduler.idle.end_search();
        // Whoever produced more meanwhile relied on this search: pass it on.
        if (last && outcome == Search::Found) || outcome == Search::Declined {
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
            let standstill = self.fall_asleep(timer);
            if standstill != Standstill::GoOn {
                let limits = [
                    self.time_to(timer),
                    self.declined.get().map(|_| PATIENCE),
                    standstill.look_again(),
                ];
                self.poll(limits.into_iter().flatten().min());
            }
            self.scheduler.quiet.rise();
        }
        self.worker.sleep.end();
        self.scheduler.monitor.worker_woke();
        let now = Moment::real();
        if now.since(self.clock.polled.get()) < 2 * SPIN && !self.worker.inbox.is_empty() {
            self.expect(true);
        }
        self.clock.looked.set(now);
        self.worker.set_clock(now);
        self.clock.polled.set(now);
        self.expire(Moment::now_given(now));
        if !spare && idle.retract(self.worker.index) {
            let outcome = self.search();
            self.stop_searching(outcome);
        }
    }

    /// Says that this worker sleeps. The last to say so does what there is to do for all of them.
    fn fall_asleep(&self, timer: Option<Moment>) -> Standstill {
        self.worker.leave_behind(timer, Hold::count());
        let standstill = if self.scheduler.quiet.fall() {
            self.scheduler.stand_still(self.worker.index, self.suspicion.get())
        } else {
            Standstill::Sleep
        };
        self.suspicion.set(standstill.look_again().unwrap_or_default());
        standstill
    }

    /// How long to sleep for the next `timer` or alarm. By a virtual clock it never comes by waiting.
    fn time_to(&self, timer: Option<Moment>) -> Option<Duration> {
        let settings = &self.scheduler.settings;
        let next = [timer, self.worker.alarms.next()].into_iter().flatten().min();
        next.filter(|_| settings.virtual_clock.is_none()).map(|at| at.since(Moment::real()))
    }

    /// The last look before sleeping, after it was announced.
    fn may_sleep(&self) -> bool {
        let scheduler = &self.scheduler;
        let anything_to_steal = || match self.declined.get() {
            None => self.is_anything_to_steal(),
            Some(_) => !scheduler.injector.is_empty(),
        };
        self.ready.borrow().is_empty()
            && self.worker.inbox.is_empty()
            && self.worker.placed.is_empty()
            && !self.worker.errands.are_waiting()
            && self.worker.newest.is_empty()
            && (self.is_spare() || scheduler.idle.is_announced(self.worker.index))
            && (self.is_unneeded() || !anything_to_steal())
            && (!scheduler.is_shut_down() || self.hosted.get() > 0)
    }
}
