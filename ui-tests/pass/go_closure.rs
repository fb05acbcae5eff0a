//! The closure forms give a handle to what the closure returns.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::coroutine::JoinHandle;
use mco::{co, go, spawn};

fn double(number: u32) -> impl FnOnce() -> u32 {
    move || number * 2
}

fn main() {
    let text = String::from("text");
    let length: JoinHandle<usize> = go!(move || text.len());
    assert_eq!(length.join().unwrap(), 4);

    assert_eq!(go!(|| 1).join().unwrap(), 1);
    assert_eq!(co!(|| 2).join().unwrap(), 2);
    assert_eq!(spawn!(|| 3,).join().unwrap(), 3);
    assert_eq!(mco::go!(|| -> u8 { 4 }).join().unwrap(), 4);

    let task = double(5);
    assert_eq!(go!(task).join().unwrap(), 10);
    assert_eq!(go!(main_thread).join().unwrap(), "main");
    assert_eq!(go!(Box::new(|| 6_u8) as Box<dyn FnOnce() -> u8 + Send>).join().unwrap(), 6);
}

fn main_thread() -> &'static str {
    "main"
}
