//! A coroutine that does nothing but operations that are ready does not starve its neighbours.
//!
//! All of it on one worker, where a neighbour runs only if the busy one lets it.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mco::coroutine;
use mco::net::TcpStream;
use mco_tests::{HUNG, runtime, sockets, within};

/// How many ready operations a coroutine may do before a neighbour has had its turn. The design
/// says about 128; a neighbour may need more than one turn, and others may be before it.
const TURN: u64 = 1_000;

/// After how many the busy one ends by itself.
const MANY: u64 = 100_000;

/// Runs `operation` again and again beside a neighbour, and checks that the neighbour has its turns.
#[track_caller]
fn assert_shares<S: Send + 'static>(
    prepare: impl FnOnce() -> S + Send + 'static,
    operation: impl Fn(&mut S) + Send + 'static,
) {
    within(HUNG, || {
        let runtime = runtime(1);
        let (done, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        // It starts first, so that it belongs to this worker and no spare one helps it.
        let (started, starts) = mpsc::channel();
        let (counts, stops) = (done.clone(), stop.clone());
        let turns = runtime.spawn(move || {
            started.send(()).unwrap();
            while counts.load(Ordering::Relaxed) == 0 {
                coroutine::yield_now();
            }
            let turns = (0..20).map(|_| {
                let before = counts.load(Ordering::Relaxed);
                coroutine::yield_now();
                counts.load(Ordering::Relaxed) - before
            });
            let turns = turns.collect::<Vec<_>>();
            stops.store(true, Ordering::Relaxed);
            (turns, counts.load(Ordering::Relaxed))
        });
        starts.recv().unwrap();
        let (does, stops) = (done, stop);
        let busy = runtime.spawn(move || {
            let mut state = prepare();
            // An end of its own, so that a failure is told and does not hang.
            while !stops.load(Ordering::Relaxed) && does.load(Ordering::Relaxed) < MANY {
                operation(&mut state);
                does.fetch_add(1, Ordering::Relaxed);
            }
        });
        let (turns, count) = turns.join().unwrap();
        busy.join().unwrap();
        assert!(count < MANY, "it had the worker to itself for {MANY} operations");
        assert!(
            turns.iter().all(|n| *n <= TURN),
            "operations between turns of its neighbour: {turns:?}"
        );
    });
}

#[test]
fn writes_and_reads_that_never_block() {
    assert_shares(sockets::pair, |(near, far)| {
        near.write_all(b"x").unwrap();
        far.read_exact(&mut [0]).unwrap();
    });
}

#[test]
fn reads_of_what_is_there() {
    fn fed() -> (TcpStream, TcpStream) {
        let (near, far) = sockets::pair();
        sockets::fill(&far);
        (near, far)
    }
    assert_shares(fed, |(near, _far)| {
        near.peek(&mut [0; 8]).unwrap();
    });
}

#[test]
fn reads_at_the_end_of_a_stream() {
    assert_shares(
        || {
            let (near, far) = sockets::pair();
            drop(far);
            near
        },
        |near| assert_eq!(near.read(&mut [0; 8]).unwrap(), 0),
    );
}

#[test]
fn connections_that_are_there_at_once() {
    assert_shares(sockets::listener, |(listener, addr)| {
        let near = TcpStream::connect(*addr).unwrap();
        drop((near, listener.accept().unwrap()));
    });
}

#[test]
fn waits_for_one_that_has_ended() {
    assert_shares(
        || {
            let handle = coroutine::spawn(|| ());
            handle.wait();
            handle
        },
        |handle| handle.wait(),
    );
}

#[test]
fn parks_with_a_permit() {
    assert_shares(coroutine::current, |me| {
        me.unpark();
        coroutine::park();
    });
}

#[test]
fn timed_parks_with_a_permit() {
    assert_shares(coroutine::current, |me| {
        me.unpark();
        coroutine::park_timeout(Duration::from_secs(3600)).unwrap();
    });
}

#[test]
fn timed_parks_of_no_time() {
    assert_shares(
        || (),
        |()| coroutine::park_timeout(Duration::ZERO).unwrap_err().to_string().clear(),
    );
}

#[test]
fn sleeps_of_no_time() {
    assert_shares(|| (), |()| coroutine::sleep(Duration::ZERO));
}

#[test]
fn yields() {
    assert_shares(|| (), |()| coroutine::yield_now());
}

#[test]
fn scopes_without_children() {
    assert_shares(|| (), |()| coroutine::scope(|_| ()));
}

#[test]
fn spawns_and_joins() {
    assert_shares(|| (), |()| coroutine::spawn(|| ()).join().unwrap());
}

#[test]
fn spawns_that_nobody_joins() {
    // Each spawn leaves a coroutine behind that must run too, or memory grows without bound.
    assert_shares(
        || (),
        |()| {
            drop(coroutine::spawn(|| ()));
            coroutine::yield_now();
        },
    );
}

/// Whether sleepers of the same worker are woken while one is busy with ready operations.
#[test]
fn timers_go_off_while_one_is_busy() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let (mut near, mut far) = sockets::pair();
        let busy = runtime.spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                near.write_all(b"x").unwrap();
                far.read_exact(&mut [0]).unwrap();
            }
        });
        runtime.run(|| (0..10).for_each(|_| coroutine::sleep(Duration::from_millis(2))));
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
}

#[test]
fn sockets_are_served_while_one_is_busy() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let (mut near, mut far) = sockets::pair();
        let busy = runtime.spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                near.write_all(b"x").unwrap();
                far.read_exact(&mut [0]).unwrap();
            }
        });
        let (served, mut outside) = sockets::mixed_pair();
        let echo = runtime.spawn(move || sockets::echo(served));
        for n in 0..100 {
            outside.write_all(&[n]).unwrap();
            let mut answer = [0];
            outside.read_exact(&mut answer).unwrap();
            assert_eq!(answer, [n]);
        }
        drop(outside);
        echo.join().unwrap();
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
}

#[test]
fn unstarted_coroutines_run_while_another_yields() {
    within(HUNG, || {
        let runtime = runtime(1);
        let stop = Arc::new(AtomicBool::new(false));
        let stops = stop.clone();
        let (mut near, mut far) = sockets::pair();
        let busy = runtime.spawn(move || {
            while !stops.load(Ordering::Relaxed) {
                near.write_all(b"x").unwrap();
                far.read_exact(&mut [0]).unwrap();
            }
        });
        for n in 0..100 {
            assert_eq!(runtime.spawn(move || n).join().unwrap(), n);
        }
        stop.store(true, Ordering::Relaxed);
        busy.join().unwrap();
    });
}
