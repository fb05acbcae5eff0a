//! Accepting connections: what all listeners have in common.

use std::io;
use std::time::Duration;

use crate::coroutine;
use crate::reactor::{Attempt, Direction, Io, Registered, Registrar};
use crate::runtime::global;
use crate::wait::{Wait, Waiter};

/// A listening socket.
pub(crate) trait Accepting {
    /// The socket itself.
    type Io: Io;
    /// A connection, and where it comes from.
    type Accepted;

    fn registered(&self) -> &Registered<Self::Io>;

    /// The system call.
    fn accept_from(io: &Self::Io) -> io::Result<Self::Accepted>;
}

/// Waits for a connection. Passes over those that their clients have given up, and waits for about a
/// second when the process is out of descriptors.
pub(crate) fn accept<L: Accepting>(listener: &L, wait: Wait) -> io::Result<L::Accepted> {
    let socket = listener.registered();
    let mut pause = FIRST_PAUSE;
    loop {
        let accept = |io: &L::Io| L::accept_from(io).map(Attempt::More);
        match socket.run(Direction::Read, wait, || None, accept) {
            Ok(accepted) => return Ok(accepted),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) if is_out_of_descriptors(&error) => {
                if pause > LAST_PAUSE || socket.is_nonblocking() {
                    return Err(out_of_descriptors(&error));
                }
                coroutine::sleep(pause);
                pause *= 2;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Accepts a connection if there is one. Passes over those that their clients have given up.
pub(crate) fn try_accept<L: Accepting>(listener: &L) -> io::Result<Option<L::Accepted>> {
    loop {
        match listener.registered().attempt(Direction::Read, L::accept_from) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            done => return done,
        }
    }
}

/// Has `waiter` woken when there may be a connection; `false`: there may be one now.
pub(crate) fn enter<L: Accepting>(listener: &L, waiter: &Waiter) -> io::Result<bool> {
    listener.registered().enter(Direction::Read, waiter, any_registrar)
}

/// Undoes `enter`.
pub(crate) fn leave<L: Accepting>(listener: &L, waiter: &Waiter) {
    listener.registered().leave(Direction::Read, waiter);
}

/// The reactor of some worker, for a thread that waits for more than one thing.
///
/// # Errors
///
/// If the global runtime cannot start.
pub(crate) fn any_registrar() -> io::Result<std::sync::Arc<Registrar>> {
    Ok(global::try_scheduler()?.registrar())
}

pub(crate) const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// With the doubling, about a second in all.
pub(crate) const LAST_PAUSE: Duration = Duration::from_millis(640);

#[cfg(unix)]
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    let codes = [libc::EMFILE, libc::ENFILE, libc::ENOBUFS, libc::ENOMEM];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

#[cfg(windows)]
pub(crate) fn is_out_of_descriptors(error: &io::Error) -> bool {
    /// `WSAEMFILE` and `WSAENOBUFS`.
    const CODES: [i32; 2] = [10024, 10055];
    error.raw_os_error().is_some_and(|code| CODES.contains(&code))
}

pub(crate) fn out_of_descriptors(error: &io::Error) -> io::Error {
    let text = format!(
        "cannot accept a connection: {error}; it stays in the queue: close other connections, or \
         raise the limit (`ulimit -n`), and accept again"
    );
    io::Error::new(error.kind(), text)
}
