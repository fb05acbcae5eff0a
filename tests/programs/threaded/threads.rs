// A program that was written for threads: what it does with threads themselves.

use std::collections::HashSet;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, RwLock, TryLockError, Weak};
use std::thread::{self, Scope, ScopedJoinHandle, Thread, ThreadId};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A gate on `park` and `unpark`.
struct Gate {
    open: AtomicBool,
    waiting: Mutex<Vec<Thread>>,
}

impl Gate {
    fn pass(&self) {
        self.waiting.lock().unwrap().push(thread::current());
        while !self.open.load(Ordering::Acquire) {
            thread::park();
        }
    }

    fn open(&self) {
        self.open.store(true, Ordering::Release);
        self.waiting.lock().unwrap().drain(..).for_each(|thread| thread.unpark());
    }
}

fn parking() {
    let gate = Arc::new(Gate { open: AtomicBool::new(false), waiting: Mutex::new(Vec::new()) });
    let passed = Arc::new(AtomicU32::new(0));
    let threads: Vec<_> = (0..16)
        .map(|_| {
            let (gate, passed) = (gate.clone(), Arc::clone(&passed));
            thread::spawn(move || {
                gate.pass();
                passed.fetch_add(1, Ordering::Relaxed);
            })
        })
        .collect();
    println!("{} passed", passed.load(Ordering::Relaxed));
    gate.open();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    println!("{} passed", passed.load(Ordering::Relaxed));
    let begin = Instant::now();
    thread::park_timeout(Duration::from_millis(3));
    thread::sleep(Duration::from_millis(3));
    println!("{}", begin.elapsed() >= Duration::from_millis(3));
    thread::current().unpark();
    thread::park();
}

fn identity() -> io::Result<()> {
    let (sender, receiver) = mpsc::channel::<(ThreadId, Option<String>)>();
    let mut handles = Vec::new();
    for n in 0..4 {
        let sender = sender.clone();
        let builder = thread::Builder::new().name(format!("thread {n}")).stack_size(256 * 1024);
        let handle = builder.spawn(move || {
            let me = thread::current();
            sender.send((me.id(), me.name().map(str::to_owned))).unwrap();
        })?;
        println!("{:?}", handle.thread().name());
        handles.push(handle);
    }
    drop(sender);
    let (ids, names): (HashSet<_>, Vec<_>) = receiver.into_iter().unzip();
    let known: HashSet<_> = handles.iter().map(|handle| handle.thread().id()).collect();
    println!("{} {}", ids.len(), ids == known && !ids.contains(&thread::current().id()));
    let mut names: Vec<_> = names.into_iter().flatten().collect();
    names.sort();
    println!("{names:?}");
    for handle in handles {
        handle.join().unwrap();
    }
    println!("{:?}", thread::spawn(|| thread::current().name().map(str::to_owned)).join().unwrap());
    println!("{}", thread::available_parallelism()?.get() > 0);
    Ok(())
}

struct Panicking<'a>(&'a AtomicBool);

impl Drop for Panicking<'_> {
    fn drop(&mut self) {
        self.0.store(thread::panicking(), Ordering::SeqCst);
    }
}

fn failures() {
    let value = Arc::new(Mutex::new(1));
    let other = Arc::clone(&value);
    let failed = thread::spawn(move || {
        let mut guard = other.lock().unwrap();
        *guard = 2;
        panic!("number {}", *guard);
    });
    let payload = failed.join().unwrap_err();
    println!("{:?}", payload.downcast_ref::<String>());
    println!("{}", value.is_poisoned());
    println!("{}", matches!(value.try_lock(), Err(TryLockError::Poisoned(_))));
    println!("{}", *value.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
    value.clear_poison();
    println!("{:?}", value);

    let (panicking, calm) = (AtomicBool::new(false), AtomicBool::new(true));
    let caught = thread::scope(|s| {
        let failed = s.spawn(|| {
            let _seen = Panicking(&panicking);
            panic!("in a scope");
        });
        s.spawn(|| drop(Panicking(&calm)));
        failed.join().is_err()
    });
    println!("{caught} {panicking:?} {calm:?}");
}

fn spawn_all<'scope>(
    scope: &'scope Scope<'scope, '_>,
    numbers: &'scope [u64],
) -> Vec<ScopedJoinHandle<'scope, u64>> {
    numbers.chunks(10).map(|chunk| scope.spawn(|| chunk.iter().sum())).collect()
}

fn scopes() {
    let numbers: Vec<u64> = (1..=100).collect();
    let mut halves = numbers.clone();
    let sum = thread::scope(|s| {
        s.spawn(|| halves.iter_mut().for_each(|n| *n /= 2));
        let nested = s.spawn(|| {
            let inner = s.spawn(|| numbers.len());
            inner.join().unwrap()
        });
        println!("{}", nested.join().unwrap());
        let named = thread::Builder::new().name("named".into()).spawn_scoped(s, || {
            thread::current().name().map(str::len)
        });
        println!("{:?}", named.unwrap().join().unwrap());
        spawn_all(s, &numbers).into_iter().map(|part| part.join().unwrap()).sum::<u64>()
    });
    println!("{sum} {}", halves.iter().sum::<u64>());
}

fn sharing() {
    let lock = Arc::new(RwLock::new(vec![0u32; 4]));
    let weak: Weak<_> = Arc::downgrade(&lock);
    let writers: Vec<_> = (0..4)
        .map(|n| {
            let lock = lock.clone();
            thread::spawn(move || {
                for _ in 0..100 {
                    lock.write().unwrap()[n] += 1;
                    let values = lock.read().unwrap();
                    assert!(values[n] > 0);
                }
            })
        })
        .collect();
    let finished = loop {
        if writers.iter().all(|writer| writer.is_finished()) {
            break true;
        }
        thread::sleep(Duration::from_millis(1));
    };
    writers.into_iter().for_each(|writer| writer.join().unwrap());
    println!("{finished} {:?} {}", lock.read().unwrap(), weak.upgrade().is_some());
    println!("{}", SystemTime::now().duration_since(UNIX_EPOCH).is_ok());
}

pub(crate) fn main() -> io::Result<()> {
    parking();
    identity()?;
    failures();
    scopes();
    sharing();
    Ok(())
}
