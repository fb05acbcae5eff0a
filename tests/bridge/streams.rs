//! What goes through a stream.

use std::future::poll_fn;
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

use mco::coroutine::{self, Cancelled};
use mco::net::TcpStream;
use mco::net::tls::TlsStream;
use mco::runtime::Runtime;
use mco::std::time::timeout;
use mco::{block_on, go};
use mco_tests::everywhere::everywhere;
use mco_tests::sockets::{echo, listener, mixed_pair, pattern};
use mco_tests::{HUNG, eventually, runtime, with_runtimes, within};

use crate::flavour::{
    Flavour, FuturesIo, Hyper, Peer, Stream, TokioIo, Traits, both, close, for_all, read,
    read_exact, write, write_all,
};

for_all! {
    fn several_megabytes_in_both_directions_at_once<F, S>() {
        const LEN: usize = 4 << 20;
        let (stream, peer) = S::pair();
        let echoes = thread::spawn(move || echo(peer));
        let (mut writer, mut reader) = (stream.by_ref(), stream.by_ref());
        let received = block_on(async {
            let sends = async {
                write_all::<F>(&mut writer, &pattern(LEN)).await.unwrap();
                close::<F>(&mut writer).await.unwrap();
            };
            both(sends, read_exact::<F>(&mut reader, LEN)).await.1
        });
        assert!(received == pattern(LEN), "what came back differs");
        assert_eq!(block_on(read::<F>(&mut reader, &mut [0; 8])).unwrap(), 0);
        echoes.join().unwrap();
    }
}

/// One handle, read and written by one task: reads go on where a write is pending.
#[test]
fn one_handle_for_both_directions() {
    fn test<F: Flavour, S: Stream>() {
        const LEN: usize = 4 << 20;
        let (mut stream, peer) = S::pair();
        let echoes = thread::spawn(move || echo(peer));
        let sent = pattern(LEN);
        let mut received = vec![0; LEN];
        let (mut written, mut read) = (0, 0);
        block_on(poll_fn(|context| {
            while written < LEN
                && let Poll::Ready(n) = F::poll_write(&mut stream, context, &sent[written..])
            {
                written += n.unwrap();
            }
            while read < LEN
                && let Poll::Ready(n) = F::poll_read(&mut stream, context, &mut received[read..])
            {
                read += n.unwrap();
            }
            if read == LEN { Poll::Ready(()) } else { Poll::Pending }
        }));
        assert!(received == sent, "what came back differs");
        drop(stream);
        echoes.join().unwrap();
    }
    everywhere(|| {
        test::<FuturesIo, TcpStream>();
        test::<TokioIo, TcpStream>();
        test::<Hyper, mco::os::unix::net::UnixStream>();
        test::<Hyper, TlsStream>();
    });
}

for_all! {
    fn one_byte_at_a_time<F, S>() {
        let (mut stream, mut peer) = S::pair();
        let answers = thread::spawn(move || {
            for n in 0..500_u32 {
                let mut byte = [0];
                peer.read_exact(&mut byte).unwrap();
                assert_eq!(u32::from(byte[0]), n % 256);
                peer.write_all(&byte).unwrap();
            }
        });
        block_on(async {
            for n in 0..500_u32 {
                write_all::<F>(&mut stream, &[(n % 256) as u8]).await.unwrap();
                assert_eq!(read_exact::<F>(&mut stream, 1).await, [(n % 256) as u8]);
            }
        });
        answers.join().unwrap();
    }
}

for_all! {
    fn the_end_is_read_again_and_again<F, S>() {
        let (mut stream, mut peer) = S::pair();
        peer.write_all(b"last words").unwrap();
        peer.end_writing();
        block_on(async {
            assert_eq!(read_exact::<F>(&mut stream, 10).await, b"last words");
            for _ in 0..3 {
                assert_eq!(read::<F>(&mut stream, &mut [0; 8]).await.unwrap(), 0);
            }
        });
    }
}

