//! The part of mco's public surface that deals with time. Nothing here is run.
#![allow(missing_docs, unreachable_pub)]
#![allow(dead_code, unused_variables, clippy::all)]

use std::time::Duration;

use mco::std::sync::Receiver;
use mco::std::time::{
    Elapsed, Instant, RFC3339, RFC3339_NANO, Ticker, Time, Timer, after, timeout,
};

fn clocks() -> Result<(), mco::std::errors::Error> {
    let r: Receiver<Time> = after(Duration::from_millis(1));
    let mut t = Ticker::new(Duration::from_millis(1));
    let _: Option<Time> = t.next();
    let _ = t.recv().is_ok();
    let _ = t.reset(Duration::from_millis(2));
    let _ = t.stop();
    let tm = Timer::after_func(Duration::from_millis(1), || ());
    let _: bool = tm.stop();
    let _: Result<u32, Elapsed> = timeout(Duration::from_millis(1), || 5);
    let i = Instant::now();
    let _: Duration = i.elapsed();
    let n = Time::now();
    let _: &time::OffsetDateTime = &n.inner;
    let _: String = n.format(RFC3339);
    let p: Time = Time::parse(RFC3339_NANO, "2026-01-02T03:04:05.000000006Z")?;
    let _: time::Duration = p.since(&n);
    let _: (Time, Time) = (p.add(Duration::from_secs(1)), p.sub(Duration::from_secs(1)));
    let _: (bool, bool) = (p.after(&n), p.before(&n));
    println!("{p}");
    Ok(())
}

fn older_paths(time: mco::std::time::time::Time, ticker: mco::std::time::tick::Ticker) {}

fn debugging() {
    let d: mco::debug::Dump = mco::debug::dump();
    println!("{d}");
    for c in mco::debug::coroutines() {
        println!("{} {:?} {:?} {:?}", c.id, c.name, c.state, c.spawned_at);
    }
}
