//! Reading and writing.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use mco::coroutine;
use mco::net::tls::{ReadHalf, TlsConnector, TlsStream, WriteHalf};
use mco::std::time::timeout;
use mco_tests::everywhere::{assert_times_out_everywhere, everywhere};
use mco_tests::peer::{Kind, blocked_child, with_both_kinds};
use mco_tests::sockets::{self, pattern};
use mco_tests::{HUNG, runtime, with_runtimes, within};
use rustls::version::TLS13;

use crate::setup::{BOTH_VERSIONS, TRUSTED, Wired, acceptor, client_config_of, pair, pair_of};

#[test]
fn what_is_written_comes_out() {
    everywhere(|| {
        for version in BOTH_VERSIONS {
            let config = client_config_of(&TRUSTED, &[version], None);
            let (mut client, server) = pair_of(&TlsConnector::new(Arc::new(config)), &acceptor());
            let echo = coroutine::spawn(move || sockets::echo(server));
            for length in [1, 2, 1000, 16 * 1024, 16 * 1024 + 1, 50_000] {
                let text = pattern(length);
                client.write_all(&text).unwrap();
                let mut received = vec![0; length];
                client.read_exact(&mut received).unwrap();
                assert!(received == text, "{length} bytes come back as others");
            }
            assert_eq!(client.write(&[]).unwrap(), 0);
            assert_eq!(client.read(&mut []).unwrap(), 0);
            client.shutdown(Shutdown::Write).unwrap();
            assert_eq!(client.read(&mut [0]).unwrap(), 0);
            echo.join().unwrap();
        }
    });
}

const MANY: usize = 24 << 20;

/// Writes the pattern, and changes keys on the way.
fn write_all(mut writer: WriteHalf) {
    // No multiple of anything.
    for (index, piece) in pattern(MANY).chunks(70_001).enumerate() {
        writer.write_all(piece).unwrap();
        if index % 50 == 49 {
            writer.get_ref().refresh_traffic_keys().unwrap();
        }
    }
    writer.shutdown().unwrap();
}

fn read_all(mut reader: ReadHalf) {
    let expected = pattern(MANY);
    let mut buffer = vec![0; 100_000];
    let mut position = 0;
    loop {
        match reader.read(&mut buffer).unwrap() {
            0 => break,
            count => {
                let piece = &expected[position..position + count];
                assert!(buffer[..count] == *piece, "wrong within {count} bytes from {position}");
                position += count;
            }
        }
    }
    assert_eq!(position, MANY);
}

/// Both directions at once, with new keys now and then.
#[test]
fn four_coroutines_use_two_ends_at_once() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (client, server) = pair();
            assert_eq!(client.protocol_version(), Some(TLS13.version));
            let halves = [client.split(), server.split()];
            let all = halves.map(|(reader, writer)| {
                [
                    coroutine::spawn(move || read_all(reader)),
                    coroutine::spawn(move || write_all(writer)),
                ]
            });
            all.into_iter().flatten().for_each(|handle| handle.join().unwrap());
        });
    });
}