for_all! {
    fn closing_ends_the_own_direction_only<F, S>() {
        let (mut stream, mut peer) = S::pair();
        let peer = thread::spawn(move || {
            let mut text = String::new();
            peer.read_to_string(&mut text).unwrap();
            peer.write_all(text.to_uppercase().as_bytes()).unwrap();
        });
        block_on(async {
            write_all::<F>(&mut stream, b"question").await.unwrap();
            close::<F>(&mut stream).await.unwrap();
            assert_eq!(read_exact::<F>(&mut stream, 8).await, b"QUESTION");
            assert_eq!(read::<F>(&mut stream, &mut [0; 8]).await.unwrap(), 0);
            let error = write::<F>(&mut stream, b"more").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            close::<F>(&mut stream).await.unwrap();
        });
        peer.join().unwrap();
    }
}

for_all! {
    fn nothing_is_asked_of_the_system_for_nothing<F, S>() {
        let (mut stream, _peer) = S::pair();
        block_on(async {
            assert_eq!(read::<F>(&mut stream, &mut []).await.unwrap(), 0);
            assert_eq!(write::<F>(&mut stream, &[]).await.unwrap(), 0);
            poll_fn(|context| F::poll_write_vectored(&mut stream, context, &[])).await.unwrap();
            poll_fn(|context| F::poll_flush(&mut stream, context)).await.unwrap();
        });
    }
}

for_all! {
    fn several_buffers_are_written_in_order<F, S>() {
        let (mut stream, mut peer) = S::pair();
        let reads = thread::spawn(move || {
            let mut text = String::new();
            peer.read_to_string(&mut text).unwrap();
            text
        });
        block_on(async {
            let bufs = [IoSlice::new(b"one "), IoSlice::new(b""), IoSlice::new(b"two")];
            let write = |context: &mut Context<'_>| F::poll_write_vectored(&mut stream, context, &bufs);
            assert_eq!(poll_fn(write).await.unwrap(), 7);
            close::<F>(&mut stream).await.unwrap();
        });
        assert_eq!(reads.join().unwrap(), "one two");
    }
}

#[test]
fn crates_are_told_that_several_buffers_are_written_at_once() {
    let (stream, _peer) = mixed_pair();
    assert!(tokio::io::AsyncWrite::is_write_vectored(&stream));
    assert!(hyper::rt::Write::is_write_vectored(&stream));
}

#[test]
fn a_reset_is_reported_by_reads_and_writes() {
    fn test<F: Flavour>() {
        let (mut stream, peer) = mixed_pair();
        socket2::SockRef::from(&peer).set_linger(Some(Duration::ZERO)).unwrap();
        let mut waits = stream.try_clone().unwrap();
        let reads = go!(move || block_on(read::<F>(&mut waits, &mut [0; 8])).unwrap_err().kind());
        drop(peer);
        assert_eq!(reads.join().unwrap(), ErrorKind::ConnectionReset);
        block_on(async {
            let error = write::<F>(&mut stream, b"x").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            // There is nobody any more to be told of the end.
            close::<F>(&mut stream).await.unwrap();
        });
    }
    everywhere(|| {
        test::<FuturesIo>();
        test::<TokioIo>();
        test::<Hyper>();
    });
}

for_all! {
    fn a_future_that_was_dropped_while_it_waited_leaves_the_stream_as_it_was<F, S>() {
        let (mut stream, mut peer) = S::pair();
        for _ in 0..3 {
            block_on(async {
                let mut waits = Box::pin(read_exact::<F>(&mut stream, 4));
                poll_fn(|context| {
                    assert!(waits.as_mut().poll(context).is_pending());
                    Poll::Ready(())
                })
                .await;
                drop(waits);
            });
            peer.write_all(b"12345678").unwrap();
            assert_eq!(block_on(read_exact::<F>(&mut stream, 4)), b"1234");
            // As one that blocks, too.
            let mut rest = [0; 4];
            stream.read_exact(&mut rest).unwrap();
            assert_eq!(&rest, b"5678");
        }
    }
}

