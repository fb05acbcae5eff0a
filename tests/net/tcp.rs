//! TCP: std's methods and semantics, in coroutines and in threads.

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, IpAddr, Ipv4Addr, Shutdown, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine;
use mco::net::{TcpListener, TcpStream, ToSocketAddrs};
use mco::runtime::Runtime;
use mco_tests::everywhere::{alone, assert_times_out_everywhere, everywhere};
use mco_tests::{HUNG, child, eventually, process, runtime, sockets, with_runtimes, within};
use socket2::{Domain, Socket, Type};

/// Serves echoes on a runtime, one coroutine for each connection.
fn echo_server(runtime: &Runtime) -> SocketAddr {
    let (listener, addr) = sockets::listener();
    runtime.spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            coroutine::spawn(move || sockets::echo(stream));
        }
    });
    addr
}

/// Sends `text` and expects it back.
fn ask(stream: &mut (impl Read + Write), text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text);
}

// Echoes, everyone with everyone.

#[test]
fn coroutines_and_threads_talk_to_a_server_of_coroutines() {
    with_runtimes(|runtime| {
        let addr = echo_server(runtime);
        let talk = move |n: u32| {
            let mut stream = TcpStream::connect(addr).unwrap();
            for round in 0..20 {
                ask(&mut stream, format!("{n} says {round}").as_bytes());
            }
        };
        let coroutines: Vec<_> = (0..50).map(|n| runtime.spawn(move || talk(n))).collect();
        let threads: Vec<_> = (50..60).map(|n| thread::spawn(move || talk(n))).collect();
        coroutines.into_iter().for_each(|handle| handle.join().unwrap());
        threads.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn coroutines_talk_to_a_server_of_threads() {
    with_runtimes(|runtime| {
        let (listener, addr) = sockets::listener();
        let server = thread::spawn(move || {
            let serve = |_| {
                let (stream, _) = listener.accept().unwrap();
                thread::spawn(move || sockets::echo(stream))
            };
            (0..10).map(serve).collect::<Vec<_>>()
        });
        let talk = move || {
            let mut stream = TcpStream::connect(addr).unwrap();
            (0..50).for_each(|_| ask(&mut stream, b"hello"));
        };
        let clients: Vec<_> = (0..10).map(|_| runtime.spawn(talk)).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap().into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn stds_own_sockets_talk_to_a_server_of_coroutines() {
    with_runtimes(|runtime| {
        let addr = echo_server(runtime);
        let mut streams: Vec<_> = (0..20).map(|_| net::TcpStream::connect(addr).unwrap()).collect();
        for round in 0..20u8 {
            streams.iter_mut().for_each(|stream| ask(stream, &[round; 100]));
        }
    });
}

// Bytes.

#[test]
fn a_hundred_megabytes_arrive_unchanged() {
    const PIECE: usize = 1 << 20;
    let _alone = alone();
    for workers in [1, 2] {
        within(2 * HUNG, move || {
            let runtime = runtime(workers);
            let (mut near, mut far) = sockets::pair();
            let sender = runtime.spawn(move || {
                let piece = sockets::pattern(PIECE);
                (0..100).for_each(|_| near.write_all(&piece).unwrap());
            });
            let receiver = runtime.spawn(move || {
                let (expected, mut piece) = (sockets::pattern(PIECE), vec![0; PIECE]);
                for n in 0..100 {
                    far.read_exact(&mut piece).unwrap();
                    assert!(piece == expected, "megabyte {n} is not what was sent");
                }
                assert_eq!(far.read(&mut piece).unwrap(), 0);
            });
            sender.join().unwrap();
            receiver.join().unwrap();
        });
    }
}

#[test]
fn one_write_of_a_hundred_megabytes_arrives_in_a_thread() {
    let _alone = alone();
    within(2 * HUNG, || {
        let runtime = runtime(2);
        let (mut near, mut far) = sockets::mixed_pair();
        let data = Arc::new(sockets::pattern(100 << 20));
        let sent = data.clone();
        let sender = runtime.spawn(move || near.write_all(&sent).unwrap());
        let mut received = Vec::with_capacity(data.len());
        far.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert!(received == *data, "{} bytes, or others, arrived", received.len());
    });
}

#[test]
fn small_pieces_arrive_in_order() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        let sender = coroutine::spawn(move || {
            let data = sockets::pattern(50_000);
            let mut rest = &data[..];
            let mut size = 1;
            while !rest.is_empty() {
                let n = near.write(&rest[..size.min(rest.len())]).unwrap();
                rest = &rest[n..];
                size = size % 97 + 1;
            }
        });
        let mut received = Vec::<u8>::new();
        let mut piece = [0; 61];
        loop {
            match far.read(&mut piece).unwrap() {
                0 => break,
                n => received.extend(&piece[..n]),
            }
        }
        sender.join().unwrap();
        assert!(received == sockets::pattern(50_000));
    });
}

#[test]
fn vectored_reads_and_writes_move_what_they_say() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        let sent =
            near.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")]);
        assert_eq!(sent.unwrap(), 5);
        let (mut one, mut other) = ([0; 2], [0; 8]);
        let parts = &mut [IoSliceMut::new(&mut one), IoSliceMut::new(&mut other)];
        assert_eq!(far.read_vectored(parts).unwrap(), 5);
        assert_eq!((&one, &other[..3]), (b"ab", &b"cde"[..]));
    });
}

