//! A dump on `SIGQUIT`.
//!
//! The handler writes a byte into a pipe, which is all that a signal handler may do. A thread of its
//! own reads from it and prints, so that it works when all workers are stuck. Both are there once the
//! first runtime starts with `MCO_DUMP=1`, or the setting is switched on, and stay.

#![allow(unsafe_code)]

use std::io::{self, Read};
use std::os::fd::IntoRawFd;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::{env, mem, thread};

use parking_lot::Mutex;

use super::dump::Dump;
use crate::report;
use crate::runtime_thread;
use crate::thread_count::RuntimeThread;

/// Where the handler writes to.
static PIPE: AtomicI32 = AtomicI32::new(-1);

/// Whether the signal has a dump printed.
static IS_ON: AtomicBool = AtomicBool::new(false);

/// Switches it on if the environment says so. When a runtime starts.
pub(crate) fn install_if_asked() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        if env::var_os("MCO_DUMP").is_some_and(|value| value == "1") {
            switch(true);
        }
    });
}

/// Whether it is on.
pub(crate) fn is_on() -> bool {
    IS_ON.load(Ordering::Relaxed)
}

/// Switches it on, or off: then the signal has the effect again that it had before.
pub(crate) fn switch(on: bool) {
    static WATCHER: Once = Once::new();
    /// What the signal did before it was switched on, while it is.
    static BEFORE: Mutex<Option<libc::sigaction>> = Mutex::new(None);
    let mut before = BEFORE.lock();
    if on == before.is_some() {
        return;
    }
    if on {
        let mut started = Ok(());
        WATCHER.call_once(|| started = start());
        if let Err(error) = started {
            report::say(format_args!(
                "no dump on SIGQUIT: its thread or its pipe could not be made: {error}"
            ));
        }
        if PIPE.load(Ordering::Relaxed) < 0 {
            return;
        }
    }
    IS_ON.store(on, Ordering::Relaxed);
    // SAFETY: a zeroed action is a valid one, and the handler does what one may do.
    unsafe {
        let mut old: libc::sigaction = mem::zeroed();
        let new = before.take().unwrap_or_else(|| {
            let mut new: libc::sigaction = mem::zeroed();
            new.sa_sigaction = handle as *const () as libc::sighandler_t;
            // System calls go on, and it runs on a coroutine's stack only if there is no other.
            new.sa_flags = libc::SA_RESTART | libc::SA_ONSTACK;
            new
        });
        libc::sigaction(libc::SIGQUIT, &raw const new, &raw mut old);
        *before = on.then_some(old);
    }
}

extern "C" fn handle(_: libc::c_int) {
    // SAFETY: `errno` belongs to the interrupted code, and `write` may be called here. That the pipe
    // is full means that enough dumps have been asked for.
    unsafe {
        let error = errno();
        let kept = *error;
        libc::write(PIPE.load(Ordering::Relaxed), [0u8].as_ptr().cast(), 1);
        *error = kept;
    }
}

/// Where the thread's `errno` is.
unsafe fn errno() -> *mut libc::c_int {
    // SAFETY: they have no preconditions.
    unsafe {
        #[cfg(any(target_os = "linux", target_os = "emscripten"))]
        return libc::__errno_location();
        #[cfg(any(target_os = "macos", target_os = "ios", target_os = "freebsd"))]
        return libc::__error();
        #[cfg(any(target_os = "android", target_os = "netbsd", target_os = "openbsd"))]
        return libc::__errno();
        #[cfg(any(target_os = "illumos", target_os = "solaris"))]
        return libc::___errno();
    }
}

fn start() -> io::Result<()> {
    let (reader, writer) = io::pipe()?;
    let writer = writer.into_raw_fd();
    // SAFETY: the descriptor is open, and stays so.
    unsafe {
        let flags = libc::fcntl(writer, libc::F_GETFL);
        libc::fcntl(writer, libc::F_SETFL, flags | libc::O_NONBLOCK);
    }
    thread::Builder::new().name("mco-sigquit".to_owned()).spawn(move || {
        // It does not always count as the runtime's own.
        runtime_thread::abort_on_unwind(|| watch(reader));
    })?;
    PIPE.store(writer, Ordering::Relaxed);
    Ok(())
}

fn watch(mut reader: io::PipeReader) {
    let mut asked = [0; 64];
    loop {
        // While it dumps it holds coroutines, and wakes them.
        let ours = RuntimeThread::new();
        let read = reader.read(&mut asked);
        drop(ours);
        match read {
            Ok(0) => return,
            Ok(_) => {
                report::show(format_args!("SIGQUIT\n{}", Dump::of_all(None)));
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}