/// A future is polled on one runtime, then on another, then in a thread; the first ones end meanwhile.
#[test]
fn a_future_may_move_while_it_waits() {
    fn test<F: Flavour, S: Stream>() {
        let (mut stream, mut peer) = S::pair();
        let mut future = Box::pin(async move { read_exact::<F>(&mut stream, 6).await });
        for workers in [1, 2] {
            let runtime = runtime(workers);
            future = runtime
                .spawn(move || {
                    block_on(async {
                        poll_fn(|context| {
                            assert!(future.as_mut().poll(context).is_pending());
                            Poll::Ready(())
                        })
                        .await;
                    });
                    future
                })
                .join()
                .unwrap();
            peer.write_all(b"12").unwrap();
            drop(runtime);
        }
        // The worker of this coroutine may be the one that reports the event, so it is not blocked.
        let ends = mco::std::blocking::spawn_blocking(move || block_on(future));
        peer.write_all(b"12").unwrap();
        assert_eq!(ends.join().unwrap(), b"121212");
    }
    everywhere(|| {
        test::<FuturesIo, TcpStream>();
        test::<TokioIo, mco::os::unix::net::UnixStream>();
        test::<Hyper, TcpStream>();
        test::<FuturesIo, TlsStream>();
    });
}

/// The worker with whose reactor the stream is registered ends while a future waits elsewhere.
#[test]
fn the_runtime_that_reports_events_may_end() {
    fn test<F: Flavour>() {
        let (mut stream, mut peer) = mixed_pair();
        let first = runtime(1);
        let mut waits = Box::pin(async move { read_exact::<F>(&mut stream, 4).await });
        let polled = first.spawn(move || {
            let poll = |context: &mut Context<'_>| {
                assert!(waits.as_mut().poll(context).is_pending());
                Poll::Ready(())
            };
            block_on(poll_fn(poll));
            waits
        });
        let waits = polled.join().unwrap();
        let pending = Arc::new(AtomicBool::new(false));
        let tells = pending.clone();
        let second = runtime(1);
        let ends = second.spawn(move || {
            let mut waits = waits;
            block_on(poll_fn(move |context| {
                let poll = waits.as_mut().poll(context);
                tells.store(true, Ordering::SeqCst);
                poll
            }))
        });
        eventually("it waits on the other runtime", || pending.load(Ordering::SeqCst));
        drop(first);
        peer.write_all(b"done").unwrap();
        assert_eq!(ends.join().unwrap(), b"done");
    }
    within(HUNG, || {
        test::<FuturesIo>();
        test::<TokioIo>();
        test::<Hyper>();
    });
}

