//! The load generator: one thread in a process of its own that sends requests when they are due.
//!
//! A light connection's requests are due at times that know nothing of answers. If one is due while the one before is
//! under way, it waits for that answer, and its latency counts from when it was due all the same: a server that stops
//! for a while makes late all that it should have answered in that while (no coordinated omission). A heavy
//! connection sends its next request when it has the answer.
//!
//! The process connects, warms the server up, says `measuring on`, counts what is due from then on until its time is
//! up, waits for what is unanswered then, and says `taken REQUESTS MEDIAN P99 LATE HEAVY`: how many light requests
//! there were, two latencies, the 99th percentile of how late the generator itself sent, all in microseconds, and how
//! many heavy answers came a second.

#![allow(unsafe_code)]

mod connection;
mod schedule;

use crate::epoll::{Epoll, NO_EVENT};
use crate::exchange::heavy_request;
use crate::row::{Begins, Load};
use connection::Connection;
use hdrhistogram::Histogram;
use rustls::ClientConfig;
use schedule::{Chance, Schedule};
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So long the load is on before anything counts.
const WARM_UP: Duration = Duration::from_millis(500);
/// So long heavy connections that come first are alone.
const HEAD_START: Duration = Duration::from_millis(200);
/// So long the last answers may take.
const PATIENCE: Duration = Duration::from_secs(5);
const HEAVY: usize = 2;

/// What one measurement is of a load.
#[derive(Clone, Copy)]
pub(crate) struct Measurement {
    pub(crate) lasts: Duration,
    /// How long a connection is light that turns heavy.
    pub(crate) light_for: Duration,
    /// Light requests are due at multiples of it only, as those of clients with coarse timers; zero for any time.
    pub(crate) tick: Duration,
    /// All that chance decides follows from it.
    pub(crate) seed: u64,
}

/// The process's part: drives the server and says what has come of it.
pub(crate) fn be_one(
    server: SocketAddr,
    load: &Load,
    measurement: Measurement,
) -> Result<(), String> {
    let taken =
        drive(server, load, measurement).map_err(|fault| format!("the load failed: {fault}"))?;
    println!("taken {taken}");
    Ok(())
}

fn drive(server: SocketAddr, load: &Load, measurement: Measurement) -> io::Result<Taken> {
    sleep_precisely();
    let mut chance = Chance::of(measurement.seed);
    let count = load.light + load.heavy.map_or(0, |_| HEAVY);
    // Of all connections in the order in which they are made.
    let heavy = match load.heavy {
        None => Vec::new(),
        Some(heavy) => match heavy.begins {
            Begins::First => (0..HEAVY).collect(),
            Begins::AmongOthers | Begins::OneLater => {
                let first = chance.below(count);
                let second = (first + 1 + chance.below(count - 1)) % count;
                vec![first, second]
            }
        },
    };
    let mean_gap = Duration::from_secs_f64(load.light as f64 / f64::from(load.rate));
    let mut generator = Generator {
        server,
        tls: load.tls.then(connection::trusting),
        queue: Epoll::new()?,
        connections: Vec::with_capacity(count),
        schedule: Schedule::new(mean_gap, measurement.tick, chance),
        taken: None,
    };
    let request = load.heavy.map(|heavy| Arc::from(heavy_request(heavy.request)));
    let request = || Arc::clone(request.as_ref().expect("this load has heavy requests"));
    match load.heavy.map(|heavy| heavy.begins) {
        None | Some(Begins::AmongOthers) => {
            generator.connect(count)?;
            for n in 0..count {
                if heavy.contains(&n) {
                    generator.begin_heavy(n, request())?;
                } else {
                    generator.begin_light(n);
                }
            }
            generator.run_for(WARM_UP)?;
        }
        Some(Begins::First) => {
            generator.connect(HEAVY)?;
            for n in 0..HEAVY {
                generator.begin_heavy(n, request())?;
            }
            generator.run_for(HEAD_START)?;
            generator.connect(load.light)?;
            (HEAVY..count).for_each(|n| generator.begin_light(n));
            generator.run_for(WARM_UP)?;
        }
        Some(Begins::OneLater) => {
            generator.connect(count)?;
            generator.begin_heavy(heavy[0], request())?;
            (0..count).filter(|n| *n != heavy[0]).for_each(|n| generator.begin_light(n));
            generator.run_for(measurement.light_for)?;
            generator.turn_heavy(heavy[1], request())?;
        }
    }
    println!("measuring on");
    let start = Instant::now();
    generator.taken = Some(Taken::new(start, start + measurement.lasts));
    generator.run_for(measurement.lasts)?;
    generator.finish()?;
    Ok(generator.taken.expect("it has been set"))
}

struct Generator {
    server: SocketAddr,
    tls: Option<Arc<ClientConfig>>,
    queue: Epoll,
    connections: Vec<Connection>,
    schedule: Schedule,
    /// What counts, once it does.
    taken: Option<Taken>,
}

impl Generator {
    /// Makes so many more connections.
    fn connect(&mut self, count: usize) -> io::Result<()> {
        for _ in 0..count {
            let connection = Connection::new(self.server, self.tls.as_ref())?;
            self.queue.add(connection.descriptor(), self.connections.len() as u64)?;
            self.connections.push(connection);
        }
        Ok(())
    }

