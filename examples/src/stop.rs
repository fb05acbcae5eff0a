//! Stopping when the system asks for it.

use std::io;
use std::sync::Arc;

use mco::std::sync::SyncFlag;

/// A flag that is fired when the program is asked to stop: by SIGTERM, or by SIGINT, which is Ctrl-C.
/// The second such signal ends the program at once, with status 1.
///
/// A signal's handler may do next to nothing. So it writes a byte into a pair of sockets, and a
/// coroutine waits at the other end. On systems other than Unix the flag is never fired, and Ctrl-C
/// ends the program.
///
/// # Errors
///
/// What the system says if it is out of descriptors.
pub fn on_signals() -> io::Result<Arc<SyncFlag>> {
    let flag = Arc::new(SyncFlag::new());
    #[cfg(unix)]
    unix::fire_on_signals(&flag)?;
    Ok(flag)
}

#[cfg(unix)]
mod unix {
    use std::io::{self, Read};
    use std::os::unix::net::UnixStream as StdStream;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use mco::go;
    use mco::os::unix::net::UnixStream;
    use mco::std::sync::SyncFlag;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::{flag, low_level};

    pub(super) fn fire_on_signals(fired: &Arc<SyncFlag>) -> io::Result<()> {
        let (reads, writes) = StdStream::pair()?;
        let once = Arc::new(AtomicBool::new(false));
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds `once` unset, and sets it.
            flag::register_conditional_shutdown(signal, 1, once.clone())?;
            flag::register(signal, once.clone())?;
            low_level::pipe::register(signal, writes.try_clone()?)?;
        }
        let mut reads = UnixStream::try_from(reads)?;
        let fired = fired.clone();
        go!("signals", move || {
            // An error is as good a reason to stop as a signal.
            let _ = reads.read(&mut [0]);
            fired.fire();
        });
        Ok(())
    }
}