#[test]
fn four_threads_use_two_ends_at_once() {
    within(HUNG, || {
        let (client, server) = pair();
        let halves = [client.split(), server.split()];
        let all = halves.map(|(reader, writer)| {
            [
                std::thread::spawn(move || read_all(reader)),
                std::thread::spawn(move || write_all(writer)),
            ]
        });
        all.into_iter().flatten().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn a_reader_that_waits_does_not_hold_up_the_writer() {
    with_both_kinds(|runtime, kind| {
        let (client, mut server) = runtime.run(pair);
        let (mut reader, mut writer) = client.split();
        let reads = kind.start_blocked(runtime, move || {
            let mut text = [0; 6];
            reader.read_exact(&mut text).unwrap();
            text
        });
        let writes = kind.start(runtime, move || writer.write_all(b"question").map(|()| writer));
        let mut text = [0; 8];
        server.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"question");
        let writer = writes.join().unwrap().unwrap();
        server.write_all(b"answer").unwrap();
        assert_eq!(&reads.join().unwrap(), b"answer");
        drop(writer);
    });
}

#[test]
fn a_writer_that_waits_does_not_hold_up_the_reader() {
    with_both_kinds(|runtime, kind| {
        let (client, mut server) = runtime.run(pair);
        let (mut reader, mut writer) = client.split();
        let length = 64 << 20;
        let writes = kind.start_blocked(runtime, move || writer.write_all(&pattern(length)));
        for round in 0..100_u32 {
            server.write_all(&round.to_be_bytes()).unwrap();
            let mut text = [0; 4];
            reader.read_exact(&mut text).unwrap();
            assert_eq!(text, round.to_be_bytes());
        }
        assert!(!writes.is_finished(), "it did not wait");
        let mut received = vec![0; length];
        server.read_exact(&mut received).unwrap();
        assert!(received == pattern(length));
        writes.join().unwrap().unwrap();
    });
}

#[test]
fn records_of_several_writers_are_not_mixed() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            const LENGTH: usize = 20_000;
            let (client, mut server) = pair();
            let client = Arc::new(client);
            let writers: Vec<_> = (0..8_u8)
                .map(|number| {
                    let client = client.clone();
                    coroutine::spawn(move || {
                        for _ in 0..50 {
                            (&*client).write_all(&[number; LENGTH]).unwrap();
                        }
                    })
                })
                .collect();
            drop(client);
            let mut counts = [0; 8];
            let mut message = vec![0; LENGTH];
            for _ in 0..8 * 50 {
                server.read_exact(&mut message).unwrap();
                assert!(message.iter().all(|byte| *byte == message[0]), "two are mixed");
                counts[usize::from(message[0])] += 1;
            }
            assert_eq!(counts, [50; 8]);
            writers.into_iter().for_each(|writer| writer.join().unwrap());
            assert_eq!(server.read(&mut message).unwrap(), 0);
        });
    });
}

#[test]
fn several_buffers_are_read_and_written_at_once() {
    everywhere(|| {
        let (client, server) = pair();
        let pieces = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bcd")];
        assert_eq!((&client).write_vectored(&pieces).unwrap(), 4);
        let (mut one, mut other) = ([0; 3], [0; 5]);
        let mut bufs =
            [IoSliceMut::new(&mut []), IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!((&server).read_vectored(&mut bufs).unwrap(), 4);
        assert_eq!((&one, &other), (b"abc", b"d\0\0\0\0"));
        assert_eq!((&client).write_vectored(&[]).unwrap(), 0);
        assert_eq!((&server).read_vectored(&mut []).unwrap(), 0);
    });
}

#[test]
fn a_read_times_out() {
    assert_times_out_everywhere(|limit| {
        let (mut client, _server) = pair();
        client.set_read_timeout(Some(limit))?;
        client.read(&mut [0]).map(drop)
    });
}

/// However many pieces of a record come meanwhile.
#[test]
fn a_read_of_half_a_record_times_out_and_has_lost_nothing() {
    everywhere(|| {
        let Wired { mut client, mut server, mut client_wire, mut server_wire } = Wired::new();
        client.write_all(b"hello").unwrap();
        let record = crate::setup::record(&mut client_wire);
        let (half, rest) = record.split_at(record.len() / 2);
        server_wire.write_all(half).unwrap();
        server.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        let error = server.read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        assert!(
            timeout(Duration::from_millis(10), || {
                server.set_read_timeout(None).unwrap();
                server.read(&mut [0; 8])
            })
            .is_err()
        );
        server_wire.write_all(rest).unwrap();
        let mut text = [0; 5];
        server.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"hello");
    });
}

/// Writes until that fails, and a flush too, so that something is left in the queue. Returns how much was
/// taken.
fn write_until(kind: ErrorKind, stream: &mut TlsStream, text: &[u8]) -> usize {
    let mut taken = 0;
    loop {
        let error = match stream.write(&text[taken..]) {
            Ok(count) => {
                taken += count;
                assert!(taken < text.len(), "the system takes it all");
                continue;
            }
            Err(error) => error,
        };
        assert_eq!(error.kind(), kind, "{error}");
        if let Err(error) = stream.flush() {
            assert_eq!(error.kind(), kind, "{error}");
            return taken;
        }
    }
}

#[test]
fn a_write_that_times_out_has_lost_nothing() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        let text = pattern(64 << 20);
        client.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
        let taken = write_until(ErrorKind::TimedOut, &mut client, &text);
        // What was taken comes when there is room, and only that.
        client.set_write_timeout(None).unwrap();
        let reads = coroutine::spawn(move || {
            let mut received = Vec::new();
            server.read_to_end(&mut received).unwrap();
            received
        });
        client.flush().unwrap();
        client.write_all(b"the end").unwrap();
        drop(client);
        let received = reads.join().unwrap();
        assert_eq!(received.len(), taken + 7);
        assert!(received[..taken] == text[..taken]);
        assert_eq!(&received[taken..], b"the end");
    });
}

