//! Coroutines that are cancelled, or out of time, in the middle of something leave the stream in order.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use mco::coroutine::{self, Cancelled};
use mco::net::tls::TlsStream;
use mco::std::time::timeout;
use mco_tests::everywhere::everywhere;
use mco_tests::peer::blocked_child;
use mco_tests::sockets::{self, pattern};
use mco_tests::{HUNG, runtime, within};

use crate::setup::{Wired, acceptor, connector, name, pair, record};

/// In a coroutine of a runtime with one worker.
#[track_caller]
fn alone(test: impl FnOnce() + Send + 'static) {
    within(HUNG, || runtime(1).run(test));
}

#[test]
fn a_handshake_that_is_cancelled_closes_the_connection() {
    alone(|| {
        let (end, mut peer) = sockets::mixed_pair();
        let accepts = blocked_child(move || acceptor().accept(end));
        accepts.cancel();
        assert!(accepts.join().unwrap_err().is::<Cancelled>());
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);

        let (end, mut peer) = sockets::mixed_pair();
        let connects = blocked_child(move || connector().connect(name(), end));
        connects.cancel();
        assert!(connects.join().unwrap_err().is::<Cancelled>());
        // Behind the client's hello.
        assert_eq!(record(&mut peer)[0], 22);
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_handshake_that_is_out_of_time_closes_the_connection() {
    everywhere(|| {
        let (end, mut peer) = sockets::mixed_pair();
        let limited = timeout(Duration::from_millis(10), || acceptor().accept(end));
        assert!(limited.is_err(), "who spoke to it");
        assert_eq!(peer.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_read_that_is_cancelled_inside_a_record_loses_nothing() {
    alone(|| {
        let Wired { mut client, server, mut client_wire, mut server_wire } = Wired::new();
        let server = Arc::new(server);
        client.write_all(b"hello").unwrap();
        let record = record(&mut client_wire);
        // At each place inside of it, a reader that has got so far is cancelled.
        let mut sent = 0;
        for place in [1, 4, 5, 6, record.len() - 1] {
            server_wire.write_all(&record[sent..place]).unwrap();
            sent = place;
            let reader = server.clone();
            let reads = blocked_child(move || (&*reader).read(&mut [0; 8]));
            reads.cancel();
            assert!(reads.join().unwrap_err().is::<Cancelled>());
        }
        server_wire.write_all(&record[sent..]).unwrap();
        let mut text = [0; 5];
        (&*server).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    });
}

/// Has a child write until it waits, and cancels it.
fn cancel_a_write(stream: &Arc<TlsStream>, text: Vec<u8>) {
    let writer = stream.clone();
    let writes = blocked_child(move || (&*writer).write_all(&text));
    writes.cancel();
    assert!(writes.join().unwrap_err().is::<Cancelled>());
}

#[test]
fn a_write_that_is_cancelled_leaves_whole_records() {
    alone(|| {
        let (client, mut server) = pair();
        let client = Arc::new(client);
        let text = pattern(64 << 20);
        cancel_a_write(&client, text.clone());
        // One that waits for what that has left, and one that waits for its turn.
        cancel_a_write(&client, vec![1; 10]);
        let writer = client.clone();
        let waits = blocked_child(move || (&*writer).write_all(b"waiting"));
        cancel_a_write(&client, vec![2; 10]);
        let reads = coroutine::spawn(move || {
            let mut received = Vec::new();
            server.read_to_end(&mut received).unwrap();
            received
        });
        waits.join().unwrap().unwrap();
        (&*client).write_all(b", and the end").unwrap();
        drop(client);
        let received = reads.join().unwrap();
        let taken = received.len() - "waiting, and the end".len();
        assert!(taken > 0 && taken < text.len(), "{taken} of the first writer's bytes");
        assert!(received[..taken] == text[..taken]);
        assert_eq!(&received[taken..], b"waiting, and the end");
    });
}

#[test]
fn a_write_that_is_out_of_time_leaves_whole_records() {
    everywhere(|| {
        let (client, mut server) = pair();
        let text = vec![7; 64 << 20];
        let limit = Duration::from_millis(20);
        // Until one was cut off with something left in the queue.
        loop {
            let write = timeout(limit, || (&client).write_all(&text));
            assert!(write.is_err(), "the system takes it all");
            if timeout(limit, || (&client).flush()).is_err() {
                break;
            }
        }
        let reads = coroutine::spawn(move || {
            let mut received = Vec::new();
            server.read_to_end(&mut received).unwrap();
            received
        });
        (&client).write_all(b"the end").unwrap();
        drop(client);
        let received = reads.join().unwrap();
        let (taken, end) = received.split_at(received.len() - 7);
        assert!(!taken.is_empty() && taken.iter().all(|byte| *byte == 7));
        assert_eq!(end, b"the end");
    });
}

#[test]
fn a_shutdown_that_is_cancelled_can_be_repeated() {
    alone(|| {
        let (client, mut server) = pair();
        let client = Arc::new(client);
        cancel_a_write(&client, pattern(64 << 20));
        let closer = client.clone();
        let closes = blocked_child(move || closer.shutdown(std::net::Shutdown::Write));
        closes.cancel();
        assert!(closes.join().unwrap_err().is::<Cancelled>());
        let reads = coroutine::spawn(move || server.read_to_end(&mut Vec::new()));
        client.shutdown(std::net::Shutdown::Write).unwrap();
        assert!(reads.join().unwrap().unwrap() > 0);
    });
}
