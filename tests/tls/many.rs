//! Many connections, of which nothing is left.

use std::io::{Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mco::coroutine;
use mco::net::TcpStream;
use mco::std::sync::Barrier;
use mco_tests::{child, eventually, process, runtime, sockets, within};

use crate::setup::{acceptor, connector, name};

const CONNECTIONS: usize = 1000;

/// All of them are open at once.
#[test]
fn a_thousand_connections_at_once_leave_nothing_behind() {
    child::pass(|| {
        process::raise_descriptor_limit(2 * CONNECTIONS + 100);
        // What is set up once for the process.
        mco::blocking(|| ());
        let before = process::descriptors();
        within(child::LIMIT, || {
            let runtime = runtime(2);
            let (listener, addr) = sockets::listener();
            let served = Arc::new(AtomicUsize::new(0));
            let counter = served.clone();
            let server = runtime.spawn(move || {
                for stream in listener.incoming().take(CONNECTIONS) {
                    let (stream, counter) = (stream.unwrap(), counter.clone());
                    coroutine::spawn(move || {
                        sockets::echo(acceptor().handshake_timeout(None).accept(stream).unwrap());
                        counter.fetch_add(1, Ordering::SeqCst);
                    });
                }
            });
            let connector = connector().handshake_timeout(None);
            let together = Arc::new(Barrier::new(CONNECTIONS));
            let clients: Vec<_> = (0..CONNECTIONS)
                .map(|number| {
                    let (connector, together) = (connector.clone(), together.clone());
                    runtime.spawn(move || {
                        let stream = TcpStream::connect(addr).unwrap();
                        let mut stream = connector.connect(name(), stream).unwrap();
                        together.wait();
                        for round in 0..5 {
                            let text = format!("{number} says {round}");
                            stream.write_all(text.as_bytes()).unwrap();
                            let mut answer = vec![0; text.len()];
                            stream.read_exact(&mut answer).unwrap();
                            assert_eq!(answer, text.as_bytes());
                        }
                        together.wait();
                    })
                })
                .collect();
            clients.into_iter().for_each(|client| client.join().unwrap());
            server.join().unwrap();
            eventually("all have seen the end", || served.load(Ordering::SeqCst) == CONNECTIONS);
        });
        assert_eq!(process::descriptors(), before);
    });
}

#[test]
fn handshakes_that_fail_leave_nothing_behind() {
    child::pass(|| {
        mco::blocking(|| ());
        let before = process::descriptors();
        within(child::LIMIT, || {
            let runtime = runtime(2);
            runtime.run(|| {
                for _ in 0..200 {
                    let (end, peer) = sockets::mixed_pair();
                    (&peer).write_all(b"no TLS").unwrap();
                    acceptor().accept(end).unwrap_err();
                    let (end, peer) = sockets::mixed_pair();
                    drop(peer);
                    connector().connect(name(), end).unwrap_err();
                }
            });
        });
        assert_eq!(process::descriptors(), before);
    });
}
