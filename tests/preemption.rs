//! How a worker's thread wakes up: one that is woken very often lets whoever has the processor go on.
//!
//! Linux only: elsewhere nothing is done. One test, since the other threads of a second one would keep
//! the worker from being woken as often.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use mco::runtime::Runtime;
use mco_tests::{child, eventually, sockets};

/// The threads of this process, by name, each with its scheduling class: the 41st word of the kernel's
/// account, the third being the first behind the name.
fn threads() -> Vec<(String, i32)> {
    let threads = fs::read_dir("/proc/self/task").unwrap().flatten();
    threads
        .filter_map(|thread| {
            let stat = fs::read_to_string(thread.path().join("stat")).ok()?;
            let (_, named) = stat.split_once('(')?;
            let (name, words) = named.rsplit_once(") ")?;
            Some((name.to_owned(), words.split(' ').nth(41 - 3)?.parse().ok()?))
        })
        .collect()
}

fn class_of(thread: &str) -> i32 {
    let class = threads().into_iter().find(|(name, _)| name == thread);
    class.unwrap_or_else(|| panic!("there is no thread `{thread}`: {:?}", threads())).1
}

/// Exchanges a byte with the server so often, one after the other: each time it has to wake up.
fn exchange(stream: &mut TcpStream, times: u32) {
    for _ in 0..times {
        stream.write_all(&[7]).unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
}

#[test]
fn a_worker_is_polite_while_it_is_woken_very_often() {
    child::pass(|| {
        let runtime = Runtime::builder().workers(1).name("rt").build().unwrap();
        let (listener, addr) = sockets::listener();
        runtime.spawn(move || sockets::echo(listener.accept().unwrap().0));
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_nodelay(true).unwrap();
        exchange(&mut stream, 1);
        assert_eq!(class_of("rt-worker-0"), libc::SCHED_OTHER, "at first");

        let mut busy = || {
            exchange(&mut stream, 200);
            class_of("rt-worker-0") == libc::SCHED_BATCH
        };
        eventually("the worker, woken often, is polite", &mut busy);
        // What is asked of the pool there starts a thread, which is as the process is.
        runtime.run(|| mco::blocking(|| ()));
        let pool: Vec<_> =
            threads().into_iter().filter(|t| t.0.starts_with("mco-blocking")).collect();
        assert!(!pool.is_empty(), "there is no thread of the pool: {:?}", threads());
        assert!(pool.iter().all(|thread| thread.1 == libc::SCHED_OTHER), "{pool:?}");

        eventually("the worker, at rest, goes first again", || {
            class_of("rt-worker-0") == libc::SCHED_OTHER
        });
        eventually("the worker, woken often again, is polite", &mut busy);
    });
}
