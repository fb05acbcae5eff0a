//! However the scope ends, what was deferred runs.
#![forbid(unsafe_code)]
#![deny(warnings)]

use mco::defer;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn returns(count: &Cell<u32>) -> u32 {
    defer!(count.set(count.get() + 1));
    if count.get() == 0 {
        return 0;
    }
    unreachable!()
}

fn fails(count: &Cell<u32>) -> Result<(), std::num::ParseIntError> {
    defer!(count.set(count.get() + 1));
    "x".parse::<u32>()?;
    unreachable!()
}

fn breaks(count: &Cell<u32>) {
    loop {
        defer!(count.set(count.get() + 1));
        if count.get() == 2 {
            continue;
        }
        break;
    }
}

fn main() {
    let count = Cell::new(0);
    assert_eq!(returns(&count), 0);
    assert!(fails(&count).is_err());
    breaks(&count);
    assert_eq!(count.get(), 4);
    let result = catch_unwind(AssertUnwindSafe(|| {
        defer!(count.set(10));
        std::panic::resume_unwind(Box::new("boom"));
    }));
    assert!(result.is_err());
    assert_eq!(count.get(), 10);
}
