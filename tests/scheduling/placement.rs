//! Where coroutines start: evenly spread, and partners together.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Coroutine};
use mco::runtime::Runtime;
use mco_tests::everywhere::alone;
use mco_tests::{HUNG, eventually, runtime, sockets, within};

/// Starts one coroutine that accepts connections and spawns an echo for each of them.
fn serve(runtime: &Runtime) -> net::SocketAddr {
    let (listener, addr) = sockets::listener();
    runtime.spawn(move || {
        while let Ok((stream, _)) = listener.accept() {
            coroutine::spawn(move || sockets::echo(stream));
        }
    });
    addr
}

fn ping(mut stream: &net::TcpStream) {
    stream.write_all(b"ping").unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"ping");
}

/// No worker hosts more than 1.3 times its share of `count` coroutines.
#[track_caller]
fn assert_spread(runtime: &Runtime, workers: usize, count: usize) {
    let metrics = runtime.metrics();
    let live: Vec<_> = metrics.workers().iter().map(|worker| worker.live()).collect();
    assert_eq!(live.len(), workers, "spare workers have started: {live:?}");
    assert_eq!(live.iter().sum::<usize>(), count, "{live:?}");
    let limit = 1.3 * count as f64 / workers as f64;
    assert!(live.iter().all(|n| *n as f64 <= limit), "more than {limit} on one worker: {live:?}");
}

#[test]
fn connections_that_come_one_by_one_spread() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let addr = serve(&runtime);
        let connect = |_| {
            let stream = net::TcpStream::connect(addr).unwrap();
            ping(&stream);
            stream
        };
        let streams: Vec<_> = (0..1000).map(connect).collect();
        assert_spread(&runtime, 4, 1001);
        streams.iter().for_each(ping);
    });
}

#[test]
fn connections_that_come_in_a_burst_spread() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let addr = serve(&runtime);
        let streams: Vec<_> = (0..1000).map(|_| net::TcpStream::connect(addr).unwrap()).collect();
        streams.iter().for_each(ping);
        assert_spread(&runtime, 4, 1001);
    });
}

#[test]
fn connections_spread_over_eight_workers_too() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(8);
        let addr = serve(&runtime);
        let streams: Vec<_> = (0..2000).map(|_| net::TcpStream::connect(addr).unwrap()).collect();
        streams.iter().for_each(ping);
        assert_spread(&runtime, 8, 2001);
    });
}

#[test]
fn connections_that_come_and_go_stay_spread() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let addr = serve(&runtime);
        let connect = || {
            let stream = net::TcpStream::connect(addr).unwrap();
            ping(&stream);
            stream
        };
        let mut streams: Vec<_> = (0..1000).map(|_| connect()).collect();
        for round in 0..1000 {
            // Another one each time, in no order.
            let index = round * 617 % streams.len();
            streams[index] = connect();
        }
        eventually("the closed ones have ended", || runtime.metrics().live() == 1001);
        assert_spread(&runtime, 4, 1001);
    });
}

#[test]
fn connections_served_while_some_are_busy_spread() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let addr = serve(&runtime);
        // They keep two of the four workers from ever being idle.
        let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
        for _ in 0..2 {
            let stop = stop.clone();
            runtime.spawn(move || {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    coroutine::yield_now();
                }
            });
        }
        let streams: Vec<_> = (0..1000).map(|_| net::TcpStream::connect(addr).unwrap()).collect();
        streams.iter().for_each(ping);
        assert_spread(&runtime, 4, 1003);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

/// Two coroutines that wake each other in turn, `rounds` times. Returns whether they are on one
/// thread.
fn ping_pong(rounds: u32) -> bool {
    let parent = coroutine::current();
    let child = coroutine::spawn(move || {
        for _ in 0..rounds {
            parent.unpark();
            coroutine::park();
        }
        thread::current().id()
    });
    for _ in 0..rounds {
        coroutine::park();
        child.coroutine().unpark();
    }
    child.join().unwrap() == thread::current().id()
}

#[test]
fn a_parent_and_its_child_stay_together_on_an_idle_runtime() {
    const PAIRS: usize = 200;
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let together = (0..PAIRS).filter(|_| runtime.run(|| ping_pong(50))).count();
        // The child is offered to others if its parent holds the thread for 20 ms, which happens
        // when the kernel gives the processor to somebody else in between.
        assert!(together >= PAIRS * 9 / 10, "only {together} of {PAIRS} pairs are together");
    });
}

#[test]
fn a_parent_and_its_child_stay_together_when_they_talk_through_a_socket() {
    const PAIRS: usize = 100;
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let pair = || {
            let (mut near, far) = sockets::pair();
            let child = coroutine::spawn(move || {
                sockets::echo(far);
                thread::current().id()
            });
            for _ in 0..20 {
                near.write_all(b"x").unwrap();
                near.read_exact(&mut [0]).unwrap();
            }
            drop(near);
            child.join().unwrap() == thread::current().id()
        };
        let together = (0..PAIRS).filter(|_| runtime.run(pair)).count();
        assert!(together >= PAIRS * 9 / 10, "only {together} of {PAIRS} pairs are together");
    });
}

#[test]
fn many_children_of_one_parent_spread() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let children = runtime.run(|| {
            let children: Vec<_> = (0..1000).map(|_| coroutine::spawn(coroutine::park)).collect();
            coroutine::sleep(Duration::from_millis(1));
            children
        });
        eventually("all have started", || runtime.metrics().live() == 1000);
        assert_spread(&runtime, 4, 1000);
        children.iter().map(|child| child.coroutine()).for_each(Coroutine::unpark);
        children.into_iter().for_each(|child| child.join().unwrap());
    });
}

#[test]
fn children_that_compute_use_all_workers() {
    let _alone = alone();
    within(HUNG, || {
        let runtime = runtime(4);
        let threads = runtime.run(|| {
            let compute = || {
                // Long enough that a worker which looks for work finds it.
                let start = std::time::Instant::now();
                while start.elapsed() < Duration::from_millis(5) {
                    std::hint::spin_loop();
                }
                thread::current().id()
            };
            let children: Vec<_> = (0..200).map(|_| coroutine::spawn(compute)).collect();
            let threads = children.into_iter().map(|child| child.join().unwrap());
            threads.collect::<HashSet<_>>().len()
        });
        assert_eq!(threads, 4, "1 s of computing was not shared among the workers");
    });
}
