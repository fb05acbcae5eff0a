//! The path of mco may be given.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::{chan, defer, go, join, select};

mod facade {
    pub use mco as rt;
}

fn work(number: u32) -> u32 {
    number
}

#[mco::main(crate = facade::rt, workers = 1)]
fn main() {
    assert_eq!(go!(crate = mco, || 1).join().unwrap(), 1);
    assert_eq!(go!(crate = facade::rt, work(1 + 1)).join().unwrap(), 2);
    assert_eq!(go!(crate = ::mco, "name", { 3 }).join().unwrap(), 3);
    assert_eq!(go! { crate = crate::facade::rt, let two = 2; two + two }.join().unwrap(), 4);
    defer!(crate = mco, || ());
    defer! { crate = facade::rt, work(5); }
    let (sender, receiver) = chan!(u32, 1);
    let sent =
        select! { crate = facade::rt; biased; sent = sender.send(1) => sent, default => Ok(()) };
    sent.unwrap();
    assert_eq!(select! { crate = ::mco, number = receiver.recv() => number }, Ok(1));
    assert_eq!(join!(crate = crate::facade::rt, work(1), work(2)), (1, 2));
}
