//! hyper's timers on mco's.

use std::io::{Read, Write};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use hyper::rt::{Sleep, Timer as _};
use hyper::service::service_fn;
use mco::block_on;
use mco::runtime::Timer;
use mco_tests::everywhere::everywhere;
use mco_tests::sockets::mixed_pair;
use mco_tests::{HUNG, eventually, runtime, within};

const SHORT: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(3600);

fn poll(sleep: &mut Pin<Box<dyn Sleep>>) -> bool {
    poll_with(sleep, Waker::noop())
}

fn poll_with(sleep: &mut Pin<Box<dyn Sleep>>, waker: &Waker) -> bool {
    sleep.as_mut().poll(&mut Context::from_waker(waker)).is_ready()
}

#[test]
fn a_sleep_is_never_early() {
    everywhere(|| {
        for millis in [0, 1, 5, 20] {
            let start = Instant::now();
            block_on(Timer.sleep(Duration::from_millis(millis)));
            assert!(start.elapsed() >= Duration::from_millis(millis));
            let deadline = Instant::now() + Duration::from_millis(millis);
            block_on(Timer.sleep_until(deadline));
            assert!(Instant::now() >= deadline);
        }
    });
}

#[test]
fn what_lies_in_the_past_is_ready_at_once() {
    everywhere(|| {
        assert!(poll(&mut Timer.sleep(Duration::ZERO)));
        assert!(poll(&mut Timer.sleep_until(Instant::now() - SHORT)));
    });
}

#[test]
fn what_was_ready_stays_so() {
    everywhere(|| {
        let mut sleep = Timer.sleep(SHORT);
        block_on(sleep.as_mut());
        assert!(poll(&mut sleep) && poll(&mut sleep));
    });
}

#[test]
fn many_sleep_at_once() {
    within(HUNG, || {
        let runtime = runtime(2);
        let sleep =
            |n: u64| runtime.spawn(move || block_on(Timer.sleep(Duration::from_micros(n * 20))));
        let sleepers: Vec<_> = (0..1000).map(sleep).collect();
        sleepers.into_iter().for_each(|sleeper| sleeper.join().unwrap());
    });
}

#[test]
fn a_sleep_is_set_anew() {
    everywhere(|| {
        let mut sleep = Timer.sleep(NEVER);
        assert!(!poll(&mut sleep));
        // And again after it was ready.
        for _ in 0..2 {
            let deadline = Instant::now() + 2 * SHORT;
            Timer.reset(&mut sleep, deadline);
            block_on(sleep.as_mut());
            assert!(Instant::now() >= deadline);
        }
        Timer.reset(&mut sleep, Instant::now() + NEVER);
        assert!(!poll(&mut sleep));
    });
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Who waits need not poll again to be woken at the new time.
#[test]
fn a_sleep_that_is_brought_forward_wakes_who_waits() {
    everywhere(|| {
        let count = Arc::new(Count::default());
        let mut sleep = Timer.sleep(NEVER);
        assert!(!poll_with(&mut sleep, &Waker::from(count.clone())));
        Timer.reset(&mut sleep, Instant::now() + SHORT);
        eventually("it is woken", || count.0.load(Ordering::SeqCst) == 1);
        assert!(poll(&mut sleep));
        assert_eq!(Arc::strong_count(&count), 1, "its waker is dropped");
    });
}

#[test]
fn a_dropped_sleep_drops_its_waker() {
    everywhere(|| {
        let count = Arc::new(Count::default());
        let mut sleep = Timer.sleep(NEVER);
        assert!(!poll_with(&mut sleep, &Waker::from(count.clone())));
        assert_eq!(Arc::strong_count(&count), 2);
        drop(sleep);
        assert_eq!(Arc::strong_count(&count), 1);
    });
}

#[test]
fn a_sleep_of_another_timer_is_replaced() {
    struct Other;
    impl Future for Other {
        type Output = ();
        fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
            Poll::Pending
        }
    }
    impl Sleep for Other {}
    everywhere(|| {
        let mut sleep: Pin<Box<dyn Sleep>> = Box::pin(Other);
        Timer.reset(&mut sleep, Instant::now() + SHORT);
        block_on(sleep);
    });
}

/// The worker at which it is set ends while it waits at another one.
#[test]
fn a_sleep_may_move_to_another_runtime() {
    within(HUNG, || {
        let first = runtime(1);
        let mut sleep = first.run(|| {
            let mut sleep = Timer.sleep(NEVER);
            assert!(!poll(&mut sleep));
            sleep
        });
        let count = Arc::new(Count::default());
        assert!(!poll_with(&mut sleep, &Waker::from(count.clone())));
        drop(first);
        eventually("it is told to poll again", || count.0.load(Ordering::SeqCst) > 0);
        let second = runtime(1);
        second.run(|| {
            assert!(!poll(&mut sleep));
            Timer.reset(&mut sleep, Instant::now() + SHORT);
            block_on(sleep);
        });
    });
}

/// A client that sends its header byte by byte has so much time for it.
#[test]
fn hyper_cuts_off_a_slow_client() {
    within(HUNG, || {
        let runtime = runtime(1);
        let (stream, mut client) = mixed_pair();
        let answer = service_fn(async |_| {
            Ok::<_, std::convert::Infallible>(hyper::Response::new(String::from("hello")))
        });
        let server = runtime.spawn(move || {
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(Timer).header_read_timeout(Duration::from_millis(300));
            block_on(server.serve_connection(stream, answer))
        });
        // In time.
        client.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut head = [0; 15];
        client.read_exact(&mut head).unwrap();
        assert_eq!(&head, b"HTTP/1.1 200 OK");

        let mut trickles = client.try_clone().unwrap();
        let trickle = thread::spawn(move || {
            let header = b"GET / HTTP/1.1\r\nx-header: ".iter().chain([b'x'; 100_000].iter());
            for byte in header {
                if trickles.write_all(&[*byte]).is_err() {
                    return true;
                }
                thread::sleep(Duration::from_millis(5));
            }
            false
        });
        // It is closed, or reset since there was more to be read.
        let _ = client.read_to_end(&mut Vec::new());
        let error = server.join().unwrap().unwrap_err();
        assert!(error.is_timeout(), "{error:?}");
        assert!(trickle.join().unwrap(), "it could send all");
    });
}
