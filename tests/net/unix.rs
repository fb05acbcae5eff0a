//! Unix sockets: std's methods and semantics, in coroutines and in threads.

#![allow(unsafe_code)]

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::net as std_net;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{fs, thread};

use mco::coroutine;
use mco::os::unix::net::{SocketAddr, UnixDatagram, UnixListener, UnixStream};
use mco::select;
use mco_tests::everywhere::{alone, assert_times_out_everywhere, everywhere};
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, child, eventually, process, runtime, sockets, with_runtimes, within};

/// A path for a socket, free now and at the end.
struct Place(PathBuf);

impl Place {
    fn new() -> Place {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mco-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::SeqCst));
        Place(std::env::temp_dir().join(name))
    }

    fn listen(&self) -> UnixListener {
        UnixListener::bind(&self.0).expect("a free path")
    }
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn pair() -> (UnixStream, UnixStream) {
    UnixStream::pair().expect("a pair")
}

/// The two ends of a connection: mco's and std's.
fn mixed_pair() -> (UnixStream, std_net::UnixStream) {
    let (one, other) = std_net::UnixStream::pair().expect("a pair");
    (UnixStream::try_from(one).expect("it becomes nonblocking"), other)
}

/// Writes until the next write would block.
fn fill(mut stream: &UnixStream) {
    stream.set_nonblocking(true).unwrap();
    while stream.write(&[7; 16 * 1024]).is_ok() {}
    stream.set_nonblocking(false).unwrap();
}

fn ask(stream: &mut (impl Read + Write), text: &[u8]) {
    stream.write_all(text).unwrap();
    let mut answer = vec![0; text.len()];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(answer, text);
}

// Streams.

