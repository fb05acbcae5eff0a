//! What concerns sockets of all types, and the rest of TCP.

#![allow(unsafe_code)]

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use mco::coroutine;
use mco::io::{CoIo, WaitIo};
use mco::net::{TcpListener, TcpStream, UdpSocket};
use mco::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use mco_tests::everywhere::everywhere;
use mco_tests::sockets::{ANY, listener};
use mco_tests::{HUNG, child, eventually, process, runtime, sockets, within};

#[test]
fn dropping_a_runtime_closes_sockets_in_every_state() {
    child::pass(|| {
        let place = std::env::temp_dir().join(format!("mco-drop-{}", std::process::id()));
        // What is set up once for the process.
        mco::blocking(|| ());
        drop(runtime(2));
        for workers in [1, 2, 8] {
            let before = process::descriptors();
            let runtime = runtime(workers);
            let waiting = Arc::new(AtomicUsize::new(0));
            let spawned = AtomicUsize::new(0);
            let go = |f: Box<dyn FnOnce() + Send>| {
                let waiting = waiting.clone();
                spawned.fetch_add(1, Ordering::SeqCst);
                drop(runtime.spawn(move || {
                    waiting.fetch_add(1, Ordering::SeqCst);
                    f();
                    unreachable!("it waits until it is cancelled");
                }));
            };
            // Those at the other end stay until the runtime has gone, so that nothing ends by itself.
            let mut others: Vec<Box<dyn std::any::Any>> = Vec::new();

            let (listener, addr) = sockets::listener();
            go(Box::new(move || drop(listener.accept())));
            let full = sockets::FullListener::new();
            let full_addr = full.addr();
            go(Box::new(move || drop(TcpStream::connect(full_addr))));
            let (reads, other) = sockets::mixed_pair();
            go(Box::new(move || drop((&reads).read(&mut [0; 8]))));
            others.push(Box::new(other));
            let (peeks, other) = sockets::mixed_pair();
            go(Box::new(move || drop(peeks.peek(&mut [0; 8]))));
            others.push(Box::new(other));
            let (writes, other) = sockets::mixed_pair();
            go(Box::new(move || drop((&writes).write_all(&vec![0; 64 << 20]))));
            others.push(Box::new(other));
            let (half, other) = sockets::mixed_pair();
            half.shutdown(net::Shutdown::Write).unwrap();
            go(Box::new(move || drop((&half).read(&mut [0; 8]))));
            others.push(Box::new(other));
            // Two that wait on one, with limits.
            let (shared, other) = sockets::mixed_pair();
            shared.set_read_timeout(Some(HUNG)).unwrap();
            let shared = Arc::new(shared);
            for _ in 0..2 {
                let shared = shared.clone();
                go(Box::new(move || drop((&*shared).read(&mut [0; 8]))));
            }
            drop(shared);
            others.push(Box::new(other));
            let udp = UdpSocket::bind(sockets::ANY).unwrap();
            go(Box::new(move || drop(udp.recv_from(&mut [0; 8]))));
            let unix = UnixListener::bind(&place).unwrap();
            go(Box::new(move || drop(unix.accept())));
            let (near, other) = UnixStream::pair().unwrap();
            go(Box::new(move || drop((&near).read(&mut [0; 8]))));
            others.push(Box::new(other));
            let (near, other) = UnixDatagram::pair().unwrap();
            go(Box::new(move || while near.send(b"x").is_ok() {}));
            others.push(Box::new(other));
            let (reader, other) = std::io::pipe().unwrap();
            let mut reader = CoIo::new(reader).unwrap();
            go(Box::new(move || drop(reader.read(&mut [0; 8]))));
            others.push(Box::new(other));
            let (near, other) = UnixStream::pair().unwrap();
            go(Box::new(move || {
                loop {
                    near.reset_io();
                    near.wait_io().unwrap();
                }
            }));
            others.push(Box::new(other));
            // One that is not used, and one that a coroutine holds which waits for something else.
            let (_idle, other) = sockets::mixed_pair();
            go(Box::new(move || {
                let _other = other;
                coroutine::park();
            }));

            let all = spawned.load(Ordering::SeqCst);
            eventually("all wait", || waiting.load(Ordering::SeqCst) == all);
            std::thread::sleep(Duration::from_millis(5));
            drop(runtime);
            drop((others, full, _idle));
            assert_eq!(process::descriptors(), before, "with {workers} workers, {addr}");
            std::fs::remove_file(&place).unwrap();
        }
    });
}