#[test]
fn peek_leaves_what_it_sees() {
    everywhere(|| {
        let (mut near, far) = sockets::pair();
        let peeker = coroutine::spawn(move || {
            let mut seen = [0; 8];
            // Waits for it.
            assert_eq!(far.peek(&mut seen).unwrap(), 3);
            assert_eq!(far.peek(&mut seen).unwrap(), 3);
            assert_eq!(&seen[..3], b"abc");
            let n = (&far).read(&mut seen).unwrap();
            assert_eq!(&seen[..n], b"abc");
        });
        coroutine::yield_now();
        near.write_all(b"abc").unwrap();
        peeker.join().unwrap();
    });
}

#[test]
fn reads_and_writes_of_nothing_return_at_once() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        far.write_all(b"x").unwrap();
        // So that what is remembered says that a read would block.
        near.read_exact(&mut [0]).unwrap();
        near.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        assert_eq!(near.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        near.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(near.read(&mut []).expect("as std's"), 0);
        sockets::fill(&near);
        near.set_write_timeout(Some(Duration::from_secs(5))).unwrap();
        assert_eq!(near.write(&[]).expect("as std's"), 0);
    });
}

#[test]
fn what_was_sent_before_the_close_is_read_to_its_end() {
    everywhere(|| {
        for len in [0, 1, 1000, 200_000] {
            let (mut near, mut far) = sockets::pair();
            let sender = coroutine::spawn(move || near.write_all(&sockets::pattern(len)).unwrap());
            let mut received = Vec::new();
            far.read_to_end(&mut received).unwrap();
            sender.join().unwrap();
            assert!(received == sockets::pattern(len));
            // And stays at its end.
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
            assert_eq!(far.read(&mut [0; 8]).unwrap(), 0);
        }
    });
}

// Ends.

#[test]
fn half_closed_it_still_answers() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        let answer = coroutine::spawn(move || {
            let mut question = String::new();
            far.read_to_string(&mut question).unwrap();
            far.write_all(question.to_uppercase().as_bytes()).unwrap();
        });
        near.write_all(b"question").unwrap();
        near.shutdown(Shutdown::Write).unwrap();
        let mut text = String::new();
        near.read_to_string(&mut text).unwrap();
        answer.join().unwrap();
        assert_eq!(text, "QUESTION");
        assert!(near.write_all(b"more").is_err());
    });
}

#[test]
fn a_shutdown_wakes_the_reader_of_the_same_socket() {
    with_runtimes(|runtime| {
        for how in [Shutdown::Read, Shutdown::Both] {
            let (near, _far) = sockets::mixed_pair();
            let near = Arc::new(near);
            let reader = near.clone();
            let (enter, entered) = mpsc::channel();
            let handle = runtime.spawn(move || {
                enter.send(()).unwrap();
                (&*reader).read(&mut [0; 8])
            });
            entered.recv().unwrap();
            coroutine::sleep(Duration::from_millis(2));
            near.shutdown(how).unwrap();
            assert_eq!(handle.join().unwrap().unwrap(), 0);
        }
    });
}

