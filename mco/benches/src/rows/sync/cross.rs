//! Ping-pong between workers: one pair, one beside a coroutine that computes, 64 pairs.
//!
//! Each gives three figures: nanoseconds per round trip on average, their median and their 99th percentile.

use crate::meter::{Meter, Trips, Window};
use crate::runtimes::Setup;
use std::hint::spin_loop;
use std::time::{Duration, Instant};

const PAIRS: usize = 64;
/// How long the one that keeps a worker busy computes until it lets others go first.
const SLICE: Duration = Duration::from_micros(10);

fn spin_for(span: Duration) {
    let start = Instant::now();
    while start.elapsed() < span {
        spin_loop();
    }
}

/// Of one pair: the average without a look at the clock for each trip, and then each timed.
fn figures(meter: &Meter, trips: &Trips) -> [f64; 3] {
    let [p50, p99] = trips.percentiles();
    [meter.nanoseconds(), p50, p99]
}

/// Of many pairs.
fn figures_of_all(window: &Window, pairs: impl IntoIterator<Item = Trips>) -> [f64; 3] {
    let mut all = Trips::begin(*window);
    pairs.into_iter().for_each(|trips| all.add(&trips));
    let [p50, p99] = all.percentiles();
    [window.nanoseconds_for_each(all.count()), p50, p99]
}

/// A coroutine stays on the worker where it starts, so each takes a part there that is meant for that worker.
pub(super) mod mco {
    use super::*;
    use crate::runtimes::on_mco;
    use ::mco::coroutine::{JoinHandle, spawn, yield_now};
    use ::mco::std::sync::channel::{Receiver, Sender, unbounded};
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex, OnceLock};
    use std::thread::{self, ThreadId};

    /// What is sent at a gate: nothing. It opens when its sender is dropped. Those who wait there do so asleep, since
    /// a worker that has something to run starts no coroutine of another.
    enum Never {}

    /// What a coroutine is to do.
    enum Part {
        Ping(Sender<u64>, Receiver<u64>),
        Pong(Receiver<u64>, Sender<u64>),
        Compute,
    }

    /// How long a worker is held at most that has all its parts already.
    const HOLD: Duration = Duration::from_millis(5);

    /// The two parts of a pair.
    fn pair_of_parts() -> (Part, Part) {
        let (ping, pings) = unbounded();
        let (pong, pongs) = unbounded();
        (Part::Ping(ping, pongs), Part::Pong(pings, pong))
    }

    /// The parts that are not taken yet.
    struct Parts {
        /// Of each worker.
        open: Vec<VecDeque<Part>>,
        /// The workers' threads, in the order in which coroutines have started on them.
        workers: Vec<ThreadId>,
    }

    impl Parts {
        /// The next one for the worker that asks.
        fn take(&mut self) -> Option<Part> {
            let thread = thread::current().id();
            let known = self.workers.iter().position(|worker| *worker == thread);
            let worker = known.unwrap_or_else(|| {
                self.workers.push(thread);
                self.workers.len() - 1
            });
            self.open.get_mut(worker)?.pop_front()
        }
    }

    /// Has each part done by a coroutine on the worker that it is meant for.
    fn cast<T: Send + 'static>(
        open: Vec<VecDeque<Part>>,
        act: impl Fn(Part) -> T + Send + Sync + 'static,
    ) -> Vec<JoinHandle<Option<T>>> {
        let act = Arc::new(act);
        let workers = open.len();
        let missing = Arc::new(AtomicUsize::new(open.iter().map(VecDeque::len).sum()));
        let parts = Arc::new(Mutex::new(Parts { open, workers: Vec::new() }));
        let mut actors = Vec::new();
        loop {
            let at_once = match missing.load(Ordering::Acquire) {
                0 => return actors,
                missing => missing + workers,
            };
            let asked = Arc::new(AtomicUsize::new(0));
            actors.extend((0..at_once).map(|_| {
                let (act, parts) = (Arc::clone(&act), Arc::clone(&parts));
                let (missing, asked) = (Arc::clone(&missing), Arc::clone(&asked));
                spawn(move || {
                    let part = parts.lock().expect("nothing panics with this lock").take();
                    asked.fetch_add(1, Ordering::Release);
                    if part.is_some() {
                        missing.fetch_sub(1, Ordering::Release);
                    } else {
                        // This worker has all its parts, so it is held: the others are to start what is left.
                        let start = Instant::now();
                        while missing.load(Ordering::Acquire) > 0 && start.elapsed() < HOLD {
                            spin_loop();
                        }
                    }
                    part.map(|part| act(part))
                })
            }));
            while asked.load(Ordering::Acquire) < at_once {
                yield_now();
            }
        }
    }

    fn pong(pings: &Receiver<u64>, pong: &Sender<u64>) {
        while let Ok(n) = pings.recv() {
            pong.send(n).unwrap();
        }
    }

    /// One pair; where it is `beside_work`, the worker of the first has a coroutine that computes.
    pub(crate) fn pair(setup: &Setup, beside_work: bool) -> [f64; 3] {
        assert!(setup.workers > 1, "two workers are needed");
        let setup = *setup;
        on_mco(&setup, move || {
            let mut open: Vec<_> = (0..setup.workers).map(|_| VecDeque::new()).collect();
            let (ping, pong_part) = pair_of_parts();
            if beside_work {
                open[0].push_back(Part::Compute);
            }
            open[0].push_back(ping);
            open[1].push_back(pong_part);
            let (gate, at_gate) = unbounded::<Never>();
            let done = AtomicBool::new(false);
            let actors = cast(open, move |part| match part {
                Part::Ping(ping, pongs) => {
                    let _ = at_gate.recv();
                    let trip = |n| {
                        ping.send(n).unwrap();
                        assert_eq!(pongs.recv().unwrap(), n);
                    };
                    let mut meter = Meter::growing(&setup, 1);
                    while let Some(trips) = meter.next_batch() {
                        (0..trips).for_each(trip);
                    }
                    let mut trips = Trips::begin(Window::now(&setup));
                    loop {
                        trip(0);
                        if !trips.next() {
                            break;
                        }
                    }
                    done.store(true, Ordering::Release);
                    Some(figures(&meter, &trips))
                }
                Part::Pong(pings, answers) => {
                    pong(&pings, &answers);
                    None
                }
                Part::Compute => {
                    let _ = at_gate.recv();
                    while !done.load(Ordering::Acquire) {
                        spin_for(SLICE);
                        yield_now();
                    }
                    None
                }
            });
            drop(gate);
            let figures = actors.into_iter().filter_map(|actor| actor.join().unwrap().flatten());
            // All, so that one that has panicked is noticed.
            figures.last().expect("the first of the pair has been cast")
        })
    }

    /// 64 pairs. The two of each are on different workers.
    pub(crate) fn pairs(setup: &Setup) -> [f64; 3] {
        let setup = *setup;
        on_mco(&setup, move || {
            let mut open: Vec<_> = (0..setup.workers).map(|_| VecDeque::new()).collect();
            for n in 0..PAIRS {
                let (ping, pong_part) = pair_of_parts();
                open[n % setup.workers].push_back(ping);
                open[(n + 1) % setup.workers].push_back(pong_part);
            }
            let window = Arc::new(OnceLock::new());
            let opened = Arc::clone(&window);
            let (gate, at_gate) = unbounded::<Never>();
            let actors = cast(open, move |part| match part {
                Part::Ping(ping, pongs) => {
                    let _ = at_gate.recv();
                    let window = opened.get().expect("the gate opens with the window");
                    let mut trips = Trips::begin(*window);
                    loop {
                        ping.send(0).unwrap();
                        assert_eq!(pongs.recv().unwrap(), 0);
                        if !trips.next() {
                            return Some(trips);
                        }
                    }
                }
                Part::Pong(pings, answers) => {
                    pong(&pings, &answers);
                    None
                }
                Part::Compute => unreachable!("no such part was given"),
            });
            let window = *window.get_or_init(|| Window::after_warm_up(&setup));
            drop(gate);
            figures_of_all(
                &window,
                actors.into_iter().filter_map(|actor| actor.join().unwrap().flatten()),
            )
        })
    }
}

