// A program that was written for threads: stages that hand their work on, and state that they share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError};
use std::sync::{Arc, Barrier, Condvar, LazyLock, Mutex, Once, OnceLock};
use std::thread::{self, JoinHandle};
use std::thread_local;
use std::time::Duration;

static SQUARES: LazyLock<Vec<u64>> = LazyLock::new(|| {
    thread::sleep(Duration::from_millis(5));
    (0..100).map(|n| n * n).collect()
});
static CONFIG: OnceLock<String> = OnceLock::new();
static BANNER: Once = Once::new();

thread_local! {
    static SEEN: Cell<u32> = const { Cell::new(0) };
    static WORDS: RefCell<Vec<String>> = RefCell::new(Vec::with_capacity(8));
}

struct Job {
    number: u64,
    answer: mpsc::Sender<u64>,
}

fn worker(jobs: Arc<Mutex<Receiver<Job>>>, done: Arc<AtomicUsize>) -> JoinHandle<u32> {
    let body = move || {
        loop {
            let job = jobs.lock().unwrap().recv();
            let Ok(Job { number, answer }) = job else { break };
            let square = SQUARES[number as usize];
            answer.send(square).expect("the answer is awaited");
            done.fetch_add(1, Ordering::SeqCst);
            SEEN.set(SEEN.get() + 1);
        }
        SEEN.get()
    };
    thread::Builder::new().name("worker".to_string()).spawn(body).expect("a thread")
}

fn pool() -> io::Result<()> {
    let (sender, receiver) = mpsc::sync_channel::<Job>(2);
    let receiver = Arc::new(Mutex::new(receiver));
    let done = Arc::new(AtomicUsize::new(0));
    let workers: Vec<_> = (0..4).map(|_| worker(Arc::clone(&receiver), done.clone())).collect();
    assert!(workers.iter().all(|worker| worker.thread().name() == Some("worker")));
    let (answer, answers) = mpsc::channel();
    let feeder: SyncSender<Job> = sender.clone();
    let feeds = thread::spawn(move || {
        for number in 0..100 {
            feeder.send(Job { number, answer: answer.clone() }).unwrap();
        }
    });
    drop(sender);
    let mut all: Vec<u64> = answers.iter().collect();
    feeds.join().unwrap();
    all.sort_unstable();
    let handled: u32 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    let mut out = io::stdout().lock();
    writeln!(out, "{} answers, the last {:?}", all.len(), all.last())?;
    writeln!(out, "{handled} handled, {} counted", done.load(Ordering::SeqCst))
}

fn words() {
    let text = "the quick brown fox jumps over the lazy dog and the fox";
    let counts = Mutex::new(BTreeMap::<&str, usize>::new());
    let barrier = Barrier::new(3);
    let leaders = thread::scope(|s| {
        let count = |part: usize| {
            let (counts, barrier) = (&counts, &barrier);
            move || {
                for word in text.split(' ').skip(part).step_by(3) {
                    *counts.lock().unwrap().entry(word).or_default() += 1;
                    WORDS.with_borrow_mut(|words| words.push(word.to_owned()));
                }
                let leads = barrier.wait().is_leader();
                (leads, WORDS.take().len())
            }
        };
        let parts: Vec<_> = (0..3).map(|part| s.spawn(count(part))).collect();
        parts.into_iter().map(|part| part.join().unwrap()).collect::<Vec<_>>()
    });
    println!("{:?}", counts.into_inner().unwrap());
    println!("{} leader", leaders.iter().filter(|(leads, _)| *leads).count());
    println!("{} words", leaders.iter().map(|(_, words)| words).sum::<usize>());
    println!("{} words here", WORDS.with_borrow(Vec::len));
}

fn once() {
    let waits = thread::spawn(|| {
        BANNER.wait();
        CONFIG.wait().len()
    });
    BANNER.call_once(|| println!("a banner"));
    BANNER.call_once(|| println!("not again"));
    println!("{:?} {:?}", CONFIG.set("here".to_owned()), CONFIG.set("there".to_owned()));
    println!("{} letters", waits.join().unwrap());
}

fn queue() {
    let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let producer = {
        let shared = shared.clone();
        thread::spawn(move || {
            let (items, changed) = &*shared;
            for n in 0..10 {
                items.lock().unwrap().push(n);
                changed.notify_all();
                thread::yield_now();
            }
        })
    };
    let (items, changed) = &*shared;
    let items = changed.wait_while(items.lock().unwrap(), |items| items.len() < 10).unwrap();
    println!("{:?}", *items);
    let (items, result) = changed.wait_timeout(items, Duration::from_millis(1)).unwrap();
    println!("{} {}", items.len(), result.timed_out());
    drop(items);
    producer.join().unwrap();
}

fn errors() {
    let (sender, receiver) = mpsc::channel::<u8>();
    println!("{:?}", receiver.try_recv() == Err(TryRecvError::Empty));
    let late = receiver.recv_timeout(Duration::from_millis(1));
    println!("{:?}", late == Err(RecvTimeoutError::Timeout));
    drop(sender);
    println!("{}", receiver.recv().unwrap_err());
    let (sender, receiver) = mpsc::sync_channel::<u8>(0);
    println!("{:?}", matches!(sender.try_send(1), Err(TrySendError::Full(1))));
    drop(receiver);
    println!("{}", sender.send(7).unwrap_err());
}

pub(crate) fn main() -> io::Result<()> {
    pool()?;
    words();
    once();
    queue();
    errors();
    Ok(())
}
