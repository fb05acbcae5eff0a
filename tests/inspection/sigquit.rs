//! A dump on `SIGQUIT`, each time in a process of its own.

#![cfg(unix)]
#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::mpsc;
use std::thread;

use mco::coroutine::{self, Builder};
use mco::debug::State;
use mco::runtime::Runtime;
use mco_tests::child::Child;
use mco_tests::{HUNG, child, eventually};

/// Sends the signal to this process.
fn quit() {
    // SAFETY: `kill` has no preconditions.
    let done = unsafe { libc::kill(libc::getpid(), libc::SIGQUIT) };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}

/// Has the signal do this from here on. Whatever started the tests may have it ignored, as shells do for what
/// runs in the background.
fn set_action(action: libc::sighandler_t) {
    // SAFETY: it is one of the system's own.
    let before = unsafe { libc::signal(libc::SIGQUIT, action) };
    assert_ne!(before, libc::SIG_ERR, "{}", std::io::Error::last_os_error());
}

/// Sends the signal where it is to end the process: soon, since another thread may be the one to take it.
fn quit_and_end() -> ! {
    quit();
    thread::sleep(HUNG);
    unreachable!("it goes on");
}

/// What this process, a child, prints on standard error from now on, which others see no more.
fn capture_stderr() -> impl Iterator<Item = String> {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    // SAFETY: both are open descriptors.
    let done = unsafe { libc::dup2(writer.as_raw_fd(), libc::STDERR_FILENO) };
    assert_eq!(done, libc::STDERR_FILENO, "{}", std::io::Error::last_os_error());
    BufReader::new(reader).lines().map(|line| line.expect("it is text"))
}

/// Prints again where others see it.
fn release_stderr(kept: &File) {
    // SAFETY: both are open descriptors.
    unsafe { libc::dup2(kept.as_raw_fd(), libc::STDERR_FILENO) };
}

fn keep_stderr() -> File {
    // SAFETY: the new descriptor belongs to the file.
    unsafe { File::from_raw_fd(libc::dup(libc::STDERR_FILENO)) }
}

/// Asks for a dump, and reads it up to the line in which `last` is.
fn dump(lines: &mut impl Iterator<Item = String>, last: &str) -> String {
    quit();
    let mut text = String::new();
    for line in lines {
        text += &line;
        text.push('\n');
        if line.contains(last) {
            return text;
        }
    }
    panic!("the dump ended without `{last}`:\n{text}")
}

/// A runtime of one worker with a coroutine `waits here` that waits.
fn with_one_that_waits() -> Runtime {
    let runtime = Runtime::builder().build().expect("a runtime");
    runtime.run(|| drop(Builder::new().name("waits here").spawn(coroutine::park)));
    eventually("it waits", || mco::debug::coroutines().iter().any(|c| c.state == State::Blocked));
    runtime
}

#[test]
fn the_environment_switches_it_on_and_the_process_goes_on() {
    let end = Child::new().env("MCO_DUMP", "1").run(|| {
        let kept = keep_stderr();
        let runtime = with_one_that_waits();
        assert!(mco::config().get_dump_on_sigquit());
        let mut lines = capture_stderr();
        let dumps = [(); 2].map(|()| dump(&mut lines, "spawned at"));
        release_stderr(&kept);
        for text in dumps {
            assert!(text.contains("mco: SIGQUIT"), "{text}");
            assert!(text.contains("`waits here` waits for an `unpark`"), "{text}");
        }
        assert_eq!(runtime.run(|| 7), 7);
    });
    end.assert_success();
}

#[test]
fn the_setting_switches_it_on_at_once() {
    child::pass(|| {
        let kept = keep_stderr();
        assert!(!mco::config().get_dump_on_sigquit());
        let runtime = with_one_that_waits();
        mco::config().set_dump_on_sigquit(true);
        assert!(mco::config().get_dump_on_sigquit());
        let mut lines = capture_stderr();
        let text = dump(&mut lines, "spawned at");
        release_stderr(&kept);
        assert!(text.contains("`waits here`"), "{text}");
        drop(runtime);
    });
}

#[test]
fn it_works_while_all_workers_are_stuck() {
    child::pass(|| {
        let kept = keep_stderr();
        mco::config().dump_on_sigquit(true);
        let runtime = Runtime::builder().workers(2).build().expect("a runtime");
        let (unblock, blocks) = mpsc::channel::<()>();
        let blocks = std::sync::Arc::new(std::sync::Mutex::new(blocks));
        let stuck: Vec<_> = (0..2)
            .map(|_| {
                let blocks = blocks.clone();
                // With standard error's own lock, too.
                runtime.spawn(move || {
                    let _lock = std::io::stderr().lock();
                    let _ = blocks.lock().unwrap().recv();
                })
            })
            .collect();
        eventually("both hold their workers up", || {
            let all = mco::debug::coroutines();
            all.iter().filter(|c| c.state == State::Running).count() == 2
        });
        let mut lines = capture_stderr();
        let text = dump(&mut lines, "spawned at");
        release_stderr(&kept);
        assert!(text.contains("2 running"), "{text}");
        drop(unblock);
        stuck.into_iter().for_each(|handle| handle.join().unwrap());
    });
}

#[test]
fn without_being_asked_the_signal_ends_the_process() {
    let end = child::run(|| {
        set_action(libc::SIG_DFL);
        let _runtime = with_one_that_waits();
        quit_and_end();
    });
    end.assert_killed_by(libc::SIGQUIT);
}

#[test]
fn switched_off_again_it_ends_the_process() {
    let end = child::run(|| {
        set_action(libc::SIG_DFL);
        mco::config().set_dump_on_sigquit(true).set_dump_on_sigquit(false);
        assert!(!mco::config().get_dump_on_sigquit());
        quit_and_end();
    });
    end.assert_killed_by(libc::SIGQUIT);
}

#[test]
fn switched_off_again_it_is_ignored_where_it_was() {
    child::pass(|| {
        set_action(libc::SIG_IGN);
        mco::config().set_dump_on_sigquit(true).set_dump_on_sigquit(false);
        quit();
        // Nor does it matter that it is switched off once more.
        mco::config().set_dump_on_sigquit(false);
        quit();
    });
}
