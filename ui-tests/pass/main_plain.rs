//! `main` without a result, with attributes and documentation of its own.
#![forbid(unsafe_code)]
#![deny(warnings)]

#![deny(missing_docs)]

/// Starts here.
#[allow(unused_variables)]
#[mco::main]
#[inline(never)]
pub fn main() {
    #![allow(unused_mut)]
    let mut unused = 1;
    if mco::go!(|| true).join().unwrap() {
        return;
    }
    unreachable!();
}
