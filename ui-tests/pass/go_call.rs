//! The operands of a call are evaluated by the caller, in order; the call runs in the coroutine.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::go;
use std::cell::RefCell;
use std::sync::mpsc::{Receiver, channel};

thread_local!(static LOG: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) });

/// Notes in the caller's thread that an operand was evaluated.
fn operand(number: u32) -> u32 {
    LOG.with(|log| log.borrow_mut().push(number));
    number
}

/// Runs only when the caller lets it.
fn gated(gate: &Receiver<()>, one: u32, two: u32) -> (u32, usize) {
    gate.recv().unwrap();
    (one * 10 + two, LOG.with(|log| log.borrow().len()))
}

fn sum(numbers: &[u32], map: impl Fn(&u32) -> u32) -> u32 {
    numbers.iter().map(map).sum()
}

mod nested {
    pub fn parse<T: std::str::FromStr>(text: &str) -> Option<T> {
        text.parse().ok()
    }
}

struct Pair(u32, u32);

impl Pair {
    fn sum(one: u32, two: u32) -> u32 {
        one + two
    }
}

fn main() {
    let (open, gate) = channel();
    let mut next = 1;
    let handle = go!(gated(Box::leak(Box::new(gate)), operand(next), {
        next += 1;
        operand(next)
    }));
    assert_eq!(LOG.with(|log| log.borrow().clone()), [1, 2]);
    open.send(()).unwrap();
    assert_eq!(handle.join().unwrap(), (12, 0));

    // A name before an operand that changes it is evaluated first.
    let mut number = 1;
    let handle = go!(Pair::sum(number, std::mem::replace(&mut number, 5) + 1));
    assert_eq!((handle.join().unwrap(), number), (3, 5));

    // Operands may be converted to what the function takes.
    assert_eq!(go!(sum(&[1, 2, 3], |number: &u32| *number)).join().unwrap(), 6);
    // A `move` closure moves as a whole, and so learns its types from the function it is passed to.
    let factor = 3;
    assert_eq!(go!(sum(&[1, 2], move |number| number * factor)).join().unwrap(), 9);
    assert_eq!(go!(nested::parse::<u32>("7")).join().unwrap(), Some(7));
    assert_eq!(go!(<u32 as std::str::FromStr>::from_str("8")).join().unwrap(), Ok(8));
    assert_eq!(go!(nested::parse("-1".trim())).join().unwrap(), Some(-1_i64));
    let pair = go!(Pair(1, (-2_i32).signum().unsigned_abs())).join().unwrap();
    assert_eq!((pair.0, pair.1), (1, 1));

    // What the caller's `?` does stays with the caller.
    assert_eq!(fallible("x"), None);
    assert_eq!(fallible("3"), Some(4));
}

fn fallible(text: &str) -> Option<u32> {
    go!(Pair::sum(nested::parse(text)?, 1)).join().ok()
}
