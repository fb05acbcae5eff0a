//! A crate that forbids `unsafe` uses all of mco: no expansion contains any.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mco::coroutine::{self, Builder, Cancelled};
use mco::net::{TcpListener, TcpStream};
use mco::runtime::Runtime;
use mco::{co, coroutine_local, defer, go, spawn};
use mco_tests::{HUNG, within};

#[path = "surface/net.rs"]
mod net_surface;
#[path = "surface/core.rs"]
mod surface;
#[path = "surface/sync.rs"]
mod sync_surface;
#[path = "surface/time.rs"]
mod time_surface;

coroutine_local! {
    static COUNT: Cell<u32> = Cell::new(0);
}

fn work(a: u32, b: String) -> usize {
    a as usize + b.len()
}

#[test]
fn go_in_every_form() {
    within(HUNG, || {
        assert_eq!(go!(|| 1).join().unwrap(), 1);
        assert_eq!(co!(move || 2).join().unwrap(), 2);
        assert_eq!(spawn!(|| 3).join().unwrap(), 3);
        assert_eq!(go!(work(1, "x".to_string())).join().unwrap(), 2);
        let block = go! {
            let x = 1u8;
            x + 1
        };
        assert_eq!(block.join().unwrap(), 2);
        let name = go!("name", || coroutine::current().name().map(str::to_owned));
        assert_eq!(name.join().unwrap().as_deref(), Some("name"));
        assert_eq!(go!(Builder::new(), || 4).join().unwrap(), 4);
        assert_eq!(go!(64 * 1024usize, work(2, String::new())).join().unwrap(), 2);
        assert_eq!(go!(("n", 64 * 1024usize), || 5).join().unwrap(), 5);
        let words = [String::from("a"), String::from("b")];
        assert_eq!(coroutine::scope(|s| go!(s, || words.len()).join().unwrap()), 2);
    });
}

#[test]
fn defer_and_locals() {
    within(HUNG, || {
        let ran = Arc::new(AtomicUsize::new(0));
        let runs = ran.clone();
        let handle = go!(move || {
            defer!(_ = runs.fetch_add(1, Ordering::SeqCst));
            defer! {
                runs.fetch_add(10, Ordering::SeqCst);
            }
            COUNT.with(|count| count.set(count.get() + 1));
            COUNT.with(Cell::get)
        });
        assert_eq!(handle.join().unwrap(), 1);
        assert_eq!(ran.load(Ordering::SeqCst), 11);
    });
}

#[test]
fn what_is_not_send_is_held_across_waits() {
    within(HUNG, || {
        let handle = go!(|| {
            let log = Rc::new(RefCell::new(Vec::new()));
            let borrowed = log.borrow_mut();
            coroutine::yield_now();
            coroutine::sleep(Duration::from_millis(1));
            drop(borrowed);
            log.borrow_mut().push(1);
            go!(coroutine::yield_now).join().unwrap();
            log.borrow().len()
        });
        assert_eq!(handle.join().unwrap(), 1);
    });
}

#[test]
fn sockets_runtimes_and_cancelling() {
    within(HUNG, || {
        let runtime = Runtime::builder().workers(2).name("safe").build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = runtime.spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut text = String::new();
            stream.read_to_string(&mut text).unwrap();
            stream.write_all(text.to_uppercase().as_bytes()).unwrap();
        });
        let answer = runtime.run(|| {
            let mut stream = TcpStream::connect(addr).unwrap();
            stream.write_all(b"hello").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        assert_eq!(answer, "HELLO");
        server.join().unwrap();
        let parked = runtime.spawn(coroutine::park);
        parked.cancel();
        assert!(parked.join().unwrap_err().is::<Cancelled>());
        assert_eq!(mco::block_on(async { 5 }), 5);
    });
}

#[mco::main(workers = 2)]
fn an_entry() -> Result<(), std::num::ParseIntError> {
    "7".parse::<u32>().map(drop)
}

#[test]
fn main_runs_its_body() {
    within(HUNG, || {
        let code = std::process::Termination::report(an_entry());
        assert_eq!(code, std::process::ExitCode::SUCCESS);
    });
}

#[mco::test(workers = 2, timeout = "30s")]
fn test_runs_its_body() -> Result<(), Box<dyn std::error::Error>> {
    assert!(coroutine::is_coroutine());
    Ok(())
}
