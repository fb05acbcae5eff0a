//! What the runtime says on standard error. All of it goes through here, and nothing else in this crate prints.
//!
//! - It cannot fail. `eprintln!` panics if standard error cannot be written to, for example because it is a
//!   pipe that nobody reads any more; no worker may end by that.
//! - It does not wait for long. While standard error is a pipe that is full, a message waits for
//!   [`WRITE_TIMEOUT`] until there is room. What finds none is dropped, and the next message that gets through
//!   says how many were: the monitor has more to do than to talk. (Only on Unix: elsewhere who prints waits
//!   as long as it takes. A file or a terminal that does not get on also holds up whoever writes to it.)
//! - It does not use std's handle, whose lock a suspended coroutine may hold.

#![allow(unsafe_code)]

use std::fmt;
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

/// For how long a message waits until standard error takes more of it.
const WRITE_TIMEOUT: Duration = Duration::from_millis(100);
/// The same for what has nothing to hurry for.
const LONG_WRITE_TIMEOUT: Duration = Duration::from_secs(2);

/// Held while something is written, so that lines stay in one piece.
static WRITING: Mutex<()> = Mutex::new(());

/// Messages that could not be written since the last one that could.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Says something, in a line of its own, beginning with `mco: `.
#[cold]
pub(crate) fn say(message: fmt::Arguments<'_>) {
    print(&format!("mco: {message}\n"), WRITE_TIMEOUT);
}

/// Prints a line that goes on in the next one, which is not mco's.
#[cold]
pub(crate) fn line(text: &str) {
    print(&format!("\n{text}\n"), WRITE_TIMEOUT);
}

/// As `line`, in a test: it belongs to the output of the test, which its harness keeps, and may be lost. Where there
/// is no harness it is what others print there, too.
#[cold]
pub(crate) fn line_of_test(text: &str) {
    // It would panic.
    if is_open() {
        eprintln!("\n{text}");
    }
}

/// Whether somebody may read what is written.
#[cfg(unix)]
fn is_open() -> bool {
    let mut fd = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
    // SAFETY: one valid entry.
    let ready = unsafe { libc::poll(&raw mut fd, 1, 0) };
    ready >= 0 && fd.revents & (libc::POLLERR | libc::POLLNVAL) == 0
}

/// It is not told.
#[cfg(not(unix))]
fn is_open() -> bool {
    true
}

/// Prints a text of many lines, for one who has time: as the last thing in the life of the process, or in a
/// thread of its own.
#[cold]
pub(crate) fn show(text: fmt::Arguments<'_>) {
    print(&format!("mco: {text}\n"), LONG_WRITE_TIMEOUT);
}

/// Says why the process cannot go on, and ends it.
#[cold]
pub(crate) fn die(message: fmt::Arguments<'_>) -> ! {
    print(&format!("mco: {message}\n"), LONG_WRITE_TIMEOUT);
    process::abort()
}

fn print(text: &str, patience: Duration) {
    let Some(_writing) = WRITING.try_lock_for(patience) else {
        LOST.fetch_add(1, Ordering::Relaxed);
        return;
    };
    let lost = LOST.swap(0, Ordering::Relaxed);
    let note = match lost {
        0 => String::new(),
        _ => {
            format!("mco: standard error has taken nothing for a while, and {} lost\n", were(lost))
        }
    };
    if !note.is_empty() && !write(note.as_bytes(), patience) {
        LOST.fetch_add(lost + 1, Ordering::Relaxed);
    } else if !write(text.as_bytes(), patience) {
        LOST.fetch_add(1, Ordering::Relaxed);
    }
}

fn were(messages: u64) -> String {
    if messages == 1 { "1 message was".to_owned() } else { format!("{messages} messages were") }
}

/// A number of things, for messages: `1 coroutine`, `2 coroutines`.
pub(crate) fn count(number: impl Into<u64>, thing: &str) -> String {
    let number = number.into();
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

/// Writes all of it; `false` if that is impossible, or nothing was taken for as long as `patience` lasts.
#[cfg(unix)]
fn write(mut bytes: &[u8], patience: Duration) -> bool {
    use std::io;
    use std::time::Instant;

    /// A pipe that is said to have room takes as much without waiting: `PIPE_BUF` of POSIX.
    const PIECE: usize = 512;
    let mut until = Instant::now() + patience;
    while !bytes.is_empty() {
        let left = until.saturating_duration_since(Instant::now());
        let millis = left.as_nanos().div_ceil(1_000_000);
        let mut fd = libc::pollfd { fd: libc::STDERR_FILENO, events: libc::POLLOUT, revents: 0 };
        // SAFETY: one valid entry.
        let ready =
            unsafe { libc::poll(&raw mut fd, 1, i32::try_from(millis).unwrap_or(i32::MAX)) };
        let interrupted = || io::Error::last_os_error().kind() == io::ErrorKind::Interrupted;
        match ready {
            0 => return false,
            1.. => {}
            _ if interrupted() => continue,
            _ => return false,
        }
        let piece = &bytes[..bytes.len().min(PIECE)];
        // SAFETY: that memory can be read.
        let written =
            unsafe { libc::write(libc::STDERR_FILENO, piece.as_ptr().cast(), piece.len()) };
        match usize::try_from(written) {
            Ok(written) => {
                bytes = &bytes[written..];
                until = Instant::now() + patience;
            }
            Err(_) => match io::Error::last_os_error().kind() {
                io::ErrorKind::Interrupted => {}
                // It does not wait, and another has taken the room.
                io::ErrorKind::WouldBlock if Instant::now() < until => {}
                _ => return false,
            },
        }
    }
    true
}

/// Writes all of it; `false` if that is impossible.
#[cfg(not(unix))]
fn write(bytes: &[u8], _: Duration) -> bool {
    use std::io::{self, Write};

    io::stderr().write_all(bytes).is_ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Where else something may be printed: by a test's own thread, whose output the harness keeps.
    const OTHERS: [&str; 1] = ["testing/runner.rs"];

    /// What is compiled of a file, without comments, which hold examples, and tests at its end.
    fn code(text: &str) -> impl Iterator<Item = &str> {
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
        code.lines().map(str::trim).filter(|line| !line.starts_with("//"))
    }

    fn visit(folder: &Path, each: &mut dyn FnMut(&Path, &str)) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                visit(&path, each);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                each(&path, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    #[test]
    #[cfg_attr(miri, ignore = "it reads the sources")]
    fn only_this_module_prints() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut found = Vec::new();
        let mut files = 0;
        visit(&root, &mut |path, text| {
            files += 1;
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            let prints = |line: &&str| {
                ["print!(", "println!(", "io::stderr()", "io::stdout()", "dbg!("]
                    .iter()
                    .any(|macro_| line.contains(macro_))
            };
            if name != "report.rs" && !OTHERS.contains(&name.as_str()) {
                found.extend(code(text).filter(prints).map(|line| format!("{name}: {line}")));
            }
        });
        assert!(files > 100, "{files} files were read");
        assert!(found.is_empty(), "to be said by `report::say` instead: {found:#?}");
    }

    #[test]
    fn one_item_is_singular() {
        assert_eq!([count(0u32, "wait"), count(1u32, "wait")], ["0 waits", "1 wait"]);
    }
}
