//! Sockets in the states that tests need.

#![allow(unsafe_code)]

use std::io::{ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::AsRawFd;

use mco::net::{TcpListener, TcpStream};

/// Any free port of this machine.
pub const ANY: &str = "127.0.0.1:0";

/// A listener on a free port, and its address.
///
/// # Panics
///
/// If the system has none.
#[must_use]
pub fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind(ANY).expect("a free port");
    let addr = listener.local_addr().expect("an address");
    (listener, addr)
}

/// The two ends of a connection, both std's.
///
/// # Panics
///
/// If the system refuses.
#[must_use]
pub fn std_pair() -> (net::TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind(ANY).expect("a free port");
    let one = net::TcpStream::connect(listener.local_addr().expect("an address")).expect("connect");
    let (other, _) = listener.accept().expect("accept");
    (one, other)
}

/// The two ends of a connection: mco's and std's.
///
/// # Panics
///
/// If the system refuses.
#[must_use]
pub fn mixed_pair() -> (TcpStream, net::TcpStream) {
    let (one, other) = std_pair();
    (TcpStream::try_from(one).expect("it becomes nonblocking"), other)
}

/// The two ends of a connection, both mco's.
///
/// # Panics
///
/// If the system refuses.
#[must_use]
pub fn pair() -> (TcpStream, TcpStream) {
    let (one, other) = mixed_pair();
    (one, TcpStream::try_from(other).expect("it becomes nonblocking"))
}

/// Writes until the next write would block.
///
/// # Panics
///
/// If the connection fails.
pub fn fill(stream: &TcpStream) -> usize {
    let mut stream = stream;
    let mut written = 0;
    stream.set_nonblocking(true).expect("nonblocking");
    loop {
        match stream.write(&[7; 64 * 1024]) {
            Ok(n) => written += n,
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => panic!("the connection fails: {e}"),
        }
    }
    stream.set_nonblocking(false).expect("blocking");
    written
}

/// A listener that lets nobody in: connecting to it blocks.
#[derive(Debug)]
pub struct FullListener {
    listener: net::TcpListener,
    _waiting: net::TcpStream,
}

impl FullListener {
    /// A listener whose queue is full.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new() -> FullListener {
        let listener = net::TcpListener::bind(ANY).expect("a free port");
        // SAFETY: a valid descriptor of a listening socket; this only shortens its queue.
        let done = unsafe { libc::listen(listener.as_raw_fd(), 0) };
        assert_eq!(done, 0, "listen: {}", std::io::Error::last_os_error());
        let addr = listener.local_addr().expect("an address");
        // A queue of length 0 holds one.
        let _waiting = net::TcpStream::connect(addr).expect("connect");
        FullListener { listener, _waiting }
    }

    /// Where it listens.
    ///
    /// # Panics
    ///
    /// If the system does not tell.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.listener.local_addr().expect("an address")
    }
}

impl Default for FullListener {
    fn default() -> FullListener {
        FullListener::new()
    }
}

/// Sends back what it receives, to the end.
///
/// # Panics
///
/// If the connection fails.
pub fn echo(mut stream: impl Read + Write) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        match stream.read(&mut buffer).expect("a read") {
            0 => return,
            n => stream.write_all(&buffer[..n]).expect("a write"),
        }
    }
}

/// A number of bytes in which a missing, doubled or moved piece shows: numbers, of which no two are the same.
#[must_use]
pub fn pattern(len: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(len + 7);
    // Without optimisation a step for each byte takes longer than what is done with them.
    for number in 0..len.div_ceil(8) as u64 {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes.truncate(len);
    bytes
}
