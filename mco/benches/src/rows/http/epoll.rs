//! The floor: no runtime, only threads that each wait in `epoll_wait` for their share of the connections.

#![allow(unsafe_code)]

use crate::epoll::{Epoll, NO_EVENT};
use crate::exchange::Exchange;
use crate::runtimes::Setup;
use crate::side::{ANYWHERE, announce};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, RawFd};
use std::sync::Arc;

/// The first thread accepts, too, and deals the connections out in turn.
pub(super) fn serve(setup: &Setup) {
    let queues: Arc<[Epoll]> =
        (0..setup.workers).map(|_| Epoll::new().expect("`epoll_create1` failed")).collect();
    let listener = TcpListener::bind(ANYWHERE).expect("could not listen");
    listener.set_nonblocking(true).expect("could not make the listener nonblocking");
    watch(&queues[0], listener.as_raw_fd()).expect("could not watch the listener");
    announce(listener.local_addr().expect("a listener has an address"));
    for worker in 1..setup.workers {
        let queues = Arc::clone(&queues);
        std::thread::spawn(move || work(&queues[worker], |_| false));
    }
    let mut next = 0;
    work(&queues[0], |ready| {
        if ready != listener.as_raw_fd() {
            return false;
        }
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(true).expect("could not make a connection nonblocking");
            watch(&queues[next], stream.into_raw_fd()).expect("could not watch a connection");
            next = (next + 1) % queues.len();
        }
        true
    });
}

/// Has `queue` tell of what comes in at `fd`, by the descriptor's number.
fn watch(queue: &Epoll, fd: RawFd) -> io::Result<()> {
    queue.add(fd, fd as u64)
}

/// A connection, known to its thread since its first event.
struct Connection {
    stream: TcpStream,
    exchange: Exchange,
}

/// Serves what comes up in `queue`, but for what `otherwise` has seen to.
fn work(queue: &Epoll, mut otherwise: impl FnMut(RawFd) -> bool) {
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = [NO_EVENT; 256];
    loop {
        for event in queue.wait(&mut events).expect("`epoll_wait` failed") {
            let ready = event.u64 as RawFd;
            if otherwise(ready) {
                continue;
            }
            let place = ready as usize;
            if place >= connections.len() {
                connections.resize_with(place + 1, || None);
            }
            let connection = connections[place].get_or_insert_with(|| Connection {
                // SAFETY: the accepting thread gave this descriptor up with `into_raw_fd` and added it to this queue
                // only. This is its first event here, so nothing else owns it.
                stream: unsafe { TcpStream::from_raw_fd(ready) },
                exchange: Exchange::new(),
            });
            if !connection.go_on(event.events & libc::EPOLLRDHUP as u32 != 0) {
                connections[place] = None;
            }
        }
    }
}

impl Connection {
    /// Answers what there is to read; `false` when the connection is over. A read that does not fill the buffer has
    /// taken all there was, and what comes later is an event of its own, unless the end has come with this one.
    fn go_on(&mut self, ends: bool) -> bool {
        loop {
            let room = self.exchange.room();
            let size = room.len();
            match self.stream.read(room) {
                Ok(0) => return false,
                Ok(length) => {
                    if self.stream.write_all(self.exchange.responses(length)).is_err() {
                        return false;
                    }
                    if length < size && !ends {
                        return true;
                    }
                }
                Err(fault) => return fault.kind() == ErrorKind::WouldBlock,
            }
        }
    }
}
