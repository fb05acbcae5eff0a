//! Everything at once, in random order, with cancels in between: nothing hangs, nothing is dropped
//! twice or not at all, and nobody changes their thread.

use std::io::{Read, Write};
use std::panic;
use std::rc::Rc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use mco::coroutine::{self, Cancelled, Coroutine, JoinHandle};
use mco::coroutine_local;
use mco::net::TcpStream;
use mco_tests::{HUNG, eventually, quiet, runtime, sockets, text_of, within};

/// A sequence that its seed decides.
#[derive(Clone)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// What all coroutines of one run share.
#[derive(Default)]
struct World {
    /// Made and not yet dropped.
    alive: AtomicI64,
    made: AtomicUsize,
    panics: AtomicUsize,
    cancels: AtomicUsize,
    /// Some who may be cancelled or unparked by anybody.
    known: Mutex<Vec<Coroutine>>,
}

/// Counts itself, stays on its thread, and may block when it is dropped.
struct Tracked {
    count: Count,
    thread: Option<thread::ThreadId>,
    blocks: bool,
}

/// A part of its own: it is dropped even if the destructor of the whole is cancelled where it blocks.
struct Count(Arc<World>);

impl Tracked {
    fn new(world: &Arc<World>) -> Tracked {
        world.alive.fetch_add(1, Ordering::SeqCst);
        world.made.fetch_add(1, Ordering::SeqCst);
        Tracked { count: Count(world.clone()), thread: None, blocks: false }
    }

