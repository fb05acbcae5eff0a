//! A process that is listened to line by line.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{self, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// A child process. Dropping it ends it.
pub(super) struct Child {
    process: process::Child,
    /// What it prints, line by line; closed when it has ended.
    lines: Receiver<String>,
    /// The start of what it writes to standard error, for the report of a failure.
    errors: Arc<Mutex<Vec<u8>>>,
}

impl Child {
    pub(super) fn start(mut command: Command) -> Result<Self, String> {
        command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let name = command.get_program().to_string_lossy().into_owned();
        let mut process =
            command.spawn().map_err(|fault| format!("could not start `{name}`: {fault}"))?;
        let output = process.stdout.take().expect("standard output is piped");
        let mut errors = process.stderr.take().expect("standard error is piped");
        let (sender, lines) = channel();
        let first_errors = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&first_errors);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = errors.read(&mut piece) {
                let mut kept = kept.lock().expect("nothing panics with this lock");
                if kept.len() < piece.len() {
                    kept.extend_from_slice(&piece[..length]);
                }
            }
        });
        Ok(Self { process, lines, errors: first_errors })
    }

    /// Sends it a line. That it may have ended shows when its answer is waited for.
    pub(super) fn say(&mut self, line: &str) {
        if let Some(input) = &mut self.process.stdin {
            let _ = writeln!(input, "{line}");
        }
    }

    /// The word that follows `key` on the next line that begins with it.
    pub(super) fn word_after(&mut self, key: &str, limit: Duration) -> Result<String, String> {
        let end = Instant::now() + limit;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some((first, rest)) = line.split_once(' ')
                        && first == key
                    {
                        return Ok(rest.trim().to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    return Err(format!(
                        "hung, no `{key}` within {} s: {}",
                        limit.as_secs(),
                        self.words()
                    ));
                }
                Err(RecvTimeoutError::Disconnected) => return Err(self.obituary()),
            }
        }
    }

    /// Closes its input, which asks it to end, and waits a while for that.
    pub(super) fn end(&mut self) {
        drop(self.process.stdin.take());
        let limit = Instant::now() + Duration::from_secs(5);
        while Instant::now() < limit && matches!(self.process.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// How it ended, and what it said about that.
    fn obituary(&mut self) -> String {
        let end = match self.process.wait() {
            Ok(status) => status.to_string(),
            Err(fault) => fault.to_string(),
        };
        // Its output is closed already; the thread that reads its errors may be a moment behind.
        thread::sleep(Duration::from_millis(50));
        format!("crashed with {end}: {}", self.words())
    }

    /// The first two lines that it has written to standard error: a panic's place and message.
    fn words(&self) -> String {
        let errors = self.errors.lock().expect("nothing panics with this lock");
        let text = String::from_utf8_lossy(&errors);
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let words = lines.take(2).collect::<Vec<_>>().join(" ");
        if words.is_empty() { "it said nothing".into() } else { words.chars().take(300).collect() }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
