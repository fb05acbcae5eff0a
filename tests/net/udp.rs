//! UDP: std's methods and semantics, in coroutines and in threads.

use std::io::ErrorKind;
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use mco::coroutine;
use mco::net::UdpSocket;
use mco_tests::everywhere::{assert_times_out_everywhere, everywhere};
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, child, process, runtime, sockets, with_runtimes, within};

fn bound() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind(sockets::ANY).expect("a free port");
    let addr = socket.local_addr().expect("an address");
    (socket, addr)
}

/// Two sockets that are connected to each other.
fn pair() -> (UdpSocket, UdpSocket) {
    let ((one, one_addr), (other, other_addr)) = (bound(), bound());
    one.connect(other_addr).unwrap();
    other.connect(one_addr).unwrap();
    (one, other)
}

#[test]
fn a_datagram_arrives_with_its_sender() {
    everywhere(|| {
        let ((near, near_addr), (far, far_addr)) = (bound(), bound());
        let receiver = coroutine::spawn(move || {
            let mut buffer = [0; 100];
            let (n, from) = far.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..n], b"hello");
            far.send_to(b"back", from).unwrap();
        });
        assert_eq!(near.send_to(b"hello", far_addr).unwrap(), 5);
        let mut buffer = [0; 100];
        assert_eq!(near.recv_from(&mut buffer).unwrap(), (4, far_addr));
        assert_eq!(&buffer[..4], b"back");
        assert_eq!(near.local_addr().unwrap(), near_addr);
        receiver.join().unwrap();
    });
}

