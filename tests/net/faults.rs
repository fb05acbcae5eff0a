//! The same for TCP and Unix streams, with coroutines and threads at either end: both directions at
//! once; peers that close, reset, stall, and send a byte at a time; limits and cancels in the middle.
//!
//! `net`, `unix_sockets` and `udp` have what differs between them.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use mco::coroutine;
use mco::net::{TcpStream, UdpSocket};
use mco::os::unix::net::{UnixDatagram, UnixStream};
use mco::runtime::Runtime;
use mco_tests::peer::Kind;
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, runtime, sockets, with_runtimes, within};

/// A stream of either kind.
trait Stream: Send + Sync + Sized + 'static {
    fn pair() -> (Self, Self);
    fn reads(&self, buffer: &mut [u8]) -> io::Result<usize>;
    fn writes(&self, bytes: &[u8]) -> io::Result<usize>;
    fn shut(&self, how: Shutdown);
    fn limit(&self, limit: Option<Duration>);
    /// Closes it so that the other side sees a reset.
    fn reset(self, other: &Self);
}

macro_rules! stream {
    ($type:ty, $pair:expr, |$it:ident, $other:ident| $reset:expr) => {
        impl Stream for $type {
            fn pair() -> ($type, $type) {
                $pair
            }
            fn reads(&self, buffer: &mut [u8]) -> io::Result<usize> {
                let mut stream = self;
                stream.read(buffer)
            }
            fn writes(&self, bytes: &[u8]) -> io::Result<usize> {
                let mut stream = self;
                stream.write(bytes)
            }
            fn shut(&self, how: Shutdown) {
                self.shutdown(how).unwrap();
            }
            fn limit(&self, limit: Option<Duration>) {
                self.set_read_timeout(limit).unwrap();
                self.set_write_timeout(limit).unwrap();
            }
            fn reset(self, $other: &$type) {
                let $it = self;
                $reset
            }
        }
    };
}

stream!(TcpStream, sockets::pair(), |it, _other| {
    it.set_linger(Some(Duration::ZERO)).unwrap();
});
// What it leaves unread makes the close a reset.
stream!(UnixStream, UnixStream::pair().unwrap(), |it, other| {
    assert_eq!(other.writes(b"unread").unwrap(), 6);
    drop(it);
});

/// As `Read` and `Write`, by reference.
struct By<'a, S>(&'a S);

impl<S: Stream> Read for By<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.reads(buffer)
    }
}