#[test]
fn a_reset_of_a_peer_that_lingers_for_no_time_is_told() {
    everywhere(|| {
        let (mut near, far) = sockets::pair();
        far.set_linger(Some(Duration::ZERO)).unwrap();
        assert_eq!(far.linger().unwrap(), Some(Duration::ZERO));
        let reader = coroutine::spawn(move || near.read(&mut [0; 8]));
        coroutine::yield_now();
        drop(far);
        assert_eq!(reader.join().unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn a_byte_at_a_time_arrives_in_order() {
    everywhere(|| {
        let (mut near, mut far) = sockets::pair();
        near.set_nodelay(true).unwrap();
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
fn a_peer_that_stalls_holds_up_nobody_else() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (listener, addr) = sockets::listener();
        runtime.spawn(move || {
            for stream in listener.into_incoming() {
                let stream = stream.unwrap();
                coroutine::spawn(move || sockets::echo(stream));
            }
        });
        // Sends without reading what comes back, until nothing goes any more.
        let stalled = TcpStream::connect(addr).unwrap();
        sockets::fill(&stalled);
        let mut stream = TcpStream::connect(addr).unwrap();
        for n in 0..100u32 {
            stream.write_all(&n.to_ne_bytes()).unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer).unwrap();
            assert_eq!(u32::from_ne_bytes(answer), n);
        }
    });
}

#[test]
fn what_follows_urgent_data_is_read_too() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (mut near, mut far) = sockets::mixed_pair();
        far.set_nodelay(true).unwrap();
        let (begin, begun) = mpsc::channel();
        let reader = runtime.spawn(move || {
            // Registers the socket, so that what is remembered counts.
            near.read_exact(&mut [0]).unwrap();
            begin.send(()).unwrap();
            coroutine::park();
            let mut text = [0; 100];
            let mut n = 0;
            // The system ends a read where urgent data was.
            while n < 6 {
                n += near.read(&mut text[n..]).unwrap();
            }
            assert_eq!(&text[..6], b"abcdef");
        });
        far.write_all(b"x").unwrap();
        begun.recv().unwrap();
        far.write_all(b"abc").unwrap();
        // SAFETY: an open descriptor and one byte.
        let sent = unsafe { libc::send(far.as_raw_fd(), c"!".as_ptr().cast(), 1, libc::MSG_OOB) };
        assert_eq!(sent, 1);
        far.write_all(b"def").unwrap();
        reader.coroutine().unpark();
        reader.join().unwrap();
    });
}

#[test]
fn tcp_sockets_come_from_descriptors_and_go_there() {
    everywhere(|| {
        let (listener, addr) = sockets::listener();
        let listener = TcpListener::from(OwnedFd::from(listener));
        // SAFETY: it has just been given away.
        let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
        let client = coroutine::spawn(move || {
            let stream = TcpStream::connect(addr).unwrap();
            // SAFETY: it has just been given away.
            let mut stream = unsafe { TcpStream::from_raw_fd(stream.into_raw_fd()) };
            stream.write_all(b"x").unwrap();
        });
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(stream.read(&mut [0; 8]).unwrap(), 1);
        client.join().unwrap();
        assert!(listener.only_v6().is_err() || addr.is_ipv6());
    });
}

/// The text names what was tried, and the system's own error is the source.
#[track_caller]
fn assert_tried<T>(outcome: io::Result<T>, kind: ErrorKind, name: &str) {
    let error = outcome.err().expect("it fails");
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.starts_with("cannot ") && text.contains(name), "{text}");
    let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let source = source.unwrap_or_else(|| panic!("no source: {error:?}"));
    assert_eq!(source.kind(), kind);
    assert!(kind == ErrorKind::InvalidInput || source.raw_os_error().is_some(), "{source:?}");
}

#[test]
fn errors_of_bind_and_connect_name_what_was_tried() {
    everywhere(|| {
        let (taken, addr) = listener();
        let name = &addr.to_string();
        assert_tried(TcpListener::bind(addr), ErrorKind::AddrInUse, name);
        drop(taken);
        assert_tried(TcpStream::connect(addr), ErrorKind::ConnectionRefused, name);
        let limit = Duration::from_secs(60);
        assert_tried(TcpStream::connect_timeout(&addr, limit), ErrorKind::ConnectionRefused, name);
        let udp = UdpSocket::bind(ANY).unwrap();
        let name = &udp.local_addr().unwrap().to_string();
        assert_tried(UdpSocket::bind(udp.local_addr().unwrap()), ErrorKind::AddrInUse, name);
        let v6 = "[::1]:9".parse::<SocketAddr>().unwrap();
        let error = udp.connect(v6).unwrap_err().to_string();
        assert!(error.starts_with("cannot connect to [::1]:9: "), "{error}");

        let path = "/nowhere/at/all";
        assert_tried(UnixListener::bind(path), ErrorKind::NotFound, path);
        assert_tried(UnixStream::connect(path), ErrorKind::NotFound, path);
        assert_tried(UnixDatagram::bind(path), ErrorKind::NotFound, path);
        let datagram = UnixDatagram::unbound().unwrap();
        assert_tried(datagram.connect(path), ErrorKind::NotFound, path);
        let path = &"long".repeat(100);
        assert_tried(UnixListener::bind(path), ErrorKind::InvalidInput, path);
        assert_tried(UnixStream::connect(path), ErrorKind::InvalidInput, path);
        assert_tried(UnixDatagram::bind(path), ErrorKind::InvalidInput, path);
        assert_tried(datagram.connect(path), ErrorKind::InvalidInput, path);
    });
}
