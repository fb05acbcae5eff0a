//! A program that runs, and what it has printed.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// A program that is silent for so long hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// Killed when it is dropped.
pub(crate) struct Program {
    child: Child,
    pub(crate) stdout: Lines,
    pub(crate) stderr: Lines,
}

pub(crate) struct Lines(Receiver<String>);

/// What is known of a program that has ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// A command that sets limits as `ulimit` does with `limits`, and then becomes `program`.
#[cfg(unix)]
pub(crate) fn limited(limits: &str, program: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("ulimit {limits} && exec \"$0\" \"$@\""), program]);
    shell
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    Program::start(command).end()
}

/// Whether a program is installed; if not, says that the calling test is skipped.
pub(crate) fn has(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdin(Stdio::null()).output().is_ok();
    if !found {
        eprintln!("skipped: `{program}` is not installed");
    }
    found
}

impl Program {
    pub(crate) fn start(command: &mut Command) -> Program {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stdout = Lines::of(child.stdout.take().unwrap());
        let stderr = Lines::of(child.stderr.take().unwrap());
        Program { child, stdout, stderr }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end; what it says until then has not been read yet.
    pub(crate) fn end(mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let status = self.child.wait().unwrap().code();
        Ended { status, stdout, stderr }
    }

    /// How many descriptors it has open; `None` where the system does not tell.
    #[cfg(unix)]
    pub(crate) fn descriptors(&self) -> Option<usize> {
        Some(std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).ok()?.count())
    }

    /// How many bytes of memory it has used at most.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        peak.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
    }

    /// Sends it a signal, by its name without `SIG`.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().unwrap();
        assert!(sent.success(), "{name} cannot be sent");
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails if the program has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Lines {
    pub(crate) fn of(pipe: impl Read + Send + 'static) -> Lines {
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines() {
                if sender.send(line.unwrap()).is_err() {
                    return;
                }
            }
        });
        Lines(lines)
    }

    /// Waits for a line that contains `text`, and passes over others.
    pub(crate) fn wait_for(&self, text: &str) -> String {
        self.wait_for_any(&[text])
    }

    /// Waits for a line that contains one of `texts`, and passes over others.
    pub(crate) fn wait_for_any(&self, texts: &[&str]) -> String {
        let mut passed = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) if texts.iter().any(|text| line.contains(text)) => return line,
                Ok(line) => passed.push(line),
                Err(error) => panic!("no line with {texts:?}: {error}; there were {passed:#?}"),
            }
        }
    }

    fn rest(&self) -> String {
        let mut text = String::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) => text += &(line + "\n"),
                Err(mpsc::RecvTimeoutError::Disconnected) => return text,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("it hangs, having said:\n{text}"),
            }
        }
    }
}

/// Waits until `condition` holds.
#[track_caller]
pub(crate) fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "this did not come about: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}
