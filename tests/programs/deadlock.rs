//! Programs that wait: the argument says which. Those that wait for ever say `ready` when they have begun to,
//! and end, in `#[mco::main]`, by the deadlock that is found. The others end by themselves.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use mco::coroutine::{self, sleep};
use mco::go;
use mco::io::CoIo;
use mco::net::{TcpListener, TcpStream, UdpSocket};
use mco::runtime::Runtime;
use mco::std::sync::{Mutex, Semaphore, WaitGroup, channel};
use mco::std::time::{Ticker, Timer};

const A_WHILE: Duration = Duration::from_millis(300);

#[mco::main(workers = 2)]
fn main() {
    let program = std::env::args().nth(1).expect("the name of a program");
    match program.as_str() {
        "philosophers" => philosophers(),
        "receive" => receive(),
        "park" => coroutine::park(),
        "after_a_thread" => after_a_thread(),
        "after_work" => after_work(),
        "two_runtimes" => two_runtimes(),
        "socket" => socket(),
        "udp" => udp(),
        "pipe" => pipe(),
        "timer" => sleep(A_WHILE),
        "alarm" => alarm(),
        "ticker" => drop(Ticker::new(A_WHILE).recv().unwrap()),
        "thread" => thread(),
        "threads" => threads(),
        "jobs_and_threads" => jobs_and_threads(),
        "blocking" => mco::blocking(|| std::thread::sleep(A_WHILE)),
        "spawn_blocking" => drop(mco::spawn_blocking!(|| std::thread::sleep(A_WHILE)).join()),
        "runtime" => other_runtime(),
        "computing" => computing(),
        _ => panic!("there is no program `{program}`"),
    }
    println!("ended");
}

/// Five of them, each with the left fork in hand when all have one.
fn philosophers() {
    let forks: Vec<_> = (0..5).map(|_| Arc::new(Mutex::new(()))).collect();
    let seated = WaitGroup::new();
    let handles: Vec<_> = (0..5)
        .map(|number| {
            let (left, right) = (forks[number].clone(), forks[(number + 1) % 5].clone());
            let seated = seated.clone();
            go!(format!("philosopher {number}"), move || {
                let _left = left.lock().unwrap();
                seated.wait();
                drop(right.lock().unwrap());
            })
        })
        .collect();
    drop(seated);
    handles.into_iter().for_each(|handle| handle.join().unwrap());
}

/// One for a channel whose sender it holds itself.
fn receive() {
    let (_sender, receiver) = channel::unbounded::<()>();
    let _ = receiver.recv();
}

/// As long as there is a thread, it may be about to wake somebody.
fn after_a_thread() {
    std::thread::spawn(|| {
        std::thread::sleep(A_WHILE);
        println!("the thread ends");
    });
    coroutine::park();
}

/// A deadlock after timers, blocking jobs and sockets have been made use of.
fn after_work() {
    sleep(Duration::from_millis(5));
    mco::blocking(|| ());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let _stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let _accepted = listener.accept().unwrap();
    assert!(Timer::after_func(Duration::from_secs(3600), || ()).stop());
    assert!(coroutine::park_timeout(Duration::from_millis(5)).is_err());
    let semaphore = Semaphore::new(0);
    assert!(!semaphore.wait_timeout(Duration::from_millis(5)));
    semaphore.wait();
}

/// Coroutines of two runtimes that wait for each other.
fn two_runtimes() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    let (there, from_here) = channel::unbounded::<()>();
    let (back, from_there) = channel::unbounded::<()>();
    let waits = move || {
        let _keep = back.clone();
        let _ = from_here.recv();
        let _ = back.send(());
    };
    runtime.run(|| drop(go!("in the other runtime", waits)));
    let _ = from_there.recv();
    drop(there);
}

fn socket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut client = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let reader = go!(move || stream.read(&mut [0]).unwrap());
    // The only thing that is left is the read; the coroutine below comes back by a timer of the system's.
    println!("ready");
    let mut line = String::new();
    mco::blocking(|| std::io::stdin().read_line(&mut line)).unwrap();
    client.write_all(b"x").unwrap();
    reader.join().unwrap();
}

fn udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    println!("{}", socket.local_addr().unwrap());
    socket.recv_from(&mut [0; 8]).unwrap();
}

fn pipe() {
    println!("ready");
    let mut input = CoIo::new(std::io::stdin()).unwrap();
    input.read_to_end(&mut Vec::new()).unwrap();
}

fn alarm() {
    let (sender, receiver) = channel::unbounded();
    let _timer = Timer::after_func(A_WHILE, move || sender.send(()).unwrap());
    receiver.recv().unwrap();
}

fn thread() {
    let here = coroutine::current();
    std::thread::spawn(move || {
        std::thread::sleep(A_WHILE);
        here.unpark();
    });
    coroutine::park();
}

/// One thread after the other, each of which wakes and ends while the next one is started.
fn threads() {
    for number in 0..20_000 {
        let (sender, receiver) = channel::unbounded();
        std::thread::spawn(move || sender.send(number).unwrap());
        assert_eq!(receiver.recv(), Ok(number));
    }
}

/// What wakes is passed on, by a thread to a job to a thread, each of which ends then.
fn jobs_and_threads() {
    for number in 0..5_000 {
        let (sender, receiver) = channel::unbounded();
        let second = move || drop(std::thread::spawn(move || sender.send(number).unwrap()));
        std::thread::spawn(move || drop(mco::spawn_blocking!(second)));
        assert_eq!(receiver.recv(), Ok(number));
    }
}

fn other_runtime() {
    let runtime = Runtime::builder().workers(1).build().unwrap();
    runtime.spawn(|| sleep(A_WHILE)).join().unwrap();
}

fn computing() {
    let (sender, receiver) = channel::unbounded();
    go!(move || {
        std::thread::sleep(A_WHILE);
        sender.send(()).unwrap();
    });
    receiver.recv().unwrap();
}
