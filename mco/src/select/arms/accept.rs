//! Accepting a connection.

#![allow(unsafe_code)]

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use super::super::operation::Selectable;
use super::super::probe::SelectAccept;
use super::super::{ArmEntry, ArmWaitInfo, Deadline};
use crate::clock::Timestamp;
use crate::net::accept::{
    self, Accepting, FIRST_PAUSE, LAST_PAUSE, is_out_of_descriptors, out_of_descriptors,
};
use crate::net::{TcpListener, TcpStream};
#[cfg(unix)]
use crate::os::unix::net::{self as unix, UnixListener, UnixStream};
use crate::task::Reason;
use crate::task::inspect::ArmWait;
use crate::wait::{ExternalWait, Waiter};

/// Accepts a connection.
pub struct AcceptArm<'a, L, A> {
    listener: &'a L,
    entered: Option<(Waiter, ExternalWait)>,
    /// Without descriptors: how long to wait for one, and until when it does.
    pause: Duration,
    pause_ends: Option<Timestamp>,
    result: Option<io::Result<A>>,
}

impl<'a, L, A> AcceptArm<'a, L, A> {
    fn new(listener: &'a L) -> AcceptArm<'a, L, A> {
        let (entered, pause_ends, result) = (None, None, None);
        AcceptArm { listener, entered, pause: FIRST_PAUSE, pause_ends, result }
    }
}

impl SelectAccept for TcpListener {
    type Arm<'a> = AcceptArm<'a, TcpListener, (TcpStream, SocketAddr)>;

    fn accept_arm(&self) -> Self::Arm<'_> {
        AcceptArm::new(self)
    }
}

#[cfg(unix)]
impl SelectAccept for UnixListener {
    type Arm<'a> = AcceptArm<'a, UnixListener, (UnixStream, unix::SocketAddr)>;

    fn accept_arm(&self) -> Self::Arm<'_> {
        AcceptArm::new(self)
    }
}

impl<L, A> Selectable for AcceptArm<'_, L, A>
where
    L: Accepting<Accepted = A>,
    A: Unpin,
{
    type Output = io::Result<A>;

    fn poll(self: Pin<&mut Self>) -> bool {
        let this = self.get_mut();
        if this.pause_ends.is_some_and(|at| Timestamp::now() < at) {
            return false;
        }
        this.pause_ends = None;
        this.result = match accept::try_accept(this.listener) {
            Ok(accepted) => accepted.map(Ok),
            Err(error) if is_out_of_descriptors(&error) && this.pause <= LAST_PAUSE => {
                this.pause_ends = Some(Timestamp::after(this.pause));
                this.pause *= 2;
                None
            }
            Err(error) if is_out_of_descriptors(&error) => Some(Err(out_of_descriptors(&error))),
            Err(error) => Some(Err(error)),
        };
        this.result.is_some()
    }

    unsafe fn enter(self: Pin<&mut Self>, entry: &ArmEntry<'_>) -> bool {
        let this = self.get_mut();
        // Who does not wait need not be woken, and the poll has asked the system.
        if this.pause_ends.is_some() || !entry.parks {
            return true;
        }
        match accept::enter(this.listener, entry.waiter) {
            Ok(entered) => {
                this.entered = entered.then(|| (entry.waiter.clone(), ExternalWait::new()));
                entered
            }
            // The poll that follows meets it again, or is better off.
            Err(_) => {
                this.pause_ends = Some(Timestamp::after(this.pause));
                true
            }
        }
    }

    fn leave(self: Pin<&mut Self>) {
        let this = self.get_mut();
        if let Some((waiter, _external_wait)) = this.entered.take() {
            accept::leave(this.listener, &waiter);
        }
    }

    fn deadline(&self) -> Deadline {
        Deadline(self.pause_ends)
    }

    fn wait_info(&self) -> ArmWaitInfo {
        ArmWaitInfo(ArmWait { until: self.pause_ends, ..ArmWait::at(Reason::Accept, 0) })
    }

    fn output(self: Pin<&mut Self>) -> Self::Output {
        self.get_mut().result.take().expect("a connection has been accepted")
    }
}

impl<L, A> fmt::Debug for AcceptArm<'_, L, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AcceptArm").finish_non_exhaustive()
    }
}
