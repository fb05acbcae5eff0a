//! Inside the macros of others, with what these substitute.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::{defer, go};
use std::cell::RefCell;

macro_rules! start {
    ($work:expr) => {
        go!($work)
    };
    ($target:expr, $work:expr) => {
        go!($target, $work)
    };
}

macro_rules! all {
    ($($function:ident($($argument:expr),*)),* $(,)?) => {
        [$(go!($function($($argument),*))),*]
    };
}

macro_rules! block {
    ($($body:tt)*) => {
        go! { $($body)* }
    };
}

macro_rules! last {
    ($log:ident, $($number:expr),*) => {
        $(defer!($log.borrow_mut().push($number));)*
    };
}

macro_rules! bound {
    ($name:ident = $value:expr) => {
        go! { let $name = $value; $name + 1 }
    };
}

fn add(one: u32, two: u32) -> u32 {
    one + two
}

fn main() {
    let one = 1;
    assert_eq!(start!(move || one).join().unwrap(), 1);
    assert_eq!(start!(add(one, one + 1)).join().unwrap(), 3);
    assert_eq!(start!({ one }).join().unwrap(), 1);
    assert_eq!(start!("name", one.pow(2)).join().unwrap(), 1);
    let sums = all![add(1, 2), add(one, one * 2)].map(|handle| handle.join().unwrap());
    assert_eq!(sums, [3, 3]);
    assert_eq!(block! { let two = 2; two + two }.join().unwrap(), 4);
    assert_eq!(bound!(number = 5).join().unwrap(), 6);

    let log = RefCell::new(Vec::new());
    {
        last!(log, 1, 2, 3);
    }
    assert_eq!(*log.borrow(), [3, 2, 1]);
}
