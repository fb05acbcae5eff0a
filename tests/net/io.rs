//! Any descriptor: `CoIo` and `WaitIo`.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use mco::coroutine;
use mco::io::{CoIo, WaitIo};
use mco::net::UdpSocket;
use mco::os::unix::net::UnixStream;
use mco::std::time::timeout;
use mco_tests::everywhere::{assert_times_out_everywhere, everywhere};
use mco_tests::started::{assert_cancelled, start};
use mco_tests::{HUNG, child, process, runtime, sockets, with_runtimes, within};

fn pipe() -> (CoIo<PipeReader>, CoIo<PipeWriter>) {
    let (reader, writer) = io::pipe().expect("a pipe");
    (CoIo::new(reader).expect("it can be watched"), CoIo::new(writer).expect("it can be watched"))
}

/// A counter as `eventfd` makes it, which reads and writes eight bytes.
fn event_counter() -> CoIo<File> {
    // SAFETY: no preconditions.
    let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC) };
    assert!(fd >= 0, "eventfd: {}", io::Error::last_os_error());
    // SAFETY: it is open, and nobody else has it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    CoIo::new(File::from(fd)).expect("it can be watched")
}

fn is_nonblocking(fd: impl AsFd) -> bool {
    // SAFETY: an open descriptor, of which the flags are read.
    let flags = unsafe { libc::fcntl(fd.as_fd().as_raw_fd(), libc::F_GETFL) };
    flags & libc::O_NONBLOCK != 0
}

#[test]
fn a_pipe_is_read_and_written() {
    everywhere(|| {
        let (mut reader, mut writer) = pipe();
        let sender = coroutine::spawn(move || {
            assert_eq!(writer.write_vectored(&[IoSlice::new(b"ab"), IoSlice::new(b"c")])?, 3);
            writer.write_all(b"def")?;
            writer.flush()
        });
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "abcdef");
        sender.join().unwrap().unwrap();
    });
}

/// What the system leaves aside, of more than 1,024, says nothing about the descriptor.
#[test]
fn transfers_of_many_slices_are_followed_by_others() {
    const MANY: usize = 3 * 1024 + 1;
    everywhere(|| {
        let (mut reader, mut writer) = pipe();
        let early = timeout(Duration::from_millis(1), || reader.read(&mut [0]));
        assert!(early.is_err(), "nothing comes");
        let sender = coroutine::spawn(move || {
            let written = writer.write_vectored(&vec![IoSlice::new(b"ab"); MANY]).unwrap();
            writer.write_all(b"xy").unwrap();
            written + 2
        });
        let mut bytes = vec![0; MANY];
        let mut bufs: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        let count = reader.read_vectored(&mut bufs).unwrap();
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert_eq!(count + rest.len(), sender.join().unwrap());
    });
}

#[test]
fn megabytes_pass_through_a_pipe() {
    let len = if cfg!(debug_assertions) { 10 << 20 } else { 100 << 20 };
    everywhere(move || {
        let (mut reader, mut writer) = pipe();
        let sender = coroutine::spawn(move || writer.write_all(&sockets::pattern(len)).unwrap());
        let mut received = Vec::with_capacity(len);
        reader.read_to_end(&mut received).unwrap();
        sender.join().unwrap();
        assert!(received == sockets::pattern(len));
    });
}