impl<S: Stream> Write for By<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.writes(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `test` with each pairing of coroutines and threads at the two ends, on one and two workers.
fn pairings(test: impl Fn(&Runtime, Kind, Kind) + Clone + Send + 'static) {
    const KINDS: [Kind; 2] = [Kind::Coroutine, Kind::Thread];
    for workers in [1, 2] {
        for (near, far) in KINDS.into_iter().flat_map(|near| KINDS.map(|far| (near, far))) {
            // Shown only if the test fails.
            eprintln!("{near:?} and {far:?} on {workers} workers:");
            let test = test.clone();
            within(HUNG, move || test(&runtime(workers), near, far));
        }
    }
}

/// More than the buffers of a connection hold. Made once, for that takes its time.
static MUCH: LazyLock<Vec<u8>> = LazyLock::new(|| sockets::pattern(32 << 20));

// Both directions at once.

/// Each end has one who reads, to the end, and one who writes, all at once.
fn both_ways<S: Stream>(
    runtime: &Runtime,
    kinds: [Kind; 2],
    size: usize,
    read: fn(&S) -> Vec<u8>,
    write: fn(&S, &[u8]),
) {
    let (near, far) = S::pair();
    let mut peers = Vec::new();
    for (stream, kind) in [Arc::new(near), Arc::new(far)].into_iter().zip(kinds) {
        let reads = stream.clone();
        peers.push(kind.start(runtime, move || {
            let received = read(&reads);
            assert!(received == sockets::pattern(size), "{} bytes arrived", received.len());
        }));
        peers.push(kind.start(runtime, move || {
            write(&stream, &sockets::pattern(size));
            stream.shut(Shutdown::Write);
        }));
    }
    peers.into_iter().for_each(|peer| peer.join().unwrap());
}

fn both_directions<S: Stream>(runtime: &Runtime, near: Kind, far: Kind) {
    let read = |stream: &S| {
        let mut received = Vec::new();
        By(stream).read_to_end(&mut received).unwrap();
        received
    };
    let write = |stream: &S, bytes: &[u8]| By(stream).write_all(bytes).unwrap();
    both_ways(runtime, [near, far], 4_000_000, read, write);
}

#[test]
fn tcp_carries_both_directions_at_once() {
    pairings(both_directions::<TcpStream>);
}

#[test]
fn unix_streams_carry_both_directions_at_once() {
    pairings(both_directions::<UnixStream>);
}

// Peers that close.

fn closes_in_the_middle<S: Stream>(runtime: &Runtime, near_kind: Kind, far_kind: Kind) {
    let (near, far) = S::pair();
    let writer = far_kind.start(runtime, move || By(&far).write_all(&sockets::pattern(100_000)));
    let reader = near_kind.start(runtime, move || {
        let mut received = Vec::new();
        By(&near).read_to_end(&mut received).unwrap();
        assert!(received == sockets::pattern(100_000));
        // And it stays so.
        assert_eq!(near.reads(&mut [0]).unwrap(), 0);
        // What is written now finds nobody, at the second try at the latest.
        let outcome = (0..1_000).try_for_each(|_| {
            near.writes(b"x")?;
            coroutine::yield_now();
            Ok::<_, io::Error>(())
        });
        let kind = outcome.expect_err("nobody is there").kind();
        assert!(matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset), "{kind}");
    });
    writer.join().unwrap().unwrap();
    reader.join().unwrap();
}

#[test]
fn what_a_tcp_peer_sent_before_it_closed_arrives() {
    pairings(closes_in_the_middle::<TcpStream>);
}

#[test]
fn what_a_unix_peer_sent_before_it_closed_arrives() {
    pairings(closes_in_the_middle::<UnixStream>);
}

// Peers that reset.

fn resets<S: Stream>(runtime: &Runtime, near_kind: Kind, far_kind: Kind) {
    for _ in 0..20 {
        let (near, far) = S::pair();
        let near = Arc::new(near);
        let reads = near.clone();
        let reader = near_kind.start(runtime, move || reads.reads(&mut [0; 8]));
        far_kind.start(runtime, move || far.reset(&near)).join().unwrap();
        let error = reader.join().unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
    }
}

#[test]
fn a_reset_of_a_tcp_peer_is_told() {
    pairings(resets::<TcpStream>);
}

#[test]
fn a_reset_of_a_unix_peer_is_told() {
    pairings(resets::<UnixStream>);
}

// Peers that stall.

fn stalls<S: Stream>(runtime: &Runtime, near_kind: Kind, far_kind: Kind) {
    const LIMIT: Duration = Duration::from_millis(20);
    let (near, far) = S::pair();
    near.limit(Some(LIMIT));
    let near = near_kind.start(runtime, move || {
        let begin = Instant::now();
        let error = near.reads(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        let took = begin.elapsed();
        assert!(took >= LIMIT, "the read timed out after {took:?}");
        eprintln!("a read was {:?} late", took - LIMIT);

        // Nobody takes it, so at some time the buffers are full.
        let mut done = 0;
        let (begin, error) = loop {
            let begin = Instant::now();
            match near.writes(&MUCH[done..]) {
                Ok(count) => done += count,
                Err(error) => break (begin, error),
            }
        };
        assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
        let took = begin.elapsed();
        assert!(took >= LIMIT, "the write timed out after {took:?}");
        eprintln!("a write was {:?} late", took - LIMIT);
        (near, done)
    });
    let (near, done) = near.join().unwrap();
    // It is a connection as before: what was written is all there, and no more.
    near.limit(None);
    let far = far_kind.start(runtime, move || {
        let mut received = vec![0; done];
        By(&far).read_exact(&mut received).unwrap();
        assert!(received == MUCH[..done]);
        By(&far).write_all(b"here again").unwrap();
        let mut end = [0; 1];
        assert_eq!(far.reads(&mut end).unwrap(), 1);
        assert_eq!(&end, b"!");
    });
    let near = near_kind.start(runtime, move || {
        let mut answer = [0; 10];
        By(&near).read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"here again");
        By(&near).write_all(b"!").unwrap();
    });
    near.join().unwrap();
    far.join().unwrap();
}