/// The peer answers only when it has everything.
fn answer_to(mut server: TlsStream, text: &[u8]) {
    let mut received = vec![0; text.len()];
    server.read_exact(&mut received).unwrap();
    assert!(received == text);
    server.write_all(b"answer").unwrap();
}

#[test]
fn a_read_sends_what_a_write_has_left() {
    everywhere(|| {
        let (mut client, server) = pair();
        let text = pattern(64 << 20);
        client.set_write_timeout(Some(Duration::from_millis(10))).unwrap();
        let taken = write_until(ErrorKind::TimedOut, &mut client, &text);
        let answers = coroutine::spawn(move || answer_to(server, &text[..taken]));
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
        answers.join().unwrap();
    });
}

/// Even if it has begun before.
#[test]
fn a_read_that_waits_sends_what_a_write_leaves() {
    within(HUNG, || {
        runtime(1).run(|| {
            let (mut client, mut server) = pair();
            // Of the session tickets, which come first, it shall not wake up.
            server.write_all(b"x").unwrap();
            client.read_exact(&mut [0]).unwrap();
            let (mut reader, mut writer) = client.split();
            let reads = blocked_child(move || {
                let mut answer = [0; 6];
                reader.read_exact(&mut answer).unwrap();
                answer
            });
            let text = pattern(64 << 20);
            writer.get_ref().set_write_timeout(Some(Duration::from_millis(10))).unwrap();
            let mut taken = 0;
            while let Ok(count) = writer.write(&text[taken..]) {
                taken += count;
            }
            answer_to(server, &text[..taken]);
            assert_eq!(&reads.join().unwrap(), b"answer");
        });
    });
}

#[test]
fn a_stream_that_is_not_to_wait_says_so() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        client.get_ref().set_nonblocking(true).unwrap();
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
        let text = pattern(64 << 20);
        let taken = write_until(ErrorKind::WouldBlock, &mut client, &text);
        client.get_ref().set_nonblocking(false).unwrap();
        let reads = coroutine::spawn(move || {
            let mut received = vec![0; taken];
            server.read_exact(&mut received).unwrap();
            received
        });
        client.flush().unwrap();
        assert!(reads.join().unwrap() == text[..taken]);
    });
}

#[test]
fn halves_become_one_stream_again() {
    everywhere(|| {
        let ((client, server), (other, _end)) = (pair(), pair());
        let (reader, mut writer) = client.split();
        writer.write_all(b"a").unwrap();
        let (other_reader, other_writer) = other.split();
        let (reader, other_writer) = reader.unsplit(other_writer).unwrap_err();
        drop((other_reader, other_writer));
        let client = reader.unsplit(writer).unwrap();
        (&client).write_all(b"b").unwrap();
        let mut text = [0; 2];
        (&server).read_exact(&mut text).unwrap();
        assert_eq!(&text, b"ab");
    });
}

#[test]
fn a_handshake_fits_a_stack_of_128_kib() {
    within(HUNG, || {
        runtime(1).run(|| {
            let builder = coroutine::Builder::new().stack_size(128 * 1024);
            let (mut client, mut server) = builder.spawn(pair).join().unwrap();
            client.write_all(b"x").unwrap();
            server.read_exact(&mut [0]).unwrap();
        });
    });
}

#[test]
fn a_half_moves_from_a_coroutine_to_a_thread() {
    within(HUNG, || {
        let runtime = runtime(2);
        let (client, mut server) = runtime.run(pair);
        let (mut reader, mut writer) = client.split();
        for index in 0..6_u8 {
            let there = Kind::alternate(index.into());
            server.write_all(&[index]).unwrap();
            let reads = there.start(&runtime, move || {
                let mut byte = [0];
                reader.read_exact(&mut byte).unwrap();
                (reader, byte[0])
            });
            let writes = there.start(&runtime, move || {
                writer.write_all(&[index]).unwrap();
                writer
            });
            let (back, byte) = reads.join().unwrap();
            assert_eq!(byte, index);
            (reader, writer) = (back, writes.join().unwrap());
            server.read_exact(&mut [0]).unwrap();
        }
    });
}
