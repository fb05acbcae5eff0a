//! Which wakers are kept, woken and dropped, and when.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use mco::net::TcpStream;
use mco_tests::everywhere::everywhere;
use mco_tests::sockets::{fill, mixed_pair};
use mco_tests::{HUNG, eventually, quiet, runtime, with_runtimes, within};

use crate::flavour::{Flavour, FuturesIo, Hyper, Stream, TokioIo, for_all};

/// Counts its wakes; how many there are of it is the number of `Arc`s.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count::default());
    (count.clone(), Waker::from(count))
}

impl Count {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// How many wakers there are, if `own` are the test's.
    fn kept(self: &Arc<Self>, own: usize) -> usize {
        // The test's `Arc` itself is one.
        Arc::strong_count(self) - 1 - own
    }
}

fn poll_read<F: Flavour>(stream: &mut impl Stream, waker: &Waker) -> Option<usize> {
    match F::poll_read(stream, &mut Context::from_waker(waker), &mut [0; 8]) {
        Poll::Ready(done) => Some(done.unwrap()),
        Poll::Pending => None,
    }
}

for_all! {
    fn what_is_pending_is_woken_when_it_is_ready<F, S>() {
        let (mut stream, mut peer) = S::pair();
        let (count, waker) = counting();
        for round in 1..=3 {
            assert_eq!(poll_read::<F>(&mut stream, &waker), None);
            assert_eq!(count.wakes(), round - 1, "it was woken for nothing");
            peer.write_all(b"x").unwrap();
            eventually("it is woken", || count.wakes() == round);
            eventually("its waker is dropped", || count.kept(1) == 0);
            assert_eq!(poll_read::<F>(&mut stream, &waker), Some(1));
        }
    }
}

for_all! {
    fn of_several_tasks_the_last_one_is_woken<F, S>() {
        let (mut stream, mut peer) = S::pair();
        let (first, one) = counting();
        let (second, other) = counting();
        assert_eq!(poll_read::<F>(&mut stream, &one), None);
        assert_eq!(poll_read::<F>(&mut stream, &other), None);
        assert_eq!(first.kept(1), 0, "the waker that was replaced is dropped");
        peer.write_all(b"x").unwrap();
        eventually("the last one is woken", || second.wakes() == 1);
        assert_eq!(first.wakes(), 0);
        assert_eq!(poll_read::<F>(&mut stream, &one), Some(1));
    }
}

for_all! {
    fn wakers_are_dropped_with_the_stream<F, S>() {
        let (mut stream, _peer) = S::pair();
        let (count, waker) = counting();
        assert_eq!(poll_read::<F>(&mut stream, &waker), None);
        assert_eq!(count.kept(1), 1, "it is kept, once");
        drop(stream);
        assert_eq!((count.kept(1), count.wakes()), (0, 0));
    }
}

/// A reader and a writer wait at once, and each is woken for its own.
#[test]
fn directions_are_apart() {
    fn test<F: Flavour>() {
        let (mut stream, mut peer) = mixed_pair();
        // What is on its way makes room when it has arrived.
        while fill(&stream) > 0 {
            thread::sleep(Duration::from_millis(2));
        }
        let (read, reader) = counting();
        let (written, writer) = counting();
        let poll_write = |stream: &mut TcpStream| {
            let poll = F::poll_write(stream, &mut Context::from_waker(&writer), b"x");
            poll.map(Result::unwrap).is_ready()
        };
        assert!(!poll_write(&mut stream));
        assert_eq!(poll_read::<F>(&mut stream, &reader), None);
        peer.write_all(b"x").unwrap();
        eventually("the reader is woken", || read.wakes() == 1);
        assert_eq!(written.wakes(), 0, "there is no room yet");
        assert_eq!(poll_read::<F>(&mut stream, &reader), Some(1));

        let empties = thread::spawn(move || {
            let mut sink = vec![0; 1 << 20];
            while std::io::Read::read(&mut peer, &mut sink).unwrap() > 0 {}
        });
        eventually("the writer is woken", || written.wakes() > 0);
        assert!(poll_write(&mut stream));
        drop(stream);
        empties.join().unwrap();
    }
    everywhere(|| {
        test::<FuturesIo>();
        test::<TokioIo>();
        test::<Hyper>();
    });
}

/// A future in a coroutine or a thread and a coroutine that blocks wait for the same stream.
#[test]
fn a_task_and_a_coroutine_are_both_woken() {
    with_runtimes(|runtime| {
        let (mut stream, mut peer) = mixed_pair();
        let (count, waker) = counting();
        assert_eq!(poll_read::<Hyper>(&mut stream, &waker), None);
        let stream = Arc::new(stream);
        let blocks = stream.clone();
        let reads = runtime.spawn(move || {
            let mut byte = [0];
            std::io::Read::read_exact(&mut &*blocks, &mut byte).unwrap();
        });
        peer.write_all(b"x").unwrap();
        reads.join().unwrap();
        eventually("the task is woken too", || count.wakes() == 1);
    });
}

/// A waker may do what it likes on the thread that reports events.
struct Mischief(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Mischief {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let act = self.0.lock().unwrap().take();
        act.into_iter().for_each(|act| act());
    }
}

fn doing(act: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Mischief(Mutex::new(Some(Box::new(act))))))
}

/// Polls in a coroutine, so that the reactor of `runtime` reports.
fn polled_in(runtime: &mco::runtime::Runtime, mut stream: TcpStream, waker: Waker) -> TcpStream {
    runtime.run(move || {
        assert_eq!(poll_read::<Hyper>(&mut stream, &waker), None);
        stream
    })
}

#[test]
fn a_waker_may_drop_streams() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (one, mut peer) = mixed_pair();
        let (other, _other_peer) = mixed_pair();
        let (count, waker) = counting();
        let other = polled_in(&runtime, other, waker);
        let _one = polled_in(&runtime, one, doing(move || drop(other)));
        peer.write_all(b"x").unwrap();
        eventually("the other is gone", || Arc::strong_count(&count) == 1);
    });
}

#[test]
fn a_waker_that_panics_does_no_harm() {
    within(HUNG, || {
        quiet::panics_on_purpose();
        let runtime = runtime(1);
        let (stream, mut peer) = mixed_pair();
        let (did, done) = std::sync::mpsc::channel();
        let waker = doing(move || {
            did.send(()).unwrap();
            panic!("on purpose")
        });
        let mut stream = polled_in(&runtime, stream, waker);
        peer.write_all(b"x").unwrap();
        done.recv().unwrap();
        // Its worker goes on.
        let (count, waker) = counting();
        assert_eq!(runtime.run(|| poll_read::<Hyper>(&mut stream, &waker)), Some(1));
        assert_eq!(runtime.run(|| poll_read::<Hyper>(&mut stream, &waker)), None);
        peer.write_all(b"y").unwrap();
        eventually("it is woken", || count.wakes() == 1);
    });
}