#[test]
fn coroutines_and_threads_talk_to_a_server_of_coroutines() {
    with_runtimes(|runtime| {
        let place = Place::new();
        let listener = place.listen();
        runtime.spawn(move || {
            for stream in &listener {
                let stream = stream.unwrap();
                coroutine::spawn(move || sockets::echo(stream));
            }
        });
        let path = place.0.clone();
        let talk = move |n: u32| {
            let mut stream = UnixStream::connect(&path).unwrap();
            (0..20).for_each(|round| ask(&mut stream, format!("{n} says {round}").as_bytes()));
        };
        let coroutine = |n| {
            let talk = talk.clone();
            runtime.spawn(move || talk(n))
        };
        let thread = |n| {
            let talk = talk.clone();
            thread::spawn(move || talk(n))
        };
        let coroutines: Vec<_> = (0..30).map(coroutine).collect();
        let threads: Vec<_> = (30..34).map(thread).collect();
        coroutines.into_iter().for_each(|handle| handle.join().unwrap());
        threads.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn a_hundred_megabytes_arrive_unchanged_both_ways_at_once() {
    const PIECE: usize = 1 << 20;
    let pieces = if cfg!(debug_assertions) { 10 } else { 100 };
    let _alone = alone();
    for workers in [1, 2] {
        within(2 * HUNG, move || {
            let runtime = runtime(workers);
            let (near, far) = pair();
            let (near, far) = (Arc::new(near), Arc::new(far));
            let send = |stream: &Arc<UnixStream>| {
                let stream = stream.clone();
                runtime.spawn(move || {
                    let piece = sockets::pattern(PIECE);
                    (0..pieces).for_each(|_| (&*stream).write_all(&piece).unwrap());
                    stream.shutdown(Shutdown::Write).unwrap();
                })
            };
            let receive = |stream: &Arc<UnixStream>| {
                let stream = stream.clone();
                runtime.spawn(move || {
                    let (expected, mut piece) = (sockets::pattern(PIECE), vec![0; PIECE]);
                    for n in 0..pieces {
                        (&*stream).read_exact(&mut piece).unwrap();
                        assert!(piece == expected, "megabyte {n} is not what was sent");
                    }
                    assert_eq!((&*stream).read(&mut piece).unwrap(), 0);
                })
            };
            let all = [send(&near), send(&far), receive(&near), receive(&far)];
            all.into_iter().for_each(|handle| handle.join().unwrap());
        });
    }
}

#[test]
fn a_byte_at_a_time_arrives_in_order() {
    everywhere(|| {
        let (mut near, mut far) = pair();
        let sender = coroutine::spawn(move || {
            sockets::pattern(2_000).iter().for_each(|byte| near.write_all(&[*byte]).unwrap());
        });
        let mut received = Vec::new();
        far.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert!(received == sockets::pattern(2_000));
    });
}

#[test]
fn vectored_reads_and_writes_move_what_they_say() {
    everywhere(|| {
        let (mut near, mut far) = pair();
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
        let (mut near, mut far) = pair();
        let peeker = coroutine::spawn(move || {
            let mut seen = [0; 8];
            assert_eq!(far.peek(&mut seen).unwrap(), 3);
            assert_eq!(far.read(&mut seen).unwrap(), 3);
            assert_eq!(&seen[..3], b"abc");
        });
        coroutine::yield_now();
        near.write_all(b"abc").unwrap();
        peeker.join().unwrap();
    });
}

#[test]
fn half_closed_it_still_answers() {
    everywhere(|| {
        let (mut near, mut far) = pair();
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
        assert_eq!(near.write_all(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_shutdown_wakes_who_waits_on_the_same_socket() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (near, _far) = mixed_pair();
        let near = Arc::new(near);
        let reads = near.clone();
        let reader = start(&runtime, move || (&*reads).read(&mut [0; 8]));
        let writes = near.clone();
        let writer = start(&runtime, move || (&*writes).write_all(&[0; 4 << 20]));
        near.shutdown(Shutdown::Both).unwrap();
        assert_eq!(reader.join().unwrap().unwrap(), 0);
        assert_eq!(writer.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_peer_that_closes_with_unread_bytes_resets() {
    everywhere(|| {
        let (mut near, far) = pair();
        near.write_all(b"unread").unwrap();
        let reader = coroutine::spawn(move || near.read(&mut [0; 8]));
        drop(far);
        assert_eq!(reader.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn what_follows_passed_descriptors_is_read_too() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (mut near, mut far) = mixed_pair();
        let (begin, begun) = mpsc::channel();
        let reader = runtime.spawn(move || {
            // Registers the socket, so that what is remembered counts.
            near.read_exact(&mut [0]).unwrap();
            begin.send(()).unwrap();
            coroutine::park();
            let mut text = [0; 100];
            let mut n = 0;
            // The system ends each read where descriptors were passed.
            while n < 6 {
                n += near.read(&mut text[n..]).unwrap();
            }
            assert_eq!(&text[..6], b"abcdef");
        });
        far.write_all(b"x").unwrap();
        begun.recv().unwrap();
        send_with_descriptor(&far, b"abc");
        far.write_all(b"def").unwrap();
        reader.coroutine().unpark();
        reader.join().unwrap();
    });
}

/// Sends bytes together with a descriptor.
fn send_with_descriptor(stream: &std_net::UnixStream, bytes: &[u8]) {
    let fd = stream.as_raw_fd();
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut control = [0u64; 8];
    // SAFETY: all zero is a message of nothing.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    // SAFETY: the control buffer is large enough for one descriptor, and aligned; the message points
    // to what lives until the end.
    let sent = unsafe {
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header).cast::<i32>().write(fd);
        libc::sendmsg(fd, &raw const message, 0)
    };
    assert_eq!(sent, bytes.len() as isize, "sendmsg: {}", std::io::Error::last_os_error());
}

#[test]
fn reads_and_writes_time_out() {
    assert_times_out_everywhere(|limit| {
        let (mut near, _far) = mixed_pair();
        near.set_read_timeout(Some(limit))?;
        near.read(&mut [0; 8]).map(drop)
    });
    assert_times_out_everywhere(|limit| {
        let (near, _far) = mixed_pair();
        near.set_read_timeout(Some(limit))?;
        near.peek(&mut [0; 8]).map(drop)
    });
    assert_times_out_everywhere(|limit| {
        let (mut near, _far) = mixed_pair();
        fill(&near);
        near.set_write_timeout(Some(limit))?;
        near.write(&[0; 8]).map(drop)
    });
}

#[test]
fn a_cancelled_reader_takes_nothing() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (near, mut far) = mixed_pair();
        let near = Arc::new(near);
        let reads = near.clone();
        let handle = start(&runtime, move || (&*reads).read(&mut [0; 8]));
        handle.cancel();
        assert_cancelled(handle);
        far.write_all(b"x").unwrap();
        assert_eq!(runtime.run(|| (&*near).read(&mut [0; 8])).unwrap(), 1);
    });
}

#[test]
fn a_reader_and_a_writer_wait_on_one_socket() {
    everywhere(|| {
        let (near, mut far) = pair();
        let near = Arc::new(near);
        let (reads, writes) = (near.clone(), near);
        let reader = coroutine::spawn(move || {
            let mut text = [0; 5];
            (&*reads).read_exact(&mut text).unwrap();
            text
        });
        let writer = coroutine::spawn(move || (&*writes).write_all(&[7; 4 << 20]).unwrap());
        coroutine::yield_now();
        far.write_all(b"hello").unwrap();
        assert_eq!(&reader.join().unwrap(), b"hello");
        far.read_exact(&mut vec![0; 4 << 20]).unwrap();
        writer.join().unwrap();
    });
}

#[test]
fn a_clone_is_the_same_connection() {
    everywhere(|| {
        let (near, mut far) = pair();
        near.set_read_timeout(Some(Duration::from_secs(9))).unwrap();
        let mut clone = near.try_clone().unwrap();
        assert_eq!(clone.read_timeout().unwrap(), Some(Duration::from_secs(9)));
        drop(near);
        far.write_all(b"x").unwrap();
        assert_eq!(clone.read(&mut [0; 8]).unwrap(), 1);
        clone.set_nonblocking(true).unwrap();
        assert_eq!(clone.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(clone.take_error().unwrap().is_none());
    });
}

#[test]
fn streams_convert_from_and_into_stds_and_descriptors() {
    everywhere(|| {
        let (near, mut far) = pair();
        let raw = near.as_raw_fd();
        assert_eq!(near.as_fd().as_raw_fd(), raw);
        let std: std_net::UnixStream = near.try_into().unwrap();
        assert_eq!(std.as_raw_fd(), raw);
        std.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let start = Instant::now();
        assert_eq!((&std).read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= Duration::from_millis(15), "it does not block");
        let near = UnixStream::try_from(std).unwrap();
        let near = UnixStream::from(OwnedFd::from(near));
        let raw = near.into_raw_fd();
        // SAFETY: it has just been given away.
        let mut near = unsafe { UnixStream::from_raw_fd(raw) };
        far.write_all(b"x").unwrap();
        assert_eq!(near.read(&mut [0; 8]).unwrap(), 1);
    });
}

// Listeners.

#[test]
fn addresses_are_those_of_the_path() {
    everywhere(|| {
        let place = Place::new();
        let listener = place.listen();
        assert_eq!(listener.local_addr().unwrap().as_pathname(), Some(place.as_ref()));
        let addr = SocketAddr::from_pathname(&place).unwrap();
        let near = UnixStream::connect_addr(&addr).unwrap();
        assert_eq!(near.peer_addr().unwrap().as_pathname(), Some(place.as_ref()));
        assert!(near.local_addr().unwrap().is_unnamed());
        let (_far, from) = listener.accept().unwrap();
        assert!(from.is_unnamed());
        assert!(listener.take_error().unwrap().is_none());
        assert!(format!("{listener:?} {near:?}").contains("fd"));
    });
}

#[test]
fn a_path_in_use_is_told_with_a_remedy() {
    everywhere(|| {
        let place = Place::new();
        drop(place.listen());
        let error = UnixListener::bind(&place).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains("remove the file"), "{error}");
        assert_eq!(UnixStream::connect(&place).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let nowhere = Place::new();
        assert_eq!(UnixStream::connect(&nowhere).unwrap_err().kind(), ErrorKind::NotFound);
        let long = PathBuf::from("x".repeat(200));
        assert_eq!(UnixStream::connect(long).unwrap_err().kind(), ErrorKind::InvalidInput);
    });
}

/// A listener whose queue is full, of length 0.
fn full(place: &Place) -> (UnixListener, Vec<std_net::UnixStream>) {
    let listener = place.listen();
    // SAFETY: a valid descriptor of a listening socket; this only shortens its queue.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let waiting = vec![std_net::UnixStream::connect(place).unwrap()];
    (listener, waiting)
}

#[test]
fn connecting_waits_for_room_in_the_queue() {
    everywhere(|| {
        let place = Place::new();
        let (listener, _waiting) = full(&place);
        let path = place.0.clone();
        let client = coroutine::spawn(move || UnixStream::connect(path).unwrap().write_all(b"x"));
        (0..10).for_each(|_| coroutine::yield_now());
        assert!(!client.is_finished());
        let _first = listener.accept().unwrap();
        let (mut second, _) = listener.accept().unwrap();
        assert_eq!(second.read(&mut [0; 8]).unwrap(), 1);
        client.join().unwrap().unwrap();
    });
}

#[test]
fn a_cancelled_connect_ends() {
    within(HUNG, || {
        let runtime = runtime(1);
        let place = Place::new();
        let (_listener, _waiting) = full(&place);
        let path = place.0.clone();
        let handle = start(&runtime, move || UnixStream::connect(path).map(drop));
        handle.cancel();
        assert_cancelled(handle);
    });
}

#[test]
fn several_acceptors_share_a_listener_and_a_cancelled_one_takes_nothing() {
    with_runtimes(|runtime| {
        let place = Place::new();
        let listener = Arc::new(place.listen());
        let accept = |_| {
            let listener = listener.clone();
            runtime.spawn(move || listener.accept().map(drop))
        };
        let mut acceptors: Vec<_> = (0..5).map(accept).collect();
        let cancelled = acceptors.pop().unwrap();
        cancelled.cancel();
        assert_cancelled(cancelled);
        let _clients: Vec<_> = (0..4).map(|_| UnixStream::connect(&place).unwrap()).collect();
        acceptors.into_iter().for_each(|handle| handle.join().unwrap().unwrap());
    });
}

#[test]
fn a_clone_of_a_listener_accepts() {
    everywhere(|| {
        let place = Place::new();
        let listener = place.listen();
        let clone = listener.try_clone().unwrap();
        drop(listener);
        clone.set_nonblocking(true).unwrap();
        assert_eq!(clone.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
        clone.set_nonblocking(false).unwrap();
        let _client = UnixStream::connect(&place).unwrap();
        clone.incoming().next().unwrap().unwrap();
    });
}

#[test]
fn accepting_is_one_of_several_operations() {
    everywhere(|| {
        let place = Place::new();
        let listener = place.listen();
        let (tell, told) = mco::chan!(1);
        let none = select! {
            _ = listener.accept() => false,
            default => true,
        };
        assert!(none);
        // The other one comes first: the accept has taken nothing.
        tell.send(5).unwrap();
        let n = select! {
            c = listener.accept() => panic!("{c:?}"),
            v = told.recv() => v.unwrap(),
        };
        assert_eq!(n, 5);
        let path = place.0.clone();
        let client = coroutine::spawn(move || UnixStream::connect(path).unwrap());
        let (mut far, _) = select! {
            c = listener.accept() => c.unwrap(),
            v = told.recv() => panic!("{v:?}"),
        };
        client.join().unwrap().write_all(b"x").unwrap();
        assert_eq!(far.read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn out_of_descriptors_accept_waits_for_one() {
    child::pass(|| {
        let runtime = runtime(1);
        let place = Place::new();
        let listener = place.listen();
        let client = std_net::UnixStream::connect(&place).unwrap();
        let spare = fs::File::open("/dev/null").unwrap();
        process::leave_descriptors(0);
        let accepted = start(&runtime, move || listener.accept().map(drop));
        assert!(!accepted.is_finished());
        drop(spare);
        accepted.join().unwrap().unwrap();
        drop(client);
    });
}

// Datagrams.

#[test]
fn datagrams_keep_their_bounds_and_have_a_sender() {
    everywhere(|| {
        let (here, there) = (Place::new(), Place::new());
        let (near, far) = (UnixDatagram::bind(&here).unwrap(), UnixDatagram::bind(&there).unwrap());
        let receiver = coroutine::spawn(move || {
            let mut buffer = [0; 100];
            let (n, from) = far.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"hello");
            far.send_to_addr(b"back", &from).unwrap();
            far
        });
        assert_eq!(near.send_to(b"hello", &there).unwrap(), 5);
        let mut buffer = [0; 100];
        let (n, from) = near.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..n], from.as_pathname()), (&b"back"[..], Some(there.as_ref())));
        assert_eq!(near.local_addr().unwrap().as_pathname(), Some(here.as_ref()));
        let far = receiver.join().unwrap();
        near.connect(&there).unwrap();
        assert_eq!(near.peer_addr().unwrap().as_pathname(), Some(there.as_ref()));
        far.connect_addr(&SocketAddr::from_pathname(&here).unwrap()).unwrap();
        near.send(b"").unwrap();
        near.send(b"abc").unwrap();
        assert_eq!(far.recv(&mut buffer).unwrap(), 0);
        assert_eq!(far.peek(&mut buffer).unwrap(), 3);
        assert_eq!(far.recv(&mut buffer[..2]).unwrap(), 2);
        far.set_nonblocking(true).unwrap();
        assert_eq!(far.recv(&mut buffer).unwrap_err().kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn senders_wait_for_a_slow_receiver() {
    everywhere(|| {
        let there = Place::new();
        let far = UnixDatagram::bind(&there).unwrap();
        let path = there.0.clone();
        let elsewhere = coroutine::spawn(move || {
            let near = UnixDatagram::unbound().unwrap();
            (0..500u32).for_each(|n| assert_eq!(near.send_to(&n.to_ne_bytes(), &path).unwrap(), 4));
        });
        let path = there.0.clone();
        let connected = coroutine::spawn(move || {
            let near = UnixDatagram::unbound().unwrap();
            near.connect(&path).unwrap();
            (1_000..1_500u32).for_each(|n| assert_eq!(near.send(&n.to_ne_bytes()).unwrap(), 4));
        });
        (0..10).for_each(|_| coroutine::yield_now());
        let mut next = [0, 1_000];
        for _ in 0..1_000 {
            let mut piece = [0; 4];
            assert_eq!(far.recv(&mut piece).unwrap(), 4);
            let n = u32::from_ne_bytes(piece);
            let next = &mut next[usize::from(n >= 1_000)];
            assert_eq!(n, *next);
            *next += 1;
        }
        elsewhere.join().unwrap();
        connected.join().unwrap();
    });
}

#[test]
fn datagrams_time_out() {
    assert_times_out_everywhere(|limit| {
        let (near, _far) = UnixDatagram::pair()?;
        near.set_read_timeout(Some(limit))?;
        near.recv(&mut [0; 8]).map(drop)
    });
    // The pair is connected: the system reports when there is room.
    assert_times_out_everywhere(|limit| {
        let (near, _far) = UnixDatagram::pair()?;
        near.set_write_timeout(Some(limit))?;
        near.set_nonblocking(true)?;
        while near.send(b"x").is_ok() {}
        near.set_nonblocking(false)?;
        near.send(b"x").map(drop)
    });
    // And here it does not.
    assert_times_out_everywhere(|limit| {
        let there = Place::new();
        let (near, _far) = (UnixDatagram::unbound()?, UnixDatagram::bind(&there)?);
        near.set_write_timeout(Some(limit))?;
        near.set_nonblocking(true)?;
        while near.send_to(b"x", &there).is_ok() {}
        near.set_nonblocking(false)?;
        near.send_to(b"x", &there).map(drop)
    });
}

#[test]
fn a_datagram_peer_that_has_gone_is_told() {
    everywhere(|| {
        let (near, far) = UnixDatagram::pair().unwrap();
        drop(far);
        assert_eq!(near.send(b"x").unwrap_err().kind(), ErrorKind::ConnectionRefused);
        let (near, _far) = UnixDatagram::pair().unwrap();
        near.shutdown(Shutdown::Both).unwrap();
        assert_eq!(near.recv(&mut [0; 8]).unwrap(), 0);
    });
}

#[test]
fn a_cancelled_receiver_and_a_cancelled_sender_end() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (near, far) = UnixDatagram::pair().unwrap();
        let near = Arc::new(near);
        let receives = near.clone();
        let receiver = start(&runtime, move || receives.recv(&mut [0; 8]));
        let sent = Arc::new(AtomicUsize::new(0));
        let counts = sent.clone();
        let sender = start(&runtime, move || {
            loop {
                near.send(b"x").unwrap();
                counts.fetch_add(1, Ordering::SeqCst);
            }
        });
        for handle in [receiver, start(&runtime, || Ok(0))] {
            handle.cancel();
            drop(handle.join());
        }
        sender.cancel();
        assert_cancelled::<()>(sender);
        // As many as were sent.
        far.set_nonblocking(true).unwrap();
        let received = std::iter::from_fn(|| far.recv(&mut [0; 8]).ok()).count();
        assert_eq!(received, sent.load(Ordering::SeqCst));
    });
}

#[test]
fn datagram_sockets_convert_and_clone() {
    everywhere(|| {
        let (near, far) = UnixDatagram::pair().unwrap();
        let std: std_net::UnixDatagram = near.try_into().unwrap();
        let near = UnixDatagram::from(OwnedFd::from(UnixDatagram::try_from(std).unwrap()));
        let clone = near.try_clone().unwrap();
        far.send(b"x").unwrap();
        assert_eq!(clone.recv(&mut [0; 8]).unwrap(), 1);
        assert!(clone.take_error().unwrap().is_none());
    });
}

// All of them.

#[test]
fn many_connections_leave_no_descriptor() {
    let rounds = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
    child::pass(move || {
        let runtime = runtime(2);
        let place = Place::new();
        let listener = place.listen();
        runtime.spawn(move || {
            for stream in &listener {
                let stream = stream.unwrap();
                coroutine::spawn(move || sockets::echo(stream));
            }
        });
        let exchange = |n: usize| {
            let mut stream = UnixStream::connect(&place).unwrap();
            ask(&mut stream, &n.to_ne_bytes());
        };
        runtime.run(|| exchange(0));
        eventually("only the server is there", || runtime.metrics().live() == 1);
        let before = process::descriptors();
        runtime.run(|| (0..rounds).for_each(exchange));
        eventually("only the server is there", || runtime.metrics().live() == 1);
        assert_eq!(process::descriptors(), before);
    });
}