#[test]
fn a_runtime_that_is_dropped_closes_what_its_futures_wait_for() {
    within(HUNG, || {
        let runtime = runtime(2);
        let waiting = Arc::new(AtomicUsize::new(0));
        let (streams, peers): (Vec<_>, Vec<_>) = (0..20).map(|_| mixed_pair()).unzip();
        for mut stream in streams {
            let waiting = waiting.clone();
            runtime.spawn(move || {
                block_on(async {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    let _ = read::<Hyper>(&mut stream, &mut [0; 8]).await;
                });
            });
        }
        eventually("all wait", || waiting.load(Ordering::SeqCst) == 20);
        drop(runtime);
        for mut peer in peers {
            assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

#[test]
fn one_coroutine_reads_by_blocking_while_another_writes_by_a_future() {
    with_runtimes(|runtime| {
        const LEN: usize = 1 << 20;
        let (stream, peer) = mixed_pair();
        let echoes = thread::spawn(move || echo(peer));
        let mut writer = stream.try_clone().unwrap();
        let stream = Arc::new(stream);
        let reader = stream.clone();
        let reads = runtime.spawn(move || {
            let mut bytes = vec![0; LEN];
            (&*reader).read_exact(&mut bytes).unwrap();
            bytes
        });
        let writes = runtime.spawn(move || {
            block_on(async {
                write_all::<TokioIo>(&mut writer, &pattern(LEN)).await.unwrap();
                close::<TokioIo>(&mut writer).await.unwrap();
            });
        });
        assert!(reads.join().unwrap() == pattern(LEN), "what came back differs");
        writes.join().unwrap();
        drop(stream);
        echoes.join().unwrap();
    });
}

#[test]
fn references_read_and_write_too() {
    everywhere(|| {
        let (stream, mut peer) = mixed_pair();
        let answers = thread::spawn(move || {
            let mut bytes = [0; 3];
            peer.read_exact(&mut bytes).unwrap();
            peer.write_all(&bytes).unwrap();
        });
        let (mut one, mut other) = (&stream, &stream);
        let mut byte = [0];
        block_on(async {
            let write = |c: &mut Context<'_>| {
                futures_io::AsyncWrite::poll_write(std::pin::Pin::new(&mut one), c, b"abc")
            };
            assert_eq!(poll_fn(write).await.unwrap(), 3);
            for expected in b"abc" {
                let read = |c: &mut Context<'_>| {
                    futures_io::AsyncRead::poll_read(std::pin::Pin::new(&mut other), c, &mut byte)
                };
                assert_eq!(poll_fn(read).await.unwrap(), 1);
                assert_eq!(byte[0], *expected);
            }
        });
        answers.join().unwrap();
    });
}

#[test]
fn many_connections_at_once() {
    const CONNECTIONS: usize = 200;
    fn test<F: Flavour>(runtime: &mco::runtime::Runtime) {
        let (listener, addr) = listener();
        let server = runtime.spawn(move || {
            coroutine::scope(|s| {
                for _ in 0..CONNECTIONS {
                    let (mut stream, _) = listener.accept().unwrap();
                    s.spawn(move || {
                        block_on(async {
                            let mut buf = [0; 64];
                            while let n @ 1.. = read::<F>(&mut stream, &mut buf).await.unwrap() {
                                write_all::<F>(&mut stream, &buf[..n]).await.unwrap();
                            }
                        });
                    });
                }
            });
        });
        let client = |number: usize| {
            runtime.spawn(move || {
                let mut stream = TcpStream::connect(addr).unwrap();
                block_on(async {
                    for round in 0..10 {
                        let text = format!("{number:4} {round:2}");
                        write_all::<F>(&mut stream, text.as_bytes()).await.unwrap();
                        let back = read_exact::<F>(&mut stream, text.len()).await;
                        assert_eq!(String::from_utf8(back).unwrap(), text);
                    }
                });
            })
        };
        let clients: Vec<_> = (0..CONNECTIONS).map(client).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap();
    }
    with_runtimes(|runtime| {
        test::<FuturesIo>(runtime);
        test::<TokioIo>(runtime);
        test::<Hyper>(runtime);
    });
}

#[test]
fn a_timeout_around_a_future_cuts_it_off() {
    everywhere(|| {
        let (mut stream, mut peer) = mixed_pair();
        let limit = Duration::from_millis(20);
        assert!(timeout(limit, || block_on(read::<Hyper>(&mut stream, &mut [0; 8]))).is_err());
        peer.write_all(b"later").unwrap();
        assert_eq!(block_on(read_exact::<Hyper>(&mut stream, 5)), b"later");
    });
}

#[test]
fn a_cancelled_coroutine_drops_its_future_and_the_stream() {
    with_runtimes(|runtime| {
        let (mut stream, mut peer) = mixed_pair();
        let waiting = Arc::new(AtomicBool::new(false));
        let tells = waiting.clone();
        let waits = runtime.spawn(move || {
            block_on(async {
                tells.store(true, Ordering::SeqCst);
                read::<TokioIo>(&mut stream, &mut [0; 8]).await.unwrap()
            })
        });
        eventually("it waits", || waiting.load(Ordering::SeqCst));
        waits.cancel();
        assert!(waits.join().unwrap_err().is::<Cancelled>());
        assert_eq!(peer.read(&mut [0; 8]).unwrap(), 0);
    });
}

/// A coroutine that has been cancelled finds its operations ready, and is not unwound out of them. How
/// often it polled a stream on which there is something to be read, a byte at a time.
pub(crate) fn polls_of_a_cancelled_coroutine<S>(runtime: &Runtime, mut stream: S) -> usize
where
    S: Traits + 'static,
{
    let begun = Arc::new(AtomicUsize::new(0));
    let ended = Arc::new(AtomicUsize::new(0));
    let (begins, ends) = (begun.clone(), ended.clone());
    let reads = runtime.spawn(move || {
        coroutine::current().cancel();
        block_on(async {
            loop {
                poll_fn(|context| {
                    begins.fetch_add(1, Ordering::SeqCst);
                    let poll = TokioIo::poll_read(&mut stream, context, &mut [0]);
                    ends.fetch_add(1, Ordering::SeqCst);
                    poll
                })
                .await
                .unwrap();
            }
        })
    });
    let payload: std::thread::Result<()> = reads.join();
    assert!(payload.unwrap_err().is::<Cancelled>());
    let polls = begun.load(Ordering::SeqCst);
    assert_eq!(ended.load(Ordering::SeqCst), polls, "a poll did not return");
    polls
}

#[test]
fn a_cancelled_coroutine_does_not_unwind_inside_a_poll() {
    with_runtimes(|runtime| {
        let (stream, mut peer) = mixed_pair();
        peer.write_all(&[7; 1000]).unwrap();
        let polls = polls_of_a_cancelled_coroutine(runtime, stream);
        assert!((100..=500).contains(&polls), "it goes on until its turn is over: {polls}");
    });
}

/// What is always ready lets the others run, and only between two polls.
#[test]
fn a_future_that_is_always_ready_lets_others_run_between_its_polls() {
    const BYTES: usize = 20_000;
    within(HUNG, || {
        let runtime = runtime(1);
        let (mut stream, mut peer) = mixed_pair();
        peer.write_all(&[7; BYTES]).unwrap();
        let inside = Arc::new(AtomicBool::new(false));
        let ended = Arc::new(AtomicBool::new(false));
        let (enters, ends) = (inside.clone(), ended.clone());
        let reads = runtime.spawn(move || {
            block_on(async {
                for _ in 0..BYTES {
                    poll_fn(|context| {
                        enters.store(true, Ordering::SeqCst);
                        let poll = Hyper::poll_read(&mut stream, context, &mut [0]);
                        enters.store(false, Ordering::SeqCst);
                        poll
                    })
                    .await
                    .unwrap();
                }
            });
            ends.store(true, Ordering::SeqCst);
        });
        let other = runtime.spawn(move || {
            let mut turns = 0;
            while !ended.load(Ordering::SeqCst) {
                assert!(!inside.load(Ordering::SeqCst), "it was switched inside a poll");
                turns += 1;
                coroutine::yield_now();
            }
            turns
        });
        reads.join().unwrap();
        let turns = other.join().unwrap();
        assert!(turns >= BYTES / 256, "the other had {turns} turns only");
    });
}

/// Who polls by itself, without `block_on`, gets on too.
#[test]
fn a_future_that_is_polled_by_hand_is_ready_in_the_end() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            let (mut stream, mut peer) = mixed_pair();
            peer.write_all(&[7; 1000]).unwrap();
            let mut context = Context::from_waker(std::task::Waker::noop());
            let mut reads = pin!(read_exact::<TokioIo>(&mut stream, 1000));
            let mut polls = 0;
            while reads.as_mut().poll(&mut context).is_pending() {
                polls += 1;
                assert!(polls < 1_000_000, "it is never ready");
            }
        });
    });
}
