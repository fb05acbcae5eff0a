//! The part of mco's public surface that programs with channels, `select!` and locks compile
//! against. Nothing here is run.
#![allow(missing_docs, elided_lifetimes_in_paths, unreachable_pub)]
#![allow(dead_code, unused_variables, clippy::all)]

use mco::std::lazy::sync::{Lazy, OnceCell};
use mco::std::sync::channel::{self, Receiver, Sender, bounded, channel_buf, unbounded};
use mco::std::sync::{
    AtomicOption, Barrier, Blocker, Condvar, Mutex, MutexGuard, Once, RwLock, Semaphore, Semphore,
    SyncFlag, WaitGroup,
};
use mco::{chan, go, join, select};
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError};
use std::sync::{Arc, LockResult};
use std::time::Duration;

static LAZY: Lazy<String> = Lazy::new(|| "x".to_string());
static CELL: OnceCell<u32> = OnceCell::new();

fn channels() {
    let (t, r): (Sender<u32>, Receiver<u32>) = chan!();
    let (_, _): (Sender<u32>, Receiver<u32>) = chan!(8);
    let (_, _) = chan!(String, 0);
    let (_, _): (Sender<u8>, Receiver<u8>) = mco::std::sync::channel();
    let (_, _): (Sender<u8>, Receiver<u8>) = channel::channel();
    let (_, _): (Sender<u8>, Receiver<u8>) = channel_buf(4);
    let (_, _): ((Sender<u8>, Receiver<u8>), (Sender<u8>, Receiver<u8>)) =
        (bounded(1), unbounded());
    let _: Result<(), SendError<u32>> = t.send(1);
    let _: Result<(), std::sync::mpsc::TrySendError<u32>> = t.try_send(1);
    let _ = t.send_timeout(1, Duration::from_millis(1)).is_ok();
    let _: (usize, bool, Option<usize>) = (t.len(), t.is_empty(), t.capacity());
    let _: Result<u32, RecvError> = r.recv();
    let _: Result<u32, TryRecvError> = r.try_recv();
    let _: Result<u32, RecvTimeoutError> = r.recv_timeout(Duration::from_millis(1));
    for v in r.try_iter() {
        let _: u32 = v;
    }
    for v in &r {
        let _: u32 = v;
    }
    for v in r.clone() {
        let _: u32 = v;
    }
}

fn selects(
    r: Receiver<u32>,
    t: Sender<String>,
    l: mco::net::TcpListener,
    sem: Semaphore,
    flag: SyncFlag,
) -> Result<u32, RecvError> {
    let h = go!(|| 1u32);
    let n: u32 = select! {
        v = r.recv() => v?,
        res = t.send("x".to_string()) => { res.unwrap(); return Ok(1) },
        v = h.join() => v.unwrap(),
        _ = mco::coroutine::sleep(Duration::from_secs(1)) => 0,
        c = l.accept() => { let _ = c; 5 }
        _ = sem.wait() => 6,
        _ = flag.wait() => 7,
    };
    loop {
        select! {
            biased;
            Ok(v) = r.recv(), if n > 0 => if v == 0 { break } else { continue },
            Err(e) = r.recv() => return Err(e),
            default => break,
        }
    }
    Ok(select! { Ok(9) = r.recv() => 9, else => 0 })
}

fn locks(m: Mutex<u32>, rw: RwLock<u32>, cv: Condvar) {
    let g: LockResult<MutexGuard<'_, u32>> = m.lock();
    let g = cv.wait_while(g.unwrap(), |n| *n == 0).unwrap();
    let (g, t) = cv.wait_timeout(g, Duration::from_millis(1)).unwrap();
    let _: bool = t.timed_out();
    drop(g);
    let _ = m.try_lock().is_ok();
    let _: bool = m.is_poisoned();
    let _: (u32, u32) = (*rw.read().unwrap(), *rw.write().unwrap());
    let b = Barrier::new(2);
    let _: bool = b.wait().is_leader();
    let s: Semphore = Semaphore::new(1);
    s.wait();
    let _: (bool, bool, usize) =
        (s.try_wait(), s.wait_timeout(Duration::from_millis(1)), s.get_value());
    s.post();
    let wg = WaitGroup::new();
    let _ = wg.clone();
    wg.wait();
    let f = SyncFlag::new();
    f.fire();
    let _: (bool, bool) = (f.is_fired(), f.wait_timeout(Duration::from_millis(1)));
    let bl: Arc<Blocker> = Blocker::current();
    bl.unpark();
    let _ = bl.park(Some(Duration::from_millis(1))).is_ok();
    let o: AtomicOption<Box<u32>> = AtomicOption::none();
    let _: Option<Box<u32>> = o.take();
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {});
    let _: (&String, &u32) = (&LAZY, CELL.get_or_init(|| 1));
    let (a, b): (u32, String) = join!(1, "x".to_string());
}
