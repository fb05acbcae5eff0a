//! Ten thousand connections at once.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine::{self, JoinHandle};
use mco::net::TcpStream;
use mco::runtime::Runtime;
use mco::std::sync::{Barrier, Semaphore};
use mco_tests::child::Child;
use mco_tests::everywhere::alone;
use mco_tests::{eventually, process, runtime, sockets};

/// Connections, if the limit of descriptors allows.
const CONNECTIONS: usize = 10_000;

/// Of each connection.
const REQUESTS: usize = 10;

/// How many connect at the same time: fewer than the system's queue of a listener holds.
const CONNECTING: usize = 100;

/// Descriptors that are needed for other things.
const SPARE: u64 = 200;

/// As many connections as the limit of descriptors allows, with both ends in this process.
fn connections() -> usize {
    let limit = rlimit::increase_nofile_limit(u64::MAX).expect("the limit can be raised");
    let allowed = usize::try_from(limit.saturating_sub(SPARE) / 2).expect("a number");
    if allowed < CONNECTIONS {
        eprintln!("the limit of {limit} descriptors allows {allowed} connections at once only");
    }
    allowed.min(CONNECTIONS)
}

/// Serves each connection in a coroutine: a request is a length and so many bytes, and the answer is
/// those bytes, each with one added. Returns where it listens, and how many are connected.
fn server(runtime: &Runtime) -> (SocketAddr, Arc<AtomicUsize>) {
    let (listener, addr) = sockets::listener();
    let connected = Arc::new(AtomicUsize::new(0));
    let counts = connected.clone();
    runtime.spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.expect("accept");
            let counts = counts.clone();
            coroutine::spawn(move || {
                counts.fetch_add(1, Ordering::SeqCst);
                serve(&stream);
                counts.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (addr, connected)
}

fn serve(mut stream: &TcpStream) {
    stream.set_nodelay(true).unwrap();
    let mut length = [0; 2];
    while stream.read_exact(&mut length).is_ok() {
        let mut bytes = vec![0; usize::from(u16::from_le_bytes(length))];
        stream.read_exact(&mut bytes).expect("a whole request");
        bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_add(1));
        stream.write_all(&bytes).expect("the client reads");
    }
}

/// Asks once; what is asked differs in length and content from what others ask.
fn ask(mut stream: &TcpStream, number: usize, round: usize) {
    let length = 1 + (number * 7 + round * 131) % 700;
    let seed = number * 31 + round * 17;
    let bytes: Vec<u8> = (0..length).map(|at| ((at + seed) % 251) as u8).collect();
    let mut request = u16::try_from(length).expect("it is short").to_le_bytes().to_vec();
    request.extend_from_slice(&bytes);
    stream.write_all(&request).unwrap();
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).unwrap();
    let is_right = bytes.iter().zip(&answer).all(|(sent, back)| sent.wrapping_add(1) == *back);
    assert!(is_right, "connection {number}, request {round}: another answer than asked for");
}

fn all_at_once(workers: usize) {
    let connections = connections();
    let runtime = runtime(workers);
    let (addr, connected) = server(&runtime);
    runtime.run(|| ask(&TcpStream::connect(addr).unwrap(), 0, 0));
    eventually("the first has ended", || connected.load(Ordering::SeqCst) == 0);
    let before = process::descriptors();

    let connecting = Arc::new(Semaphore::new(CONNECTING));
    let all_there = Arc::new(Barrier::new(connections + 1));
    let client = |number| -> JoinHandle<()> {
        let (connecting, all_there) = (connecting.clone(), all_there.clone());
        runtime.spawn(move || {
            connecting.wait();
            let stream = TcpStream::connect(addr).unwrap();
            stream.set_nodelay(true).unwrap();
            ask(&stream, number, 0);
            connecting.post();
            // Those who look wait for all, and all wait for them.
            all_there.wait();
            all_there.wait();
            (1..REQUESTS).for_each(|round| ask(&stream, number, round));
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!((&stream).read(&mut [0]).unwrap(), 0);
        })
    };
    let clients: Vec<_> = (0..connections).map(client).collect();
    all_there.wait();
    assert_eq!(connected.load(Ordering::SeqCst), connections, "they are connected at once");
    assert!(process::descriptors() >= before + 2 * connections);
    all_there.wait();
    let mut failed = 0;
    for client in clients {
        failed += usize::from(client.join().is_err());
    }
    assert_eq!(failed, 0, "of {connections} clients");
    eventually("all have been closed", || connected.load(Ordering::SeqCst) == 0);
    eventually("no descriptor is left", || process::descriptors() == before);
    eprintln!("{connections} connections at once, {} requests", connections * REQUESTS);
}

#[test]
fn ten_thousand_connections_at_once_on_two_workers() {
    let _alone = alone();
    let end = Child::new().limit(Duration::from_secs(300)).run(|| all_at_once(2));
    end.assert_success();
    // How many there were, if the limit did not allow all.
    eprintln!("{}", end.stderr);
}

#[test]
fn ten_thousand_connections_at_once_on_eight_workers() {
    let _alone = alone();
    Child::new().limit(Duration::from_secs(300)).run(|| all_at_once(8)).assert_success();
}