#[test]
fn a_tcp_peer_that_stalls_costs_the_time_allowed_and_nothing_else() {
    pairings(stalls::<TcpStream>);
}

#[test]
fn a_unix_peer_that_stalls_costs_the_time_allowed_and_nothing_else() {
    pairings(stalls::<UnixStream>);
}

fn stalling_holds_up_nobody<S: Stream>(runtime: &Runtime) {
    // Servers that send without end to those who do not read..
    let stuck: Vec<_> = (0..20)
        .map(|_| {
            let (near, far) = S::pair();
            let server = runtime.spawn(move || while near.writes(&[7; 64 * 1024]).is_ok() {});
            (far, server)
        })
        .collect();
    // .. and one that answers.
    let (near, far) = S::pair();
    let server = runtime.spawn(move || {
        let mut buffer = [0; 4];
        while By(&near).read_exact(&mut buffer).is_ok() {
            By(&near).write_all(&buffer).unwrap();
        }
    });
    for n in 0..1_000u32 {
        By(&far).write_all(&n.to_le_bytes()).unwrap();
        let mut answer = [0; 4];
        By(&far).read_exact(&mut answer).unwrap();
        assert_eq!(u32::from_le_bytes(answer), n);
    }
    drop(far);
    server.join().unwrap();
    for (far, server) in stuck {
        assert!(!server.is_finished(), "it should wait for its reader");
        drop(far);
        server.join().unwrap();
    }
}

#[test]
fn slow_readers_hold_up_nobody() {
    with_runtimes(|runtime| {
        stalling_holds_up_nobody::<TcpStream>(runtime);
        stalling_holds_up_nobody::<UnixStream>(runtime);
    });
}

// Peers that send a byte at a time.

fn a_byte_at_a_time<S: Stream>(runtime: &Runtime, near: Kind, far: Kind) {
    let read = |stream: &S| {
        let (mut received, mut byte) = (Vec::new(), [0]);
        while stream.reads(&mut byte).unwrap() > 0 {
            received.push(byte[0]);
        }
        received
    };
    let write = |stream: &S, bytes: &[u8]| {
        bytes.iter().for_each(|byte| assert_eq!(stream.writes(&[*byte]).unwrap(), 1));
    };
    both_ways(runtime, [near, far], 3_000, read, write);
}

#[test]
fn tcp_a_byte_at_a_time_both_ways() {
    pairings(a_byte_at_a_time::<TcpStream>);
}

#[test]
fn unix_streams_a_byte_at_a_time_both_ways() {
    pairings(a_byte_at_a_time::<UnixStream>);
}

// Cancels.

fn a_cancelled_writer<S: Stream>() {
    let runtime = runtime(1);
    let (near, far) = S::pair();
    let near = Arc::new(near);
    let writes = near.clone();
    let writer = start(&runtime, move || By(&*writes).write_all(&MUCH));
    writer.cancel();
    assert_cancelled(writer);
    // What has left is the beginning, whole; and the stream goes on.
    near.shut(Shutdown::Write);
    let mut received = Vec::new();
    By(&far).read_to_end(&mut received).unwrap();
    assert!(!received.is_empty() && received.len() < MUCH.len());
    assert!(received == MUCH[..received.len()]);
    By(&far).write_all(b"back").unwrap();
    let mut back = [0; 4];
    runtime.run(|| By(&*near).read_exact(&mut back).unwrap());
    assert_eq!(&back, b"back");
}

