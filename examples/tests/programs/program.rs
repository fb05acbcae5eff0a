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

    /// Sends a signal to it, by the name that `kill` knows.
    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let killed =
            Command::new("kill").args([format!("-{name}"), self.id().to_string()]).status();
        assert!(killed.unwrap().success(), "kill -{name} {}", self.id());
    }

    /// Waits for its end. What has been read of its output is missing.
    pub(crate) fn end(mut self) -> Ended {
        let (stdout, stderr) = (self.stdout.rest(), self.stderr.rest());
        let status = self.child.wait().unwrap().code();
        Ended { status, stdout, stderr }
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
        self.wait_for_one_of(&[text])
    }

    /// Waits for a line that contains one of the texts, and passes over others.
    pub(crate) fn wait_for_one_of(&self, texts: &[&str]) -> String {
        let mut passed = Vec::new();
        loop {
            match self.0.recv_timeout(PATIENCE) {
                Ok(line) if texts.iter().any(|text| line.contains(text)) => return line,
                Ok(line) => passed.push(line),
                Err(error) => {
                    panic!("no line with any of {texts:?}: {error}; there were {passed:#?}")
                }
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
