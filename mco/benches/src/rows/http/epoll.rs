//! The floor: no runtime, only threads that each wait in `epoll_wait` for their share of the connections.

#![allow(unsafe_code)]

use super::{ANYWHERE, Exchange};
use crate::runtimes::Setup;
use crate::session::announce;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, IntoRawFd, OwnedFd, RawFd};
use std::sync::Arc;

/// The first thread accepts, too, and deals the connections out in turn.
pub(super) fn serve(setup: &Setup) {
    let queues: Arc<[Epoll]> =
        (0..setup.workers).map(|_| Epoll::new().expect("`epoll_create1` failed")).collect();
    let listener = TcpListener::bind(ANYWHERE).expect("could not listen");
    listener.set_nonblocking(true).expect("could not make the listener nonblocking");
    queues[0].add(listener.as_raw_fd()).expect("could not watch the listener");
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
            queues[next].add(stream.into_raw_fd()).expect("could not watch a connection");
            next = (next + 1) % queues.len();
        }
        true
    });
}

/// A connection, known to its thread since its first event.
struct Connection {
    stream: TcpStream,
    exchange: Exchange,
}

/// Serves what comes up in `queue`, but for what `otherwise` has seen to.
fn work(queue: &Epoll, mut otherwise: impl FnMut(RawFd) -> bool) {
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = [libc::epoll_event { events: 0, u64: 0 }; 256];
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

struct Epoll(OwnedFd);

impl Epoll {
    fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// An event, edge triggered, whenever there is something to read from `fd`.
    fn add(&self, fd: RawFd) -> io::Result<()> {
        let events = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: events as u32, u64: fd as u64 };
        // SAFETY: `event` is read during the call only.
        match unsafe {
            libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until there are events, and gives them.
    fn wait<'a>(&self, room: &'a mut [libc::epoll_event]) -> io::Result<&'a [libc::epoll_event]> {
        loop {
            // SAFETY: `room` is writable for as many events as the call is told.
            let count = unsafe {
                libc::epoll_wait(self.0.as_raw_fd(), room.as_mut_ptr(), room.len() as i32, -1)
            };
            if let Ok(count) = usize::try_from(count) {
                return Ok(&room[..count]);
            }
            let fault = io::Error::last_os_error();
            if fault.kind() != ErrorKind::Interrupted {
                return Err(fault);
            }
        }
    }
}
