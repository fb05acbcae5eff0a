//! Running the body of a test in a process of its own.
//!
//! The process is this test binary again, told to run the one test; there the same call of
//! [`run`] runs the body instead of starting yet another process:
//!
//! ```no_run
//! # use mco_tests::child;
//! #[test]
//! fn it_aborts() {
//!     let end = child::run(|| std::process::abort());
//!     end.assert_killed_by(libc::SIGABRT);
//! }
//! ```

#![allow(unsafe_code)]

use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::{self, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};
use std::{any, env};

use crate::text_of;

/// Holds the name of the test whose body the process is to run.
const CHILD: &str = "MCO_TESTS_CHILD";

/// When a child counts as hung, unless [`Child::limit`] says otherwise.
pub const LIMIT: Duration = Duration::from_secs(120);

/// How a child ended, and what it said.
#[derive(Debug)]
pub struct End {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it printed, with what libtest prints around it.
    pub stdout: String,
    /// What it printed as messages.
    pub stderr: String,
}

/// Runs `body` in a process of its own and waits for its end. To be called by a test function
/// itself, whose name the process is given.
///
/// # Panics
///
/// If the process does not end in two minutes.
#[track_caller]
pub fn run<F: FnOnce()>(body: F) -> End {
    Child::new().run(body)
}

/// As [`run`], for a body that is expected to pass.
///
/// # Panics
///
/// If the body panics there or ends the process, with what it said; or as [`run`].
#[track_caller]
pub fn pass<F: FnOnce()>(body: F) -> End {
    let end = run(body);
    end.assert_success();
    end
}

/// A process to be started.
#[derive(Debug)]
pub struct Child {
    limit: Duration,
    env: Vec<(&'static str, String)>,
}

impl Default for Child {
    fn default() -> Child {
        Child::new()
    }
}

impl Child {
    /// A process with the environment of this one.
    #[must_use]
    pub fn new() -> Child {
        Child { limit: LIMIT, env: Vec::new() }
    }

    /// When it counts as hung.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Child {
        self.limit = limit;
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &'static str, value: &str) -> Child {
        self.env.push((name, value.to_owned()));
        self
    }

    /// Runs `body` there. See [`run`].
    ///
    /// # Panics
    ///
    /// If it hangs, with what it has said until then.
    #[track_caller]
    pub fn run<F: FnOnce()>(self, body: F) -> End {
        let test = test_of::<F>();
        if env::var(CHILD).is_ok_and(|name| name == test) {
            run_here(body);
        }
        let mut command = Command::new(env::current_exe().expect("the path of the test binary"));
        command.args([&test, "--exact", "--nocapture", "--include-ignored"]).env(CHILD, &test);
        command.envs(self.env.iter().map(|(name, value)| (name, value.as_str())));
        let end = watch(&mut command, self.limit);
        let ran = end.stdout.contains("running 1 test");
        assert!(ran, "`{test}` is no test of this binary; call this in the test itself:\n{end}");
        end
    }

    /// Runs another test of this binary there, as `cargo test` does, even if it is ignored.
    ///
    /// # Panics
    ///
    /// If there is no such test. If it hangs, with what it has said until then.
    #[track_caller]
    pub fn run_test(self, test: &str) -> End {
        self.run_tests(&[test])
    }

    /// Runs some other tests of this binary there, all at once.
    ///
    /// # Panics
    ///
    /// As [`run_test`](Child::run_test).
    #[track_caller]
    pub fn run_tests(self, tests: &[&str]) -> End {
        let mut command = Command::new(env::current_exe().expect("the path of the test binary"));
        command.args(tests).args(["--exact", "--nocapture", "--include-ignored"]);
        command.arg(format!("--test-threads={}", tests.len()));
        command.envs(self.env.iter().map(|(name, value)| (name, value.as_str())));
        let end = watch(&mut command, self.limit);
        let ran = end.stdout.contains(&format!("running {} test", tests.len()));
        assert!(ran, "not all of `{}` are tests of this binary:\n{end}", tests.join("`, `"));
        end
    }
}

/// The name of the test in which the closure `F` was written, from that of its type.
fn test_of<F>() -> String {
    let name = any::type_name::<F>();
    let name = name.split("::{{closure}}").next().unwrap_or(name);
    name.split_once("::").map_or(name, |(_, path)| path).to_owned()
}

fn run_here(body: impl FnOnce()) -> ! {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // A body that aborts shall leave no core file behind.
    // SAFETY: `none` is a valid limit.
    unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    let code = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(()) => 0,
        Err(payload) => {
            eprintln!("the body in the child process panicked: {}", text_of(&*payload));
            101
        }
    };
    // Not through libtest, which would wait for whatever the body has left behind.
    process::exit(code)
}

/// Runs a command to its end with its output captured.
///
/// # Panics
///
/// If it cannot be started, or has not ended within `limit`: then it is killed.
#[track_caller]
pub fn watch(command: &mut Command, limit: Duration) -> End {
    let command = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the child process starts");
    let stdout = collect(child.stdout.take().expect("it is piped"));
    let stderr = collect(child.stderr.take().expect("it is piped"));
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().expect("the child process can be waited for") {
            break Some(status);
        }
        if start.elapsed() > limit {
            child.kill().expect("the child process can be killed");
            child.wait().expect("the child process can be waited for");
            break None;
        }
        thread::sleep(Duration::from_millis(2));
    };
    // The pipes end with the process, unless it has left one of its own behind.
    let text = |pipe: mpsc::Receiver<Vec<u8>>| {
        let bytes = pipe.recv_timeout(Duration::from_secs(10)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let end =
        End { status: status.unwrap_or_default(), stdout: text(stdout), stderr: text(stderr) };
    assert!(
        status.is_some(),
        "the child process hung; killed after {limit:?}, it had said:\n{end}"
    );
    end
}

fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (done, wait) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let read: io::Result<usize> = pipe.read_to_end(&mut bytes);
        drop((read, done.send(bytes)));
    });
    wait
}

impl End {
    /// # Panics
    ///
    /// If the process did not end well.
    #[track_caller]
    pub fn assert_success(&self) {
        assert!(self.status.success(), "the child process failed:\n{self}");
    }

    /// # Panics
    ///
    /// If the process did not end as that of a failed test does.
    #[track_caller]
    pub fn assert_failed(&self) {
        assert_eq!(self.status.code(), Some(101), "the test should have failed:\n{self}");
    }

    /// # Panics
    ///
    /// If the process was not killed by this signal.
    #[track_caller]
    pub fn assert_killed_by(&self, signal: i32) {
        let killed = self.status.signal();
        assert_eq!(
            killed,
            Some(signal),
            "the child process should die of signal {signal}:\n{self}"
        );
    }

    /// # Panics
    ///
    /// If the process has not said `text` on standard error.
    #[track_caller]
    pub fn assert_says(&self, text: &str) {
        assert!(self.stderr.contains(text), "the child process should have said {text:?}:\n{self}");
    }

    /// # Panics
    ///
    /// If the process has said `text` on standard error.
    #[track_caller]
    pub fn assert_does_not_say(&self, text: &str) {
        assert!(!self.stderr.contains(text), "the child process should not say {text:?}:\n{self}");
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        writeln!(f, "--- stdout ---\n{}", self.stdout.trim_end())?;
        write!(f, "--- stderr ---\n{}", self.stderr.trim_end())
    }
}
