//! What only TLS streams do: records, a close_notify, and what stays behind after a write.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, body::Incoming};
use mco::coroutine;
use mco::net::TcpStream;
use mco::net::tls::TlsStream;
use mco::{block_on, go};
use mco_tests::everywhere::everywhere;
use mco_tests::sockets::{echo, listener, mixed_pair, pattern};
use mco_tests::{HUNG, with_runtimes, within};

use crate::flavour::{
    Flavour, FuturesIo, Hyper, TokioIo, both, close, read, read_exact, write, write_all,
};
use crate::setup::{acceptor, connector, name, pair, relay, shake_on};
use crate::streams::polls_of_a_cancelled_coroutine;

/// For each crate's traits, in coroutines and in threads.
macro_rules! for_flavours {
    ($(#[$meta:meta])* fn $name:ident<$F:ident>() $body:block) => {
        $(#[$meta])*
        #[test]
        fn $name() {
            fn test<$F: Flavour>() $body
            everywhere(|| {
                test::<FuturesIo>();
                test::<TokioIo>();
                test::<Hyper>();
            });
        }
    };
}

/// Writes until there is no room, and forgets about it; returns what was taken.
async fn fill<F: Flavour>(stream: &mut TlsStream) -> Vec<u8> {
    let text = pattern(32 << 20);
    let mut done = 0;
    poll_fn(|context| {
        while let Poll::Ready(count) = F::poll_write(stream, context, &text[done..]) {
            done += count.unwrap();
            assert!(done < text.len(), "there is always room");
        }
        Poll::Ready(())
    })
    .await;
    text[..done].to_vec()
}

for_flavours! {
    fn an_end_without_close_notify_is_an_error<F>() {
        let (mut client, mut server) = pair();
        client.write_all(b"hello").unwrap();
        client.get_ref().shutdown(Shutdown::Write).unwrap();
        block_on(async {
            assert_eq!(read_exact::<F>(&mut server, 5).await, b"hello");
            for _ in 0..3 {
                let error = read::<F>(&mut server, &mut [0; 8]).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
                assert!(error.to_string().contains("without a close_notify"), "{error}");
            }
            // The other direction is as it was.
            write_all::<F>(&mut server, b"answer").await.unwrap();
        });
        let mut answer = [0; 6];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"answer");
    }
}

for_flavours! {
    fn an_end_while_it_waits_is_seen<F>() {
        for polite in [true, false] {
            let (client, mut server) = pair();
            let ends = thread::spawn(move || {
                if polite {
                    client.shutdown(Shutdown::Write).unwrap();
                } else {
                    client.get_ref().shutdown(Shutdown::Write).unwrap();
                }
                client
            });
            let end = block_on(read::<F>(&mut server, &mut [0; 8]));
            assert_eq!(end.map_err(|error| error.kind()), match polite {
                true => Ok(0),
                false => Err(ErrorKind::UnexpectedEof),
            });
            drop(ends.join().unwrap());
        }
    }
}

for_flavours! {
    fn records_may_come_byte_by_byte<F>() {
        let (client, client_wire) = mixed_pair();
        let (server, server_wire) = mixed_pair();
        relay(&client_wire, &server_wire, 1);
        relay(&server_wire, &client_wire, 1);
        let (client, server) = shake_on(&connector(), client, &acceptor(), server);
        let (mut client, server) = (client.unwrap(), server.unwrap());
        let echoes = thread::spawn(move || echo(server));
        block_on(async {
            for length in [1, 100, 20_000] {
                let text = pattern(length);
                write_all::<F>(&mut client, &text).await.unwrap();
                assert!(read_exact::<F>(&mut client, length).await == text);
            }
            close::<F>(&mut client).await.unwrap();
            assert_eq!(read::<F>(&mut client, &mut [0]).await.unwrap(), 0);
        });
        echoes.join().unwrap();
    }
}

for_flavours! {
    fn a_write_that_was_dropped_while_it_waited_leaves_the_stream_in_order<F>() {
        let (mut client, mut server) = pair();
        let mut sent = block_on(fill::<F>(&mut server));
        // It was polled when there was no room, and took nothing.
        let reads = thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        // By blocking, then by a future.
        server.write_all(b"blocking").unwrap();
        block_on(async {
            write_all::<F>(&mut server, b"polled").await.unwrap();
            close::<F>(&mut server).await.unwrap();
        });
        sent.extend(b"blockingpolled");
        assert!(reads.join().unwrap() == sent, "what arrived differs");
    }
}

for_flavours! {
    /// The future that reads sends it, without which the peer would not answer.
    fn what_a_write_left_goes_out_while_a_future_reads<F>() {
        let (mut client, mut server) = pair();
        let sent = block_on(fill::<F>(&mut server));
        let reads = thread::spawn(move || {
            let mut all = vec![0; sent.len()];
            client.read_exact(&mut all).unwrap();
            assert!(all == sent, "what arrived differs");
            client.write_all(b"answer").unwrap();
            client
        });
        assert_eq!(block_on(read_exact::<F>(&mut server, 6)), b"answer");
        drop(reads.join().unwrap());
    }
}

for_flavours! {
    /// The reader waits already when the writer leaves something.
    fn what_a_write_leaves_goes_out_by_a_future_that_waits_to_read<F>() {
        let (mut client, server) = pair();
        let server = Arc::new(server);
        let (waits, reads) = (AtomicBool::new(false), server.clone());
        let waits = Arc::new(waits);
        let tells = waits.clone();
        let reads = go!(move || {
            let mut reads = &*reads;
            let mut buf = [0; 6];
            block_on(poll_fn(|context| {
                let poll = F::poll_read(&mut reads, context, &mut buf);
                tells.store(true, Ordering::SeqCst);
                poll
            }))
            .unwrap()
        });
        while !waits.load(Ordering::SeqCst) {
            coroutine::yield_now();
        }
        let mut sent = 0;
        let write = |context: &mut Context<'_>| {
            while let Poll::Ready(count) = F::poll_write(&mut &*server, context, &[7; 64 * 1024]) {
                sent += count.unwrap();
            }
            Poll::Ready(())
        };
        block_on(poll_fn(write));
        let answers = thread::spawn(move || {
            client.read_exact(&mut vec![0; sent]).unwrap();
            client.write_all(b"answer").unwrap();
            client
        });
        assert_eq!(reads.join().unwrap(), 6);
        drop(answers.join().unwrap());
    }
}

