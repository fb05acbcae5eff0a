//! All connections, and their end.
//!
//! When the server is to stop, a connection without a request must not wait for one any more, and one
//! that has begun with a request must come to its end. A connection's state tells which it is, and
//! changes hands by an exchange:
//!
//! ```text
//!           bytes arrive
//!   IDLE  ---------------->  BUSY
//!     |   <----------------
//!     |   waits for a request, unless the server stops
//!     |
//!     +-- the server stops -->  DISMISSED, and cancelled
//! ```
//!
//! Whoever becomes idle says so first and looks then whether the server stops; the server says first
//! that it stops and looks then who is idle. So nobody is missed.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use mco::coroutine::{self, Coroutine, CoroutineId};
use mco::net::{TcpListener, TcpStream};
use mco::select;
use mco::std::sync::{Semaphore, SyncFlag, WaitGroup};
use mco::std::time::timeout;

use super::connection::Connection;
use super::{Limits, Request, Response, Stream};

const BUSY: u8 = 0;
const IDLE: u8 = 1;
const DISMISSED: u8 = 2;

/// What has become of a server.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// Connections in all.
    pub connections: u64,
    /// Those whose request took longer than [`Limits::grace`].
    pub cut_off: usize,
}

impl Served {
    /// Says how it went, for the program of that name, which then ends with this code.
    pub fn report(self, program: &str) -> ExitCode {
        if self.cut_off > 0 {
            eprintln!("{program}: {} connections took too long, and were cut off", self.cut_off);
            return ExitCode::FAILURE;
        }
        println!("stopped after {} connections", self.connections);
        ExitCode::SUCCESS
    }
}

/// Those who are connected.
#[derive(Default)]
struct Clients {
    stops: AtomicBool,
    present: Mutex<HashMap<CoroutineId, Arc<Client>>>,
}

struct Client {
    state: AtomicU8,
    coroutine: Coroutine,
}

/// One's own entry among the clients, from the first to the last.
pub(super) struct Presence<'a> {
    clients: &'a Clients,
    client: Arc<Client>,
}

/// Answers requests by `handler`, each connection in a coroutine of its own, until `stop` is fired and
/// those are answered that are under way then.
///
/// `open` makes of a connection what HTTP is spoken over; it may take as long as a request's headers.
/// `report` is told what goes wrong. A handler that panics is answered for with status 500.
pub fn serve<S: Stream>(
    listener: TcpListener,
    limits: &Limits,
    stop: &SyncFlag,
    open: impl Fn(TcpStream) -> io::Result<S> + Sync,
    handler: impl Fn(&Request<'_>) -> Response + Sync,
    report: impl Fn(SocketAddr, &io::Error) + Sync,
) -> Served {
    let clients = Clients::default();
    let free = Semaphore::new(limits.connections);
    let serve_one = |stream: TcpStream, addr| {
        let present = clients.enter();
        let serve = || {
            // Or the end of an answer may wait until the client acknowledges its beginning.
            stream.set_nodelay(true)?;
            let stream = timeout(limits.head_time, || open(stream))??;
            Connection::new(stream, limits, &handler, &present).run()
        };
        if let Err(error) = serve() {
            report(addr, &error);
        }
    };
    coroutine::scope(|s| {
        let everyone = WaitGroup::new();
        let mut connections = 0;
        loop {
            select! {
                biased;
                _ = stop.wait() => break,
                _ = free.wait() => {}
            }
            let accepted = select! {
                biased;
                _ = stop.wait() => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, addr)) => {
                    connections += 1;
                    let one = everyone.clone();
                    let (free, serve_one) = (&free, &serve_one);
                    s.spawn(move || {
                        mco::defer! {
                            drop(one);
                            free.post();
                        }
                        serve_one(stream, addr);
                    });
                }
                // Out of descriptors. `accept` has waited for a while before it said so.
                Err(error) => {
                    free.post();
                    report(listener.local_addr().expect("it listens"), &error);
                }
            }
        }
        // Who comes now is refused at once, and may go elsewhere.
        drop(listener);
        clients.dismiss_idle();
        select! {
            _ = everyone.wait() => Served { connections, cut_off: 0 },
            _ = coroutine::sleep(limits.grace) => {
                Served { connections, cut_off: clients.cancel_all() }
            }
        }
    })
}

impl Clients {
    /// Enters the calling coroutine.
    fn enter(&self) -> Presence<'_> {
        let coroutine = coroutine::current();
        let id = coroutine.id();
        let client = Arc::new(Client { state: AtomicU8::new(BUSY), coroutine });
        self.present().insert(id, client.clone());
        Presence { clients: self, client }
    }

    fn dismiss_idle(&self) {
        self.stops.store(true, Ordering::SeqCst);
        for client in self.present().values() {
            if client.turns(IDLE, DISMISSED) {
                client.coroutine.cancel();
            }
        }
    }

    /// Returns how many there were.
    fn cancel_all(&self) -> usize {
        let present = self.present();
        present.values().for_each(|client| client.coroutine.cancel());
        present.len()
    }

    /// Nothing that is done under this lock blocks.
    fn present(&self) -> std::sync::MutexGuard<'_, HashMap<CoroutineId, Arc<Client>>> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
impl Presence<'_> {
    /// Calls `f`, in a coroutine, as the only client of a server.
    pub(super) fn alone(f: impl FnOnce(&Presence<'_>)) {
        f(&Clients::default().enter());
    }
}

impl Client {
    fn turns(&self, from: u8, to: u8) -> bool {
        self.state.compare_exchange(from, to, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

impl Presence<'_> {
    /// `false`: the server stops, and there is nothing to wait for.
    pub(super) fn becomes_idle(&self) -> bool {
        self.client.state.store(IDLE, Ordering::SeqCst);
        !self.is_last()
    }

    /// `false`: the server stops, and what has just arrived was too late.
    pub(super) fn becomes_busy(&self) -> bool {
        self.client.turns(IDLE, BUSY)
    }

    /// Whether the server stops.
    pub(super) fn is_last(&self) -> bool {
        self.clients.stops.load(Ordering::SeqCst)
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.clients.present().remove(&self.client.coroutine.id());
    }
}
