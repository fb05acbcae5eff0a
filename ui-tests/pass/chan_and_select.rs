//! `chan!`, `go!` and `select!` together, in the manner of Go.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::std::sync::{Receiver, Sender};
use mco::{chan, go, select};

fn fibonacci(out: &Sender<u64>, quit: &Receiver<()>) {
    let (mut x, mut y) = (0, 1);
    loop {
        select! {
            sent = out.send(x) => {
                if sent.is_err() {
                    return;
                }
                (x, y) = (y, x + y);
            },
            _ = quit.recv() => return,
        }
    }
}

#[mco::main]
fn main() {
    let (out, numbers) = chan!(u64, 0);
    let (quit, quits) = chan!();
    let running = go!(move || fibonacci(&out, &quits));
    let first: Vec<_> = numbers.iter().take(10).collect();
    assert_eq!(first, [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]);
    quit.send(()).unwrap();
    running.join().unwrap();
}
