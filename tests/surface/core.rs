//! The part of mco's public surface that programs of the first version compile against. Nothing
//! here is run.
#![allow(missing_docs, elided_lifetimes_in_paths, unreachable_pub)]
#![allow(dead_code, unused_variables, clippy::all)]

use mco::coroutine::{
    self, Builder, Cancelled, Coroutine, JoinHandle, ParkError, Scope, ScopedJoinHandle,
};
use mco::runtime::{Handle, Metrics, Runtime};
use mco::{co, coroutine_local, defer, go, spawn};
use std::cell::RefCell;
use std::io::{self, Read, Write};
use std::time::Duration;

coroutine_local! {
    pub static COUNT: RefCell<u32> = RefCell::new(0);
    static NAME: &'static str = "n";
}

fn spawning(b: Builder) {
    let h: JoinHandle<u32> = go!(|| 1);
    let _: std::thread::Result<u32> = h.join();
    let _: JoinHandle<u32> = coroutine::spawn(move || 2);
    let _: JoinHandle<()> = co!(|| ());
    let _: JoinHandle<()> = spawn!(|| ());
    let _ = go!(b, || ());
    let _ = go!("name", || ());
    let _ = go!(String::from("name"), || ());
    let _ = go!(64 * 1024usize, || ());
    let _ = go!(("name", 64 * 1024usize), || ());
    let _: JoinHandle<u8> = go! {
        let x = 1u8;
        x + 1
    };
    fn work(a: u32, b: String) -> usize {
        a as usize + b.len()
    }
    let _: JoinHandle<usize> = go!(work(1, "x".to_string()));
    let h = Builder::new().name("worker").stack_size(128 * 1024).spawn(|| 5u8);
    let c: &Coroutine = h.coroutine();
    let _: Option<&str> = c.name();
    let (_, _, _): (usize, u64, &'static std::panic::Location<'static>) =
        (c.stack_size(), c.id().into(), c.spawned_at());
    c.unpark();
    c.cancel();
    h.cancel();
    h.wait();
    let _: (bool, bool) = (h.is_done(), h.is_finished());
    if let Err(e) = h.join() {
        let _: bool = e.is::<Cancelled>();
    }
    let _: Option<Coroutine> = coroutine::try_current();
    let _: Coroutine = coroutine::current();
    let _: (bool, bool) = (coroutine::is_coroutine(), coroutine::is_cancelled());
    coroutine::park();
    let _: Result<(), ParkError> = coroutine::park_timeout(Duration::from_millis(1));
    coroutine::yield_now();
    coroutine::sleep(Duration::from_millis(1));
    COUNT.with(|c| *c.borrow_mut() += 1);
    defer!(println!("bye"));
    defer! { let _ = 1; }
    defer!(|| println!("bye"));
}

fn scoped(v: &mut Vec<u32>) -> usize {
    coroutine::scope(|s: &Scope| {
        let h: ScopedJoinHandle<u32> = s.spawn(|| v.iter().sum());
        go!(s, || println!("{}", v.len()));
        h.join().unwrap() as usize
    })
}

fn runtime() -> io::Result<()> {
    mco::config().set_workers(2).set_stack_size(1 << 20).set_pool_capacity(64);
    let rt: Runtime = Runtime::builder().workers(2).stack_size(1 << 20).name("rt").build()?;
    let local = vec![1];
    let n: usize = rt.run(|| local.len());
    let h: JoinHandle<()> = rt.spawn(|| ());
    let m: Metrics = rt.metrics();
    let _: Metrics = mco::runtime::metrics();
    let _: Handle = rt.handle();
    Ok(())
}

fn net() -> io::Result<()> {
    let l = mco::net::TcpListener::bind("127.0.0.1:0")?;
    let (mut c, _): (mco::net::TcpStream, std::net::SocketAddr) = l.accept()?;
    c.set_read_timeout(Some(Duration::from_secs(1)))?;
    let n = c.read(&mut [0; 8])?;
    c.write_all(b"x")?;
    (&c).read(&mut [0; 8])?;
    for c in l.incoming() {
        let _: mco::net::TcpStream = c?;
    }
    Ok(())
}

#[mco::main]
fn main_plain() {}
#[mco::main(workers = 2, stack_size = 262_144)]
fn main_result() -> Result<(), Box<dyn std::error::Error>> {
    Ok(())
}
