//! Stopping when the system asks for it.

use std::io;
use std::sync::Arc;

use mco::go;
use mco::std::sync::SyncFlag;

/// A flag that is fired when the program is asked to stop.
#[cfg(unix)]
pub(crate) fn on_request() -> io::Result<Arc<SyncFlag>> {
    use std::io::Read;

    use mco::os::unix::net::UnixStream;
    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::low_level::pipe;

    // A signal's handler may do next to nothing. It writes a byte, and a coroutine reads it.
    let (mut reads, writes) = UnixStream::pair()?;
    for signal in [SIGINT, SIGTERM] {
        pipe::register(signal, writes.try_clone()?)?;
    }
    let flag = Arc::new(SyncFlag::new());
    let fires = flag.clone();
    go!("signals", move || {
        // An error is as good a reason to stop as a signal.
        let _ = reads.read(&mut [0]);
        fires.fire();
    });
    Ok(flag)
}

/// As on Unix, at the end of the standard input.
#[cfg(not(unix))]
pub(crate) fn on_request() -> io::Result<Arc<SyncFlag>> {
    let flag = Arc::new(SyncFlag::new());
    let fires = flag.clone();
    go!("input", move || {
        let _ = mco::blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
        fires.fire();
    });
    Ok(flag)
}