for_flavours! {
    fn closing_waits_until_all_is_sent<F>() {
        let (mut client, mut server) = pair();
        let sent = block_on(fill::<F>(&mut server));
        let reads = thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).unwrap();
            all
        });
        block_on(close::<F>(&mut server)).unwrap();
        assert!(reads.join().unwrap() == sent, "what arrived differs");
    }
}

/// One of them has the lock of those who read, and keeps it while it waits.
#[test]
fn a_future_and_a_coroutine_that_blocks_read_the_same_stream() {
    fn test<F: Flavour>(runtime: &mco::runtime::Runtime) {
        for first_blocks in [true, false] {
            let (mut client, server) = pair();
            let server = Arc::new(server);
            let waiting = Arc::new(AtomicUsize::new(0));
            let blocks = {
                let (server, waiting) = (server.clone(), waiting.clone());
                move || {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    (&*server).read_exact(&mut [0]).unwrap();
                }
            };
            let polls = {
                let (server, waiting) = (server.clone(), waiting.clone());
                move || {
                    block_on(async {
                        waiting.fetch_add(1, Ordering::SeqCst);
                        read_exact::<F>(&mut &*server, 1).await;
                    });
                }
            };
            let wait_for = |count| {
                while waiting.load(Ordering::SeqCst) < count {
                    thread::yield_now();
                }
            };
            let both = if first_blocks {
                let one = runtime.spawn(blocks);
                wait_for(1);
                [one, runtime.spawn(polls)]
            } else {
                let one = runtime.spawn(polls);
                wait_for(1);
                [one, runtime.spawn(blocks)]
            };
            wait_for(2);
            // Now, or soon, they wait. Each gets one.
            client.write_all(b"1").unwrap();
            client.write_all(b"2").unwrap();
            both.into_iter().for_each(|one| one.join().unwrap());
        }
    }
    with_runtimes(|runtime| {
        for _ in 0..20 {
            test::<FuturesIo>(runtime);
            test::<TokioIo>(runtime);
            test::<Hyper>(runtime);
        }
    });
}