#[test]
fn a_pipe_whose_reader_has_gone_is_told() {
    everywhere(|| {
        let (reader, mut writer) = pipe();
        drop(reader);
        assert_eq!(writer.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_writer_that_waits_is_told_that_the_reader_has_gone() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (reader, mut writer) = pipe();
        let handle = start(&runtime, move || writer.write_all(&[7; 1 << 20]));
        drop(reader);
        assert_eq!(handle.join().unwrap().unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_counter_wakes_who_reads_it_through_a_reference() {
    everywhere(|| {
        let counter = Arc::new(event_counter());
        let reads = counter.clone();
        let reader = coroutine::spawn(move || {
            let mut count = [0; 8];
            (&*reads).read_exact(&mut count).unwrap();
            u64::from_ne_bytes(count)
        });
        coroutine::yield_now();
        (&*counter).write_all(&5u64.to_ne_bytes()).unwrap();
        assert_eq!(reader.join().unwrap(), 5);
    });
}

#[test]
fn changes_of_a_folder_are_seen() {
    with_runtimes(|runtime| {
        // SAFETY: no preconditions.
        let fd = unsafe { libc::inotify_init1(libc::IN_CLOEXEC) };
        assert!(fd >= 0, "inotify: {}", io::Error::last_os_error());
        // SAFETY: it is open, and nobody else has it.
        let mut events = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
        let name = format!("mco-io-{}-{:?}", std::process::id(), std::thread::current().id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let path = std::ffi::CString::new(folder.to_str().unwrap()).unwrap();
        // SAFETY: an open descriptor, and a path that ends with zero.
        let watch = unsafe { libc::inotify_add_watch(fd, path.as_ptr(), libc::IN_CREATE) };
        assert!(watch >= 0, "inotify: {}", io::Error::last_os_error());
        let _ = events.flush();
        let mut events = CoIo::new(events).unwrap();
        let seen = runtime.spawn(move || events.read(&mut [0; 1024]));
        std::fs::write(folder.join("new"), "x").unwrap();
        assert!(seen.join().unwrap().unwrap() > 0);
        std::fs::remove_dir_all(&folder).unwrap();
    });
}

#[test]
fn a_line_of_a_terminal_at_a_time() {
    everywhere(|| {
        let (mut main, mut other) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: two places for descriptors; no name, settings or size are asked for.
        let made =
            unsafe { libc::openpty(&raw mut main, &raw mut other, none, none.cast(), none.cast()) };
        assert_eq!(made, 0, "openpty: {}", io::Error::last_os_error());
        // SAFETY: they are open, and nobody else has them.
        let (main, other) = unsafe { (OwnedFd::from_raw_fd(main), OwnedFd::from_raw_fd(other)) };
        let mut main = CoIo::new(File::from(main)).unwrap();
        let mut terminal = CoIo::new(File::from(other)).unwrap();
        let reader = coroutine::spawn(move || {
            let mut lines = Vec::new();
            for _ in 0..2 {
                let mut line = [0; 100];
                // Short, although there is more.
                let n = terminal.read(&mut line).unwrap();
                lines.push(String::from_utf8_lossy(&line[..n]).into_owned());
            }
            lines
        });
        coroutine::yield_now();
        main.write_all(b"one\ntwo\n").unwrap();
        assert_eq!(reader.join().unwrap(), ["one\n", "two\n"]);
    });
}

#[test]
fn reads_and_writes_time_out() {
    assert_times_out_everywhere(|limit| {
        let (mut reader, _writer) = pipe();
        reader.set_read_timeout(Some(limit))?;
        assert_eq!(reader.read_timeout()?, Some(limit));
        reader.read(&mut [0; 8]).map(drop)
    });
    assert_times_out_everywhere(|limit| {
        let (_reader, mut writer) = pipe();
        writer.set_write_timeout(Some(limit))?;
        writer.write_all(&[7; 1 << 20])
    });
}

#[test]
fn a_cancelled_reader_takes_nothing() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (reader, mut writer) = pipe();
        let reader = Arc::new(reader);
        let reads = reader.clone();
        let handle = start(&runtime, move || (&*reads).read(&mut [0; 8]));
        handle.cancel();
        assert_cancelled(handle);
        writer.write_all(b"x").unwrap();
        assert_eq!((&*reader).read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn what_the_system_cannot_watch_is_refused_with_a_remedy() {
    everywhere(|| {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let error = CoIo::new(file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("mco::blocking"), "{error}");
        let folder = File::open(std::env::temp_dir()).unwrap();
        assert_eq!(CoIo::new(folder).unwrap_err().kind(), ErrorKind::Unsupported);
    });
}

#[test]
fn a_refused_descriptor_stays_as_it_was() {
    within(HUNG, || {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        assert!(CoIo::new(&file).is_err());
        assert!(!is_nonblocking(&file));
    });
}

#[test]
fn what_is_inside_comes_out_blocking() {
    within(HUNG, || {
        let (reader, writer) = pipe();
        assert!(is_nonblocking(&reader) && is_nonblocking(writer.inner()));
        let reader = reader.into_inner().unwrap();
        assert!(!is_nonblocking(&reader));
        assert!(format!("{writer:?}").starts_with("CoIo("));
    });
}

#[test]
fn another_one_may_be_put_inside() {
    within(HUNG, || {
        let runtime = runtime(1);
        runtime.run(|| {
            let (mut reader, mut writer) = pipe();
            let wait = coroutine::spawn(move || {
                reader.read_exact(&mut [0]).unwrap();
                reader
            });
            coroutine::yield_now();
            writer.write_all(b"x").unwrap();
            let mut reader = wait.join().unwrap();
            // It is registered by now; the number of the old descriptor goes to the third pipe.
            let (new, mut new_writer) = io::pipe().unwrap();
            drop(std::mem::replace(reader.inner_mut(), new));
            let (mut third, mut third_writer) = pipe();
            let both = coroutine::spawn(move || {
                third.read_exact(&mut [0]).unwrap();
            });
            let wait = coroutine::spawn(move || reader.read_exact(&mut [0]));
            coroutine::yield_now();
            new_writer.write_all(b"y").unwrap();
            third_writer.write_all(b"z").unwrap();
            wait.join().unwrap().unwrap();
            both.join().unwrap();
        });
    });
}

#[test]
fn two_handles_to_one_descriptor_are_told_apart_or_refused() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (reader, _writer) = io::pipe().unwrap();
        let reader: &'static PipeReader = Box::leak(Box::new(reader));
        let (mut one, mut other) = (CoIo::new(reader).unwrap(), CoIo::new(reader).unwrap());
        let first = start(&runtime, move || one.read(&mut [0]));
        let error = runtime.run(|| other.read(&mut [0])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("by reference"), "{error}");
        first.cancel();
        assert_cancelled(first);
    });
}

#[test]
fn waiting_for_readiness_is_by_what_there_is() {
    everywhere(|| {
        let (near, mut far) = UnixStream::pair().unwrap();
        let short = Some(Duration::from_millis(2));
        assert_eq!(near.wait_readable(short).unwrap_err().kind(), ErrorKind::TimedOut);
        near.wait_writable(None).unwrap();
        let waits = coroutine::spawn(move || {
            near.wait_readable(None).unwrap();
            // As long as it is.
            near.wait_readable(None).unwrap();
            near
        });
        coroutine::yield_now();
        far.write_all(b"abc").unwrap();
        let mut near = waits.join().unwrap();
        near.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(near.wait_readable(short).unwrap_err().kind(), ErrorKind::TimedOut);
        drop(far);
        // An end can be read too.
        near.wait_readable(None).unwrap();
    });
}

#[test]
fn waiting_for_readiness_times_out() {
    assert_times_out_everywhere(|limit| {
        let socket = UdpSocket::bind(sockets::ANY)?;
        socket.wait_readable(Some(limit))
    });
    assert_times_out_everywhere(|limit| {
        let (_reader, writer) = pipe();
        writer.set_nonblocking(true)?;
        while (&mut { writer.inner() }).write(&[7; 4096]).is_ok() {}
        writer.wait_writable(Some(limit))
    });
}

#[test]
fn events_are_waited_for_and_a_waker_makes_one() {
    everywhere(|| {
        let (near, mut far) = pair_of_events();
        // Registers, and sees what there is.
        near.wait_io().unwrap();
        near.reset_io();
        let near = Arc::new(near);
        let waits = near.clone();
        let waiter = coroutine::spawn(move || waits.wait_io().unwrap());
        coroutine::yield_now();
        far.write_all(b"x").unwrap();
        waiter.join().unwrap();

        // One that came before the wait counts.
        near.reset_io();
        near.waker().wakeup();
        near.wait_io().unwrap();

        let waker = near.waker();
        near.reset_io();
        let waits = near.clone();
        let waiter = coroutine::spawn(move || waits.wait_io().unwrap());
        coroutine::yield_now();
        waker.wakeup();
        waiter.join().unwrap();
        // What there was is still read.
        let mut piece = [0; 8];
        assert_eq!((&*near).read(&mut piece).unwrap(), 1);
    });
}

fn pair_of_events() -> (UnixStream, UnixStream) {
    UnixStream::pair().unwrap()
}

#[test]
fn a_cancelled_wait_for_events_ends() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (near, _far) = UnixStream::pair().unwrap();
        let near = Arc::new(near);
        let waits = near.clone();
        let handle = start(&runtime, move || {
            waits.wait_io().unwrap();
            waits.reset_io();
            waits.wait_io().unwrap();
        });
        handle.cancel();
        assert_cancelled(handle);
    });
}

#[test]
fn many_pipes_leave_no_descriptor() {
    let rounds = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
    child::pass(move || {
        let runtime = runtime(2);
        let exchange = || {
            let (mut reader, mut writer) = pipe();
            let reader = coroutine::spawn(move || reader.read(&mut [0; 8]).unwrap());
            coroutine::yield_now();
            writer.write_all(b"x").unwrap();
            assert_eq!(reader.join().unwrap(), 1);
        };
        runtime.run(exchange);
        let before = process::descriptors();
        runtime.run(|| (0..rounds).for_each(|_| exchange()));
        assert_eq!(process::descriptors(), before);
    });
}
