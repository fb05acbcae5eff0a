//! Whether a worker's thread that wakes up takes the processor from whoever runs there.
//!
//! Linux lets a thread that wakes up go first, mostly before the one that has woken it. When a peer on
//! the same machine sends something to each of many sockets of a worker that sleeps, the first send wakes
//! the worker, which takes the peer's processor, finds one event, and sleeps again, until the next send.
//! Each event then costs two switches, and the peer its caches. A thread of the class `SCHED_BATCH` is
//! treated as any other, but for this: it waits until the processor is free. More events have come
//! by then, and are seen to at once.
//!
//! That is right for workers that are woken very often by peers, and wrong where a computation shares
//! their processors: it then keeps them waiting for milliseconds. So the monitor looks at what comes of
//! it, for all workers of a runtime together, in windows of 50 ms:
//!
//! ```text
//!   preempt ── wake more than 10,000 times a second, on average ─────────────> are polite
//!           <── hardly wake any more: idle ──────────────────────────────────
//!           <── run less than 4/5 of the coroutines that they ran before, in two windows
//! ```
//!
//! In the last case they do not become polite again for a second, the next time for two, and so on, until
//! it has gone well for a while. All together, since one that is polite alone is only kept waiting by the
//! others; and by what they get done, since waiting is what is intended.
//!
//! Nothing is done where the threads have another class than the usual one from the start: then somebody
//! has chosen it. What a worker's thread starts, threads and processes, inherits the class that it has;
//! mco's own threads undo that.

use std::time::Duration;

use crate::clock::Moment;

/// Workers that wake more often than this in a second, on average, become polite.
const OFTEN: u64 = 10_000;
/// When all of them together wake less often, they go first again.
const RARELY: u64 = 500;
/// It is counted for so long at least.
const WINDOW: Duration = Duration::from_millis(50);
/// So many windows that have gone badly are one too many.
const BAD_WINDOWS: u32 = 2;
/// How long they do not become polite again after that, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LAST_PAUSE: Duration = Duration::from_secs(64);
/// After so long a time the pauses begin anew.
const GONE_WELL: Duration = Duration::from_secs(10);

/// What is decided about the workers of a runtime. The monitor's own.
pub(super) struct Manners {
    workers: u64,
    state: State,
    /// What was counted when the window began, and when that was.
    before: Counts,
    since: Moment,
    /// Not to be polite before this.
    pause_ends: Moment,
    pause: Duration,
}

/// Of all workers.
#[derive(Clone, Copy, Default)]
pub(super) struct Counts {
    /// How many times they have woken.
    pub(super) wakes: u64,
    /// How many times a coroutine has been run.
    pub(super) turns: u64,
}

enum State {
    Preempting,
    Polite {
        since: Moment,
        /// How many coroutines were run in a second before.
        rate: u64,
        /// Windows in a row that have gone badly.
        bad: u32,
    },
    /// The class is not ours to change.
    LeftAlone,
}

impl Manners {
    pub(super) fn new(workers: usize, now: Moment) -> Manners {
        Manners {
            workers: workers as u64,
            state: State::Preempting,
            before: Counts::default(),
            since: now,
            pause_ends: now,
            pause: FIRST_PAUSE,
        }
    }

    /// Looks at what has been counted until `now`, and has `set` give the workers another class where that is
    /// due. That says `false` if it could not; then nothing is tried again.
    pub(super) fn look(&mut self, now: Moment, counts: Counts, set: impl FnOnce(Class) -> bool) {
        let time = now.since(self.since);
        if time < WINDOW {
            return;
        }
        let a_second = |from: u64, to: u64| {
            let rate = u128::from(to.saturating_sub(from)) * 1_000_000_000 / time.as_nanos();
            u64::try_from(rate).unwrap_or(u64::MAX)
        };
        let wakes = a_second(self.before.wakes, counts.wakes);
        let turns = a_second(self.before.turns, counts.turns);
        (self.since, self.before) = (now, counts);
        let (class, next) = match &mut self.state {
            State::Preempting if wakes > OFTEN * self.workers && now >= self.pause_ends => {
                (Class::Polite, State::Polite { since: now, rate: turns, bad: 0 })
            }
            State::Polite { .. } if wakes < RARELY => (Class::Usual, State::Preempting),
            State::Polite { since, rate, bad } => {
                *bad = if turns < *rate / 5 * 4 { *bad + 1 } else { 0 };
                if now.since(*since) >= GONE_WELL {
                    self.pause = FIRST_PAUSE;
                }
                if *bad < BAD_WINDOWS {
                    return;
                }
                self.pause_ends = now + self.pause;
                self.pause = (2 * self.pause).min(LAST_PAUSE);
                (Class::Usual, State::Preempting)
            }
            State::Preempting | State::LeftAlone => return,
        };
        self.state = if set(class) { next } else { State::LeftAlone };
    }