const LEN: usize = 3 << 20;

fn blocking_reads(mut stream: impl Read) {
    let mut bytes = vec![0; LEN];
    stream.read_exact(&mut bytes).unwrap();
    assert!(bytes == pattern(LEN), "what came differs");
}

/// Two ends, each with one who reads and one who writes: by blocking or by futures, in all combinations.
#[test]
fn four_use_two_ends_at_once() {
    fn test<F: Flavour>(runtime: &mco::runtime::Runtime) {
        for kinds in 0..4 {
            let (client, server) = pair();
            let ends = [Arc::new(client), Arc::new(server)];
            let uses = ends.into_iter().flat_map(|end| {
                let other = end.clone();
                let reads = runtime.spawn(move || {
                    if kinds & 1 == 0 {
                        blocking_reads(&*end);
                    } else {
                        let bytes = block_on(read_exact::<F>(&mut &*end, LEN));
                        assert!(bytes == pattern(LEN), "what came differs");
                    }
                });
                let writes = runtime.spawn(move || {
                    if kinds & 2 == 0 {
                        (&*other).write_all(&pattern(LEN)).unwrap();
                    } else {
                        block_on(write_all::<F>(&mut &*other, &pattern(LEN))).unwrap();
                    }
                });
                [reads, writes]
            });
            let uses: Vec<_> = uses.collect();
            uses.into_iter().for_each(|one| one.join().unwrap());
        }
    }
    with_runtimes(|runtime| {
        test::<FuturesIo>(runtime);
        test::<TokioIo>(runtime);
        test::<Hyper>(runtime);
    });
}

/// Small writes by futures and by blocking: each arrives whole, and none is lost.
#[test]
fn several_tasks_write_one_stream() {
    with_runtimes(|runtime| {
        const EACH: u32 = 500;
        let (mut client, server) = pair();
        let server = Arc::new(server);
        let writers: Vec<_> = (0..2_u8)
            .map(|number| {
                let server = server.clone();
                runtime.spawn(move || {
                    for _ in 0..EACH {
                        let text = [number; 100];
                        let done = if number == 0 {
                            (&*server).write(&text).unwrap()
                        } else {
                            block_on(write::<Hyper>(&mut &*server, &text)).unwrap()
                        };
                        assert_eq!(done, 100);
                    }
                })
            })
            .collect();
        let mut counts = [0; 2];
        let mut text = [0; 100];
        for _ in 0..2 * EACH {
            client.read_exact(&mut text).unwrap();
            assert!(text.iter().all(|byte| *byte == text[0]), "two were mixed");
            counts[usize::from(text[0])] += 1;
        }
        assert_eq!(counts, [EACH; 2]);
        writers.into_iter().for_each(|writer| writer.join().unwrap());
    });
}

#[test]
fn a_cancelled_coroutine_does_not_unwind_inside_a_poll() {
    with_runtimes(|runtime| {
        let (mut client, server) = pair();
        client.write_all(&[7; 1000]).unwrap();
        let polls = polls_of_a_cancelled_coroutine(runtime, server);
        assert!((1..=500).contains(&polls), "it goes on until its turn is over: {polls}");
    });
}

#[test]
fn polls_do_not_wait_where_the_read_timeout_is_over() {
    everywhere(|| {
        let (mut client, mut server) = pair();
        server.set_read_timeout(Some(std::time::Duration::from_millis(1))).unwrap();
        let answers = thread::spawn(move || {
            thread::sleep(std::time::Duration::from_millis(20));
            client.write_all(b"x").unwrap();
            client
        });
        assert_eq!(block_on(read_exact::<Hyper>(&mut server, 1)), b"x");
        drop(answers.join().unwrap());
    });
}

/// Reads an answer with a known length.
fn answer(stream: &mut TlsStream) -> Vec<u8> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    body
}

