//! Transfers of more slices than the system takes at once: what is left aside says nothing about the socket, so the
//! next transfer happens. By std's traits and those of each crate, on each kind of stream.

use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut, Read, Write};
use std::pin::{Pin, pin};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use mco::block_on;
use mco::net::TcpStream;
use mco::net::tls::TlsStream;
use mco::os::unix::net::UnixStream;
use mco::std::time::timeout;
use mco_tests::everywhere::everywhere;

use crate::flavour::{
    Flavour, Peer, Reads, Stream, Writes, close, for_all, read, read_exact, write_all,
};

/// What the system takes at once.
const TAKEN: usize = 1024;

/// More than it takes, after which a stream is written to as usual.
const MANY: usize = 3 * TAKEN + 1;

/// The streams, in coroutines and in threads.
macro_rules! each_stream {
    ($test:ident) => {
        everywhere(|| {
            $test::<TcpStream>();
            $test::<UnixStream>();
            $test::<TlsStream>();
        });
    };
}

/// Has the stream registered with a reactor, as one that has waited.
fn wait_once(stream: &mut impl Read) {
    assert!(timeout(Duration::from_millis(1), || stream.read(&mut [0])).is_err(), "nothing comes");
}

/// The same in a task.
async fn pend_once<F: Flavour>(stream: &mut impl Reads) {
    let mut byte = [0];
    let mut reads = pin!(read::<F>(stream, &mut byte));
    poll_fn(|context| {
        assert!(reads.as_mut().poll(context).is_pending(), "nothing comes");
        Poll::Ready(())
    })
    .await;
}

fn pieces(count: usize) -> Vec<IoSlice<'static>> {
    vec![IoSlice::new(b"ab"); count]
}

/// Reads all that comes in a thread, and returns how much.
fn counts(mut peer: impl Peer) -> thread::JoinHandle<usize> {
    thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        all.len()
    })
}

#[test]
fn a_write_of_many_slices_is_followed_by_another() {
    fn test<S: Stream>() {
        let (mut stream, peer) = S::pair();
        wait_once(&mut stream);
        let counts = counts(peer);
        let written = stream.write_vectored(&pieces(MANY)).unwrap();
        assert!(written >= 2 * TAKEN, "{written} bytes");
        stream.write_all(b"xy").unwrap();
        block_on(close::<crate::flavour::TokioIo>(&mut stream)).unwrap();
        assert_eq!(counts.join().unwrap(), written + 2);
    }
    each_stream!(test);
}

#[test]
fn a_read_into_many_slices_is_followed_by_another() {
    fn test<S: Stream>() {
        let (mut stream, mut peer) = S::pair();
        wait_once(&mut stream);
        peer.write_all(&vec![7; 1 + 2 * MANY]).unwrap();
        stream.read_exact(&mut [0]).unwrap();
        let mut bytes = vec![0; MANY];
        let mut bufs: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        let count = stream.read_vectored(&mut bufs).unwrap();
        assert!(count >= TAKEN, "{count} bytes");
        stream.read_exact(&mut vec![0; 2 * MANY - count]).unwrap();
    }
    each_stream!(test);
}

#[test]
fn many_empty_slices_before_another_are_no_end() {
    fn test<S: Stream>() {
        let (mut stream, mut peer) = S::pair();
        let mut slices = vec![IoSlice::new(b""); TAKEN];
        slices.push(IoSlice::new(b"ab"));
        assert_eq!(stream.write_vectored(&slices).unwrap(), 2);
        let mut two = [0; 2];
        peer.read_exact(&mut two).unwrap();
        assert_eq!(two, *b"ab");

        peer.write_all(b"cd").unwrap();
        let mut bufs: Vec<_> = (0..TAKEN).map(|_| IoSliceMut::new(&mut [])).collect();
        assert_eq!(stream.read_vectored(&mut bufs).unwrap(), 0);
        bufs.push(IoSliceMut::new(&mut two[..1]));
        assert_eq!(stream.read_vectored(&mut bufs).unwrap(), 1);
        assert_eq!(two, *b"cb");
        assert_eq!(stream.write_vectored(&slices[..TAKEN]).unwrap(), 0);
    }
    each_stream!(test);
}

async fn write_slices<F: Flavour>(stream: &mut impl Writes, slices: &[IoSlice<'_>]) -> usize {
    poll_fn(|context| F::poll_write_vectored(stream, context, slices)).await.unwrap()
}

for_all! {
    fn a_task_writes_many_slices_and_goes_on<F, S>() {
        let (mut stream, peer) = S::pair();
        let counts = block_on(async {
            pend_once::<F>(&mut stream).await;
            let counts = counts(peer);
            let written = write_slices::<F>(&mut stream, &pieces(MANY)).await;
            assert!(written >= 2 * TAKEN, "{written} bytes");
            write_all::<F>(&mut stream, b"xy").await.unwrap();
            close::<F>(&mut stream).await.unwrap();
            (counts, written + 2)
        });
        assert_eq!(counts.0.join().unwrap(), counts.1);
    }
}

for_all! {
    fn a_task_writes_behind_many_empty_slices<F, S>() {
        let (mut stream, mut peer) = S::pair();
        let mut slices = vec![IoSlice::new(b""); TAKEN];
        assert_eq!(block_on(write_slices::<F>(&mut stream, &slices)), 0);
        slices.push(IoSlice::new(b"ab"));
        assert_eq!(block_on(write_slices::<F>(&mut stream, &slices)), 2);
        peer.read_exact(&mut [0; 2]).unwrap();
    }
}

/// Of these crates one has vectored reads.
async fn read_slices(stream: &mut impl Reads, bufs: &mut [IoSliceMut<'_>]) -> usize {
    let read = poll_fn(|context| {
        futures_io::AsyncRead::poll_read_vectored(Pin::new(&mut *stream), context, bufs)
    });
    read.await.unwrap()
}

#[test]
fn a_task_reads_into_many_slices_and_goes_on() {
    use crate::flavour::FuturesIo;

    fn test<S: Stream>() {
        let (mut stream, mut peer) = S::pair();
        block_on(async {
            pend_once::<FuturesIo>(&mut stream).await;
            peer.write_all(&vec![7; 1 + 2 * MANY]).unwrap();
            read_exact::<FuturesIo>(&mut stream, 1).await;
            let mut bytes = vec![0; MANY];
            let mut bufs: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
            let count = read_slices(&mut stream, &mut bufs).await;
            assert!(count >= TAKEN, "{count} bytes");
            read_exact::<FuturesIo>(&mut stream, 2 * MANY - count).await;

            peer.write_all(b"c").unwrap();
            let mut byte = [0];
            let mut bufs: Vec<_> = (0..TAKEN).map(|_| IoSliceMut::new(&mut [])).collect();
            assert_eq!(read_slices(&mut stream, &mut bufs).await, 0);
            bufs.push(IoSliceMut::new(&mut byte));
            assert_eq!(read_slices(&mut stream, &mut bufs).await, 1);
        });
    }
    each_stream!(test);
}