#[test]
fn a_shutdown_wakes_the_writer_of_the_same_socket() {
    with_runtimes(|runtime| {
        let (near, _far) = sockets::mixed_pair();
        let near = Arc::new(near);
        let writer = near.clone();
        let (enter, entered) = mpsc::channel();
        let handle = runtime.spawn(move || {
            sockets::fill(&writer);
            enter.send(()).unwrap();
            (&*writer).write_all(&[0; 64 << 10])
        });
        entered.recv().unwrap();
        coroutine::sleep(Duration::from_millis(2));
        near.shutdown(Shutdown::Write).unwrap();
        assert_eq!(handle.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_reset_by_the_peer_is_told() {
    everywhere(|| {
        let (mut near, far) = sockets::pair();
        let reader = coroutine::spawn(move || {
            near.write_all(b"unread").unwrap();
            near.read(&mut [0; 8])
        });
        // What is closed with unread bytes resets its connection.
        far.peek(&mut [0; 1]).unwrap();
        drop(far);
        let kind = reader.join().unwrap().unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_reset_wakes_a_writer_that_waits() {
    with_runtimes(|runtime| {
        let (near, mut far) = sockets::mixed_pair();
        let (enter, entered) = mpsc::channel();
        let writer = runtime.spawn(move || {
            let filled = sockets::fill(&near);
            enter.send(()).unwrap();
            let error = (&near).write_all(&vec![0; 64 << 20]).unwrap_err();
            (filled, error.kind())
        });
        entered.recv().unwrap();
        far.read_exact(&mut [0; 100]).unwrap();
        drop(far);
        let (_, kind) = writer.join().unwrap();
        assert!(matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{kind:?}");
    });
}

#[test]
fn writing_to_who_has_gone_is_an_error_and_no_signal() {
    everywhere(|| {
        let (mut near, far) = sockets::pair();
        drop(far);
        let start = Instant::now();
        let error = loop {
            if let Err(error) = near.write_all(&[0; 1024]) {
                break error;
            }
            assert!(start.elapsed() < HUNG, "no error comes");
        };
        assert!(
            matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset),
            "{error}"
        );
    });
}

// Times.

#[test]
fn a_read_times_out() {
    assert_times_out_everywhere(|limit| {
        let (mut near, _far) = sockets::mixed_pair();
        near.set_read_timeout(Some(limit))?;
        near.read(&mut [0; 8]).map(drop)
    });
}

#[test]
fn a_peek_times_out() {
    assert_times_out_everywhere(|limit| {
        let (near, _far) = sockets::mixed_pair();
        near.set_read_timeout(Some(limit))?;
        near.peek(&mut [0; 8]).map(drop)
    });
}

#[test]
fn a_write_times_out() {
    assert_times_out_everywhere(|limit| {
        let (mut near, _far) = sockets::mixed_pair();
        sockets::fill(&near);
        near.set_write_timeout(Some(limit))?;
        near.write(&[0; 8]).map(drop)
    });
}

#[test]
fn a_connect_times_out() {
    let full = Arc::new(sockets::FullListener::new());
    assert_times_out_everywhere(move |limit| {
        TcpStream::connect_timeout(&full.addr(), limit).map(drop)
    });
}

#[test]
fn the_message_of_a_timeout_says_what_to_do() {
    everywhere(|| {
        let (mut near, _far) = sockets::mixed_pair();
        near.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        let text = near.read(&mut [0]).unwrap_err().to_string();
        assert!(text.contains("timed out") && text.contains("set_read_timeout"), "{text}");
        let full = sockets::FullListener::new();
        let error = TcpStream::connect_timeout(&full.addr(), Duration::from_millis(1)).unwrap_err();
        assert!(error.to_string().contains(&full.addr().to_string()), "{error}");
    });
}

#[test]
fn after_a_timeout_the_connection_is_as_before() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        near.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
        for n in 0..20 {
            assert_eq!(near.read(&mut [0]).unwrap_err().kind(), ErrorKind::TimedOut);
            far.write_all(&[n]).unwrap();
            let mut byte = [0];
            near.set_read_timeout(None).unwrap();
            near.read_exact(&mut byte).unwrap();
            near.set_read_timeout(Some(Duration::from_millis(1))).unwrap();
            assert_eq!(byte, [n]);
        }
    });
}

#[test]
fn a_timeout_does_not_cut_off_what_comes_in_time() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        near.set_read_timeout(Some(HUNG)).unwrap();
        let sender = coroutine::spawn(move || {
            coroutine::sleep(Duration::from_millis(3));
            far.write_all(b"in time").unwrap();
        });
        near.read_exact(&mut [0; 7]).unwrap();
        sender.join().unwrap();
    });
}

#[test]
fn timeouts_are_kept_and_zero_is_refused() {
    everywhere(|| {
        let (near, _far) = sockets::mixed_pair();
        assert_eq!((near.read_timeout().unwrap(), near.write_timeout().unwrap()), (None, None));
        near.set_read_timeout(Some(Duration::from_secs(1))).unwrap();
        near.set_write_timeout(Some(Duration::from_secs(2))).unwrap();
        assert_eq!(near.read_timeout().unwrap(), Some(Duration::from_secs(1)));
        assert_eq!(near.write_timeout().unwrap(), Some(Duration::from_secs(2)));
        for outcome in [
            near.set_read_timeout(Some(Duration::ZERO)),
            near.set_write_timeout(Some(Duration::ZERO)),
        ] {
            assert_eq!(outcome.unwrap_err().kind(), ErrorKind::InvalidInput);
        }
        near.set_read_timeout(Some(Duration::MAX)).unwrap();
        near.set_read_timeout(None).unwrap();
        assert_eq!(near.read_timeout().unwrap(), None);
        let refused = TcpStream::connect_timeout(&near.peer_addr().unwrap(), Duration::ZERO);
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

// Several at one socket.

#[test]
fn a_reader_and_a_writer_share_a_socket() {
    const LEN: usize = 4 << 20;
    with_runtimes(|runtime| {
        let (near, far) = sockets::pair();
        let (near, far) = (Arc::new(near), Arc::new(far));
        let write = |stream: Arc<TcpStream>| {
            runtime.spawn(move || {
                (&*stream).write_all(&sockets::pattern(LEN)).unwrap();
                stream.shutdown(Shutdown::Write).unwrap();
            })
        };
        let read = |stream: Arc<TcpStream>| {
            runtime.spawn(move || {
                let mut received = Vec::new();
                (&*stream).read_to_end(&mut received).unwrap();
                assert!(received == sockets::pattern(LEN));
            })
        };
        let handles = [write(near.clone()), read(near), write(far.clone()), read(far)];
        handles.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn a_reader_waits_while_a_writer_waits_on_one_socket() {
    with_runtimes(|runtime| {
        let (near, mut far) = sockets::mixed_pair();
        sockets::fill(&near);
        let near = Arc::new(near);
        let (reader, writer) = (near.clone(), near.clone());
        let read = runtime.spawn(move || (&*reader).read_exact(&mut [0; 3]).unwrap());
        let write = runtime.spawn(move || (&*writer).write_all(&[1; 1 << 20]).unwrap());
        coroutine::sleep(Duration::from_millis(2));
        // The read goes on although the write cannot.
        far.write_all(b"abc").unwrap();
        read.join().unwrap();
        assert!(!write.is_finished());
        let drain = thread::spawn(move || {
            let mut piece = vec![0; 64 << 10];
            while far.read(&mut piece).unwrap() > 0 {}
        });
        write.join().unwrap();
        drop(near);
        drain.join().unwrap();
    });
}

#[test]
fn several_acceptors_share_a_listener() {
    with_runtimes(|runtime| {
        let (listener, addr) = sockets::listener();
        let listener = Arc::new(listener);
        let served = Arc::new(AtomicUsize::new(0));
        let accept = |_| {
            let (listener, served) = (listener.clone(), served.clone());
            move || {
                loop {
                    let (mut stream, _) = listener.accept().unwrap();
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    if byte == [0] {
                        return;
                    }
                    served.fetch_add(1, Ordering::SeqCst);
                }
            }
        };
        let coroutines: Vec<_> = (0..4).map(|n| runtime.spawn(accept(n))).collect();
        let threads: Vec<_> = (0..2).map(|n| thread::spawn(accept(n))).collect();
        let send = |byte| net::TcpStream::connect(addr).unwrap().write_all(&[byte]).unwrap();
        (0..200).for_each(|_| send(1));
        eventually("all are served", || served.load(Ordering::SeqCst) == 200);
        // One for each acceptor.
        (0..6).for_each(|_| send(0));
        coroutines.into_iter().for_each(|handle| handle.join().unwrap());
        threads.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn several_readers_take_turns_at_one_socket() {
    with_runtimes(|runtime| {
        let (near, mut far) = sockets::mixed_pair();
        let near = Arc::new(near);
        let sum = Arc::new(AtomicUsize::new(0));
        let read = |_| {
            let (near, sum) = (near.clone(), sum.clone());
            runtime.spawn(move || {
                let mut piece = [0; 7];
                loop {
                    match (&*near).read(&mut piece).unwrap() {
                        0 => return,
                        n => sum.fetch_add(
                            piece[..n].iter().map(|b| usize::from(*b)).sum(),
                            Ordering::SeqCst,
                        ),
                    };
                }
            })
        };
        let readers: Vec<_> = (0..8).map(read).collect();
        let mut expected = 0;
        for n in 0..2_000usize {
            let len = n % 23 + 1;
            far.write_all(&vec![3; len]).unwrap();
            expected += 3 * len;
        }
        drop(far);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(sum.load(Ordering::SeqCst), expected);
    });
}

#[test]
fn a_coroutine_and_a_thread_read_from_one_socket() {
    with_runtimes(|runtime| {
        let (near, mut far) = sockets::mixed_pair();
        let near = Arc::new(near);
        let sum = Arc::new(AtomicUsize::new(0));
        let read = || {
            let (near, sum) = (near.clone(), sum.clone());
            move || {
                let mut piece = [0; 16];
                loop {
                    match (&*near).read(&mut piece).unwrap() {
                        0 => return,
                        n => sum.fetch_add(n, Ordering::SeqCst),
                    };
                }
            }
        };
        let (coroutine, thread) = (runtime.spawn(read()), thread::spawn(read()));
        for _ in 0..500 {
            far.write_all(&[1; 10]).unwrap();
            thread::yield_now();
        }
        drop(far);
        coroutine.join().unwrap();
        thread.join().unwrap();
        assert_eq!(sum.load(Ordering::SeqCst), 5_000);
    });
}

#[test]
fn coroutines_of_different_workers_use_one_socket_in_turn() {
    within(HUNG, || {
        // Each of its own runtime, so that they are on different threads for certain.
        let runtimes = [runtime(1), runtime(1), runtime(1)];
        let (near, mut far) = sockets::mixed_pair();
        let near = Arc::new(near);
        for n in 0..300u32 {
            let stream = near.clone();
            let handle = runtimes[n as usize % 3].spawn(move || {
                let mut piece = [0; 4];
                (&*stream).read_exact(&mut piece).unwrap();
                (&*stream).write_all(&piece).unwrap();
                u32::from_ne_bytes(piece)
            });
            // Sometimes it is there before it is asked for, sometimes after.
            if n.is_multiple_of(2) {
                thread::yield_now();
            }
            ask(&mut far, &n.to_ne_bytes());
            assert_eq!(handle.join().unwrap(), n);
        }
    });
}

#[test]
fn a_socket_that_has_waited_on_one_worker_moves_to_another() {
    within(HUNG, || {
        let (one, other) = (runtime(1), runtime(1));
        let (mut near, mut far) = sockets::mixed_pair();
        for round in 0..100u8 {
            let runtime = if round.is_multiple_of(2) { &one } else { &other };
            let handle = runtime.spawn(move || {
                let mut byte = [0];
                near.read_exact(&mut byte).unwrap();
                (near, byte)
            });
            coroutine::yield_now();
            far.write_all(&[round]).unwrap();
            let (back, byte) = handle.join().unwrap();
            assert_eq!(byte, [round]);
            near = back;
        }
    });
}

#[test]
fn a_socket_outlives_the_runtime_on_which_it_first_waited() {
    within(HUNG, || {
        let (mut near, mut far) = sockets::mixed_pair();
        for round in 0..3u8 {
            let runtime = runtime(1);
            let handle = runtime.spawn(move || {
                let mut byte = [0];
                near.read_exact(&mut byte).unwrap();
                (near, byte)
            });
            eventually("it waits", || runtime.metrics().live() == 1);
            coroutine::sleep(Duration::from_millis(2));
            far.write_all(&[round]).unwrap();
            let (back, byte) = handle.join().unwrap();
            assert_eq!(byte, [round]);
            near = back;
        }
    });
}

#[test]
fn a_listener_outlives_the_runtime_on_which_it_first_waited() {
    within(HUNG, || {
        let (listener, addr) = sockets::listener();
        let listener = Arc::new(listener);
        for _ in 0..3 {
            let runtime = runtime(1);
            let accepts = listener.clone();
            let handle = runtime.spawn(move || accepts.accept().unwrap().1);
            eventually("it waits", || runtime.metrics().live() == 1);
            coroutine::sleep(Duration::from_millis(2));
            let client = net::TcpStream::connect(addr).unwrap();
            assert_eq!(handle.join().unwrap(), client.local_addr().unwrap());
        }
    });
}

// Connecting and listening.

#[test]
fn a_refused_connection_is_told() {
    everywhere(|| {
        let closed = sockets::listener().1;
        assert_eq!(TcpStream::connect(closed).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let error = TcpStream::connect_timeout(&closed, HUNG).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn of_several_addresses_the_first_that_answers_is_taken() {
    everywhere(|| {
        // Nobody listens there, and nobody else can take it.
        let taken = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        taken.bind(&sockets::ANY.parse::<SocketAddr>().unwrap().into()).unwrap();
        let closed = taken.local_addr().unwrap().as_socket().unwrap();
        let (listener, open) = sockets::listener();
        let stream = TcpStream::connect(&[closed, open][..]).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open);
        assert_eq!(listener.accept().unwrap().1, stream.local_addr().unwrap());
        let error = TcpStream::connect(&[closed, closed][..]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(
            TcpStream::connect(&[][..] as &[SocketAddr]).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn connect_timeout_connects() {
    everywhere(|| {
        let (listener, addr) = sockets::listener();
        let mut stream = TcpStream::connect_timeout(&addr, HUNG).unwrap();
        let (peer, _) = listener.accept().unwrap();
        let echo = coroutine::spawn(move || sockets::echo(peer));
        ask(&mut stream, b"x");
        drop(stream);
        echo.join().unwrap();
    });
}

#[test]
fn names_are_looked_up() {
    everywhere(|| {
        let (listener, addr) = sockets::listener();
        let stream = TcpStream::connect(("localhost", addr.port())).unwrap();
        assert_eq!(stream.peer_addr().unwrap(), addr);
        let text = format!("localhost:{}", addr.port());
        let all: Vec<_> = text.to_socket_addrs().unwrap().collect();
        assert!(all.contains(&addr), "{all:?}");
        drop(listener);
        for wrong in ["localhost", "127.0.0.1", "", "localhost:99999"] {
            assert_eq!(
                TcpStream::connect(wrong).unwrap_err().kind(),
                ErrorKind::InvalidInput,
                "{wrong}"
            );
        }
        assert!(TcpStream::connect("no-such-host.invalid:80").is_err());
    });
}

#[test]
fn addresses_of_all_types_are_taken() {
    everywhere(|| {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let (listener, addr) = sockets::listener();
        let port = addr.port();
        let SocketAddr::V4(v4) = addr else { panic!("an IPv4 address") };
        let streams = [
            TcpStream::connect(addr),
            TcpStream::connect(v4),
            TcpStream::connect((ip, port)),
            TcpStream::connect((Ipv4Addr::LOCALHOST, port)),
            TcpStream::connect(("127.0.0.1", port)),
            TcpStream::connect((String::from("127.0.0.1"), port)),
            TcpStream::connect(format!("127.0.0.1:{port}")),
            TcpStream::connect(&*format!("127.0.0.1:{port}")),
        ];
        for stream in streams {
            assert_eq!(listener.accept().unwrap().1, stream.unwrap().local_addr().unwrap());
        }
    });
}

#[test]
fn an_address_in_use_is_told_with_a_remedy() {
    everywhere(|| {
        let (_listener, addr) = sockets::listener();
        let error = TcpListener::bind(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let text = error.to_string();
        assert!(text.contains(&addr.to_string()) && text.contains("another port"), "{text}");
    });
}

#[test]
fn an_address_of_another_machine_is_told_with_a_remedy() {
    everywhere(|| {
        // Reserved for documentation.
        let error = TcpListener::bind("192.0.2.1:0").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
    });
}

#[test]
fn a_burst_of_connections_is_accepted() {
    with_runtimes(|runtime| {
        let addr = echo_server(runtime);
        let connect = |_| runtime.spawn(move || TcpStream::connect(addr).unwrap());
        let streams: Vec<_> = (0..500).map(connect).collect();
        let streams: Vec<_> = streams.into_iter().map(|stream| stream.join().unwrap()).collect();
        for mut stream in streams {
            ask(&mut stream, b"hello");
        }
    });
}

#[test]
fn ten_thousand_connections_leave_no_descriptor() {
    child::Child::new()
        .limit(Duration::from_secs(300))
        .run(|| {
            let runtime = runtime(2);
            let addr = echo_server(&runtime);
            let talk = move || ask(&mut TcpStream::connect(addr).unwrap(), b"hello");
            runtime.run(talk);
            let settled = || runtime.metrics().live() == 1;
            eventually("the first has ended", settled);
            let before = process::descriptors();
            for _ in 0..100 {
                // Half of the clients are threads, which register with nobody.
                let clients: Vec<_> = (0..50).map(|_| runtime.spawn(talk)).collect();
                (0..50).for_each(|_| talk());
                clients.into_iter().for_each(|client| client.join().unwrap());
            }
            eventually("the last has ended", settled);
            assert_eq!(process::descriptors(), before);
        })
        .assert_success();
}

#[test]
fn out_of_descriptors_accept_says_so_and_serving_goes_on() {
    child::pass(|| {
        let runtime = runtime(2);
        let (listener, addr) = sockets::listener();
        let (tell, told) = mpsc::channel();
        runtime.spawn(move || {
            loop {
                match listener.accept() {
                    Ok((stream, _)) => drop(coroutine::spawn(move || sockets::echo(stream))),
                    Err(error) => tell.send(error).unwrap(),
                }
            }
        });
        let mut streams: Vec<_> = (0..10).map(|_| net::TcpStream::connect(addr).unwrap()).collect();
        streams.iter_mut().for_each(|stream| ask(stream, b"first"));
        // The clients have their half beforehand, and for the server's there is none.
        let socket = |_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let clients: Vec<_> = (0..3).map(socket).collect();
        process::leave_descriptors(0);
        let connect = |socket: Socket| {
            socket.connect(&addr.into()).unwrap();
            net::TcpStream::from(socket)
        };
        let mut waiting: Vec<_> = clients.into_iter().map(connect).collect();

        let error = told.recv_timeout(HUNG).expect("an error");
        let text = error.to_string();
        assert!(text.contains("cannot accept") && text.contains("ulimit -n"), "{text}");
        // Those who are connected are served all the while.
        streams.iter_mut().for_each(|stream| ask(stream, b"meanwhile"));
        // As soon as there is room, so are those in the queue.
        streams.truncate(5);
        waiting.iter_mut().for_each(|stream| ask(stream, b"at last"));
    });
}

#[test]
fn out_of_descriptors_connect_and_bind_say_so() {
    child::pass(|| {
        let runtime = runtime(1);
        let (_listener, addr) = sockets::listener();
        runtime.run(|| ());
        let spare = sockets::listener();
        process::leave_descriptors(0);
        let (connect, bind) =
            runtime.run(|| (TcpStream::connect(addr), TcpListener::bind(sockets::ANY)));
        for error in [connect.err(), bind.err()] {
            let text = error.expect("no descriptor is left").to_string();
            assert!(text.contains("Too many open files"), "{text}");
        }
        drop(spare);
        assert!(runtime.run(|| TcpStream::connect(addr)).is_ok());
    });
}

// Handles and modes.

#[test]
fn a_clone_is_the_same_connection() {
    everywhere(|| {
        let (mut near, far) = sockets::pair();
        let (mut one, mut other) = (far.try_clone().unwrap(), far);
        assert_eq!(one.peer_addr().unwrap(), other.peer_addr().unwrap());
        near.write_all(b"ab").unwrap();
        let (mut a, mut b) = ([0], [0]);
        one.read_exact(&mut a).unwrap();
        other.read_exact(&mut b).unwrap();
        assert_eq!((a, b), ([b'a'], [b'b']));
        // It stays open until both are gone.
        drop(one);
        other.write_all(b"c").unwrap();
        near.read_exact(&mut a).unwrap();
        drop(other);
        assert_eq!(near.read(&mut a).unwrap(), 0);
    });
}

#[test]
fn clones_wait_at_the_same_time() {
    with_runtimes(|runtime| {
        let (near, mut far) = sockets::mixed_pair();
        let clones: Vec<_> = (0..4).map(|_| near.try_clone().unwrap()).collect();
        let read = |mut stream: TcpStream| runtime.spawn(move || stream.read(&mut [0]).unwrap());
        let readers: Vec<_> = clones.into_iter().map(read).collect();
        coroutine::sleep(Duration::from_millis(2));
        for _ in 0..4 {
            far.write_all(b"x").unwrap();
        }
        assert!(readers.into_iter().all(|reader| reader.join().unwrap() == 1));
    });
}

#[test]
fn a_clone_keeps_the_timeouts_and_has_its_own_from_then_on() {
    everywhere(|| {
        let (near, _far) = sockets::mixed_pair();
        near.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let clone = near.try_clone().unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(Duration::from_secs(5)));
        clone.set_read_timeout(None).unwrap();
        assert_eq!(near.read_timeout().unwrap(), Some(Duration::from_secs(5)));
    });
}

#[test]
fn a_clone_of_a_listener_accepts() {
    everywhere(|| {
        let (listener, addr) = sockets::listener();
        let clone = listener.try_clone().unwrap();
        drop(listener);
        let accept = coroutine::spawn(move || clone.accept().unwrap().1);
        let client = TcpStream::connect(addr).unwrap();
        assert_eq!(accept.join().unwrap(), client.local_addr().unwrap());
    });
}

#[test]
fn nonblocking_operations_say_that_they_would_block() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        near.set_nonblocking(true).unwrap();
        let would_block = |stream: &mut TcpStream| {
            let kind = stream.read(&mut [0; 8]).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::WouldBlock);
            let kind = stream.peek(&mut [0; 8]).unwrap_err().kind();
            assert_eq!(kind, ErrorKind::WouldBlock);
        };
        would_block(&mut near);
        far.write_all(b"x").unwrap();
        near.set_nonblocking(false).unwrap();
        near.read_exact(&mut [0]).unwrap();
        near.set_nonblocking(true).unwrap();
        would_block(&mut near);
        far.write_all(b"y").unwrap();
        eventually("it arrives", || near.read(&mut [0]).is_ok_and(|n| n == 1));

        let (listener, addr) = sockets::listener();
        listener.set_nonblocking(true).unwrap();
        assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        let _client = TcpStream::connect(addr).unwrap();
        eventually("it arrives", || listener.accept().is_ok());
    });
}

#[test]
fn sockets_convert_from_and_into_stds() {
    everywhere(|| {
        let (mut one, other) = sockets::std_pair();
        let mut ours = TcpStream::try_from(other).unwrap();
        // One that has waited, and is registered.
        let reader = coroutine::spawn(move || {
            ours.read_exact(&mut [0]).unwrap();
            ours
        });
        coroutine::yield_now();
        one.write_all(b"x").unwrap();
        let ours = reader.join().unwrap();
        let addr = ours.local_addr().unwrap();
        let mut theirs = net::TcpStream::try_from(ours).unwrap();
        assert_eq!(theirs.local_addr().unwrap(), addr);
        // It blocks again.
        let writer = thread::spawn(move || {
            thread::sleep(Duration::from_millis(2));
            one.write_all(b"y").unwrap();
        });
        theirs.read_exact(&mut [0]).unwrap();
        writer.join().unwrap();
        // And back.
        let mut ours = TcpStream::try_from(theirs).unwrap();
        assert_eq!(ours.read(&mut [0]).unwrap(), 0);

        let theirs = net::TcpListener::bind(sockets::ANY).unwrap();
        let addr = theirs.local_addr().unwrap();
        let ours = TcpListener::try_from(theirs).unwrap();
        let accept = coroutine::spawn(move || {
            ours.accept().unwrap();
            ours
        });
        let _client = TcpStream::connect(addr).unwrap();
        let theirs = net::TcpListener::try_from(accept.join().unwrap()).unwrap();
        let _client = TcpStream::connect(addr).unwrap();
        theirs.accept().unwrap();
    });
}

#[test]
fn sockets_give_their_descriptors() {
    everywhere(|| {
        let (near, far) = sockets::pair();
        assert_eq!(near.as_raw_fd(), near.as_fd().as_raw_fd());
        let owned: OwnedFd = near.into();
        let mut std_stream = net::TcpStream::from(owned);
        std_stream.set_nonblocking(false).unwrap();
        std_stream.write_all(b"x").unwrap();
        let mut far = far;
        far.read_exact(&mut [0]).unwrap();
        let raw = far.into_raw_fd();
        drop(close(raw));
        assert_eq!(std_stream.read(&mut [0]).unwrap(), 0);
        let (listener, _) = sockets::listener();
        assert!(listener.as_raw_fd() >= 0);
        drop(OwnedFd::from(listener));
    });
}

/// Takes a raw descriptor over.
#[allow(unsafe_code)]
fn close(raw: i32) -> OwnedFd {
    // SAFETY: it was given away just now, so nobody else owns it.
    unsafe { OwnedFd::from_raw_fd(raw) }
}

#[test]
fn options_are_kept() {
    everywhere(|| {
        let (near, _far) = sockets::pair();
        near.set_nodelay(true).unwrap();
        assert!(near.nodelay().unwrap());
        near.set_nodelay(false).unwrap();
        assert!(!near.nodelay().unwrap());
        near.set_ttl(42).unwrap();
        assert_eq!(near.ttl().unwrap(), 42);
        assert!(near.take_error().unwrap().is_none());
        let (listener, addr) = sockets::listener();
        listener.set_ttl(43).unwrap();
        assert_eq!(listener.ttl().unwrap(), 43);
        assert!(listener.take_error().unwrap().is_none());
        let debug = format!("{listener:?} {near:?}");
        assert!(debug.contains(&addr.port().to_string()), "{debug}");
    });
}

// Under load, and in odd moments.

#[test]
fn many_connections_exchange_at_once() {
    with_runtimes(|runtime| {
        let addr = echo_server(runtime);
        let talk = move |n: usize| {
            let mut stream = TcpStream::connect(addr).unwrap();
            for round in 0..20 {
                ask(&mut stream, &sockets::pattern(1 + (n * 31 + round * 977) % 5_000));
            }
        };
        let clients: Vec<_> = (0..200).map(|n| runtime.spawn(move || talk(n))).collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    });
}

#[test]
fn a_plain_thread_is_served_although_all_workers_are_held_up() {
    within(HUNG, || {
        // The sockets of threads do not pass through a worker's reactor.
        let runtime = runtime(1);
        let (held, holds) = mpsc::channel();
        let go_on = Arc::new(AtomicBool::new(false));
        let waits = go_on.clone();
        let holder = runtime.spawn(move || {
            held.send(()).unwrap();
            while !waits.load(Ordering::SeqCst) {
                thread::yield_now();
            }
        });
        holds.recv().unwrap();
        let (mut near, far) = sockets::pair();
        let echo = thread::spawn(move || sockets::echo(far));
        (0..100).for_each(|_| ask(&mut near, b"x"));
        drop(near);
        echo.join().unwrap();
        go_on.store(true, Ordering::SeqCst);
        holder.join().unwrap();
    });
}

#[test]
fn closing_while_another_descriptor_takes_the_number_confuses_nobody() {
    with_runtimes(|runtime| {
        runtime.run(|| {
            for n in 0..500u32 {
                let (mut near, mut far) = sockets::pair();
                let reader = coroutine::spawn(move || {
                    let mut piece = [0; 4];
                    near.read_exact(&mut piece).unwrap();
                    u32::from_ne_bytes(piece)
                });
                // The numbers of both ends are used again at once by the next round.
                coroutine::yield_now();
                far.write_all(&n.to_ne_bytes()).unwrap();
                drop(far);
                assert_eq!(reader.join().unwrap(), n);
            }
        });
    });
}

#[test]
fn a_read_that_is_answered_by_the_same_worker_later_is_woken() {
    // The waiter and its waker take turns on one thread, so each edge must be seen.
    within(HUNG, || {
        let runtime = runtime(1);
        runtime.run(|| {
            let (mut near, far) = sockets::pair();
            let echo = coroutine::spawn(move || sockets::echo(far));
            for n in 0..5_000u32 {
                ask(&mut near, &n.to_ne_bytes());
            }
            drop(near);
            echo.join().unwrap();
        });
    });
}