    /// Whether to look again soon, even if all workers sleep.
    pub(super) fn are_polite(&self) -> bool {
        matches!(self.state, State::Polite { .. })
    }
}

/// How the system treats a thread that wakes up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It goes first, mostly.
    Usual,
    /// It waits until the processor is free.
    Polite,
}

impl Class {
    fn other(self) -> Class {
        match self {
            Class::Usual => Class::Polite,
            Class::Polite => Class::Usual,
        }
    }
}

pub(super) use system::{ThreadId, undo_inherited};

/// Gives all of them this class, or, if one cannot be given it, none: `false`.
pub(super) fn set_all<'a>(threads: impl Iterator<Item = &'a ThreadId>, class: Class) -> bool {
    let mut done = Vec::new();
    for thread in threads {
        if !thread.set(class) {
            done.into_iter().for_each(|thread: &ThreadId| {
                thread.set(class.other());
            });
            return false;
        }
        done.push(thread);
    }
    true
}

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    #![allow(unsafe_code)]

    use super::Class;

    /// A thread of this process.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct ThreadId(libc::pid_t);

    impl ThreadId {
        pub(crate) fn current() -> ThreadId {
            // SAFETY: takes nothing and cannot fail.
            ThreadId(unsafe { libc::gettid() })
        }

        /// Gives the thread, which must not have ended, this class, unless it has one that neither `set` nor
        /// the system's default has given it. `false`: it has not changed.
        pub(crate) fn set(self, class: Class) -> bool {
            let (from, to) = match class {
                Class::Usual => (libc::SCHED_BATCH, libc::SCHED_OTHER),
                Class::Polite => (libc::SCHED_OTHER, libc::SCHED_BATCH),
            };
            // SAFETY: takes no pointer.
            if unsafe { libc::sched_getscheduler(self.0) } != from {
                return false;
            }
            // Neither class has a priority, and the nice value stays.
            let param = libc::sched_param { sched_priority: 0 };
            // SAFETY: `param` is read during the call only.
            unsafe { libc::sched_setscheduler(self.0, to, &raw const param) == 0 }
        }
    }

    /// By a thread of mco's that begins: it may have been started by one that is polite.
    pub(crate) fn undo_inherited() {
        // SAFETY: takes no pointer. The id of the process is that of its first thread, which is nobody's worker
        // and has the class that the process was given.
        let of_process = unsafe { libc::sched_getscheduler(libc::getpid()) };
        if of_process == libc::SCHED_OTHER {
            ThreadId::current().set(Class::Usual);
        }
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use super::Class;

    /// A thread of this process.
    #[derive(Clone, Copy, Debug)]
    pub(crate) struct ThreadId;

    impl ThreadId {
        pub(crate) fn current() -> ThreadId {
            ThreadId
        }

        pub(crate) fn set(self, _: Class) -> bool {
            false
        }
    }

    pub(crate) fn undo_inherited() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two workers as the monitor sees them.
    struct Watched {
        manners: Manners,
        now: Moment,
        counts: Counts,
    }

    impl Watched {
        fn new() -> Watched {
            let now = Moment::from_nanos(1);
            Watched { manners: Manners::new(2, now), now, counts: Counts::default() }
        }

        /// A window in which they wake and run coroutines so often. Which class they are given then.
        fn window(&mut self, wakes: u64, turns: u64) -> Option<Class> {
            self.now = self.now + WINDOW;
            self.counts.wakes += wakes;
            self.counts.turns += turns;
            let mut given = None;
            self.manners.look(self.now, self.counts, |class| given.replace(class).is_none());
            given
        }

        /// How many windows it takes until they become polite, while they wake often.
        fn windows_until_polite(&mut self) -> u32 {
            (1..)
                .find(|_| self.window(1500, 10_000) == Some(Class::Polite))
                .expect("windows without end")
        }

        /// They get less done than before.
        fn go_badly(&mut self) {
            assert_eq!(self.window(800, 7_000), None, "after one window");
            assert_eq!(self.window(800, 7_000), Some(Class::Usual));
        }
    }

    #[test]
    fn those_that_wake_often_become_polite() {
        let mut workers = Watched::new();
        assert_eq!(workers.window(1000, 1000), None, "ten thousand a second are not more");
        assert_eq!(workers.window(1001, 1000), Some(Class::Polite));
        assert_eq!(workers.window(1001, 1000), None);
    }

    #[test]
    fn a_few_wakes_in_no_time_are_not_many() {
        let mut manners = Manners::new(2, Moment::from_nanos(0));
        let counts = Counts { wakes: 4, turns: 4 };
        manners.look(Moment::from_nanos(100_000), counts, |_| panic!("polite after 0.1 ms"));
    }

    #[test]
    fn they_stay_polite_while_they_get_as_much_done() {
        let mut workers = Watched::new();
        workers.windows_until_polite();
        for _ in 0..1000 {
            // One bad window may be anybody's.
            assert_eq!(workers.window(50, 7_000), None);
            assert_eq!(workers.window(50, 8_000), None);
        }
    }

    #[test]
    fn those_that_get_less_done_pause_longer_each_time() {
        let mut workers = Watched::new();
        let mut windows = Vec::new();
        for _ in 0..9 {
            windows.push(workers.windows_until_polite());
            workers.go_badly();
        }
        assert_eq!(windows, [1, 20, 40, 80, 160, 320, 640, 1280, 1280]);
        // Until it has gone well.
        workers.windows_until_polite();
        for _ in 0..200 {
            assert_eq!(workers.window(800, 9_000), None);
        }
        workers.go_badly();
        assert_eq!(workers.windows_until_polite(), 20);
    }

    #[test]
    fn those_that_have_been_idle_may_become_polite_again() {
        let mut workers = Watched::new();
        for _ in 0..10 {
            assert_eq!(workers.windows_until_polite(), 1);
            assert_eq!(workers.window(24, 24), Some(Class::Usual));
        }
    }

    #[test]
    fn threads_whose_class_cannot_be_changed_are_left_alone() {
        let mut workers = Watched::new();
        let mut tried = 0;
        for _ in 0..10 {
            workers.now = workers.now + WINDOW;
            workers.counts.wakes += 1500;
            workers.manners.look(workers.now, workers.counts, |_| {
                tried += 1;
                false
            });
        }
        assert_eq!(tried, 1);
    }

    #[cfg(target_os = "linux")]
    mod linux {
        use std::fs;

        use super::*;

        /// The class of this thread by the kernel's account: the 41st word, the third being the first behind
        /// the name in parentheses.
        fn class() -> i32 {
            let stat = fs::read_to_string("/proc/thread-self/stat").unwrap();
            let behind_name = stat.rsplit_once(") ").unwrap().1;
            behind_name.split(' ').nth(41 - 3).unwrap().parse().unwrap()
        }

        #[test]
        fn a_thread_becomes_polite_and_usual_again() {
            let thread = ThreadId::current();
            assert!(thread.set(Class::Polite));
            assert_eq!(class(), libc::SCHED_BATCH);
            assert!(thread.set(Class::Usual));
            assert_eq!(class(), libc::SCHED_OTHER);
        }

        #[test]
        fn a_thread_of_a_polite_one_can_undo_what_it_inherits() {
            assert!(ThreadId::current().set(Class::Polite));
            let thread = std::thread::spawn(|| {
                let inherited = class();
                undo_inherited();
                (inherited, class())
            });
            assert_eq!(thread.join().unwrap(), (libc::SCHED_BATCH, libc::SCHED_OTHER));
        }

        #[test]
        fn all_are_given_a_class_or_none() {
            let (send, receive) = std::sync::mpsc::channel();
            let (end, wait) = std::sync::mpsc::channel::<()>();
            let polite = std::thread::spawn(move || {
                send.send((ThreadId::current(), ThreadId::current().set(Class::Polite))).unwrap();
                let _ = wait.recv();
            });
            let (other, is_polite) = receive.recv().unwrap();
            assert!(is_polite);
            // The other one cannot become polite once more.
            assert!(!set_all([ThreadId::current(), other].iter(), Class::Polite));
            assert_eq!(class(), libc::SCHED_OTHER);
            assert!(other.set(Class::Usual), "the other one is as it was");
            assert!(set_all([ThreadId::current(), other].iter(), Class::Polite));
            assert_eq!(class(), libc::SCHED_BATCH);
            drop(end);
            polite.join().unwrap();
        }

        #[test]
        #[expect(unsafe_code, reason = "the system's own call")]
        fn a_class_that_somebody_else_has_chosen_stays() {
            let param = libc::sched_param { sched_priority: 0 };
            // SAFETY: `param` is read during the call only.
            let set = unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const param) };
            assert_eq!(set, 0);
            assert!(!ThreadId::current().set(Class::Polite));
            assert!(!ThreadId::current().set(Class::Usual));
            assert_eq!(class(), libc::SCHED_IDLE);
        }
    }
}
