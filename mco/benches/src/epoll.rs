//! The kernel's queue of ready descriptors, as the raw servers and the load generator use it.

#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::time::Duration;

/// That nothing is ready, for the places of events.
pub(crate) const NO_EVENT: libc::epoll_event = libc::epoll_event { events: 0, u64: 0 };

pub(crate) struct Epoll(OwnedFd);

impl Epoll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the kernel has just made this descriptor for us.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// An event with the number `name`, edge triggered, whenever there is something to read from `fd`.
    pub(crate) fn add(&self, fd: RawFd, name: u64) -> io::Result<()> {
        let events = libc::EPOLLIN | libc::EPOLLRDHUP | libc::EPOLLET;
        let mut event = libc::epoll_event { events: events as u32, u64: name };
        // SAFETY: `event` is read during the call only.
        match unsafe {
            libc::epoll_ctl(self.0.as_raw_fd(), libc::EPOLL_CTL_ADD, fd, &raw mut event)
        } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Waits until there are events, and gives them.
    pub(crate) fn wait<'a>(
        &self,
        room: &'a mut [libc::epoll_event],
    ) -> io::Result<&'a [libc::epoll_event]> {
        loop {
            // SAFETY: `room` is writable for as many events as the call is told.
            let count = unsafe {
                libc::epoll_wait(self.0.as_raw_fd(), room.as_mut_ptr(), room.len() as i32, -1)
            };
            if let Some(count) = counted(i64::from(count))? {
                return Ok(&room[..count]);
            }
        }
    }

    /// Waits so long at most, to the nanosecond, and gives the events that there are then.
    pub(crate) fn wait_for<'a>(
        &self,
        room: &'a mut [libc::epoll_event],
        limit: Duration,
    ) -> io::Result<&'a [libc::epoll_event]> {
        let limit = libc::timespec {
            tv_sec: limit.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(limit.subsec_nanos() as i32),
        };
        // The call itself, since glibc has had a function for it for a short time only (2.35).
        // SAFETY: `room` is writable for as many events as the call is told, `limit` is read during it only, and the
        // set of signals is left out, so its size does not count.
        let count = unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.0.as_raw_fd(),
                room.as_mut_ptr(),
                room.len() as i32,
                &raw const limit,
                ptr::null::<libc::sigset_t>(),
                0_usize,
            )
        };
        Ok(&room[..counted(count)?.unwrap_or(0)])
    }
}

/// How many events a call has given; `None` if a signal has cut it short.
fn counted(result: i64) -> io::Result<Option<usize>> {
    if let Ok(count) = usize::try_from(result) {
        return Ok(Some(count));
    }
    let fault = io::Error::last_os_error();
    if fault.kind() == ErrorKind::Interrupted { Ok(None) } else { Err(fault) }
}