/// Connections that are used again, with answers that do not fit into the socket.
#[test]
fn hyper_serves_over_tls() {
    const CLIENTS: usize = 8;
    with_runtimes(|runtime| {
        let (listener, addr) = listener();
        let server = runtime.spawn(move || {
            coroutine::scope(|s| {
                for _ in 0..CLIENTS {
                    let (stream, _) = listener.accept().unwrap();
                    s.spawn(move || {
                        let stream = acceptor().accept(stream).unwrap();
                        let answer = service_fn(async |request: Request<Incoming>| {
                            let length = request.uri().path()[1..].parse().unwrap();
                            let body = String::from_utf8(vec![b'x'; length]).unwrap();
                            Ok::<_, Infallible>(Response::new(body))
                        });
                        let connection = http1::Builder::new()
                            .timer(mco::runtime::Timer)
                            .serve_connection(stream, answer);
                        block_on(connection).unwrap();
                    });
                }
            });
        });
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                runtime.spawn(move || {
                    let stream = TcpStream::connect(addr).unwrap();
                    let mut stream = connector().connect(name(), stream).unwrap();
                    for length in [5, 8 << 20, 0, 100_000] {
                        write!(stream, "GET /{length} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
                        let body = answer(&mut stream);
                        assert!(body == vec![b'x'; length], "another answer for {length}");
                    }
                    stream
                        .write_all(b"GET /1 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                        .unwrap();
                    assert_eq!(answer(&mut stream), b"x");
                    // It says goodbye.
                    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap();
    });
}

/// Both directions in one task, on both ends.
#[test]
fn two_ends_that_are_polled_talk_to_each_other() {
    fn test<F: Flavour>() {
        let (client, server) = pair();
        let talk = |end: TlsStream| {
            go!(move || {
                let (mut reader, mut writer) = (&end, &end);
                let sends = async {
                    write_all::<F>(&mut writer, &pattern(LEN)).await.unwrap();
                    close::<F>(&mut writer).await.unwrap();
                };
                let receives = async {
                    let bytes = read_exact::<F>(&mut reader, LEN).await;
                    assert!(bytes == pattern(LEN), "what came differs");
                    assert_eq!(read::<F>(&mut reader, &mut [0]).await.unwrap(), 0);
                };
                block_on(both(sends, receives));
            })
        };
        [talk(client), talk(server)].into_iter().for_each(|end| end.join().unwrap());
    }
    within(HUNG, || {
        test::<FuturesIo>();
        test::<TokioIo>();
        test::<Hyper>();
    });
}

/// Each half goes its own way, as whole and by reference.
#[test]
fn the_halves_read_and_write_in_two_coroutines() {
    fn test<F: Flavour>() {
        let (client, server) = pair();
        let echoes = go!(move || echo(server));
        let (mut reader, mut writer) = client.split();
        let sends = go!(move || {
            block_on(async {
                write_all::<F>(&mut writer, &pattern(LEN)).await.unwrap();
                write_all::<F>(&mut &writer, b"and more").await.unwrap();
                close::<F>(&mut writer).await.unwrap();
                let error = write::<F>(&mut writer, b"x").await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            });
            writer
        });
        block_on(async {
            assert!(read_exact::<F>(&mut reader, LEN).await == pattern(LEN), "what came differs");
            assert_eq!(read_exact::<F>(&mut &reader, 8).await, b"and more");
            assert_eq!(read::<F>(&mut reader, &mut [0]).await.unwrap(), 0);
        });
        reader.unsplit(sends.join().unwrap()).unwrap();
        echoes.join().unwrap();
    }
    within(HUNG, || {
        test::<FuturesIo>();
        test::<TokioIo>();
        test::<Hyper>();
    });
}

for_flavours! {
    /// Also in one task, and several buffers at once.
    fn the_halves_read_and_write_in_one_task<F>() {
        let (client, server) = pair();
        let echoes = thread::spawn(move || echo(server));
        let (mut reader, mut writer) = client.split();
        block_on(both(
            async {
                let bufs = [IoSlice::new(b"one, "), IoSlice::new(b"two")];
                let write = |context: &mut Context<'_>| {
                    F::poll_write_vectored(&mut writer, context, &bufs)
                };
                assert_eq!(poll_fn(write).await.unwrap(), 8);
                close::<F>(&mut writer).await.unwrap();
            },
            async {
                assert_eq!(read_exact::<F>(&mut reader, 8).await, b"one, two");
                assert_eq!(read::<F>(&mut reader, &mut [0]).await.unwrap(), 0);
            },
        ));
        echoes.join().unwrap();
    }
}