#[test]
fn coroutines_and_threads_ask_a_server_of_coroutines() {
    with_runtimes(|runtime| {
        let (server, addr) = bound();
        let server = Arc::new(server);
        // Several at one socket.
        for _ in 0..4 {
            let server = server.clone();
            runtime.spawn(move || {
                let mut buffer = [0; 100];
                loop {
                    let (n, from) = server.recv_from(&mut buffer).unwrap();
                    server.send_to(&buffer[..n], from).unwrap();
                }
            });
        }
        let ask = move |n: u32| {
            let (client, _) = bound();
            client.connect(addr).unwrap();
            for round in 0..50u32 {
                let question = [n.to_ne_bytes(), round.to_ne_bytes()].concat();
                assert_eq!(client.send(&question).unwrap(), 8);
                let mut answer = [0; 100];
                assert_eq!(client.recv(&mut answer).unwrap(), 8);
                assert_eq!(answer[..8], question);
            }
        };
        let coroutines: Vec<_> = (0..20).map(|n| runtime.spawn(move || ask(n))).collect();
        let threads: Vec<_> = (20..24).map(|n| thread::spawn(move || ask(n))).collect();
        coroutines.into_iter().for_each(|handle| handle.join().unwrap());
        threads.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn both_directions_at_once_on_one_socket() {
    everywhere(|| {
        let (near, far) = pair();
        let (near, far) = (Arc::new(near), Arc::new(far));
        let talk = |socket: &Arc<UdpSocket>| {
            let (reads, writes) = (socket.clone(), socket.clone());
            let reader = coroutine::spawn(move || {
                (0..200u32).for_each(|n| {
                    let mut piece = [0; 4];
                    assert_eq!(reads.recv(&mut piece).unwrap(), 4);
                    assert_eq!(u32::from_ne_bytes(piece), n);
                });
            });
            let writer = coroutine::spawn(move || {
                (0..200u32).for_each(|n| assert_eq!(writes.send(&n.to_ne_bytes()).unwrap(), 4));
            });
            [reader, writer]
        };
        let handles = [talk(&near), talk(&far)].into_iter().flatten();
        handles.for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn datagrams_keep_their_bounds() {
    everywhere(|| {
        let (near, far) = pair();
        for len in [0, 1, 100, 10_000] {
            near.send(&sockets::pattern(len)).unwrap();
        }
        let mut buffer = [0; 20_000];
        for len in [0, 1, 100, 10_000] {
            assert_eq!(far.recv(&mut buffer).unwrap(), len);
            assert!(buffer[..len] == sockets::pattern(len));
        }
        // What does not fit is lost, and the next one is whole.
        near.send(b"too long").unwrap();
        near.send(b"fits").unwrap();
        assert_eq!(far.recv(&mut buffer[..3]).unwrap(), 3);
        assert_eq!(far.recv(&mut buffer).unwrap(), 4);
        assert_eq!(&buffer[..4], b"fits");
    });
}

#[test]
fn peek_leaves_what_it_sees() {
    everywhere(|| {
        let (near, far) = pair();
        let from = near.local_addr().unwrap();
        let peeker = coroutine::spawn(move || {
            let mut seen = [0; 8];
            assert_eq!(far.peek(&mut seen).unwrap(), 3);
            assert_eq!(far.peek_from(&mut seen).unwrap(), (3, from));
            assert_eq!(far.recv_from(&mut seen).unwrap(), (3, from));
            assert_eq!(&seen[..3], b"abc");
        });
        coroutine::yield_now();
        near.send(b"abc").unwrap();
        peeker.join().unwrap();
    });
}

#[test]
fn a_receive_times_out() {
    assert_times_out_everywhere(|limit| {
        let (socket, _) = bound();
        socket.set_read_timeout(Some(limit))?;
        socket.recv_from(&mut [0; 8]).map(drop)
    });
    assert_times_out_everywhere(|limit| {
        let (near, _far) = pair();
        near.set_read_timeout(Some(limit))?;
        near.peek(&mut [0; 8]).map(drop)
    });
}

#[test]
fn timeouts_are_kept_and_zero_is_refused() {
    within(HUNG, || {
        let (socket, _) = bound();
        assert_eq!(socket.read_timeout().unwrap(), None);
        let (one, two) = (Duration::from_secs(1), Duration::from_secs(2));
        socket.set_read_timeout(Some(one)).unwrap();
        socket.set_write_timeout(Some(two)).unwrap();
        let clone = socket.try_clone().unwrap();
        for socket in [&socket, &clone] {
            assert_eq!(socket.read_timeout().unwrap(), Some(one));
            assert_eq!(socket.write_timeout().unwrap(), Some(two));
        }
        let error = socket.set_read_timeout(Some(Duration::ZERO)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        clone.set_read_timeout(None).unwrap();
        assert_eq!(socket.read_timeout().unwrap(), Some(one));
    });
}

#[test]
fn a_cancelled_receiver_takes_nothing() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (near, far) = pair();
        let far = Arc::new(far);
        let receiver = far.clone();
        let handle = start(&runtime, move || receiver.recv(&mut [0; 8]));
        handle.cancel();
        assert_cancelled(handle);
        near.send(b"x").unwrap();
        assert_eq!(runtime.run(|| far.recv(&mut [0; 8])).unwrap(), 1);
    });
}

#[test]
fn a_peer_that_has_gone_is_told() {
    everywhere(|| {
        let (near, far) = pair();
        drop(far);
        near.send(b"x").unwrap();
        near.set_read_timeout(Some(HUNG)).unwrap();
        let kind = near.recv(&mut [0; 8]).unwrap_err().kind();
        assert_eq!(kind, ErrorKind::ConnectionRefused);
        // And is taken away from where it is asked for.
        near.send(b"x").unwrap();
        let error = loop {
            match near.take_error().unwrap() {
                Some(error) => break error,
                None => coroutine::yield_now(),
            }
        };
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn nonblocking_says_that_it_would_block() {
    everywhere(|| {
        let (socket, addr) = bound();
        socket.set_nonblocking(true).unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        socket.set_nonblocking(false).unwrap();
        socket.send_to(b"x", addr).unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn options_are_kept() {
    within(HUNG, || {
        let (socket, addr) = bound();
        for on in [true, false] {
            socket.set_broadcast(on).unwrap();
            assert_eq!(socket.broadcast().unwrap(), on);
            socket.set_multicast_loop_v4(on).unwrap();
            assert_eq!(socket.multicast_loop_v4().unwrap(), on);
        }
        socket.set_ttl(42).unwrap();
        assert_eq!(socket.ttl().unwrap(), 42);
        socket.set_multicast_ttl_v4(7).unwrap();
        assert_eq!(socket.multicast_ttl_v4().unwrap(), 7);
        assert_eq!(socket.peer_addr().unwrap_err().kind(), ErrorKind::NotConnected);
        socket.connect(addr).unwrap();
        assert_eq!(socket.peer_addr().unwrap(), addr);
        assert!(socket.take_error().unwrap().is_none());
        assert!(format!("{socket:?}").contains(&addr.port().to_string()));
        if let Ok(socket) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)) {
            socket.set_multicast_loop_v6(false).unwrap();
            assert!(!socket.multicast_loop_v6().unwrap());
            socket.only_v6().unwrap();
        }
    });
}

#[test]
fn a_multicast_group_is_joined_and_left() {
    within(HUNG, || {
        let group = Ipv4Addr::new(224, 0, 0, 251);
        let (socket, _) = bound();
        if let Err(error) = socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST) {
            eprintln!("skipped: this machine has no multicast: {error}");
            return;
        }
        // Twice is one time too many.
        assert!(socket.join_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err());
        socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).unwrap();
        assert!(socket.leave_multicast_v4(&group, &Ipv4Addr::LOCALHOST).is_err());
        let group = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x1234);
        if let Ok(socket) = UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))
            && socket.join_multicast_v6(&group, 0).is_ok()
        {
            socket.leave_multicast_v6(&group, 0).unwrap();
        }
    });
}

#[test]
fn an_address_in_use_is_told() {
    within(HUNG, || {
        let (_socket, addr) = bound();
        let error = UdpSocket::bind(addr).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&addr.to_string()), "{error}");
    });
}

#[test]
fn sockets_convert_from_and_into_stds_and_descriptors() {
    everywhere(|| {
        let (socket, addr) = bound();
        let raw = socket.as_raw_fd();
        assert_eq!(socket.as_fd().as_raw_fd(), raw);
        let std: net::UdpSocket = socket.try_into().unwrap();
        assert_eq!(std.as_raw_fd(), raw);
        // It blocks again: this would fail at once otherwise, and with the same kind, but too early.
        std.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let start = std::time::Instant::now();
        assert_eq!(std.recv(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
        assert!(start.elapsed() >= Duration::from_millis(15));
        let socket = UdpSocket::try_from(std).unwrap();
        let owned = OwnedFd::from(socket);
        let socket = UdpSocket::from(owned);
        let raw = socket.into_raw_fd();
        let socket = from_raw(raw);
        socket.send_to(b"x", addr).unwrap();
        assert_eq!(socket.recv(&mut [0; 8]).unwrap(), 1);
    });
}

#[allow(unsafe_code)]
fn from_raw(raw: i32) -> UdpSocket {
    // SAFETY: the caller has just got it from `into_raw_fd`.
    unsafe { UdpSocket::from_raw_fd(raw) }
}

#[test]
fn many_sockets_leave_no_descriptor() {
    let rounds = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
    child::pass(move || {
        let runtime = runtime(2);
        let exchange = || {
            let (near, far) = pair();
            let reader = coroutine::spawn(move || far.recv(&mut [0; 8]).unwrap());
            coroutine::yield_now();
            near.send(b"x").unwrap();
            assert_eq!(reader.join().unwrap(), 1);
        };
        runtime.run(exchange);
        let before = process::descriptors();
        runtime.run(|| (0..rounds).for_each(|_| exchange()));
        assert_eq!(process::descriptors(), before);
    });
}