#[test]
fn a_cancelled_writer_has_sent_the_beginning() {
    within(HUNG, a_cancelled_writer::<TcpStream>);
    within(HUNG, a_cancelled_writer::<UnixStream>);
}

#[test]
fn a_cancelled_connect_ends_and_the_next_one_succeeds() {
    within(HUNG, || {
        let runtime = runtime(1);
        let full = sockets::FullListener::new();
        let addr = full.addr();
        let connect = start(&runtime, move || TcpStream::connect(addr));
        connect.cancel();
        assert_cancelled(connect);
        let (_listener, addr) = sockets::listener();
        runtime.run(|| TcpStream::connect(addr)).unwrap();
    });
}

#[test]
fn of_a_cancelled_reader_and_writer_on_one_socket_each_ends_alone() {
    fn test<S: Stream>() {
        for reader_first in [true, false] {
            let runtime = runtime(1);
            let (near, far) = S::pair();
            let near = Arc::new(near);
            let (reads, writes) = (near.clone(), near.clone());
            let reader = start(&runtime, move || reads.reads(&mut [0; 8]).map(drop));
            let writer = start(&runtime, move || By(&*writes).write_all(&MUCH));
            if reader_first {
                reader.cancel();
                assert_cancelled(reader);
                assert!(!writer.is_finished());
                drop(far);
                assert!(writer.join().unwrap().is_err());
            } else {
                writer.cancel();
                assert_cancelled(writer);
                assert!(!reader.is_finished());
                By(&far).write_all(b"x").unwrap();
                reader.join().unwrap().unwrap();
            }
        }
    }
    within(HUNG, test::<TcpStream>);
    within(HUNG, test::<UnixStream>);
}

// Datagrams.

#[test]
fn datagrams_both_ways_between_coroutines_and_threads() {
    const COUNT: u32 = 2_000;
    pairings(|runtime, near_kind, far_kind| {
        let (near, far) = UnixDatagram::pair().unwrap();
        let mut peers = Vec::new();
        for (socket, kind) in [(near, near_kind), (far, far_kind)] {
            let socket = Arc::new(socket);
            let receives = socket.clone();
            peers.push(kind.start(runtime, move || {
                for n in 0..COUNT {
                    let mut datagram = [0; 8];
                    assert_eq!(receives.recv(&mut datagram).unwrap(), 4);
                    assert_eq!(datagram[..4], n.to_le_bytes());
                }
            }));
            peers.push(kind.start(runtime, move || {
                (0..COUNT).for_each(|n| assert_eq!(socket.send(&n.to_le_bytes()).unwrap(), 4));
            }));
        }
        peers.into_iter().for_each(|peer| peer.join().unwrap());
    });
}

#[test]
fn a_udp_peer_that_stalls_costs_the_time_allowed_and_nothing_else() {
    pairings(|runtime, near_kind, far_kind| {
        let limit = Duration::from_millis(20);
        let bind = || UdpSocket::bind(sockets::ANY).unwrap();
        let (near, far) = (bind(), bind());
        near.connect(far.local_addr().unwrap()).unwrap();
        far.connect(near.local_addr().unwrap()).unwrap();
        near.set_read_timeout(Some(limit)).unwrap();
        let near = near_kind.start(runtime, move || {
            let begin = Instant::now();
            let error = near.recv(&mut [0; 8]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::TimedOut, "{error}");
            assert!(begin.elapsed() >= limit);
            near
        });
        let near = near.join().unwrap();
        near.set_read_timeout(None).unwrap();
        far_kind.start(runtime, move || far.send(b"late").unwrap()).join().unwrap();
        let received = near_kind.start(runtime, move || {
            let mut datagram = [0; 8];
            let count = near.recv(&mut datagram).unwrap();
            datagram[..count].to_vec()
        });
        assert_eq!(received.join().unwrap(), b"late");
    });
}
