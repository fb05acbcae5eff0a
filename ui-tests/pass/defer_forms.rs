//! Every form of `defer!`, last first.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::defer;
use std::cell::RefCell;

fn main() {
    let log = RefCell::new(Vec::new());
    let push = |number| log.borrow_mut().push(number);
    let ten = || push(10);
    {
        defer!(push(1));
        defer! { push(2); }
        defer! { push(4); push(3) }
        defer!({ push(5) });
        defer!(|| push(6));
        defer!(move || push(7));
        defer!(if log.borrow().len() == 5 { push(8) });
        defer!(push(9));
        defer!(ten);
        defer!(println!("over"));
        defer! {
            for number in [12, 11] {
                push(number);
            }
            if log.borrow().is_empty() {
                unreachable!();
            }
        }
        push(13);
    }
    assert_eq!(*log.borrow(), [13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
}