/// A task may be moved to another worker at any time. Those of a pair begin on different ones.
pub(super) mod tokio {
    use super::*;
    use crate::runtimes::on_tokio;
    use ::tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
    use ::tokio::task::yield_now;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    async fn pong(mut pings: UnboundedReceiver<u64>, pong: UnboundedSender<u64>) {
        while let Some(n) = pings.recv().await {
            pong.send(n).unwrap();
        }
    }

    /// Holds the worker until both of a pair run.
    fn meet(running: &AtomicUsize) {
        running.fetch_add(1, Ordering::Release);
        while running.load(Ordering::Acquire) < 2 {
            spin_loop();
        }
    }

    pub(crate) fn pair(setup: &Setup, beside_work: bool) -> [f64; 3] {
        assert!(setup.workers > 1, "two workers are needed");
        let setup = *setup;
        on_tokio(&setup, async move {
            let (ping, pings) = unbounded_channel();
            let (answers, mut pongs) = unbounded_channel();
            let running = Arc::new(AtomicUsize::new(0));
            let met = Arc::clone(&running);
            ::tokio::spawn(async move {
                meet(&met);
                pong(pings, answers).await;
            });
            let player = ::tokio::spawn(async move {
                meet(&running);
                let done = Arc::new(AtomicBool::new(false));
                if beside_work {
                    let done = Arc::clone(&done);
                    ::tokio::spawn(async move {
                        while !done.load(Ordering::Acquire) {
                            spin_for(SLICE);
                            yield_now().await;
                        }
                    });
                }
                let mut trip = async |n| {
                    ping.send(n).unwrap();
                    assert_eq!(pongs.recv().await.unwrap(), n);
                };
                let mut meter = Meter::growing(&setup, 1);
                while let Some(trips) = meter.next_batch() {
                    for n in 0..trips {
                        trip(n).await;
                    }
                }
                let mut trips = Trips::begin(Window::now(&setup));
                loop {
                    trip(0).await;
                    if !trips.next() {
                        break;
                    }
                }
                done.store(true, Ordering::Release);
                figures(&meter, &trips)
            });
            player.await.unwrap()
        })
    }

    pub(crate) fn pairs(setup: &Setup) -> [f64; 3] {
        let setup = *setup;
        on_tokio(&setup, async move {
            let window = Window::after_warm_up(&setup);
            let players: Vec<_> = (0..PAIRS)
                .map(|_| {
                    let (ping, pings) = unbounded_channel();
                    let (answers, mut pongs) = unbounded_channel();
                    ::tokio::spawn(pong(pings, answers));
                    ::tokio::spawn(async move {
                        let mut trips = Trips::begin(window);
                        loop {
                            ping.send(0).unwrap();
                            assert_eq!(pongs.recv().await.unwrap(), 0);
                            if !trips.next() {
                                return trips;
                            }
                        }
                    })
                })
                .collect();
            let mut all = Vec::new();
            for player in players {
                all.push(player.await.unwrap());
            }
            figures_of_all(&window, all)
        })
    }
}
