//! Neither side sees the names of the other.
#![forbid(unsafe_code)]
#![deny(warnings)]
#![allow(clippy::used_underscore_binding)]

use mco::{defer, go};

fn pair(one: u32, two: u32) -> (u32, u32) {
    (one, two)
}

/// A function that an expansion might have called its own.
fn body() -> u32 {
    3
}

#[mco::main]
fn main() {
    let operands = 1;
    let _guard = 2;
    defer!(assert_eq!(_guard, 2));
    assert_eq!(go!(pair(operands, operands + _guard)).join().unwrap(), (1, 3));
    let _guard = body();
    defer!(assert_eq!((operands, _guard), (1, 3)));
}