    fn world(&self) -> Arc<World> {
        self.count.0.clone()
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if self.blocks {
            coroutine::yield_now();
            coroutine::sleep(Duration::from_micros(50));
        }
        if self.thread.is_some_and(|thread| thread != thread::current().id()) {
            eprintln!("dropped on another thread");
            std::process::abort();
        }
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        self.0.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

coroutine_local! {
    static KEPT: std::cell::RefCell<Vec<Tracked>> = std::cell::RefCell::new(Vec::new());
}

/// The life of one coroutine: random steps, some of which make others.
fn live(world: &Arc<World>, mut random: Random, depth: u32, stream: Option<TcpStream>) -> u64 {
    let home = thread::current().id();
    let rc = Rc::new(());
    let mut tracked = Tracked::new(world);
    tracked.thread = Some(home);
    tracked.blocks = random.below(4) == 0;
    let mut stream = stream;
    for _ in 0..random.below(12) {
        let _clone = rc.clone();
        match random.below(14) {
            0 | 1 => coroutine::yield_now(),
            2 => coroutine::sleep(Duration::from_micros(random.below(400))),
            3 => drop(coroutine::park_timeout(Duration::from_micros(random.below(400)))),
            4 => KEPT.with(|kept| kept.borrow_mut().push(Tracked::new(world))),
            5 => {
                let known = world.known.lock().unwrap();
                let pick = random.below(known.len().max(1) as u64) as usize;
                let target = known.get(pick).cloned();
                drop(known);
                target.iter().for_each(Coroutine::unpark);
            }
            6 => {
                let mut known = world.known.lock().unwrap();
                let pick = random.below(known.len().max(1) as u64) as usize;
                let target = (pick < known.len()).then(|| known.swap_remove(pick));
                drop(known);
                if random.below(3) == 0 {
                    target.iter().for_each(Coroutine::cancel);
                }
            }
            7 if depth > 0 => drop(child(world, &mut random, depth)),
            8 if depth > 0 => {
                let child = child(world, &mut random, depth);
                world.known.lock().unwrap().push(child.coroutine().clone());
                drop(child.join());
            }
            9 if depth > 0 => {
                let child = child(world, &mut random, depth);
                if random.below(2) == 0 {
                    coroutine::yield_now();
                }
                child.cancel();
                if random.below(2) == 0 {
                    drop(child.join());
                }
            }
            10 if depth > 0 => {
                let borrowed = Tracked::new(world);
                coroutine::scope(|s| {
                    for _ in 0..random.below(3) {
                        let (borrowed, mut random) = (&borrowed, Random(random.next() | 1));
                        s.spawn(move || {
                            coroutine::yield_now();
                            assert!(borrowed.count.0.alive.load(Ordering::SeqCst) > 0);
                            coroutine::sleep(Duration::from_micros(random.below(100)));
                        });
                    }
                });
            }
            11 => {
                if let Some(stream) = &mut stream {
                    let byte = [random.below(256) as u8];
                    let mut answer = [0];
                    let exchange =
                        stream.write_all(&byte).and_then(|()| stream.read_exact(&mut answer));
                    if exchange.is_ok() {
                        assert_eq!(answer, byte);
                    }
                }
            }
            12 if random.below(6) == 0 => {
                world.panics.fetch_add(1, Ordering::SeqCst);
                panic!("on purpose");
            }
            13 if random.below(2) == 0 => {
                let caught = panic::catch_unwind(coroutine::yield_now);
                if let Err(payload) = caught {
                    assert!(payload.is::<Cancelled>());
                    panic::resume_unwind(payload);
                }
            }
            _ => {}
        }
        assert_eq!(thread::current().id(), home);
    }
    u64::from(depth)
}

fn child(world: &Arc<World>, random: &mut Random, depth: u32) -> JoinHandle<u64> {
    let (seed, captured) = (random.next() | 1, Tracked::new(world));
    coroutine::spawn(move || {
        let world = captured.world();
        live(&world, Random(seed), depth - 1, None)
    })
}

fn torture(workers: usize, seed: u64) {
    quiet::panics_on_purpose();
    let world = Arc::new(World::default());
    let runtime = runtime(workers);
    let (listener, addr) = sockets::listener();
    runtime.spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            coroutine::spawn(move || {
                let mut buffer = [0; 64];
                // A client that was cancelled may have reset its connection.
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    if stream.write_all(&buffer[..n]).is_err() {
                        break;
                    }
                }
            });
        }
    });
    // Long enough for some thousands of lives.
    let (start, mut random) = (Instant::now(), Random(seed));
    while start.elapsed() < Duration::from_millis(1_500) {
        let spawn = |random: &mut Random| {
            let (seed, captured) = (random.next() | 1, Tracked::new(&world));
            runtime.spawn(move || {
                let world = captured.world();
                let stream = (seed % 3 == 0).then(|| TcpStream::connect(addr).unwrap());
                live(&world, Random(seed), 3, stream)
            })
        };
        let handles: Vec<_> = (0..50).map(|_| spawn(&mut random)).collect();
        for handle in handles {
            match random.below(5) {
                0 => drop(handle),
                1 => {
                    world.cancels.fetch_add(1, Ordering::SeqCst);
                    handle.cancel();
                }
                2 => {
                    world.cancels.fetch_add(1, Ordering::SeqCst);
                    handle.cancel();
                    drop(handle.join());
                }
                _ => {
                    world.known.lock().unwrap().push(handle.coroutine().clone());
                    if let Err(payload) = handle.join() {
                        assert!(
                            payload.is::<Cancelled>() || text_of(&*payload) == "on purpose",
                            "{}",
                            text_of(&*payload)
                        );
                    }
                }
            }
        }
    }
    let made = world.made.load(Ordering::SeqCst);
    world.known.lock().unwrap().clear();
    if seed.is_multiple_of(2) {
        // Either all come to their end by themselves, or the drop ends them.
        eventually("all have ended", || world.alive.load(Ordering::SeqCst) == 0);
    }
    drop(runtime);
    assert_eq!(world.alive.load(Ordering::SeqCst), 0, "of {made} made, with seed {seed}");
    assert!(made > 500, "only {made} were made: this tests little");
}

#[test]
fn on_one_worker() {
    within(2 * HUNG, || (1..=2).for_each(|seed| torture(1, 0x9e37_79b9 + seed)));
}

#[test]
fn on_two_workers() {
    within(2 * HUNG, || (3..=4).for_each(|seed| torture(2, 0x9e37_79b9 + seed)));
}

#[test]
fn on_eight_workers() {
    within(2 * HUNG, || (5..=6).for_each(|seed| torture(8, 0x9e37_79b9 + seed)));
}

#[test]
fn with_another_sequence_each_time() {
    let nanos = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seed = u64::from(nanos.expect("after 1970").subsec_nanos()) | 1 << 40;
    // Shown if it fails.
    eprintln!("the seed is {seed}");
    within(2 * HUNG, move || torture(3, seed));
}