    fn begin_light(&mut self, n: usize) {
        self.schedule.add(n, Instant::now());
    }

    fn begin_heavy(&mut self, n: usize, request: Arc<[u8]>) -> io::Result<()> {
        self.connections[n].heavy = Some(request);
        self.connections[n].send(Instant::now())
    }

    /// Makes a light connection a heavy one: from the request after the one that is under way.
    fn turn_heavy(&mut self, n: usize, request: Arc<[u8]>) -> io::Result<()> {
        self.schedule.remove(n);
        self.connections[n].waiting.clear();
        if self.connections[n].under_way.is_none() {
            return self.begin_heavy(n, request);
        }
        self.connections[n].heavy = Some(request);
        Ok(())
    }

    /// Sends what is due, and receives, for so long.
    fn run_for(&mut self, span: Duration) -> io::Result<()> {
        let end = Instant::now() + span;
        while Instant::now() < end {
            self.send_due()?;
            let next = self.schedule.next().map_or(end, |next| next.min(end));
            self.receive_until(next)?;
        }
        Ok(())
    }

    /// Waits for the light requests that are not answered yet. What stays so has at least the latency that it has now.
    fn finish(&mut self) -> io::Result<()> {
        self.schedule.clear();
        let taken = self.taken.as_mut().expect("something is measured");
        let end = taken.end + PATIENCE;
        let unanswered = |connections: &[Connection]| {
            connections.iter().any(|one| one.heavy.is_none() && one.under_way.is_some())
        };
        while unanswered(&self.connections) && Instant::now() < end {
            self.receive_until(end)?;
        }
        let taken = self.taken.as_mut().expect("something is measured");
        let now = Instant::now();
        for connection in self.connections.iter().filter(|one| one.heavy.is_none()) {
            for due in connection.under_way.iter().chain(&connection.waiting) {
                taken.answered(*due, now);
            }
        }
        Ok(())
    }

    fn send_due(&mut self) -> io::Result<()> {
        let mut now = Instant::now();
        while let Some((due, n)) = self.schedule.take_due(now) {
            let connection = &mut self.connections[n];
            if connection.under_way.is_some() {
                connection.waiting.push_back(due);
                continue;
            }
            if let Some(taken) = &mut self.taken {
                taken.sent(due, now);
            }
            connection.send(due)?;
            now = Instant::now();
        }
        Ok(())
    }

    fn receive_until(&mut self, limit: Instant) -> io::Result<()> {
        let mut events = [NO_EVENT; 64];
        let wait = limit.saturating_duration_since(Instant::now());
        for event in self.queue.wait_for(&mut events, wait)? {
            let connection = &mut self.connections[event.u64 as usize];
            if !connection.receive()? {
                continue;
            }
            let now = Instant::now();
            let due = connection.under_way.take().expect("an answer has a request");
            if connection.heavy.is_some() {
                if let Some(taken) = &mut self.taken {
                    taken.answered_heavy(now);
                }
                // Whether the end has come or not: a server whose heavy connections rest would have it easier.
                connection.send(now)?;
                continue;
            }
            if let Some(taken) = &mut self.taken {
                taken.answered(due, now);
            }
            if let Some(next) = connection.waiting.pop_front() {
                connection.send(next)?;
            }
        }
        Ok(())
    }
}

/// What is taken of the requests that were due from `start` to `end`.
struct Taken {
    start: Instant,
    end: Instant,
    /// From when a request was due to when its answer was complete, in nanoseconds.
    latencies: Histogram<u64>,
    /// From when it was due to when the generator came to send it, if the connection had no other under way.
    lateness: Histogram<u64>,
    heavy: u64,
}

impl Taken {
    fn new(start: Instant, end: Instant) -> Self {
        let histogram = || {
            // A thousandth is exact enough. It grows to what comes.
            Histogram::new(3).expect("three digits can be had")
        };
        Self { start, end, latencies: histogram(), lateness: histogram(), heavy: 0 }
    }

    fn sent(&mut self, due: Instant, now: Instant) {
        if self.start <= due && due < self.end {
            record(&mut self.lateness, now - due);
        }
    }

    fn answered(&mut self, due: Instant, now: Instant) {
        if self.start <= due && due < self.end {
            record(&mut self.latencies, now - due);
        }
    }

    fn answered_heavy(&mut self, now: Instant) {
        if self.start <= now && now < self.end {
            self.heavy += 1;
        }
    }
}

fn record(histogram: &mut Histogram<u64>, span: Duration) {
    histogram.record(span.as_nanos() as u64).expect("this histogram grows");
}

impl fmt::Display for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let microseconds =
            |of: &Histogram<u64>, quantile| of.value_at_quantile(quantile) as f64 / 1e3;
        write!(
            f,
            "{} {} {} {} {}",
            self.latencies.len(),
            microseconds(&self.latencies, 0.5),
            microseconds(&self.latencies, 0.99),
            microseconds(&self.lateness, 0.99),
            self.heavy as f64 / (self.end - self.start).as_secs_f64(),
        )
    }
}

/// Has the kernel end this thread's waits when they are due, and not up to 50 µs later.
fn sleep_precisely() {
    // SAFETY: takes no pointer.
    let done = unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1_u64, 0_u64, 0_u64, 0_u64) };
    assert_eq!(done, 0, "`prctl` failed");
}
